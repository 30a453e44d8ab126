/* The descriptor of a compiled model: bytes to records. Takes the bytes that the compiler wrote (layout in abi.h);
   returns typed tables in which every index, offset, range and count has been checked, so that nobody after this file
   checks them again. Never trusts a byte, never reads outside the bytes, never changes them. */
#include "runtime/runtime.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 8, HEADER_BYTES = MAGIC_BYTES + 24 };
static const int64_t bytes_limit = (int64_t)1 << 44; /* no block is larger: sums of two sizes never overflow */

typedef enum FieldKind { FIELD_INTEGER, FIELD_FLOAT, FIELD_TEXT } FieldKind;
typedef struct Field {
  const char *name;
  FieldKind kind;
  int words;
} Field;

#define I(field) {#field, FIELD_INTEGER, 1},
#define F(field) {#field, FIELD_FLOAT, 1},
#define S(field) {#field, FIELD_TEXT, 1},
#define A8(field) {#field, FIELD_INTEGER, 8},
#define RECORD(NAME, Name) static const Field fields_of_##Name[] = {
#define END \
  } \
  ;
#include "runtime/records.def"

typedef struct Layout {
  const char *name;
  const Field *fields;
  size_t field_count, size, table, count;
} Layout;

/* Where the table of each kind and its length stand in a Descriptor. */
#define LAYOUT(Name, plural, singular) \
  {#singular, \
   fields_of_##Name, \
   sizeof fields_of_##Name / sizeof(Field), \
   sizeof(Name##Record), \
   offsetof(Descriptor, plural), \
   offsetof(Descriptor, singular##_count)}
static const Layout layouts[RECORD_KIND_COUNT] = {
    [RECORD_MODEL] = LAYOUT(Model, header, header),
    [RECORD_TENSOR] = LAYOUT(Tensor, tensors, tensor),
    [RECORD_PROGRAM] = LAYOUT(Program, programs, program),
    [RECORD_STEP] = LAYOUT(Step, steps, step),
    [RECORD_BINDING] = LAYOUT(Binding, bindings, binding),
    [RECORD_VALUE] = LAYOUT(Value, values, value),
    [RECORD_ROUTINE] = LAYOUT(Routine, routines, routine),
    [RECORD_FILL] = LAYOUT(Fill, fills, fill),
    [RECORD_SCHEDULE] = LAYOUT(Schedule, schedules, schedule),
    [RECORD_OBJECTIVE] = LAYOUT(Objective, objectives, objective),
    [RECORD_DIAGNOSIS] = LAYOUT(Diagnosis, diagnoses, diagnosis),
    [RECORD_PAIR] = LAYOUT(Pair, pairs, pair),
    [RECORD_OUTPUT] = LAYOUT(Output, outputs, output),
    [RECORD_PLAYER] = LAYOUT(Player, players, player),
    [RECORD_SETTING] = LAYOUT(Setting, settings, setting),
};

/* The reader's position and its first complaint; after that everything it is asked fails quietly. */
typedef struct Reader {
  const uint8_t *bytes;
  uint64_t size, at;
  const Descriptor *model;
  Problem *problem;
  bool failed;
} Reader;

__attribute__((format(printf, 2, 3))) static bool fail(Reader *reader, const char *format, ...) {
  if (!reader->failed) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reader->problem->text, sizeof reader->problem->text, format, arguments);
    va_end(arguments);
  }
  reader->failed = true;
  return false;
}

static uint64_t word_at(const uint8_t *bytes) {
  uint64_t word = 0;
  for (int k = 7; k >= 0; k--) word = word << 8 | bytes[k];
  return word;
}

static bool read_word(Reader *reader, uint64_t *word, const char *what) {
  if (reader->size - reader->at < 8)
    return fail(reader, "the descriptor ends at byte %llu, inside %s", (unsigned long long)reader->size, what);
  *word = word_at(reader->bytes + reader->at);
  reader->at += 8;
  return true;
}

static size_t layout_words(const Layout *layout) { return layout->size / 8; }

/* ---- from bytes to tables ---------------------------------------------------------------------------------------- */

static bool read_header(Reader *reader) {
  uint64_t version, size, hash;
  if (reader->size < HEADER_BYTES)
    return fail(reader, "the descriptor has %llu bytes, fewer than its header", (unsigned long long)reader->size);
  if (memcmp(reader->bytes, "GANCMODL", MAGIC_BYTES) != 0)
    return fail(reader, "this is no model descriptor: it does not begin with GANCMODL");
  reader->at = MAGIC_BYTES;
  if (!read_word(reader, &version, "the version") || !read_word(reader, &size, "the size") ||
      !read_word(reader, &hash, "the checksum"))
    return false;
  if (version != ABI_VERSION)
    return fail(reader, "the model was compiled for version %llu of the runtime, this is version %d",
                (unsigned long long)version, ABI_VERSION);
  if (size != reader->size)
    return fail(reader, "the descriptor says it has %llu bytes, but has %llu", (unsigned long long)size,
                (unsigned long long)reader->size);
  if (hash != hash_fnv(HASH_START, reader->bytes + HEADER_BYTES, size - HEADER_BYTES))
    return fail(reader, "the descriptor is damaged: its checksum does not fit");
  return true;
}

/* Record kind's words to structs; texts must end inside the string block. */
static bool read_table(Reader *reader, const Layout *layout, uint64_t count, const char *strings, uint64_t string_bytes,
                       uint8_t *out) {
  for (uint64_t record = 0; record < count; record++)
    for (size_t f = 0; f < layout->field_count; f++) {
      const Field *field = &layout->fields[f];
      for (int k = 0; k < field->words; k++, out += 8) {
        uint64_t word;
        if (!read_word(reader, &word, layout->name)) return false;
        if (field->kind != FIELD_TEXT) {
          memcpy(out, &word, 8);
          continue;
        }
        if (word >= string_bytes)
          return fail(reader, "%s %llu: the text of `%s` lies outside the string block", layout->name,
                      (unsigned long long)record, field->name);
        const char *text = strings + word;
        memcpy(out, &text, sizeof text);
      }
    }
  return true;
}

static bool read_tables(Reader *reader, Descriptor *model) {
  uint64_t counts[RECORD_KIND_COUNT], total = 0;
  for (int kind = 0; kind < RECORD_KIND_COUNT; kind++) {
    if (!read_word(reader, &counts[kind], "the counts of records")) return false;
    uint64_t room = (reader->size - reader->at) / 8 / layout_words(&layouts[kind]);
    if (counts[kind] > room)
      return fail(reader, "%llu records of kind %s do not fit in %llu bytes", (unsigned long long)counts[kind],
                  layouts[kind].name, (unsigned long long)reader->size);
    total += counts[kind] * layouts[kind].size;
  }
  uint64_t records_at = reader->at, string_bytes;
  if (total > reader->size - reader->at) return fail(reader, "the descriptor is shorter than its records");
  reader->at += total;
  if (!read_word(reader, &string_bytes, "the size of the string block")) return false;
  if (string_bytes != reader->size - reader->at)
    return fail(reader, "the string block does not end with the descriptor");
  const char *strings = (const char *)reader->bytes + reader->at;
  if (string_bytes == 0 || strings[0] != 0 || strings[string_bytes - 1] != 0)
    return fail(reader, "the string block must begin and end with a zero");

  model->storage = system_allocate(total ? total : 1);
  if (!model->storage) return fail(reader, "no memory for %llu bytes of records", (unsigned long long)total);
  reader->at = records_at;
  uint8_t *out = model->storage;
  for (int kind = 0; kind < RECORD_KIND_COUNT; kind++) {
    const Layout *layout = &layouts[kind];
    if (!read_table(reader, layout, counts[kind], strings, string_bytes, out)) return false;
    const void *table = out;
    int64_t count = (int64_t)counts[kind];
    memcpy((uint8_t *)model + layout->table, &table, sizeof table);
    memcpy((uint8_t *)model + layout->count, &count, sizeof count);
    out += counts[kind] * layout->size;
  }
  return true;
}

/* ---- checks: what a number may refer to -------------------------------------------------------------------------- */

typedef struct Place {
  Reader *reader;
  const char *kind;
  int64_t record;
} Place; /* which record is being checked */

static bool check_range(Place at, const char *field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value < high) return true;
  return fail(at.reader, "%s %lld: `%s` is %lld, not in [%lld, %lld)", at.kind, (long long)at.record, field,
              (long long)value, (long long)low, (long long)high);
}
static bool check_index(Place at, const char *field, int64_t value, int64_t count) {
  return check_range(at, field, value, 0, count);
}
static bool check_optional(Place at, const char *field, int64_t value, int64_t count) {
  return value == -1 || check_range(at, field, value, -1, count);
}
static bool check_slice(Place at, const char *field, int64_t first, int64_t length, int64_t count) {
  if (first >= 0 && length >= 0 && first <= count && length <= count - first) return true;
  return fail(at.reader, "%s %lld: %s [%lld, %lld + %lld) lie outside the %lld that there are", at.kind,
              (long long)at.record, field, (long long)first, (long long)first, (long long)length, (long long)count);
}
static bool check_number(Place at, const char *field, double value) {
  return value - value == 0 || fail(at.reader, "%s %lld: `%s` is not finite", at.kind, (long long)at.record, field);
}
/* A tensor whose single number the runtime reads: objectives, counts of the schedule. */
static bool check_scalar(Place at, const char *field, int64_t value, bool optional) {
  const Descriptor *model = at.reader->model;
  if (optional && value == -1) return true;
  if (!check_index(at, field, value, model->tensor_count)) return false;
  return tensor_size(&model->tensors[value]) == 1 ||
         fail(at.reader, "%s %lld: `%s` must name a single number, not %s", at.kind, (long long)at.record, field,
              model->tensors[value].name);
}

static int64_t block_bytes(const Descriptor *model, int64_t place) {
  return place == PLACE_ARENA ? model->header->arena_bytes : model->header->persistent_bytes;
}

static bool check_header(Place at, const Descriptor *model) {
  const ModelRecord *header = model->header;
  if (strcmp(header->real, "f32") != 0 && strcmp(header->real, "f64") != 0)
    return fail(at.reader, "model: `real` is \"%s\", neither f32 nor f64", header->real);
  const char *units[] = {"", "steps", "images", "epochs"};
  bool known = false;
  for (int k = 0; k < 4; k++) known = known || strcmp(header->length_unit, units[k]) == 0;
  if (!known) return fail(at.reader, "model: `length_unit` is \"%s\"", header->length_unit);
  return check_range(at, "batch", header->batch, 1, (int64_t)1 << 31) &&
         check_range(at, "feeds", header->feeds, 0, 2) && check_range(at, "trace", header->trace, 0, 2) &&
         check_range(at, "persistent_bytes", header->persistent_bytes, 0, bytes_limit) &&
         check_range(at, "arena_bytes", header->arena_bytes, 0, bytes_limit) &&
         check_range(at, "workspace_bytes", header->workspace_bytes, 0, bytes_limit) &&
         check_number(at, "length", header->length) &&
         ((header->length >= 0 && header->length <= LENGTH_LIMIT) ||
          fail(at.reader, "model: `length` is %g", header->length)) &&
         check_optional(at, "first_data", header->first_data, model->tensor_count) &&
         check_index(at, "schedule", header->schedule, model->schedule_count);
}

/* The number of the farthest element, counted in the memory: strides are not negative. */
static bool check_strides(Place at, const char *name, int64_t rank, const int64_t *shape, const int64_t *strides,
                          int64_t *last) {
  int64_t elements = 1;
  *last = 0;
  for (int axis = 0; axis < rank; axis++) {
    int64_t extent = shape[axis], stride = strides[axis];
    if (!check_range(at, "shape", extent, 1, bytes_limit) || !check_range(at, "stride", stride, 0, bytes_limit))
      return false;
    if (elements > bytes_limit / extent || (stride && extent - 1 > (bytes_limit - *last) / stride))
      return fail(at.reader, "%s %s is too large", at.kind, name);
    elements *= extent;
    *last += (extent - 1) * stride;
  }
  return true;
}

/* The farthest element must end inside `bytes`, and these inside the block. */
static bool check_tensor_layout(Place at, const Descriptor *model, const TensorRecord *tensor) {
  int64_t last, width = storage_bytes((StorageType)tensor->type);
  if (!check_strides(at, tensor->name, tensor->rank, tensor->shape, tensor->stride, &last)) return false;
  if (!check_range(at, "bytes", tensor->bytes, 0, bytes_limit) ||
      !check_range(at, "offset", tensor->offset, 0, bytes_limit))
    return false;
  if (tensor->offset % width != 0)
    return fail(at.reader, "tensor %s: its offset %lld is not a multiple of %lld", tensor->name,
                (long long)tensor->offset, (long long)width);
  if ((last + 1) * width > tensor->bytes)
    return fail(at.reader, "tensor %s: its strides reach beyond its %lld bytes", tensor->name,
                (long long)tensor->bytes);
  if (tensor->offset + tensor->bytes > block_bytes(model, tensor->place))
    return fail(at.reader, "tensor %s ends at byte %lld of a block of %lld", tensor->name,
                (long long)(tensor->offset + tensor->bytes), (long long)block_bytes(model, tensor->place));
  return true;
}

static bool check_tensor(Place at, const Descriptor *model) {
  const TensorRecord *tensor = &model->tensors[at.record];
  if (!check_range(at, "role", tensor->role, 0, ROLE_RESULT + 1) ||
      !check_range(at, "type", tensor->type, 0, STORAGE_F64 + 1) || !check_range(at, "rank", tensor->rank, 0, 9) ||
      !check_range(at, "batch", tensor->batch, 0, 2) || !check_range(at, "place", tensor->place, 0, PLACE_ARENA + 1))
    return false;
  if (tensor->batch && tensor->rank == 0)
    return fail(at.reader, "tensor %s runs over samples but has no axis", tensor->name);
  if (tensor->role <= ROLE_OPTIMIZER_STATE && tensor->place != PLACE_PERSISTENT)
    return fail(at.reader, "tensor %s is kept but lies in the arena", tensor->name);
  if (!tensor->name[0] && tensor->role != ROLE_RESULT && tensor->role != ROLE_LOCAL)
    return fail(at.reader, "tensor %lld has no name", (long long)at.record);
  if (tensor->role == ROLE_DATA && !tensor->data[0])
    return fail(at.reader, "tensor %s does not say which data it is", tensor->name);
  return check_tensor_layout(at, model, tensor) &&
         check_range(at, "initial", tensor->initial, 0, INITIAL_ROUTINE + 1) &&
         check_number(at, "initial_a", tensor->initial_a) && check_number(at, "initial_b", tensor->initial_b) &&
         (tensor->initial == INITIAL_ROUTINE
              ? check_index(at, "initial_routine", tensor->initial_routine, model->routine_count)
              : true) &&
         check_number(at, "low", tensor->low) && check_number(at, "high", tensor->high) &&
         check_range(at, "bounded", tensor->bounded, 0, 2) &&
         check_range(at, "classes", tensor->classes, 0, (int64_t)1 << 24) &&
         check_optional(at, "group", tensor->group, model->tensor_count) &&
         check_optional(at, "fed", tensor->fed, model->tensor_count) &&
         ((tensor->role != ROLE_COUNTER && tensor->role != ROLE_SETTING) || tensor_size(tensor) == 1 ||
          fail(at.reader, "%s must be a single number", tensor->name));
}

static bool check_program(Place at, const Descriptor *model) {
  const ProgramRecord *program = &model->programs[at.record];
  return check_range(at, "entry", program->entry, 0, model->program_count) &&
         check_range(at, "tile", program->tile, 0, 2) &&
         check_range(at, "chunks", program->chunks, 1, (int64_t)1 << 40) &&
         check_range(at, "workspace_bytes", program->workspace_bytes, 0, model->header->workspace_bytes + 1) &&
         check_range(at, "buffer_count", program->buffer_count, 0, 1 << 20);
}

static bool check_step(Place at, const Descriptor *model) {
  const StepRecord *step = &model->steps[at.record];
  return check_index(at, "program", step->program, model->program_count) &&
         check_slice(at, "bindings", step->first_binding, model->programs[step->program].buffer_count,
                     model->binding_count) &&
         check_number(at, "flops", step->flops) && check_number(at, "bytes", step->bytes) &&
         check_range(at, "told", step->told, 0, 2);
}

static bool check_value(Place at, const Descriptor *model) {
  const ValueRecord *value = &model->values[at.record];
  int64_t last;
  return check_range(at, "type", value->type, 0, STORAGE_F64 + 1) && check_range(at, "rank", value->rank, 0, 9) &&
         check_range(at, "batch", value->batch, 0, value->rank > 0 ? 2 : 1) &&
         check_strides(at, value->name, value->rank, value->shape, value->stride, &last);
}

/* A value's farthest element must end inside the block. */
static bool check_binding(Place at, const Descriptor *model) {
  const BindingRecord *binding = &model->bindings[at.record];
  if (!check_range(at, "place", binding->place, 0, PLACE_ARENA + 1) ||
      !check_optional(at, "tensor", binding->tensor, model->tensor_count) ||
      !check_range(at, "offset", binding->offset, 0, block_bytes(model, binding->place) + 1) ||
      !check_optional(at, "value", binding->value, model->value_count) ||
      !check_range(at, "written", binding->written, 0, 2))
    return false;
  if (binding->value < 0) return true;
  const ValueRecord *value = &model->values[binding->value];
  int64_t last, width = storage_bytes((StorageType)value->type);
  if (!check_strides(at, value->name, value->rank, value->shape, value->stride, &last)) return false;
  if (binding->offset % width == 0 && (last + 1) * width <= block_bytes(model, binding->place) - binding->offset)
    return true;
  return fail(at.reader, "binding %lld: the value %s does not lie in its block", (long long)at.record, value->name);
}

static bool check_routine(Place at, const Descriptor *model) {
  const RoutineRecord *routine = &model->routines[at.record];
  if (!check_range(at, "kind", routine->kind, 0, ROUTINE_DIAGNOSE + 1) ||
      !check_range(at, "ordinal", routine->ordinal, -1, (int64_t)1 << 31) ||
      !check_range(at, "batch", routine->batch, 0, (int64_t)1 << 31) ||
      !check_slice(at, "steps", routine->first_step, routine->step_count, model->step_count) ||
      !check_slice(at, "fills", routine->first_fill, routine->fill_count, model->fill_count))
    return false;
  for (int64_t k = 0; k < routine->fill_count; k++) {
    int64_t tensor = model->fills[routine->first_fill + k].tensor;
    if (!check_index(at, "fill", tensor, model->tensor_count)) return false;
    if (model->tensors[tensor].role != ROLE_DATA && model->tensors[tensor].role != ROLE_NOISE)
      return fail(at.reader, "routine %s fills %s, which is neither data nor noise", routine->name,
                  model->tensors[tensor].name);
  }
  return true;
}

/* Children and siblings come after their node, so the tree ends. */
static bool check_schedule(Place at, const Descriptor *model) {
  const ScheduleRecord *node = &model->schedules[at.record];
  if (!check_range(at, "kind", node->kind, 0, SCHEDULE_RUN + 1) || !check_number(at, "constant", node->constant))
    return false;
  if ((node->first_child != -1 && !check_index(at, "first_child", node->first_child, model->schedule_count)) ||
      (node->next_sibling != -1 && !check_index(at, "next_sibling", node->next_sibling, model->schedule_count)))
    return false;
  return (node->kind == SCHEDULE_RUN ? check_index(at, "routine", node->routine, model->routine_count)
                                     : check_optional(at, "routine", node->routine, model->routine_count)) &&
         check_scalar(at, "value", node->value, true);
}

/* Every node is reached at most once: a tree, not a graph with cycles. Also bounds the depth that schedule.c will
   recurse to. */
static bool check_schedule_tree(Reader *reader, const Descriptor *model, int64_t node, uint8_t *seen, int depth) {
  if (depth > 200) return fail(reader, "the schedule is nested too deeply");
  for (; node != -1; node = model->schedules[node].next_sibling) {
    if (seen[node]++) return fail(reader, "schedule %lld is reached twice", (long long)node);
    if (!check_schedule_tree(reader, model, model->schedules[node].first_child, seen, depth + 1)) return false;
  }
  return true;
}

static bool check_objective(Place at, const Descriptor *model) {
  const ObjectiveRecord *objective = &model->objectives[at.record];
  return check_scalar(at, "tensor", objective->tensor, false) &&
         check_optional(at, "value_routine", objective->value_routine, model->routine_count) &&
         check_range(at, "maximize", objective->maximize, 0, 2);
}

static bool check_diagnosis(Place at, const Descriptor *model) {
  const DiagnosisRecord *diagnosis = &model->diagnoses[at.record];
  return check_index(at, "objective", diagnosis->objective, model->objective_count) &&
         check_optional(at, "base_routine", diagnosis->base_routine, model->routine_count) &&
         check_index(at, "value_routine", diagnosis->value_routine, model->routine_count) &&
         check_index(at, "gradient_routine", diagnosis->gradient_routine, model->routine_count) &&
         check_optional(at, "second_routine", diagnosis->second_routine, model->routine_count) &&
         check_scalar(at, "value", diagnosis->value, false) &&
         check_slice(at, "pairs", diagnosis->first_pair, diagnosis->pair_count, model->pair_count);
}

static bool check_pair(Place at, const Descriptor *model) {
  const PairRecord *pair = &model->pairs[at.record];
  const struct {
    const char *name;
    int64_t tensor;
  } parts[] = {
      {"weight", pair->weight}, {"gradient", pair->gradient}, {"direction", pair->direction}, {"second", pair->second}};
  for (int k = 0; k < 4; k++) {
    if (k == 3 && pair->second == -1) continue;
    if (!check_index(at, parts[k].name, parts[k].tensor, model->tensor_count)) return false;
    if (tensor_size(&model->tensors[parts[k].tensor]) != tensor_size(&model->tensors[pair->weight]))
      return fail(at.reader, "pair %lld: %s and weight differ in size", (long long)at.record, parts[k].name);
  }
  return true;
}

static bool check_output(Place at, const Descriptor *model) {
  const OutputRecord *output = &model->outputs[at.record];
  return check_index(at, "tensor", output->tensor, model->tensor_count) &&
         check_index(at, "routine", output->routine, model->routine_count) &&
         check_range(at, "random", output->random, 0, 2) &&
         (output->random ? model->tensors[output->tensor].batch ||
                               fail(at.reader, "output %s is random but has no samples", output->name)
                         : true);
}

static bool check_player(Place at, const Descriptor *model) {
  const PlayerRecord *player = &model->players[at.record];
  return check_number(at, "flops", player->flops) && check_range(at, "has_rate", player->has_rate, 0, 2) &&
         check_number(at, "rate", player->rate) && check_scalar(at, "gradient", player->gradient, true) &&
         (!player->has_rate || check_scalar(at, "rate_tensor", player->rate_tensor, true));
}

static bool check_setting(Place at, const Descriptor *model) {
  const SettingRecord *setting = &model->settings[at.record];
  return check_scalar(at, "tensor", setting->tensor, true) && check_number(at, "value", setting->value);
}

static bool (*const checks[RECORD_KIND_COUNT])(Place, const Descriptor *) = {
    [RECORD_MODEL] = check_header,        [RECORD_TENSOR] = check_tensor,
    [RECORD_PROGRAM] = check_program,     [RECORD_STEP] = check_step,
    [RECORD_VALUE] = check_value,         [RECORD_BINDING] = check_binding,
    [RECORD_ROUTINE] = check_routine,     [RECORD_FILL] = NULL,
    [RECORD_SCHEDULE] = check_schedule,   [RECORD_OBJECTIVE] = check_objective,
    [RECORD_DIAGNOSIS] = check_diagnosis, [RECORD_PAIR] = check_pair,
    [RECORD_OUTPUT] = check_output,       [RECORD_PLAYER] = check_player,
    [RECORD_SETTING] = check_setting,
};

static bool check_all(Reader *reader, const Descriptor *model) {
  if (model->header_count != 1)
    return fail(reader, "a descriptor holds one model, this one %lld", (long long)model->header_count);
  for (int kind = 0; kind < RECORD_KIND_COUNT; kind++) {
    int64_t count;
    memcpy(&count, (const uint8_t *)model + layouts[kind].count, sizeof count);
    for (int64_t record = 0; checks[kind] && record < count; record++)
      if (!checks[kind]((Place){reader, layouts[kind].name, record}, model)) return false;
  }
  uint8_t *seen = allocate_zeroed((size_t)model->schedule_count + 1, 1);
  if (!seen) return fail(reader, "no memory to check the schedule");
  bool tree = check_schedule_tree(reader, model, model->header->schedule, seen, 0);
  free(seen);
  return tree;
}

static bool name_objectives(Descriptor *model, Problem *problem) {
  size_t count = (size_t)model->objective_count;
  model->objective_names = calloc(count + 1, sizeof *model->objective_names);
  bool fine = model->objective_names != NULL;
  for (size_t k = 0; k < count && fine; k++) {
    const ObjectiveRecord *record = &model->objectives[k];
    int same = 1;
    for (size_t j = 0; j < k; j++)
      same += strcmp(model->objectives[j].label, record->label) == 0 &&
              strcmp(model->objectives[j].players, record->players) == 0;
    char number[16] = "";
    if (same > 1) snprintf(number, sizeof number, "#%d", same);
    model->objective_names[k] =
        text_format("%s%s%s%s", record->label, record->label[0] ? "." : "", record->players, number);
    fine = model->objective_names[k] != NULL;
  }
  return fine || problem_out_of_memory(problem, "the names of objectives", count * sizeof *model->objective_names);
}

bool descriptor_read(Descriptor *model, const uint8_t *bytes, uint64_t size, Problem *problem) {
  *model = (Descriptor){0};
  problem->text[0] = 0;
  Reader reader = {bytes, size, 0, model, problem, false};
  if (read_header(&reader) && read_tables(&reader, model) && check_all(&reader, model) &&
      name_objectives(model, problem))
    return true;
  descriptor_free(model);
  return false;
}

void descriptor_free(Descriptor *model) {
  for (int64_t k = 0; k < model->objective_count && model->objective_names; k++) free(model->objective_names[k]);
  free(model->objective_names);
  free(model->storage);
  *model = (Descriptor){0};
}

int64_t tensor_size(const TensorRecord *tensor) {
  int64_t size = 1;
  for (int axis = 0; axis < tensor->rank; axis++) size *= tensor->shape[axis];
  return size;
}

int64_t tensor_bytes(const TensorRecord *tensor) {
  return tensor_size(tensor) * storage_bytes((StorageType)tensor->type);
}

int64_t tensor_sample_size(const TensorRecord *tensor) {
  return tensor->batch ? tensor_size(tensor) / tensor->shape[0] : tensor_size(tensor);
}

bool tensor_is_kept(const TensorRecord *tensor) { return tensor->role <= ROLE_OPTIMIZER_STATE; }

bool descriptor_is_f64(const Descriptor *model) { return strcmp(model->header->real, "f64") == 0; }

int64_t descriptor_find_tensor(const Descriptor *model, const char *name) {
  for (int64_t k = 0; k < model->tensor_count; k++)
    if (strcmp(model->tensors[k].name, name) == 0) return k;
  return -1;
}
