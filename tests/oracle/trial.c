/* One model: what the oracle says, what a trainer does, and whether they agree. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oracle.h"

const char *const verdict_names[VERDICT_COUNT] = {"agree",    "differ",    "refused", "crashed",
                                                  "doubtful", "sensitive", "costly",  "invalid"};

static const double work_limit = 4e7, nudge = 1.0 / (1 << 24);

/* ---- what the oracle says ---------------------------------------------------------------------------------------- */

typedef struct Reading {
  bool fine;
  Outcome outcome;
  Inputs inputs;
} Reading;

static Inputs make_inputs(const Plan *plan, const Tree *file) {
  Inputs inputs = {.seed = 1 + plan->seed % 1000, .narrow = plan->narrow, .fed = plan->fed};
  inputs.data = arena_allocate((size_t)(file->count + 1) * sizeof(Given));
  random_start(plan->seed ^ UINT64_C(0xDA7A));
  for (int k = 0; k < file->count; k++) {
    const Tree *data = file->items[k];
    if (data->kind != S_DATA) continue;
    Given given = {.name = data->text, .rows = plan->rows};
    const Tree *list = data->items[0] == NULL ? NULL : data->items[0]->items[0];
    for (int d = 0; list != NULL && d < list->count; d++)
      given.shape.at[given.shape.rank++] = (int)list->items[d]->number;
    int count = plan->rows * shape_size(given.shape);
    given.at = arena_allocate((size_t)(count + 1) * sizeof(double));
    for (int i = 0; i < count; i++) given.at[i] = random_normal();
    inputs.data[inputs.data_count++] = given;
  }
  return inputs;
}

static Reading read_with(const Plan *plan, const Tree *file, double moved, bool refuse_flat) {
  static Reading reading;
  static jmp_buf outer;
  memcpy(outer, failure, sizeof outer);
  reading = (Reading){0};
  nodes_start();
  evaluate_start(work_limit, moved);
  if (setjmp(failure) != 0) {
    memcpy(failure, outer, sizeof outer);
    return reading;
  }
  reading.inputs = make_inputs(plan, file);
  reading.inputs.nudge = moved;
  reading.inputs.refuse_flat = refuse_flat;
  reading.outcome = run_model(file, &reading.inputs, plan->steps);
  reading.fine = true;
  memcpy(failure, outer, sizeof outer);
  return reading;
}

static Reading read_model(const Plan *plan, const Tree *file, double moved) {
  return read_with(plan, file, moved, false);
}

static double length_of(int count, const double *a, const double *b) {
  double sum = 0;
  for (int e = 0; e < count; e++) {
    double x = a[e] - (b == NULL ? 0 : b[e]);
    sum += x * x;
  }
  return sqrt(sum);
}

/* What a difference is measured by; what should be 0 is the difference of numbers that are not. */
static const double least_scale = 1e-2;

static double scale_of(const Outcome *outcome, int k) {
  int size = shape_size(outcome->tensors[k].shape);
  return fmax(length_of(size, outcome->tensors[k].value, NULL), length_of(size, outcome->before[k], NULL)) +
         least_scale * sqrt(size);
}

static double sensitivity_of(const Outcome *base, const Outcome *moved) {
  double worst = 0;
  for (int k = 0; k < base->tensor_count; k++) {
    double apart = length_of(shape_size(base->tensors[k].shape), base->tensors[k].value, moved->tensors[k].value) /
                   scale_of(base, k);
    if (!(apart <= worst)) worst = apart;
  }
  for (int k = 0; k < base->logged_count; k++) {
    double apart = fabs(base->logged[k].value - moved->logged[k].value) / (fabs(base->logged[k].value) + least_scale);
    if (!(apart <= worst)) worst = apart;
  }
  return worst / nudge;
}

/* ---- what the trainer does --------------------------------------------------------------------------------------- */

typedef struct Words {
  int count, capacity;
  const char **at;
} Words;

static void add_word(Words *words, const char *word) {
  ROOM(words->at, words->count + 1, words->capacity);
  words->at[words->count++] = word;
  words->at[words->count] = NULL;
}

static void add_option(Words *words, const char *option, const char *value) {
  add_word(words, option);
  add_word(words, value);
}

static const char *in_folder(const Setup *setup, const char *name) {
  return arena_format("%s/%s", setup->folder, name);
}

static bool report(Trial *trial, Verdict verdict, const char *format, ...) __attribute__((format(printf, 3, 4)));

static bool report(Trial *trial, Verdict verdict, const char *format, ...) {
  trial->verdict = verdict;
  trial->reason = format;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(trial->report, sizeof trial->report, format, arguments);
  va_end(arguments);
  return false;
}

/* Runs a program; false, with a report, unless it ends well. A refusal is an error in the program's own words. */
static bool run_or_report(const Setup *setup, Trial *trial, const Words *words) {
  const char *output = in_folder(setup, "output.txt");
  int status = run_program(words->at, setup->folder, output, 120);
  if (status == 0) return true;
  char *text = read_text(output);
  bool spoilt = text != NULL && (strstr(text, "not a number") != NULL ||
                                 strstr(text, "became infinite") != NULL); /* where the oracle has numbers */
  bool refused = status < 10 && (text == NULL || strstr(text, "nternal") == NULL);
  char command[200] = "";
  for (int k = 0; k < words->count && strlen(command) < 80; k++)
    snprintf(command + strlen(command), sizeof command - strlen(command), "%s ", words->at[k]);
  return report(trial,
                spoilt    ? DIFFERS
                : refused ? REFUSED
                          : CRASHED,
                "%s… ends with %d:\n%.1500s", command, status, text == NULL ? "" : text);
}

/* Draws of layers are programs unless they can be fed, which in float64 they always can. One in four float64 trainers
   has what `diagnose` runs, which takes most of a build. Models are so small that the cheapest way is a loop for nearly
   everything: half of them are made of tiles all the same, wherever these fit. */
static bool compile(const Setup *setup, const Plan *plan, Trial *trial, const char *compiler) {
  static const char *const strategies[4] = {NULL, "tile,direct", "direct,turned,tile", NULL};
  Words words = {0};
  add_word(&words, compiler);
  add_word(&words, "build");
  add_word(&words, "model.gan");
  add_option(&words, "-o", "trainer");
  add_option(&words, "--real", setup->real);
  add_option(&words, "--march", setup->march);
  if (strategies[plan->seed % 4] != NULL) add_option(&words, "--strategy", strategies[plan->seed % 4]);
  if (plan->fed) add_word(&words, "--feeds");
  if (!plan->narrow && plan->seed % 4 != 0) add_word(&words, "--no-diagnose");
  return run_or_report(setup, trial, &words);
}

/* The names that `info` lists behind "can be fed", which is what compiled models still draw. */
static bool can_be_fed(const char *info, const char *name) {
  const char *list = info == NULL ? NULL : strstr(info, "can be fed");
  return list != NULL && strstr(list, arena_format("\n  %s ", name)) != NULL;
}

static bool add_inputs(const Setup *setup, const Plan *plan, const Reading *reading, Trial *trial, Words *words) {
  const Inputs *inputs = &reading->inputs;
  const Outcome *outcome = &reading->outcome;
  for (int k = 0; k < inputs->data_count; k++) {
    const Given *data = &inputs->data[k];
    write_npy(in_folder(setup, arena_format("data-%s.npy", data->name)), plan->narrow, data->rows, data->shape,
              data->at);
    add_option(words, "--data", arena_format("%s=data-%s.npy", data->name, data->name));
  }
  if (!plan->fed) return true;
  Words info = {0};
  add_word(&info, in_folder(setup, "trainer"));
  add_word(&info, "info");
  if (!run_or_report(setup, trial, &info)) return false;
  const char *listed = read_text(in_folder(setup, "output.txt"));
  for (int k = 0; k < inputs->feed_count; k++) {
    const Given *feed = &inputs->feeds[k];
    if (!can_be_fed(listed, feed->name)) continue;
    const char *file = arena_format("feed-%d.npy", k);
    write_npy(in_folder(setup, file), plan->narrow, feed->rows, feed->shape, feed->at);
    add_option(words, "--feed", arena_format("%s=%s", feed->name, file));
  }
  Tensor *initial = arena_allocate((size_t)(outcome->tensor_count + 1) * sizeof *initial);
  int count = 0;
  for (int k = 0; k < outcome->tensor_count; k++) {
    if (strchr(outcome->tensors[k].name, '/') != NULL) continue;
    initial[count] = outcome->tensors[k];
    initial[count++].value = outcome->before[k];
  }
  write_safetensors(in_folder(setup, "initial.safetensors"), plan->narrow, count, initial);
  if (count > 0) add_option(words, "--init", "initial.safetensors");
  return true;
}

static bool train(const Setup *setup, const Plan *plan, const Reading *reading, Trial *trial) {
  Words words = {0};
  add_word(&words, in_folder(setup, "trainer"));
  add_word(&words, "train");
  add_option(&words, "--run", "run");
  add_option(&words, "--steps", arena_format("%d", plan->steps));
  add_option(&words, "--seed", arena_format("%llu", (unsigned long long)reading->inputs.seed));
  add_option(&words, "--log-every", "1");
  add_option(&words, "--sample-every", "0");
  add_option(&words, "--threads", plan->wide ? "2" : "1");
  return add_inputs(setup, plan, reading, trial, &words) && run_or_report(setup, trial, &words);
}

/* ---- do they agree? ---------------------------------------------------------------------------------------------- */

/* The number logged at a step under a name, among the objectives or the outputs. */
static bool find_logged(const char *log, const Logged *logged, double *value) {
  const char *line = log == NULL ? NULL : strstr(log, arena_format("{\"step\": %d,", logged->step));
  const char *group = line == NULL ? NULL : strstr(line, logged->is_output ? "\"outputs\": {" : "\"objectives\": {");
  const char *end = group == NULL ? NULL : strchr(group, '}');
  const char *name = group == NULL ? NULL : strstr(group, arena_format("\"%s\": ", logged->name));
  if (name == NULL || name > end) return false;
  const char *number = strstr(name, "\": ") + 3;
  *value = strtod(number, NULL);
  return strncmp(number, "null", 4) != 0;
}

static bool note_difference(Trial *trial, double difference, double tolerance, const char *what, double is,
                            double right) {
  if (difference / tolerance > trial->worst) trial->worst = difference / tolerance;
  return difference <= tolerance || report(trial, DIFFERS, "%s: %.17g instead of %.17g (difference %.3g, at most %.3g)",
                                           what, is, right, difference, tolerance);
}

static bool compare(const Setup *setup, const Plan *plan, const Reading *reading, Trial *trial, double tolerance) {
  const Outcome *outcome = &reading->outcome;
  Stored *stored;
  int count =
      read_safetensors(in_folder(setup, arena_format("run/checkpoints/step-%06d.safetensors", plan->steps)), &stored);
  if (count < 0) return report(trial, CRASHED, "no checkpoint");
  for (int k = 0; k < outcome->tensor_count; k++) {
    const Tensor *tensor = &outcome->tensors[k];
    int found = 0, size = shape_size(tensor->shape), worst = 0;
    while (found < count && strcmp(stored[found].name, tensor->name) != 0) found++;
    if (found == count) return report(trial, DIFFERS, "the checkpoint has no %s", tensor->name);
    if (!shape_equal(stored[found].shape, tensor->shape))
      return report(trial, DIFFERS, "%s has another shape", tensor->name);
    const double *is = stored[found].value, *right = tensor->value;
    for (int e = 1; e < size; e++)
      if (!(fabs(is[e] - right[e]) <= fabs(is[worst] - right[worst]))) worst = e;
    double difference = length_of(size, is, right) / scale_of(outcome, k);
    if (!note_difference(trial, difference, tolerance, arena_format("%s, element %d", tensor->name, worst), is[worst],
                         right[worst]))
      return false;
  }
  for (int j = 0; j < count; j++) {
    bool known = false;
    for (int k = 0; k < outcome->tensor_count; k++) known |= strcmp(stored[j].name, outcome->tensors[k].name) == 0;
    if (!known) return report(trial, DIFFERS, "the checkpoint has %s, which nothing makes", stored[j].name);
  }
  const char *log = read_text(in_folder(setup, "run/stats.jsonl"));
  for (int k = 0; k < outcome->logged_count; k++) {
    const Logged *logged = &outcome->logged[k];
    double value = 0;
    const char *what =
        arena_format("%s %s at step %d", logged->is_output ? "output" : "objective", logged->name, logged->step);
    if (!find_logged(log, logged, &value)) return report(trial, DIFFERS, "%s is not logged", what);
    if (!note_difference(trial, fabs(value - logged->value) / (fabs(logged->value) + least_scale), tolerance, what,
                         value, logged->value))
      return false;
  }
  return true;
}

static void clear_folder(const Setup *setup) {
  const char *const remove[] = {"/bin/rm", "-rf", setup->folder, NULL}, *const create[] = {"/bin/mkdir", "-p",
                                                                                           setup->folder, NULL};
  if (run_program(remove, "/", "/dev/null", 60) != 0 || run_program(create, "/", "/dev/null", 60) != 0) exit(3);
}

Outcome outcome_of(const Plan *plan, const Tree *file) {
  Reading reading = read_model(plan, file, 0);
  if (!reading.fine) longjmp(failure, 1);
  return reading.outcome;
}

/* Is a difference no more than what moved inputs explain? float32 is allowed that much; what moves much too much is
   dropped. */
static void judge_by_sensitivity(const Setup *setup, const Plan *plan, const Tree *file, const Reading *reading,
                                 Trial *trial) {
  Reading moved = read_model(plan, file, nudge);
  if (!moved.fine) {
    report(trial, COSTLY, "with moved inputs: %s", failure_text);
    return;
  }
  double sensitivity = sensitivity_of(&reading->outcome, &moved.outcome);
  double decision = reading->outcome.decision, allowed = 1e-15 * sensitivity / reading->outcome.cancellation;
  if (!(sensitivity <= 100))
    report(trial, SENSITIVE, "moving the inputs moves the results %g times as much", sensitivity);
  else if (!plan->narrow && trial->worst * 1e-9 < fmin(allowed, 1e-6))
    report(trial, SENSITIVE, "a difference leaves %g of its operands' digits", reading->outcome.cancellation);
  else if (plan->narrow && decision < 1e-5 * sensitivity)
    report(trial, DOUBTFUL, "a decision is as close as %g, and the inputs move the results %g times as much", decision,
           sensitivity);
  else if (plan->narrow && sensitivity > 1) {
    *trial = (Trial){.verdict = AGREES};
    compare(setup, plan, reading, trial, 1e-4 * sensitivity);
  }
}

/* Is an objective flat in all weights of a player, or a derivative 0 everywhere, though the text says otherwise? A
   compiler may see that, and say so. What is too large to be looked at may be. */
static bool has_flat_objective(const Plan *plan, const Tree *file) {
  Reading reading = read_with(plan, file, 0, true);
  return !reading.fine && (strstr(failure_text, "flat") != NULL || strstr(failure_text, "too large") != NULL);
}

Trial try_model(const Setup *setup, const Plan *plan, const Tree *file) {
  static Trial trial;
  trial = (Trial){.verdict = AGREES};
  Reading reading = read_model(plan, file, 0);
  if (!reading.fine)
    return report(&trial, strstr(failure_text, "too large") != NULL ? COSTLY : INVALID, "%s", failure_text), trial;
  double decision = reading.outcome.decision, closest = plan->narrow ? 1e-5 : 1e-10;
  for (int k = 0; k < reading.outcome.tensor_count; k++)
    if (!isfinite(length_of(shape_size(reading.outcome.tensors[k].shape), reading.outcome.tensors[k].value, NULL)))
      return report(&trial, SENSITIVE, "%s is not finite", reading.outcome.tensors[k].name), trial;
  if (largest_number > (plan->narrow ? 1e15 : 1e150))
    return report(&trial, SENSITIVE, "numbers as large as %g", largest_number), trial;
  if (decision < closest) return report(&trial, DOUBTFUL, "a decision is as close as %g", decision), trial;
  double tolerance = plan->narrow ? 1e-4 : 1e-9;
  if (setjmp(failure) != 0) return report(&trial, INVALID, "%s", failure_text), trial;
  for (int c = 0; c < setup->compiler_count; c++) {
    clear_folder(setup);
    write_text(in_folder(setup, "model.gan"), print(file));
    if (!compile(setup, plan, &trial, setup->compilers[c]) || !train(setup, plan, &reading, &trial) ||
        !compare(setup, plan, &reading, &trial, tolerance))
      break;
  }
  if (trial.verdict == DIFFERS && trial.worst > 0) judge_by_sensitivity(setup, plan, file, &reading, &trial);
  if (trial.verdict == REFUSED &&
      (strstr(trial.report, "[E3014]") != NULL || strstr(trial.report, "[E3004]") != NULL) &&
      has_flat_objective(plan, file))
    report(&trial, DOUBTFUL, "%s", failure_text);
  if (trial.verdict == REFUSED && strstr(trial.report, "[E3054]") != NULL)
    report(&trial, DOUBTFUL, "a derivative for every value of an index, by what is shared");
  return trial;
}
