/* What pays in sums, by the rules of sum_rules.def. Takes what graph_compute takes; returns the sum, or an equivalent
   node where a rule that is on knows better. Sees factors through maps, because a map between a product and its sum
   would hide them. Promises values to rounding, as every sum does. */
#include "internal.h"
#include "transform.h"
#include "tests/mutants/mutant.h"

#include <math.h>

enum { EVERY_FACTOR = 1 << BOX_LIMIT }; /* a variable that every factor is taken to have */

/* A product taken apart: constants * numerators / denominators. `depth` maps at most are opened one behind the other:
   behind them products of products could have any number of factors. */
typedef struct Product {
  double above, below;
  List numerators, denominators;
  int depth;
} Product;

enum { OPENING_DEPTH = 6 };

static uint32_t summed_variables(const Node *sum) {
  uint32_t variables = 0;
  for (int v = 0; v < sum->box_rank; v++)
    if (sum->box[v] > 1) variables |= 1u << v;
  for (int d = 0; d < sum->rank; d++)
    if (coordinate_is_bare(&sum->write->coordinates[d]))
      variables &= ~(1u << sum->write->coordinates[d].terms[0].variable);
  return variables;
}

/* Is the write the identity over the whole output, up to summed variables? Then outside factors may speak of variable d
   as axis d. */
static bool sum_covers(const Node *sum) {
  for (int d = 0; d < sum->rank; d++) {
    const Coordinate *c = &sum->write->coordinates[d];
    if (sum->box[d] != sum->shape[d]) return false;
    if (sum->shape[d] == 1 ? !coordinate_is_constant(c) || c->constant != 0
                           : !coordinate_is_bare(c) || c->terms[0].variable != d)
      return false;
  }
  return true;
}

static bool is_product(Operation op) { return op == OP_MULTIPLY || op == OP_DIVIDE || op == OP_NEGATE; }

static void product_free(Product *product) {
  list_free(&product->numerators);
  list_free(&product->denominators);
}

static bool list_has_free_of(const List *factors, uint32_t summed) {
  for (int i = 0; i < factors->count; i++)
    if ((((const Scalar *)factors->items[i])->variables & summed) == 0) return true;
  return false;
}

/* Multiplies the factors of `scalar` into the product. A read of a map that is a product is opened if that frees
   something from the sum over `summed`; summed 0 opens nothing. */
static void product_collect(Graph *graph, const Node *sum, uint32_t summed, const Scalar *scalar, bool inverse,
                            Product *product) {
  if (scalar->op == OP_CONSTANT) *(inverse ? &product->below : &product->above) *= scalar->value;
  else if (scalar->op == OP_NEGATE) {
    product->above = -product->above;
    product_collect(graph, sum, summed, scalar->argument[0], inverse, product);
  } else if (scalar->op == OP_MULTIPLY || scalar->op == OP_DIVIDE) {
    product_collect(graph, sum, summed, scalar->argument[0], inverse, product);
    product_collect(graph, sum, summed, scalar->argument[1], inverse != (scalar->op == OP_DIVIDE), product);
  } else {
    Product opened = {1, 1, {0}, {0}, product->depth - 1};
    const Scalar *behind = NULL;
    if (product->depth > 0 && scalar->op == OP_READ && (scalar->variables & summed) != 0 &&
        is_product(scalar_look_operation(scalar)))
      behind = scalar_look(graph, sum->box, scalar);
    if (behind != NULL) product_collect(graph, sum, summed, behind, false, &opened);
    bool opens =
        behind != NULL && (opened.above != 1 || opened.below != 1 || list_has_free_of(&opened.numerators, summed) ||
                           list_has_free_of(&opened.denominators, summed));
    if (opens) {
      product->above *= inverse ? opened.below : opened.above;
      product->below *= inverse ? opened.above : opened.below;
      for (int i = 0; i < opened.numerators.count; i++)
        list_add(inverse ? &product->denominators : &product->numerators, opened.numerators.items[i]);
      for (int i = 0; i < opened.denominators.count; i++)
        list_add(inverse ? &product->numerators : &product->denominators, opened.denominators.items[i]);
    } else list_add(inverse ? &product->denominators : &product->numerators, scalar);
    product_free(&opened);
  }
}

/* Is the value a matrix-like product: two factors that share a summed variable, each with a kept variable of its own?
   Both are worth having in memory for themselves (their maps are shared with the other gradients), so nothing is taken
   out of them. */
static bool is_matrix_product(Graph *graph, const Node *sum, uint32_t summed) {
  Product product = {1, 1, {0}, {0}, OPENING_DEPTH};
  product_collect(graph, sum, 0, sum->value, false, &product);
  bool pair = product.numerators.count == 2 && product.denominators.count == 0;
  uint32_t a = pair ? ((const Scalar *)product.numerators.items[0])->variables : 0,
           b = pair ? ((const Scalar *)product.numerators.items[1])->variables : 0;
  product_free(&product);
  return (a & b & summed) != 0 && (a & ~b & ~summed) != 0 && (b & ~a & ~summed) != 0;
}

/* The product of the factors that stay (inside) or leave, in the order of their ids, so that equal products are equal
   pointers; NULL for none. */
static const Scalar *multiply_all(Graph *graph, List *factors, uint32_t staying, bool inside) {
  const Scalar *product = NULL;
  for (int i = 1; i < factors->count; i++)
    for (int j = i; j > 0 && ((const Scalar *)factors->items[j])->id < ((const Scalar *)factors->items[j - 1])->id;
         j--) {
      const void *swap = factors->items[j];
      factors->items[j] = factors->items[j - 1];
      factors->items[j - 1] = swap;
    }
  for (int i = 0; i < factors->count; i++) {
    const Scalar *factor = factors->items[i];
    if ((((factor->variables | EVERY_FACTOR) & staying) != 0) != inside) continue;
    product = product == NULL ? factor : scalar_apply(graph, OP_MULTIPLY, product, factor, NULL);
  }
  return product;
}

/* What stays inside of the product, or what leaves it. */
static const Scalar *product_part(Graph *graph, Product *product, uint32_t staying, bool inside) {
  const Scalar *above = multiply_all(graph, &product->numerators, staying, inside),
               *below = multiply_all(graph, &product->denominators, staying, inside);
  if (above == NULL && below == NULL) return NULL;
  if (above == NULL) above = scalar_constant(graph, 1);
  return below == NULL ? above : scalar_apply(graph, OP_DIVIDE, above, below, NULL);
}

/* Factors without summed variables leave the sum. Where the write leaves elements alone only constants do: their 0 must
   not meet an infinite factor. */
static Node *sum_factors(Graph *graph, const Node *sum, uint32_t summed) {
  Product product = {1, 1, {0}, {0}, OPENING_DEPTH};
  uint32_t staying = sum_covers(sum) ? summed : EVERY_FACTOR;
  product_collect(graph, sum, is_matrix_product(graph, sum, summed) ? 0 : summed, sum->value, false, &product);
  const Scalar *inside = product_part(graph, &product, staying, true),
               *outside = product_part(graph, &product, staying, false);
  product_free(&product);
  if (inside == NULL || (outside == NULL && product.above == 1 && product.below == 1)) return NULL;
  Node *rest = compute_reduced(graph, COMBINE_SUM, sum->box_rank, sum->box, sum->batch_variables, sum->write, sum->rank,
                               sum->shape, sum->batch, inside, sum->name, sum->span);
  const Scalar *value = scalar_read(graph, rest, access_identity(graph, rest->rank));
  if (outside != NULL) value = scalar_apply(graph, OP_MULTIPLY, outside, value, NULL);
  if (product.above != 1) value = scalar_apply(graph, OP_MULTIPLY, scalar_constant(graph, product.above), value, NULL);
  if (product.below != 1 && !MUTANT(divisor_lost))
    value = scalar_apply(graph, OP_DIVIDE, value, scalar_constant(graph, product.below), NULL);
  return graph_map(graph, sum->rank, sum->shape, sum->batch, value, sum->span);
}

/* Do two factors of the term range over different variables? Such a sum is worth having for itself. */
static bool is_contraction(Graph *graph, const Node *sum, const Scalar *term) {
  Product product = {1, 1, {0}, {0}, OPENING_DEPTH};
  uint32_t variables = 0;
  bool different = false;
  product_collect(graph, sum, 0, term, false, &product);
  for (int i = 0; i < product.numerators.count; i++) {
    uint32_t own = ((const Scalar *)product.numerators.items[i])->variables;
    different |= i > 0 && own != variables;
    variables = own;
  }
  product_free(&product);
  return different;
}

static void collect_terms(Graph *graph, const Scalar *scalar, bool negative, List *terms) {
  if (scalar->op == OP_ADD) {
    collect_terms(graph, scalar->argument[0], negative, terms);
    collect_terms(graph, scalar->argument[1], negative, terms);
  } else if (scalar->op == OP_NEGATE) collect_terms(graph, scalar->argument[0], !negative, terms);
  else list_add(terms, negative ? scalar_apply(graph, OP_NEGATE, scalar, NULL, NULL) : scalar);
}

/* Sums distribute over + where a term is a contraction: each contraction is a sum of its own, the other terms share
   one. */
static Node *sum_distribute(Graph *graph, const Node *sum, uint32_t summed) {
  (void)summed;
  if (sum->value->op != OP_ADD) return NULL;
  List terms = {0}, parts = {0};
  const Scalar *rest = NULL, *value = NULL;
  collect_terms(graph, sum->value, false, &terms);
  for (int i = 0; i < terms.count; i++) {
    const Scalar *term = terms.items[i];
    if (is_contraction(graph, sum, term)) list_add(&parts, term);
    else rest = rest == NULL ? term : scalar_apply(graph, OP_ADD, rest, term, NULL);
  }
  bool distributes = parts.count > 0 && terms.count > 1;
  if (rest != NULL) list_add(&parts, rest);
  for (int i = 0; i < parts.count && distributes; i++) {
    Node *part = compute_reduced(graph, COMBINE_SUM, sum->box_rank, sum->box, sum->batch_variables, sum->write,
                                 sum->rank, sum->shape, sum->batch, parts.items[i], sum->name, sum->span);
    const Scalar *read = scalar_read(graph, part, access_identity(graph, part->rank));
    value = value == NULL ? read : scalar_apply(graph, OP_ADD, value, read, NULL);
  }
  list_free(&terms);
  list_free(&parts);
  return value == NULL ? NULL : graph_map(graph, sum->rank, sum->shape, sum->batch, value, sum->span);
}

/* A sum of bare reads of a sum is one sum, unless the inner one is a contraction. */
static Node *sum_flatten(Graph *graph, const Node *sum, uint32_t summed) {
  (void)summed;
  const Scalar *read = sum->value;
  if (read->op != OP_READ || read->node->kind != NODE_COMPUTE || read->node->combine != COMBINE_SUM) return NULL;
  const Node *inner = read->node;
  if (access_may_leave(read->access, sum->box, inner->shape) || !sum_covers(inner) ||
      is_contraction(graph, inner, inner->value))
    return NULL;
  Node flat = *sum;
  Coordinate by[BOX_LIMIT];
  uint32_t seen = 0;
  for (int d = 0; d < inner->rank; d++) {
    const Coordinate *c = &read->access->coordinates[d];
    by[d] = *c;
    if (coordinate_is_constant(c)) continue;
    if (!coordinate_is_bare(c) || (seen >> c->terms[0].variable & 1) != 0) return NULL;
    seen |= 1u << c->terms[0].variable;
  }
  for (int v = inner->rank; v < inner->box_rank; v++) {
    if (flat.box_rank >= VARIABLE_LIMIT) return NULL;
    by[v] = coordinate_variable(flat.box_rank);
    if ((inner->batch_variables >> v & 1) != 0) flat.batch_variables |= 1u << flat.box_rank;
    flat.box[flat.box_rank++] = inner->box[v];
  }
  return compute_reduced(graph, COMBINE_SUM, flat.box_rank, flat.box, flat.batch_variables, sum->write, sum->rank,
                         sum->shape, sum->batch, scalar_substitute(graph, inner->value, by), sum->name, sum->span);
}

/* ---- deviations from a mean -------------------------------------------------------------------------------------- */

/* Pairs the summed variables of `inner` from v on with free ones of `sum` of equal extent, in every possible way, until
   its value is `wanted`. */
static bool value_matches(Graph *graph, const Node *sum, const Node *inner, int v, uint32_t free, Coordinate *by,
                          const Scalar *wanted) {
  while (v < inner->box_rank && inner->box[v] == 1) by[v++] = coordinate_constant(0);
  if (v == inner->box_rank) return free == 0 && scalar_substitute(graph, inner->value, by) == wanted;
  for (int w = 0; w < sum->box_rank; w++) {
    if ((free >> w & 1) == 0 || sum->box[w] != inner->box[v]) continue;
    by[v] = coordinate_variable(w);
    if (value_matches(graph, sum, inner, v + 1, free & ~(1u << w), by, wanted)) return true;
  }
  return false;
}

/* Takes constants off, through maps: scalar = *factor * the result. */
static const Scalar *single_factor(Graph *graph, const Node *sum, const Scalar *scalar, double *factor) {
  *factor = 1;
  for (;;) {
    if (scalar->op == OP_NEGATE) *factor = -*factor, scalar = scalar->argument[0];
    else if (scalar->op == OP_MULTIPLY && scalar->argument[0]->op == OP_CONSTANT)
      *factor *= scalar->argument[0]->value, scalar = scalar->argument[1];
    else if (scalar->op == OP_DIVIDE && scalar->argument[1]->op == OP_CONSTANT)
      *factor /= scalar->argument[1]->value, scalar = scalar->argument[0];
    else if (scalar->op == OP_READ && is_product(scalar_look_operation(scalar))) {
      const Scalar *behind = scalar_look(graph, sum->box, scalar);
      if (behind == NULL) return scalar;
      scalar = behind;
    } else return scalar;
  }
}

/* Is the sum of `value` over the box that of (value - mean value) with that very mean? */
static bool is_centred(Graph *graph, const Node *sum, uint32_t summed, const Scalar *value, const Scalar *mean) {
  double scale, weight;
  const Scalar *read = single_factor(graph, sum, mean, &weight);
  if (read->op != OP_READ || (read->variables & summed) != 0 || read->node->kind != NODE_COMPUTE ||
      read->node->combine != COMBINE_SUM)
    return false;
  const Node *inner = read->node;
  if (!sum_covers(inner)) return false;
  const Scalar *wanted = single_factor(graph, sum, value, &scale);
  Coordinate by[BOX_LIMIT];
  double count = 1;
  for (int d = 0; d < inner->rank; d++) by[d] = read->access->coordinates[d];
  for (int v = 0; v < sum->box_rank; v++)
    if ((summed >> v & 1) != 0) count *= (double)sum->box[v];
  return fabs(count * weight + scale) <= 1e-12 * fabs(scale) &&
         value_matches(graph, sum, inner, inner->rank, summed, by, wanted);
}

/* Behind a read of a map that adds: the addition. */
static const Scalar *look_for_addition(Graph *graph, const Node *sum, const Scalar *scalar) {
  while (scalar != NULL && scalar->op == OP_READ && scalar_look_operation(scalar) == OP_ADD)
    scalar = scalar_look(graph, sum->box, scalar);
  return scalar != NULL && scalar->op == OP_ADD ? scalar : NULL;
}

/* Is the term a deviation from its mean, times factors without summed variables? */
static bool term_vanishes(Graph *graph, const Node *sum, uint32_t summed, const Scalar *term) {
  Product product = {1, 1, {0}, {0}, OPENING_DEPTH};
  const Scalar *deviation = NULL;
  int staying = 0;
  product_collect(graph, sum, summed, term, false, &product);
  for (int i = 0; i < product.numerators.count + product.denominators.count; i++) {
    bool above = i < product.numerators.count;
    const Scalar *factor =
        above ? product.numerators.items[i] : product.denominators.items[i - product.numerators.count];
    if ((factor->variables & summed) == 0) continue;
    deviation = above ? factor : NULL;
    staying++;
  }
  product_free(&product);
  if (staying != 1 || deviation == NULL || (deviation = look_for_addition(graph, sum, deviation)) == NULL) return false;
  return is_centred(graph, sum, summed, deviation->argument[0], deviation->argument[1]) ||
         is_centred(graph, sum, summed, deviation->argument[1], deviation->argument[0]);
}

/* The sum of (x - m) over the box of m = mean x is nothing, alone or as a term. */
static Node *sum_deviations(Graph *graph, const Node *sum, uint32_t summed) {
  if (!sum_covers(sum)) return NULL;
  if (term_vanishes(graph, sum, summed, sum->value))
    return graph_map(graph, sum->rank, sum->shape, sum->batch, scalar_nothing(graph), sum->span);
  const Scalar *addition = look_for_addition(graph, sum, sum->value), *rest = scalar_nothing(graph);
  if (addition == NULL) return NULL;
  List terms = {0};
  bool drops = false;
  collect_terms(graph, addition, false, &terms);
  for (int i = 0; i < terms.count; i++) {
    if (term_vanishes(graph, sum, summed, terms.items[i])) drops = true;
    else rest = scalar_apply(graph, OP_ADD, rest, terms.items[i], NULL);
  }
  list_free(&terms);
  if (!drops) return NULL;
  return compute_reduced(graph, COMBINE_SUM, sum->box_rank, sum->box, sum->batch_variables, sum->write, sum->rank,
                         sum->shape, sum->batch, rest, sum->name, sum->span);
}

/* ---- the rules --------------------------------------------------------------------------------------------------- */

static Node *(*const rules[SUM_RULE_COUNT])(Graph *graph, const Node *sum, uint32_t summed) = {
#define SUM_RULE(name, title) [SUM_RULE_##name] = sum_##name,
#include "sum_rules.def"
#undef SUM_RULE
};

const SumRuleRow sum_rule_rows[SUM_RULE_COUNT] = {
#define SUM_RULE(name, title) {#name, title},
#include "sum_rules.def"
#undef SUM_RULE
};

void transform_without(Graph *graph, SumRule rule) { graph->without |= 1u << rule; }

Node *compute_reduced(Graph *graph, Combine combine, int box_rank, const int64_t *box, uint32_t batch_variables,
                      const Access *write, int rank, const int64_t *shape, bool batch, const Scalar *value,
                      const char *name, Span span) {
  Node *node =
      graph_compute(graph, combine, box_rank, box, batch_variables, write, rank, shape, batch, value, name, span);
  if (node->kind != NODE_COMPUTE || node->combine != COMBINE_SUM) return node;
  uint32_t summed = summed_variables(node);
  for (int rule = 0; rule < SUM_RULE_COUNT; rule++) {
    if ((graph->without >> rule & 1) != 0) continue;
    Node *better = rules[rule](graph, node, summed);
    if (better != NULL) return better;
  }
  return node;
}
