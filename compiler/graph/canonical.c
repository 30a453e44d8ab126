/* The one node in canonical form. Takes a box, a write and a value as anybody may spell them; returns the node that all
   equal spellings share. Never changes a number, and never asks what pays.

   Variables 0 … rank-1 belong to the axes of the output: variable d is the one whose coordinate on axis d is the bare
   variable. An axis without such a variable (extent 1, or several variables, or a constant) leaves box[d] = 1, and
   variable d occurs nowhere. All other variables follow, from `rank` on. */
#include "storage.h"

#include <stdlib.h>
#include <string.h>

/* A node while it is brought into form; by[v] says what the caller's variable v has become. */
typedef struct Draft {
  Graph *graph;
  Node node;
  Coordinate write[RANK_LIMIT];
  Coordinate by[BOX_LIMIT];
} Draft;

/* Variable v becomes `to` (over the same variables, v included) everywhere. */
static void draft_replace(Draft *draft, int v, Coordinate to) {
  Coordinate step[BOX_LIMIT];
  for (int w = 0; w < draft->node.box_rank; w++) step[w] = w == v ? to : coordinate_variable(w);
  for (int d = 0; d < draft->node.rank; d++)
    draft->write[d] = coordinate_substitute(draft->graph, &draft->write[d], step);
  for (int w = 0; w < draft->node.box_rank; w++)
    draft->by[w] = coordinate_substitute(draft->graph, &draft->by[w], step);
}

/* v := R - 1 - v where the write runs backwards. */
static void draft_flip(Draft *draft) {
  for (int v = 0; v < draft->node.box_rank; v++)
    for (int d = 0, done = 0; d < draft->node.rank && !done; d++)
      for (int t = 0; t < draft->write[d].term_count && !done; t++) {
        Term term = draft->write[d].terms[t];
        if (term.variable != v) continue;
        done = 1;
        if (term.coefficient < 0)
          draft_replace(draft, v,
                        coordinate_add(coordinate_constant(draft->node.box[v] - 1),
                                       coordinate_scale(coordinate_variable(v), -1)));
      }
}

static int64_t divide_up(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

/* Cuts the box to what can land, axis by axis where one variable decides; false where nothing lands. */
static bool draft_trim(Draft *draft) {
  for (int d = 0; d < draft->node.rank; d++) {
    const Coordinate *c = &draft->write[d];
    int64_t extent = draft->node.shape[d];
    if (c->computed != NULL || c->term_count > 1) continue;
    if (c->term_count == 0) {
      if (c->constant < 0 || c->constant >= extent) return false;
      continue;
    }
    int v = c->terms[0].variable;
    int64_t stride = c->terms[0].coefficient, low, high;
    if (stride < 0) continue;
    low = divide_up(-c->constant, stride);
    high = divide_up(extent - c->constant, stride);
    if (low < 0) low = 0;
    if (high > draft->node.box[v]) high = draft->node.box[v];
    if (high <= low) return false;
    draft->node.box[v] = high - low;
    if (low > 0) draft_replace(draft, v, coordinate_add(coordinate_variable(v), coordinate_constant(low)));
  }
  for (int v = 0; v < draft->node.box_rank; v++)
    if (draft->node.box[v] <= 0) return false;
  return true;
}

static bool coordinate_is_variable(const Coordinate *c) {
  return c->term_count == 1 && c->terms[0].coefficient == 1 && c->computed == NULL;
}

static uint32_t draft_write_variables(const Draft *draft) {
  uint32_t variables = 0;
  for (int d = 0; d < draft->node.rank; d++) {
    for (int t = 0; t < draft->write[d].term_count; t++) variables |= 1u << draft->write[d].terms[t].variable;
    if (draft->write[d].computed != NULL) variables |= draft->write[d].computed->variables;
  }
  return variables;
}

/* Unit variables vanish, the others get their canonical numbers: axes, then by first use in the write, then as they
   came. */
static void draft_number(Draft *draft) {
  Node *node = &draft->node;
  int rank = node->rank, old_rank = node->box_rank, next = rank, number[BOX_LIMIT];
  int64_t old_box[BOX_LIMIT], box[BOX_LIMIT + 1];
  uint32_t old_batch = node->batch_variables;
  for (int v = 0; v < old_rank; v++) {
    number[v] = -1;
    old_box[v] = node->box[v];
    if (node->box[v] == 1) draft_replace(draft, v, coordinate_constant(0));
  }
  for (int d = 0; d < rank; d++) {
    const Coordinate *c = &draft->write[d];
    box[d] = 1;
    if (!coordinate_is_variable(c) || number[c->terms[0].variable] >= 0) continue;
    number[c->terms[0].variable] = d;
    box[d] = old_box[c->terms[0].variable];
  }
  for (int d = 0; d <= rank; d++)
    for (int t = 0; t < (d < rank ? draft->write[d].term_count : old_rank); t++) {
      int v = d < rank ? draft->write[d].terms[t].variable : t;
      if (number[v] >= 0 || old_box[v] == 1) continue;
      if (next == BOX_LIMIT) internal_error(HERE, "a node of too many variables");
      box[next] = old_box[v];
      number[v] = next++;
    }
  Coordinate step[BOX_LIMIT];
  node->batch_variables = 0;
  for (int v = 0; v < old_rank; v++) {
    step[v] = number[v] < 0 ? coordinate_constant(0) : coordinate_variable(number[v]);
    if (number[v] >= 0 && (old_batch >> v & 1) != 0) node->batch_variables |= 1u << number[v];
  }
  for (int d = 0; d < rank; d++) draft->write[d] = coordinate_substitute(draft->graph, &draft->write[d], step);
  for (int v = 0; v < old_rank; v++) draft->by[v] = coordinate_substitute(draft->graph, &draft->by[v], step);
  node->box_rank = next;
  memset(node->box, 0, sizeof node->box);
  memcpy(node->box, box, (size_t)next * sizeof *box);
}

static int computed_count(int rank, const Coordinate *coordinates) {
  int count = 0;
  for (int d = 0; d < rank; d++) count += coordinates[d].computed != NULL;
  return count;
}

/* Does every point of the box write its own element, and every element have a point? Each coordinate is then a number
   in mixed radix: disjoint variables, coefficients 1, R1, R1*R2, … up to the extent. */
static bool write_is_bijection(const Node *node) {
  uint32_t used = 0;
  for (int d = 0; d < node->rank; d++) {
    const Coordinate *c = &node->write->coordinates[d];
    int64_t radix = 1;
    if (c->constant != 0 || c->computed != NULL) return false;
    for (int step = 0; step < c->term_count; step++) {
      int found = -1;
      for (int t = 0; t < c->term_count; t++)
        if (c->terms[t].coefficient == radix && (used >> c->terms[t].variable & 1) == 0) found = c->terms[t].variable;
      if (found < 0) return false;
      used |= 1u << found;
      radix *= node->box[found];
    }
    if (radix != node->shape[d]) return false;
  }
  for (int v = 0; v < node->box_rank; v++)
    if (node->box[v] > 1 && (used >> v & 1) == 0) return false;
  return true;
}

/* A variable runs over samples where it is the bare first subscript of something per sample. */
static void collect_batch(void *context, const Scalar *read) {
  Node *node = context;
  if (!read->node->batch) return;
  const Coordinate *first = &read->access->coordinates[0];
  if (coordinate_is_bare(first) && node->box[first->terms[0].variable] == read->node->shape[0])
    node->batch_variables |= 1u << first->terms[0].variable;
}

static void find_batch_variables(Node *node) {
  scalar_reads(node->value, collect_batch, node);
  if (node->batch && coordinate_is_bare(&node->write->coordinates[0]))
    node->batch_variables |= 1u << node->write->coordinates[0].terms[0].variable;
  for (int v = 0; v < node->box_rank; v++)
    if (node->box[v] == 1) node->batch_variables &= ~(1u << v);
}

static Node *node_of_value(Graph *graph, const Node *like, const Scalar *value) {
  Node *node = graph_map(graph, like->rank, like->shape, like->batch, value, like->span);
  if (node->name == NULL && node->kind == NODE_COMPUTE) node->name = like->name;
  return node;
}

/* A variable that neither the write nor the value knows: a sum counts it, the others do not notice it. NULL if there is
   none. */
static Node *drop_unused(Graph *graph, const Node *node, uint32_t written) {
  Node less = *node;
  double count = 1;
  for (int v = 0; v < node->box_rank; v++) {
    if (node->box[v] == 1 || ((written | node->value->variables) >> v & 1) != 0) continue;
    count *= (double)node->box[v];
    less.box[v] = 1;
  }
  if (count == 1) return NULL;
  const Scalar *value = node->combine == COMBINE_SUM
                            ? scalar_apply(graph, OP_MULTIPLY, scalar_constant(graph, count), node->value, NULL)
                            : node->value;
  return graph_compute(graph, node->combine, less.box_rank, less.box, less.batch_variables, node->write, node->rank,
                       node->shape, node->batch, value, node->name, node->span);
}

static int64_t coefficient_of(const Coordinate *c, int variable) {
  for (int t = 0; t < c->term_count; t++)
    if (c->terms[t].variable == variable) return c->terms[t].coefficient;
  return 0;
}

/* Do u and v occur in all these coordinates as one number, R_v*u + v, only? */
static bool always_together(const Access *access, int u, int v, int64_t extent) {
  for (int d = 0; d < access->rank; d++)
    if (coefficient_of(&access->coordinates[d], u) != extent * coefficient_of(&access->coordinates[d], v)) return false;
  return true;
}

/* Two variables that are only ever the digits of one number become that number: a flattened picture has one index. NULL
   if there are none. */
static Node *merge_digits(Graph *graph, const Node *node) {
  List order = scalar_order(1, &node->value, true);
  Node *merged = NULL;
  for (int u = 0; u < node->box_rank && merged == NULL; u++)
    for (int v = 0; v < node->box_rank && merged == NULL; v++) {
      bool together = u != v && node->box[u] > 1 && node->box[v] > 1 &&
                      (node->batch_variables >> u & 1) == (node->batch_variables >> v & 1);
      for (int d = 0; together && d < node->rank; d++) together = node->write->coordinates[d].computed == NULL;
      together = together && always_together(node->write, u, v, node->box[v]);
      for (int i = 0; together && i < order.count; i++) {
        const Scalar *scalar = order.items[i];
        if (scalar->op == OP_INDEX) together = scalar->variable != u && scalar->variable != v;
        else if (scalar->access != NULL) together = always_together(scalar->access, u, v, node->box[v]);
      }
      if (!together) continue;
      Node one = *node;
      Coordinate by[BOX_LIMIT];
      for (int w = 0; w < node->box_rank; w++) by[w] = w == u ? coordinate_constant(0) : coordinate_variable(w);
      one.box[v] *= node->box[u];
      one.box[u] = 1;
      const Access *write = access_substitute(graph, node->write, by);
      const Scalar *value = scalar_substitute(graph, node->value, by);
      merged = graph_compute(graph, node->combine, one.box_rank, one.box, one.batch_variables, write, node->rank,
                             node->shape, node->batch, value, node->name, node->span);
    }
  list_free(&order);
  return merged;
}

/* An identity map of one read of the whole of a node is that node. */
static Node *node_behind_copy(const Node *node) {
  const Scalar *read = node->value;
  if (read->op != OP_READ || !node_is_map(node) || read->node->rank != node->rank || read->node->batch != node->batch ||
      read->access != node->write)
    return NULL;
  return memcmp(read->node->shape, node->shape, (size_t)node->rank * sizeof *node->shape) == 0 ? read->node : NULL;
}

Node *graph_compute(Graph *graph, Combine combine, int box_rank, const int64_t *box, uint32_t batch_variables,
                    const Access *write, int rank, const int64_t *shape, bool batch, const Scalar *value,
                    const char *name, Span span) {
  Draft draft = {.graph = graph};
  Node *node = &draft.node;
  if (rank > RANK_LIMIT || box_rank > BOX_LIMIT || write->rank != rank || (batch && rank == 0))
    internal_error(HERE, "a node that writes what it has not");
  *node = (Node){.kind = NODE_COMPUTE,
                 .rank = rank,
                 .batch = batch,
                 .name = name == NULL ? NULL : session_string(graph->session, name),
                 .span = span,
                 .combine = combine,
                 .box_rank = box_rank,
                 .batch_variables = batch_variables};
  if (rank > 0) memcpy(node->shape, shape, (size_t)rank * sizeof *shape);
  if (box_rank > 0) memcpy(node->box, box, (size_t)box_rank * sizeof *box);
  for (int d = 0; d < rank; d++) draft.write[d] = write->coordinates[d];
  for (int v = 0; v < box_rank; v++) draft.by[v] = coordinate_variable(v);
  draft_flip(&draft);
  if (!draft_trim(&draft)) return node_of_value(graph, node, scalar_constant(graph, 0));
  draft_number(&draft);

  uint32_t written = draft_write_variables(&draft);
  node->write = access_new(graph, rank, draft.write);
  node->value = scalar_substitute(graph, value, draft.by);
  if (computed_count(rank, draft.write) < computed_count(rank, write->coordinates)) /* affine without unit variables */
    return graph_compute(graph, combine, node->box_rank, node->box, node->batch_variables, node->write, rank, shape,
                         batch, node->value, name, span);
  find_batch_variables(node);
  Node *other = merge_digits(graph, node); /* before reads settle: behind a reshape one number is digits again */
  if (other != NULL) return other;
  node->value = scalar_simplify_in_box(graph, node->box, node->value);
  if (node->value->op == OP_NOTHING && !node_is_map(node)) return node_of_value(graph, node, node->value);
  if ((other = drop_unused(graph, node, written)) != NULL) return other;
  find_batch_variables(node);
  if ((other = merge_digits(graph, node)) != NULL) return other;
  bool bijection = write_is_bijection(node);
  if (bijection) node->combine = COMBINE_SET;
  else if (combine == COMBINE_SET) node->combine = COMBINE_SUM;
  if ((other = node_behind_copy(node)) != NULL) return other;
  return node_intern(graph, node);
}

Node *graph_map(Graph *graph, int rank, const int64_t *shape, bool batch, const Scalar *value, Span span) {
  return graph_compute(graph, COMBINE_SET, rank, shape, batch ? 1u : 0u, access_identity(graph, rank), rank, shape,
                       batch, value, NULL, span);
}
