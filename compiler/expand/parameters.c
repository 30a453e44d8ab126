/* What a definition declares meets what it is given: settings, parameters, and the types of both. Takes a frame;
   defines the names in it. False, or an error, after a report that names both places. */
#include "evaluator.h"

#include <string.h>

/* ---- types ------------------------------------------------------------------------------------------------------- */

bool type_shape(Evaluator *e, Frame *frame, const Syntax *type, int *rank, int64_t *shape, int *classes) {
  *rank = 0, *classes = 0;
  if (type == NULL) return true;
  if (type->type.classes != NULL) {
    int64_t count;
    if (!value_static_whole(e, evaluate(e, frame, type->type.classes), type->type.classes->span, &count)) return false;
    if (count < 1 || count > CLASSES_LIMIT) {
      evaluator_report(e, count < 1 ? E2015 : E2060, type->type.classes->span, "this would be %lld classes",
                       (long long)count);
      return false;
    }
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
  double declared = 1;
  for (int k = 0; k < shape->items.count; k++) {
    if (shape->items.items[k]->kind != SYNTAX_NUMBER) return false;
    declared *= shape->items.items[k]->number.value;
  }
  return declared == shape_size(tensor->tensor.rank, tensor->tensor.shape);
}

/* A size in a parameter's type: a name that is static in scope is that number, any other is bound to what comes. */
static bool bind_size(Evaluator *e, Frame *frame, const Syntax *type, const Syntax *item, int64_t size,
                      const Value *tensor, const char *what, Span span) {
  if (item->kind == SYNTAX_NAME && !name_is_reserved(item->name)) {
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

static bool bind_labels(Evaluator *e, Frame *frame, const Syntax *type, const Value *tensor, const char *what,
                        Span span) {
  if (tensor->tensor.classes == 0) {
    Diagnostic *diagnostic = evaluator_report(e, E2055, span, "this is %s", value_text(e, tensor));
    diagnostic_hint(diagnostic, "%s takes labels: `noise y: class[10] ~ uniform`", what);
    return false;
  }
  return bind_size(e, frame, type, type->type.classes, tensor->tensor.classes, tensor, what, span);
}

/* spread: is any number of axes more all right? */
static bool count_axes(Evaluator *e, const Syntax *type, int axes, bool spread, const Value *tensor, const char *what,
                       Span span) {
  int rank = tensor->tensor.rank;
  if (spread ? rank >= axes : rank == axes) return true;
  Diagnostic *diagnostic = evaluator_report(e, E2005, span, "gives %s", value_text(e, tensor));
  diagnostic_also(diagnostic, type->span, "%s has %s%d axes", what, spread ? "at least " : "", axes);
  const Entry *entry = drawn_at(e, span);
  if (axes == 1 && !spread && rank > 1) {
    double size = shape_size(rank, tensor->tensor.shape);
    diagnostic_hint(diagnostic, "`flatten` turns %s into [%.0f]", value_text(e, tensor), size);
    diagnostic_mend(diagnostic, (Span){span.source, span.to, span.to}, " |> flatten");
  } else if (entry != NULL && entry->field->field.type == NULL && type->span.source != NULL &&
             !type->span.source->standard) {
    Span name = entry->field->name_span;
    diagnostic_mend(diagnostic, (Span){name.source, name.to, name.to}, ": %s", span_text(e->session, type->span));
  }
  return false;
}

/* `...s` in a type: the sizes of so many axes from `first` on. A name that is not static in scope is bound to them. */
static bool bind_spread(Evaluator *e, Frame *frame, const Syntax *item, const Value *tensor, int first, int count,
                        const char *what, Span span) {
  const Syntax *sizes = item->operand;
  const int64_t *shape = tensor->tensor.shape + first;
  if (sizes->kind == SYNTAX_NAME && frame_find(frame, sizes->name) == NULL) {
    Value *list = value_list(e, count, NULL);
    for (int d = 0; d < count; d++) list->list.items[d] = value_number(e, (double)shape[d]);
    frame_define(e, frame, sizes->name, list);
    return true;
  }
  int rank;
  int64_t expected[OWN_LIMIT];
  if (!value_static_shape(e, evaluate(e, frame, sizes), sizes->span, &rank, expected)) return false;
  if (rank == count && memcmp(expected, shape, sizeof *shape * (size_t)rank) == 0) return true;
  Diagnostic *diagnostic = evaluator_report(e, E2004, span, "gives %s", value_text(e, tensor));
  diagnostic_also(diagnostic, item->span, "%s expects %s here", what, shape_text(e, rank, expected));
  return false;
}

static bool bind_shape(Evaluator *e, Frame *frame, const Syntax *type, const Value *tensor, const char *what,
                       Span span) {
  const SyntaxList *items = &type->type.shape->items;
  const Syntax *spread = NULL;
  for (int k = 0; k < items->count; k++) {
    if (items->items[k]->kind != SYNTAX_SPREAD) continue;
    if (spread != NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E2044, items->items[k]->span, "the second");
      diagnostic_title(diagnostic, "a shape has at most one `...`");
      diagnostic_also(diagnostic, spread->span, "the first");
      diagnostic_hint(diagnostic, "where the one ends and the other begins, nothing would say");
      return false;
    }
    spread = items->items[k];
  }
  int fixed = items->count - (spread != NULL);
  if (!count_axes(e, type, fixed, spread != NULL, tensor, what, span)) return false;
  int axis = 0;
  for (int k = 0; k < items->count; k++) {
    const Syntax *item = items->items[k];
    int axes = item->kind == SYNTAX_SPREAD ? tensor->tensor.rank - fixed : 1;
    bool bound = item->kind == SYNTAX_SPREAD
                     ? bind_spread(e, frame, item, tensor, axis, axes, what, span)
                     : bind_size(e, frame, type, item, tensor->tensor.shape[axis], tensor, what, span);
    if (!bound) return false;
    axis += axes;
  }
  return true;
}

Value *type_bind(Evaluator *e, Frame *frame, const Syntax *type, Value *value, const char *what, Span span) {
  Value *tensor = value_as_tensor(e, value, span);
  if (tensor->kind == VALUE_ERROR) return tensor;
  if (type->type.classes != NULL && !bind_labels(e, frame, type, tensor, what, span)) return value_error(e);
  if (type->type.shape != NULL) {
    if (!bind_shape(e, frame, type, tensor, what, span)) return value_error(e);
    bool of_tensors = value->kind == VALUE_LIST && value->list.count > 0 && value->list.items[0]->kind != VALUE_NUMBER;
    return of_tensors ? value : tensor;
  }
  if (tensor->tensor.rank == 0) return value->kind == VALUE_NUMBER ? value : tensor;
  evaluator_report(e, E2005, span, "gives %s, where %s is one number", value_text(e, tensor), what);
  return value_error(e);
}

/* ---- settings and parameters --------------------------------------------------------------------------------------
 */

/* Of an argument that is given by a name that nothing has: the name that may be meant. */
void report_parameter(Evaluator *e, Diagnostic *diagnostic, const char *name, Span argument, int count,
                      const char *const *known) {
  if (elsewhere_parameter(e, diagnostic, name, argument, count, known)) return;
  const char *nearest = diagnostic_nearest(name, known, count);
  if (nearest != NULL)
    diagnostic_mend(diagnostic, (Span){argument.source, argument.from, argument.from + (uint32_t)strlen(name)}, "%s",
                    nearest);
}

const char *parameter_name(const Syntax *parameter) { return parameter->parameter.field->field.name; }

const char **parameter_names(Evaluator *e, const SyntaxList *parameters, int *count) {
  const char **names = session_allocate(e->session, (size_t)parameters->count * sizeof *names);
  for (int k = 0; k < parameters->count; k++) names[k] = parameter_name(parameters->items[k]);
  *count = parameters->count;
  return names;
}

bool settings_bind(Evaluator *e, Frame *frame, const Recipe *recipe, const Syntax *definition, Span span) {
  for (int k = 0; k < definition->definition.settings.count; k++) {
    const Syntax *parameter = definition->definition.settings.items[k];
    Value *value = NULL;
    for (int j = 0; j < recipe->count; j++)
      if (recipe->settings[j].name == parameter_name(parameter)) value = recipe->settings[j].value;
    if (value == NULL && parameter->parameter.standard == NULL) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2030, span, "`%s` needs `%s`", definition->definition.name, parameter_name(parameter));
      diagnostic_also(diagnostic, parameter->span, "has no default");
      diagnostic_hint(diagnostic, "write `%s(%s = …)`", definition->definition.name, parameter_name(parameter));
      return false;
    }
    if (value == NULL) value = value_dereference(e, evaluate(e, frame, parameter->parameter.standard));
    if (value->kind == VALUE_ERROR) return false;
    frame_define(e, frame, parameter_name(parameter), value);
  }
  return true;
}

static bool is_one_value(const Value *a, const Value *b) {
  return a->kind == VALUE_TENSOR && b->kind == VALUE_TENSOR && a->tensor.element == b->tensor.element &&
         a->tensor.rank == b->tensor.rank &&
         memcmp(a->tensor.shape, b->tensor.shape, sizeof(int64_t) * (size_t)a->tensor.rank) == 0;
}

/* The file draws something of the parameter's name: that is given. */
static void mend_missing(Evaluator *e, Diagnostic *diagnostic, const CallArguments *arguments, const char *parameter) {
  Scope *where;
  Entry *entry = scope_find(e, &e->file, parameter, &where);
  bool drawn = entry != NULL && (entry->syntax->kind == SYNTAX_DATA || entry->syntax->kind == SYNTAX_NOISE);
  if (!drawn || e->depth != 1 || arguments->span.source == NULL ||
      arguments->span.source->text[arguments->span.to - 1] != ')')
    return;
  Span end = {arguments->span.source, arguments->span.to - 1, arguments->span.to - 1};
  diagnostic_mend(diagnostic, end, arguments->count + arguments->named_count > (e->piped != NULL) ? ", %s" : "%s",
                  parameter);
}

static bool check_count(Evaluator *e, const Syntax *definition, const CallArguments *arguments) {
  int most = definition->definition.parameters.count;
  if (arguments->count <= most) return true;
  Diagnostic *diagnostic =
      evaluator_report(e, E2026, arguments->spans[most], "`%s` takes %d", definition->definition.name, most);
  diagnostic_also(diagnostic, definition->name_span, "defined here");
  if (most == 0 || e->piped != NULL) return false;
  Span last = arguments->spans[arguments->count - 1], before = arguments->spans[most - 1];
  if (before.source == last.source && before.to < last.to)
    diagnostic_mend(diagnostic, (Span){last.source, before.to, last.to}, "%s", "");
  return false;
}

static bool check_names(Evaluator *e, const Syntax *definition, const CallArguments *arguments) {
  int count;
  const char **known = parameter_names(e, &definition->definition.parameters, &count);
  for (int k = 0; k < arguments->named_count; k++) {
    const char *name = arguments->names[k];
    Span span = arguments->named_spans[k];
    int place = 0;
    while (place < count && known[place] != name) place++;
    if (place < count && place >= arguments->count) continue;
    if (place < count) {
      evaluator_report(e, E2029, span, "`%s` is given already", name);
      return false;
    }
    Diagnostic *diagnostic =
        evaluator_report(e, E2028, span, "`%s` has no parameter `%s`", definition->definition.name, name);
    diagnostic_also(diagnostic, definition->name_span, "defined here");
    report_parameter(e, diagnostic, name, span, count, known);
    return false;
  }
  return true;
}

/* What the parameter is given, by place or by name, or else its default; NULL after a report. */
static Value *argument_of(Evaluator *e, Frame *frame, const Syntax *definition, const CallArguments *arguments, int k,
                          Span *span) {
  const Syntax *parameter = definition->definition.parameters.items[k];
  const char *name = parameter_name(parameter);
  *span = k < arguments->count ? arguments->spans[k] : arguments->span;
  if (k < arguments->count) return arguments->values[k];
  for (int j = 0; j < arguments->named_count; j++)
    if (arguments->names[j] == name) {
      *span = arguments->named_spans[j];
      return arguments->named[j];
    }
  if (parameter->parameter.standard != NULL) return evaluate(e, frame, parameter->parameter.standard);
  Diagnostic *diagnostic =
      evaluator_report(e, E2027, arguments->span, "`%s` needs `%s`", definition->definition.name, name);
  diagnostic_also(diagnostic, parameter->span, "defined here");
  mend_missing(e, diagnostic, arguments, name);
  return NULL;
}

/* The value as the parameter's type wants it; false after a report. */
static bool parameter_value(Evaluator *e, Frame *frame, const Syntax *definition, const CallArguments *arguments, int k,
                            Value **value, Span *span) {
  const Syntax *parameter = definition->definition.parameters.items[k];
  Value *given = argument_of(e, frame, definition, arguments, k, span);
  if (given == NULL) return false;
  given = value_stored(e, value_dereference(e, given), *span);
  if (given->kind == VALUE_ERROR) return false;
  const Syntax *type = parameter->parameter.field->field.type;
  if (type != NULL) {
    const char *what = session_format(e->session, "`%s` of %s", parameter_name(parameter), definition->definition.name);
    given = type_bind(e, frame, type, given, what, *span);
  }
  *value = given;
  return given->kind != VALUE_ERROR;
}

bool parameters_bind(Evaluator *e, Frame *frame, const Syntax *definition, const CallArguments *arguments) {
  const SyntaxList *parameters = &definition->definition.parameters;
  if (!check_count(e, definition, arguments) || !check_names(e, definition, arguments)) return false;
  Value **given = session_allocate(e->session, (size_t)(2 * parameters->count) * sizeof *given),
        **bound = given + parameters->count;
  for (int k = 0; k < parameters->count; k++) {
    const char *name = parameter_name(parameters->items[k]);
    Value *value;
    Span span;
    if (!parameter_value(e, frame, definition, arguments, k, &value, &span)) return false;
    given[k] = bound[k] = value;
    bool by_name = arguments->by_name != NULL && k < arguments->count && arguments->by_name[k];
    if (name_is_differentiated(e, frame->scope, definition->definition.body, name)) {
      Value *tensor = value->kind == VALUE_NUMBER ? value_as_tensor(e, value, span) : value;
      bound[k] = value_marked(e, tensor, by_name && value->kind != VALUE_LIST, frame->context.indices, span);
    }
    if (bound[k]->kind == VALUE_ERROR) return false;
    for (int j = 0; j < k; j++) { /* two names of what one name stands for: `grad` by either is by both */
      if (!by_name || !arguments->by_name[j] || !is_one_value(given[j], given[k])) continue;
      if (bound[j] != given[j]) bound[k] = bound[j];
      else if (bound[k] != given[k]) frame_define(e, frame, parameter_name(parameters->items[j]), bound[j] = bound[k]);
    }
    frame_define(e, frame, name, bound[k]);
  }
  return true;
}
