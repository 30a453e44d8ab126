/* Which names a body differentiates by. Takes a body and the scope that it stands in; returns a set of names, found in
   the text alone and before anything is evaluated: where the text does not tell, a name counts as one of them. */
#include "evaluator.h"

#include <string.h>

/* What a body differentiates by: in `grad(…, name)` the name, alone or in a list; in `a = name` with such an a, the
   name too; and in `f(name)` with an f that differentiates by its parameter: what is differentiated there is this
   value, by every path. */
typedef struct Alias {
  const char *of;
  struct Alias *next;
} Alias;
/* A name that a call is given: as its argument of this number, or (-1) as the one called so. */
typedef struct Handed {
  const char *name;
  const Syntax *function;
  int number;
  const char *parameter;
} Handed;
typedef struct DerivativeSearch {
  Evaluator *e;
  Scope *scope;
  Map aliases, made, *found;
  int count, capacity;
  const char **names;
  int handed_count, handed_capacity;
  Handed *handed;
} DerivativeSearch; /* names: those found; made: the value that a name of the body is first given */

static void found_derivative(DerivativeSearch *search, const Syntax *by) {
  if (by->kind == SYNTAX_NAME && map_add(search->e->session, search->found, by->name))
    ARRAY_ADD(search->e->session, search->names, search->count, search->capacity, by->name);
}

static void hand(DerivativeSearch *search, const Syntax *function, const Syntax *argument, int number,
                 const char *name) {
  if (argument->kind != SYNTAX_NAME) return;
  Handed handed = {argument->name, function, name == NULL ? number : -1, name};
  ARRAY_ADD(search->e->session, search->handed, search->handed_count, search->handed_capacity, handed);
}

static void hand_arguments(DerivativeSearch *search, const Syntax *call, int first) {
  for (int k = 0; k < call->call.arguments.count; k++) {
    const Syntax *item = call->call.arguments.items[k];
    if (item->kind == SYNTAX_ARGUMENT) hand(search, call->call.function, item->argument.value, -1, item->argument.name);
    else hand(search, call->call.function, item, first + k, NULL);
  }
}

static bool is_grad(const Syntax *syntax) {
  return syntax->call.function->kind == SYNTAX_NAME && strcmp(syntax->call.function->name, "grad") == 0;
}

static void search_derivatives(void *context, Syntax *syntax) {
  DerivativeSearch *search = context;
  if (syntax->kind == SYNTAX_CALL && is_grad(syntax)) {
    const Syntax *by = syntax->call.arguments.count == 2 ? syntax->call.arguments.items[1] : syntax;
    found_derivative(search, by);
    for (int k = 0; by->kind == SYNTAX_LIST && k < by->items.count; k++) found_derivative(search, by->items.items[k]);
  } else if (syntax->kind == SYNTAX_CALL) hand_arguments(search, syntax, 0);
  if (syntax->kind == SYNTAX_PIPE) {
    const Syntax *right = syntax->pipe.right;
    hand(search, right, syntax->pipe.left, 0, NULL);
    if (right->kind == SYNTAX_CALL) hand_arguments(search, right, 1);
  }
  if (syntax->kind == SYNTAX_ASSIGN && syntax->assign.op == OPERATOR_DEFINE &&
      syntax->assign.target->kind == SYNTAX_NAME) {
    const char *name = syntax->assign.target->name;
    if (map_get(&search->made, name) == NULL) map_put(search->e->session, &search->made, name, syntax->assign.value);
    if (syntax->assign.value->kind == SYNTAX_NAME) {
      Alias *alias = session_allocate(search->e->session, sizeof *alias);
      *alias = (Alias){syntax->assign.value->name, map_get(&search->aliases, name)};
      map_put(search->e->session, &search->aliases, name, alias);
    }
  }
  syntax_children(syntax, search_derivatives, search);
}

/* What a call runs: a definition, or nothing that differentiates (a word of the language), or something that only
   running the text would tell. */
typedef struct Callee {
  const Syntax *definition;
  Scope *scope;
  bool unknown;
} Callee;

static Callee callee_of(const DerivativeSearch *search, const Syntax *function) {
  enum { STEPS = 8 }; /* of names for names */
  const Callee unknown = {NULL, NULL, true};
  for (int step = 0; step < STEPS; step++) {
    while (function->kind == SYNTAX_CALL) function = function->call.function;
    if (function->kind != SYNTAX_NAME) return unknown;
    const Syntax *value = map_get(&search->made, function->name);
    if (value == NULL) break;
    function = value;
  }
  if (function->kind != SYNTAX_NAME) return unknown;
  Scope *where;
  Entry *entry = scope_find(search->e, search->scope, function->name, &where);
  if (entry == NULL) return (Callee){NULL, NULL, builtin_find(function->name) == NULL};
  const Syntax *syntax = entry->syntax;
  if (syntax->kind == SYNTAX_NETWORK) syntax = syntax->network.definition;
  if (syntax == NULL || (syntax->kind != SYNTAX_FN && syntax->kind != SYNTAX_LAYER)) return unknown;
  return (Callee){syntax, where, false};
}

static bool differentiates_by(DerivativeSearch *search, const Handed *handed) {
  Callee callee = callee_of(search, handed->function);
  if (callee.definition == NULL) return callee.unknown;
  const SyntaxList *parameters = &callee.definition->definition.parameters;
  bool settings =
      handed->number != 0 && handed->function->kind != SYNTAX_CALL && callee.definition->definition.has_settings;
  if (settings) return false;
  int number = handed->number;
  for (int k = 0; k < parameters->count && number < 0; k++)
    if (parameters->items[k]->parameter.field->field.name == handed->parameter) number = k;
  if (number < 0 || number >= parameters->count) return false;
  const char *name = parameters->items[number]->parameter.field->field.name;
  return name_is_differentiated(search->e, callee.scope, callee.definition->definition.body, name);
}

bool name_is_differentiated(Evaluator *e, Scope *scope, const Syntax *body, const char *name) {
  Map *names = map_get(&e->differentiated, body);
  if (names != NULL) return map_get(names, name) != NULL;
  names = session_allocate(e->session, sizeof *names);
  map_put(e->session, &e->differentiated, body, names); /* before what it calls: that may be itself */
  DerivativeSearch search = {.e = e, .scope = scope, .found = names};
  search_derivatives(&search, (Syntax *)(uintptr_t)body);
  for (int k = 0; k < search.handed_count; k++)
    if (map_get(names, search.handed[k].name) == NULL && differentiates_by(&search, &search.handed[k]) &&
        map_add(e->session, names, search.handed[k].name))
      ARRAY_ADD(e->session, search.names, search.count, search.capacity, search.handed[k].name);
  for (int k = 0; k < search.count; k++)
    for (const Alias *alias = map_get(&search.aliases, search.names[k]); alias != NULL; alias = alias->next)
      if (map_add(e->session, names, alias->of))
        ARRAY_ADD(e->session, search.names, search.count, search.capacity, alias->of);
  return map_get(names, name) != NULL;
}
