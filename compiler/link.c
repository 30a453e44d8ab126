/* Object and runtime become a trainer: the last pass.
   Takes an open object file and a path; returns whether the trainer lies there. Needs a linker, not a C compiler (but with sanitizers). */
#include "compiler/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LINKER_WORDS = 16, NOT_FOUND = 127 };

/* How to link, first choice first. "OUTPUT", "RUNTIME" and "MODEL" stand for paths. */
typedef struct Linker { const char *words[LINKER_WORDS]; } Linker;

static const Linker linkers[] = {
#ifdef GANC_SANITIZE                                       /* tests only: sanitizers link dynamically */
  { { GANC_SANITIZE, "-no-pie", "-fsanitize=address,undefined", "-o", "OUTPUT", "RUNTIME", "MODEL", "-lpng", "-lz", "-lm", "-pthread" } },
#else
  { { "ld", "-static", "--eh-frame-hdr", "-z", "noexecstack", "-o", "OUTPUT", "RUNTIME", "MODEL" } },
  { { "ld.lld", "-static", "--eh-frame-hdr", "-z", "noexecstack", "-o", "OUTPUT", "RUNTIME", "MODEL" } },
  { { "cc", "-static", "-nostdlib", "-Wl,--eh-frame-hdr", "-o", "OUTPUT", "RUNTIME", "MODEL" } },
#endif
};
enum { LINKER_COUNT = sizeof linkers / sizeof *linkers };

/* The runtime as a file in memory. */
static int runtime_open(Session *session) {
  const EmbeddedFile *runtime = embedded_find("runtime.o");
  if (!runtime) {
    diagnostic_title(diagnostic_report(session, E5014, (Span){ 0 }, NULL), "this ganc was built without the runtime of trainers");
    return -1;
  }
  int descriptor = file_anonymous(session, "runtime.o");
  for (uint64_t done = 0; descriptor >= 0 && done < runtime->size;) {
    ssize_t count = write(descriptor, runtime->bytes + done, runtime->size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      diagnostic_title(diagnostic_report(session, E5007, (Span){ 0 }, NULL), "linking failed: %s", strerror(errno));
      close(descriptor);
      return -1;
    }
    done += (uint64_t)count;
  }
  return descriptor;
}

/* Runs one linker; its exit status, or NOT_FOUND. What it prints goes into `messages`. */
static int linker_run(const Linker *linker, const char *const paths[3], int messages) {
  char *words[LINKER_WORDS + 1];
  int count = 0;
  for (; count < LINKER_WORDS && linker->words[count]; count++) {
    const char *word = linker->words[count];
    if (strcmp(word, "OUTPUT") == 0) word = paths[0];
    else if (strcmp(word, "RUNTIME") == 0) word = paths[1];
    else if (strcmp(word, "MODEL") == 0) word = paths[2];
    words[count] = (char *)(uintptr_t)word;                /* posix_spawn takes but does not change them */
  }
  words[count] = NULL;
  pid_t child;
  int status;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, messages, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
  int failed = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) return NOT_FOUND;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return NOT_FOUND;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_FOUND - 1;
}

static void linker_blame(Session *session, const char *linker, int messages) {
  char text[2000];
  ssize_t length = pread(messages, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  Diagnostic *diagnostic = diagnostic_report(session, E5007, (Span){ 0 }, NULL);
  for (char *line = text, *end; *line; line = end) {
    end = line + strcspn(line, "\n");
    if (*end) *end++ = '\0';
    diagnostic_context(diagnostic, "%s", line);
  }
  if (!linker) diagnostic_hint(diagnostic, "no linker is to be found: install binutils");
}

bool link_trainer(Session *session, int object, const char *output) {
  int runtime = runtime_open(session), messages = runtime < 0 ? -1 : file_anonymous(session, "messages");
  bool fine = false;
  if (messages >= 0) {
    const char *aside = output_aside(session, output);
    const char *const paths[3] = { aside, file_descriptor_path(session, runtime), file_descriptor_path(session, object) };
    int status = NOT_FOUND, at = 0;
    while (at < LINKER_COUNT && (status = linker_run(&linkers[at], paths, messages)) == NOT_FOUND) at++;
    fine = status == 0;
    if (!fine) linker_blame(session, at < LINKER_COUNT ? linkers[at].words[0] : NULL, messages);
    if (!fine) unlink(aside);
    fine = fine && output_rename(session, aside, output);
    close(messages);
  }
  if (runtime >= 0) close(runtime);
  return fine;
}
