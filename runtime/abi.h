/* What a compiled model and the runtime agree on. With records.def and words.h all of runtime/ that the compiler
   includes. */
#ifndef ABI_H
#define ABI_H

#include <stdint.h>

enum { ABI_VERSION = 1 };
#define LENGTH_LIMIT \
  9007199254740992.0              /* of training, in steps, images or epochs: 2^53, beyond which counts are not exact */
#define REPEAT_LIMIT 4294967296.0 /* turns of a `repeat`: the draws of a round are numbered in 32 bits */

/* What memory holds: TYPE(NAME, text, bytes of an element). BF16, the upper half of a float32, is in the workspace of
   programs only: no tensor has it. */
#define STORAGE_TYPES(TYPE) TYPE(F32, "f32", 4) TYPE(F64, "f64", 8) TYPE(BF16, "bf16", 2)
typedef enum StorageType {
#define TYPE(NAME, text, bytes) STORAGE_##NAME,
  STORAGE_TYPES(TYPE)
#undef TYPE
      STORAGE_COUNT
} StorageType;

static inline int64_t storage_bytes(StorageType type) {
#define TYPE(NAME, text, bytes) [STORAGE_##NAME] = bytes,
  static const int8_t sizes[STORAGE_COUNT] = {STORAGE_TYPES(TYPE)};
#undef TYPE
  return sizes[type];
}

static inline const char *storage_name(StorageType type) {
#define TYPE(NAME, text, bytes) [STORAGE_##NAME] = text,
  static const char *const names[STORAGE_COUNT] = {STORAGE_TYPES(TYPE)};
#undef TYPE
  return names[type];
}
typedef enum TensorRole {
  ROLE_WEIGHT,
  ROLE_STATE,
  ROLE_OPTIMIZER_STATE, /* kept in checkpoints */
  ROLE_DATA,
  ROLE_NOISE, /* filled before a routine, or fed */
  ROLE_SETTING,
  ROLE_COUNTER, /* scalars that expressions read: settings; step, image, epoch, progress */
  ROLE_LOCAL,   /* values that definitions in `train` keep to the end of the round */
  ROLE_RESULT   /* outputs, objectives, counts of the schedule, diagnosis */
} TensorRole;
typedef enum BlockPlace { PLACE_PERSISTENT, PLACE_ARENA } BlockPlace;
typedef enum InitialKind {
  INITIAL_NONE,
  INITIAL_CONSTANT,
  INITIAL_UNIFORM,
  INITIAL_NORMAL,
  INITIAL_ROUTINE
} InitialKind;
typedef enum RoutineKind {
  ROUTINE_UPDATE,
  ROUTINE_ASSIGN,
  ROUTINE_EXPRESSION,
  ROUTINE_OUTPUT,
  ROUTINE_INITIAL,
  ROUTINE_DIAGNOSE
} RoutineKind;
typedef enum ScheduleKind {
  SCHEDULE_SEQUENCE,
  SCHEDULE_REPEAT,
  SCHEDULE_EVERY,
  SCHEDULE_CHOICE,
  SCHEDULE_RUN
} ScheduleKind;

/* What a kernel is given. Field offsets are part of the format: compiler/llvm addresses them by number of 8-byte
   words. */
typedef struct Call {
  void *const *buffers; /* in the program's order, each aligned to 64 bytes at its block's start */
  uint64_t seed;
  int64_t round;        /* `step` */
  int64_t ordinal;      /* of the evaluation within the round */
  int64_t first_sample; /* global number of sample 0 of the batch */
} Call;

/* One task of a program. `workspace` belongs to the worker, is aligned to 64 bytes and holds the program's
   workspace_bytes. */
typedef void (*Kernel)(const Call *call, int64_t chunk, void *workspace);

/* The compiled object defines these three. */
extern const uint8_t ganc_descriptor[];
extern const uint64_t ganc_descriptor_size;
extern const Kernel ganc_kernels[];

/* The descriptor in bytes: "GANCMODL", u64 ABI_VERSION, u64 total size, u64 hash (FNV-1a of all that follows), then for
   each record kind of records.def, in its order, a u64 count; then the records, kind after kind; then u64 size of the
   string block and the block (terminated texts; offset 0 is ""). */

typedef enum RecordKind {
#define RECORD(NAME, Name) RECORD_##NAME,
#define END
#define I(field)
#define F(field)
#define S(field)
#define A8(field)
#include "records.def"
  RECORD_KIND_COUNT
} RecordKind;

/* Each record as a C struct, `TensorRecord` and so on: 8 bytes a field, so the bytes of the file with texts
   resolved. */
#define RECORD(NAME, Name) \
  typedef struct Name##Record Name##Record; \
  struct Name##Record {
#define END \
  } \
  ;
#define I(field) int64_t field;
#define F(field) double field;
#define S(field) const char *field;
#define A8(field) int64_t field[8];
#include "records.def"

#endif
