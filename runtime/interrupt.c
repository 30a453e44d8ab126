/* Ctrl-C, SIGTERM and SIGHUP. Takes the process's signals onto a thread of its own; says when the first one came.
   What follows within a second is the same wish, however often and by whatever signal it is said (`timeout` sends two,
   an init system SIGTERM and SIGHUP); the next one after that ends the process at once. No handler runs inside other
   code, so nothing here has to be a global. */
#include "runtime/runtime.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct Interrupt {
  sigset_t signals, before;
  pthread_t thread;
  atomic_bool asked, ended;
};

/* Sent to the watching thread alone. Not pthread_cancel: unwinding needs what a static trainer is not linked with. */
static const int farewell = SIGUSR2;
static const int watched[] = {SIGINT, SIGTERM, SIGHUP};
static const double one_wish = 1; /* seconds */

static void *watch(void *argument) {
  static const char message[] =
      "\nstopping after this step, and saving; another signal, a second from now or later, ends it at once\n";
  Interrupt *interrupt = argument;
  double first = 0;
  int number;
  while (sigwait(&interrupt->signals, &number) == 0 && !(number == farewell && atomic_load(&interrupt->ended))) {
    if (number == farewell) continue; /* somebody else's */
    if (!atomic_load(&interrupt->asked)) {
      first = seconds_now();
      atomic_store(&interrupt->asked, true);
      ssize_t ignored = write(STDERR_FILENO, message, sizeof message - 1);
      (void)ignored;
    } else if (seconds_now() - first >= one_wish) _exit(128 + number);
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
  for (size_t k = 0; k < sizeof watched / sizeof *watched; k++) {
    struct sigaction action; /* ignored from the start (nohup, jobs of scripts): stays so */
    bool heard = sigaction(watched[k], NULL, &action) == 0 && action.sa_handler != SIG_IGN;
    if (heard) sigaddset(&interrupt->signals, watched[k]);
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
  atomic_store(&interrupt->ended, true);
  pthread_kill(interrupt->thread, farewell);
  pthread_join(interrupt->thread, NULL);
  pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL);
  free(interrupt);
}
