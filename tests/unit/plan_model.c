/* A model of two routines through the plan: the descriptor is read word by word, its blocks are allocated, its steps
   run as the runtime would run them, and all results are compared with the interpreter. Whatever overlaps that should
   not shows in the numbers. */
#include "compiler/plan/plan.h"
#include "schedule_gan.h"

/* Records as they lie in the descriptor; a text field holds its offset. */
typedef struct Tables {
  const uint8_t *bytes;
  uint64_t counts[RECORD_KIND_COUNT];
  const uint8_t *records[RECORD_KIND_COUNT];
  const char *strings;
  uint64_t string_bytes;
} Tables;

static const size_t record_sizes[RECORD_KIND_COUNT] = {
#define RECORD(NAME, Name) [RECORD_##NAME] = sizeof(Name##Record),
#define END
#define I(field)
#define F(field)
#define S(field)
#define A8(field)
#include "runtime/records.def"
};

static uint64_t word(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static Tables read_tables(const uint8_t *bytes, size_t size) {
  Tables tables = {.bytes = bytes};
  ck_assert(memcmp(bytes, "GANCMODL", 8) == 0);
  ck_assert_uint_eq(word(bytes + 8), ABI_VERSION);
  ck_assert_uint_eq(word(bytes + 16), size);
  uint64_t hash = UINT64_C(0xCBF29CE484222325);
  for (size_t i = 32; i < size; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
  ck_assert_uint_eq(word(bytes + 24), hash);
  const uint8_t *at = bytes + 32;
  for (int k = 0; k < RECORD_KIND_COUNT; k++, at += 8) tables.counts[k] = word(at);
  for (int k = 0; k < RECORD_KIND_COUNT; k++) tables.records[k] = at, at += tables.counts[k] * record_sizes[k];
  tables.string_bytes = word(at);
  tables.strings = (const char *)at + 8;
  ck_assert_ptr_eq(tables.strings + tables.string_bytes, (const char *)bytes + size);
  ck_assert_int_eq(tables.strings[0], 0);
  return tables;
}

static void record(const Tables *tables, RecordKind kind, uint64_t index, void *out) {
  ck_assert_uint_lt(index, tables->counts[kind]);
  memcpy(out, tables->records[kind] + index * record_sizes[kind], record_sizes[kind]);
}

static const char *text(const Tables *tables, const char *field) {
  uint64_t offset;
  memcpy(&offset, &field, sizeof offset);
  ck_assert_uint_lt(offset, tables->string_bytes);
  return tables->strings + offset;
}

typedef struct Collect {
  Model *model;
  Session *session;
} Collect;

/* Every input is a tensor, once. */
static void add_tensor(void *context, Node *node) {
  Collect *collect = context;
  Model *model = collect->model;
  if (node->kind != NODE_INPUT) return;
  for (int t = 0; t < model->tensor_count; t++)
    if (model->tensors[t].input == node) return;
  model->tensors[model->tensor_count++] = (ModelTensor){.name = node->name,
                                                        .role = node->batch ? ROLE_DATA : ROLE_WEIGHT,
                                                        .input = node,
                                                        .initial_routine = -1,
                                                        .player = "",
                                                        .data = "",
                                                        .source = "",
                                                        .group = -1,
                                                        .fed = -1};
}

static void move_values(const TensorRecord *tensor, char *block, double *numbers, int64_t count, bool read) {
  for (int64_t i = 0; i < count; i++) {
    int64_t rest = i, offset = 0;
    for (int64_t d = tensor->rank - 1; d >= 0; d--)
      offset += rest % tensor->shape[d] * tensor->stride[d], rest /= tensor->shape[d];
    char *at = block + tensor->offset + offset * storage_bytes((StorageType)tensor->type);
    float small = (float)numbers[i];
    if (tensor->type == STORAGE_F64 && read) memcpy(&numbers[i], at, 8);
    else if (tensor->type == STORAGE_F64) memcpy(at, &numbers[i], 8);
    else if (read) memcpy(&small, at, 4), numbers[i] = small;
    else memcpy(at, &small, 4);
  }
}

static void run_routine(const Tables *tables, uint64_t number, LoadedPrograms *loaded, void *const blocks[2],
                        void *workspace, DrawCounters counters) {
  RoutineRecord routine;
  record(tables, RECORD_ROUTINE, number, &routine);
  for (int64_t s = 0; s < routine.step_count; s++) {
    StepRecord step;
    ProgramRecord program;
    void *buffers[1024];
    record(tables, RECORD_STEP, (uint64_t)(routine.first_step + s), &step);
    record(tables, RECORD_PROGRAM, (uint64_t)step.program, &program);
    for (int64_t b = 0; b < program.buffer_count; b++) {
      BindingRecord binding;
      record(tables, RECORD_BINDING, (uint64_t)(step.first_binding + b), &binding);
      ck_assert_int_eq(binding.offset % 64, 0);
      ck_assert_int_eq(binding.place, binding.tensor >= 0 ? PLACE_PERSISTENT : PLACE_ARENA);
      buffers[b] = (char *)blocks[binding.place] + binding.offset;
    }
    Call call = {.buffers = buffers, .seed = counters.seed, .round = counters.round, .ordinal = counters.ordinal};
    Kernel kernel = (Kernel)(uintptr_t)llvm_kernel(loaded, (int)program.entry);
    for (int64_t chunk = 0; chunk < program.chunks; chunk++) kernel(&call, chunk, workspace);
  }
}

START_TEST(a_planned_model_runs_as_the_interpreter) {
  RegisterType real = _i == 0 ? REGISTER_F64 : REGISTER_F32;
  double tolerance = _i == 0 ? 1e-12 : 2e-5;
  static const int64_t generator[] = {5, 24, 32, 18}, discriminator[] = {18, 32, 16, 1};
  Session *session = session_new();
  Target *target = target_new(session, "native");
  Gan gan;
  gan_new(&gan, session, 24, 3, generator, discriminator);
  ModelRoutine routines[2];
  ModelSchedule runs[2],
      *children[2] = {&runs[0], &runs[1]},
      root = {.kind = SCHEDULE_SEQUENCE, .routine = -1, .value = -1, .child_count = 2, .children = children};
  Schedule *schedules[2];
  ModelTensor tensors[200];
  int fills[1] = {0};
  Model model = {.session = session,
                 .graph = gan.graph,
                 .name = "small",
                 .batch = 24,
                 .length_unit = "steps",
                 .length = 7,
                 .first_data = -1,
                 .tensors = tensors,
                 .routine_count = 2,
                 .routines = routines,
                 .schedule = &root};
  Collect collect = {&model, session};
  WantedStrategy tile = strategy_wanted("tile"); /* several programs, some of them equal */
  ScheduleOptions options = {
      .machine = target_machine(target), .real = real, .fuse_limit = -1, .wanted_count = 1, .wanted = &tile};
  for (int r = 0; r < 2; r++) {
    EffectList effects = gan_update(&gan, 1 - r);
    graph_walk(gan.graph, &effects, add_tensor, &collect);
    for (int i = 0; i < effects.count; i++) add_tensor(&collect, effects.items[i].target);
    routines[r] = (ModelRoutine){.name = r == 0 ? "update D" : "update G",
                                 .kind = ROUTINE_UPDATE,
                                 .effects = effects,
                                 .ordinal = r,
                                 .batch = 24,
                                 .fill_count = r == 0,
                                 .fills = fills};
    runs[r] = (ModelSchedule){.kind = SCHEDULE_RUN, .routine = r, .value = -1};
    schedules[r] = schedule_programs(schedule_fuse(session, gan.graph, effects, &options));
  }
  ModelPlayer player = {.name = "D", .optimizer = "adam"};
  model.player_count = 1, model.players = &player;
  PlanOptions plan_options = {
      .machine = options.machine, .real = real, .build = "test", .source_hash = "0", .file = "small.gan"};
  Plan *plan = plan_model(session, &model, schedules, &plan_options);
  ck_assert_int_lt(plan->program_count, schedules[0]->step_count + schedules[1]->step_count);

  Tables tables = read_tables(plan->descriptor, plan->descriptor_size);
  ModelRecord header;
  record(&tables, RECORD_MODEL, 0, &header);
  ck_assert_str_eq(text(&tables, header.real), _i == 0 ? "f64" : "f32");
  ck_assert_str_eq(text(&tables, header.file), "small.gan");
  ck_assert_int_eq(header.persistent_bytes, plan->persistent_bytes);
  ck_assert_uint_eq(tables.counts[RECORD_SCHEDULE], 3);
  PlayerRecord flops;
  record(&tables, RECORD_PLAYER, 0, &flops);
  ck_assert(flops.flops == schedules[0]->needed_flops);
  int64_t values = 0; /* of one routine, each in memory of its own */
  for (int v = 0; v < schedules[0]->value_count; v++) values += (int64_t)value_bytes(schedules[0]->values[v]);
  ck_assert_int_lt(plan->arena_bytes, values);

  LoadedPrograms *loaded = llvm_load(session, target, plan->program_count, plan->programs);
  ck_assert_ptr_nonnull(loaded);
  void *blocks[2] = {guarded_block((size_t)plan->persistent_bytes), guarded_block((size_t)plan->arena_bytes)};
  void *workspace = guarded_block((size_t)plan->workspace_bytes);
  Interpreter *interpreter = interpreter_new(gan.graph);
  DrawCounters counters = {.seed = 3, .round = 2};
  Random random = {11};
  for (int t = 0; t < model.tensor_count; t++) {
    TensorRecord tensor;
    record(&tables, RECORD_TENSOR, (uint64_t)t, &tensor);
    ck_assert_str_eq(text(&tables, tensor.name), model.tensors[t].name);
    int64_t count = node_size(model.tensors[t].input);
    double *numbers = malloc((size_t)count * sizeof *numbers);
    for (int64_t i = 0; i < count; i++) {
      numbers[i] = (double)random_integer(&random, 0, (1 << 24) - 1) / (1 << 26); /* exact in float32 */
      if (model.tensors[t].input->rank == 0) numbers[i] = 2;
    }
    interpreter_set(interpreter, model.tensors[t].input, numbers);
    move_values(&tensor, blocks[0], numbers, count, false);
    free(numbers);
  }
  for (int r = 0; r < 2; r++) {
    counters.ordinal = r;
    memset(blocks[1], 0x7f, (size_t)plan->arena_bytes); /* a routine finds nothing of the last one */
    run_routine(&tables, (uint64_t)r, loaded, blocks, workspace, counters);
    interpreter_draws(interpreter, counters);
    interpreter_apply(interpreter, &routines[r].effects);
  }
  for (int t = 0; t < model.tensor_count; t++) {
    TensorRecord tensor;
    record(&tables, RECORD_TENSOR, (uint64_t)t, &tensor);
    int64_t count = node_size(model.tensors[t].input);
    double *numbers = malloc((size_t)count * sizeof *numbers);
    move_values(&tensor, blocks[0], numbers, count, true);
    double away = distance(numbers, interpreter_value(interpreter, model.tensors[t].input), count);
    ck_assert_msg(away <= tolerance, "%s: %g away", model.tensors[t].name, away);
    free(numbers);
  }
  interpreter_free(interpreter);
  llvm_unload(loaded);
  guarded_free(blocks[0], (size_t)plan->persistent_bytes);
  guarded_free(blocks[1], (size_t)plan->arena_bytes);
  guarded_free(workspace, (size_t)plan->workspace_bytes);
  session_free(session);
}
END_TEST

CHECK_MAIN(.loops = {{a_planned_model_runs_as_the_interpreter, 0, 2}})
