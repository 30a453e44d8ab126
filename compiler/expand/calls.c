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

/* ---- running a definition ---------------------------------------------------------------------------------------- */

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
  if (!settings_bind(e, &frame, recipe, definition, arguments->span) ||
      !parameters_bind(e, &frame, definition, arguments))
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
  bool settings = function_takes_settings(function);
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
