/* Warnings about what objectives say, read off their graphs: no name of a layer or a loss counts. Takes the nodes of
   the objectives and the players' weights; reports; changes nothing. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <math.h>
#include <string.h>

enum { WEIGHT_LIMIT = 256 };

/* ---- players that pull at the same end --------------------------------------------------------------------------- */

static void collect(Parts *parts, const Node *sum, const Scalar *scalar, int sign) {
  const Scalar *a = scalar->argument[0], *b = scalar->argument[1];
  if (parts->count == PART_LIMIT) return;
  switch (scalar->op) {
  case OP_ADD:
    collect(parts, sum, a, sign);
    collect(parts, sum, b, sign);
    return;
  case OP_NEGATE: collect(parts, sum, a, -sign); return;
  case OP_MULTIPLY:
    if (a->op == OP_CONSTANT && a->value != 0) {
      collect(parts, sum, b, a->value < 0 ? -sign : sign);
      return;
    }
    break;
  case OP_DIVIDE:
    if (b->op == OP_CONSTANT && b->value != 0) {
      collect(parts, sum, a, b->value < 0 ? -sign : sign);
      return;
    }
    break;
  case OP_READ:
    if (sum == NULL && scalar->node->kind == NODE_COMPUTE && scalar->node->rank == 0 &&
        scalar->node->combine != COMBINE_MAXIMUM) {
      collect(parts, node_is_map(scalar->node) ? NULL : scalar->node, scalar->node->value, sign);
      return;
    }
    break;
  default: break;
  }
  parts->items[parts->count++] = (Part){sum, scalar, sign};
}

void objective_parts(Evaluator *e, int objective, Parts *parts) {
  const Node *value = e->objective_values[objective];
  parts->count = 0;
  collect(parts, NULL, scalar_read(e->graph, (Node *)(uintptr_t)value, access_identity(e->graph, 0)),
          e->objectives[objective]->objective.maximize ? -1 : 1);
}

static bool same_term(const Part *a, const Part *b) {
  if (a->value != b->value || (a->sum == NULL) != (b->sum == NULL)) return false;
  return a->sum == NULL || (a->sum->box_rank == b->sum->box_rank &&
                            memcmp(a->sum->box, b->sum->box, (size_t)a->sum->box_rank * sizeof *a->sum->box) == 0);
}

static Node *term_node(Evaluator *e, const Part *term) {
  const Node *sum = term->sum;
  if (sum == NULL) return graph_map(e->graph, 0, NULL, false, term->value, (Span){0});
  return graph_compute(e->graph, COMBINE_SUM, sum->box_rank, sum->box, sum->batch_variables, sum->write, sum->rank,
                       sum->shape, sum->batch, term->value, NULL, sum->span);
}

static void find_grad(void *context, Node *node) { *(bool *)context |= node->kind == NODE_GRAD; }

static bool holds_grad(Evaluator *e, Node *node) {
  bool holds = false;
  graph_walk(e->graph, &(EffectList){1, &(Effect){node, node, {0}}}, find_grad, &holds);
  return holds;
}

static bool reaches_network(Evaluator *e, const Network *network, Node *node) {
  Slot **weights;
  int count = network_weights(e, network, &weights);
  Sources sources = transform_sources(e->graph, node);
  for (int w = 0; w < count; w++)
    if (sources_hold(&sources, e->model->tensors[weights[w]->tensor].input)) return true;
  return false;
}

/* The sign of the derivative of the node by each weight: 1 or -1 where all its elements have it, whatever the numbers
   are; else 0. */
static int derivative_signs(Evaluator *e, const Network *network, Node *node, int signs[WEIGHT_LIMIT]) {
  Slot **weights;
  Node *at[WEIGHT_LIMIT], *adjoints[WEIGHT_LIMIT];
  int count = network_weights(e, network, &weights);
  if (count > WEIGHT_LIMIT) count = WEIGHT_LIMIT;
  for (int w = 0; w < count; w++) at[w] = e->model->tensors[weights[w]->tensor].input;
  transform_adjoint(e->graph, node, count, at, adjoints);
  for (int w = 0; w < count; w++) {
    signs[w] = 0;
    if (adjoints[w] == NULL) continue;
    Range range =
        scalar_range(e->graph, scalar_read(e->graph, adjoints[w], access_identity(e->graph, adjoints[w]->rank)));
    signs[w] = range.low >= 0 && range.high > 0 ? 1 : range.high <= 0 && range.low < 0 ? -1 : 0;
  }
  return count;
}

/* The number that a square or an absolute value keeps its argument near: of (a - 1)^2 it is 1. */
static bool square_target(const Scalar *scalar, double *target) {
  bool square = scalar->op == OP_MULTIPLY && scalar->argument[0] == scalar->argument[1];
  if (!square && scalar->op != OP_ABSOLUTE) return false;
  const Scalar *inner = scalar->argument[0];
  *target = 0;
  if (inner->op != OP_ADD) return true;
  for (int k = 0; k < 2; k++) {
    if (inner->argument[k]->op != OP_CONSTANT) continue;
    bool negated = inner->argument[1 - k]->op == OP_NEGATE;
    *target = negated ? inner->argument[k]->value : -inner->argument[k]->value;
  }
  return true;
}

/* How a player's other terms stand to the one it shares with its opponent: against it, with it alone, or neither can be
   told. */
typedef enum Stance { UNKNOWN, AGAINST, ALONG, APART } Stance;

/* Of terms without the opponent, as seen from the player's weights: AGAINST where one is moved the other way, APART
   where squares have another target (in *target), ALONG where some are moved the same way and none another. */
static Stance stance_of(Evaluator *e, const Network *player, const Network *opponent, const Parts *parts,
                        const Part *shared, Node *shared_node, double *target) {
  int one[WEIGHT_LIMIT], other[WEIGHT_LIMIT];
  int count = derivative_signs(e, player, shared_node, one);
  double near;
  bool square = square_target(shared->value, &near) && shared->sign > 0;
  Stance stance = UNKNOWN;
  for (int t = 0; t < parts->count; t++) {
    const Part *term = &parts->items[t];
    Node *node = term_node(e, term);
    if (same_term(term, shared) || holds_grad(e, node) || !reaches_network(e, player, node) ||
        reaches_network(e, opponent, node))
      continue;
    if (square && term->sign > 0 && square_target(term->value, target) && *target != near) return APART;
    derivative_signs(e, player, node, other);
    for (int w = 0; w < count; w++) {
      int together = one[w] * shared->sign * other[w] * term->sign;
      if (together < 0) return AGAINST;
      if (together > 0) stance = ALONG;
    }
  }
  return stance;
}

static bool lists(const Syntax *objective, const Network *network) {
  for (int k = 0; k < objective->objective.players.count; k++)
    if (objective->objective.players.items[k]->name == network->name) return true;
  return false;
}

static const Network *player_apart(Evaluator *e, int of, int apart) {
  for (int k = 0; k < e->network_count; k++)
    if (lists(e->objectives[of], e->networks[k]) && !lists(e->objectives[apart], e->networks[k])) return e->networks[k];
  return NULL;
}

/* ---- the edit that mends it -------------------------------------------------------------------------------------- */

typedef struct CallsNetwork {
  const char *name;
  bool found;
} CallsNetwork;

static void search_network(void *context, Syntax *syntax) {
  CallsNetwork *search = context;
  search->found |= syntax->kind == SYNTAX_NAME && syntax->name == search->name;
  if (!search->found) syntax_children(syntax, search_network, search);
}

static bool mentions(const Syntax *syntax, const Network *network) {
  CallsNetwork search = {network->name, false};
  search_network(&search, (Syntax *)(uintptr_t)syntax);
  return search.found;
}

/* The only sign that stands between a term with the opponent and one without. */
typedef struct SignSearch {
  const Network *opponent;
  int count;
  const Syntax *found;
} SignSearch;

static void search_sign(void *context, Syntax *syntax) {
  SignSearch *search = context;
  bool sum =
      syntax->kind == SYNTAX_BINARY && (syntax->binary.op == OPERATOR_ADD || syntax->binary.op == OPERATOR_SUBTRACT);
  if (sum && mentions(syntax->binary.left, search->opponent) != mentions(syntax->binary.right, search->opponent))
    search->count++, search->found = syntax;
  syntax_children(syntax, search_sign, search);
}

static void mend_sign(Diagnostic *diagnostic, Syntax *objective, const Network *opponent) {
  SignSearch search = {opponent, 0, NULL};
  search_sign(&search, objective);
  if (search.count != 1) return;
  const Syntax *sum = search.found;
  const char *text = sum->span.source->text;
  uint32_t at = sum->binary.left->span.to;
  while (at < sum->binary.right->span.from && text[at] != '+' && text[at] != '-') at++;
  diagnostic_mend(diagnostic, (Span){sum->span.source, at, at + 1}, "%s", text[at] == '+' ? "-" : "+");
}

/* `(a - 1)^2`, `a^2`, `l2(a, 1)`: the place of the target, or of what is to have one. */
typedef struct SquareSearch {
  int count;
  const Syntax *square;
} SquareSearch;

static void search_square(void *context, Syntax *syntax) {
  SquareSearch *search = context;
  bool power = syntax->kind == SYNTAX_BINARY && syntax->binary.op == OPERATOR_POWER;
  bool call = syntax->kind == SYNTAX_CALL && syntax->call.function->kind == SYNTAX_NAME &&
              strcmp(syntax->call.function->name, "l2") == 0 && syntax->call.arguments.count == 2;
  if (power || call) search->count++, search->square = syntax;
  syntax_children(syntax, search_square, search);
}

static void mend_target(Evaluator *e, Diagnostic *diagnostic, Syntax *objective, double target) {
  SquareSearch search = {0, NULL};
  search_square(&search, objective);
  if (search.count != 1) return;
  const Syntax *base =
      search.square->kind == SYNTAX_CALL ? search.square->call.arguments.items[1] : search.square->binary.left;
  bool difference = base->kind == SYNTAX_BINARY && base->binary.op == OPERATOR_SUBTRACT;
  if (difference) base = base->binary.right;
  if (base->kind == SYNTAX_NUMBER) diagnostic_mend(diagnostic, base->span, "%g", target);
  else if (!difference && search.square->kind != SYNTAX_CALL)
    diagnostic_mend(diagnostic, base->span, "(%s - %g)", span_text(e->session, base->span), target);
}

/* Between the players and the value stands the verb. */
static void mend_verb(Diagnostic *diagnostic, const Syntax *objective) {
  const Syntax *value = objective->objective.value;
  const char *text = value->span.source->text;
  uint32_t from = objective->objective.players.items[objective->objective.players.count - 1]->span.to,
           to = value->span.from;
  while (from < to && text[from] != 'm') from++;
  for (to = from; text[to] >= 'a' && text[to] <= 'z';) to++;
  bool singular = text[to - 1] == 's';
  diagnostic_mend(diagnostic, (Span){value->span.source, from, to}, "%s%s",
                  objective->objective.maximize ? "minimize" : "maximize", singular ? "s" : "");
}

/* ---- pairs of objectives ----------------------------------------------------------------------------------------- */

/* Objective i is that of a player who judges the other's work; does j, the other's, lower the same term as i does? */
static bool lint_pair(Evaluator *e, const Parts *all, int i, int j) {
  for (int a = 0; a < all[i].count; a++)
    for (int b = 0; b < all[j].count; b++) {
      const Part *shared = &all[i].items[a];
      if (!same_term(shared, &all[j].items[b]) || shared->sign != all[j].items[b].sign) continue;
      const Network *judge = player_apart(e, i, j), *other = player_apart(e, j, i);
      if (judge == NULL || other == NULL) return false;
      Node *node = term_node(e, shared);
      if (holds_grad(e, node) || !reaches_network(e, judge, node) || !reaches_network(e, other, node)) continue;
      double target;
      Stance stance = stance_of(e, judge, other, &all[i], shared, node, &target);
      if (stance == UNKNOWN) continue;
      const Syntax *of_judge = e->objectives[i]->objective.value, *of_other = e->objectives[j]->objective.value;
      Diagnostic *diagnostic = diagnostic_report(e->session, W6015, of_other->span, "`%s` makes this %s", other->name,
                                                 shared->sign > 0 ? "smaller" : "larger");
      diagnostic_also(diagnostic, of_judge->span, "and so does `%s`", judge->name);
      if (stance == ALONG) {
        diagnostic_hint(
            diagnostic,
            "and the other terms of `%s` push the same way: nothing holds it back, and it tells nothing apart",
            judge->name);
        const Scalar *score = shared->value->op == OP_NEGATE ? shared->value->argument[0] : shared->value;
        if (score->op == OP_READ)
          mend_sign(diagnostic, (Syntax *)(uintptr_t)of_judge, other); /* of a loss the other one is meant */
        return true;
      }
      diagnostic_hint(
          diagnostic,
          "one of two signs is the wrong one; if both are meant to pull at one end, list them: `%s, %s minimize …`",
          judge->name, other->name);
      if (stance == APART) mend_target(e, diagnostic, (Syntax *)(uintptr_t)of_other, target);
      else if (all[j].count == 1) mend_verb(diagnostic, e->objectives[j]);
      return true;
    }
  return false;
}

void lint_objectives(Evaluator *e) {
  for (int k = 0; k < e->objective_count; k++) lint_scores(e, k);
  lint_ranges(e);
  Parts *all = session_allocate(e->session, (size_t)(e->objective_count + 1) * sizeof *all);
  for (int k = 0; k < e->objective_count; k++) objective_parts(e, k, &all[k]);
  for (int i = 0; i < e->objective_count; i++)
    for (int j = 0; j < e->objective_count; j++)
      if (i != j) lint_pair(e, all, i, j);
}
