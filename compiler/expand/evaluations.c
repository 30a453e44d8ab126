/* An evaluation: one statement of `train`, one `draw`, one `output` or one initial value. Takes what expressions
   compute and move; returns routines. Remembers calls, so that equal calls are one, as long as nothing that they read
   has moved. */
#include "evaluator.h"
#include "tests/mutants/mutant.h"

#include <string.h>

void slots_reset(Evaluator *e) {
  for (int k = 0; k < e->slot_count; k++) e->slots[k]->current = e->model->tensors[e->slots[k]->tensor].input;
}

Evaluation *evaluation_open(Evaluator *e, const char *name) {
  Evaluation *evaluation = session_allocate(e->session, sizeof *evaluation);
  *evaluation = (Evaluation){.name = name, .batch = e->batch, .outer = e->evaluation};
  e->evaluation = evaluation;
  return evaluation;
}

void evaluation_abandon(Evaluator *e) {
  bool outermost = e->evaluation->outer == NULL;
  e->evaluation = e->evaluation->outer;
  if (outermost) slots_reset(e);
}

void evaluation_fill(Evaluator *e, int tensor) {
  Evaluation *evaluation = e->evaluation;
  evaluation->counted = true;
  for (int k = 0; k < evaluation->fill_count; k++)
    if (evaluation->fills[k] == tensor) return;
  ARRAY_ADD(e->session, evaluation->fills, evaluation->fill_count, evaluation->fill_capacity, tensor);
}

/* Of several on one target the last. */
static Effect *effect_on(int count, Effect *effects, const Node *target) {
  for (int k = 0; k < count; k++)
    if (effects[k].target == target) return &effects[k];
  return NULL;
}

void evaluation_result(Evaluator *e, int tensor, const Value *value, Span span) {
  Evaluation *evaluation = e->evaluation;
  Node *node = value_node(e, value, span);
  if (node == NULL) return;
  Effect effect = {e->model->tensors[tensor].input, node, span};
  Effect *known = effect_on(evaluation->result_count, evaluation->results, effect.target);
  if (known != NULL) *known = effect;
  else ARRAY_ADD(e->session, evaluation->results, evaluation->result_count, evaluation->result_capacity, effect);
}

void evaluation_told(Evaluator *e, int tensor, Node *value, Span span) {
  Evaluation *evaluation = e->evaluation;
  Effect effect = {e->model->tensors[tensor].input, value, span};
  Effect *known = effect_on(evaluation->told_count, evaluation->told, effect.target);
  if (known != NULL) *known = effect;
  else ARRAY_ADD(e->session, evaluation->told, evaluation->told_count, evaluation->told_capacity, effect);
}

int model_add_routine(Model *model, ModelRoutine routine) {
  ARRAY_ADD(model->session, model->routines, model->routine_count, model->routine_capacity, routine);
  return model->routine_count - 1;
}

int evaluation_close(Evaluator *e, RoutineKind kind, Span span) {
  Evaluation *evaluation = e->evaluation;
  EffectList effects = {evaluation->result_count + evaluation->told_count, NULL};
  bool initial = evaluation->outer != NULL; /* nothing moves while an initial value is found */
  for (int k = 0; k < e->slot_count && !initial; k++)
    effects.count += e->slots[k]->current != e->model->tensors[e->slots[k]->tensor].input;
  effects.items = session_allocate(e->session, (size_t)(effects.count + 1) * sizeof *effects.items);
  int count = 0;
  for (int k = 0; k < evaluation->result_count; k++) effects.items[count++] = evaluation->results[k];
  for (int k = 0; k < e->slot_count && !initial; k++) {
    Slot *slot = e->slots[k];
    Node *input = e->model->tensors[slot->tensor].input;
    if (slot->current != input) effects.items[count++] = (Effect){input, slot->current, slot->span};
  }
  for (int k = 0; k < evaluation->told_count; k++) effects.items[count++] = evaluation->told[k];
  int ordinal = -1;
  if (evaluation->counted && (kind == ROUTINE_UPDATE || kind == ROUTINE_ASSIGN || kind == ROUTINE_EXPRESSION))
    ordinal = MUTANT(ordinal_shared) ? -1 : e->ordinal++;
  evaluation_abandon(e);
  if (effects.count == 0 && ordinal < 0) return -1; /* one that draws counts, whatever comes of it */
  return model_add_routine(e->model, (ModelRoutine){.name = evaluation->name,
                                                    .kind = kind,
                                                    .effects = effects,
                                                    .told = evaluation->told_count,
                                                    .ordinal = ordinal,
                                                    .batch = evaluation->batch,
                                                    .fill_count = evaluation->fill_count,
                                                    .fills = evaluation->fills,
                                                    .span = span});
}

/* ---- records and memory ------------------------------------------------------------------------------------------ */

void record_open(Evaluator *e, Record *record) {
  record->outer = e->record;
  e->record = record;
}

void record_close(Evaluator *e, Record *record) { e->record = record->outer; }

void record_slot(Evaluator *e, Slot *slot, bool moved) {
  for (Record *record = e->record; record != NULL; record = record->outer) {
    int place = map_number(&record->places, slot);
    if (place == 0) {
      Reading reading = {slot, slot->current, false};
      ARRAY_ADD(e->session, record->readings, record->count, record->capacity, reading);
      map_put_number(e->session, &record->places, slot, place = record->count);
    }
    record->readings[place - 1].moved |= moved;
  }
}

void record_draw(Evaluator *e, bool own) {
  for (Record *record = e->record; record != NULL; record = record->outer) record->noisy |= own, record->drawn = true;
}

static bool memory_is_valid(const CallMemory *memory, const char *place, const char *fresh) {
  const Record *record = memory->record;
  if (record->noisy && place != NULL && strcmp(place, memory->place) != 0) return false;
  if (record->drawn && fresh != NULL && strcmp(fresh, memory->fresh) != 0) return false;
  for (int k = 0; k < record->count; k++)
    if ((!record->readings[k].moved || MUTANT(calls_twice)) &&
        record->readings[k].slot->current != record->readings[k].node)
      return false;
  return true;
}

Value *memory_find(Evaluator *e, const char *key, const char *place, const char *fresh) {
  for (const CallMemory *memory = map_get(&e->evaluation->memories, key); memory != NULL; memory = memory->next) {
    if (!memory_is_valid(memory, place, fresh)) continue;
    const Record *record = memory->record; /* whoever calls has read and drawn this, too */
    for (int k = 0; k < record->count; k++) record_slot(e, record->readings[k].slot, record->readings[k].moved);
    if (record->drawn) record_draw(e, record->noisy);
    return memory->value;
  }
  return NULL;
}

void memory_add(Evaluator *e, const char *key, Record *record, const char *place, const char *fresh, Value *value) {
  CallMemory *memory = session_allocate(e->session, sizeof *memory);
  Record *kept = session_allocate(e->session, sizeof *kept);
  *kept = *record;
  kept->outer = NULL;
  *memory = (CallMemory){kept, place, fresh, value, map_get(&e->evaluation->memories, key)};
  map_put(e->session, &e->evaluation->memories, key, memory);
}

/* In halves: a list may be long. */
static const char *items_key(Evaluator *e, int count, Value *const *items) {
  if (count < 2) return count == 0 ? "" : value_key(e, items[0]);
  return session_format(e->session, "%s %s", items_key(e, count / 2, items),
                        items_key(e, count - count / 2, items + count / 2));
}

/* Equal elements are equal values only where their indices run equally far. */
static const char *tensor_key(Evaluator *e, const Value *tensor) {
  const char *text = session_format(e->session, "t%d%s%s", tensor->tensor.element->id, tensor->tensor.random ? "r" : "",
                                    shape_text(e, tensor->tensor.rank, tensor->tensor.shape));
  for (int v = INDEX_VARIABLE; v < VARIABLE_LIMIT; v++)
    if (tensor->tensor.element->variables & 1u << v)
      text = session_format(e->session, "%s<%lld", text, (long long)e->by_variable[v]->extent);
  return text;
}

const char *value_key(Evaluator *e, const Value *value) {
  switch (value->kind) {
  case VALUE_NUMBER: /* --set may part what is equal now */
    return session_format(e->session, "%c%.17g@%d", value->number.truth ? 't' : 'n', value->number.value,
                          value->number.runtime == NULL ? -1 : value->number.runtime->id);
  case VALUE_STRING: return session_format(e->session, "s%zu:%s", strlen(value->string), value->string);
  case VALUE_TENSOR: return tensor_key(e, value);
  case VALUE_LIST: return session_format(e->session, "[%s]", items_key(e, value->list.count, value->list.items));
  case VALUE_RECORD: {
    const char *text = "{";
    for (int k = 0; k < value->record.count; k++)
      text = session_format(e->session, "%s%s ", text, value_key(e, value->record.items[k].value));
    return session_format(e->session, "%s}", text);
  }
  case VALUE_RANGE: return session_format(e->session, "%.17g..%.17g", value->range.low, value->range.high);
  case VALUE_RECIPE: {
    const Recipe *recipe = value->recipe;
    const char *text = session_format(e->session, "r%p(",
                                      recipe->definition != NULL ? (const void *)recipe->definition->syntax
                                                                 : (const void *)recipe->builtin);
    for (int k = 0; k < recipe->count; k++)
      text = session_format(e->session, "%s%s=%s ", text, recipe->settings[k].name,
                            value_key(e, recipe->settings[k].value));
    return session_format(e->session, "%s)", text);
  }
  case VALUE_FUNCTION: return session_format(e->session, "f%p", (const void *)value->function->syntax);
  case VALUE_INSTANCE: return session_format(e->session, "i%s", value->instance->path);
  case VALUE_NETWORK: return session_format(e->session, "w%s", value->network->name);
  case VALUE_BUILTIN: return session_format(e->session, "b%s", value->builtin->name);
  case VALUE_SLOT: return session_format(e->session, "v%d", value->slot->tensor);
  case VALUE_ERROR: break;
  }
  return "error";
}
