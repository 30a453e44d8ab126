/* What a trainer's process must not die of without a word: output that nobody reads or no disk takes, files beyond a
   limit, files that shrink while they are mapped, a stack that is too small. Takes nothing; turns the first three into
   errors of the calls, the last two into messages. Keeps nothing: what is mapped where is asked of the kernel in time.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a page that is not there: only calls that a handler may make ------------------------------------------------ */

/* Does this line of /proc/self/maps, "start-end …" in hexadecimal, hold the address? */
static bool line_holds(const char *line, uintptr_t address) {
  uintptr_t ends[2] = {0, 0};
  for (int end = 0; *line && *line != ' '; line++) {
    if (*line == '-') end = 1;
    else ends[end] = ends[end] * 16 + (uintptr_t)(*line <= '9' ? *line - '0' : *line - 'a' + 10);
  }
  return ends[0] <= address && address < ends[1];
}

/* The file that is mapped at the address; NULL: none is. */
static const char *mapped_file(uintptr_t address, char *line, size_t size) {
  char piece[1024];
  size_t used = 0;
  int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  for (ssize_t got; maps >= 0 && (got = read(maps, piece, sizeof piece)) > 0;)
    for (ssize_t k = 0; k < got; k++) {
      if (piece[k] != '\n') {
        if (used < size - 1) line[used++] = piece[k];
        continue;
      }
      line[used] = 0;
      used = 0;
      if (!line_holds(line, address)) continue;
      close(maps);
      return strchr(line, '/');
    }
  if (maps >= 0) close(maps);
  return NULL;
}

static void say(const char *text) {
  ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
  (void)ignored;
}

/* Data are mapped, as they may be larger than memory, and rows are read in the middle of a round, whose weights are
   half moved by then: there is nothing to go back to, and nothing to save. */
static void handle_missing_page(int number, siginfo_t *facts, void *context) {
  char line[8192];
  (void)context;
  const char *path = mapped_file((uintptr_t)facts->si_addr, line, sizeof line);
  if (!path) {
    signal(number, SIG_DFL); /* a fault of our own: it comes again, and is the end */
    return;
  }
  say("\n");
  say(program_invocation_short_name);
  say(": error: ");
  say(path);
  say(" cannot be read to its end: it became shorter while it was in use, or its disk failed; put it back as it was, "
      "and go on from the last checkpoint with --resume\n");
  _exit(EXIT_FAILED);
}

/* ---- the stack: running out of it is a fault without a word ------------------------------------------------------ */

static bool stack_widen(Problem *problem) {
  static const rlim_t needed = 1 << 20; /* of the main thread; the others' stacks are as large */
  struct rlimit limit;
  if (getrlimit(RLIMIT_STACK, &limit) < 0 || limit.rlim_cur >= needed) return true;
  rlim_t before = limit.rlim_cur;
  limit.rlim_cur = needed;
  if (limit.rlim_max >= needed && setrlimit(RLIMIT_STACK, &limit) == 0) return true;
  return problem_set(
      problem, "the stack may have %llu kB here, and a trainer needs %llu: raise the limit, as by ulimit -s %llu",
      (unsigned long long)before >> 10, (unsigned long long)needed >> 10, (unsigned long long)needed >> 10);
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

bool process_begin(Problem *problem) {
  struct sigaction missing = {.sa_sigaction = handle_missing_page, .sa_flags = SA_SIGINFO};
  signal(SIGPIPE, SIG_IGN); /* write(2) then fails with EPIPE, and with EFBIG beyond a limit */
  signal(SIGXFSZ, SIG_IGN);
  sigaction(SIGBUS, &missing, NULL);
  return stack_widen(problem);
}

/* What no descriptor of a process could be used for, nobody has asked for. */
static bool output_closed(void) { return (fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY; }

int process_end(const char *program, int status, bool talk) {
  Problem problem;
  if (talk && output_closed()) return status;
  errno = 0;
  bool fine = fflush(stdout) == 0 && !ferror(stdout);
  int copy = fine ? dup(STDOUT_FILENO) : -1; /* some file systems tell of a full disk only at close */
  if (copy >= 0 && close(copy) < 0) fine = false;
  if (fine || status != EXIT_FINE) return status;
  if (!errno && write(STDOUT_FILENO, "\n", 1) > 0) errno = EIO; /* it failed some time ago: what happens today? */
  problem_set_errno(&problem, errno, "what was to be said could not be written to the standard output");
  report_error(program, &problem);
  return EXIT_FAILED;
}
