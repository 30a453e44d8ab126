/* Object and runtime become a trainer.
   Takes an object; returns the trainer as a file in memory. Needs a linker, not a C compiler (but with
   sanitizers); touches no file of a folder. */
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

/* How to link, first choice first. "OUTPUT", "RUNTIME" and "MODEL" stand for paths; "-" is standard output, for one
   that does not write to an empty file where it lies, as those of GNU do. */
typedef struct Linker {
  const char *words[LINKER_WORDS];
} Linker;

static const Linker linkers[] = {
#ifdef GANC_SANITIZE /* tests only: sanitizers link dynamically */
    {{GANC_SANITIZE, "-no-pie", "-fsanitize=address,undefined", "-o", "OUTPUT", "RUNTIME", "MODEL", "-lpng", "-lz",
      "-lm", "-pthread"}},
#else
    {{"ld.bfd", "-static", "--eh-frame-hdr", "-z", "noexecstack", "-o", "OUTPUT", "RUNTIME", "MODEL"}},
    {{"ld", "-static", "--eh-frame-hdr", "-z", "noexecstack", "-o", "OUTPUT", "RUNTIME", "MODEL"}},
    {{"ld.lld", "-static", "--eh-frame-hdr", "-z", "noexecstack", "-o", "-", "RUNTIME", "MODEL"}},
    {{"cc", "-static", "-nostdlib", "-Wl,--eh-frame-hdr", "-o", "OUTPUT", "RUNTIME", "MODEL"}},
#endif
};
enum { LINKER_COUNT = sizeof linkers / sizeof *linkers };

static int linking_failed(Session *session, const char *linker, const char *why) {
  diagnostic_title(diagnostic_report(session, E5007, (Span){0}, NULL), "linking failed: %s: %s", linker, why);
  return -1;
}

/* The runtime as a file in memory. */
static int runtime_open(Session *session) {
  const EmbeddedFile *runtime = embedded_find("runtime.o");
  if (!runtime) {
    diagnostic_title(diagnostic_report(session, E5014, (Span){0}, NULL),
                     "this ganc was built without the runtime of trainers");
    return -1;
  }
  return file_anonymous(session, "runtime.o", runtime->bytes, runtime->size);
}

typedef struct LinkerFiles {
  int trainer, runtime, model, messages;
} LinkerFiles; /* open ones, in memory */

/* Runs one linker; its exit status, or NOT_FOUND, or -1 after a diagnostic. What it prints goes into `messages`. */
static int linker_run(Session *session, const Linker *linker, const LinkerFiles *files) {
  char *words[LINKER_WORDS + 1];
  int count = 0, printed = files->messages;
  for (; count < LINKER_WORDS && linker->words[count]; count++) {
    const char *word = linker->words[count];
    if (strcmp(word, "OUTPUT") == 0) word = file_descriptor_path(session, files->trainer);
    else if (strcmp(word, "RUNTIME") == 0) word = file_descriptor_path(session, files->runtime);
    else if (strcmp(word, "MODEL") == 0) word = file_descriptor_path(session, files->model);
    else if (strcmp(word, "-") == 0) printed = files->trainer;
    words[count] = (char *)(uintptr_t)word; /* posix_spawn takes but does not change them */
  }
  words[count] = NULL;
  pid_t child;
  int status;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, printed, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, files->messages, STDERR_FILENO);
  int failed = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == ENOENT) return NOT_FOUND;
  while (!failed && waitpid(child, &status, 0) < 0) failed = errno == EINTR ? 0 : errno;
  if (!failed && WIFEXITED(status)) return WEXITSTATUS(status);
  return linking_failed(session, words[0], failed ? strerror(failed) : strsignal(WTERMSIG(status)));
}

static void linker_blame(Session *session, bool found, int messages) {
  char text[2000];
  ssize_t length = pread(messages, text, sizeof text - 1, 0);
  text[length > 0 ? length : 0] = '\0';
  Diagnostic *diagnostic = diagnostic_report(session, E5007, (Span){0}, NULL);
  for (char *line = text, *end; *line; line = end) {
    end = line + strcspn(line, "\n");
    if (*end) *end++ = '\0';
    diagnostic_context(diagnostic, "%s", line);
  }
  if (!found) diagnostic_hint(diagnostic, "no linker is to be found: install binutils");
}

/* A linker takes paths, and files in memory have theirs in /proc. */
static bool descriptors_have_paths(Session *session) {
  if (access("/proc/self/fd", X_OK) == 0) return true;
  Diagnostic *diagnostic = diagnostic_report(session, E5007, (Span){0}, NULL);
  diagnostic_title(diagnostic, "linking failed: /proc/self/fd, where the linker finds its files, is not to be had: %s",
                   strerror(errno));
  diagnostic_hint(diagnostic, "mount /proc, as by `mount -t proc proc /proc`");
  return false;
}

int link_trainer(Session *session, const void *object, size_t size) {
  LinkerFiles files = {-1, -1, -1, -1};
  if (descriptors_have_paths(session)) files.runtime = runtime_open(session);
  if (files.runtime >= 0) files.model = file_anonymous(session, "model.o", object, size);
  if (files.model >= 0) files.messages = file_anonymous(session, "messages", NULL, 0);
  if (files.messages >= 0) files.trainer = file_anonymous(session, "trainer", NULL, 0);
  int status = NOT_FOUND;
  for (int at = 0; at < LINKER_COUNT && files.trainer >= 0 && status == NOT_FOUND; at++) {
    status = linker_run(session, &linkers[at], &files);
  }
  if (files.trainer >= 0 && status > 0) linker_blame(session, status != NOT_FOUND, files.messages);
  if (files.trainer >= 0 && status != 0) close(files.trainer);
  if (files.messages >= 0) close(files.messages);
  if (files.model >= 0) close(files.model);
  if (files.runtime >= 0) close(files.runtime);
  return status == 0 ? files.trainer : -1;
}
