/* The command `diagnose`. Takes a model built in float64; compares, for every objective and weight, the derivative with
   a central difference along random directions: the gradient, and the derivative of the gradient's product with a
   direction. Comparisons inside the model are frozen to the base point's decisions, so both are smooth, and what is
   constant in derivatives stays at its value there. Data and noise stay the same throughout. Says where they part;
   never changes a weight for good. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = 4, POINTS = 4 };
static const double distance = 1e-3,
                    allowed[2] = {1e-6, 1e-5}; /* of the points of a difference; relative errors at orders 1 and 2 */
static const double rounding = 1e-14;          /* relative, of a value in float64: what a difference cannot see */

/* f'(0) = sum of factor * f(place * h) / h, up to h^4. */
static const struct {
  double place, factor;
} points[POINTS] = {{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}};

typedef struct Check {
  Engine *engine;
  const DiagnosisRecord *diagnosis;
  const PairRecord *pairs;
  double *base, *along, *gradient, *second; /* of one weight: its value, a direction, derivatives */
  uint64_t draws;                           /* directions drawn so far */
  Problem *problem;
} Check;

/* ---- the same data every time ------------------------------------------------------------------------------------ */

static bool run_again(Check *check, int64_t routine) {
  Supply *supply = check->engine->supply;
  if (!execution_run(&check->engine->execution, routine,
                     (Occasion){.round = check->engine->clock.step, .rows = {.fed = INT64_MAX}}, check->problem))
    return false;
  size_t count;
  const NamedCount *positions = supply_positions(supply, &count);
  for (size_t k = 0; k < count; k++)
    if (!supply_seek(supply, positions[k].name, 0, check->problem)) return false;
  return true;
}

/* ---- vectors ----------------------------------------------------------------------------------------------------- */

static TensorView view_of(const Check *check, int64_t tensor) {
  return execution_view(&check->engine->execution, tensor);
}

static int64_t read_tensor(const Check *check, int64_t tensor, double *out) {
  TensorView view = view_of(check, tensor);
  int64_t size = tensor_view_size(&view);
  for (int64_t k = 0; k < size; k++) out[k] = view_get(&view, k);
  return size;
}

/* A random direction of length 1, of the weight's shape. */
static void draw_direction(Check *check, int64_t weight, double *out) {
  const TensorRecord *record = &check->engine->trainer->model.tensors[weight];
  int64_t size = tensor_size(record);
  TensorRecord flat = {.name = record->name, .type = STORAGE_F64, .rank = 1, .shape = {size}, .stride = {1}};
  Draw draw = {.seed = check->engine->execution.seed,
               .stream = hash_text("direction"),
               .round = (int64_t)check->draws++,
               .distribution = DISTRIBUTION_KIND_NORMAL,
               .spread = 1};
  draw_fill(&flat, out, &draw, check->engine->execution.pool);
  double norm = 0;
  for (int64_t k = 0; k < size; k++) norm += out[k] * out[k];
  for (int64_t k = 0; k < size; k++) out[k] /= sqrt(norm);
}

static double dot(const double *a, const double *b, int64_t size) {
  double sum = 0;
  for (int64_t k = 0; k < size; k++) sum += a[k] * b[k];
  return sum;
}

/* The sum over all weights of <gradient, direction tensor>. */
static double gradient_along_directions(const Check *check) {
  double sum = 0;
  for (int64_t p = 0; p < check->diagnosis->pair_count; p++) {
    TensorView gradient = view_of(check, check->pairs[p].gradient),
               direction = view_of(check, check->pairs[p].direction);
    for (int64_t k = 0, size = tensor_view_size(&gradient); k < size; k++)
      sum += view_get(&gradient, k) * view_get(&direction, k);
  }
  return sum;
}

/* ---- differences ------------------------------------------------------------------------------------------------- */

static void place_weight(const Check *check, const PairRecord *pair, double step) {
  TensorView view = view_of(check, pair->weight);
  for (int64_t k = 0, size = tensor_view_size(&view); k < size; k++)
    view_set(&view, k, check->base[k] + step * check->along[k]);
}

/* order 1: of the objective; order 2: of the gradient's product with the directions. The weight is back at its base
   afterwards. */
static bool difference(Check *check, const PairRecord *pair, int order, double *result) {
  bool fine = true;
  *result = 0;
  for (int k = 0; fine && k < POINTS; k++) {
    place_weight(check, pair, points[k].place * distance);
    fine = run_again(check, order == 1 ? check->diagnosis->value_routine : check->diagnosis->gradient_routine);
    double value = order == 1 ? execution_scalar(&check->engine->execution, check->diagnosis->value)
                              : gradient_along_directions(check);
    *result += points[k].factor * value / distance;
  }
  place_weight(check, pair, 0);
  return fine;
}

/* Relative to the derivative, or to what a typical direction would give; below the rounding of the value nothing can be
   told. */
static double relative_error(double derivative, double expected, double norm, int64_t size, double value,
                             double tolerance) {
  double scale = fmax(fmax(fabs(derivative), fabs(expected)), 0.1 * norm / sqrt((double)size));
  return fabs(derivative - expected) / fmax(scale, rounding * fmax(1, fabs(value)) / (distance * tolerance));
}

/* The worst relative error of one weight, at both orders; -1 where there is no second one. */
static bool check_weight(Check *check, const PairRecord *pair, int directions, double errors[2]) {
  bool has_second = check->diagnosis->second_routine >= 0 && pair->second >= 0;
  errors[0] = 0;
  errors[1] = has_second ? 0 : -1;
  int64_t size = read_tensor(check, pair->weight, check->base);
  if (!run_again(check, check->diagnosis->value_routine)) return false;
  double value = execution_scalar(&check->engine->execution, check->diagnosis->value);
  if (!run_again(check, check->diagnosis->gradient_routine)) return false;
  read_tensor(check, pair->gradient, check->gradient);
  double product = gradient_along_directions(check);
  if (has_second) {
    if (!run_again(check, check->diagnosis->second_routine)) return false;
    read_tensor(check, pair->second, check->second);
  }
  for (int d = 0; d < directions; d++) {
    draw_direction(check, pair->weight, check->along);
    for (int order = 1; order <= (has_second ? 2 : 1); order++) {
      double expected, *derivative = order == 1 ? check->gradient : check->second;
      if (!difference(check, pair, order, &expected)) return false;
      double error =
          relative_error(dot(derivative, check->along, size), expected, sqrt(dot(derivative, derivative, size)), size,
                         order == 1 ? value : product, allowed[order - 1]);
      if (isnan(error) || error > errors[order - 1])
        errors[order - 1] = error; /* what is not a number stays: nothing is greater */
    }
  }
  return true;
}

/* ---- an objective ------------------------------------------------------------------------------------------------ */

static bool check_objective(Check *check, int directions, int *wrong) {
  const Descriptor *model = &check->engine->trainer->model;
  printf("%s (%s:%lld)\n  %-32s %12s %12s\n", model->objective_names[check->diagnosis->objective], model->header->file,
         (long long)model->objectives[check->diagnosis->objective].line, "weight", "order 1", "order 2");
  for (int64_t p = 0; p < check->diagnosis->pair_count; p++) {
    draw_direction(check, check->pairs[p].weight, check->along);
    TensorView view = view_of(check, check->pairs[p].direction);
    for (int64_t k = 0, size = tensor_view_size(&view); k < size; k++) view_set(&view, k, check->along[k]);
  }
  if (check->diagnosis->base_routine >= 0 && !run_again(check, check->diagnosis->base_routine)) return false;
  for (int64_t p = 0; p < check->diagnosis->pair_count; p++) {
    double errors[2];
    if (!check_weight(check, &check->pairs[p], directions, errors)) return false;
    bool right = errors[0] <= allowed[0] && errors[1] <= allowed[1];
    char second[32] = "-";
    if (errors[1] != -1) snprintf(second, sizeof second, "%.1e", errors[1]);
    printf("  %-32s %12.1e %12s%s\n", model->tensors[check->pairs[p].weight].name, errors[0], second,
           right ? "" : "   WRONG");
    *wrong += !right;
  }
  return true;
}

static bool check_all(Engine *engine, int *wrong, Problem *problem) {
  const Descriptor *model = &engine->trainer->model;
  int64_t largest = 1;
  for (int64_t p = 0; p < model->pair_count; p++) {
    int64_t size = tensor_size(&model->tensors[model->pairs[p].weight]);
    if (size > largest) largest = size;
  }
  double *room = system_allocate((size_t)largest * 4 * sizeof *room);
  if (!room) return problem_out_of_memory(problem, "derivatives", (size_t)largest * 4 * sizeof *room);
  Check check = {.engine = engine,
                 .base = room,
                 .along = room + largest,
                 .gradient = room + 2 * largest,
                 .second = room + 3 * largest,
                 .problem = problem};
  bool fine = true;
  for (int64_t k = 0; fine && k < model->diagnosis_count; k++) {
    check.diagnosis = &model->diagnoses[k];
    check.pairs = model->pairs + check.diagnosis->first_pair;
    fine = check_objective(
        &check, engine->trainer->options.directions ? (int)engine->trainer->options.directions : DIRECTIONS, wrong);
  }
  free(room);
  return fine;
}

int command_diagnose(Trainer *trainer) {
  Problem problem;
  Engine engine = {0};
  const Descriptor *model = &trainer->model;
  int wrong = 0;
  bool fine = descriptor_is_f64(model) ||
              problem_set(&problem, "diagnose needs a trainer in double precision: ganc build %s --real f64",
                          model->header->file);
  if (fine && model->diagnosis_count == 0)
    fine = problem_set(&problem, model->objective_count == 0
                                     ? "the model has no objective to diagnose"
                                     : "this trainer was built with --no-diagnose: build it without");
  if (fine && trainer->options.run) fine = engine_open_trained(&engine, trainer, DATA_OF_ALL, &problem);
  else fine = fine && engine_open(&engine, trainer, NULL, DATA_OF_ALL, trainer->options.seed, &problem);
  fine = fine && engine_init(&engine, &problem);
  fine = fine && check_all(&engine, &wrong, &problem);
  if (!fine) report_error(trainer->program, &problem);
  else if (wrong)
    printf("%d of these derivatives differ from differences (allowed: %.0e at order 1, %.0e at order 2)\n", wrong,
           allowed[0], allowed[1]);
  else printf("all derivatives agree with differences\n");
  engine_close(&engine);
  return fine && wrong == 0 ? EXIT_FINE : EXIT_FAILED;
}
