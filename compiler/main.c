/* ganc: words in, a status out. Everything it says about the model goes to standard error, once, when it is done. */
#include "compiler/compiler.h"

#include <unistd.h>

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
