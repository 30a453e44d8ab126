/* What the files of plan/ share: programs made one, tensors and values with offsets. */
#ifndef PLAN_LAYOUT_H
#define PLAN_LAYOUT_H

#include "plan.h"

typedef struct PlacedTensor {
  StoredValue layout;
  int64_t offset, bytes;
} PlacedTensor;

typedef struct PlacedValue { /* a value of the arena, in one routine */
  const StoredValue *value;
  int routine;
  int first, last; /* steps that touch it */
  int64_t offset, bytes;
} PlacedValue;

typedef struct PlanLayout {
  Session *session;
  const Model *model;
  Schedule *const *schedules; /* by routine */
  const PlanOptions *options;
  PlacedTensor *tensors; /* by tensor of the model */
  int value_count;
  PlacedValue *values;
  Map tensor_places;  /* by the input of a tensor: its index, from 1 */
  Map value_places;   /* by a value of the arena: its PlacedValue */
  int **step_program; /* by routine and step: index into the plan's programs */
} PlanLayout;

enum { PLAN_ALIGNMENT = 64 };
static inline int64_t plan_align(int64_t bytes) {
  return (bytes + PLAN_ALIGNMENT - 1) / PLAN_ALIGNMENT * PLAN_ALIGNMENT;
}
static inline int64_t plan_bytes(const StoredValue *value) { return value->elements * storage_bytes(value->storage); }

/* The tensor of the model that the value lies in, or -1. */
int plan_tensor(const PlanLayout *layout, const StoredValue *value);

/* arena.c: offsets by size over lifetimes; returns the bytes of the arena, which all routines share. */
int64_t arena_place(PlanLayout *layout);

/* descriptor.c */
void descriptor_write(const PlanLayout *layout, Plan *plan);

#endif
