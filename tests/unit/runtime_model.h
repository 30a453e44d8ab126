/* A small model made by hand, as the compiler would leave it: a descriptor written field by field from records.def, and
   kernels in C. So the runtime is tested without a compiler.

   The model fits a line to data p: [2] (x, y): y = w*x + b + noise, by gradient descent with momentum, twice a round;
   every third round it counts. Its parts cover what trainers must do: data, noise, settings (one frozen), draws,
   initial values of every kind, an optimizer state, an objective, both kinds of outputs, a schedule with `repeat` and
   `every`. */
#ifndef RUNTIME_MODEL_H
#define RUNTIME_MODEL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"

/* ---- records to bytes -------------------------------------------------------------------------------------------- */

typedef struct Bytes {
  uint8_t *data;
  size_t size, room;
} Bytes;

static inline void bytes_put(Bytes *bytes, const void *data, size_t size) {
  while (bytes->size + size > bytes->room)
    bytes->data = realloc(bytes->data, bytes->room = 2 * bytes->room + size + 64);
  if (size) memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}
static inline void bytes_put_word(Bytes *bytes, uint64_t word) { bytes_put(bytes, &word, 8); }

static inline void bytes_put_text(Bytes *records, Bytes *strings, const char *text) {
  bytes_put_word(records, text && text[0] ? strings->size : 0);
  if (text && text[0]) bytes_put(strings, text, strlen(text) + 1);
}

typedef struct ModelTables {
#define RECORD(NAME, Name) \
  Name##Record Name[64]; \
  int Name##Count;
#define END
#define I(field)
#define F(field)
#define S(field)
#define A8(field)
#include "runtime/records.def"
} ModelTables;

#define RECORD(NAME, Name) \
  static inline void put_##Name(Bytes *out, Bytes *strings, const Name##Record *record) { \
    (void)strings;
#define END }
#define I(field) bytes_put_word(out, (uint64_t)record->field);
#define F(field) bytes_put(out, &record->field, 8);
#define S(field) bytes_put_text(out, strings, record->field);
#define A8(field) bytes_put(out, record->field, 64);
#include "runtime/records.def"

static inline Bytes tables_write(const ModelTables *tables) {
  Bytes out = {0}, body = {0}, strings = {0};
  bytes_put(&strings, "", 1);
#define RECORD(NAME, Name) bytes_put_word(&body, (uint64_t)tables->Name##Count);
#define END
#define I(field)
#define F(field)
#define S(field)
#define A8(field)
#include "runtime/records.def"
#define RECORD(NAME, Name) \
  for (int k = 0; k < tables->Name##Count; k++) put_##Name(&body, &strings, &tables->Name[k]);
#define END
#define I(field)
#define F(field)
#define S(field)
#define A8(field)
#include "runtime/records.def"
  bytes_put_word(&body, strings.size);
  bytes_put(&body, strings.data, strings.size);
  bytes_put(&out, "GANCMODL", 8);
  bytes_put_word(&out, ABI_VERSION);
  bytes_put_word(&out, 32 + body.size);
  bytes_put_word(&out, hash_fnv(HASH_START, body.data, body.size));
  bytes_put(&out, body.data, body.size);
  free(body.data);
  free(strings.data);
  return out;
}

/* Makes the checksum right again after a test has changed bytes. */
static inline void bytes_seal(uint8_t *data, size_t size) {
  uint64_t hash = hash_fnv(HASH_START, data + 32, size - 32);
  memcpy(data + 24, &hash, 8);
}

/* ---- the model --------------------------------------------------------------------------------------------------- */

enum { LINE_BATCH = 64, LINE_CHUNKS = 4, LINE_WIDE = 1000 };

/* Tensors by number. */
enum {
  T_W,
  T_B,
  T_WM,
  T_BM,
  T_WIDE,
  T_COPY,
  T_COUNT,
  T_RATE,
  T_STEP,
  T_IMAGE,
  T_EPOCH,
  T_P,
  T_E,
  T_Z,
  T_LOSS,
  T_FAKES,
  T_SLOPE,
  T_PARTIAL,
  T_TENSORS
};
enum { P_PARTIAL, P_APPLY, P_COUNT, P_FAKES, P_SLOPE, P_COPY, P_PROGRAMS };
enum { R_UPDATE, R_COUNT, R_FAKES, R_SLOPE, R_COPY, R_ROUTINES };

/* buffers: p [2, 64] with the batch innermost, e [64], w, b; partial [4, 3] written: dw, db, loss of each chunk */
static void kernel_partial(const Call *call, int64_t chunk, void *workspace) {
  const float *p = call->buffers[0], *e = call->buffers[1], *w = call->buffers[2], *b = call->buffers[3];
  float *partial = (float *)call->buffers[4] + 3 * chunk, *error = workspace;
  float sums[3] = {0, 0, 0};
  for (int k = 0; k < LINE_BATCH / LINE_CHUNKS; k++) {
    int64_t n = chunk * (LINE_BATCH / LINE_CHUNKS) + k;
    error[k] = w[0] * p[n] + b[0] + 0.01f * e[n] - p[LINE_BATCH + n];
    sums[0] += error[k] * p[n];
    sums[1] += error[k];
    sums[2] += error[k] * error[k];
  }
  memcpy(partial, sums, sizeof sums);
}

/* buffers: partial, w, b, w/m, b/m, rate (double), loss (double) */
static void kernel_apply(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  const float *partial = call->buffers[0];
  float sums[3] = {0, 0, 0};
  for (int k = 0; k < LINE_CHUNKS; k++)
    for (int j = 0; j < 3; j++) sums[j] += partial[3 * k + j];
  double rate = *(const double *)call->buffers[5];
  for (int j = 0; j < 2; j++) {
    float *weight = call->buffers[1 + j], *momentum = call->buffers[3 + j];
    momentum[0] = 0.5f * momentum[0] + 2 * sums[j] / LINE_BATCH;
    weight[0] -= (float)rate * momentum[0];
  }
  *(double *)call->buffers[6] = sums[2] / LINE_BATCH;
}

static void kernel_count(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  *(double *)call->buffers[0] += 1;
}

/* buffers: z [64], w, b; fakes [2, 64] */
static void kernel_fakes(const Call *call, int64_t chunk, void *workspace) {
  (void)workspace;
  const float *z = call->buffers[0], *w = call->buffers[1], *b = call->buffers[2];
  float *fakes = call->buffers[3];
  for (int64_t n = chunk * 16; n < chunk * 16 + 16; n++) {
    fakes[n] = z[n];
    fakes[LINE_BATCH + n] = w[0] * z[n] + b[0];
  }
}

static void kernel_slope(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  *(double *)call->buffers[1] = *(const float *)call->buffers[0];
}

static void kernel_copy(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  *(float *)call->buffers[1] = *(const float *)call->buffers[0];
}

static const Kernel line_kernels[P_PROGRAMS] = {kernel_partial, kernel_apply, kernel_count,
                                                kernel_fakes,   kernel_slope, kernel_copy};

/* Those of `base` but one: the line's, or what this returned last. */
static inline const Kernel *kernels_with(const Kernel *base, int program, Kernel kernel) {
  static Kernel kernels[P_PROGRAMS];
  memmove(kernels, base, sizeof kernels);
  kernels[program] = kernel;
  return kernels;
}

static inline TensorRecord line_tensor(const char *name, TensorRole role, StorageType type) {
  return (TensorRecord){.name = name,
                        .role = role,
                        .type = type,
                        .initial_routine = -1,
                        .group = -1,
                        .fed = -1,
                        .player = "",
                        .data = role == ROLE_DATA ? name : "",
                        .source = "",
                        .line = 3};
}

static inline void line_shape(TensorRecord *tensor, bool batch, int64_t size) {
  tensor->batch = batch;
  int axis = 0;
  if (batch) tensor->shape[axis] = LINE_BATCH, tensor->stride[axis++] = 1;
  if (size) tensor->shape[axis] = size, tensor->stride[axis++] = batch ? LINE_BATCH : 1;
  tensor->rank = axis;
}

static inline void line_step(ModelTables *t, int program, const char *title, int count, const int *tensors) {
  t->Step[t->StepCount++] = (StepRecord){
      .program = program, .first_binding = t->BindingCount, .flops = 100, .bytes = 100, .title = title, .line = 7};
  t->Program[program].buffer_count = count;
  for (int k = 0; k < count; k++) {
    const TensorRecord *tensor = &t->Tensor[tensors[k]];
    t->Binding[t->BindingCount++] =
        (BindingRecord){.place = tensor->place, .offset = tensor->offset, .tensor = tensors[k], .value = -1};
  }
}

static inline ModelTables *line_tables(void) {
  ModelTables *t = calloc(1, sizeof *t);
  TensorRecord *tensor = t->Tensor;
  tensor[T_W] = line_tensor("D.w", ROLE_WEIGHT, STORAGE_F32);
  tensor[T_W].initial = INITIAL_UNIFORM, tensor[T_W].initial_a = -1, tensor[T_W].initial_b = 1;
  tensor[T_B] = line_tensor("D.b", ROLE_WEIGHT, STORAGE_F32);
  tensor[T_WM] = line_tensor("D.w/momentum.m", ROLE_OPTIMIZER_STATE, STORAGE_F32);
  tensor[T_BM] = line_tensor("D.b/momentum.m", ROLE_OPTIMIZER_STATE, STORAGE_F32);
  tensor[T_WIDE] = line_tensor("D.wide", ROLE_WEIGHT, STORAGE_F32);
  tensor[T_WIDE].initial = INITIAL_NORMAL, tensor[T_WIDE].initial_a = 1, tensor[T_WIDE].initial_b = 0.02;
  line_shape(&tensor[T_WIDE], false, LINE_WIDE);
  tensor[T_COPY] = line_tensor("C.w", ROLE_WEIGHT, STORAGE_F32);
  tensor[T_COPY].initial = INITIAL_ROUTINE, tensor[T_COPY].initial_routine = R_COPY;
  tensor[T_COUNT] = line_tensor("count", ROLE_STATE, STORAGE_F64);
  tensor[T_COUNT].initial = INITIAL_CONSTANT, tensor[T_COUNT].initial_a = 5;
  tensor[T_RATE] = line_tensor("rate", ROLE_SETTING, STORAGE_F64);
  tensor[T_STEP] = line_tensor("step", ROLE_COUNTER, STORAGE_F64);
  tensor[T_IMAGE] = line_tensor("image", ROLE_COUNTER, STORAGE_F64);
  tensor[T_EPOCH] = line_tensor("epoch", ROLE_COUNTER, STORAGE_F64);
  tensor[T_P] = line_tensor("p", ROLE_DATA, STORAGE_F32);
  tensor[T_P].low = -1, tensor[T_P].high = 1, tensor[T_P].source = "";
  line_shape(&tensor[T_P], true, 2);
  tensor[T_E] = line_tensor("e", ROLE_NOISE, STORAGE_F32);
  tensor[T_E].initial = INITIAL_NORMAL, tensor[T_E].initial_b = 1;
  line_shape(&tensor[T_E], true, 0);
  tensor[T_Z] = line_tensor("z", ROLE_NOISE, STORAGE_F32);
  tensor[T_Z].initial = INITIAL_UNIFORM, tensor[T_Z].initial_b = 1;
  line_shape(&tensor[T_Z], true, 0);
  tensor[T_LOSS] = line_tensor("", ROLE_RESULT, STORAGE_F64);
  tensor[T_FAKES] = line_tensor("", ROLE_RESULT, STORAGE_F32);
  line_shape(&tensor[T_FAKES], true, 2);
  tensor[T_SLOPE] = line_tensor("", ROLE_RESULT, STORAGE_F64);
  tensor[T_PARTIAL] = line_tensor("", ROLE_LOCAL, STORAGE_F32);
  line_shape(&tensor[T_PARTIAL], false, 3 * LINE_CHUNKS);
  t->TensorCount = T_TENSORS;
  int64_t ends[2] = {0, 0};
  for (int k = 0; k < T_TENSORS; k++) {
    TensorRecord *each = &tensor[k];
    each->stream = (int64_t)hash_text(each->name);
    each->player = each->role == ROLE_WEIGHT ? "D" : "";
    each->place = each->batch || k == T_PARTIAL ? PLACE_ARENA : PLACE_PERSISTENT;
    each->bytes = tensor_bytes(each);
    each->offset = ends[each->place];
    ends[each->place] += (each->bytes + 63) / 64 * 64;
  }
  t->Model[0] = (ModelRecord){.name = "line",
                              .file = "line.gan",
                              .real = "f32",
                              .target = "x86-64",
                              .features = "sse4.2",
                              .build = "test",
                              .source_hash = "0123",
                              .batch = LINE_BATCH,
                              .persistent_bytes = ends[PLACE_PERSISTENT],
                              .arena_bytes = ends[PLACE_ARENA],
                              .workspace_bytes = 64,
                              .length_unit = "steps",
                              .length = 40,
                              .first_data = T_P};
  t->ModelCount = 1;
  static const char *const symbols[] = {"partial", "apply", "count", "fakes", "slope", "copy"};
  for (int k = 0; k < P_PROGRAMS; k++)
    t->Program[k] = (ProgramRecord){.symbol = symbols[k],
                                    .entry = k,
                                    .tile = k == P_PARTIAL,
                                    .chunks = k == P_PARTIAL || k == P_FAKES ? LINE_CHUNKS : 1,
                                    .workspace_bytes = 64};
  t->ProgramCount = P_PROGRAMS;
  line_step(t, P_PARTIAL, "D: gradient", 5, (const int[]){T_P, T_E, T_W, T_B, T_PARTIAL});
  line_step(t, P_APPLY, "D: step", 7, (const int[]){T_PARTIAL, T_W, T_B, T_WM, T_BM, T_RATE, T_LOSS});
  line_step(t, P_COUNT, "count", 1, (const int[]){T_COUNT});
  line_step(t, P_FAKES, "fakes", 4, (const int[]){T_Z, T_W, T_B, T_FAKES});
  line_step(t, P_SLOPE, "slope", 2, (const int[]){T_W, T_SLOPE});
  line_step(t, P_COPY, "C.w", 2, (const int[]){T_W, T_COPY});
  static const struct {
    int step, binding;
  } written[] = {{0, 4}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {1, 6}, {2, 0}, {3, 3}, {4, 1}, {5, 1}};
  for (size_t k = 0; k < sizeof written / sizeof *written; k++)
    t->Binding[t->Step[written[k].step].first_binding + written[k].binding].written = 1;
  t->Fill[0].tensor = T_P, t->Fill[1].tensor = T_E, t->Fill[2].tensor = T_Z;
  t->FillCount = 3;
  t->Routine[R_UPDATE] = (RoutineRecord){.name = "update D",
                                         .kind = ROUTINE_UPDATE,
                                         .ordinal = 0,
                                         .batch = LINE_BATCH,
                                         .first_step = 0,
                                         .step_count = 2,
                                         .first_fill = 0,
                                         .fill_count = 2};
  t->Routine[R_COUNT] =
      (RoutineRecord){.name = "assign count", .kind = ROUTINE_ASSIGN, .ordinal = -1, .first_step = 2, .step_count = 1};
  t->Routine[R_FAKES] = (RoutineRecord){.name = "output fakes",
                                        .kind = ROUTINE_OUTPUT,
                                        .ordinal = 0,
                                        .batch = LINE_BATCH,
                                        .first_step = 3,
                                        .step_count = 1,
                                        .first_fill = 2,
                                        .fill_count = 1};
  t->Routine[R_SLOPE] =
      (RoutineRecord){.name = "output slope", .kind = ROUTINE_OUTPUT, .ordinal = -1, .first_step = 4, .step_count = 1};
  t->Routine[R_COPY] =
      (RoutineRecord){.name = "initial C.w", .kind = ROUTINE_INITIAL, .ordinal = -1, .first_step = 5, .step_count = 1};
  t->RoutineCount = R_ROUTINES;
  t->Schedule[0] =
      (ScheduleRecord){.kind = SCHEDULE_SEQUENCE, .first_child = 1, .next_sibling = -1, .routine = -1, .value = -1};
  t->Schedule[1] = (ScheduleRecord){
      .kind = SCHEDULE_REPEAT, .first_child = 2, .next_sibling = 3, .routine = -1, .value = -1, .constant = 2};
  t->Schedule[2] =
      (ScheduleRecord){.kind = SCHEDULE_RUN, .first_child = -1, .next_sibling = -1, .routine = R_UPDATE, .value = -1};
  t->Schedule[3] = (ScheduleRecord){
      .kind = SCHEDULE_EVERY, .first_child = 4, .next_sibling = -1, .routine = -1, .value = -1, .constant = 3};
  t->Schedule[4] =
      (ScheduleRecord){.kind = SCHEDULE_RUN, .first_child = -1, .next_sibling = -1, .routine = R_COUNT, .value = -1};
  t->ScheduleCount = 5;
  t->Objective[t->ObjectiveCount++] =
      (ObjectiveRecord){.players = "D", .label = "", .tensor = T_LOSS, .value_routine = -1, .line = 9};
  t->Output[t->OutputCount++] =
      (OutputRecord){.name = "fakes", .tensor = T_FAKES, .routine = R_FAKES, .random = 1, .line = 20};
  t->Output[t->OutputCount++] = (OutputRecord){.name = "slope", .tensor = T_SLOPE, .routine = R_SLOPE, .line = 21};
  t->Player[t->PlayerCount++] = (PlayerRecord){
      .name = "D", .optimizer = "momentum(rate)", .flops = 190, .gradient = -1, .has_rate = 1, .rate_tensor = T_RATE};
  t->Setting[t->SettingCount++] = (SettingRecord){.name = "rate", .tensor = T_RATE, .value = 0.05, .line = 2};
  t->Setting[t->SettingCount++] = (SettingRecord){.name = "width", .tensor = -1, .value = 2, .line = 1};
  return t;
}

static inline Bytes line_descriptor(void) {
  ModelTables *tables = line_tables();
  Bytes bytes = tables_write(tables);
  free(tables);
  return bytes;
}

#endif
