/* Stored numbers: the types that files use, their sizes and their values as double; shapes as text; tensors in memory.
   Takes bytes of any alignment, little-endian; returns numbers. Never converts through a type that would lose what the
   target could hold. */
#include "runtime/io.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *name;
  size_t bytes;
  bool integer;
} rows[ELEMENT_TYPE_COUNT] = {
    [ELEMENT_U8] = {"u8", 1, true},      [ELEMENT_I8] = {"i8", 1, true},    [ELEMENT_I16] = {"i16", 2, true},
    [ELEMENT_I32] = {"i32", 4, true},    [ELEMENT_I64] = {"i64", 8, true},  [ELEMENT_F16] = {"f16", 2, false},
    [ELEMENT_BF16] = {"bf16", 2, false}, [ELEMENT_F32] = {"f32", 4, false}, [ELEMENT_F64] = {"f64", 8, false},
};

size_t element_bytes(ElementType type) { return rows[type].bytes; }
const char *element_name(ElementType type) { return rows[type].name; }
bool element_is_integer(ElementType type) { return rows[type].integer; }

static double half_value(uint16_t bits) {
  int exponent = (bits >> 10) & 31, fraction = bits & 1023;
  double size = exponent == 31  ? (fraction ? NAN : INFINITY)
                : exponent == 0 ? ldexp(fraction, -24)
                                : ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

double element_read(ElementType type, const void *array, int64_t index) {
  union {
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    float f32;
    double f64;
  } value;
  memcpy(&value, (const uint8_t *)array + (size_t)index * rows[type].bytes, rows[type].bytes);
  switch (type) {
  case ELEMENT_U8: return value.u8;
  case ELEMENT_I8: return value.i8;
  case ELEMENT_I16: return value.i16;
  case ELEMENT_I32: return value.i32;
  case ELEMENT_I64: return (double)value.i64;
  case ELEMENT_F16: return half_value(value.u16);
  case ELEMENT_BF16: value.u32 = (uint32_t)value.u16 << 16; return value.f32;
  case ELEMENT_F32: return value.f32;
  case ELEMENT_F64: return value.f64;
  case ELEMENT_TYPE_COUNT: break;
  }
  return NAN;
}

char *element_shape_text(int64_t rank, const int64_t *shape, char text[160]) {
  size_t length = (size_t)snprintf(text, 160, "[");
  for (int64_t i = 0; i < rank && length < 130; i++)
    length += (size_t)snprintf(text + length, 160 - length, "%s%" PRId64, i ? ", " : "", shape[i]);
  snprintf(text + length, 160 - length, "]");
  return text;
}

TensorView tensor_view(const TensorRecord *record, void *block) {
  TensorView view = {.name = record->name,
                     .type = (StorageType)record->type,
                     .rank = record->rank,
                     .data = (char *)block + record->offset};
  memcpy(view.shape, record->shape, sizeof view.shape);
  memcpy(view.stride, record->stride, sizeof view.stride);
  return view;
}

int64_t tensor_view_size(const TensorView *view) {
  int64_t size = 1;
  for (int64_t i = 0; i < view->rank; i++) size *= view->shape[i];
  return size;
}

char *tensor_view_place(const TensorView *view, int64_t element) {
  int64_t index[IO_RANK_LIMIT];
  char text[160];
  for (int64_t axis = view->rank; axis-- > 0; element /= view->shape[axis]) index[axis] = element % view->shape[axis];
  return text_format("%s%s", view->name, view->rank ? element_shape_text(view->rank, index, text) : "");
}

const char *number_word(double value) {
  return isnan(value) ? "not a number" : value > 0 ? "infinite" : "minus infinity";
}
