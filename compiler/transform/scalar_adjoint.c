/* Derivatives inside one expression, by a reverse sweep over its DAG, so that what is shared stays shared. Takes an
   expression and the nodes that count as variables; returns the derivative by each read of one. Computed coordinates
   are not differentiated: a subscript has derivative nothing. */
#include "internal.h"
#include "transform.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>

/* A row of derivatives.def without its operation, or an operation without its row, does not compile. */
enum {
#define DERIVATIVE(name, a, b, c) derivative_row_of_##name,
#include "derivatives.def"
#undef DERIVATIVE
};
static const struct {
  int row;
  const char *argument[3];
} derivative_texts[OP_COUNT] = {
#define DERIVATIVE(name, a, b, c) [OP_##name] = {derivative_row_of_##name, {a, b, c}},
#include "derivatives.def"
#undef DERIVATIVE
};
#define OPERATION(name, ...) _Static_assert(derivative_row_of_##name >= 0, #name);
#include "compiler/graph/operations.def"
#undef OPERATION

struct DerivativeFormulas {
  const Formula *of[OP_COUNT][3];
};

static const Formula *derivative_formula(Graph *graph, Operation op, int argument) {
  if (graph->derivatives == NULL) {
    graph->derivatives = session_allocate(graph->session, sizeof *graph->derivatives);
    for (int row = 0; row < OP_COUNT; row++)
      for (int k = 0; k < operation_arity((Operation)row); k++)
        graph->derivatives->of[row][k] = formula_parse(graph->session, derivative_texts[row].argument[k]);
  }
  return graph->derivatives->of[op][argument];
}

void transform_break_derivative(Graph *graph, Operation op) { graph->broken = op; }

const Scalar *scalar_derivative(Graph *graph, const Scalar *scalar, int argument) {
  Bindings bindings = {{NULL}};
  for (int k = 0; k < operation_arity(scalar->op); k++) bindings.letter[k] = scalar->argument[k];
  bindings.letter['x' - 'a'] = scalar;
  const Scalar *derivative = formula_build(graph, NULL, derivative_formula(graph, scalar->op, argument), &bindings);
  bool broken = graph->broken == scalar->op || (MUTANT(tanh_derivative) && scalar->op == OP_TANH);
  return broken ? scalar_apply(graph, OP_MULTIPLY, scalar_constant(graph, 1.25), derivative, NULL) : derivative;
}

/* Adds `part` to the adjoint of `to`. */
static void contribute(Graph *graph, Memo *adjoints, const Scalar *to, const Scalar *part) {
  if (part->op == OP_NOTHING) return;
  const Scalar *sum = memo_get(adjoints, to->id);
  memo_put(adjoints, to->id, sum == NULL ? part : scalar_apply(graph, OP_ADD, sum, part, NULL));
}

Derivatives scalar_adjoint(Graph *graph, const Scalar *value, const bool *active) {
  Derivatives result = {{0}, {0}};
  Memo reaches = {0}, adjoints = {0};
  List order = scalar_order(1, &value, false);
  for (int i = 0; i < order.count; i++) {
    const Scalar *scalar = order.items[i];
    bool reached = scalar->op == OP_READ && active[scalar->node->id];
    for (int k = 0; k < operation_arity(scalar->op); k++)
      reached |= memo_get(&reaches, scalar->argument[k]->id) != NULL;
    if (reached) memo_put(&reaches, scalar->id, scalar);
  }
  memo_put(&adjoints, value->id, scalar_constant(graph, 1));
  for (int i = order.count - 1; i >= 0; i--) {
    const Scalar *scalar = order.items[i], *adjoint = memo_get(&adjoints, scalar->id);
    if (adjoint == NULL || memo_get(&reaches, scalar->id) == NULL) continue;
    if (scalar->op == OP_READ) {
      list_add(&result.reads, scalar);
      list_add(&result.derivatives, adjoint);
    }
    for (int k = 0; k < operation_arity(scalar->op); k++) {
      if (memo_get(&reaches, scalar->argument[k]->id) == NULL) continue;
      if (MUTANT(product_rule) && scalar->op == OP_MULTIPLY && k == 1 &&
          memo_get(&reaches, scalar->argument[0]->id) != NULL)
        continue;
      contribute(graph, &adjoints, scalar->argument[k],
                 scalar_apply(graph, OP_MULTIPLY, adjoint, scalar_derivative(graph, scalar, k), NULL));
    }
  }
  memo_free(&reaches);
  memo_free(&adjoints);
  list_free(&order);
  return result;
}
