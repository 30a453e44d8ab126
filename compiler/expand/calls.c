/* Calls: functions written in place, recipes, instances, networks. Takes syntax or values; returns the value of the
   call. An instance is one call where its arguments, its weights and the states that it reads are the same. */
#include "evaluator.h"

#include <string.h>

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static bool arguments_evaluate(Evaluator *e, Frame *frame, const SyntaxList *syntax, Value *first,
                               const Syntax *first_syntax, Span span, CallArguments *arguments) {
  int most = syntax->count + 1;
  *arguments = (CallArguments){.span = span};
  arguments->values = session_allocate(e->session, (size_t)most * sizeof(Value *));
  arguments->spans = session_allocate(e->session, (size_t)most * sizeof(Span));
  arguments->by_name = session_allocate(e->session, (size_t)most * sizeof(bool));
  arguments->names = session_allocate(e->session, (size_t)most * sizeof(char *));
  arguments->named = session_allocate(e->session, (size_t)most * sizeof(Value *));
  arguments->named_spans = session_allocate(e->session, (size_t)most * sizeof(Span));
  if (first != NULL) {
    arguments->values[0] = first;
    arguments->spans[0] = result_span(first_syntax);
    arguments->by_name[0] = first_syntax->kind == SYNTAX_NAME;
    arguments->count = 1;
  }
  bool fine = true;
  for (int k = 0; k < syntax->count; k++) {
    const Syntax *item = syntax->items[k];
    const Syntax *expression = item->kind == SYNTAX_ARGUMENT ? item->argument.value : item;
    Value *value = evaluate(e, frame, expression);
    if (value->kind == VALUE_ERROR) fine = false;
    if (value->kind == VALUE_NUMBER && frame->scope->standard != NULL) literal_note(e, value, expression->span);
    if (item->kind == SYNTAX_ARGUMENT) {
      for (int j = 0; j < arguments->named_count; j++)
        if (arguments->names[j] == item->argument.name)
          evaluator_report(e, E2029, item->span, "`%s` again", item->argument.name), fine = false;
      arguments->names[arguments->named_count] = item->argument.name;
      arguments->named[arguments->named_count] = value;
      arguments->named_spans[arguments->named_count++] = item->span;
    } else {
      arguments->values[arguments->count] = value;
      arguments->by_name[arguments->count] = expression->kind == SYNTAX_NAME;
      arguments->spans[arguments->count++] = result_span(expression);
    }
  }
  return fine;
}

/* `training = …` is understood by every call. */
static bool take_training(Evaluator *e, CallArguments *arguments, bool *training) {
  for (int k = 0; k < arguments->named_count; k++) {
    if (strcmp(arguments->names[k], "training") != 0) continue;
    if (!value_static_truth(e, arguments->named[k], arguments->named_spans[k], training)) return false;
    arguments->named_count--;
    for (int j = k; j < arguments->named_count; j++) {
      arguments->names[j] = arguments->names[j + 1], arguments->named[j] = arguments->named[j + 1];
      arguments->named_spans[j] = arguments->named_spans[j + 1];
    }
  }
  return true;
}

Span result_span(const Syntax *expression) {
  while (expression->kind == SYNTAX_PIPE) expression = expression->pipe.right;
  return expression->span;
}

/* ---- recipes ----------------------------------------------------------------------------------------------------- */

static bool takes_settings(const Value *function) {
  if (function->kind == VALUE_FUNCTION) return function->function->syntax->definition.has_settings;
  return function->kind == VALUE_BUILTIN && function->builtin->kind == BUILTIN_DISTRIBUTION;
}

/* Of an argument that is given by a name that nothing has: the name that may be meant. */
static void report_parameter(Evaluator *e, Diagnostic *diagnostic, const char *name, Span argument, int count,
                             const char *const *known) {
  if (elsewhere_parameter(e, diagnostic, name, argument, count, known)) return;
  const char *nearest = diagnostic_nearest(name, known, count);
  if (nearest != NULL)
    diagnostic_mend(diagnostic, (Span){argument.source, argument.from, argument.from + (uint32_t)strlen(name)}, "%s",
                    nearest);
}

static const char *parameter_name(const Syntax *parameter) { return parameter->parameter.field->field.name; }

static bool is_truth_name(const Syntax *syntax) {
  return syntax != NULL && syntax->kind == SYNTAX_NAME &&
         (strcmp(syntax->name, "true") == 0 || strcmp(syntax->name, "false") == 0);
}

/* Settings of the library that are true or false by default; `Linear(784, 64)` gives the size of its input too, and so
   says that there is a bias. */
static bool truths_check(Evaluator *e, const Recipe *recipe, const CallArguments *arguments) {
  if (recipe->definition == NULL || recipe->definition->scope->standard != NULL) return true;
  const SyntaxList *settings = &recipe->definition->syntax->definition.settings;
  for (int k = 0; k < arguments->count && k < settings->count; k++) {
    const Value *value = recipe->settings[k].value;
    if (!is_truth_name(settings->items[k]->parameter.standard) || value->kind != VALUE_NUMBER || value->number.truth)
      continue;
    const char *name = recipe->definition->syntax->definition.name, *setting = parameter_name(settings->items[k]);
    Diagnostic *diagnostic =
        evaluator_report(e, E2021, arguments->spans[k], "`%s` of `%s` is true or false, and this is %s", setting, name,
                         value_text(e, value));
    if (k != 1) return false;
    diagnostic_hint(diagnostic, "`%s` is given the size of its result; that of its input is known", name);
    if (recipe->settings[0].value->kind == VALUE_NUMBER)
      diagnostic_mend(diagnostic,
                      (Span){arguments->spans[0].source, arguments->spans[0].from, arguments->spans[1].from}, "%s", "");
    return false;
  }
  return true;
}

static Value *recipe_make(Evaluator *e, Value *function, const CallArguments *arguments) {
  Recipe *recipe = session_allocate(e->session, sizeof *recipe);
  recipe->settings =
      session_allocate(e->session, (size_t)(arguments->count + arguments->named_count + 1) * sizeof(Binding));
  const SyntaxList *parameters = NULL;
  int most;
  const char *name;
  if (function->kind == VALUE_BUILTIN) {
    recipe->builtin = function->builtin;
    most = function->builtin->most, name = function->builtin->name;
  } else {
    recipe->definition = function->function;
    parameters = &function->function->syntax->definition.settings;
    most = parameters->count, name = function->function->syntax->definition.name;
  }
  if (arguments->count > most) {
    Diagnostic *diagnostic = evaluator_report(e, E2031, arguments->spans[most], "`%s` takes %d", name, most);
    if (parameters != NULL)
      diagnostic_hint(diagnostic,
                      "the values come in a second list: `%s(settings)(values)`, or `value |> %s(settings)`", name,
                      name);
    return value_error(e);
  }
  for (int k = 0; k < arguments->count; k++) {
    const char *setting = parameters != NULL ? parameter_name(parameters->items[k])
                                             : session_string(e->session, function->builtin->settings[k]);
    recipe->settings[recipe->count++] = (Binding){setting, value_dereference(e, arguments->values[k])};
  }
  const char **known = session_allocate(e->session, (size_t)(most + 1) * sizeof *known);
  for (int j = 0; j < most; j++)
    known[j] = parameters != NULL ? parameter_name(parameters->items[j])
                                  : session_string(e->session, function->builtin->settings[j]);
  for (int k = 0; k < arguments->named_count; k++) {
    const char *setting = arguments->names[k];
    bool found = false;
    for (int j = 0; j < most; j++) found |= known[j] == setting;
    if (!found) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2028, arguments->named_spans[k], "`%s` has no setting `%s`", name, setting);
      report_parameter(e, diagnostic, setting, arguments->named_spans[k], most, known);
      return value_error(e);
    }
    for (int j = 0; j < recipe->count; j++)
      if (recipe->settings[j].name == setting) {
        evaluator_report(e, E2029, arguments->named_spans[k], "`%s` is given already", setting);
        return value_error(e);
      }
    recipe->settings[recipe->count++] = (Binding){setting, value_dereference(e, arguments->named[k])};
  }
  for (int k = 0; k < recipe->count; k++) {
    Value *value = recipe->settings[k].value;
    if (value->kind == VALUE_TENSOR && value->tensor.random) {
      bool listed = k < arguments->count;
      Diagnostic *diagnostic =
          evaluator_report(e, listed ? E2066 : E3034, listed ? arguments->spans[k] : arguments->span,
                           "`%s` takes settings here, and this is random", name);
      diagnostic_hint(diagnostic, "values come in a second list: `%s(settings)(values)`, or `value |> %s(settings)`",
                      name, name);
      return value_error(e);
    }
  }
  if (!truths_check(e, recipe, arguments)) return value_error(e);
  Value *value = value_kind(e, VALUE_RECIPE);
  for (int k = 0; k < recipe->count; k++) recipe->leaves += value_leaves(recipe->settings[k].value);
  value->recipe = recipe;
  return work_goes_on(e, recipe->leaves, arguments->span) ? value : value_error(e);
}

const Recipe *value_recipe(Evaluator *e, Value *value) {
  if (value->kind == VALUE_RECIPE) return value->recipe;
  if (value->kind != VALUE_FUNCTION && value->kind != VALUE_BUILTIN) return NULL;
  Recipe *recipe = session_allocate(e->session, sizeof *recipe);
  if (value->kind == VALUE_FUNCTION) recipe->definition = value->function;
  else recipe->builtin = value->builtin;
  return recipe;
}

static const char *instance_path(Evaluator *e, const Context *context, const char *label, const char *loop) {
  const char *path =
      session_format(e->session, "%s%s%s%s", context->path, context->path[0] == '\0' ? "" : ".", label, loop);
  return session_string(e->session, path);
}

/* A recipe of a layer that is given a name becomes an instance; so do the elements of a list. */
Value *value_named(Evaluator *e, Frame *frame, const char *name, Value *value, Span span) {
  if (value->kind == VALUE_LIST) {
    bool recipes = value->list.count > 0;
    for (int k = 0; k < value->list.count; k++) {
      const Recipe *recipe = value_recipe(e, value->list.items[k]);
      recipes &= recipe != NULL && recipe->definition != NULL && recipe->definition->syntax->kind == SYNTAX_LAYER;
    }
    if (!recipes) return value;
    Value *list = value_list(e, value->list.count, value->list.items);
    for (int k = 0; k < list->list.count; k++)
      list->list.items[k] =
          value_named(e, frame, session_format(e->session, "%s[%d]", name, k), list->list.items[k], span);
    return list;
  }
  const Recipe *recipe = value_recipe(e, value);
  if (recipe == NULL || recipe->definition == NULL || recipe->definition->syntax->kind != SYNTAX_LAYER) return value;
  if (value->kind == VALUE_FUNCTION && recipe->definition->syntax->definition.has_settings == false &&
      frame->definition == NULL)
    return value;
  Instance *instance = session_allocate(e->session, sizeof *instance);
  *instance = (Instance){recipe, instance_path(e, &frame->context, name, frame->loop), frame->context.network};
  if (frame_holds_instance(frame, instance->path)) {
    evaluator_report(e, E2042, span, "`%s` again", name);
    return value_error(e);
  }
  Value *named = value_kind(e, VALUE_INSTANCE);
  named->instance = instance;
  return named;
}

/* ---- running a definition ---------------------------------------------------------------------------------------- */

static bool bind_settings(Evaluator *e, Frame *frame, const Recipe *recipe, const Syntax *definition, Span span) {
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

static bool bind_parameters(Evaluator *e, Frame *frame, const Syntax *definition, const CallArguments *arguments) {
  const SyntaxList *parameters = &definition->definition.parameters;
  const char *name = definition->definition.name;
  if (arguments->count > parameters->count) {
    Diagnostic *diagnostic =
        evaluator_report(e, E2026, arguments->spans[parameters->count], "`%s` takes %d", name, parameters->count);
    diagnostic_also(diagnostic, definition->name_span, "defined here");
    if (parameters->count > 0) {
      Span last = arguments->spans[arguments->count - 1], before = arguments->spans[parameters->count - 1];
      if (before.source == last.source && before.to < last.to && e->piped == NULL)
        diagnostic_mend(diagnostic, (Span){last.source, before.to, last.to}, "%s", "");
    }
    return false;
  }
  for (int k = 0; k < arguments->named_count; k++) {
    bool found = false;
    for (int j = 0; j < parameters->count; j++) {
      if (parameter_name(parameters->items[j]) != arguments->names[k]) continue;
      found = true;
      if (j < arguments->count) {
        evaluator_report(e, E2029, arguments->named_spans[k], "`%s` is given already", arguments->names[k]);
        return false;
      }
    }
    if (!found) {
      Diagnostic *diagnostic = evaluator_report(e, E2028, arguments->named_spans[k], "`%s` has no parameter `%s`", name,
                                                arguments->names[k]);
      diagnostic_also(diagnostic, definition->name_span, "defined here");
      const char *known[64];
      int known_count = 0;
      for (int j = 0; j < parameters->count && known_count < 64; j++)
        known[known_count++] = parameter_name(parameters->items[j]);
      report_parameter(e, diagnostic, arguments->names[k], arguments->named_spans[k], known_count, known);
      return false;
    }
  }
  Value **given = session_allocate(e->session, (size_t)(2 * parameters->count + 1) * sizeof *given),
        **bound = given + parameters->count;
  for (int k = 0; k < parameters->count; k++) {
    const Syntax *parameter = parameters->items[k];
    const char *parameter_text = parameter_name(parameter);
    Value *value = k < arguments->count ? arguments->values[k] : NULL;
    Span span = k < arguments->count ? arguments->spans[k] : arguments->span;
    for (int j = 0; j < arguments->named_count; j++)
      if (arguments->names[j] == parameter_text) value = arguments->named[j], span = arguments->named_spans[j];
    if (value == NULL && parameter->parameter.standard != NULL)
      value = evaluate(e, frame, parameter->parameter.standard);
    if (value == NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E2027, arguments->span, "`%s` needs `%s`", name, parameter_text);
      diagnostic_also(diagnostic, parameter->span, "defined here");
      mend_missing(e, diagnostic, arguments, parameter_text);
      return false;
    }
    value = value_stored(e, value_dereference(e, value), span);
    if (value->kind == VALUE_ERROR) return false;
    const Syntax *type = parameter->parameter.field->field.type;
    if (type != NULL)
      value = type_bind(e, frame, type, value, session_format(e->session, "`%s` of %s", parameter_text, name), span);
    if (value->kind == VALUE_ERROR) return false;
    given[k] = bound[k] = value;
    bool by_name = arguments->by_name != NULL && k < arguments->count && arguments->by_name[k];
    if (name_is_differentiated(e, frame->scope, definition->definition.body, parameter_text)) {
      Value *tensor = value->kind == VALUE_NUMBER ? value_as_tensor(e, value, span) : value;
      bound[k] = value_marked(e, tensor, by_name && value->kind != VALUE_LIST, frame->context.indices, span);
    }
    if (bound[k]->kind == VALUE_ERROR) return false;
    for (int j = 0; j < k; j++) { /* two names of what one name stands for: `grad` by either is by both */
      if (!by_name || !arguments->by_name[j] || !is_one_value(given[j], given[k])) continue;
      if (bound[j] != given[j]) bound[k] = bound[j];
      else if (bound[k] != given[k]) frame_define(e, frame, parameter_name(parameters->items[j]), bound[j] = bound[k]);
    }
    frame_define(e, frame, parameter_text, bound[k]);
  }
  return true;
}

static const Syntax *last_statement(const Syntax *body) {
  return body->kind == SYNTAX_BLOCK && body->items.count > 0 ? body->items.items[body->items.count - 1] : body;
}

static int64_t shape_size(int rank, const int64_t *shape) {
  int64_t size = 1;
  for (int d = 0; d < rank; d++) size *= shape[d];
  return size;
}

/* The result of a body that ends with an expression: another size in it, or one function more behind it. */
static void mend_result(Evaluator *e, Diagnostic *diagnostic, const Syntax *definition, const Value *tensor, int rank,
                        const int64_t *shape) {
  const Syntax *result = definition->definition.result, *last = last_statement(definition->definition.body);
  if (result->result.name != NULL || result->result.fields.count > 0 || last->kind == SYNTAX_CONDITIONAL ||
      last->kind == SYNTAX_IF)
    return;
  Span end = {last->span.source, last->span.to, last->span.to};
  int64_t got = shape_size(tensor->tensor.rank, tensor->tensor.shape), wanted = shape_size(rank, shape);
  if (rank == 1 && tensor->tensor.rank == 1) mend_size(e, diagnostic, last, got, wanted);
  else if (got == wanted && rank == 0 && tensor->tensor.rank == 1) diagnostic_mend(diagnostic, end, " |> scalar");
  else if (got == wanted && rank == 1) diagnostic_mend(diagnostic, end, " |> flatten");
  else if (got == wanted) diagnostic_mend(diagnostic, end, " |> reshape(%s)", shape_text(e, rank, shape));
}

static Value *check_promise(Evaluator *e, Frame *frame, const Syntax *type, Value *value, Span span,
                            const Syntax *definition) {
  const char *name = definition->definition.name;
  int rank, classes;
  int64_t shape[OWN_LIMIT];
  if (value->kind == VALUE_ERROR || type == NULL) return value;
  if (!type_shape(e, frame, type, &rank, shape, &classes)) return value_error(e);
  Value *tensor = value_as_tensor(e, value, span);
  if (tensor->kind == VALUE_ERROR) return tensor;
  if (tensor->tensor.rank != rank || memcmp(tensor->tensor.shape, shape, sizeof(int64_t) * (size_t)rank) != 0) {
    Diagnostic *diagnostic = evaluator_report(e, E2040, span, "gives %s", value_text(e, tensor));
    diagnostic_also(diagnostic, type->span, "promises %s", shape_text(e, rank, shape));
    mend_result(e, diagnostic, definition, tensor, rank, shape);
    if (rank == 0 && tensor->tensor.rank == 1 && tensor->tensor.shape[0] == 1)
      diagnostic_hint(diagnostic, "`scalar` turns [1] into []");
    else if (rank == 0) diagnostic_hint(diagnostic, "%s must give one number per sample", name);
    return value_error(e);
  }
  return value->kind == VALUE_NUMBER ? value : tensor;
}

static Value *result_of(Evaluator *e, Frame *frame, const Syntax *definition, Value *value) {
  const Syntax *result = definition->definition.result, *body = definition->definition.body;
  const char *name = definition->definition.name;
  if (result == NULL || (result->result.name == NULL && result->result.fields.count == 0)) {
    if (value == NULL) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2038, definition->name_span, "`%s` ends without an expression", name);
      diagnostic_hint(diagnostic, "the value of a body is its last expression, or what its result names: `-> y: [n]`");
      return value_error(e);
    }
    value = value_dereference(e, value);
    return result == NULL
               ? value
               : check_promise(e, frame, result->result.type, value, result_span(last_statement(body)), definition);
  }
  int count = result->result.name != NULL ? 1 : result->result.fields.count;
  Value *record = value_kind(e, VALUE_RECORD);
  record->record.count = count;
  record->record.items = session_allocate(e->session, (size_t)count * sizeof(Binding));
  for (int k = 0; k < count; k++) {
    const Syntax *field = result->result.name != NULL ? NULL : result->result.fields.items[k];
    const char *promised = field == NULL ? result->result.name : field->field.name;
    const Syntax *type = field == NULL ? result->result.type : field->field.type;
    Value *given = frame_find(frame, promised);
    if (given == NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E2039, field == NULL ? result->span : field->span,
                                                "the body never defines `%s`", promised);
      diagnostic_hint(diagnostic, "write `%s = …` in it", promised);
      return value_error(e);
    }
    given = check_promise(e, frame, type, value_dereference(e, given), result->span, definition);
    if (given->kind == VALUE_ERROR) return given;
    record->record.items[k] = (Binding){promised, given};
  }
  return result->result.name != NULL                           ? record->record.items[0].value
         : work_goes_on(e, value_leaves(record), result->span) ? record
                                                               : value_error(e);
}

Value *recipe_run(Evaluator *e, const Recipe *recipe, Context context, const CallArguments *arguments) {
  const Syntax *definition = recipe->definition->syntax;
  if (++e->depth > CALL_LIMIT) {
    e->depth--;
    Diagnostic *diagnostic = evaluator_report(e, E2036, arguments->span, "`%s` is %d calls deep here",
                                              definition->definition.name, CALL_LIMIT);
    diagnostic_hint(diagnostic, "recursion ends by an `if` on something static, such as `len(list)`");
    e->exhausted = true;
    return value_error(e);
  }
  Frame frame = {.scope = recipe->definition->scope, .context = context, .definition = definition, .loop = ""};
  bool of_network = context.network != NULL && context.network->definition != NULL &&
                    context.network->definition->syntax == definition;
  CallSite site = {of_network ? "network" : syntax_kind_name(definition->kind), definition->definition.name,
                   arguments->span, e->site};
  Index *indices = e->indices; /* those of the caller mean nothing here */
  e->indices = NULL;
  Value *value = NULL;
  Declared declared;
  if (!bind_settings(e, &frame, recipe, definition, arguments->span) ||
      !bind_parameters(e, &frame, definition, arguments))
    value = value_error(e);
  else {
    const char *path = e->path;
    e->site = &site;
    e->path = context.path;
    const Syntax *result = definition->definition.result;
    int errors = e->error_count; /* a promise that cannot be read spoils all that follows */
    if (result != NULL && result->result.name != NULL) declared_shape(e, &frame, result->result.name, &declared);
    value = e->error_count > errors ? value_error(e) : body_run(e, &frame, definition->definition.body);
    if (value == NULL || value->kind != VALUE_ERROR) value = result_of(e, &frame, definition, value);
    e->site = site.outer;
    e->path = path;
  }
  e->indices = indices;
  e->depth--;
  return value;
}

/* ---- instances --------------------------------------------------------------------------------------------------- */

static const char *arguments_key(Evaluator *e, const char *kind, const char *path, const CallArguments *arguments,
                                 const Context *context) {
  const char *key = session_format(e->session, "%s %s %d(", kind, path, context->training);
  for (int k = 0; k < arguments->count; k++)
    key = session_format(e->session, "%s%s,", key, value_key(e, arguments->values[k]));
  for (int k = 0; k < arguments->named_count; k++)
    key = session_format(e->session, "%s%s=%s,", key, arguments->names[k], value_key(e, arguments->named[k]));
  return session_string(e->session, key);
}

/* How many calls of the path came before in this evaluation. */
static int next_call(Evaluator *e, const char *path) {
  path = session_string(e->session, path);
  int count = map_number(&e->evaluation->calls, path);
  map_put_number(e->session, &e->evaluation->calls, path, count + 1);
  return count;
}

/* What the call's noise is named by: the ordinal of the network's call, and of the instance's own where one call of a
   network applies it several times. */
static const char *call_name(Evaluator *e, const Context *context, bool numbered) {
  if (numbered) return session_format(e->session, "#%d", next_call(e, context->path));
  int again = next_call(e, session_format(e->session, "%s%s", context->path, context->call));
  return again == 0 ? context->call : session_format(e->session, "%s.%d", context->call, again);
}

/* What sets apart the noise of equal calls: the call of the network, and the indices for whose every value it is
   applied. */
static const char *place_of(Evaluator *e, const Context *context, bool numbered) {
  const char *place = numbered ? "" : context->call;
  for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++) {
    if ((context->indices & 1u << v) == 0) continue;
    place = session_format(e->session, "%s %d:%lld", place, v, (long long)e->by_variable[v]->extent);
  }
  return place;
}

static Value *instance_run(Evaluator *e, const Recipe *recipe, Context context, const CallArguments *given,
                           const char *kind, bool numbered) {
  CallArguments arguments = *given;
  arguments.values = session_allocate(e->session, (size_t)(given->count + 1) * sizeof(Value *));
  for (int k = 0; k < given->count; k++) { /* equal arguments are recognised once they are stored */
    arguments.values[k] = value_stored(e, value_dereference(e, given->values[k]), given->spans[k]);
    if (arguments.values[k]->kind == VALUE_ERROR) return arguments.values[k];
  }
  const char *key = arguments_key(e, kind, context.path, &arguments, &context),
             *place = place_of(e, &context, numbered);
  Value *value = memory_find(e, key, place, context.fresh);
  if (value != NULL) return value;
  context.call = call_name(e, &context, numbered);
  Record record = {0};
  record_open(e, &record);
  value = recipe_run(e, recipe, context, &arguments);
  if (value->kind == VALUE_TENSOR) value = value_stored(e, value, given->span);
  record_close(e, &record);
  memory_add(e, key, &record, place, context.fresh, value);
  return value;
}

static Value *network_run(Evaluator *e, Frame *frame, Network *network, const CallArguments *arguments, bool training) {
  if (frame->context.network != NULL && frame->context.network != network)
    network_add_network(e, frame->context.network, network);
  Context context = {.path = network->name,
                     .network = network,
                     .call = "#0",
                     .fresh = frame->context.fresh,
                     .training = training,
                     .indices = frame->context.indices};
  Recipe plain = {.definition = network->definition};
  CallSite site = {"network", network->name, arguments->span, e->site};
  for (int k = 0; k < arguments->count; k++) network_given(e, network, arguments->values[k], arguments->spans[k]);
  if (network->recipe != NULL) e->site = &site; /* a definition of its own says so itself */
  Value *value =
      instance_run(e, network->recipe != NULL ? network->recipe : &plain, context, arguments, "network", true);
  e->site = site.outer;
  return value;
}

/* ---- application ------------------------------------------------------------------------------------------------- */

Value *value_apply(Evaluator *e, Frame *frame, Value *function, const CallArguments *given, const char *label) {
  CallArguments arguments = *given;
  Context context = frame->context;
  if (!take_training(e, &arguments, &context.training)) return value_error(e);
  if (function->kind == VALUE_NETWORK) return network_run(e, frame, function->network, &arguments, context.training);
  if (function->kind == VALUE_INSTANCE) {
    context.path = function->instance->path;
    context.network = function->instance->network;
    return instance_run(e, function->instance->recipe, context, &arguments, "layer", context.network == NULL);
  }
  const Recipe *recipe = value_recipe(e, function);
  if (recipe == NULL) {
    if (function->kind != VALUE_ERROR) {
      Diagnostic *diagnostic = evaluator_report(e, E2025, arguments.span, "this is %s", value_text(e, function));
      diagnostic_hint(diagnostic, "functions, layers, recipes and networks can be called");
    }
    return value_error(e);
  }
  if (recipe->builtin != NULL) {
    const Builtin *builtin = recipe->builtin;
    if (arguments.named_count > 0) {
      Diagnostic *diagnostic = evaluator_report(e, E2028, arguments.named_spans[0], "`%s` has no parameter `%s`",
                                                builtin->name, arguments.names[0]);
      elsewhere_parameter(e, diagnostic, arguments.names[0], arguments.named_spans[0], 0, NULL);
      return value_error(e);
    }
    if (builtin->kind == BUILTIN_DISTRIBUTION) {
      if (arguments.count != 1) {
        evaluator_report(e, arguments.count == 0 ? E2027 : E2026, arguments.span,
                         "a distribution is applied to one shape");
        return value_error(e);
      }
      Value *values[3] = {NULL}; /* the settings in their order, NULL where one is left out; then the shape */
      Span spans[3] = {arguments.span, arguments.span, arguments.span};
      for (int k = 0; k < builtin->most; k++)
        for (int j = 0; j < recipe->count; j++)
          if (strcmp(recipe->settings[j].name, builtin->settings[k]) == 0) values[k] = recipe->settings[j].value;
      values[builtin->most] = arguments.values[0], spans[builtin->most] = arguments.spans[0];
      Arguments plain = {builtin->most + 1, values, spans, arguments.span};
      return builtin->run(e, frame, builtin, &plain);
    }
    if (arguments.count < builtin->least || arguments.count > builtin->most) {
      evaluator_report(e, arguments.count < builtin->least ? E2027 : E2026, arguments.span,
                       "`%s` takes %d value%s, and this gives %d", builtin->name,
                       arguments.count < builtin->least ? builtin->least : builtin->most, builtin->most == 1 ? "" : "s",
                       arguments.count);
      return value_error(e);
    }
    Arguments plain = {arguments.count, arguments.values, arguments.spans, arguments.span};
    return builtin->run(e, frame, builtin, &plain);
  }
  context.path = instance_path(e, &context, label, frame->loop);
  if (recipe->definition->syntax->kind == SYNTAX_LAYER)
    return instance_run(e, recipe, context, &arguments, "layer", context.network == NULL);
  return recipe_run(e, recipe, context, &arguments);
}

/* A call is applied for every value of the indices that its text mentions, of those that run where it stands: not of
   its own reductions. */
static Value *apply_where_mentioned(Evaluator *e, const Frame *frame, Value *function, const CallArguments *arguments,
                                    const Syntax *name) {
  Frame here = *frame;
  for (const Index *index = e->indices; index != NULL; index = index->outer)
    here.context.indices |= e->mentioned & 1u << index->variable;
  return value_apply(e, &here, function, arguments, label_of(e, name));
}

static Value *call_in_place(Evaluator *e, Frame *frame, const Syntax *call, Value *first, const Syntax *first_syntax) {
  const Syntax *name = call->call.function;
  if (first == NULL && name->kind == SYNTAX_NAME && strcmp(name->name, "grad") == 0)
    return evaluate_grad(e, frame, call);
  Value *function = evaluate(e, frame, name);
  bool settings = takes_settings(function);
  CallArguments arguments;
  bool fine = arguments_evaluate(e, frame, &call->call.arguments, settings ? NULL : first, first_syntax, call->span,
                                 &arguments);
  if (!fine || function->kind == VALUE_ERROR) return value_error(e);
  if (!settings) return apply_where_mentioned(e, frame, function, &arguments, name);
  Value *recipe = recipe_make(e, function, &arguments);
  if (first == NULL || recipe->kind == VALUE_ERROR) return recipe;
  Span span = result_span(first_syntax);
  CallArguments values = {.count = 1, .values = &first, .spans = &span, .span = call->span};
  return apply_where_mentioned(e, frame, recipe, &values, name);
}

/* While a call is read and applied, messages can tell what it is given. */
static Value *call_with(Evaluator *e, Frame *frame, const Syntax *call, Value *first, const Syntax *first_syntax) {
  const Syntax *outer = e->call, *outer_piped = e->piped;
  e->call = call, e->piped = first_syntax;
  Value *value = call_in_place(e, frame, call, first, first_syntax);
  e->call = outer, e->piped = outer_piped;
  return value;
}

static Value *call_run(Evaluator *e, Frame *frame, const Syntax *call) { return call_with(e, frame, call, NULL, NULL); }

/* Reads a call or pipe; what its text mentions, the text around it mentions too, but not the other way about. */
static Value *mentions_apart(Evaluator *e, Frame *frame, const Syntax *syntax,
                             Value *(*run)(Evaluator *, Frame *, const Syntax *)) {
  uint32_t around = e->mentioned;
  e->mentioned = 0;
  Value *value = run(e, frame, syntax);
  e->mentioned |= around;
  return value;
}

Value *evaluate_call(Evaluator *e, Frame *frame, const Syntax *call) {
  return mentions_apart(e, frame, call, call_run);
}

/* The mistakes that a call holds whatever it is applied to: in its name and in its arguments. */
static void check_call(Evaluator *e, Frame *frame, const Syntax *right) {
  CallArguments arguments;
  const Syntax *function = right->kind == SYNTAX_CALL ? right->call.function : right, *outer = e->call;
  if (right->kind == SYNTAX_CALL) e->call = right;
  if (function->kind == SYNTAX_NAME || function->kind == SYNTAX_MEMBER) evaluate(e, frame, function);
  e->call = outer;
  if (right->kind == SYNTAX_CALL)
    arguments_evaluate(e, frame, &right->call.arguments, NULL, NULL, right->span, &arguments);
}

static Value *pipe_run(Evaluator *e, Frame *frame, const Syntax *pipe) {
  Value *left = evaluate(e, frame, pipe->pipe.left);
  const Syntax *right = pipe->pipe.right;
  if (left->kind == VALUE_ERROR) {
    check_call(e, frame, right);
    return left;
  }
  if (right->kind == SYNTAX_CALL) return call_with(e, frame, right, left, pipe->pipe.left);
  const Syntax *outer = e->call, *outer_piped = e->piped;
  e->call = NULL, e->piped = pipe->pipe.left;
  Value *function = evaluate(e, frame, right);
  Span span = result_span(pipe->pipe.left);
  CallArguments arguments = {.count = 1, .values = &left, .spans = &span, .span = right->span};
  Value *value =
      function->kind == VALUE_ERROR ? function : apply_where_mentioned(e, frame, function, &arguments, right);
  e->call = outer, e->piped = outer_piped;
  return value;
}

Value *evaluate_pipe(Evaluator *e, Frame *frame, const Syntax *pipe) {
  return mentions_apart(e, frame, pipe, pipe_run);
}
