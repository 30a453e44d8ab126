/* Running compiler and trainers. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static void start_program(const char *const *arguments, const char *folder, const char *output, int seconds) {
  int file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0 || chdir(folder) != 0) _exit(127);
  alarm((unsigned)seconds);
  execv(arguments[0], (char *const *)(uintptr_t)arguments);
  _exit(127);
}

int run_program(const char *const *arguments, const char *folder, const char *output, int seconds) {
  pid_t child = vfork(); /* a copy of this process's page tables would cost more than most programs it runs */
  if (child < 0) perror("fork"), exit(3);
  if (child == 0) start_program(arguments, folder, output, seconds);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) perror("waitpid"), exit(3);
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return WTERMSIG(status) == SIGALRM ? 200 : 128 + WTERMSIG(status);
}
