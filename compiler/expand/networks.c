/* Networks: what they hold, and their first call. Takes networks; returns lists of weights; makes weights by calling
   each network once on stand-ins of its declared types, before any objective is looked at, so that a network is never
   mistaken for one without weights and its own mistakes are found whoever calls it. */
#include "evaluator.h"

#include <string.h>

/* ---- as lists of weights ----------------------------------------------------------------------------------------- */

void network_add_slot(Evaluator *e, Network *network, Slot *slot) {
  if (!map_add(e->session, &network->known, slot)) return;
  NetworkItem item = {slot, NULL};
  ARRAY_ADD(e->session, network->items, network->count, network->capacity, item);
}

void network_add_network(Evaluator *e, Network *network, Network *part) {
  if (!map_add(e->session, &network->known, part)) return;
  NetworkItem item = {NULL, part};
  ARRAY_ADD(e->session, network->items, network->count, network->capacity, item);
}

typedef struct Slots {
  bool weights;
  int count, capacity;
  Slot **items;
  Map known;
} Slots; /* known: slots and networks that were met */

static void add_slots(Evaluator *e, const Network *network, Slots *slots) {
  if (!map_add(e->session, &slots->known, network)) return;
  for (int k = 0; k < network->count; k++) {
    Slot *slot = network->items[k].slot;
    if (slot == NULL) add_slots(e, network->items[k].network, slots);
    else if (slot->is_weight == slots->weights && map_add(e->session, &slots->known, slot))
      ARRAY_ADD(e->session, slots->items, slots->count, slots->capacity, slot);
  }
}

int network_weights(Evaluator *e, const Network *network, Slot ***weights) {
  Slots slots = {.weights = true};
  add_slots(e, network, &slots);
  *weights = slots.items;
  return slots.count;
}

int network_states(Evaluator *e, const Network *network, Slot ***states) {
  Slots slots = {.weights = false};
  add_slots(e, network, &slots);
  *states = slots.items;
  return slots.count;
}

/* ---- the first call ---------------------------------------------------------------------------------------------- */

static bool sizes_are_numbers(const Syntax *type) {
  if (type == NULL) return false;
  const Syntax *shape = type->type.shape;
  for (int k = 0; shape != NULL && k < shape->items.count; k++)
    if (shape->items.items[k]->kind != SYNTAX_NUMBER) return false;
  return type->type.classes == NULL || type->type.classes->kind == SYNTAX_NUMBER;
}

/* A value of the parameter's declared type that nothing else knows. It is not random: what random values must not do is
   judged where they come. */
static Value *stand_in(Evaluator *e, Frame *frame, const Network *network, const Syntax *field) {
  int rank, classes;
  int64_t shape[OWN_LIMIT];
  if (!type_shape(e, frame, field->field.type, &rank, shape, &classes)) return NULL;
  const char *name = session_format(e->session, "%s(%s)", network->name, field->field.name);
  Value *value =
      value_of_node(e, graph_input(e->graph, session_string(e->session, name), rank, shape, false, field->span), 0);
  value->tensor.classes = classes;
  return value;
}

static void meet(Evaluator *e, Network *network) {
  const Definition *definition = network->recipe != NULL ? network->recipe->definition : network->definition;
  const SyntaxList *parameters = &definition->syntax->definition.parameters;
  for (int k = 0; k < parameters->count; k++)
    if (!sizes_are_numbers(parameters->items[k]->parameter.field->field.type)) return;
  evaluation_open(e, "networks");
  Frame frame = frame_top(e, true, "");
  Value **values = session_allocate(e->session, (size_t)(parameters->count + 1) * sizeof *values);
  Span *spans = session_allocate(e->session, (size_t)(parameters->count + 1) * sizeof *spans);
  bool fine = true;
  for (int k = 0; k < parameters->count && fine; k++) {
    const Syntax *field = parameters->items[k]->parameter.field;
    values[k] = stand_in(e, &frame, network, field);
    spans[k] = field->span;
    fine = values[k] != NULL;
  }
  Value *called = value_kind(e, VALUE_NETWORK);
  called->network = network;
  CallArguments arguments = {.count = parameters->count, .values = values, .spans = spans, .span = {NULL, 0, 0}};
  if (fine) value_apply(e, &frame, called, &arguments, network->name);
  evaluation_abandon(e);
}

void networks_meet(Evaluator *e) {
  for (int k = 0; k < e->network_count; k++) meet(e, e->networks[k]);
}
