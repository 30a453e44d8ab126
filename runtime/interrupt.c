/* Ctrl-C and SIGTERM. Takes the process's signals onto a thread of its own; says when the first one came; the second ends the process at once. No
   handler runs inside other code, so nothing here has to be a global. */
#include "runtime/runtime.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct Interrupt { sigset_t signals, before; pthread_t thread; atomic_bool asked; };

/* Sent to the watching thread alone. Not pthread_cancel: unwinding needs what a static trainer is not linked with. */
static const int farewell = SIGUSR2;

static void *watch(void *argument) {
  Interrupt *interrupt = argument;
  int number;
  for (int times = 0; sigwait(&interrupt->signals, &number) == 0 && number != farewell; times++) {
    if (times > 0) _exit(128 + number);
    atomic_store(&interrupt->asked, true);
    static const char message[] = "\nstopping after this step; once more to stop at once\n";
    ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
    (void)ignored;
  }
  return NULL;
}

Interrupt *interrupt_watch(Problem *problem) {
  Interrupt *interrupt = allocate_zeroed(1, sizeof *interrupt);
  if (!interrupt) {
    problem_out_of_memory(problem, "watching for Ctrl-C", sizeof *interrupt);
    return NULL;
  }
  sigemptyset(&interrupt->signals);
  sigaddset(&interrupt->signals, farewell);
  const int numbers[] = {SIGINT, SIGTERM};
  for (int k = 0; k < 2; k++) {                            /* what was ignored from the start (nohup, jobs of scripts) stays ignored */
    struct sigaction action;
    if (sigaction(numbers[k], NULL, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&interrupt->signals, numbers[k]);
  }
  pthread_sigmask(SIG_BLOCK, &interrupt->signals, &interrupt->before);
  int error = pthread_create(&interrupt->thread, NULL, watch, interrupt);
  if (!error) return interrupt;
  problem_set_errno(problem, error, "the thread that waits for Ctrl-C could not be started");
  free(interrupt);
  return NULL;
}

bool interrupt_asked(const Interrupt *interrupt) { return atomic_load(&interrupt->asked); }

void interrupt_end(Interrupt *interrupt) {
  if (!interrupt) return;
  pthread_kill(interrupt->thread, farewell);
  pthread_join(interrupt->thread, NULL);
  pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
  free(interrupt);
}
