/* Players: their objectives, the weights these reach, and one update: gradients at the weights that came in, then every
   optimizer's step. Takes syntax; moves slots of the evaluation at hand; leaves the value of each objective as a
   result. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <string.h>

/* ---- objectives -------------------------------------------------------------------------------------------------- */

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
    bool mean = term->kind == SYNTAX_CALL && term->call.function->kind == SYNTAX_NAME &&
                strcmp(term->call.function->name, "mean") == 0;
    Diagnostic *diagnostic = evaluator_report(e, E3001, term->span, "this differs from sample to sample");
    diagnostic_hint(diagnostic, mean ? "`mean` reaches over the axes of one sample; over the samples it is `E[…]`"
                                     : "take the expectation: `E[…]`");
    for (int k = 0; k < count; k++)
      diagnostic_mend(diagnostic, terms[k]->span, "E[%s]", span_text(e->session, terms[k]->span));
    return value_error(e);
  }
  return value_stored(e, value, expression->span);
}

static const char *player_names(Evaluator *e, const SyntaxList *players) {
  const char *text = "";
  for (int k = 0; k < players->count; k++)
    text = session_format(e->session, "%s%s%s", text, k == 0 ? "" : ", ", players->items[k]->name);
  return text;
}

static bool lists_player(const Syntax *objective, const char *name) {
  for (int k = 0; k < objective->objective.players.count; k++)
    if (objective->objective.players.items[k]->name == name) return true;
  return false;
}

/* Where a network is given data, the player's samples are meant; a sum of several such terms leaves a choice. */
typedef struct DataSearch {
  Evaluator *e;
  int count;
  const Syntax *found;
} DataSearch;

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
        if (syntax->objective.players.items[q]->name == player->name)
          evaluator_report(e, E3041, player->span, "`%s` again", player->name);
    }
    evaluation_open(e, "objective");
    for (int p = 0; p < syntax->objective.players.count; p++) {
      const Syntax *player = syntax->objective.players.items[p];
      network_find(e, &frame, player->name, player->span);
    }
    Value *value = objective_value(e, k);
    if (value->kind == VALUE_TENSOR) values[k] = value_node(e, value, syntax->span);
    evaluation_abandon(e);
    model->objectives[k] = (ModelObjective){.players = player_names(e, &syntax->objective.players),
                                            .label = syntax->objective.label == NULL ? "" : syntax->objective.label,
                                            .maximize = syntax->objective.maximize,
                                            .value_routine = -1,
                                            .span = syntax->span};
    model->objectives[k].tensor =
        tensor_new(e, session_format(e->session, "objective.%d", k + 1), ROLE_RESULT, 0, NULL, false, syntax->span);
  }
  model->objective_count = e->objective_count;
  for (int k = 0; k < e->objective_count; k++) { /* weights of all players are known now */
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
      Sources sources = transform_sources(e->graph, values[k]);
      for (int w = 0; w < count && !reached; w++)
        reached = sources_hold(&sources, e->model->tensors[weights[w]->tensor].input);
      if (count == 0) evaluator_report(e, E3036, player->span, "`%s` has nothing to train", player->name);
      else if (!reached) {
        Diagnostic *diagnostic = evaluator_report(e, E3014, syntax->objective.value->span,
                                                  "does not depend on any weight of `%s`", player->name);
        diagnostic_also(diagnostic, player->span, "this player");
        diagnostic_hint(diagnostic, "an objective of `%s` must pass through `%s`", player->name, player->name);
        mend_objective(e, diagnostic, syntax->objective.value, player->name);
      }
    }
  }
}

/* ---- optimizers -------------------------------------------------------------------------------------------------- */

/* What an update wants of the weights that certain objectives are for: the sum of these, to be made smaller, and what
   it depends on. */
typedef struct Purpose {
  Node *total;
  Sources sources;
} Purpose;

/* One weight in an update. objectives: an interned text with a 1 for each that is for it; player: the first of those
   updated that holds it; owner: whose `optimize` moves it; other: the owner by another path, or NULL. */
typedef struct Movement {
  Slot *slot;
  const char *objectives;
  Network *player, *owner, *other;
  Value *gradient;
  Node *moved;
} Movement;

/* One update: whom and by which objectives; values: of these, NULL of the others. */
typedef struct Update {
  const Syntax *syntax;
  int label_count, label_capacity;
  const Syntax **labels;
  int player_count;
  Network **players;
  Value **values;
  int count, capacity;
  Movement *movements; /* weights by players, in the order of the text */
  Map places;          /* from 1, of slots among the movements */
  Map purposes;        /* by the text of the objectives */
  Map gradients;       /* by player: the list of all */
} Update;

/* For every weight below the network its owner: the innermost network with an `optimize` on the path from the player,
   `outer` if there is none further in. seen: networks that were met with this `outer`; owners: with themselves. */
static void find_owners(Evaluator *e, Update *update, Network *network, Network *outer, Map *seen, Map *owners) {
  bool owns = network->optimizer_syntax != NULL;
  if (!map_add(e->session, owns ? owners : seen, network)) return;
  Map below = {0}, *inside = owns ? &below : seen;
  Network *here = owns ? network : outer;
  for (int k = 0; k < network->count; k++) {
    if (network->items[k].network != NULL) {
      find_owners(e, update, network->items[k].network, here, inside, owners);
      continue;
    }
    int place = map_number(&update->places, network->items[k].slot);
    if (place == 0 || here == NULL) continue;
    Movement *movement = &update->movements[place - 1];
    if (movement->owner == NULL) movement->owner = here;
    else if (movement->owner->optimizer_syntax != here->optimizer_syntax) movement->other = here;
  }
}

/* The gradients of all weights of a player that this update moves, in the order of the text, whatever moves each. */
static Value *player_gradients(Evaluator *e, Update *update, Network *player) {
  Value *all = map_get(&update->gradients, player);
  if (all != NULL) return all;
  Slot **weights;
  int weight_count = network_weights(e, player, &weights), count = 0;
  Value **items = session_allocate(e->session, (size_t)(weight_count + 1) * sizeof *items);
  for (int w = 0; w < weight_count; w++) {
    int place = map_number(&update->places, weights[w]);
    if (place > 0) items[count++] = update->movements[place - 1].gradient;
  }
  all = value_list(e, count, items);
  map_put(e->session, &update->gradients, player, all);
  return all;
}

static Value *step_of(Evaluator *e, Update *update, const Recipe *recipe, Movement *movement, Span span) {
  const Syntax *definition = recipe->definition->syntax;
  int takes = definition->definition.parameters.count;
  Context context = {.path = session_format(e->session, "%s/%s", e->model->tensors[movement->slot->tensor].name,
                                            definition->definition.name),
                     .call = "",
                     .fresh = "",
                     .training = true};
  Value *values[3] = {slot_value(e, movement->slot), movement->gradient};
  Span spans[3] = {span, span, span};
  if (takes < 2 || takes > 3) {
    Diagnostic *diagnostic =
        evaluator_report(e, E3017, span, "`%s` takes %d values", definition->definition.name, takes);
    diagnostic_hint(diagnostic, "an optimizer is a layer from a weight and its gradient to the new weight: `layer "
                                "f(…)(w: [...s], g: [...s]) -> [...s]`");
    return value_error(e);
  }
  if (takes == 3) values[2] = player_gradients(e, update, movement->player);
  CallArguments arguments = {.count = takes, .values = values, .spans = spans, .span = span};
  return recipe_run(e, recipe, context, &arguments);
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
  diagnostic_also(diagnostic, movement->owner->optimizer_syntax->span, "by this, as a part of `%s`",
                  movement->owner->name);
  diagnostic_also(diagnostic, movement->other->optimizer_syntax->span, "by this, as a part of `%s`",
                  movement->other->name);
  diagnostic_hint(diagnostic, "`optimize %s by …` decides", tensor->player);
  return false;
}

/* The setting `lr` of an optimizer, or of the one that it is given, as in `clipped(1, adam(lr = 1e-3))`; NULL: none. */
static Value *rate_of(const Recipe *recipe) {
  for (int k = 0; k < recipe->count; k++)
    if (strcmp(recipe->settings[k].name, "lr") == 0) return recipe->settings[k].value;
  for (int k = 0; k < recipe->count; k++) {
    Value *inner = recipe->settings[k].value;
    Value *rate = inner->kind == VALUE_RECIPE ? rate_of(inner->recipe) : NULL;
    if (rate != NULL) return rate;
  }
  return NULL;
}

/* Told in the statistics, and nothing more: what an update leaves beside the weights. */
static void note_rate(Evaluator *e, Network *owner, const Recipe *recipe, Span span) {
  Value *rate = rate_of(recipe);
  bool constant = rate != NULL && rate->kind == VALUE_NUMBER && rate->number.runtime == NULL;
  bool scalar = rate != NULL && rate->kind == VALUE_TENSOR && rate->tensor.rank == 0 && !rate->tensor.random;
  bool changes = scalar || (rate != NULL && rate->kind == VALUE_NUMBER && rate->number.runtime != NULL);
  if (!constant && !changes) return;
  owner->has_rate = true;
  if (constant) owner->rate = rate->number.value;
  if (constant) return;
  const char *name = session_format(e->session, "rate.%s", owner->name);
  if (owner->rate_tensor == 0) owner->rate_tensor = 1 + tensor_new(e, name, ROLE_RESULT, 0, NULL, false, span);
  evaluation_result(e, owner->rate_tensor - 1, value_as_tensor(e, rate, span), span);
}

static void move_weights(Evaluator *e, Frame *frame, Update *update) {
  Movement *movements = update->movements;
  Span span = update->syntax->span;
  for (int k = 0; k < update->count; k++) {
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
    note_rate(e, owner, recipe, by->span);
    Value *value = step_of(e, update, recipe, &movements[k], by->span);
    if (value->kind == VALUE_ERROR) return;
    value = value_as_tensor(e, value, by->span);
    if (value->kind == VALUE_ERROR) return;
    if (value->tensor.rank != tensor->input->rank ||
        memcmp(value->tensor.shape, tensor->input->shape, sizeof(int64_t) * (size_t)tensor->input->rank) != 0) {
      evaluator_report(e, E3018, by->span, "`%s` is %s and would become %s", tensor->name,
                       shape_text(e, tensor->input->rank, tensor->input->shape), value_text(e, value));
      return;
    }
    movements[k].moved = value_node(e, value, by->span);
  }
  for (int k = 0; k < update->count; k++) /* whoever called makes numbers of them */
    if (movements[k].moved != NULL) movements[k].slot->current = movements[k].moved;
}

/* ---- one update -------------------------------------------------------------------------------------------------- */

static void collect_labels(Evaluator *e, Update *update, const Syntax *by) {
  if (by->kind == SYNTAX_NAME) ARRAY_ADD(e->session, update->labels, update->label_count, update->label_capacity, by);
  else if (by->kind == SYNTAX_BINARY && by->binary.op == OPERATOR_ADD) {
    collect_labels(e, update, by->binary.left);
    collect_labels(e, update, by->binary.right);
  } else {
    Diagnostic *diagnostic = evaluator_report(e, E3020, by->span, "this is no name of an objective");
    diagnostic_hint(diagnostic, "`update D by main + r1`");
  }
}

static bool objective_is_chosen(const Update *update, const Syntax *objective) {
  const char *label = objective->objective.label;
  if (update->syntax->players.by == NULL) return label == NULL;
  for (int k = 0; k < update->label_count; k++)
    if (update->labels[k]->name == label) return true;
  return false;
}

static bool check_player(Evaluator *e, const Update *update, const Syntax *player) {
  bool plain = update->syntax->players.by == NULL;
  for (int l = 0; l < (plain ? 1 : update->label_count); l++) {
    bool exists = false, listed = false;
    for (int k = 0; k < e->objective_count; k++) {
      const char *label = e->objectives[k]->objective.label;
      bool here = plain ? label == NULL : label == update->labels[l]->name;
      exists |= here;
      listed |= here && lists_player(e->objectives[k], player->name);
    }
    if (listed) continue;
    if (plain) {
      Diagnostic *diagnostic = evaluator_report(e, E3019, player->span, "`%s` is updated here", player->name);
      diagnostic_hint(diagnostic, "`%s minimizes …`; objectives with a name are chosen by `update %s by name`",
                      player->name, player->name);
    } else {
      const Syntax *label = update->labels[l];
      evaluator_report(e, exists ? E3021 : E3020, label->span,
                       exists ? "`%s` is not for `%s`" : "nothing is called `%s`", label->name, player->name);
    }
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
  Diagnostic *diagnostic =
      diagnostic_report(e->session, W6002, update->span, "moves weights of `%s`, as an update of `%s` does",
                        movement->slot->owner->name, before->name);
  diagnostic_hint(diagnostic, "if it is meant, list both players: `%s, %s minimize …`", before->name, now->name);
}

/* Whom it names and what it chooses; false after a report. */
static bool update_read(Evaluator *e, Frame *frame, Update *update) {
  int errors = e->error_count;
  const SyntaxList *names = &update->syntax->players.names;
  if (update->syntax->players.by != NULL) collect_labels(e, update, update->syntax->players.by);
  if (e->error_count > errors && update->label_count == 0) return false;
  update->players = session_allocate(e->session, (size_t)(names->count + 1) * sizeof *update->players);
  Map named = {0};
  for (int p = 0; p < names->count; p++) {
    const Syntax *name = names->items[p];
    Network *player = network_find(e, frame, name->name, name->span);
    if (!map_add(e->session, &named, name->name)) evaluator_report(e, E3041, name->span, "`%s` again", name->name);
    if (player != NULL && check_player(e, update, name)) update->players[update->player_count++] = player;
  }
  return e->error_count == errors;
}

/* The objectives that are chosen and list one of the players; false after a report. */
static bool update_evaluate(Evaluator *e, Update *update) {
  update->values = session_allocate(e->session, (size_t)(e->objective_count + 1) * sizeof *update->values);
  for (int k = 0; k < e->objective_count; k++) {
    bool serves = false;
    for (int p = 0; p < update->player_count && !serves; p++)
      serves = lists_player(e->objectives[k], update->players[p]->name);
    if (!serves || !objective_is_chosen(update, e->objectives[k])) continue;
    update->values[k] = objective_value(e, k);
    if (update->values[k]->kind == VALUE_ERROR) return false;
    e->served_objectives[k] = true;
    evaluation_result(e, e->model->objectives[k].tensor, update->values[k], e->objectives[k]->span);
  }
  return true;
}

/* Which objectives are for the player, and for whom `before` says: a text with a 1 for each. */
static const char *objectives_of(Evaluator *e, const Update *update, const Network *player, const char *before) {
  char *text = session_allocate(e->session, (size_t)e->objective_count + 1);
  for (int k = 0; k < e->objective_count; k++) {
    bool here = update->values[k] != NULL && lists_player(e->objectives[k], player->name);
    text[k] = here || (before != NULL && before[k] == '1') ? '1' : '0';
  }
  return session_string(e->session, text);
}

static void collect_movements(Evaluator *e, Update *update, Network *player) {
  Slot **weights;
  int weight_count = network_weights(e, player, &weights);
  const char *objectives = objectives_of(e, update, player, NULL);
  for (int w = 0; w < weight_count; w++) {
    int place = map_number(&update->places, weights[w]);
    if (place > 0) {
      Movement *known = &update->movements[place - 1];
      known->objectives = objectives_of(e, update, player, known->objectives);
      continue;
    }
    Movement movement = {.slot = weights[w], .objectives = objectives, .player = player};
    ARRAY_ADD(e->session, update->movements, update->count, update->capacity, movement);
    map_put_number(e->session, &update->places, weights[w], update->count);
  }
  find_owners(e, update, player, NULL, &(Map){0}, &(Map){0});
}

static const Purpose *purpose_of(Evaluator *e, Update *update, const char *objectives) {
  Purpose *purpose = map_get(&update->purposes, objectives);
  if (purpose != NULL) return purpose;
  purpose = session_allocate(e->session, sizeof *purpose);
  map_put(e->session, &update->purposes, objectives, purpose);
  Value *total = NULL;
  for (int k = 0; k < e->objective_count; k++) {
    if (objectives[k] != '1') continue;
    Span span = e->objectives[k]->span;
    bool maximize = e->objectives[k]->objective.maximize;
    Value *term = maximize ? apply_unary(e, OP_NEGATE, update->values[k], span) : update->values[k];
    total = total == NULL ? term : apply_binary(e, OPERATOR_ADD, total, term, span, span, span);
  }
  purpose->total = total == NULL ? NULL : value_node(e, total, update->syntax->span);
  if (purpose->total != NULL) purpose->sources = transform_sources(e->graph, purpose->total);
  return purpose;
}

/* Gradients, of those weights that the objectives depend on: the others do not move. */
static void differentiate_movements(Evaluator *e, Update *update) {
  Span span = update->syntax->span;
  int reached = 0;
  for (int j = 0; j < update->count; j++) {
    Movement *movement = &update->movements[j];
    const Purpose *purpose = purpose_of(e, update, movement->objectives);
    map_put_number(e->session, &update->places, movement->slot, 0);
    if (purpose->total == NULL || !sources_hold(&purpose->sources, movement->slot->current)) continue;
    movement->gradient = value_of_node(e, graph_grad(e->graph, purpose->total, movement->slot->current, span), 0);
    share_weight(e, movement, update->syntax);
    if (movement->owner != NULL) movement->owner->stepped = true;
    update->movements[reached++] = *movement;
    map_put_number(e->session, &update->places, movement->slot, reached);
  }
  update->count = reached;
}

/* ---- what is told of an update ----------------------------------------------------------------------------------- */

static const Scalar *sum_of_squares(Evaluator *e, Node *gradient, const char *name, Span span) {
  Coordinate at[RANK_LIMIT];
  for (int d = 0; d < gradient->rank; d++) at[d] = coordinate_variable(d);
  const Access *none = access_new(e->graph, 0, NULL);
  const Scalar *read = scalar_read(e->graph, gradient, access_new(e->graph, gradient->rank, at));
  Node *sum = graph_compute(e->graph, COMBINE_SUM, gradient->rank, gradient->shape, 0, none, 0, NULL, false,
                            scalar_apply(e->graph, OP_MULTIPLY, read, read, NULL), name, span);
  return scalar_read(e->graph, sum, none);
}

/* In halves: a player may have many weights. */
static const Scalar *squares_of_all(Evaluator *e, int count, Value *const *gradients, const char *name, Span span) {
  if (count == 1) return sum_of_squares(e, value_node(e, gradients[0], span), name, span);
  const Scalar *low = squares_of_all(e, count / 2, gradients, name, span);
  const Scalar *high = squares_of_all(e, count - count / 2, gradients + count / 2, name, span);
  return scalar_apply(e->graph, OP_ADD, low, high, NULL);
}

/* Of each player the Euclidean norm of its gradient: over all of its weights that move here, as their optimizers get
   it. */
static void note_gradients(Evaluator *e, Update *update) {
  Span span = update->syntax->span;
  for (int p = 0; p < update->player_count; p++) {
    Network *player = update->players[p];
    const Value *all = player_gradients(e, update, player);
    if (all->list.count == 0) continue;
    const char *name = session_format(e->session, "gradient.%s", player->name);
    if (player->gradient_tensor == 0)
      player->gradient_tensor = 1 + tensor_new(e, name, ROLE_RESULT, 0, NULL, false, span);
    const Scalar *squares = squares_of_all(e, all->list.count, all->list.items, name, span);
    const Scalar *norm = scalar_apply(e->graph, OP_SQRT, squares, NULL, NULL);
    evaluation_told(e, player->gradient_tensor - 1, graph_map(e->graph, 0, NULL, false, norm, span), span);
  }
}

void update_run(Evaluator *e, Frame *frame, const Syntax *syntax) {
  Update update = {.syntax = syntax};
  if (!update_read(e, frame, &update)) return;
  e->evaluation->counted = true;
  if (!update_evaluate(e, &update)) return;
  for (int p = 0; p < update.player_count; p++) {
    update.players[p]->updated = true;
    collect_movements(e, &update, update.players[p]);
  }
  differentiate_movements(e, &update);
  note_gradients(e, &update);
  move_weights(e, frame, &update);
}
