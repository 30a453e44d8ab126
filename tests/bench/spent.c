/* spent FILE COMMAND...: runs the command, leaves "seconds megabytes" (elapsed, largest resident) in FILE, exits as the
   command does. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int count, char **arguments) {
  if (count < 3) return 2;
  double start = seconds_now();
  pid_t child = fork();
  if (child == 0) {
    execvp(arguments[2], arguments + 2);
    perror(arguments[2]);
    _exit(127);
  }
  int status = 0;
  struct rusage usage = {0};
  if (child < 0 || wait4(child, &status, 0, &usage) < 0) return 1;
  FILE *out = fopen(arguments[1], "w");
  if (!out) return 1;
  fprintf(out, "%.4f %.1f\n", seconds_now() - start, (double)usage.ru_maxrss / 1024);
  fclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
