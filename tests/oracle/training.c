/* The schedule: objectives, updates, rounds, outputs. */
#include <math.h>
#include <string.h>

#include "language.h"

typedef struct Run {
  Outcome *outcome;
  int logged_capacity;
  int rounds;
  Scope *locals;
  int ordinal;
  const Tree *train;
  bool in_draw;
} Run;

static Frame file_frame(Scope *scope) {
  return (Frame){
      .scope = scope, .body = model->file, .path = "", .loops = "", .fresh = "", .training = true, .statement = true};
}

/* ---- one evaluation ---------------------------------------------------------------------------------------------- */

static void evaluation_begin(Evaluation *evaluation, int round, int ordinal, const char *output) {
  *evaluation = (Evaluation){.round = round, .ordinal = ordinal, .output = output};
  model->evaluation = evaluation;
  evaluation_of(model->batch);
  for (int k = 0; k < model->slot_count; k++) model->slots[k]->current = NULL, model->slots[k]->moved = false;
}

static void log_value(Run *run, const char *name, bool is_output, double value) {
  Outcome *outcome = run->outcome;
  for (int k = 0; k < outcome->logged_count; k++) { /* the last one of a round counts */
    Logged *known = &outcome->logged[k];
    if (known->step == run->rounds && known->is_output == is_output && strcmp(known->name, name) == 0) {
      known->value = value;
      return;
    }
  }
  ROOM(outcome->logged, outcome->logged_count, run->logged_capacity);
  outcome->logged[outcome->logged_count++] = (Logged){run->rounds, name, is_output, value};
}

/* All is computed from what came in; then everything moves. */
static void evaluation_end(Run *run) {
  for (int k = 0; k < model->slot_count; k++)
    if (model->slots[k]->moved) node_numbers(model->slots[k]->current);
  for (int k = 0; k < model->slot_count; k++) {
    Slot *slot = model->slots[k];
    if (!slot->moved) continue;
    int size = shape_size(slot->tensor.shape);
    double *value = arena_allocate((size_t)(size + 1) * sizeof *value);
    memcpy(value, node_numbers(slot->current), (size_t)size * sizeof *value);
    slot->tensor.value = value;
    slot->current = NULL;
    slot->moved = false;
  }
  run->ordinal += model->evaluation->counted;
}

/* ---- updates ----------------------------------------------------------------------------------------------------- */

static bool lists(const Tree *names, const char *name) {
  for (int k = 0; k < names->count; k++)
    if (strcmp(names->items[k]->text, name) == 0) return true;
  return false;
}

static bool labelled(const Tree *by, const char *label) {
  if (by == NULL || label == NULL) return by == NULL && label == NULL;
  if (by->kind == T_BINARY) return labelled(by->items[0], label) || labelled(by->items[1], label);
  return tree_is_name(by, label);
}

static const char *objective_name(const Tree *objective) {
  char *names = objective->text == NULL ? "" : arena_format("%s.", objective->text);
  for (int k = 0; k < objective->items[0]->count; k++)
    names = arena_format("%s%s%s", names, k > 0 ? ", " : "", objective->items[0]->items[k]->text);
  return names;
}

static bool leads_to(const Node *e, const Node *slot, bool unseen, unsigned char *seen) {
  if (e == slot) return true;
  if (e->op == N_STILL || seen[e->id]) return false;
  seen[e->id] = 1;
  int hidden = e->op == N_SELECT && !unseen ? e->which - 1 : -1;
  for (int k = 0; k < e->count; k++)
    if (k != hidden && leads_to(e->operands[k], slot, unseen, seen)) return true;
  return false;
}

/* Does the value depend on it before any derivative is taken? Where only what can never be chosen does, the reference
   leaves open how much a compiler sees. */
static bool reaches(const Node *e, const Node *slot) {
  size_t room = (size_t)e->id + 1;
  bool reached = leads_to(e, slot, false, arena_allocate(room));
  if (!reached && leads_to(e, slot, true, arena_allocate(room)))
    fail("a weight is reached by nothing but what is never chosen");
  return reached;
}

/* The innermost network on the way to the weight that an `optimize` names. */
static bool find_optimizer(Network *network, const Slot *slot, const Tree *outer, const Tree **found) {
  const Tree *here = network->optimizer != NULL ? network->optimizer : outer;
  for (int k = 0; k < network->part_count; k++) {
    if (network->parts[k].slot == slot) {
      *found = here;
      return true;
    }
    if (network->parts[k].network != NULL && find_optimizer(network->parts[k].network, slot, here, found)) return true;
  }
  return false;
}

enum { PLAYER_LIMIT = 8, OBJECTIVE_LIMIT = 16, MOVE_LIMIT = 256 };
typedef struct Move {
  Slot *slot;
  unsigned players, objectives;
  const Tree *optimizer;
  Node *gradient, *moved;
} Move; /* sets, by number */

static Node *add_up(int count, Node *const *terms) {
  return count == 1 ? terms[0] : node_new(N_SUM, 0, terms[0]->shape, count, terms);
}

static void update(Run *run, Frame *frame, const Tree *statement) {
  const Tree *names = statement->items[0], *by = statement->items[1], *file = model->file;
  Node *objectives[OBJECTIVE_LIMIT], *signs[OBJECTIVE_LIMIT];
  const Tree *trees[OBJECTIVE_LIMIT];
  int objective_count = 0, move_count = 0;
  Move *moves = arena_allocate(MOVE_LIMIT * sizeof *moves);
  model->evaluation->counted = true;
  Frame top = file_frame(NULL);
  top.statement = false;
  for (int k = 0; k < file->count; k++) {
    const Tree *objective = file->items[k];
    bool serves = false;
    if (objective->kind != S_OBJECTIVE || !labelled(by, objective->text)) continue;
    for (int p = 0; p < names->count; p++) serves |= lists(objective->items[0], names->items[p]->text);
    if (!serves) continue;
    if (objective_count == OBJECTIVE_LIMIT) fail("too many objectives");
    Node *value = evaluate_to_node(&top, objective->items[1]);
    if (value->random || value->shape.rank != 0) fail("an objective is one deterministic number");
    trees[objective_count] = objective;
    objectives[objective_count] = value;
    signs[objective_count++] = objective->op == 'm' ? value : node_map1(F_NEGATE, value);
  }
  for (int p = 0; p < names->count; p++) {
    Network *player = network_find(names->items[p]->text);
    Slot **weights;
    int count = network_weights(player, &weights);
    for (int w = 0; w < count; w++) {
      int m = 0;
      while (m < move_count && moves[m].slot != weights[w]) m++;
      if (m == MOVE_LIMIT) fail("too many weights");
      if (m == move_count) moves[move_count++] = (Move){.slot = weights[w]};
      moves[m].players |= 1u << p;
      for (int k = 0; k < objective_count; k++)
        if (lists(trees[k]->items[0], player->name)) moves[m].objectives |= 1u << k;
      const Tree *optimizer = NULL;
      find_optimizer(player, weights[w], NULL, &optimizer);
      if (moves[m].optimizer != NULL && moves[m].optimizer != optimizer)
        fail("two optimizers for %s", weights[w]->tensor.name);
      moves[m].optimizer = optimizer;
    }
  }
  int reached = 0;
  for (int m = 0; m < move_count; m++) {
    Node *terms[OBJECTIVE_LIMIT];
    int count = 0;
    Node *weight = slot_read(moves[m].slot);
    for (int k = 0; k < objective_count; k++)
      if ((moves[m].objectives >> k & 1) != 0) terms[count++] = signs[k];
    if (count == 0) continue;
    Node *sum = add_up(count, terms);
    if (!reaches(sum, weight)) continue;
    if (moves[m].optimizer == NULL) fail("nothing says how %s moves", moves[m].slot->tensor.name);
    moves[m].gradient = node_depends(sum, weight)
                            ? node_grad(sum, weight)
                            : node_gather(node_constant(0), weight->shape,
                                          arena_allocate(sizeof(int) * (size_t)(shape_size(weight->shape) + 1)));
    moves[reached++] = moves[m];
  }
  for (int m = 0; m < reached; m++) {
    Frame step = *frame;
    step.statement = false;
    Value *optimizer = evaluate(&step, moves[m].optimizer->items[1]);
    if (optimizer->kind != V_RECIPE || optimizer->recipe.definition == NULL ||
        optimizer->recipe.definition->kind != S_LAYER)
      fail("no optimizer");
    Recipe recipe = optimizer->recipe;
    Value **all = arena_allocate((size_t)(reached + 1) * sizeof *all),
          **arguments = arena_allocate(3 * sizeof *arguments);
    int first = 0, count = 0; /* the first player that the update names */
    while ((moves[m].players >> first & 1) == 0) first++;
    for (int j = 0; j < reached; j++)
      if ((moves[j].players >> first & 1) != 0) all[count++] = value_node(moves[j].gradient);
    arguments[0] = value_node(slot_read(moves[m].slot));
    arguments[1] = value_node(moves[m].gradient);
    arguments[2] = value_list(count, all);
    const char *path = arena_format("%s/%s", moves[m].slot->tensor.name, recipe.definition->text);
    moves[m].moved = as_node(apply_layer(&step, path, &recipe, recipe.definition->items[1]->count, arguments));
    if (!shape_equal(moves[m].moved->shape, moves[m].slot->tensor.shape)) fail("an optimizer changes a shape");
  }
  for (int m = 0; m < reached; m++)
    slot_assign(moves[m].slot, node_new(N_STILL, 0, moves[m].moved->shape, 1, &moves[m].moved));
  for (int k = 0; k < objective_count; k++)
    log_value(run, objective_name(trees[k]), false, node_numbers(objectives[k])[0]);
}

/* ---- statements of train ----------------------------------------------------------------------------------------- */

static void run_statements(Run *run, Frame *frame, const Tree *block);

/* What all statements of train would make, taken or not: optimizers have their states from the start. Nothing moves. */
static void look_at_statements(Run *run, Frame *frame, const Tree *block) {
  for (int k = 0; k < block->count; k++) {
    const Tree *statement = block->items[k];
    Evaluation evaluation;
    for (int j = 0; j < statement->count; j++) {
      const Tree *inner = statement->items[j];
      if (inner != NULL && inner->kind == T_BLOCK) look_at_statements(run, frame, inner);
      else if (inner != NULL && inner->kind == S_IF) look_at_statements(run, frame, tree_new(T_BLOCK, NULL, 1, inner));
    }
    if (statement->kind != S_UPDATE) continue;
    evaluation_begin(&evaluation, 0, 0, NULL);
    update(run, frame, statement);
  }
}

/* A number at this moment, kept to the end of the round. */
static void keep_numbers(Scope *scope, int from) {
  for (int k = from; k < scope->count; k++) {
    Value *value = scope->bindings[k].value;
    if (value->kind != V_NODE || value->node->random) continue;
    int size = shape_size(value->node->shape);
    double *numbers = arena_allocate((size_t)(size + 1) * sizeof *numbers);
    memcpy(numbers, node_numbers(value->node), (size_t)size * sizeof *numbers);
    *value = *value_node(node_given(value->node->shape, false, numbers, NULL));
  }
}

typedef struct Turns {
  Run *run;
  const Tree *block;
} Turns;

static void run_train_turn(void *context, Frame *frame) {
  Turns *turns = context;
  run_statements(turns->run, frame, turns->block);
}

static void run_inner(Run *run, Frame *frame, const Tree *block) { /* a scope of its own, a batch of its own */
  Frame inner = *frame;
  int batch = model->batch;
  inner.scope = scope_new(frame->scope);
  run_statements(run, &inner, block);
  model->batch = batch;
}

static double number_now(Run *run, Frame *frame, const Tree *tree) {
  Evaluation evaluation;
  if (run->in_draw) fail("not inside draw");
  evaluation_begin(&evaluation, run->rounds, run->ordinal, NULL);
  Node *node = evaluate_to_node(frame, tree);
  if (node->random || node->shape.rank != 0) fail("expected one deterministic number");
  double number = node_numbers(node)[0];
  run->ordinal += evaluation.counted;
  return number;
}

/* One evaluation of its own, unless it is part of a draw. */
static void run_evaluated(Run *run, Frame *frame, const Tree *statement) {
  Evaluation evaluation;
  Value *last = NULL;
  int known = frame->scope->count;
  if (!run->in_draw) evaluation_begin(&evaluation, run->rounds, run->ordinal, NULL);
  Node **before = arena_allocate((size_t)(model->slot_count + 1) * sizeof *before);
  int slots = model->slot_count;
  for (int k = 0; k < slots; k++) before[k] = model->slots[k]->current;
  if (statement->kind == S_UPDATE) update(run, frame, statement);
  else run_statement(frame, statement, &last);
  for (int k = 0; k < model->slot_count; k++) { /* what a statement leaves are numbers */
    Slot *slot = model->slots[k];
    if (slot->moved && (k >= slots || slot->current != before[k]))
      slot->current = node_new(N_STILL, 0, slot->current->shape, 1, &slot->current);
  }
  if (run->in_draw) return;
  for (int k = known; k < frame->scope->count; k++)
    if (frame->scope->bindings[k].value->kind == V_NODE && frame->scope->bindings[k].value->node->random)
      fail("a random value is kept outside of a draw");
  keep_numbers(frame->scope, known);
  evaluation_end(run);
}

static void run_train_statement(Run *run, Frame *frame, const Tree *statement) {
  switch (statement->kind) {
  case S_OPTIMIZE: break;
  case S_DEFINE:
    if (!tree_is_name(statement->items[0], "batch")) run_evaluated(run, frame, statement);
    else model->batch = as_int(evaluate(frame, statement->items[1]), "batch");
    break;
  case S_MOVE:
  case S_UPDATE: run_evaluated(run, frame, statement); break;
  case S_DRAW: {
    Evaluation evaluation;
    int known = frame->scope->count;
    if (run->in_draw) fail("a draw in a draw");
    evaluation_begin(&evaluation, run->rounds, run->ordinal, NULL);
    evaluation.counted = true;
    run->in_draw = true;
    run_statements(run, frame, statement->items[0]);
    run->in_draw = false;
    keep_numbers(frame->scope, known);
    evaluation_end(run);
    break;
  }
  case S_REPEAT: {
    double times = number_now(run, frame, statement->items[0]);
    for (int k = 0; k < times; k++) run_inner(run, frame, statement->items[1]);
    break;
  }
  case S_EVERY:
    if (fmod(model->step, number_now(run, frame, statement->items[0])) == 0) run_inner(run, frame, statement->items[1]);
    break;
  case S_IF: {
    double condition = number_now(run, frame, statement->items[0]);
    const Tree *block = statement->items[condition != 0 ? 1 : 2];
    if (block != NULL && block->kind == S_IF) run_train_statement(run, frame, block);
    else if (block != NULL) run_inner(run, frame, block);
    break;
  }
  case S_FOR: {
    Evaluation evaluation; /* for what the list says; each statement has its own */
    if (!run->in_draw) evaluation_begin(&evaluation, run->rounds, run->ordinal, NULL);
    each_turn(frame, statement->items[0], run_train_turn, &(Turns){run, statement->items[1]});
    break;
  }
  default: fail("a %s does not stand in train", kind_names[statement->kind]);
  }
}

static void run_statements(Run *run, Frame *frame, const Tree *block) {
  for (int k = 0; k < block->count; k++) run_train_statement(run, frame, block->items[k]);
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

static const Tree *find_train(const Tree *file) {
  for (int k = 0; k < file->count; k++)
    if (file->items[k]->kind == S_TRAIN) return file->items[k];
  fail("there is no train");
}

static int first_batch(const Tree *block) {
  for (int k = 0; k < block->count; k++)
    if (block->items[k]->kind == S_DEFINE && tree_is_name(block->items[k]->items[0], "batch"))
      return (int)block->items[k]->items[1]->number;
  fail("no batch");
}

static void find_optimizers(const Tree *tree) {
  if (tree == NULL) return;
  for (int p = 0; tree->kind == S_OPTIMIZE && p < tree->items[0]->count; p++)
    network_find(tree->items[0]->items[p]->text)->optimizer = tree;
  for (int k = 0; k < tree->count; k++) find_optimizers(tree->items[k]);
}

/* Every player of an objective has a weight that it depends on. */
static void check_players(const Tree *objective, Node *value) {
  for (int p = 0; p < objective->items[0]->count; p++) {
    Slot **weights;
    int count = network_weights(network_find(objective->items[0]->items[p]->text), &weights);
    bool reached = false, flat = model->inputs->refuse_flat;
    for (int w = 0; w < count && (!reached || flat); w++) {
      Node *weight = weights[w]->current;
      if (weight == NULL || !reaches(value, weight)) continue;
      reached = true;
      for (int e = 0; flat && e < shape_size(weight->shape) && node_depends(value, weight); e++)
        flat = fabs(node_numbers(node_grad(value, weight))[e]) < 1e-9;
    }
    if (!reached) fail("an objective reaches no weight of its player");
    if (flat) fail("an objective is flat in all weights of its player");
  }
}

/* Every objective once, in the order of the file, so that all weights are known; and every definition, so that all of
   the file means something. Nothing is drawn for good. */
static void look_at_file(void) {
  Frame top = file_frame(NULL);
  top.statement = false;
  for (int k = 0; k < model->file->count; k++) {
    const Tree *objective = model->file->items[k];
    Evaluation evaluation;
    if (objective->kind != S_OBJECTIVE) continue;
    evaluation_begin(&evaluation, 0, 0, NULL);
    for (int p = 0; p < objective->items[0]->count; p++) network_find(objective->items[0]->items[p]->text);
    check_players(objective, evaluate_to_node(&top, objective->items[1]));
  }
  for (int k = 0; k < model->file->count; k++) {
    const Tree *definition = model->file->items[k];
    Evaluation evaluation;
    if (definition->kind != S_DEFINE || definition->items[0]->kind != T_NAME) continue;
    evaluation_begin(&evaluation, 0, 0, NULL);
    find_name(&top, definition->items[0]->text);
  }
}

static void log_outputs(Run *run) {
  for (int k = 0; k < model->file->count; k++) {
    const Tree *output = model->file->items[k];
    Evaluation evaluation;
    if (output->kind != S_OUTPUT) continue;
    evaluation_begin(&evaluation, run->rounds, 0, output->text);
    Frame top = file_frame(NULL);
    top.training = top.statement = false;
    Node *node = evaluate_to_node(&top, output->items[0]);
    if (!node->random && node->shape.rank == 0) log_value(run, output->text, true, node_numbers(node)[0]);
  }
}

static double count_of_first_data(void) { return model->inputs->data_count > 0 ? model->inputs->data[0].rows : 1; }

Outcome run_model(const Tree *file, Inputs *inputs, int steps) {
  const char *library = read_text(TEST_DIRECTORY "/oracle/library.gan");
  if (library == NULL) fail("tests/oracle/library.gan is missing");
  Model now = {.file = file, .inputs = inputs, .library = parse(library, "library.gan")};
  Outcome outcome = {0};
  Run run = {.outcome = &outcome, .train = find_train(file)};
  const Tree *block = run.train->items[1];
  model = &now;
  closest_decision = worst_cancellation = INFINITY;
  inputs->feed_count = inputs->feed_capacity = 0;
  outcome.batch = model->batch = first_batch(block);
  Evaluation nothing;
  evaluation_begin(&nothing, 0, 0, NULL);
  Frame top = file_frame(scope_new(NULL));
  double length =
      run.train->items[0] == NULL ? 0 : as_static(evaluate(&top, run.train->items[0]), "the length of train");
  find_optimizers(block);
  for (int k = 0; k < file->count; k++)
    if (file->items[k]->kind == S_STATE) declare_slot(&top, file->items[k]);
  look_at_file();
  look_at_statements(&run, &top, block);
  outcome.logged_count = 0;
  model->position_count = 0;
  inputs->feed_count = 0;
  for (int step = 0; step < steps; step++) {
    run.rounds = step;
    run.ordinal = 0;
    model->step = step;
    model->batch = outcome.batch;
    model->epoch = model->image / count_of_first_data();
    if (run.train->text != NULL) {
      double done = strcmp(run.train->text, "steps") == 0    ? model->step
                    : strcmp(run.train->text, "images") == 0 ? model->image
                                                             : model->epoch;
      model->progress = fmin(1, done / length);
    }
    top = file_frame(scope_new(NULL));
    run_statements(&run, &top, block);
    model->image += outcome.batch;
    model->batch = outcome.batch;
    run.rounds = step + 1; /* outputs are evaluated at the step reached */
    for (int k = 0; k < outcome.logged_count; k++)
      if (!outcome.logged[k].is_output && outcome.logged[k].step == step) outcome.logged[k].step = -(step + 1);
    model->step = step + 1;
    model->epoch = model->image / count_of_first_data();
    log_outputs(&run);
    for (int k = 0; k < outcome.logged_count; k++)
      if (outcome.logged[k].step < 0) outcome.logged[k].step = -outcome.logged[k].step;
  }
  outcome.tensor_count = model->slot_count;
  outcome.tensors = arena_allocate((size_t)(model->slot_count + 1) * sizeof(Tensor));
  outcome.before = arena_allocate((size_t)(model->slot_count + 1) * sizeof(double *));
  for (int k = 0; k < model->slot_count; k++) {
    outcome.tensors[k] = model->slots[k]->tensor;
    outcome.before[k] = model->slots[k]->before;
  }
  outcome.decision = closest_decision;
  outcome.cancellation = worst_cancellation;
  return outcome;
}
