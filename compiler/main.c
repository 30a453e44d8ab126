/* ganc: words in, a status out. Everything it says about the model goes to standard error, once, when it is done. */
#include "compiler/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that is opened later must not become standard input, output or error because these were closed: messages would
   land in it. What stands there instead can not be used: whoever tries learns that. */
static void descriptors_open(void) {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++) /* open gives the first that is free */
    if (fcntl(descriptor, F_GETFD) < 0) open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* ---- a crash is ganc's mistake, and says so ---------------------------------------------------------------------- */

static void crash_report(int signal) {
  static const char text[] = "error: the compiler found a mistake of its own: it crashed [E5014]\n"
                             "   hint: please report the model and the command\n";
  (void)signal;
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(STATUS_INTERNAL);
  _exit(STATUS_INTERNAL);
}

/* On a stack of its own: running out of stack is one way to crash. Sanitizers report crashes better themselves. */
static void crash_watch(void) {
#ifndef GANC_SANITIZE
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  size_t size = (size_t)SIGSTKSZ + 16384;
  stack_t stack = {.ss_sp = malloc(size), .ss_size = size};
  struct sigaction action = {.sa_handler = crash_report, .sa_flags = SA_ONSTACK};
  if (!stack.ss_sp || sigaltstack(&stack, NULL) != 0) return;
  for (size_t at = 0; at < sizeof signals / sizeof *signals; at++) sigaction(signals[at], &action, NULL);
#else
  (void)crash_report;
#endif
}

/* ---- the commands ------------------------------------------------------------------------------------------------ */

static int help_print(Session *session, const CommandLine *options) {
  OutputFile out;
  if (!output_open(session, "-", &out)) return STATUS_MODEL;
  command_line_help(out.stream, options->topic);
  return output_close(session, &out) ? STATUS_FINE : STATUS_MODEL;
}

static int version_print(Session *session) {
  const char *text = session_format(session, "ganc %s\nbuild %s\n", build_version(), build_identity(session));
  return output_write(session, "-", text, strlen(text), 0666) ? STATUS_FINE : STATUS_MODEL;
}

/* `run` goes on as the trainer. */
static int launch_trainer(const Launch *launch) {
  execv(launch->path, launch->arguments);
  if (errno == ENOENT && launch->file >= 0) fexecve(launch->file, launch->arguments, environ);
  fprintf(stderr, "error: cannot execute %s: %s\n", launch->path, strerror(errno));
  fputs("   hint: use `ganc build`, or set XDG_CACHE_HOME to a folder whose files can be executed\n", stderr);
  return STATUS_MODEL;
}

int main(int count, char **arguments) {
  descriptors_open();
  crash_watch();
  void (*oversized)(int) = signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
  Session *session = session_new();
  CommandLine options;
  Launch launch = {0};
  int status = STATUS_USAGE;
  if (command_line_parse(session, count, arguments, &options)) {
    if (options.command == COMMAND_HELP) status = help_print(session, &options);
    else if (options.command == COMMAND_VERSION) status = version_print(session);
    else status = command_execute(session, &options, &launch);
  }
  diagnostic_print_all(session, stderr);
  if (ferror(stderr) && status == STATUS_FINE) status = STATUS_MODEL;
  signal(SIGXFSZ, oversized);
  if (launch.path && status == STATUS_FINE) status = launch_trainer(&launch);
  session_free(session);
  return status;
}
