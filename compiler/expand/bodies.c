/* Bodies: the statements of functions, layers and networks in order, and the types of parameters and results. Takes a
   frame; defines names in it; returns the value of the last expression, or NULL where there is none. */
#include "evaluator.h"

#include <math.h>
#include <string.h>

/* ---- assignments ------------------------------------------------------------------------------------------------- */

/* A name that `grad` differentiates by is marked where it is defined. */
static Value *value_for_name(Evaluator *e, const Frame *frame, const Syntax *name, Value *value, bool same) {
  const Syntax *body = frame->definition != NULL ? frame->definition->definition.body : frame->scope->syntax;
  return body != NULL && name_is_differentiated(e, frame->scope, body, name->name)
             ? value_marked(e, value, same, frame->context.indices, name->span)
             : value;
}

/* same: the value is that of another name. */
static void assign_failed(Evaluator *e, Frame *frame, const Syntax *target);

static void destructure(Evaluator *e, Frame *frame, const Syntax *target, Value *value, bool same) {
  if (target->kind == SYNTAX_NAME) {
    if (index_find(e, target->name) != NULL)
      evaluator_report(e, E2003, target->span, "`%s` is an index here", target->name);
    else if (strcmp(target->name, "batch") == 0)
      evaluator_report(e, E3028, target->span, "only `train` itself sets the batch");
    else if (name_may_be_defined(e, target->name, target->span))
      frame_define(e, frame, target->name, value_for_name(e, frame, target, value, same));
    return;
  }
  if (target->kind != SYNTAX_TUPLE && target->kind != SYNTAX_LIST) {
    Diagnostic *diagnostic = evaluator_report(e, E2065, target->span, "this is not a name");
    if (target->kind == SYNTAX_CALL)
      diagnostic_hint(diagnostic, "functions are defined at the top of the file: `fn f(x) = …`");
    return;
  }
  value = value_dereference(e, value);
  bool parts = value->kind == VALUE_LIST || value->kind == VALUE_RECORD || value->kind == VALUE_NETWORK ||
               value->kind == VALUE_RANGE || value->kind == VALUE_TENSOR;
  if (!parts && value->kind != VALUE_ERROR)
    evaluator_report(e, E2056, target->span, "%d names for %s", target->items.count, value_text(e, value));
  Value *list = parts ? value_as_list(e, value, target->span) : NULL;
  if (list == NULL) return;
  if (list->list.count != target->items.count) {
    evaluator_report(e, E2056, target->span, "%d names for %d parts", target->items.count, list->list.count);
    assign_failed(e, frame, target);
    return;
  }
  for (int k = 0; k < list->list.count; k++) destructure(e, frame, target->items.items[k], list->list.items[k], false);
}

static void assign_failed(Evaluator *e, Frame *frame, const Syntax *target) {
  while (target->kind == SYNTAX_SUBSCRIPT) target = target->subscript.operand;
  if (target->kind == SYNTAX_NAME) frame_define(e, frame, target->name, value_error(e));
  else if (target->kind == SYNTAX_TUPLE || target->kind == SYNTAX_LIST)
    for (int k = 0; k < target->items.count; k++) assign_failed(e, frame, target->items.items[k]);
}

static void move(Evaluator *e, Frame *frame, const Syntax *assign) {
  const Syntax *target = assign->assign.target;
  const Syntax *base = target->kind == SYNTAX_SUBSCRIPT ? target->subscript.operand : target;
  if (base->kind != SYNTAX_NAME) {
    evaluator_report(e, base->kind == SYNTAX_AT ? E4005 : E2065, target->span, "`<-` takes a name on its left");
    return;
  }
  Value *slot = name_lookup(e, frame, base->name, base->span);
  if (slot->kind == VALUE_ERROR) return;
  if (slot->kind != VALUE_SLOT) {
    Diagnostic *diagnostic = evaluator_report(e, E3009, base->span, "`%s` is %s", base->name, value_text(e, slot));
    diagnostic_hint(diagnostic, "`=` gives a name to a value");
    return;
  }
  if (slot->slot->is_weight && !frame->in_train) {
    Diagnostic *diagnostic = evaluator_report(e, E3010, assign->span, "`%s` is a weight", base->name);
    diagnostic_hint(diagnostic, "its player's optimizer moves it, or a statement of `train`");
    return;
  }
  const Node *input = e->model->tensors[slot->slot->tensor].input;
  Declared declared = {.rank = input->rank};
  memcpy(declared.shape, input->shape, sizeof declared.shape);
  Value *value = target->kind == SYNTAX_SUBSCRIPT ? evaluate_indexed_assignment(e, frame, assign, NULL, &declared)
                                                  : evaluate(e, frame, assign->assign.value);
  if (value->kind != VALUE_ERROR) slot_move(e, slot->slot, value, assign->span);
}

/* What an assignment by index makes of its name; NULL after a report that leaves the name as it is. */
static Value *indexed_value(Evaluator *e, Frame *frame, const Syntax *assign) {
  const Syntax *target = assign->assign.target;
  const Syntax *base = target->kind == SYNTAX_SUBSCRIPT ? target->subscript.operand : target;
  if (base->kind != SYNTAX_NAME) {
    evaluator_report(e, E2065, target->span, "this is not a name");
    return NULL;
  }
  Value *old = frame_find(frame, base->name);
  if (old != NULL && old->kind == VALUE_SLOT) {
    evaluator_report(e, E2065, target->span, "`%s` is a %s; `<-` moves it", base->name,
                     old->slot->is_weight ? "weight" : "state");
    return NULL;
  }
  Declared declared;
  bool promised = declared_shape(e, frame, base->name, &declared);
  Value *value = evaluate_indexed_assignment(e, frame, assign, old, promised ? &declared : NULL);
  if (value->kind != VALUE_TENSOR || !promised || old != NULL) return value;
  if (value->tensor.rank == declared.rank &&
      memcmp(value->tensor.shape, declared.shape, sizeof(int64_t) * (size_t)declared.rank) == 0)
    return value;
  evaluator_report(e, E2040, target->span, "gives %s, where %s is promised", value_text(e, value),
                   shape_text(e, declared.rank, declared.shape));
  return value_error(e);
}

void statement_assign(Evaluator *e, Frame *frame, const Syntax *assign) {
  const Syntax *target = assign->assign.target;
  if (assign->assign.op == OPERATOR_MOVE) {
    move(e, frame, assign);
    return;
  }
  if (target->kind == SYNTAX_AT || (target->kind == SYNTAX_SUBSCRIPT && target->subscript.operand->kind == SYNTAX_AT)) {
    evaluator_report(e, E4005, target->span, "here");
    assign_failed(e, frame, target->kind == SYNTAX_AT ? target->at.operand : target->subscript.operand->at.operand);
    return;
  }
  bool indexed = target->kind == SYNTAX_SUBSCRIPT || assign->assign.op == OPERATOR_INCREASE;
  Value *value =
      indexed ? indexed_value(e, frame, assign) : value_dereference(e, evaluate(e, frame, assign->assign.value));
  if (value == NULL) return;
  if (target->kind == SYNTAX_SUBSCRIPT) target = target->subscript.operand;
  if (value->kind == VALUE_ERROR) {
    assign_failed(e, frame, target);
    return;
  }
  if (target->kind == SYNTAX_NAME) value = value_named(e, frame, target->name, value, assign->span);
  value = value_stored(e, value, assign->span);
  destructure(e, frame, target, value, assign->assign.value->kind == SYNTAX_NAME);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

static const char *turn_label(Evaluator *e, Value *item);

/* In halves: a list may be long. */
static const char *items_label(Evaluator *e, int count, Value *const *items) {
  if (count < 2) return count == 0 ? "" : turn_label(e, items[0]);
  return session_format(e->session, "%s,%s", items_label(e, count / 2, items),
                        items_label(e, count - count / 2, items + count / 2));
}

/* What is too long to be a label is counted instead. */
static const char *turn_label(Evaluator *e, Value *item) {
  enum { LABEL_LEAVES = 64, LABEL_LETTERS = 64 };
  if (item->kind == VALUE_NUMBER) return session_format(e->session, "%.15g", item->number.value);
  if (item->kind == VALUE_STRING && strlen(item->string) <= LABEL_LETTERS) return item->string;
  if (item->kind != VALUE_LIST || value_leaves(item) > LABEL_LEAVES) return "item";
  return session_format(e->session, "(%s)", items_label(e, item->list.count, item->list.items));
}

bool turns_run(Evaluator *e, Frame *frame, const Syntax *binding, void (*run)(Evaluator *, Frame *, void *),
               void *context) {
  Value *list;
  if (binding->kind != SYNTAX_BINARY || (binding->binary.op != OPERATOR_LESS && binding->binary.op != OPERATOR_IN)) {
    Diagnostic *diagnostic = evaluator_report(e, E2067, binding->span, "this does not say what to run over");
    diagnostic_hint(diagnostic, "`for i < n`, or `for item in list`");
    return false;
  }
  Value *right = evaluate(e, frame, binding->binary.right);
  if (right->kind == VALUE_ERROR) return false;
  if (binding->binary.op == OPERATOR_LESS) {
    int64_t count;
    if (value_dereference(e, right)->kind == VALUE_TENSOR) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2067, binding->binary.right->span, "this is known only while training");
      diagnostic_hint(diagnostic, "`repeat` in `train` takes such a count");
      return false;
    }
    if (!value_static_whole(e, right, binding->binary.right->span, &count)) return false;
    Value *range = value_kind(e, VALUE_RANGE);
    range->range.low = 0, range->range.high = (double)count - 1;
    list = value_as_list(e, range, binding->span);
  } else list = value_as_list(e, right, binding->binary.right->span);
  if (list == NULL) return false;
  const char *outer = frame->loop;
  Map seen = {0}; /* by label: how many turns there were */
  for (int k = 0; k < list->list.count; k++) {
    const char *label = session_string(e->session, turn_label(e, list->list.items[k]));
    int times = map_number(&seen, label) + 1;
    map_put_number(e->session, &seen, label, times);
    frame->loop = times == 1 ? session_format(e->session, "%s[%s]", outer, label)
                             : session_format(e->session, "%s[%s, %d]", outer, label, times);
    int errors = e->error_count;
    if (work_goes_on(e, 1, binding->span)) {
      destructure(e, frame, binding->binary.left, list->list.items[k], false);
      run(e, frame, context);
    }
    if (e->error_count > errors || e->exhausted) {
      frame->loop = outer;
      return false;
    }
  }
  frame->loop = outer;
  return true;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

typedef struct BodyTurn {
  const Syntax *block;
  Value *value;
} BodyTurn;

static void run_body_turn(Evaluator *e, Frame *frame, void *context) {
  BodyTurn *turn = context;
  turn->value = body_run(e, frame, turn->block);
}

static void declare_variable(Evaluator *e, Frame *frame, const Syntax *syntax) {
  const char *field = syntax->variable.field->field.name;
  bool weight = syntax->kind == SYNTAX_WEIGHT;
  const Context *context = &frame->context;
  if (frame->definition == NULL || frame->definition->kind != SYNTAX_LAYER) {
    Diagnostic *diagnostic = evaluator_report(e, E2041, syntax->span, "this is a function");
    diagnostic_hint(diagnostic, "write `layer` instead of `fn`");
    frame_define(e, frame, field, value_error(e));
    return;
  }
  bool optimizer = strchr(context->path, '/') != NULL;
  if (weight && context->network == NULL) {
    Diagnostic *diagnostic = evaluator_report(e, optimizer ? E3017 : E3012, syntax->span, "nobody owns `%s`", field);
    diagnostic_hint(diagnostic, optimizer ? "an optimizer has states, no weights" : "apply the layer inside a network");
    frame_define(e, frame, field, value_error(e));
    return;
  }
  const char *name = session_format(e->session, "%s.%s%s", context->path, field, frame->loop);
  Slot *slot = slot_declare(e, frame, syntax, name,
                            weight      ? ROLE_WEIGHT
                            : optimizer ? ROLE_OPTIMIZER_STATE
                                        : ROLE_STATE);
  Value *value = slot == NULL ? value_error(e) : value_kind(e, VALUE_SLOT);
  if (slot != NULL) value->slot = slot;
  frame_define(e, frame, field, value);
}

static Value *choice_run(Evaluator *e, Frame *frame, const Syntax *choice) {
  Value *condition = evaluate(e, frame, choice->choice.condition);
  bool truth;
  if (!value_static_truth(e, condition, choice->choice.condition->span, &truth)) return NULL;
  const Syntax *branch = truth ? choice->choice.then : choice->choice.otherwise;
  if (branch == NULL) return NULL;
  return branch->kind == SYNTAX_IF ? choice_run(e, frame, branch) : body_run(e, frame, branch);
}

static Value *for_run(Evaluator *e, Frame *frame, const Syntax *syntax) {
  BodyTurn turn = {syntax->turns.block, NULL};
  turns_run(e, frame, syntax->turns.binding, run_body_turn, &turn);
  return turn.value;
}

static void report_misplaced(Evaluator *e, const Frame *frame, const Syntax *syntax) {
  Diagnostic *diagnostic =
      evaluator_report(e, E2044, syntax->span, "in the body of a %s",
                       frame->definition == NULL ? "definition" : syntax_kind_name(frame->definition->kind));
  diagnostic_hint(diagnostic, "it belongs to the top of the file, or into `train`");
}

/* What the statement ends with, or NULL: it gives no value. */
static Value *statement_run(Evaluator *e, Frame *frame, const Syntax *syntax) {
  SyntaxPlace place = syntax_kind_place(syntax->kind);
  if (place == PLACE_FILE || place == PLACE_TRAIN) {
    report_misplaced(e, frame, syntax);
    return NULL;
  }
  switch (syntax->kind) {
  case SYNTAX_ASSIGN: statement_assign(e, frame, syntax); return NULL;
  case SYNTAX_NOISE:
    frame_define(e, frame, syntax->noise.field->field.name, noise_declare(e, frame, syntax));
    return NULL;
  case SYNTAX_WEIGHT:
  case SYNTAX_STATE: declare_variable(e, frame, syntax); return NULL;
  case SYNTAX_IF: return choice_run(e, frame, syntax);
  case SYNTAX_FOR: return for_run(e, frame, syntax);
  default: return evaluate(e, frame, syntax);
  }
}

Value *body_run(Evaluator *e, Frame *frame, const Syntax *body) {
  if (body->kind != SYNTAX_BLOCK) return evaluate(e, frame, body);
  Value *value = NULL;
  int errors = e->error_count;
  for (int k = 0; k < body->items.count; k++) {
    if (e->error_count > errors && frame->scope->standard == NULL)
      break; /* what follows in the library is a consequence */
    value = statement_run(e, frame, body->items.items[k]);
  }
  return e->error_count > errors ? value_error(e) : value;
}
