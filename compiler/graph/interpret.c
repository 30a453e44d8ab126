/* The reference interpreter: float64, literal loops, straight from the definition of the node. Takes values of inputs
   and draw counters; returns values of nodes, computed once each. It is what every pass and every back end is compared
   with, and how constant tensors are evaluated; never fast, never clever.

   An input that nobody has set is 0 everywhere. Where nothing lands, an output is 0, of `max=` too. */
#include "storage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct Interpreter {
  Graph *graph;
  DrawCounters counters;
  int capacity;
  double **values; /* by node id; NULL: not computed yet */
};

static void *checked(void *memory) {
  if (memory == NULL) out_of_memory();
  return memory;
}

Interpreter *interpreter_new(Graph *graph) {
  Interpreter *interpreter = checked(calloc(1, sizeof *interpreter));
  interpreter->graph = graph;
  return interpreter;
}

/* Forgets what was computed; inputs stay. */
static void interpreter_forget(Interpreter *interpreter) {
  for (int id = 0; id < interpreter->capacity; id++) {
    if (interpreter->values[id] == NULL || interpreter->graph->nodes[id]->kind == NODE_INPUT) continue;
    free(interpreter->values[id]);
    interpreter->values[id] = NULL;
  }
}

void interpreter_free(Interpreter *interpreter) {
  for (int id = 0; id < interpreter->capacity; id++) free(interpreter->values[id]);
  free(interpreter->values);
  free(interpreter);
}

static void interpreter_grow(Interpreter *interpreter) {
  int capacity = interpreter->graph->node_count;
  if (capacity <= interpreter->capacity) return;
  interpreter->values = checked(realloc(interpreter->values, (size_t)capacity * sizeof *interpreter->values));
  memset(interpreter->values + interpreter->capacity, 0,
         (size_t)(capacity - interpreter->capacity) * sizeof *interpreter->values);
  interpreter->capacity = capacity;
}

static double *values_new(const Node *node) { return checked(calloc((size_t)node_size(node) + 1, sizeof(double))); }

static double *values_copy(const Node *node, const double *from) {
  return memcpy(values_new(node), from, (size_t)node_size(node) * sizeof *from);
}

void interpreter_set(Interpreter *interpreter, Node *input, const double *values) {
  interpreter_grow(interpreter);
  interpreter_forget(interpreter);
  double *copy = values_copy(input, values);
  free(interpreter->values[input->id]);
  interpreter->values[input->id] = copy;
}

void interpreter_draws(Interpreter *interpreter, DrawCounters counters) {
  interpreter_forget(interpreter);
  interpreter->counters = counters;
}

/* ---- one node ---------------------------------------------------------------------------------------------------- */

/* The expression as a list of steps, arguments first; step i leaves its number in result[i]. */
typedef struct Step {
  const Scalar *scalar;
  int argument[3];
  int computed[RANK_LIMIT];
  const double *values;
} Step;

static int64_t coordinate_at(const Coordinate *c, const int64_t *point, int computed, const double *result) {
  int64_t value = c->constant;
  for (int t = 0; t < c->term_count; t++) value += c->terms[t].coefficient * point[c->terms[t].variable];
  if (computed < 0) return value;
  double number = rint(result[computed]);
  return fabs(number) < 1e15 ? value + (int64_t)number : INT64_MIN / 2;
}

/* Row-major place of the access at this point; -1 out of bounds. */
static int64_t place_at(const Access *access, const int64_t *shape, const int64_t *point, const int *computed,
                        const double *result) {
  int64_t place = 0;
  for (int d = 0; d < access->rank; d++) {
    int64_t at = coordinate_at(&access->coordinates[d], point, computed[d], result);
    if (at < 0 || at >= shape[d]) return -1;
    place = place * shape[d] + at;
  }
  return place;
}

static double step_run(const Step *step, const int64_t *point, const double *result) {
  const Scalar *scalar = step->scalar;
  double argument[3] = {0};
  int64_t place;
  switch (scalar->op) {
  case OP_CONSTANT: return scalar->value;
  case OP_NOTHING: return 0;
  case OP_INDEX: return (double)point[scalar->variable];
  case OP_READ:
  case OP_WITHIN:
    place = place_at(scalar->access, scalar->node->shape, point, step->computed, result);
    return scalar->op == OP_WITHIN ? place >= 0 : place < 0 ? 0 : step->values[place];
  default:
    for (int k = 0; k < operation_arity(scalar->op); k++) argument[k] = result[step->argument[k]];
    return operation_rows[scalar->op].evaluate(argument[0], argument[1], argument[2]);
  }
}

static double *compute_node(Interpreter *interpreter, const Node *node) {
  const Scalar *roots[1 + RANK_LIMIT] = {node->value};
  int root_count = 1, computed[RANK_LIMIT];
  for (int d = 0; d < node->rank; d++)
    if (node->write->coordinates[d].computed != NULL) roots[root_count++] = node->write->coordinates[d].computed;
  List order = scalar_order(root_count, roots, true);
  int *places = checked(calloc((size_t)interpreter->graph->scalar_count, sizeof *places));
  Step *steps = checked(calloc((size_t)order.count, sizeof *steps));
  double *result = checked(calloc((size_t)order.count, sizeof *result));
  for (int i = 0; i < order.count; i++) {
    const Scalar *scalar = order.items[i];
    places[scalar->id] = i;
    steps[i].scalar = scalar;
    for (int k = 0; k < operation_arity(scalar->op); k++) steps[i].argument[k] = places[scalar->argument[k]->id];
    if (scalar->access == NULL) continue;
    steps[i].values = interpreter->values[scalar->node->id];
    for (int d = 0; d < scalar->access->rank; d++) {
      const Scalar *part = scalar->access->coordinates[d].computed;
      steps[i].computed[d] = part == NULL ? -1 : places[part->id];
    }
  }
  for (int d = 0; d < node->rank; d++) {
    const Scalar *part = node->write->coordinates[d].computed;
    computed[d] = part == NULL ? -1 : places[part->id];
  }
  int value = places[node->value->id];
  double *out = values_new(node);
  bool *landed = checked(calloc((size_t)node_size(node) + 1, sizeof *landed));
  int64_t point[BOX_LIMIT] = {0}, total = 1;
  for (int v = 0; v < node->box_rank; v++) total *= node->box[v];
  for (int64_t turn = 0; turn < total; turn++) {
    for (int i = 0; i < order.count; i++) result[i] = step_run(&steps[i], point, result);
    int64_t place = place_at(node->write, node->shape, point, computed, result);
    if (place >= 0) {
      if (node->combine == COMBINE_SUM) out[place] += result[value];
      else if (node->combine == COMBINE_SET || !landed[place] || result[value] > out[place] || isnan(result[value]))
        out[place] = result[value];
      landed[place] = true;
    }
    for (int v = node->box_rank - 1; v >= 0 && ++point[v] == node->box[v]; v--) point[v] = 0;
  }
  free(landed);
  free(result);
  free(steps);
  free(places);
  list_free(&order);
  return out;
}

static double *draw_node(const Interpreter *interpreter, const Node *node) {
  double *values = values_new(node);
  int64_t samples = node->batch ? node->shape[0] : 1, elements = samples == 0 ? 0 : node_size(node) / samples;
  for (int64_t n = 0; n < samples; n++)
    for (int64_t e = 0; e < elements; e++) {
      int64_t sample = node->batch ? interpreter->counters.first_sample + n : 0;
      values[n * elements + e] = node->distribution == DISTRIBUTION_UNIFORM
                                     ? draw_uniform(interpreter->counters, node->stream, sample, e)
                                     : draw_normal(interpreter->counters, node->stream, sample, e);
    }
  return values;
}

const double *interpreter_value(Interpreter *interpreter, Node *node) {
  interpreter_grow(interpreter);
  List order = graph_order(interpreter->graph, 1, &node);
  for (int i = 0; i < order.count; i++) {
    const Node *item = order.items[i];
    double **values = &interpreter->values[item->id];
    if (*values != NULL) continue;
    switch (item->kind) {
    case NODE_INPUT: *values = values_new(item); break;
    case NODE_RANDOM: *values = draw_node(interpreter, item); break;
    case NODE_COMPUTE: *values = compute_node(interpreter, item); break;
    case NODE_RESHAPE:
    case NODE_CONSTANT:
    case NODE_MARK: *values = values_copy(item, interpreter->values[item->operand[0]->id]); break;
    case NODE_GRAD: internal_error(HERE, "a derivative that is not written out has no value");
    }
  }
  list_free(&order);
  return interpreter->values[node->id];
}

void interpreter_apply(Interpreter *interpreter, const EffectList *effects) {
  double **moved = checked(calloc((size_t)effects->count + 1, sizeof *moved));
  for (int i = 0; i < effects->count; i++)
    moved[i] = values_copy(effects->items[i].value, interpreter_value(interpreter, effects->items[i].value));
  interpreter_forget(interpreter);
  for (int i = 0; i < effects->count; i++) {
    int target = effects->items[i].target->id;
    interpreter_grow(interpreter);
    free(interpreter->values[target]);
    interpreter->values[target] = moved[i];
  }
  free(moved);
}
