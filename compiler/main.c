/* ganc: words in, a status out. Everything it says about the model goes to standard error, once, when it is done. */
#include "compiler/compiler.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- a crash is ganc's mistake, and says so ------------------------------------------------------------------------------ */

static void crash_report(int signal) {
  static const char text[] = "error: the compiler found a mistake of its own: it crashed [E5014]\n   hint: please report the model and the command\n";
  (void)signal;
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(STATUS_INTERNAL);
  _exit(STATUS_INTERNAL);
}

/* On a stack of its own: running out of stack is one way to crash. Sanitizers report crashes better themselves. */
static void crash_watch(void) {
#ifndef GANC_SANITIZE
  static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
  size_t size = (size_t)SIGSTKSZ + 16384;
  stack_t stack = { .ss_sp = malloc(size), .ss_size = size };
  struct sigaction action = { .sa_handler = crash_report, .sa_flags = SA_ONSTACK };
  if (!stack.ss_sp || sigaltstack(&stack, NULL) != 0) return;
  for (size_t at = 0; at < sizeof signals / sizeof *signals; at++) sigaction(signals[at], &action, NULL);
#else
  (void)crash_report;
#endif
}

/* ---- the commands ----------------------------------------------------------------------------------------------------------- */

static int help_print(const Options *options) {
  command_line_help(stdout, options->topic);
  return STATUS_FINE;
}

static int version_print(Session *session) {
  printf("ganc %s\nbuild %s\n", build_version(), build_identity(session));
  return STATUS_FINE;
}

/* `run` goes on as the trainer. */
static int launch_trainer(const Launch *launch) {
  fflush(NULL);
  execv(launch->path, launch->arguments);
  perror(launch->path);
  return STATUS_MODEL;
}

int main(int count, char **arguments) {
  crash_watch();
  Session *session = session_new();
  Options options;
  Launch launch = { 0 };
  int status = STATUS_USAGE;
  if (command_line_parse(session, count, arguments, &options)) {
    if (options.command == COMMAND_HELP) status = help_print(&options);
    else if (options.command == COMMAND_VERSION) status = version_print(session);
    else status = command_execute(session, &options, &launch);
  }
  if (fflush(stdout) != 0 && status == STATUS_FINE) status = STATUS_MODEL;
  diagnostic_print_all(session, stderr);
  if (launch.path) status = launch_trainer(&launch);
  session_free(session);
  return status;
}
