/* Loop programs executed literally, statement by statement and lane by lane: what generated code is compared with. */
#ifndef LLVM_REFERENCE_H
#define LLVM_REFERENCE_H

#include "llvm_builder.h"

#include <math.h>
#include <stdlib.h>

enum { REFERENCE_LANES = 64 };
typedef struct Lanes {
  double lane[REFERENCE_LANES];
} Lanes;

typedef struct Reference {
  const Program *program;
  const Call *call;
  void *workspace;
  int64_t variables[BUILD_LIMIT];
  Lanes *registers[BUILD_LIMIT];
} Reference;

static inline int64_t reference_affine(const Reference *r, const Affine *affine) {
  int64_t value = affine->constant;
  for (int i = 0; i < affine->term_count; i++)
    value += affine->terms[i].coefficient * r->variables[affine->terms[i].variable];
  return value;
}

static inline Lanes *reference_operand(const Reference *r, const Operand *operand) {
  return &r->registers[operand->reg][reference_affine(r, &operand->index)];
}

static inline double reference_lane(const Reference *r, const Operand *operand, int lane) {
  return reference_operand(r, operand)->lane[r->program->registers[operand->reg].lanes == 1 ? 0 : lane];
}

static inline double reference_round(double value, RegisterType type) {
  return type == REGISTER_F32 ? (double)(float)value : type == REGISTER_MASK ? value != 0 : value;
}

/* The element's place, or NULL where a guard fails. */
static inline void *reference_place(const Reference *r, const Address *address, int lane) {
  if (address->has_valid && lane >= reference_affine(r, &address->valid)) return NULL;
  for (int i = 0; i < address->guard_count; i++) {
    const Guard *guard = &address->guards[i];
    int64_t value = reference_affine(r, &guard->value) + guard->lane_step * lane;
    if (value < guard->low || value >= guard->high) return NULL;
  }
  int64_t index = reference_affine(r, &address->offset) + address->lane_stride * lane;
  for (int i = 0; i < address->computed_count; i++) {
    const ComputedIndex *computed = &address->computed[i];
    double value = reference_lane(r, &computed->value, lane);
    if (!(value >= (double)computed->low && value < (double)computed->high)) return NULL;
    index += (int64_t)value * computed->stride;
  }
  const Buffer *buffer = &r->program->buffers[address->buffer];
  bool global = buffer->space == SPACE_GLOBAL;
  char *base = global ? r->call->buffers[buffer->place] : (char *)r->workspace + buffer->place;
  return base + index * storage_bytes(buffer->storage);
}

/* BF16: the upper half of a float32. */
static inline double reference_get(const void *place, StorageType type) {
  if (type == STORAGE_F32) return (double)*(const float *)place;
  if (type == STORAGE_F64) return *(const double *)place;
  uint32_t bits = (uint32_t)*(const uint16_t *)place << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return (double)value;
}

static inline double reference_of_half(uint32_t upper) {
  uint16_t stored = (uint16_t)upper;
  return reference_get(&stored, STORAGE_BF16);
}

/* Through float32, then to the nearer of the two neighbours, of two as near the one whose last bit is 0. */
static inline uint16_t reference_half(double number) {
  float value = (float)number;
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t below = bits >> 16, above = below + 1;
  if (isnan(value)) return (uint16_t)(below | 0x40);
  if ((bits & 0xffff) == 0 || isinf(value)) return (uint16_t)below;
  double down = fabs((double)value - reference_of_half(below)), up = reference_of_half(above);
  if (isinf(up)) up = copysign(0x1p128, up);
  up = fabs(up - (double)value);
  return (uint16_t)(down < up || (down == up && below % 2 == 0) ? below : above);
}

static inline void reference_put(void *place, StorageType type, double value) {
  if (type == STORAGE_F32) *(float *)place = (float)value;
  else if (type == STORAGE_F64) *(double *)place = value;
  else *(uint16_t *)place = reference_half(value);
}

static inline double reference_draw(const Reference *r, const Statement *s, int lane) {
  DrawCounters counters = {r->call->seed, r->call->round, r->call->ordinal, r->call->first_sample};
  int64_t sample = r->call->first_sample + reference_affine(r, &s->sample) + s->sample_step * lane,
          element = reference_affine(r, &s->element) + s->element_step * lane;
  return s->distribution == DISTRIBUTION_NORMAL ? draw_normal(counters, s->stream, sample, element)
                                                : draw_uniform(counters, s->stream, sample, element);
}

static inline double reference_fold(const Reference *r, const Statement *s, RegisterType type) {
  Lanes all = *reference_operand(r, &s->arguments[0]);
  for (int half = r->program->registers[s->arguments[0].reg].lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++)
      all.lane[i] = reference_round(operation_rows[s->operation].evaluate(all.lane[i], all.lane[i + half], 0), type);
  return all.lane[0];
}

static inline double reference_value(const Reference *r, const Statement *s, int lane, RegisterType type) {
  double a[3] = {0, 0, 0};
  for (int i = 0; i < statement_arity(s); i++) a[i] = reference_lane(r, &s->arguments[i], lane);
  switch (s->kind) {
  case STATEMENT_SET: return s->constant;
  case STATEMENT_OPERATE: return operation_rows[s->operation].evaluate(a[0], a[1], a[2]);
  case STATEMENT_FMA:
    return type == REGISTER_F32 ? (double)fmaf((float)a[0], (float)a[1], (float)a[2]) : fma(a[0], a[1], a[2]);
  case STATEMENT_NUMBER: return (double)(reference_affine(r, &s->value) + s->lane_step * lane);
  case STATEMENT_RANDOM: return reference_draw(r, s, lane);
  case STATEMENT_FOLD: return reference_fold(r, s, type);
  case STATEMENT_LOAD: {
    const void *place = reference_place(r, &s->address, lane);
    return place == NULL ? 0 : reference_get(place, r->program->buffers[s->address.buffer].storage);
  }
  default: return a[0];
  }
}

static inline int64_t reference_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

static inline void reference_block(Reference *r, const Statement *s) {
  for (; s != NULL; s = s->next) {
    switch (s->kind) {
    case STATEMENT_FOR: {
      int64_t end = reference_affine(r, &s->to), limit = s->has_limit ? reference_affine(r, &s->limit) : end;
      for (int64_t i = reference_affine(r, &s->from); i < (limit < end ? limit : end); i += s->step) {
        r->variables[s->variable] = i;
        reference_block(r, s->body);
      }
      break;
    }
    case STATEMENT_LET: {
      int64_t value = reference_divide(reference_affine(r, &s->value), s->divisor);
      r->variables[s->variable] = s->modulus == 0 ? value : value - reference_divide(value, s->modulus) * s->modulus;
      break;
    }
    case STATEMENT_IF: reference_block(r, reference_affine(r, &s->value) >= 0 ? s->body : s->otherwise); break;
    case STATEMENT_STORE: {
      const Register *reg = &r->program->registers[s->arguments[0].reg];
      for (int lane = 0; lane < reg->lanes; lane++) {
        StorageType storage = r->program->buffers[s->address.buffer].storage;
        void *place = reference_place(r, &s->address, lane);
        if (place == NULL) continue;
        double value = reference_round(reference_lane(r, &s->arguments[0], lane), register_of(storage));
        if (s->accumulate) value = reference_round(reference_get(place, storage) + value, register_of(storage));
        reference_put(place, storage, value);
      }
      break;
    }
    case STATEMENT_TRANSPOSE: {
      Lanes *rows = reference_operand(r, &s->arguments[0]);
      for (int i = 0; i < r->program->lanes; i++)
        for (int k = 0; k < i; k++) {
          double value = rows[i].lane[k];
          rows[i].lane[k] = rows[k].lane[i];
          rows[k].lane[i] = value;
        }
      break;
    }
    default: {
      const Register *reg = &r->program->registers[s->result.reg];
      Lanes value = {{0}};
      for (int lane = 0; lane < reg->lanes; lane++)
        value.lane[lane] = reference_round(reference_value(r, s, lane, reg->type), reg->type);
      *reference_operand(r, &s->result) = value;
      break;
    }
    }
  }
}

static inline void reference_run(const Program *program, const Call *call, int64_t chunk, void *workspace) {
  Reference r = {.program = program, .call = call, .workspace = workspace};
  for (int i = 0; i < program->register_count; i++)
    r.registers[i] = calloc((size_t)program->registers[i].count, sizeof(Lanes));
  r.variables[0] = chunk;
  reference_block(&r, program->body);
  for (int i = 0; i < program->register_count; i++) free(r.registers[i]);
}

#endif
