/* What a name means: names of a body, indices, names of the file, of the standard library, of the language. Takes names
   and frames; returns values. A name of the file stands for its expression, evaluated at most once in an evaluation. */
#include "evaluator.h"

#include <math.h>
#include <string.h>

/* ---- frames ------------------------------------------------------------------------------------------------------ */

Value *frame_find(const Frame *frame, const char *name) {
  int place = map_number(&frame->places, name);
  return place == 0 ? NULL : frame->names[place - 1].value;
}

bool frame_holds_instance(const Frame *frame, const char *path) {
  int place = map_number(&frame->instances, path);
  if (place == 0 || place > frame->count) return false; /* of one that went with its scope nothing is left */
  const Value *value = frame->names[place - 1].value;
  return value->kind == VALUE_INSTANCE && value->instance->path == path;
}

static void instance_remember(Evaluator *e, Frame *frame, const Value *value, int place) {
  if (value->kind == VALUE_INSTANCE && !frame_holds_instance(frame, value->instance->path))
    map_put_number(e->session, &frame->instances, value->instance->path, place);
}

static void frame_push(Evaluator *e, Frame *frame, const char *name, Value *value) {
  FrameName binding = {name, value, map_number(&frame->places, name)};
  ARRAY_ADD(e->session, frame->names, frame->count, frame->capacity, binding);
  map_put_number(e->session, &frame->places, name, frame->count);
  instance_remember(e, frame, value, frame->count);
}

/* What instances are called is remembered: they are hidden, not replaced. So only the last of what a name stands for in
   its scope may be anything else. */
void frame_define(Evaluator *e, Frame *frame, const char *name, Value *value) {
  int last = map_number(&frame->places, name);
  if (last <= frame->floor || frame->names[last - 1].value->kind == VALUE_INSTANCE) {
    frame_push(e, frame, name, value);
    return;
  }
  frame->names[last - 1].value = value;
  instance_remember(e, frame, value, last);
}

void frame_forget(Evaluator *e, Frame *frame, int count) {
  for (; frame->count > count; frame->count--) {
    const FrameName *last = &frame->names[frame->count - 1];
    map_put_number(e->session, &frame->places, last->name, last->before);
  }
}

void frame_remove(Evaluator *e, Frame *frame, int count, const char *const *names) {
  FrameName *before = frame->names;
  int before_count = frame->count;
  bool found = false;
  for (int k = 0; k < count; k++)
    for (int place = map_number(&frame->places, names[k]); place > 0; place = before[place - 1].before)
      before[place - 1].value = NULL, found = true;
  if (!found) return;
  frame->names = NULL, frame->count = frame->capacity = 0, frame->places = frame->instances = (Map){0};
  for (int k = 0; k < before_count; k++)
    if (before[k].value != NULL) frame_push(e, frame, before[k].name, before[k].value);
}

Frame frame_top(Evaluator *e, bool training, const char *path) {
  return (Frame){
      .scope = &e->file, .context = {.path = path, .call = "", .fresh = "", .training = training}, .loop = ""};
}

/* ---- labels: the name and number of every place that applies something ------------------------------------------- */

typedef struct Labelling {
  Evaluator *e;
  Map numbers;
} Labelling; /* of each name: how many places there were */

static void label_places(void *context, Syntax *syntax) {
  Labelling *labelling = context;
  if (syntax->kind == SYNTAX_FN || syntax->kind == SYNTAX_LAYER ||
      (syntax->kind == SYNTAX_NETWORK && syntax->network.definition != NULL))
    return;
  const Syntax *function = syntax->kind == SYNTAX_CALL   ? syntax->call.function
                           : syntax->kind == SYNTAX_PIPE ? syntax->pipe.right
                                                         : NULL;
  if (syntax->kind == SYNTAX_PIPE) label_places(context, syntax->pipe.left);
  if (function != NULL && function->kind == SYNTAX_NAME) {
    Evaluator *e = labelling->e;
    int number = map_number(&labelling->numbers, function->name) + 1;
    map_put_number(e->session, &labelling->numbers, function->name, number);
    if (function->id >= e->label_count) {
      int larger = 2 * function->id + 64;
      const char **moved = session_allocate(e->session, (size_t)larger * sizeof *moved);
      if (e->label_count > 0) memcpy(moved, e->labels, (size_t)e->label_count * sizeof *moved);
      e->labels = moved, e->label_count = larger;
    }
    e->labels[function->id] = session_format(e->session, "%s_%d", function->name, number);
  }
  if (syntax->kind == SYNTAX_PIPE) label_places(context, syntax->pipe.right);
  else syntax_children(syntax, label_places, context);
}

void labels_assign(Evaluator *e, const Syntax *body) {
  Labelling labelling = {.e = e};
  label_places(&labelling, (Syntax *)(uintptr_t)body);
}

const char *label_of(Evaluator *e, const Syntax *function) {
  while (function->kind == SYNTAX_CALL) function = function->call.function;
  if (function->kind == SYNTAX_NAME && function->id < e->label_count && e->labels[function->id] != NULL)
    return e->labels[function->id];
  return function->kind == SYNTAX_NAME ? function->name : "call";
}

/* ---- scopes ------------------------------------------------------------------------------------------------------ */

static const char *const reserved_names[] = {"E",    "grad",  "constant", "copy",     "states", "training", "batch",
                                             "step", "epoch", "image",    "progress", "true",   "false",    "pi"};

bool name_is_reserved(const char *name) {
  for (size_t k = 0; k < sizeof reserved_names / sizeof *reserved_names; k++)
    if (strcmp(reserved_names[k], name) == 0) return true;
  return false;
}

bool name_may_be_defined(Evaluator *e, const char *name, Span span) {
  if (!name_is_reserved(name)) return true;
  evaluator_report(e, E2049, span, "`%s` cannot be defined anew", name);
  return false;
}

static const char *field_name(const Syntax *syntax) {
  return syntax->kind == SYNTAX_PARAMETER ? syntax->parameter.field->field.name : syntax->field.name;
}

/* Of parameters, settings or results: no name stands twice. */
static void check_distinct(Evaluator *e, const SyntaxList *first, const SyntaxList *second) {
  for (int k = 0; k < first->count + second->count; k++)
    for (int j = 0; j < k; j++) {
      const Syntax *here = k < first->count ? first->items[k] : second->items[k - first->count],
                   *there = j < first->count ? first->items[j] : second->items[j - first->count];
      if (field_name(here) != field_name(there)) continue;
      Diagnostic *diagnostic = evaluator_report(e, E2002, here->span, "`%s` again", field_name(here));
      diagnostic_also(diagnostic, there->span, "first here");
      return;
    }
}

/* What a definition names: by words that are not the language's, each once. */
static void check_fields(void *context, Syntax *syntax) {
  Evaluator *e = context;
  static const SyntaxList none = {0};
  if (syntax->kind == SYNTAX_FIELD)
    name_may_be_defined(e, syntax->field.name, syntax->name_span.source != NULL ? syntax->name_span : syntax->span);
  if (syntax->kind == SYNTAX_FN || syntax->kind == SYNTAX_LAYER)
    check_distinct(e, &syntax->definition.settings, &syntax->definition.parameters);
  if (syntax->kind == SYNTAX_RESULT && syntax->result.name != NULL)
    name_may_be_defined(e, syntax->result.name, syntax->span);
  if (syntax->kind == SYNTAX_RESULT) check_distinct(e, &syntax->result.fields, &none);
  syntax_children(syntax, check_fields, e);
}

static bool is_ascii(const char *text) {
  while (*text != '\0' && (unsigned char)*text < 0x80) text++;
  return *text == '\0';
}

static void entry_add(Evaluator *e, Scope *scope, const char *name, Span name_span, const Syntax *syntax,
                      const Syntax *field) {
  if (!name_may_be_defined(e, name, name_span)) return;
  int place = map_number(&scope->places, name);
  if (place > 0) {
    const Entry *before = &scope->entries[place - 1];
    const Syntax *first = before->field != NULL ? before->field : before->syntax;
    Diagnostic *diagnostic = evaluator_report(e, E2002, name_span, "`%s` again", name);
    diagnostic_also(diagnostic, first->name_span.source != NULL ? first->name_span : first->span, "first here");
    diagnostic_hint(diagnostic, "at the top of a file every name is defined once; order does not matter there");
    return;
  }
  for (int k = 0; k < scope->count && !is_ascii(name) && scope->standard != NULL; k++)
    if (names_look_alike(scope->entries[k].name, name)) {
      const Syntax *first = scope->entries[k].field != NULL ? scope->entries[k].field : scope->entries[k].syntax;
      Diagnostic *diagnostic = evaluator_report(e, E2002, name_span, "`%s` again", name);
      diagnostic_also(diagnostic, first->name_span.source != NULL ? first->name_span : first->span, "first here");
      diagnostic_hint(diagnostic,
                      "they look the same: a letter with a mark is one character in the one, two in the other");
      return;
    }
  Entry entry = {.name = name, .syntax = syntax, .field = field};
  ARRAY_ADD(e->session, scope->entries, scope->count, scope->capacity, entry);
  map_put_number(e->session, &scope->places, name, scope->count);
}

static void collect_assignment(Evaluator *e, Scope *scope, const Syntax *syntax) {
  const Syntax *target = syntax->assign.target;
  const Syntax *base = target->kind == SYNTAX_SUBSCRIPT ? target->subscript.operand : target;
  if (target->kind == SYNTAX_CALL) {
    Diagnostic *diagnostic = evaluator_report(e, E2045, target->span, "this looks like a function");
    diagnostic_hint(diagnostic, "write `fn` before it");
  } else if (target->kind == SYNTAX_AT) evaluator_report(e, E4005, target->span, "here");
  else if (base->kind != SYNTAX_NAME || syntax->assign.op != OPERATOR_DEFINE) {
    Diagnostic *diagnostic = evaluator_report(e, E2044, syntax->span, "at the top of a file");
    diagnostic_hint(diagnostic,
                    "at the top of a file stand definitions: `name = expression`; what moves stands in `train`");
  } else entry_add(e, scope, base->name, base->span, syntax, NULL);
}

void scope_collect(Evaluator *e, Scope *scope, const Syntax *file) {
  for (int k = 0; k < file->items.count; k++) {
    const Syntax *syntax = file->items.items[k];
    switch (syntax->kind) {
    case SYNTAX_FN:
    case SYNTAX_LAYER:
      entry_add(e, scope, syntax->definition.name, syntax->name_span, syntax, NULL);
      check_fields(e, (Syntax *)(uintptr_t)syntax);
      labels_assign(e, syntax->definition.body);
      break;
    case SYNTAX_NETWORK:
      entry_add(e, scope, syntax->network.name, syntax->name_span, syntax, NULL);
      syntax_children(syntax, check_fields, e);
      if (syntax->network.definition != NULL) labels_assign(e, syntax->network.definition->definition.body);
      if (syntax->network.from != NULL) evaluator_report(e, E4007, syntax->network.from->span, "here");
      break;
    case SYNTAX_DATA:
      if (syntax->data.together) evaluator_report(e, E4009, syntax->span, "here");
      for (int j = 0; j < syntax->data.fields.count; j++) {
        const Syntax *field = syntax->data.fields.items[j];
        entry_add(e, scope, field->field.name, field->span, syntax, field);
      }
      break;
    case SYNTAX_NOISE:
      entry_add(e, scope, syntax->noise.field->field.name, syntax->noise.field->span, syntax, syntax->noise.field);
      break;
    case SYNTAX_STATE:
      entry_add(e, scope, syntax->variable.field->field.name, syntax->variable.field->span, syntax,
                syntax->variable.field);
      break;
    case SYNTAX_WEIGHT: evaluator_report(e, E3011, syntax->span, "no network holds it"); break;
    case SYNTAX_ASSIGN: collect_assignment(e, scope, syntax); break;
    case SYNTAX_USE: evaluator_report(e, E4006, syntax->span, "here"); break;
    case SYNTAX_PHASE: evaluator_report(e, E4002, syntax->span, "here"); break;
    case SYNTAX_OBJECTIVE:
    case SYNTAX_TRAIN:
    case SYNTAX_OUTPUT: break; /* not names; the model reads them */
    default: {
      Diagnostic *diagnostic = evaluator_report(e, E2044, syntax->span, "at the top of a file");
      if (syntax->kind == SYNTAX_UPDATE || syntax->kind == SYNTAX_OPTIMIZE || syntax->kind == SYNTAX_REPEAT ||
          syntax->kind == SYNTAX_EVERY || syntax->kind == SYNTAX_DRAW)
        diagnostic_hint(diagnostic, "it belongs into `train { }`");
    }
    }
  }
}

const char **scope_names(Evaluator *e, const Scope *scope, SyntaxKind kind, int *count) {
  const char **names = session_allocate(e->session, (size_t)(scope->count + 1) * sizeof *names);
  *count = 0;
  for (int k = 0; k < scope->count; k++)
    if (scope->entries[k].syntax->kind == kind) names[(*count)++] = scope->entries[k].name;
  return names;
}

Entry *scope_find(Evaluator *e, Scope *scope, const char *name, Scope **where) {
  (void)e;
  for (; scope != NULL; scope = scope->standard) {
    int place = map_number(&scope->places, name);
    if (place == 0) continue;
    *where = scope;
    return &scope->entries[place - 1];
  }
  return NULL;
}

/* ---- names of a file --------------------------------------------------------------------------------------------- */

static bool literal_number(const Syntax *syntax, double *value) {
  bool negative = syntax->kind == SYNTAX_UNARY && syntax->unary.op == OPERATOR_NEGATE;
  if (negative) syntax = syntax->unary.operand;
  if (syntax->kind != SYNTAX_NUMBER) return false;
  *value = negative ? -syntax->number.value : syntax->number.value;
  return true;
}

static Value *setting_of(Evaluator *e, Entry *entry, double value) {
  if (entry->setting == NULL) {
    entry->setting = session_allocate(e->session, sizeof *entry->setting);
    *entry->setting = (Setting){.name = entry->name, .value = value, .tensor = -1, .span = entry->syntax->span};
    ARRAY_ADD(e->session, e->settings, e->setting_count, e->setting_capacity, entry->setting);
  }
  return setting_value(e, entry->setting);
}

static Value *definition_value(Evaluator *e, Entry *entry, Scope *scope, const Frame *caller) {
  const Syntax *syntax = entry->syntax;
  double literal;
  if (scope->standard != NULL && syntax->assign.target->kind == SYNTAX_NAME &&
      literal_number(syntax->assign.value, &literal))
    return setting_of(e, entry, literal);
  const char *key = session_string(e->session, session_format(e->session, "name %s %d%s", entry->name,
                                                              caller->context.training, caller->context.fresh));
  Value *value = memory_find(e, key, NULL, NULL);
  if (value != NULL) return value;
  entry->state = ENTRY_BUSY;
  Record record = {0};
  record_open(e, &record);
  Index *indices = e->indices,
        *by_variable[VARIABLE_LIMIT]; /* indices of the place that mentions the name mean nothing here */
  memcpy(by_variable, e->by_variable, sizeof by_variable);
  e->indices = NULL;
  Sampling *sampling = e->sampling;
  e->sampling = NULL;
  Frame frame = frame_top(e, caller->context.training, "");
  frame.scope = scope;
  frame.context.fresh = caller->context.fresh;
  if (syntax->assign.target->kind == SYNTAX_SUBSCRIPT)
    value = evaluate_indexed_assignment(e, &frame, syntax, NULL, NULL);
  else
    value = value_named(e, &frame, entry->name, value_dereference(e, evaluate(e, &frame, syntax->assign.value)),
                        syntax->span);
  value = value_stored(e, value, syntax->span);
  if (scope->syntax != NULL && name_is_differentiated(e, scope, scope->syntax, entry->name))
    value = value_marked(e, value, syntax->assign.value->kind == SYNTAX_NAME, 0, syntax->span);
  e->indices = indices;
  e->sampling = sampling;
  memcpy(e->by_variable, by_variable, sizeof by_variable);
  record_close(e, &record);
  entry->state = ENTRY_NEW;
  if (value->kind == VALUE_INSTANCE || value->kind == VALUE_ERROR) entry->value = value, entry->state = ENTRY_DONE;
  else memory_add(e, key, &record, "", "", value);
  return value;
}

/* `network A = G`, where weights of its own are meant: both become networks of one layer. */
static void report_second(Evaluator *e, Diagnostic *diagnostic, const Syntax *second, const Network *first) {
  Scope *where;
  const Entry *entry = scope_find(e, &e->file, first->name, &where);
  diagnostic_hint(diagnostic,
                  "each network has weights of its own; two of one form are two networks of one layer: `network %s = "
                  "Layer`, `network %s = Layer`",
                  first->name, second->network.name);
  const Syntax *of = entry == NULL ? NULL : entry->syntax, *value = second->network.value;
  if (of == NULL || of->kind != SYNTAX_NETWORK || value->kind != SYNTAX_NAME) return;
  const char *layer = of->network.definition == NULL ? span_text(e->session, of->network.value->span)
                                                     : session_format(e->session, "%sLayer", first->name);
  if (of->network.definition != NULL)
    diagnostic_mend(diagnostic, (Span){of->span.source, of->span.from, of->name_span.to}, "network %s = %s; layer %s",
                    first->name, layer, layer);
  diagnostic_mend(diagnostic, value->span, "%s", layer);
}

static Network *network_of(Evaluator *e, Entry *entry, Scope *scope) {
  const Syntax *syntax = entry->syntax;
  Network *network = session_allocate(e->session, sizeof *network);
  network->name = entry->name;
  network->span = syntax->span;
  if (syntax->network.definition != NULL) {
    Definition *definition = session_allocate(e->session, sizeof *definition);
    *definition = (Definition){syntax->network.definition, scope};
    network->definition = definition;
  } else {
    Frame frame = frame_top(e, true, "");
    frame.scope = scope;
    Value *value = evaluate(e, &frame, syntax->network.value);
    if (value->kind == VALUE_ERROR) return NULL;
    network->recipe = value_recipe(e, value);
    if (network->recipe == NULL || network->recipe->definition == NULL) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2046, syntax->network.value->span, "this is %s", value_text(e, value));
      if (value->kind == VALUE_NETWORK) report_second(e, diagnostic, syntax, value->network);
      return NULL;
    }
  }
  ARRAY_ADD(e->session, e->networks, e->network_count, e->network_capacity, network);
  return network;
}

static Value *entry_value(Evaluator *e, Entry *entry, Scope *scope, Frame *frame, Span span) {
  if (entry->state == ENTRY_DONE) return entry->value;
  const Syntax *syntax = entry->syntax;
  Value *value;
  if (entry->state == ENTRY_BUSY) {
    Diagnostic *diagnostic = evaluator_report(e, E2048, syntax->span, "`%s` leads back to itself", entry->name);
    if (syntax->kind == SYNTAX_ASSIGN) diagnostic_hint(diagnostic, "what changes from round to round is a `state`");
    return value_error(e);
  }
  switch (syntax->kind) {
  case SYNTAX_FN:
  case SYNTAX_LAYER: {
    Definition *definition = session_allocate(e->session, sizeof *definition);
    *definition = (Definition){syntax, scope};
    value = value_kind(e, VALUE_FUNCTION);
    value->function = definition;
    break;
  }
  case SYNTAX_NETWORK: {
    entry->state = ENTRY_BUSY;
    Network *network = network_of(e, entry, scope);
    value = network == NULL ? value_error(e) : value_kind(e, VALUE_NETWORK);
    if (network != NULL) value->network = network;
    break;
  }
  case SYNTAX_STATE: {
    entry->state = ENTRY_BUSY;
    Frame top = frame_top(e, true, "");
    Slot *slot = slot_declare(e, &top, syntax, entry->name, ROLE_STATE);
    value = slot == NULL ? value_error(e) : value_kind(e, VALUE_SLOT);
    if (slot != NULL) value->slot = slot;
    break;
  }
  case SYNTAX_NOISE:
  case SYNTAX_DATA:
    if (e->sampling != NULL && e->sampling->kind == SAMPLE_INITIAL) {
      evaluator_report(e, E4020, span, "`%s` is random", entry->name);
      return value_error(e);
    }
    if (frame->definition != NULL && frame->definition->kind == SYNTAX_LAYER) {
      Diagnostic *diagnostic = evaluator_report(e, E3033, span, "`%s` is not a parameter here", entry->name);
      diagnostic_also(diagnostic, syntax->span, "a random variable of the file");
      diagnostic_hint(diagnostic, "add it to the parameters, and give it where the layer is applied");
      return value_error(e);
    }
    entry->state = ENTRY_BUSY;
    value = syntax->kind == SYNTAX_NOISE ? top_noise(e, frame, syntax) : top_data(e, frame, syntax, entry->field);
    entry->state = ENTRY_NEW;
    return value;
  default: return definition_value(e, entry, scope, frame);
  }
  entry->value = value, entry->state = ENTRY_DONE;
  return value;
}

/* ---- lookup ------------------------------------------------------------------------------------------------------ */

Value *name_find(Evaluator *e, Frame *frame, const char *name, Span span) {
  Value *value = frame_find(frame, name);
  if (value != NULL) return value;
  Index *index = index_find(e, name);
  if (index != NULL) return index_value(e, index);
  if (strcmp(name, "batch") == 0) return value_number(e, e->evaluation->batch);
  if (strcmp(name, "training") == 0) return value_truth(e, frame->context.training);
  Scope *where;
  Entry *entry = scope_find(e, frame->scope, name, &where);
  if (entry != NULL) {
    bool checking = e->checking;
    entry->mentioned |= !checking;
    e->checking = false; /* what its text mentions is mentioned */
    value = entry_value(e, entry, where, frame, span);
    e->checking = checking;
    return value;
  }
  value = counter_value(e, name, span);
  if (value != NULL) return value;
  value = builtin_constant(e, name);
  if (value != NULL) return value;
  const Builtin *builtin = builtin_find(name);
  if (builtin == NULL) return NULL;
  value = value_kind(e, VALUE_BUILTIN);
  value->builtin = builtin;
  return value;
}

Value *name_lookup(Evaluator *e, Frame *frame, const char *name, Span span) {
  Value *value = name_find(e, frame, name, span);
  if (value != NULL) return value;
  if (strcmp(name, "copy") == 0 || strcmp(name, "states") == 0) {
    evaluator_report(e, name[0] == 'c' ? E4003 : E4004, span, "here");
    return value_error(e);
  }
  Diagnostic *diagnostic = evaluator_report(e, E2001, span, "nothing is called `%s`", name);
  int count = 0, capacity = 0, builtin_count;
  const char **names = NULL;
  for (int k = frame->count - 1; k >= 0; k--) ARRAY_ADD(e->session, names, count, capacity, frame->names[k].name);
  for (Scope *scope = frame->scope; scope != NULL; scope = scope->standard)
    for (int k = 0; k < scope->count; k++) ARRAY_ADD(e->session, names, count, capacity, scope->entries[k].name);
  const char *const *builtins = builtin_names(e, &builtin_count);
  for (int k = 0; k < builtin_count; k++) ARRAY_ADD(e->session, names, count, capacity, builtins[k]);
  for (int k = 0; k < count && !is_ascii(name); k++)
    if (names_look_alike(names[k], name)) {
      diagnostic_hint(
          diagnostic,
          "there is one that looks the same: a letter with a mark is one character in the one, two in the other");
      diagnostic_mend(diagnostic, span, "%s", names[k]);
      return value_error(e);
    }
  if (elsewhere_name(e, diagnostic, name, span)) return value_error(e);
  const char *nearest = diagnostic_nearest(name, names, count);
  if (nearest != NULL) diagnostic_mend(diagnostic, span, "%s", nearest);
  return value_error(e);
}

static void report_player(Evaluator *e, const char *name, Span span) {
  enum { NAMED = 8 }; /* in the hint */
  int count;
  const char **names = scope_names(e, &e->file, SYNTAX_NETWORK, &count), *all = "";
  for (int k = 0; k < count && k < NAMED; k++)
    all = session_format(e->session, "%s%s`%s`", all, k == 0 ? "" : ", ", names[k]);
  if (count > NAMED) all = session_format(e->session, "%s and %d more", all, count - NAMED);
  Diagnostic *diagnostic = evaluator_report(e, E2001, span, "nothing is called `%s`", name);
  const char *nearest = diagnostic_nearest(name, names, count);
  if (nearest != NULL) diagnostic_mend(diagnostic, span, "%s", nearest);
  else if (count > 0) diagnostic_hint(diagnostic, "a player is a network; this file has %s", all);
}

Network *network_find(Evaluator *e, Frame *frame, const char *name, Span span) {
  if (name_find(e, frame, name, span) == NULL) {
    report_player(e, name, span);
    return NULL;
  }
  Value *value = name_lookup(e, frame, name, span);
  if (value->kind == VALUE_NETWORK) return value->network;
  if (value->kind != VALUE_ERROR) {
    Diagnostic *diagnostic = evaluator_report(e, E3013, span, "this is %s", value_text(e, value));
    diagnostic_hint(diagnostic, "a player is a network: `network %s(…) { … }`", name);
  }
  return NULL;
}
