/* Recipes: functions with their settings, and the layers among them that a name makes instances. Takes values that are
   evaluated; returns a recipe or an instance; what it is given that is no setting is reported here. */
#include "evaluator.h"

#include <string.h>

bool function_takes_settings(const Value *function) {
  if (function->kind == VALUE_FUNCTION) return function->function->syntax->definition.has_settings;
  return function->kind == VALUE_BUILTIN && function->builtin->kind == BUILTIN_DISTRIBUTION;
}

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

/* Of a function or a builtin, with no settings yet. */
static Recipe *recipe_of(Evaluator *e, const Value *function) {
  Recipe *recipe = session_allocate(e->session, sizeof *recipe);
  if (function->kind == VALUE_FUNCTION) recipe->definition = function->function;
  else recipe->builtin = function->builtin;
  return recipe;
}

/* The names of the settings: of a definition, or of a distribution. */
static const char **setting_names(Evaluator *e, const Value *function, int *count) {
  if (function->kind == VALUE_FUNCTION)
    return parameter_names(e, &function->function->syntax->definition.settings, count);
  const Builtin *builtin = function->builtin;
  const char **names = session_allocate(e->session, (size_t)builtin->most * sizeof *names);
  for (int k = 0; k < builtin->most; k++) names[k] = session_string(e->session, builtin->settings[k]);
  *count = builtin->most;
  return names;
}

/* name: of what the recipe is made of; known: what can be set. */
typedef struct Making {
  Recipe *recipe;
  const char *name;
  int known_count;
  const char **known;
  const CallArguments *arguments;
} Making;

static void hint_second_list(Diagnostic *diagnostic, const char *name) {
  diagnostic_hint(diagnostic, "values come in a second list: `%s(settings)(values)`, or `value |> %s(settings)`", name,
                  name);
}

static bool take_listed(Evaluator *e, const Making *making) {
  const CallArguments *arguments = making->arguments;
  Recipe *recipe = making->recipe;
  if (arguments->count > making->known_count) {
    Diagnostic *diagnostic = evaluator_report(e, E2031, arguments->spans[making->known_count], "`%s` takes %d",
                                              making->name, making->known_count);
    if (recipe->builtin == NULL) hint_second_list(diagnostic, making->name);
    return false;
  }
  for (int k = 0; k < arguments->count; k++)
    recipe->settings[recipe->count++] = (Binding){making->known[k], value_dereference(e, arguments->values[k])};
  return true;
}

static bool take_named(Evaluator *e, const Making *making) {
  const CallArguments *arguments = making->arguments;
  Recipe *recipe = making->recipe;
  for (int k = 0; k < arguments->named_count; k++) {
    const char *setting = arguments->names[k];
    Span span = arguments->named_spans[k];
    bool found = false;
    for (int j = 0; j < making->known_count; j++) found |= making->known[j] == setting;
    if (!found) {
      Diagnostic *diagnostic = evaluator_report(e, E2028, span, "`%s` has no setting `%s`", making->name, setting);
      report_parameter(e, diagnostic, setting, span, making->known_count, making->known);
      return false;
    }
    for (int j = 0; j < recipe->count; j++)
      if (recipe->settings[j].name == setting) {
        evaluator_report(e, E2029, span, "`%s` is given already", setting);
        return false;
      }
    recipe->settings[recipe->count++] = (Binding){setting, value_dereference(e, arguments->named[k])};
  }
  return true;
}

/* What is random is a value, and stands in the other list. */
static bool settings_are_settled(Evaluator *e, const Making *making) {
  const CallArguments *arguments = making->arguments;
  for (int k = 0; k < making->recipe->count; k++) {
    const Value *value = making->recipe->settings[k].value;
    if (value->kind != VALUE_TENSOR || !value->tensor.random) continue;
    bool listed = k < arguments->count;
    Diagnostic *diagnostic = evaluator_report(e, listed ? E2066 : E3034, listed ? arguments->spans[k] : arguments->span,
                                              "`%s` takes settings here, and this is random", making->name);
    if (making->recipe->builtin != NULL) diagnostic_hint(diagnostic, "bounds are numbers; take `E[…]` of it");
    else hint_second_list(diagnostic, making->name);
    return false;
  }
  return true;
}

Value *recipe_make(Evaluator *e, const Value *function, const CallArguments *arguments) {
  Recipe *recipe = recipe_of(e, function);
  Making making = {.recipe = recipe, .arguments = arguments};
  making.name = recipe->builtin != NULL ? recipe->builtin->name : recipe->definition->syntax->definition.name;
  making.known = setting_names(e, function, &making.known_count);
  recipe->settings =
      session_allocate(e->session, (size_t)(arguments->count + arguments->named_count) * sizeof(Binding));
  if (!take_listed(e, &making) || !take_named(e, &making) || !settings_are_settled(e, &making) ||
      !truths_check(e, recipe, arguments))
    return value_error(e);
  for (int k = 0; k < recipe->count; k++) recipe->leaves += value_leaves(recipe->settings[k].value);
  Value *value = value_kind(e, VALUE_RECIPE);
  value->recipe = recipe;
  return work_goes_on(e, recipe->leaves, arguments->span) ? value : value_error(e);
}

const Recipe *value_recipe(Evaluator *e, const Value *value) {
  if (value->kind == VALUE_RECIPE) return value->recipe;
  return value->kind == VALUE_FUNCTION || value->kind == VALUE_BUILTIN ? recipe_of(e, value) : NULL;
}

const char *instance_path(Evaluator *e, const Context *context, const char *label, const char *loop) {
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
