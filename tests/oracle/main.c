/* oracle COUNT [SEED]: so many random models, from the seed on, compiled, trained and compared. See
   tests/oracle/README.md. oracle FILE.gan …: these models, and the lines `# right NAME = VALUES` in them. */
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

enum { REDUCTIONS = 3 };      /* a process; a reduction takes minutes */
enum { QUOTA_MODELS = 2000 }; /* so many models hold every construct */
static const double drop_limit = 0.05, agree_least = 0.8;

typedef struct Settings {
  const char *compilers[4], *processors[8], *folder;
  int compiler_count, processor_count, jobs;
  bool everything, stop, reduce, right, invalid;
  uint64_t seed;
  long count;
} Settings;

/* What a process knows of its models. */
typedef struct Tally {
  long verdicts[VERDICT_COUNT], models;
  double worst;
  Coverage coverage;
} Tally;

static bool failed(Verdict verdict) { return verdict == DIFFERS || verdict == REFUSED || verdict == CRASHED; }

static Setup setup_for(const Settings *settings, const Plan *plan, int job, int processor) {
  Setup setup = {.folder = arena_format("%s/job-%d", settings->folder, job), .real = plan->narrow ? "f32" : "f64"};
  setup.march = settings->processors[settings->everything ? processor : plan->processor % settings->processor_count];
  for (int k = 0; k < settings->compiler_count; k++)
    if (settings->everything || k == plan->compiler % settings->compiler_count)
      setup.compilers[setup.compiler_count++] = settings->compilers[k];
  return setup;
}

static void keep_failure(const Settings *settings, const Plan *plan, const Setup *setup, const Tree *file,
                         const Trial *trial, bool reduce) {
  const char *stem = arena_format("%s/%llu", settings->folder, (unsigned long long)plan->seed);
  write_text(arena_format("%s.gan", stem), print(file));
  const char *how = arena_format("seed %llu: %s, %s, steps %d, march %s, real %s\n%s\n", (unsigned long long)plan->seed,
                                 verdict_names[trial->verdict], plan->fed ? "fed" : "unfed", plan->steps, setup->march,
                                 setup->real, trial->report);
  fprintf(stderr, "\n%s", how);
  if (reduce) {
    Trial small;
    Tree *least = reduce_model(setup, plan, file, trial);
    small = try_model(setup, plan, least);
    write_text(arena_format("%s.small.gan", stem), print(least));
    how = arena_format("%s--- reduced to %s.small.gan:\n%s\n", how, stem, small.report);
    fprintf(stderr, "reduced to %s.small.gan: %s\n", stem, small.report);
  }
  write_text(arena_format("%s.txt", stem), how);
}

static Verdict run_one(const Settings *settings, Tally *tally, uint64_t seed, int job, int *reductions) {
  static Plan plan;
  static Tree *file;
  static Trial trial;
  arena_reset();
  if (setjmp(failure) != 0) {
    fprintf(stderr, "\nseed %llu: the generator fails: %s\n", (unsigned long long)seed, failure_text);
    tally->verdicts[INVALID]++;
    return INVALID;
  }
  plan = generate(seed);
  file = parse(plan.text, "generated");
  for (int processor = 0; processor < (settings->everything ? settings->processor_count : 1); processor++) {
    Setup setup = setup_for(settings, &plan, job, processor);
    trial = try_model(&setup, &plan, file);
    if (trial.verdict != AGREES) {
      if (failed(trial.verdict))
        keep_failure(settings, &plan, &setup, file, &trial, settings->reduce && (*reductions)++ < REDUCTIONS);
      if (trial.verdict == INVALID && settings->invalid)
        fprintf(stderr, "\nseed %llu: %s\n", (unsigned long long)seed, trial.report);
      break;
    }
  }
  tally->verdicts[trial.verdict]++;
  if (trial.verdict == AGREES || failed(trial.verdict)) coverage_add(&tally->coverage, file, &plan);
  if (trial.verdict == AGREES && trial.worst > tally->worst) tally->worst = trial.worst;
  return trial.verdict;
}

/* Whoever ends a run early gets the figures so far. */
static volatile sig_atomic_t ended;
static void end(int number) { ended = number; }

/* One process: every jobs-th model. */
static void run_job(const Settings *settings, int job, int pipe) {
  Tally tally = {0};
  int reductions = 0;
  for (long k = job; k < settings->count && !ended; k += settings->jobs) {
    Verdict verdict = run_one(settings, &tally, settings->seed + (uint64_t)k, job, &reductions);
    tally.models++;
    if (isatty(2) && tally.models % 10 == 0) fprintf(stderr, "\r%ld models in process %d", tally.models, job);
    if (settings->stop && failed(verdict)) break;
  }
  if (write(pipe, &tally, sizeof tally) != (ssize_t)sizeof tally) _exit(3);
  _exit(0);
}

static void add(Tally *all, const Tally *part) {
  all->models += part->models;
  for (int k = 0; k < VERDICT_COUNT; k++) all->verdicts[k] += part->verdicts[k];
  for (int k = 0; k < construct_count(); k++) all->coverage.count[k] += part->coverage.count[k];
  if (part->worst > all->worst) all->worst = part->worst;
}

static int run_all(const Settings *settings) {
  int pipes[2], broken = 0;
  Tally all = {0}, part;
  struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};
  if (pipe(pipes) != 0 || sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
    return perror("oracle"), 3;
  for (int job = 0; job < settings->jobs; job++) {
    pid_t child = fork();
    if (child < 0) return perror("fork"), 3;
    if (child == 0) run_job(settings, job, pipes[1]);
  }
  close(pipes[1]);
  while (read(pipes[0], &part, sizeof part) == (ssize_t)sizeof part) add(&all, &part);
  for (int status; wait(&status) > 0;)
    if (status != 0) fprintf(stderr, "\na process ends with status %d\n", status), broken++;
  int missing = coverage_print(&all.coverage, all.models, stdout);
  long failures = all.verdicts[DIFFERS] + all.verdicts[REFUSED] + all.verdicts[CRASHED];
  printf("\n%ld models from seed %llu:", all.models, (unsigned long long)settings->seed);
  for (int k = 0; k < VERDICT_COUNT; k++)
    printf(" %ld %s%s", all.verdicts[k], verdict_names[k], k + 1 < VERDICT_COUNT ? "," : "\n");
  printf("the largest difference was %.2g of what is allowed\n", all.worst);
  if (all.verdicts[SENSITIVE] > drop_limit * (double)all.models + 2)
    printf("more than one in twenty is dropped because its results move too much with its inputs\n"), failures++;
  if (all.verdicts[AGREES] < agree_least * (double)all.models - 4)
    printf("fewer than four in five are compared\n"), failures++;
  if (all.models >= QUOTA_MODELS && missing > 0)
    printf("%d constructs are in no model that was compared\n", missing), failures++;
  if (broken > 0) printf("%d processes ended early\n", broken), failures++;
  return failures > 0;
}

/* ---- one model in a file, with the values that are known to be right --------------------------------------------- */

static void print_right(const Outcome *outcome) {
  for (int k = 0; k < outcome->tensor_count; k++) {
    printf("# right %s =", outcome->tensors[k].name);
    for (int e = 0; e < shape_size(outcome->tensors[k].shape); e++) printf(" %.12g", outcome->tensors[k].value[e]);
    printf("\n");
  }
}

/* The lines `# right NAME = VALUES` of the file, against what the oracle says today. */
static int check_right(const char *path, const char *text, const Outcome *outcome) {
  int wrong = 0, said = 0, lines = 0;
  for (const char *line = strstr(text, "# right "); line != NULL; line = strstr(line + 1, "\n# right ")) {
    line += *line == '\n';
    const char *name = line + strlen("# right "), *equals = strstr(name, " = ");
    lines++;
    for (int k = 0; equals != NULL && k < outcome->tensor_count; k++) {
      const Tensor *tensor = &outcome->tensors[k];
      if (strlen(tensor->name) != (size_t)(equals - name) || strncmp(tensor->name, name, strlen(tensor->name)) != 0)
        continue;
      char *at = (char *)(uintptr_t)(equals + 2);
      said++;
      for (int e = 0; e < shape_size(tensor->shape); e++) {
        double right = strtod(at, &at);
        if (fabs(right - tensor->value[e]) > 1e-9 * (1 + fabs(right)))
          printf("%s: %s, element %d: the oracle says %.17g, the file %.17g\n", path, tensor->name, e, tensor->value[e],
                 right),
              wrong++;
      }
    }
  }
  if (said == 0 || said < lines)
    printf("%s: %d lines say what is right, %d of them of something that there is\n", path, lines, said), wrong++;
  return wrong;
}

static int run_file(const Settings *settings, const char *path) {
  static int failures;
  static Plan plan;
  static Tree *file;
  static const char *text;
  arena_reset();
  failures = 0;
  if (setjmp(failure) != 0) return fprintf(stderr, "%s: %s\n", path, failure_text), 1;
  text = read_text(path);
  if (text == NULL) return perror(path), 1;
  plan = (Plan){.seed = settings->seed, .steps = 2, .rows = 8, .text = text};
  file = parse(text, path);
  for (int way = 0; way < 4; way++) {
    plan.fed = way % 2 != 0;
    plan.narrow = way >= 2;
    Setup setup = setup_for(settings, &plan, 0, 0);
    Trial trial = try_model(&setup, &plan, file);
    bool fine = trial.verdict == AGREES || (trial.verdict == DOUBTFUL && plan.narrow);
    if (!fine)
      printf("%s, %s, %s: %s\n%s\n", path, plan.narrow ? "f32" : "f64", plan.fed ? "fed" : "unfed",
             verdict_names[trial.verdict], trial.report),
          failures++;
  }
  if (setjmp(failure) != 0) return fprintf(stderr, "%s: %s\n", path, failure_text), 1;
  plan.fed = plan.narrow = false;
  Outcome outcome = outcome_of(&plan, file);
  if (settings->right) print_right(&outcome);
  else failures += check_right(path, text, &outcome);
  return failures;
}

static const char *whole_path(const char *path) {
  char *whole = realpath(path, NULL);
  if (whole == NULL) perror(path), exit(3);
  return whole;
}

static bool has_avx512(void) {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

static _Noreturn void usage(int status) {
  fprintf(status == 0 ? stdout : stderr, "usage: oracle --compiler GANC [--compiler OTHER] [--folder DIR] [--jobs N] "
                                         "[--march CPU] [--all] [--stop] [--no-reduce] [--invalid] COUNT [SEED]\n"
                                         "       oracle --compiler GANC [--folder DIR] [--right] FILE.gan …\n");
  exit(status);
}

int main(int argc, char **argv) {
  static const struct option options[] = {
      {"compiler", 1, NULL, 'c'}, {"folder", 1, NULL, 'f'},    {"jobs", 1, NULL, 'j'},  {"all", 0, NULL, 'a'},
      {"stop", 0, NULL, 's'},     {"no-reduce", 0, NULL, 'n'}, {"right", 0, NULL, 'r'}, {"march", 1, NULL, 'm'},
      {"invalid", 0, NULL, 'i'},  {"help", 0, NULL, 'h'},      {NULL, 0, NULL, 0}};
  Settings settings = {.folder = "oracle", .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN), .reduce = true, .seed = 1};
  for (int option; (option = getopt_long(argc, argv, "c:f:j:m:asnrih", options, NULL)) != -1;) {
    if (option == 'c' && settings.compiler_count < 4)
      settings.compilers[settings.compiler_count++] = whole_path(optarg);
    else if (option == 'm' && settings.processor_count < 8) settings.processors[settings.processor_count++] = optarg;
    else if (option == 'f') settings.folder = optarg;
    else if (option == 'j') settings.jobs = atoi(optarg);
    else if (option == 'a') settings.everything = true;
    else if (option == 's') settings.stop = true;
    else if (option == 'n') settings.reduce = false;
    else if (option == 'r') settings.right = true;
    else if (option == 'i') settings.invalid = true;
    else usage(option == 'h' ? 0 : 2);
  }
  if (optind >= argc || settings.compiler_count == 0 || settings.jobs < 1) usage(2);
  if (settings.processor_count == 0) {
    static const char *const known[] = {"native", "x86-64-v3", "x86-64-v4"};
    for (int k = 0; k < (has_avx512() ? 3 : 2); k++) settings.processors[settings.processor_count++] = known[k];
  }
  const char *const create[] = {"/bin/mkdir", "-p", settings.folder, NULL};
  if (run_program(create, ".", "/dev/null", 60) != 0) return fprintf(stderr, "%s cannot be made\n", settings.folder), 3;
  settings.folder = whole_path(settings.folder);
  char *end;
  settings.count = strtol(argv[optind], &end, 10);
  if (*end == 0) {
    if (optind + 1 < argc) settings.seed = strtoull(argv[optind + 1], NULL, 10);
    return run_all(&settings);
  }
  int failures = 0;
  for (int k = optind; k < argc; k++) failures += run_file(&settings, argv[k]);
  return failures > 0;
}
