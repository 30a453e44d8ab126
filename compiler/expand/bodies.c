/* Bodies: the statements of functions, layers and networks in order, and the types of parameters and results. Takes a
   frame; defines names in it; returns the value of the last expression, or NULL where there is none. */
#include "evaluator.h"

#include <math.h>
#include <string.h>

/* ---- types ------------------------------------------------------------------------------------------------------- */

bool type_shape(Evaluator *e, Frame *frame, const Syntax *type, int *rank, int64_t *shape, int *classes) {
  *rank = 0, *classes = 0;
  if (type == NULL) return true;
  if (type->type.classes != NULL) {
    int64_t count;
    if (!value_static_whole(e, evaluate(e, frame, type->type.classes), type->type.classes->span, &count)) return false;
    *classes = (int)count;
  }
  if (type->type.shape == NULL) return true;
  Value *list = evaluate(e, frame, type->type.shape);
  return value_static_shape(e, list, type->type.shape->span, rank, shape);
}

/* The data or noise of the file whose name stands at the span, or NULL. */
static const Entry *drawn_at(Evaluator *e, Span span) {
  Scope *where;
  bool top = span.source != NULL && e->depth == 1; /* in bodies its name can be another one's */
  Entry *entry = top ? scope_find(e, &e->file, span_text(e->session, span), &where) : NULL;
  return entry != NULL && (entry->syntax->kind == SYNTAX_NOISE || entry->syntax->kind == SYNTAX_DATA) ? entry : NULL;
}

/* Are the sizes plain numbers, and as many elements as the value has? */
static bool holds_as_many(const Syntax *shape, const Value *tensor) {
  double declared = 1, size = 1;
  for (int k = 0; k < shape->items.count; k++) {
    if (shape->items.items[k]->kind != SYNTAX_NUMBER) return false;
    declared *= shape->items.items[k]->number.value;
  }
  for (int d = 0; d < tensor->tensor.rank; d++) size *= (double)tensor->tensor.shape[d];
  return declared == size;
}

/* A size in a parameter's type: a name that is static in scope is that number, any other is bound to what comes. */
static bool bind_size(Evaluator *e, Frame *frame, const Syntax *type, const Syntax *item, int64_t size,
                      const Value *tensor, const char *what, Span span) {
  if (item->kind == SYNTAX_NAME) {
    Value *known = frame_find(frame, item->name);
    if (known == NULL) {
      Scope *where;
      Entry *entry = scope_find(e, frame->scope, item->name, &where);
      if (entry == NULL || entry->syntax->kind != SYNTAX_ASSIGN) {
        frame_define(e, frame, item->name, value_number(e, (double)size));
        return true;
      }
      known = name_find(e, frame, item->name, item->span);
      if (known->kind != VALUE_NUMBER) {
        frame_define(e, frame, item->name, value_number(e, (double)size));
        return true;
      }
    }
  }
  int64_t expected;
  if (!value_static_whole(e, evaluate(e, frame, item), item->span, &expected)) return false;
  if (expected == size) return true;
  bool labels = item == type->type.classes;
  Diagnostic *diagnostic = labels ? evaluator_report(e, E2055, span, "comes from class[%lld]", (long long)size)
                                  : evaluator_report(e, E2004, span, "gives %s", value_text(e, tensor));
  diagnostic_also(diagnostic, item->span, "%s expects %lld here", what, (long long)expected);
  const Entry *entry = drawn_at(e, span);
  const Syntax *declared =
      entry != NULL && entry->field->field.type != NULL ? entry->field->field.type->type.shape : NULL;
  if (labels && entry != NULL && item->kind == SYNTAX_NUMBER)
    diagnostic_mend(diagnostic, item->span, "%lld", (long long)size);
  if (declared == NULL || item->kind != SYNTAX_NUMBER) return false;
  if (entry->syntax->kind == SYNTAX_NOISE) diagnostic_mend(diagnostic, item->span, "%lld", (long long)size);
  else if (holds_as_many(type->type.shape, tensor))
    diagnostic_mend(diagnostic, declared->span, "%s", span_text(e->session, type->type.shape->span));
  return false;
}

Value *type_bind(Evaluator *e, Frame *frame, const Syntax *type, Value *value, const char *what, Span span) {
  Value *tensor = value_as_tensor(e, value, span);
  if (tensor->kind == VALUE_ERROR) return tensor;
  if (type->type.classes != NULL) {
    if (tensor->tensor.classes == 0) {
      Diagnostic *diagnostic = evaluator_report(e, E2055, span, "this is %s", value_text(e, tensor));
      diagnostic_hint(diagnostic, "%s takes labels: `noise y: class[10] ~ uniform`", what);
      return value_error(e);
    }
    if (!bind_size(e, frame, type, type->type.classes, tensor->tensor.classes, tensor, what, span))
      return value_error(e);
  }
  if (type->type.shape == NULL) {
    if (tensor->tensor.rank == 0) return value->kind == VALUE_NUMBER ? value : tensor;
    evaluator_report(e, E2005, span, "gives %s, where %s is one number", value_text(e, tensor), what);
    return value_error(e);
  }
  const SyntaxList *items = &type->type.shape->items;
  int spread = -1;
  for (int k = 0; k < items->count; k++)
    if (items->items[k]->kind == SYNTAX_SPREAD) spread = k;
  int fixed = spread < 0 ? items->count : items->count - 1;
  if (tensor->tensor.rank < fixed || (spread < 0 && tensor->tensor.rank != fixed)) {
    Diagnostic *diagnostic = evaluator_report(e, E2005, span, "gives %s", value_text(e, tensor));
    diagnostic_also(diagnostic, type->span, "%s has %s%d axes", what, spread < 0 ? "" : "at least ", fixed);
    int64_t size = 1;
    for (int d = 0; d < tensor->tensor.rank; d++) size *= tensor->tensor.shape[d];
    const Entry *entry = drawn_at(e, span);
    if (fixed == 1 && spread < 0 && tensor->tensor.rank > 1) {
      diagnostic_hint(diagnostic, "`flatten` turns %s into [%lld]", value_text(e, tensor), (long long)size);
      diagnostic_mend(diagnostic, (Span){span.source, span.to, span.to}, " |> flatten");
    } else if (entry != NULL && entry->field->field.type == NULL && type->span.source != NULL &&
               !type->span.source->standard) {
      Span name = entry->field->name_span;
      diagnostic_mend(diagnostic, (Span){name.source, name.to, name.to}, ": %s", span_text(e->session, type->span));
    }
    return value_error(e);
  }
  int after = spread < 0 ? 0 : items->count - spread - 1;
  for (int k = 0; k < items->count; k++) {
    const Syntax *item = items->items[k];
    if (k == spread) {
      Value *rest = value_list(e, tensor->tensor.rank - fixed, NULL);
      for (int d = 0; d < rest->list.count; d++)
        rest->list.items[d] = value_number(e, (double)tensor->tensor.shape[k + d]);
      if (item->operand->kind == SYNTAX_NAME && frame_find(frame, item->operand->name) == NULL)
        frame_define(e, frame, item->operand->name, rest);
      else {
        int rank;
        int64_t shape[OWN_LIMIT];
        if (!value_static_shape(e, evaluate(e, frame, item->operand), item->operand->span, &rank, shape))
          return value_error(e);
        bool equal = rank == rest->list.count;
        for (int d = 0; d < rank && equal; d++) equal = shape[d] == tensor->tensor.shape[k + d];
        if (!equal) {
          Diagnostic *diagnostic = evaluator_report(e, E2004, span, "gives %s", value_text(e, tensor));
          diagnostic_also(diagnostic, item->span, "%s expects %s here", what, shape_text(e, rank, shape));
          return value_error(e);
        }
      }
      continue;
    }
    int axis = spread >= 0 && k > spread ? tensor->tensor.rank - after + (k - spread - 1) : k;
    if (!bind_size(e, frame, type, item, tensor->tensor.shape[axis], tensor, what, span)) return value_error(e);
  }
  return value->kind == VALUE_LIST && value->list.count > 0 && value->list.items[0]->kind != VALUE_NUMBER ? value
                                                                                                          : tensor;
}

bool declared_shape(Evaluator *e, Frame *frame, const char *name, Declared *declared) {
  const Syntax *result =
      frame->definition == NULL || (frame->definition->kind != SYNTAX_FN && frame->definition->kind != SYNTAX_LAYER)
          ? NULL
          : frame->definition->definition.result;
  if (result == NULL) return false;
  const Syntax *type = NULL;
  bool found = result->result.name == name;
  if (found) type = result->result.type;
  for (int k = 0; k < result->result.fields.count; k++)
    if (result->result.fields.items[k]->field.name == name)
      found = true, type = result->result.fields.items[k]->field.type;
  int classes;
  return found && type_shape(e, frame, type, &declared->rank, declared->shape, &classes);
}

/* ---- assignments ------------------------------------------------------------------------------------------------- */

/* A name that `grad` differentiates by is marked where it is defined. */
static Value *value_for_name(Evaluator *e, const Frame *frame, const Syntax *name, Value *value, bool same) {
  const Syntax *body = frame->definition != NULL ? frame->definition->definition.body : frame->scope->syntax;
  return body != NULL && name_is_differentiated(e, frame->scope, body, name->name)
             ? value_marked(e, value, same, frame->context.indices, name->span)
             : value;
}

/* same: the value is that of another name. */
static void destructure(Evaluator *e, Frame *frame, const Syntax *target, Value *value, bool same) {
  if (target->kind == SYNTAX_NAME) {
    if (index_find(e, target->name) != NULL)
      evaluator_report(e, E2003, target->span, "`%s` is an index here", target->name);
    else if (strcmp(target->name, "E") == 0 || strcmp(target->name, "grad") == 0)
      evaluator_report(e, E2049, target->span, "`%s` cannot be defined anew", target->name);
    else if (strcmp(target->name, "batch") == 0)
      evaluator_report(e, E3028, target->span, "only `train` itself sets the batch");
    else frame_define(e, frame, target->name, value_for_name(e, frame, target, value, same));
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

static const char *turn_label(Evaluator *e, const Value *item);

/* In halves: a list may be long. */
static const char *items_label(Evaluator *e, int count, Value *const *items) {
  if (count < 2) return count == 0 ? "" : turn_label(e, items[0]);
  return session_format(e->session, "%s,%s", items_label(e, count / 2, items),
                        items_label(e, count - count / 2, items + count / 2));
}

static const char *turn_label(Evaluator *e, const Value *item) {
  if (item->kind == VALUE_NUMBER) return session_format(e->session, "%.15g", item->number.value);
  if (item->kind == VALUE_STRING) return item->string;
  return item->kind != VALUE_LIST
             ? "item"
             : session_format(e->session, "(%s)", items_label(e, item->list.count, item->list.items));
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

static Value *statement_run(Evaluator *e, Frame *frame, const Syntax *syntax, bool *has_value) {
  *has_value = false;
  switch (syntax->kind) {
  case SYNTAX_ASSIGN: statement_assign(e, frame, syntax); return NULL;
  case SYNTAX_NOISE:
    frame_define(e, frame, syntax->noise.field->field.name, noise_declare(e, frame, syntax));
    return NULL;
  case SYNTAX_WEIGHT:
  case SYNTAX_STATE: declare_variable(e, frame, syntax); return NULL;
  case SYNTAX_IF: {
    Value *condition = evaluate(e, frame, syntax->choice.condition);
    bool truth;
    if (!value_static_truth(e, condition, syntax->choice.condition->span, &truth)) return NULL;
    const Syntax *branch = truth ? syntax->choice.then : syntax->choice.otherwise;
    if (branch == NULL) return NULL;
    if (branch->kind == SYNTAX_IF) return statement_run(e, frame, branch, has_value);
    Value *value = body_run(e, frame, branch);
    *has_value = value != NULL;
    return value;
  }
  case SYNTAX_FOR: {
    BodyTurn turn = {syntax->turns.block, NULL};
    turns_run(e, frame, syntax->turns.binding, run_body_turn, &turn);
    *has_value = turn.value != NULL;
    return turn.value;
  }
  case SYNTAX_DATA:
  case SYNTAX_FN:
  case SYNTAX_LAYER:
  case SYNTAX_NETWORK:
  case SYNTAX_OUTPUT:
  case SYNTAX_PHASE:
  case SYNTAX_OBJECTIVE:
  case SYNTAX_USE:
  case SYNTAX_TRAIN:
  case SYNTAX_DRAW:
  case SYNTAX_OPTIMIZE:
  case SYNTAX_UPDATE:
  case SYNTAX_REPEAT:
  case SYNTAX_EVERY: {
    Diagnostic *diagnostic =
        evaluator_report(e, E2044, syntax->span, "in the body of a %s",
                         frame->definition == NULL ? "definition" : syntax_kind_name(frame->definition->kind));
    diagnostic_hint(diagnostic, "it belongs to the top of the file, or into `train`");
    return NULL;
  }
  default: *has_value = true; return evaluate(e, frame, syntax);
  }
}

Value *body_run(Evaluator *e, Frame *frame, const Syntax *body) {
  if (body->kind != SYNTAX_BLOCK) return evaluate(e, frame, body);
  Value *value = NULL;
  int errors = e->error_count;
  for (int k = 0; k < body->items.count; k++) {
    if (e->error_count > errors && frame->scope->standard == NULL)
      break; /* what follows in the library is a consequence */
    bool has_value;
    Value *here = statement_run(e, frame, body->items.items[k], &has_value);
    value = has_value ? here : NULL;
  }
  return e->error_count > errors ? value_error(e) : value;
}
