/* `train { }`: the schedule of a round as a tree, every evaluation in it a routine. Takes the block; fills the model's
   schedule and routines. Statements that draw nothing and follow each other share a routine. */
#include "evaluator.h"

#include <string.h>

typedef struct RoundBuilder {
  ModelSchedule *sequence; /* where statements go */
  int capacity;
  bool open;    /* an evaluation waits for more statements */
  bool drawing; /* it is a `draw` */
  Span span;
  int kept, kept_capacity;
  Binding *locals; /* tensors that names of the open evaluation hold: they are kept when it closes */
} RoundBuilder;

static ModelSchedule *schedule_node(Evaluator *e, ScheduleKind kind, Span span) {
  ModelSchedule *node = session_allocate(e->session, sizeof *node);
  *node = (ModelSchedule){.kind = kind, .routine = -1, .value = -1, .span = span};
  return node;
}

static void builder_add(Evaluator *e, RoundBuilder *builder, ModelSchedule *node) {
  ARRAY_ADD(e->session, builder->sequence->children, builder->sequence->child_count, builder->capacity, node);
}

static void builder_run(Evaluator *e, RoundBuilder *builder, int routine, Span span) {
  if (routine < 0) return;
  ModelSchedule *node = schedule_node(e, SCHEDULE_RUN, span);
  node->routine = routine;
  builder_add(e, builder, node);
}

/* ---- definitions that are kept ----------------------------------------------------------------------------------- */

/* What a definition in `train` leaves: numbers at this moment. Random values live as long as their evaluation. */
static void keep_locals(Evaluator *e, Frame *frame, RoundBuilder *builder) {
  int random_count = 0, random_capacity = 0;
  const char **random = NULL;
  for (int k = 0; k < builder->kept; k++) {
    Binding *local = &builder->locals[k];
    Value *value = local->value;
    if (value->tensor.random) {
      if (!builder->drawing) {
        Diagnostic *diagnostic =
            evaluator_report(e, E3032, builder->span, "`%s` differs from sample to sample", local->name);
        diagnostic_hint(diagnostic, "take `E[…]` of it, or use it inside one `draw { }`");
      }
      ARRAY_ADD(e->session, random, random_count, random_capacity, local->name);
      continue;
    }
    const char *base = session_format(e->session, "train.%s", local->name), *name = tensor_numbered(e, base, base);
    int tensor = tensor_new(e, name, ROLE_LOCAL, value->tensor.rank, value->tensor.shape, false, builder->span);
    e->model->tensors[tensor].initial = INITIAL_CONSTANT;
    evaluation_result(e, tensor, value, builder->span);
    bool truth = value->tensor.truth;
    *value = *value_of_node(e, e->model->tensors[tensor].input, 0); /* whatever holds it holds what was kept */
    value->tensor.truth = truth;
  }
  frame_remove(e, frame, random_count, random); /* names of random values end here */
  builder->kept = 0;
}

static void builder_close(Evaluator *e, Frame *frame, RoundBuilder *builder) {
  if (!builder->open) return;
  keep_locals(e, frame, builder);
  builder->open = false;
  bool drawn = e->evaluation->counted;
  builder_run(e, builder, evaluation_close(e, drawn ? ROUTINE_UPDATE : ROUTINE_ASSIGN, builder->span), builder->span);
}

static void builder_open(Evaluator *e, Frame *frame, RoundBuilder *builder, const char *name, Span span) {
  if (builder->open && e->evaluation->counted) builder_close(e, frame, builder);
  if (builder->open) return;
  evaluation_open(e, name);
  builder->open = true;
  builder->span = span;
}

/* What every slot stands for now. */
static Node **slots_now(Evaluator *e) {
  Node **now = session_allocate(e->session, (size_t)(e->slot_count + 1) * sizeof *now);
  for (int k = 0; k < e->slot_count; k++) now[k] = e->slots[k]->current;
  return now;
}

/* What a statement of `train` leaves are numbers, without derivative: what it assigns, and the states that its calls
   have moved. */
static void cut_derivatives(Evaluator *e, int count, Node **before, bool assigns, Span span) {
  for (int k = 0; k < count; k++) {
    Slot *slot = e->slots[k];
    if (slot->current == before[k]) continue;
    slot->assigned |= assigns && slot->is_weight;
    slot->current = graph_mark(e->graph, graph_constant(e->graph, slot->current, span), span);
  }
}

/* The value without derivatives; each tensor in it is kept under the name. */
static Value *cut_value(Evaluator *e, RoundBuilder *builder, const char *name, Value *value, Span span) {
  value = value_dereference(e, value);
  if (value->kind == VALUE_LIST || value->kind == VALUE_RECORD) {
    Value *parts = value_kind(e, value->kind);
    *parts = *value;
    if (value->kind == VALUE_LIST) parts = value_list(e, value->list.count, value->list.items);
    else {
      parts->record.items = session_allocate(e->session, (size_t)(value->record.count + 1) * sizeof(Binding));
      memcpy(parts->record.items, value->record.items, (size_t)value->record.count * sizeof(Binding));
    }
    int count = value->kind == VALUE_LIST ? parts->list.count : parts->record.count;
    for (int k = 0; k < count; k++) {
      Value **part = value->kind == VALUE_LIST ? &parts->list.items[k] : &parts->record.items[k].value;
      *part = cut_value(e, builder, name, *part, span);
    }
    return parts;
  }
  Node *node = value->kind == VALUE_TENSOR ? value_node(e, value, span) : NULL;
  if (node == NULL) return value;
  Value *cut = value_of_node(e, graph_constant(e->graph, node, span), 0);
  cut->tensor.random = value->tensor.random, cut->tensor.truth = value->tensor.truth,
  cut->tensor.classes = value->tensor.classes;
  if (name_is_differentiated(e, &e->file, e->file.syntax, name)) cut = value_marked(e, cut, false, 0, span);
  Binding local = {name, cut};
  ARRAY_ADD(e->session, builder->locals, builder->kept, builder->kept_capacity, local);
  return cut;
}

/* Calls visit on every name that an assignment defines; false as soon as that is. */
static bool each_target(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *target,
                        bool (*visit)(Evaluator *, Frame *, RoundBuilder *, const Syntax *)) {
  while (target->kind == SYNTAX_SUBSCRIPT) target = target->subscript.operand;
  if (target->kind == SYNTAX_NAME) return visit(e, frame, builder, target);
  if (target->kind == SYNTAX_TUPLE || target->kind == SYNTAX_LIST)
    for (int k = 0; k < target->items.count; k++)
      if (!each_target(e, frame, builder, target->items.items[k], visit)) return false;
  return true;
}

static bool name_is_free(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *name) {
  (void)frame, (void)builder;
  Scope *where;
  Entry *entry = scope_find(e, &e->file, name->name, &where);
  if (entry == NULL || where != &e->file) return true;
  Diagnostic *diagnostic = evaluator_report(e, E3028, name->span, "`%s` belongs to the file", name->name);
  diagnostic_also(diagnostic, entry->syntax->span, "defined here");
  if (entry->syntax->kind == SYNTAX_STATE) diagnostic_hint(diagnostic, "a state moves by `<-`: `%s <- …`", name->name);
  else diagnostic_hint(diagnostic, "choose another name, or make it a `state` and move it by `<-`");
  return false;
}

static bool name_cut(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *name) {
  Value *value = frame_find(frame, name->name);
  if (value != NULL) frame_define(e, frame, name->name, cut_value(e, builder, name->name, value, name->span));
  return true;
}

static void assign_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  if (!drawing) builder_open(e, frame, builder, "assign", syntax->span);
  Node **before = slots_now(e);
  int slots = e->slot_count;
  bool moves = syntax->assign.op == OPERATOR_MOVE;
  if (!moves && !each_target(e, frame, builder, syntax->assign.target, name_is_free)) return;
  statement_assign(e, frame, syntax);
  cut_derivatives(e, slots, before, true, syntax->span);
  if (!moves) each_target(e, frame, builder, syntax->assign.target, name_cut);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static void block_run(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *block, bool drawing);
static void choice_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing);

static bool sets_batch(const Syntax *syntax) {
  return syntax->kind == SYNTAX_ASSIGN && syntax->assign.op == OPERATOR_DEFINE &&
         syntax->assign.target->kind == SYNTAX_NAME && strcmp(syntax->assign.target->name, "batch") == 0;
}

static bool batch_set(Evaluator *e, Frame *frame, const Syntax *syntax) {
  int64_t batch;
  if (!value_static_whole(e, evaluate(e, frame, syntax->assign.value), syntax->assign.value->span, &batch))
    return false;
  if (batch < 1 || batch > BATCH_LIMIT) {
    evaluator_report(e, E3027, syntax->assign.value->span, "this is %lld", (long long)batch);
    return false;
  }
  e->batch = (int)batch;
  e->batch_syntax = syntax->assign.value;
  return true;
}

/* A part of the tree of its own: a block, or the `if` behind `else`; names defined in it end with it. */
static ModelSchedule *part_run(Evaluator *e, Frame *frame, const Syntax *part) {
  RoundBuilder inner = {.sequence = schedule_node(e, SCHEDULE_SEQUENCE, part->span)};
  int names = frame->count, floor = frame->floor, batch = e->batch;
  frame->floor = names;
  if (part->kind == SYNTAX_IF) choice_statement(e, frame, &inner, part, false);
  else block_run(e, frame, &inner, part, false);
  builder_close(e, frame, &inner);
  frame_forget(e, frame, names);
  frame->floor = floor;
  e->batch = batch;
  return inner.sequence;
}

/* The count of `repeat`, the period of `every`, the condition of `if`: known now, or computed by a routine of its
   own. */
static bool deciding_value(Evaluator *e, Frame *frame, const Syntax *syntax, ModelSchedule *node, const char *what,
                           Value **known) {
  evaluation_open(e, session_format(e->session, "%s", what));
  Value *value = value_dereference(e, evaluate(e, frame, syntax));
  *known = value;
  if (value->kind == VALUE_ERROR) {
    evaluation_abandon(e);
    return false;
  }
  if (value->kind == VALUE_NUMBER && value->number.settings == NULL) {
    evaluation_abandon(e);
    node->constant = value->number.value;
    return true;
  }
  value = value_as_tensor(e, value, syntax->span);
  if (value->kind == VALUE_TENSOR && (value->tensor.random || value->tensor.rank != 0)) {
    evaluator_report(e, value->tensor.random ? E3046 : E2020, syntax->span, "this is %s",
                     value->tensor.random ? "random" : value_text(e, value));
    value = value_error(e);
  }
  if (value->kind == VALUE_ERROR) {
    evaluation_abandon(e);
    return false;
  }
  const char *name = tensor_numbered(e, what, session_format(e->session, "%s.1", what));
  node->value = tensor_new(e, name, ROLE_RESULT, 0, NULL, false, syntax->span);
  evaluation_result(e, node->value, value, syntax->span);
  slots_reset(e);
  node->routine = evaluation_close(e, ROUTINE_EXPRESSION, syntax->span);
  return true;
}

static void loop_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  if (drawing) {
    evaluator_report(e, E4025, syntax->span, "inside `draw`");
    return;
  }
  builder_close(e, frame, builder);
  bool repeat = syntax->kind == SYNTAX_REPEAT;
  ModelSchedule *node = schedule_node(e, repeat ? SCHEDULE_REPEAT : SCHEDULE_EVERY, syntax->span);
  Value *known;
  if (!deciding_value(e, frame, syntax->loop.count, node, repeat ? "repeat" : "every", &known)) return;
  int64_t whole;
  if (node->routine < 0 &&
      (!value_is_whole(known, &whole) || whole < (repeat ? 0 : 1) || (repeat && (double)whole > REPEAT_LIMIT))) {
    Diagnostic *diagnostic =
        evaluator_report(e, repeat ? E3038 : E3039, syntax->loop.count->span, "this is %s", value_text(e, known));
    bool large = known->kind == VALUE_NUMBER && known->number.value > 1;
    if (large && repeat) diagnostic_title(diagnostic, "`repeat` takes a whole number from 0 to %.0f", REPEAT_LIMIT);
    else if (large) diagnostic_hint(diagnostic, "a whole number up to %.0f", LENGTH_LIMIT);
    return;
  }
  ModelSchedule *part = part_run(e, frame, syntax->loop.block);
  node->children = session_allocate(e->session, sizeof *node->children);
  node->children[0] = part, node->child_count = 1;
  builder_add(e, builder, node);
}

static void choice_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  if (!drawing) builder_close(e, frame, builder);
  ModelSchedule *node = schedule_node(e, SCHEDULE_CHOICE, syntax->span);
  Value *known;
  bool was_open = builder->open && drawing;
  if (was_open) known = value_dereference(e, evaluate(e, frame, syntax->choice.condition));
  else if (!deciding_value(e, frame, syntax->choice.condition, node, "if", &known)) return;
  if (known->kind == VALUE_ERROR) return;
  bool runs = node->routine >= 0; /* a setting decides it when the trainer runs */
  if (known->kind == VALUE_NUMBER && !runs) {
    bool truth;
    if (!value_static_truth(e, known, syntax->choice.condition->span, &truth)) return;
    const Syntax *branch = truth ? syntax->choice.then : syntax->choice.otherwise;
    if (branch == NULL) return;
    if (branch->kind == SYNTAX_IF) choice_statement(e, frame, builder, branch, drawing);
    else block_run(e, frame, builder, branch, drawing);
    return;
  }
  if (was_open) {
    evaluator_report(e, E4016, syntax->span, "inside `draw`");
    return;
  }
  if (known->kind == VALUE_NUMBER ? !known->number.truth : known->kind != VALUE_TENSOR || !known->tensor.truth) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2021, syntax->choice.condition->span, "this is %s", value_text(e, known));
    diagnostic_hint(diagnostic, "compare it with something");
    return;
  }
  node->children = session_allocate(e->session, 2 * sizeof *node->children);
  node->children[node->child_count++] = part_run(e, frame, syntax->choice.then);
  if (syntax->choice.otherwise != NULL)
    node->children[node->child_count++] = part_run(e, frame, syntax->choice.otherwise);
  builder_add(e, builder, node);
}

typedef struct TrainTurn {
  RoundBuilder *builder;
  const Syntax *block;
  bool drawing;
} TrainTurn;

static void run_train_turn(Evaluator *e, Frame *frame, void *context) {
  TrainTurn *turn = context;
  block_run(e, frame, turn->builder, turn->block, turn->drawing);
}

static void update_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  const char *players = "";
  for (int k = 0; k < syntax->players.names.count; k++)
    players = session_format(e->session, "%s%s%s", players, k == 0 ? "" : ", ", syntax->players.names.items[k]->name);
  if (!drawing) {
    builder_close(e, frame, builder);
    builder_open(e, frame, builder, session_format(e->session, "update %s", players), syntax->span);
  }
  Node **before = slots_now(e);
  int slots = e->slot_count;
  if (work_goes_on(e, UPDATE_WORK, syntax->span)) update_run(e, frame, syntax);
  cut_derivatives(e, slots, before, false, syntax->span);
  if (!drawing) builder_close(e, frame, builder);
}

static void draw_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  if (!drawing) {
    builder_close(e, frame, builder);
    builder_open(e, frame, builder, "draw", syntax->span);
    builder->drawing = e->evaluation->counted = true;
  }
  block_run(e, frame, builder, syntax->operand, true);
  if (!drawing) builder_close(e, frame, builder), builder->drawing = false;
}

static void batch_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  if (drawing) {
    evaluator_report(e, E4017, syntax->span, "inside `draw`");
    return;
  }
  builder_close(e, frame, builder);
  evaluation_open(e, "batch");
  batch_set(e, frame, syntax);
  evaluation_abandon(e);
}

static void turns_statement(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  TrainTurn turn = {builder, syntax->turns.block, drawing};
  if (!builder->open) builder_open(e, frame, builder, "for", syntax->span);
  turns_run(e, frame, syntax->turns.binding, run_train_turn, &turn);
}

static void statement_run(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *syntax, bool drawing) {
  switch (syntax->kind) {
  case SYNTAX_UPDATE: update_statement(e, frame, builder, syntax, drawing); return;
  case SYNTAX_DRAW: draw_statement(e, frame, builder, syntax, drawing); return;
  case SYNTAX_REPEAT:
  case SYNTAX_EVERY: loop_statement(e, frame, builder, syntax, drawing); return;
  case SYNTAX_IF: choice_statement(e, frame, builder, syntax, drawing); return;
  case SYNTAX_FOR: turns_statement(e, frame, builder, syntax, drawing); return;
  case SYNTAX_OPTIMIZE: return; /* read by train_scan */
  case SYNTAX_ASSIGN:
    if (sets_batch(syntax)) batch_statement(e, frame, builder, syntax, drawing);
    else assign_statement(e, frame, builder, syntax, drawing);
    return;
  default: break;
  }
  SyntaxPlace place = syntax_kind_place(syntax->kind);
  if (place == PLACE_FILE || place == PLACE_FILE_AND_BODY) {
    Diagnostic *diagnostic = evaluator_report(e, E2044, syntax->span, "in `train`");
    diagnostic_hint(diagnostic, "it belongs to the top of the file");
    return;
  }
  if (!drawing) builder_open(e, frame, builder, "evaluate", syntax->span); /* for the states that it moves */
  evaluate(e, frame, syntax);
}

static void block_run(Evaluator *e, Frame *frame, RoundBuilder *builder, const Syntax *block, bool drawing) {
  for (int k = 0; k < block->items.count; k++) statement_run(e, frame, builder, block->items.items[k], drawing);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static void optimize_scan(Evaluator *e, Frame *frame, const Syntax *block, bool outermost) {
  for (int k = 0; k < block->items.count; k++) {
    const Syntax *syntax = block->items.items[k];
    if (syntax->kind == SYNTAX_REPEAT || syntax->kind == SYNTAX_EVERY)
      optimize_scan(e, frame, syntax->loop.block, false);
    if (syntax->kind == SYNTAX_DRAW) optimize_scan(e, frame, syntax->operand, false);
    if (syntax->kind == SYNTAX_FOR) optimize_scan(e, frame, syntax->turns.block, false);
    for (; syntax != NULL && syntax->kind == SYNTAX_IF; syntax = syntax->choice.otherwise)
      optimize_scan(e, frame, syntax->choice.then, false);
    if (syntax != NULL && syntax->kind == SYNTAX_BLOCK) optimize_scan(e, frame, syntax, false);
    if (syntax == NULL) continue;
    if (syntax->kind != SYNTAX_OPTIMIZE) continue;
    if (!outermost) {
      Diagnostic *diagnostic = evaluator_report(e, E3029, syntax->span, "this is inside another block");
      diagnostic_hint(diagnostic, "it is a declaration: one optimizer per player, for the whole of training");
      continue;
    }
    for (int p = 0; p < syntax->players.names.count; p++) {
      const Syntax *name = syntax->players.names.items[p];
      Network *network = network_find(e, frame, name->name, name->span);
      if (network == NULL) continue;
      if (network->optimizer_syntax != NULL) {
        const char *other = player_without_optimizer(e);
        Diagnostic *diagnostic = evaluator_report(e, E3016, name->span, "`%s` again", name->name);
        diagnostic_also(diagnostic, network->optimizer_syntax->span, "first here");
        if (other != NULL) diagnostic_mend(diagnostic, name->span, "%s", other);
      } else network->optimizer_syntax = syntax;
    }
  }
}

bool train_scan(Evaluator *e, const Syntax *train) {
  Model *model = e->model;
  Frame frame = frame_top(e, true, "");
  e->batch = 1;
  evaluation_open(e, "train");
  model->length_unit = "";
  if (train->train.length != NULL) {
    const char *unit = train->train.unit;
    bool known = strcmp(unit, "steps") == 0 || strcmp(unit, "images") == 0 || strcmp(unit, "epochs") == 0;
    if (!known) {
      static const char *const units[] = {"steps", "images", "epochs"};
      Diagnostic *diagnostic = evaluator_report(e, E3025, train->train.length->span, "this says `%s`", unit);
      const char *nearest = diagnostic_nearest(unit, units, 3);
      diagnostic_mend(diagnostic, train->name_span, "%s", nearest != NULL ? nearest : "steps");
    } else if (value_static_number(e, evaluate(e, &frame, train->train.length), train->train.length->span,
                                   &model->length)) {
      model->length_unit = unit;
      if (!(model->length > 0 && model->length <= LENGTH_LIMIT)) {
        Diagnostic *diagnostic = evaluator_report(e, E3053, train->train.length->span, "this is %g", model->length);
        diagnostic_hint(
            diagnostic,
            "above 0, and at most %.0f; without a length, `train { … }`, a run lasts as long as its --steps say",
            LENGTH_LIMIT);
      }
    }
  }
  const Syntax *block = train->train.block;
  bool set = false;
  for (int k = 0; k < block->items.count && !set; k++)
    if (sets_batch(block->items.items[k])) set = batch_set(e, &frame, block->items.items[k]);
  if (!set && e->error_count == 0) {
    Diagnostic *diagnostic = evaluator_report(e, E3024, train->span, "here");
    diagnostic_hint(diagnostic, "write `batch = 64` as its first line");
    mend_train_begin(e, diagnostic, "batch = 64");
  }
  model->batch = e->batch;
  evaluation_abandon(e);
  evaluation_open(e, "optimizers");
  optimize_scan(e, &frame, block, true);
  evaluation_abandon(e);
  return e->error_count == 0;
}

/* Where training is not expanded because of mistakes elsewhere: those in the optimizers' settings. Names that `train`
   defines are not known here. */
void train_check_optimizers(Evaluator *e, const Syntax *train) {
  const Syntax *block = train->train.block;
  Frame frame = frame_top(e, true, "");
  for (int k = 0; k < block->items.count; k++)
    if (block->items.items[k]->kind == SYNTAX_ASSIGN && !sets_batch(block->items.items[k])) return;
  evaluation_open(e, "optimizers");
  for (int k = 0; k < block->items.count; k++)
    if (block->items.items[k]->kind == SYNTAX_OPTIMIZE) evaluate(e, &frame, block->items.items[k]->players.by);
  evaluation_abandon(e);
}

void train_run(Evaluator *e, const Syntax *train) {
  Frame frame = frame_top(e, true, "");
  frame.in_train = true;
  RoundBuilder builder = {.sequence = schedule_node(e, SCHEDULE_SEQUENCE, train->span)};
  block_run(e, &frame, &builder, train->train.block, false);
  builder_close(e, &frame, &builder);
  e->model->schedule = builder.sequence;
}
