/* Warnings about what a score can be: logits that are probabilities, critics that are, logarithms of what may be
   negative, fakes in another range than the data. Read off the graphs of objectives: no name of a layer or a loss
   counts, except where the text is to be mended. Takes the nodes of the objectives and what networks were given;
   reports; changes nothing. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <math.h>
#include <string.h>

/* ---- what depends on weights ------------------------------------------------------------------------------------- */

typedef struct Reads {
  Evaluator *e;
  bool found;
} Reads;

static void find_weight(void *context, const Scalar *read) {
  Reads *reads = context;
  if (reads->found) return;
  Evaluator *e = reads->e;
  Sources sources = transform_sources(e->graph, read->node);
  for (int k = 0; k < e->slot_count && !reads->found; k++)
    reads->found = e->slots[k]->is_weight && sources_hold(&sources, e->model->tensors[e->slots[k]->tensor].input);
}

static bool depends_on_weights(Evaluator *e, const Scalar *scalar) {
  Reads reads = {e, false};
  scalar_reads(scalar, find_weight, &reads);
  return reads.found;
}

static void first_span(void *context, const Scalar *read) {
  Span *span = context;
  if (span->source == NULL) *span = read->node->span;
}

static Span span_of_reads(const Scalar *scalar) {
  Span span = {0};
  scalar_reads(scalar, first_span, &span);
  return span;
}

/* ---- the first of its kind in an objective ----------------------------------------------------------------------- */

typedef bool (*Wanted)(Evaluator *e, const Scalar *scalar);
typedef struct Search {
  Evaluator *e;
  Wanted wanted;
  const Scalar *found;
} Search;

static void search_scalar(void *context, const Scalar *scalar) {
  Search *search = context;
  if (search->found == NULL && search->wanted(search->e, scalar)) search->found = scalar;
}

static void search_node(void *context, Node *node) {
  Search *search = context;
  if (node->kind == NODE_COMPUTE && search->found == NULL) scalar_walk(node->value, search_scalar, search);
}

static const Scalar *find_scalar(Evaluator *e, int objective, Wanted wanted) {
  Search search = {e, wanted, NULL};
  EffectList effects = {1, &(Effect){e->objective_values[objective], e->objective_values[objective], {0}}};
  graph_walk(e->graph, &effects, search_node, &search);
  return search.found;
}

/* ---- losses of logits -------------------------------------------------------------------------------------------- */

/* log(1 + exp(±a)) is the loss of a logit; here a lies in 0..1, as after a sigmoid: the loss hardly changes any more,
   and a critic cannot be sure of anything. */
static bool is_probability_or_minus(Evaluator *e, const Scalar *scalar) {
  Range range = scalar_range(e->graph, scalar);
  bool probability =
      range.low >= -1 && range.high <= 1 && (range.low >= 0 || range.high <= 0) && range.low < range.high;
  return probability && depends_on_weights(e, scalar);
}

/* What a read stands for, where that is a map. */
static const Scalar *seen_through(const Scalar *scalar) {
  while (scalar->op == OP_READ) {
    const Node *node = scalar->node;
    while (node->kind == NODE_RESHAPE || node->kind == NODE_MARK) node = node->operand[0];
    if (node->kind != NODE_COMPUTE || !node_is_map(node)) break;
    scalar = node->value;
  }
  return scalar;
}

/* relu(1 - a) and relu(1 + a), the hinges: of a probability nothing is ever cut off. */
static bool is_hinge_of_probability(Evaluator *e, const Scalar *scalar) {
  const Scalar *margin = scalar->op == OP_SELECT ? seen_through(scalar->argument[2]) : NULL;
  if (margin == NULL || margin->op != OP_ADD || scalar->argument[1]->op != OP_CONSTANT ||
      scalar->argument[1]->value != 0)
    return false;
  for (int k = 0; k < 2; k++)
    if (margin->argument[k]->op == OP_CONSTANT && margin->argument[k]->value == 1)
      return is_probability_or_minus(e, margin->argument[1 - k]);
  return false;
}

static bool is_loss_of_probability(Evaluator *e, const Scalar *scalar) {
  return scalar->op == OP_SOFTPLUS ? is_probability_or_minus(e, scalar->argument[0])
                                   : is_hinge_of_probability(e, scalar);
}

static void lint_logits(Evaluator *e, int objective) {
  const Scalar *found = find_scalar(e, objective, is_loss_of_probability);
  if (found == NULL) return;
  Diagnostic *diagnostic = diagnostic_report(e->session, W6016, e->objectives[objective]->objective.value->span,
                                             "its logit lies between 0 and 1");
  Span span = span_of_reads(found);
  if (span.source != NULL) diagnostic_also(diagnostic, span, "this is a probability already");
  diagnostic_hint(diagnostic,
                  "leave the `sigmoid` to the loss; or write the loss of a probability p: `-log(p)`, `-log(1 - p)`");
  mend_stage(e, diagnostic, span, "sigmoid", NULL);
}

/* ---- logarithms -------------------------------------------------------------------------------------------------- */

static bool is_weight_input(const Evaluator *e, const Scalar *scalar) {
  for (int k = 0; k < e->slot_count && scalar->op == OP_READ; k++)
    if (e->slots[k]->is_weight && e->model->tensors[e->slots[k]->tensor].input == scalar->node) return true;
  return false;
}

enum { SUM_DEPTH = 10 }; /* sums within sums that are looked into */

/* Is it a sum of products with weights, as a linear layer gives, whatever is added to it? Weights have either sign, and
   so has that. */
static bool is_signed(const Evaluator *e, const Scalar *scalar, int depth) {
  const Scalar *a = scalar->argument[0], *b = scalar->argument[1];
  if (depth == 0) return false; /* sums of sums: each level may double the work */
  if (scalar->op == OP_NEGATE) return is_signed(e, a, depth - 1);
  if (scalar->op == OP_ADD) return is_signed(e, a, depth - 1) || is_signed(e, b, depth - 1);
  if (scalar->op != OP_READ) return false;
  const Scalar *behind = seen_through(scalar);
  if (behind->op != OP_READ) return is_signed(e, behind, depth - 1);
  const Node *node = behind->node;
  while (node->kind == NODE_RESHAPE || node->kind == NODE_MARK) node = node->operand[0];
  if (node->kind != NODE_COMPUTE) return false;
  const Scalar *value = node->value;
  return node->combine == COMBINE_SUM && value->op == OP_MULTIPLY && value->argument[0] != value->argument[1] &&
         (is_weight_input(e, value->argument[0]) || is_weight_input(e, value->argument[1]));
}

static bool is_log_of_signed(Evaluator *e, const Scalar *scalar) {
  return scalar->op == OP_LOG && is_signed(e, scalar->argument[0], SUM_DEPTH);
}

static void lint_logarithms(Evaluator *e, int objective) {
  const Scalar *found = find_scalar(e, objective, is_log_of_signed);
  if (found == NULL) return;
  Diagnostic *diagnostic = diagnostic_report(e->session, W6018, e->objectives[objective]->objective.value->span,
                                             "a logarithm in it is soon no number");
  Span span = span_of_reads(found);
  if (span.source != NULL) diagnostic_also(diagnostic, span, "this can be negative");
  diagnostic_hint(diagnostic,
                  "a probability comes from `sigmoid`; of a logit a the losses are `real_loss(a)` and `fake_loss(a)`");
  mend_stage(e, diagnostic, span, NULL, "sigmoid");
}

/* ---- critics ----------------------------------------------------------------------------------------------------- */

/* The whole of a term is a probability. */
static bool is_probability(Evaluator *e, const Scalar *scalar) {
  scalar = seen_through(scalar);
  return scalar->op == OP_SIGMOID && depends_on_weights(e, scalar);
}

/* The difference of two means of a score is what a Wasserstein distance is made of; a probability bounds it, and its
   slope vanishes where the critic is sure. */
static void lint_critic(Evaluator *e, int objective) {
  Parts *parts = session_allocate(e->session, sizeof *parts);
  objective_parts(e, objective, parts);
  for (int a = 0; a < parts->count; a++)
    for (int b = 0; b < a; b++) {
      const Part *one = &parts->items[a], *other = &parts->items[b];
      if (one->sum == NULL || other->sum == NULL || one->sign == other->sign || !is_probability(e, one->value) ||
          !is_probability(e, other->value))
        continue;
      Diagnostic *diagnostic = diagnostic_report(e->session, W6019, e->objectives[objective]->objective.value->span,
                                                 "the scores in it lie between 0 and 1");
      Span span = span_of_reads(one->value);
      if (span.source != NULL) diagnostic_also(diagnostic, span, "this is a probability");
      diagnostic_hint(diagnostic,
                      "leave the `sigmoid` out; or take the losses of a probability p: `-log(p)`, `-log(1 - p)`");
      mend_stage(e, diagnostic, span, "sigmoid", NULL);
      return;
    }
}

void lint_scores(Evaluator *e, int objective) {
  lint_logits(e, objective);
  lint_logarithms(e, objective);
  lint_critic(e, objective);
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

void network_given(Evaluator *e, Network *network, const Value *value, Span span) {
  if (value->kind != VALUE_TENSOR || !value->tensor.random || value->tensor.rank == 0) return;
  const Scalar *element = value->tensor.element;
  if (element->op == OP_READ && network->data_range.source == NULL)
    for (int k = 0; k < e->model->tensor_count; k++) {
      const ModelTensor *tensor = &e->model->tensors[k];
      if (tensor->input != element->node || tensor->role != ROLE_DATA || !tensor->bounded) continue;
      network->data_low = tensor->low, network->data_high = tensor->high, network->data_range = span;
      return;
    }
  if (network->given_range.source != NULL) return;
  Range range = scalar_range(e->graph, element);
  bool squashed = range.high == 1 && (range.low == 0 || range.low == -1); /* what sigmoid and tanh leave */
  if (!squashed || !depends_on_weights(e, element)) return;
  network->given_low = range.low, network->given_range = span;
}

void lint_ranges(Evaluator *e) {
  for (int k = 0; k < e->network_count; k++) {
    const Network *network = e->networks[k];
    if (network->data_range.source == NULL || network->given_range.source == NULL || network->data_high != 1) continue;
    double low = network->data_low;
    if ((low != 0 && low != -1) || low == network->given_low) continue;
    Diagnostic *diagnostic =
        diagnostic_report(e->session, W6020, network->given_range, "lies in %g..1", network->given_low);
    diagnostic_also(diagnostic, network->data_range, "lies in %g..1", low);
    diagnostic_hint(diagnostic, "`%s` can tell them apart by their range alone; `tanh` gives -1..1, `sigmoid` 0..1",
                    network->name);
    mend_stage(e, diagnostic, network->given_range, low == 0 ? "tanh" : "sigmoid", low == 0 ? "sigmoid" : "tanh");
  }
}
