/* A training between two rounds, kept in memory: everything that later rounds depend on. Takes an engine; returns it
   to where it was, so that the same rounds give the same bits again. Never reads or writes a file. */
#include "runtime/runtime.h"

#include <stdlib.h>
#include <string.h>

bool kept_state_save(KeptState *state, const Engine *engine) {
  const Block *block = &engine->execution.memory.persistent;
  size_t count;
  const NamedCount *positions = supply_positions(engine->supply, &count);
  if (!state->block) { /* sizes never change in an engine */
    state->block = system_allocate(block->bytes);
    state->positions = system_allocate((count + 1) * sizeof *state->positions);
    if (!state->block || !state->positions) return kept_state_release(state), false;
  }
  memcpy(state->block, block->data, block->bytes);
  if (count > 0) memcpy(state->positions, positions, count * sizeof *positions);
  state->position_count = count;
  state->step = engine->clock.step;
  state->image = engine->clock.image;
  return true;
}

void kept_state_restore(const KeptState *state, Engine *engine) {
  const Block *block = &engine->execution.memory.persistent;
  memcpy(block->data, state->block, block->bytes);
  for (size_t k = 0; k < state->position_count; k++)
    supply_seek(engine->supply, state->positions[k].name, state->positions[k].value, NULL);
  engine->clock.step = state->step;
  engine->clock.image = state->image;
}

void kept_state_release(KeptState *state) {
  free(state->block);
  free(state->positions);
  *state = (KeptState){0};
}
