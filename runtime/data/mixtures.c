/* Built-in data: mixtures of equal Gaussians in the plane, on a ring or a grid.
   Takes `ring(modes=8, radius=1, sigma=0.01, count=65536)` or `grid(side=5, spacing=0.5, sigma=0.01, count=65536)`;
   returns float32 points, or the number of each point's mode. The points are a function of the text's numbers and of
   the part; sample i comes from mode i % modes, so all modes have equal shares. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

enum { PARAMETER_LIMIT = 4 };

/* Both have the same four: how many, how far apart, how wide, how many samples. */
typedef struct Parameter {
  const char *name;
  double fallback, low, high;
  bool whole;
} Parameter;
typedef struct MixtureRow {
  const char *name;
  Parameter parameters[PARAMETER_LIMIT];
  void (*place)(Mixture *mixture, double number, double distance);
} MixtureRow;

static void place_ring(Mixture *mixture, double number, double radius) {
  mixture->modes = (int)number;
  for (int i = 0; i < mixture->modes; i++) {
    double angle = 2 * acos(-1.0) * i / number;
    mixture->center[i][0] = radius * cos(angle);
    mixture->center[i][1] = radius * sin(angle);
  }
}

static void place_grid(Mixture *mixture, double side, double spacing) {
  mixture->modes = (int)(side * side);
  for (int i = 0; i < mixture->modes; i++) {
    mixture->center[i][0] = (i / (int)side - (side - 1) / 2) * spacing;
    mixture->center[i][1] = (i % (int)side - (side - 1) / 2) * spacing;
  }
}

static const MixtureRow rows[] = {
    {"ring",
     {{"modes", 8, 1, MIXTURE_LIMIT, true},
      {"radius", 1, 0, 1e6, false},
      {"sigma", 0.01, 0, 1e6, false},
      {"count", 65536, 1, COUNT_LIMIT, true}},
     place_ring},
    {"grid",
     {{"side", 5, 1, 32, true},
      {"spacing", 0.5, 0, 1e6, false},
      {"sigma", 0.01, 0, 1e6, false},
      {"count", 65536, 1, COUNT_LIMIT, true}},
     place_grid},
};

/* ---- reading the spec -------------------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *at) { return at + strspn(at, " \t"); }

/* "name = value" into its place; returns what follows, NULL after a problem. */
static const char *read_parameter(const MixtureRow *row, const char *spec, const char *at, double *values,
                                  Problem *problem) {
  size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz");
  for (int i = 0; i < PARAMETER_LIMIT; i++) {
    const Parameter *parameter = &row->parameters[i];
    if (strlen(parameter->name) != length || strncmp(parameter->name, at, length) != 0) continue;
    at = skip_blanks(at + length);
    char *end = NULL;
    if (*at == '=') values[i] = strtod(at + 1, &end);
    if (!end || end == at + 1 || !(values[i] >= parameter->low && values[i] <= parameter->high) ||
        (parameter->whole && values[i] != floor(values[i]))) {
      problem_set(problem, "data %s: %s = … must be a %snumber from %g to %g", spec, parameter->name,
                  parameter->whole ? "whole " : "", parameter->low, parameter->high);
      return NULL;
    }
    return skip_blanks(end);
  }
  problem_set(problem, "data %s: %s has the parameters %s, %s, %s and %s, not \"%.*s\"", spec, row->name,
              row->parameters[0].name, row->parameters[1].name, row->parameters[2].name, row->parameters[3].name,
              (int)length, at);
  return NULL;
}

static bool read_parameters(const MixtureRow *row, const char *spec, double *values, Problem *problem) {
  const char *at = skip_blanks(spec + strlen(row->name));
  for (int i = 0; i < PARAMETER_LIMIT; i++) values[i] = row->parameters[i].fallback;
  if (*at == 0) return true;
  at = skip_blanks(at + 1); /* the caller has seen the '(' */
  while (*at != ')') {
    at = read_parameter(row, spec, at, values, problem);
    if (!at) return false;
    if (*at == ',') at = skip_blanks(at + 1);
    else if (*at != ')') return problem_set(problem, "data %s: expected ',' or ')' at \"%.20s\"", spec, at);
  }
  return *skip_blanks(at + 1) == 0 || problem_set(problem, "data %s: nothing may follow the ')'", spec);
}

/* ---- the points -------------------------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) { /* SplitMix64 */
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static void fill_points(const Mixture *mixture, uint64_t seed, int64_t count, float *points) {
  for (int64_t i = 0; i < count; i++) { /* Box and Muller: both of a pair are used */
    double u = ((double)(next_random(&seed) >> 11) + 1) * 0x1p-53, v = (double)(next_random(&seed) >> 11) * 0x1p-53;
    double radius = mixture->sigma * sqrt(-2 * log(u)), angle = 2 * acos(-1.0) * v;
    const double *center = mixture->center[i % mixture->modes];
    points[2 * i] = (float)(center[0] + radius * cos(angle));
    points[2 * i + 1] = (float)(center[1] + radius * sin(angle));
  }
}

static bool generate(Dataset *dataset, const MixtureRow *row, const double *values, DataPart part, DataColumn column,
                     Problem *problem) {
  int64_t count = (int64_t)values[3];
  Mixture *mixture = system_allocate(sizeof *mixture);
  dataset->owned = system_allocate((size_t)count * 2 * sizeof(float));
  dataset->mixture = mixture; /* the data set frees both */
  if (!mixture || !dataset->owned)
    return problem_out_of_memory(problem, dataset->name, (size_t)count * 2 * sizeof(float));
  *mixture = (Mixture){.sigma = values[2]};
  row->place(mixture, values[0], values[1]);
  if (column == COLUMN_LABELS) {
    int16_t *labels = dataset->owned;
    for (int64_t i = 0; i < count; i++) labels[i] = (int16_t)(i % mixture->modes);
    return dataset_set_rows(dataset, ELEMENT_I16, 1, (int64_t[]){count}, labels, problem);
  }
  fill_points(mixture, hash_fnv(hash_text(row->name), values, PARAMETER_LIMIT * sizeof *values) + (part != DATA_TRAIN),
              count, dataset->owned);
  return dataset_set_rows(dataset, ELEMENT_F32, 2, (int64_t[]){count, 2}, dataset->owned, problem);
}

bool mixture_generate(Dataset *dataset, const char *spec, DataPart part, DataColumn column, Problem *problem) {
  double values[PARAMETER_LIMIT];
  *problem->text = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t length = strlen(rows[i].name);
    const char *after = strncmp(spec, rows[i].name, length) == 0 ? skip_blanks(spec + length) : "not this";
    if (*after == 0 || *after == '(')
      return read_parameters(&rows[i], spec, values, problem) &&
             generate(dataset, &rows[i], values, part, column, problem);
  }
  return false;
}
