/* Players: their objectives, the weights these reach, and one update: gradients at the weights that came in, then every optimizer's step.
   Takes syntax; moves slots of the evaluation at hand; leaves the value of each objective as a result. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <string.h>

/* ---- objectives --------------------------------------------------------------------------------------------------------------- */

/* Is it what the objective's terms must not be: random, or an array? */
typedef bool (*Unfit)(const Value *value);
static bool is_random(const Value *value) { return value->kind == VALUE_TENSOR && value->tensor.random; }
static bool is_array(const Value *value) { return value->kind == VALUE_TENSOR && value->tensor.rank > 0; }

enum { TERM_LIMIT = 16 };

/* The terms of a sum that are unfit, from the left; returns how many. */
static int unfit_terms(Evaluator *e, Frame *frame, const Syntax *expression, Unfit unfit, int count,
                       const Syntax **terms) {
  if (expression->kind == SYNTAX_BINARY &&
      (expression->binary.op == OPERATOR_ADD || expression->binary.op == OPERATOR_SUBTRACT)) {
    count = unfit_terms(e, frame, expression->binary.left, unfit, count, terms);
    return unfit_terms(e, frame, expression->binary.right, unfit, count, terms);
  }
  if (count < TERM_LIMIT && unfit(value_dereference(e, evaluate(e, frame, expression)))) terms[count++] = expression;
  return count;
}

Value *objective_value(Evaluator *e, int objective) {
  const Syntax *syntax = e->objectives[objective];
  const Syntax *expression = syntax->objective.value;
  Frame frame = frame_top(e, true, "");
  int errors = e->error_count;
  Value *value = evaluate(e, &frame, expression);
  if (value->kind == VALUE_ERROR || e->error_count > errors) return value_error(e);
  value = value_as_tensor(e, value, expression->span);
  if (value->kind == VALUE_ERROR) return value;
  if (value->tensor.rank != 0) {
    const Syntax *terms[TERM_LIMIT];
    Diagnostic *diagnostic = evaluator_report(e, E3002, expression->span, "this is %s", value_text(e, value));
    diagnostic_hint(diagnostic, "`sum(…)` or `mean(…)` makes one number of it");
    for (int k = 0, count = unfit_terms(e, &frame, expression, is_array, 0, terms); k < count; k++)
      diagnostic_mend(diagnostic, terms[k]->span, "mean(%s)", span_text(e->session, terms[k]->span));
    return value_error(e);
  }
  if (value->tensor.random) {
    const Syntax *terms[TERM_LIMIT] = {expression};
    int count = unfit_terms(e, &frame, expression, is_random, 0, terms);
    const Syntax *term = terms[0];
    bool mean = term->kind == SYNTAX_CALL && term->call.function->kind == SYNTAX_NAME && strcmp(term->call.function->name, "mean") == 0;
    Diagnostic *diagnostic = evaluator_report(e, E3001, term->span, "this differs from sample to sample");
    diagnostic_hint(diagnostic, mean ? "`mean` reaches over the axes of one sample; over the samples it is `E[…]`" : "take the expectation: `E[…]`");
    for (int k = 0; k < count; k++)
      diagnostic_mend(diagnostic, terms[k]->span, "E[%s]", span_text(e->session, terms[k]->span));
    return value_error(e);
  }
  return value_stored(e, value, expression->span);
}

static const char *player_names(Evaluator *e, const SyntaxList *players) {
  const char *text = "";
  for (int k = 0; k < players->count; k++) text = session_format(e->session, "%s%s%s", text, k == 0 ? "" : ", ", players->items[k]->name);
  return text;
}

static bool lists_player(const Syntax *objective, const char *name) {
  for (int k = 0; k < objective->objective.players.count; k++)
    if (objective->objective.players.items[k]->name == name) return true;
  return false;
}

/* Where a network is given data, the player's samples are meant; a sum of several such terms leaves a choice. */
typedef struct DataSearch { Evaluator *e; int count; const Syntax *found; } DataSearch;

static void search_data(void *context, Syntax *syntax) {
  DataSearch *search = context;
  Scope *where;
  Entry *entry = syntax->kind == SYNTAX_NAME ? scope_find(search->e, &search->e->file, syntax->name, &where) : NULL;
  if (entry != NULL && entry->syntax->kind == SYNTAX_DATA) search->count++, search->found = syntax;
  syntax_children(syntax, search_data, search);
}

static void mend_objective(Evaluator *e, Diagnostic *diagnostic, Syntax *objective, const char *player) {
  DataSearch search = {e, 0, NULL};
  search_data(&search, objective);
  const char *call = call_elsewhere(e, player);
  if (search.count == 1 && call != NULL) diagnostic_mend(diagnostic, search.found->span, "%s", call);
}

/* Every objective once, so that all weights exist and every error of every objective is seen. */
void objectives_prepare(Evaluator *e) {
  Model *model = e->model;
  model->objectives = session_allocate(e->session, (size_t)(e->objective_count + 1) * sizeof *model->objectives);
  Node **values = e->objective_values = session_allocate(e->session, (size_t)(e->objective_count + 1) * sizeof *values);
  for (int k = 0; k < e->objective_count; k++) {
    const Syntax *syntax = e->objectives[k];
    Frame frame = frame_top(e, true, "");
    for (int p = 0; p < syntax->objective.players.count; p++) {
      const Syntax *player = syntax->objective.players.items[p];
      for (int q = 0; q < p; q++)
        if (syntax->objective.players.items[q]->name == player->name) evaluator_report(e, E3041, player->span, "`%s` again", player->name);
    }
    evaluation_open(e, "objective");
    for (int p = 0; p < syntax->objective.players.count; p++) {
      const Syntax *player = syntax->objective.players.items[p];
      network_find(e, &frame, player->name, player->span);
    }
    Value *value = objective_value(e, k);
    if (value->kind == VALUE_TENSOR) values[k] = value_node(e, value, syntax->span);
    evaluation_abandon(e);
    model->objectives[k] = (ModelObjective){.players = player_names(e, &syntax->objective.players), .label = syntax->objective.label == NULL ? "" : syntax->objective.label,
                                            .maximize = syntax->objective.maximize, .value_routine = -1, .span = syntax->span};
    model->objectives[k].tensor = tensor_new(e, session_format(e->session, "objective.%d", k + 1), ROLE_RESULT, 0, NULL, false, syntax->span);
  }
  model->objective_count = e->objective_count;
  for (int k = 0; k < e->objective_count; k++) {           /* weights of all players are known now */
    const Syntax *syntax = e->objectives[k];
    for (int p = 0; p < syntax->objective.players.count && values[k] != NULL; p++) {
      const Syntax *player = syntax->objective.players.items[p];
      Frame frame = frame_top(e, true, "");
      evaluation_open(e, "objective");
      Network *network = network_find(e, &frame, player->name, player->span);
      evaluation_abandon(e);
      if (network == NULL) continue;
      Slot **weights;
      int count = network_weights(e, network, &weights);
      bool reached = false;
      for (int w = 0; w < count && !reached; w++) reached = transform_reaches(e->graph, e->model->tensors[weights[w]->tensor].input, values[k]);
      if (count == 0) evaluator_report(e, E3036, player->span, "`%s` has nothing to train", player->name);
      else if (!reached) {
        Diagnostic *diagnostic = evaluator_report(e, E3014, syntax->objective.value->span, "does not depend on any weight of `%s`", player->name);
        diagnostic_also(diagnostic, player->span, "this player");
        diagnostic_hint(diagnostic, "an objective of `%s` must pass through `%s`", player->name, player->name);
        mend_objective(e, diagnostic, syntax->objective.value, player->name);
      }
    }
  }
}

/* ---- optimizers ---------------------------------------------------------------------------------------------------------------------- */

/* The network whose `optimize` moves the slot: on every path from `network` the innermost that one names. `*other` where two paths lead to two statements. */
static void find_owner(Network *network, const Slot *slot, Network *outer, Network **owner, Network **other) {
  Network *here = network->optimizer_syntax != NULL ? network : outer;
  for (int k = 0; k < network->count; k++) {
    if (network->items[k].network != NULL) find_owner(network->items[k].network, slot, here, owner, other);
    if (network->items[k].slot != slot || here == NULL) continue;
    if (*owner == NULL) *owner = here;
    else if ((*owner)->optimizer_syntax != here->optimizer_syntax) *other = here;
  }
}

/* One weight in an update. player: the first of those updated that holds it; owner: whose `optimize` moves it; other: the owner by another path, or NULL. */
typedef struct Movement { Slot *slot; uint64_t objectives; Network *player, *owner, *other; Value *gradient; Node *moved; } Movement;

static Value *step_of(Evaluator *e, const Recipe *recipe, Movement *movement, Value *all, Span span) {
  const Syntax *definition = recipe->definition->syntax;
  int takes = definition->definition.parameters.count;
  Context context = {.path = session_format(e->session, "%s/%s", e->model->tensors[movement->slot->tensor].name, definition->definition.name), .call = "", .fresh = "", .training = true};
  Value *values[3] = {slot_value(e, movement->slot), movement->gradient, all};
  Span spans[3] = {span, span, span};
  if (takes < 2 || takes > 3) {
    Diagnostic *diagnostic = evaluator_report(e, E3017, span, "`%s` takes %d values", definition->definition.name, takes);
    diagnostic_hint(diagnostic, "an optimizer is a layer from a weight and its gradient to the new weight: `layer f(…)(w: [...s], g: [...s]) -> [...s]`");
    return value_error(e);
  }
  CallArguments arguments = {.count = takes, .values = values, .spans = spans, .span = span};
  return recipe_run(e, recipe, context, &arguments);
}

/* The gradients of all weights of a player that this update moves, in the order of the text, whatever moves each. */
static Value *player_gradients(Evaluator *e, Network *player, int count, const Movement *movements) {
  Slot **weights;
  int weight_count = network_weights(e, player, &weights);
  Value *all = value_list(e, weight_count, NULL);
  all->list.count = 0;
  for (int w = 0; w < weight_count; w++)
    for (int j = 0; j < count; j++)
      if (movements[j].slot == weights[w]) all->list.items[all->list.count++] = movements[j].gradient;
  return all;
}

static bool check_owner(Evaluator *e, const Movement *movement, Span span) {
  const ModelTensor *tensor = &e->model->tensors[movement->slot->tensor];
  if (movement->owner == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, E3015, span, "nothing says how `%s` moves", tensor->name);
    diagnostic_hint(diagnostic, "`optimize %s by adam(lr = 2e-4)`", tensor->player);
    mend_optimizer(e, diagnostic, tensor->player);
    return false;
  }
  if (movement->other == NULL) return true;
  Diagnostic *diagnostic = evaluator_report(e, E3049, span, "moves `%s`", tensor->name);
  diagnostic_also(diagnostic, movement->owner->optimizer_syntax->span, "by this, as a part of `%s`", movement->owner->name);
  diagnostic_also(diagnostic, movement->other->optimizer_syntax->span, "by this, as a part of `%s`", movement->other->name);
  diagnostic_hint(diagnostic, "`optimize %s by …` decides", tensor->player);
  return false;
}

static void move_weights(Evaluator *e, Frame *frame, int count, Movement *movements, Span span) {
  for (int k = 0; k < count; k++) {
    Network *owner = movements[k].owner;
    const ModelTensor *tensor = &e->model->tensors[movements[k].slot->tensor];
    if (!check_owner(e, &movements[k], span)) return;
    const Syntax *by = owner->optimizer_syntax->players.by;
    Value *function = evaluate(e, frame, by);
    if (function->kind == VALUE_ERROR) return;
    const Recipe *recipe = value_recipe(e, function);
    if (recipe == NULL || recipe->definition == NULL || recipe->definition->syntax->kind != SYNTAX_LAYER) {
      Diagnostic *diagnostic = evaluator_report(e, E3017, by->span, "this is %s", value_text(e, function));
      diagnostic_hint(diagnostic, "`sgd(lr = 0.1)`, `rmsprop(lr = 5e-5)`, `adam(lr = 2e-4)`, or a layer of your own");
      return;
    }
    Value *value = step_of(e, recipe, &movements[k], player_gradients(e, movements[k].player, count, movements), by->span);
    if (value->kind == VALUE_ERROR) return;
    value = value_as_tensor(e, value, by->span);
    if (value->kind == VALUE_ERROR) return;
    if (value->tensor.rank != tensor->input->rank || memcmp(value->tensor.shape, tensor->input->shape, sizeof(int64_t) * (size_t)tensor->input->rank) != 0) {
      evaluator_report(e, E3018, by->span, "`%s` is %s and would become %s", tensor->name, shape_text(e, tensor->input->rank, tensor->input->shape), value_text(e, value));
      return;
    }
    movements[k].moved = value_node(e, value, by->span);
  }
  for (int k = 0; k < count; k++)                          /* whoever called makes numbers of them */
    if (movements[k].moved != NULL) movements[k].slot->current = movements[k].moved;
}

/* ---- one update -------------------------------------------------------------------------------------------------------------------------- */

static int collect_labels(Evaluator *e, const Syntax *by, const Syntax **labels, int limit) {
  if (by->kind == SYNTAX_NAME && limit > 0) {
    labels[0] = by;
    return 1;
  }
  if (by->kind == SYNTAX_BINARY && by->binary.op == OPERATOR_ADD) {
    int left = collect_labels(e, by->binary.left, labels, limit);
    return left + collect_labels(e, by->binary.right, labels + left, limit - left);
  }
  Diagnostic *diagnostic = evaluator_report(e, E3020, by->span, "this is no name of an objective");
  diagnostic_hint(diagnostic, "`update D by main + r1`");
  return 0;
}

static bool objective_is_chosen(const Syntax *objective, const Syntax *update, int label_count, const Syntax **labels) {
  const char *label = objective->objective.label;
  if (update->players.by == NULL) return label == NULL;
  for (int k = 0; k < label_count; k++)
    if (labels[k]->name == label) return true;
  return false;
}

static bool check_player(Evaluator *e, const Syntax *update, const Syntax *player, int label_count, const Syntax **labels) {
  for (int l = 0; l < (update->players.by == NULL ? 1 : label_count); l++) {
    bool exists = false, listed = false;
    for (int k = 0; k < e->objective_count; k++) {
      const char *label = e->objectives[k]->objective.label;
      bool here = update->players.by == NULL ? label == NULL : label == labels[l]->name;
      exists |= here;
      listed |= here && lists_player(e->objectives[k], player->name);
    }
    if (listed) continue;
    if (update->players.by == NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E3019, player->span, "`%s` is updated here", player->name);
      diagnostic_hint(diagnostic, "`%s minimizes …`; objectives with a name are chosen by `update %s by name`", player->name, player->name);
    } else evaluator_report(e, exists ? E3021 : E3020, labels[l]->span, exists ? "`%s` is not for `%s`" : "nothing is called `%s`", labels[l]->name, player->name);
    return false;
  }
  return true;
}

/* Two players that move one weight, though no objective is for both: hardly meant. */
static void share_weight(Evaluator *e, Movement *movement, const Syntax *update) {
  const Network *before = movement->slot->mover, *now = movement->player;
  movement->slot->mover = movement->player;
  if (before == NULL || before == now) return;
  for (int k = 0; k < e->objective_count; k++)
    if (lists_player(e->objectives[k], before->name) && lists_player(e->objectives[k], now->name)) return;
  Diagnostic *diagnostic = diagnostic_report(e->session, W6002, update->span, "moves weights of `%s`, as an update of `%s` does", movement->slot->owner->name, before->name);
  diagnostic_hint(diagnostic, "if it is meant, list both players: `%s, %s minimize …`", before->name, now->name);
}

void update_run(Evaluator *e, Frame *frame, const Syntax *update) {
  const Syntax *labels[32];
  int label_count = update->players.by == NULL ? 0 : collect_labels(e, update->players.by, labels, 32);
  if (update->players.by != NULL && label_count == 0) return;
  Network *players[32];
  int player_count = 0, errors = e->error_count;
  for (int p = 0; p < update->players.names.count && player_count < 32; p++) {
    const Syntax *name = update->players.names.items[p];
    Network *player = network_find(e, frame, name->name, name->span);
    for (int q = 0; q < p; q++)
      if (update->players.names.items[q]->name == name->name) evaluator_report(e, E3041, name->span, "`%s` again", name->name);
    if (player != NULL && check_player(e, update, name, label_count, labels)) players[player_count++] = player;
  }
  if (e->error_count > errors) return;
  e->evaluation->counted = true;
  Value *values[64] = {NULL};
  for (int k = 0; k < e->objective_count && k < 64; k++) {
    if (!objective_is_chosen(e->objectives[k], update, label_count, labels)) continue;
    bool serves = false;
    for (int p = 0; p < player_count; p++) serves |= lists_player(e->objectives[k], players[p]->name);
    if (!serves) continue;
    values[k] = objective_value(e, k);
    if (values[k]->kind == VALUE_ERROR) return;
    e->served_objectives |= 1ull << k;
    evaluation_result(e, e->model->objectives[k].tensor, values[k], e->objectives[k]->span);
  }
  Movement *movements = NULL;
  int count = 0, capacity = 0;
  for (int p = 0; p < player_count; p++) {
    players[p]->updated = true;
    Slot **weights;
    int weight_count = network_weights(e, players[p], &weights);
    uint64_t objectives = 0;
    for (int k = 0; k < e->objective_count && k < 64; k++)
      if (values[k] != NULL && lists_player(e->objectives[k], players[p]->name)) objectives |= 1ull << k;
    for (int w = 0; w < weight_count; w++) {
      Movement *known = NULL;
      for (int j = 0; j < count; j++)
        if (movements[j].slot == weights[w]) known = &movements[j];
      if (known == NULL) {
        Movement movement = {.slot = weights[w], .player = players[p]};
        ARRAY_ADD(e, movements, count, capacity, movement);
        known = &movements[count - 1];
      }
      known->objectives |= objectives;
      find_owner(players[p], weights[w], NULL, &known->owner, &known->other);
    }
  }
  int reached = 0;
  for (int j = 0; j < count; j++) {
    Value *total = NULL;
    for (int k = 0; k < e->objective_count && k < 64; k++) {
      if ((movements[j].objectives & 1ull << k) == 0) continue;
      Span span = e->objectives[k]->span;
      Value *term = e->objectives[k]->objective.maximize ? apply_unary_number(e, OP_NEGATE, NULL, values[k], span) : values[k];
      total = total == NULL ? term : apply_binary(e, OPERATOR_ADD, total, term, span, span, span);
    }
    Node *node = total == NULL ? NULL : value_node(e, total, update->span);
    if (node == NULL || !transform_reaches(e->graph, movements[j].slot->current, node)) continue;
    movements[j].gradient = value_of_node(e, graph_grad(e->graph, node, movements[j].slot->current, update->span), 0);
    share_weight(e, &movements[j], update);
    if (movements[j].owner != NULL) movements[j].owner->stepped = true;
    movements[reached++] = movements[j];
  }
  move_weights(e, frame, reached, movements, update->span);
}
