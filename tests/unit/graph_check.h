/* What the tests of graphs and of derivatives share: short ways to build nodes, random numbers, and the comparison of
   derivatives with differences. */
#ifndef GRAPH_CHECK_H
#define GRAPH_CHECK_H

#include "compiler/graph/graph.h"
#include "compiler/transform/transform.h"
#include "check_main.h"
#include "random_numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPAN ((Span){0})
/* ACCESS(graph, c, …) of coordinates; READ(graph, node, c, …) */
#define ACCESS(graph, ...) access_new(graph, LENGTH(((Coordinate[]){__VA_ARGS__})), (Coordinate[]){__VA_ARGS__})
#define READ(graph, node, ...) scalar_read(graph, node, ACCESS(graph, __VA_ARGS__))
#define SHAPE(...) \
  LENGTH(((int64_t[]){__VA_ARGS__})), (int64_t[]) { __VA_ARGS__ }

static inline Coordinate at(int variable) { return coordinate_variable(variable); }
static inline Coordinate constant_at(int64_t value) { return coordinate_constant(value); }
/* scale * variable + constant */
static inline Coordinate affine_at(int variable, int64_t scale, int64_t constant) {
  return coordinate_add(coordinate_scale(coordinate_variable(variable), scale), coordinate_constant(constant));
}
static inline Coordinate sum_at(Coordinate a, Coordinate b) { return coordinate_add(a, b); }

static inline const Scalar *number(Graph *g, double value) { return scalar_constant(g, value); }
static inline const Scalar *unary(Graph *g, Operation op, const Scalar *a) {
  return scalar_apply(g, op, a, NULL, NULL);
}
static inline const Scalar *binary(Graph *g, Operation op, const Scalar *a, const Scalar *b) {
  return scalar_apply(g, op, a, b, NULL);
}
static inline const Scalar *add(Graph *g, const Scalar *a, const Scalar *b) { return binary(g, OP_ADD, a, b); }
static inline const Scalar *subtract(Graph *g, const Scalar *a, const Scalar *b) {
  return binary(g, OP_ADD, a, unary(g, OP_NEGATE, b));
}
static inline const Scalar *multiply(Graph *g, const Scalar *a, const Scalar *b) {
  return binary(g, OP_MULTIPLY, a, b);
}
static inline const Scalar *divide(Graph *g, const Scalar *a, const Scalar *b) { return binary(g, OP_DIVIDE, a, b); }
static inline const Scalar *choose(Graph *g, const Scalar *c, const Scalar *a, const Scalar *b) {
  return scalar_apply(g, OP_SELECT, c, a, b);
}

/* The whole of a node, element by element. */
static inline const Scalar *all(Graph *g, Node *node) { return scalar_read(g, node, access_identity(g, node->rank)); }
static inline Node *map_like(Graph *g, Node *like, const Scalar *value) {
  return graph_map(g, like->rank, like->shape, like->batch, value, SPAN);
}
/* The sum of value over the shape of `like`. */
static inline Node *total(Graph *g, Node *like, const Scalar *value) {
  return graph_compute(g, COMBINE_SUM, like->rank, like->shape, 0, access_new(g, 0, NULL), 0, NULL, false, value, NULL,
                       SPAN);
}
static inline Node *input(Graph *g, const char *name, int rank, const int64_t *shape) {
  return graph_input(g, name, rank, shape, false, SPAN);
}

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

static inline double *random_values(Random *random, const Node *node, double low, double high) {
  double *values = malloc((size_t)node_size(node) * sizeof *values + 1);
  for (int64_t i = 0; i < node_size(node); i++) values[i] = random_between(random, low, high);
  return values;
}

static inline void set_random(Interpreter *interpreter, Random *random, Node *node, double low, double high) {
  double *values = random_values(random, node, low, high);
  interpreter_set(interpreter, node, values);
  free(values);
}

/* ---- derivatives against differences ----------------------------------------------------------------------------- */

/* The variables of a check: where they stand and how fast each of them moves. */
typedef struct Variables {
  int count;
  Node *node[8];
  double *value[8];
  double *speed[8];
} Variables;

static inline void variables_add(Variables *variables, Random *random, Node *node, double low, double high) {
  int i = variables->count++;
  variables->node[i] = node;
  variables->value[i] = random_values(random, node, low, high);
  variables->speed[i] = random_values(random, node, -1, 1);
}

static inline void variables_free(Variables *variables) {
  for (int i = 0; i < variables->count; i++) {
    free(variables->value[i]);
    free(variables->speed[i]);
  }
}

/* All variables at value + step * speed. */
static inline void variables_place(const Variables *variables, Interpreter *interpreter, double step) {
  for (int i = 0; i < variables->count; i++) {
    int64_t size = node_size(variables->node[i]);
    double *moved = malloc((size_t)size * sizeof *moved + 1);
    for (int64_t k = 0; k < size; k++) moved[k] = variables->value[i][k] + step * variables->speed[i][k];
    interpreter_set(interpreter, variables->node[i], moved);
    free(moved);
  }
}

/* d/dstep of a number, as a node: the sum over all variables of adjoint * speed. Speeds are inputs named after their
   variable. */
static inline Node *derivative_along(Graph *g, Node *of, const Variables *variables, Interpreter *interpreter) {
  Node *adjoints[8] = {NULL};
  transform_adjoint(g, of, variables->count, variables->node, adjoints);
  const Scalar *sum = number(g, 0);
  for (int i = 0; i < variables->count; i++) {
    if (adjoints[i] == NULL) continue;
    Node *node = variables->node[i];
    char name[64];
    snprintf(name, sizeof name, "speed of %d", node->id);
    Node *speed = input(g, name, node->rank, node->shape);
    interpreter_set(interpreter, speed, variables->speed[i]);
    Node *part = total(g, node, multiply(g, all(g, adjoints[i]), all(g, speed)));
    sum = add(g, sum, scalar_read(g, part, access_new(g, 0, NULL)));
  }
  return graph_map(g, 0, NULL, false, sum, SPAN);
}

/* The largest relative error of orders 1 to `orders` of the derivative of `of` (a number) along the speeds of the
   variables. */
static inline double derivative_error(Graph *g, Node *of, const Variables *variables, Interpreter *interpreter,
                                      int orders) {
  const double step = 1e-5;
  double worst = 0;
  for (int order = 1; order <= orders; order++) {
    Node *along = derivative_along(g, of, variables, interpreter);
    variables_place(variables, interpreter, 0);
    double symbolic = *interpreter_value(interpreter, along);
    /* two steps, so that the error of the difference is of fourth order */
    double ahead, behind, far_ahead, far_behind;
    variables_place(variables, interpreter, 2 * step), far_ahead = *interpreter_value(interpreter, of);
    variables_place(variables, interpreter, step), ahead = *interpreter_value(interpreter, of);
    variables_place(variables, interpreter, -step), behind = *interpreter_value(interpreter, of);
    variables_place(variables, interpreter, -2 * step), far_behind = *interpreter_value(interpreter, of);
    double difference = (8 * (ahead - behind) - (far_ahead - far_behind)) / (12 * step);
    variables_place(variables, interpreter, 0);
    double scale = fmax(fmax(fabs(difference), fabs(symbolic)), 1e-3 * fmax(1, fabs(ahead)));
    double error = fabs(symbolic - difference) / scale;
    worst = isnan(error) ? INFINITY : fmax(worst, error);
    of = along;
  }
  return worst;
}

#endif
