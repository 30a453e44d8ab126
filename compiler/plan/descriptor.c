/* The descriptor: the model as bytes. Takes a model with its layout; returns exactly what runtime/abi.h describes.
   Records are C structs here, and the one file of records says how each field becomes eight bytes, so that writer and
   reader cannot drift. Never decides an offset. */
#include "layout.h"
#include "runtime/words.h"

#include <stddef.h>
#include <string.h>

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

typedef struct Bytes {
  Session *session;
  uint8_t *data;
  size_t size, capacity;
} Bytes;

static void bytes_add(Bytes *bytes, const void *data, size_t size) {
  if (bytes->size + size > bytes->capacity) {
    size_t capacity = (bytes->size + size) * 2;
    uint8_t *larger = session_allocate(bytes->session, capacity);
    if (bytes->size > 0) memcpy(larger, bytes->data, bytes->size);
    bytes->data = larger, bytes->capacity = capacity;
  }
  if (size > 0) memcpy(bytes->data + bytes->size, data, size);
  bytes->size += size;
}

static void bytes_word(Bytes *bytes, uint64_t word) {
  uint8_t little[8];
  for (int k = 0; k < 8; k++) little[k] = (uint8_t)(word >> 8 * k);
  bytes_add(bytes, little, sizeof little);
}

/* offsets: of texts, by the interned text, from 1 */
typedef struct Writer {
  Bytes records[RECORD_KIND_COUNT], strings;
  Map offsets;
  int64_t counts[RECORD_KIND_COUNT];
} Writer;

/* Equal texts share their bytes; the empty one is at 0. */
static uint64_t text_offset(Writer *writer, const char *text) {
  Session *session = writer->strings.session;
  text = session_string(session, text == NULL ? "" : text);
  uintptr_t known = (uintptr_t)map_get(&writer->offsets, text);
  if (known > 0) return known - 1;
  size_t at = writer->strings.size;
  bytes_add(&writer->strings, text, strlen(text) + 1);
  map_put(session, &writer->offsets, text, (void *)(uintptr_t)(at + 1));
  return at;
}

static void write_integer(Writer *writer, Bytes *bytes, int64_t value) {
  (void)writer;
  bytes_word(bytes, (uint64_t)value);
}

static void write_float(Writer *writer, Bytes *bytes, double value) {
  uint64_t word;
  (void)writer;
  memcpy(&word, &value, sizeof word);
  bytes_word(bytes, word);
}

static void write_text(Writer *writer, Bytes *bytes, const char *text) { bytes_word(bytes, text_offset(writer, text)); }

static void write_eight(Writer *writer, Bytes *bytes, const int64_t *values) {
  for (int k = 0; k < 8; k++) write_integer(writer, bytes, values[k]);
}

/* write_TENSOR(writer, record) and so on; each returns the record's index. */
#define RECORD(NAME, Name) \
  static int64_t write_##NAME(Writer *writer, const Name##Record *record) { \
    Bytes *bytes = &writer->records[RECORD_##NAME]; \
    int64_t index = writer->counts[RECORD_##NAME]++;
#define I(field) write_integer(writer, bytes, record->field);
#define F(field) write_float(writer, bytes, record->field);
#define S(field) write_text(writer, bytes, record->field);
#define A8(field) write_eight(writer, bytes, record->field);
#define END \
  return index; \
  }
#include "runtime/records.def"

static int64_t line_of(Span span) {
  return span.source == NULL ? 0 : (int64_t)source_place(span.source, span.from).line;
}

/* ---- tensors, programs, routines --------------------------------------------------------------------------------- */

static void write_tensors(Writer *writer, const PlanLayout *layout) {
  for (int t = 0; t < layout->model->tensor_count; t++) {
    const ModelTensor *tensor = &layout->model->tensors[t];
    const PlacedTensor *placed = &layout->tensors[t];
    TensorRecord record = {.name = tensor->name,
                           .role = tensor->role,
                           .type = placed->layout.storage,
                           .rank = tensor->input->rank,
                           .batch = tensor->input->batch,
                           .place = PLACE_PERSISTENT,
                           .offset = placed->offset,
                           .bytes = placed->bytes,
                           .initial = tensor->initial,
                           .initial_a = tensor->initial_a,
                           .initial_b = tensor->initial_b,
                           .initial_routine = tensor->initial_routine,
                           .player = tensor->player,
                           .stream = (int64_t)tensor->stream,
                           .draw = tensor->draw,
                           .low = tensor->low,
                           .high = tensor->high,
                           .bounded = tensor->bounded,
                           .classes = tensor->classes,
                           .data = tensor->data,
                           .source = tensor->source,
                           .group = tensor->group,
                           .fed = tensor->fed,
                           .line = line_of(tensor->span)};
    for (int d = 0; d < tensor->input->rank; d++)
      record.shape[d] = tensor->input->shape[d], record.stride[d] = placed->layout.stride[d];
    write_TENSOR(writer, &record);
  }
}

static void write_programs(Writer *writer, const PlanLayout *layout, const Plan *plan) {
  for (int p = 0; p < plan->program_count; p++) {
    const Program *program = plan->programs[p];
    write_PROGRAM(writer, &(ProgramRecord){.symbol = session_format(layout->session, "kernel_%d", p),
                                           .entry = p,
                                           .tile = program->tile,
                                           .chunks = program->chunks,
                                           .workspace_bytes = program->workspace_bytes,
                                           .buffer_count = program->bound_count});
  }
}

static void write_values(Writer *writer, const PlanLayout *layout) {
  for (int v = 0; v < layout->value_count; v++) {
    const StoredValue *value = layout->values[v].value;
    const Node *node = value->node;
    ValueRecord record = {.name = session_format(layout->session, "n%d", node->id),
                          .part = node->name,
                          .type = value->storage,
                          .rank = node->rank,
                          .batch = node->batch};
    for (int d = 0; d < node->rank; d++) record.shape[d] = node->shape[d], record.stride[d] = value->stride[d];
    write_VALUE(writer, &record);
  }
}

static void write_binding(Writer *writer, const PlanLayout *layout, const StoredValue *value, const Made *made) {
  int tensor = plan_tensor(layout, value);
  BindingRecord record = {.place = tensor >= 0 ? PLACE_PERSISTENT : PLACE_ARENA,
                          .offset = tensor >= 0 ? layout->tensors[tensor].offset : 0,
                          .tensor = tensor,
                          .value = -1,
                          .written = made->written,
                          .line = line_of(made->span),
                          .formula = made->formula};
  if (tensor < 0) {
    const PlacedValue *placed = map_get(&layout->value_places, value);
    record.offset = placed->offset, record.value = placed - layout->values;
  }
  write_BINDING(writer, &record);
}

static void write_routines(Writer *writer, const PlanLayout *layout) {
  for (int r = 0; r < layout->model->routine_count; r++) {
    const ModelRoutine *routine = &layout->model->routines[r];
    const Schedule *schedule = layout->schedules[r];
    RoutineRecord record = {.name = routine->name,
                            .kind = routine->kind,
                            .ordinal = routine->ordinal,
                            .batch = routine->batch,
                            .first_step = writer->counts[RECORD_STEP],
                            .step_count = schedule->step_count,
                            .first_fill = writer->counts[RECORD_FILL],
                            .fill_count = routine->fill_count,
                            .line = line_of(routine->span)};
    for (int s = 0; s < schedule->step_count; s++) {
      const ScheduledStep *step = &schedule->steps[s];
      write_STEP(writer, &(StepRecord){.program = layout->step_program[r][s],
                                       .first_binding = writer->counts[RECORD_BINDING],
                                       .flops = step->program->flops,
                                       .bytes = step->program->bytes,
                                       .title = step->program->title,
                                       .line = line_of(step->span),
                                       .lines = step->lines,
                                       .told = step->told});
      for (int b = 0; b < step->program->bound_count; b++)
        write_binding(writer, layout, step->bindings[b], &step->made[b]);
    }
    for (int f = 0; f < routine->fill_count; f++) write_FILL(writer, &(FillRecord){.tensor = routine->fills[f]});
    write_ROUTINE(writer, &record);
  }
}

/* ---- the round --------------------------------------------------------------------------------------------------- */

static int64_t count_schedule(const ModelSchedule *node) {
  int64_t count = 1;
  for (int c = 0; c < node->child_count; c++) count += count_schedule(node->children[c]);
  return count;
}

/* Nodes before their children, in the order of the text; `sibling` is -1 or the index of the next child of the same
   parent. */
static void write_schedule(Writer *writer, const ModelSchedule *node, int64_t sibling) {
  int64_t index = writer->counts[RECORD_SCHEDULE], next = index + 1;
  write_SCHEDULE(writer, &(ScheduleRecord){.kind = node->kind,
                                           .first_child = node->child_count > 0 ? next : -1,
                                           .next_sibling = sibling,
                                           .routine = node->routine,
                                           .value = node->value,
                                           .constant = node->constant,
                                           .line = line_of(node->span)});
  for (int c = 0; c < node->child_count; c++) {
    next += count_schedule(node->children[c]);
    write_schedule(writer, node->children[c], c + 1 < node->child_count ? next : -1);
  }
}

/* ---- what people ask for ----------------------------------------------------------------------------------------- */

/* Is the name a word of the text? "update D, G" has D and G. */
static bool has_word(const char *text, const char *name) {
  size_t length = strlen(name);
  for (const char *at = strstr(text, name); at != NULL && length > 0; at = strstr(at + 1, name)) {
    bool starts = at == text || at[-1] == ' ' || at[-1] == ',',
         ends = at[length] == '\0' || at[length] == ' ' || at[length] == ',';
    if (starts && ends) return true;
  }
  return false;
}

static double player_flops(const PlanLayout *layout, const char *name) {
  double flops = 0;
  for (int r = 0; r < layout->model->routine_count; r++)
    if (layout->model->routines[r].kind == ROUTINE_UPDATE && has_word(layout->model->routines[r].name, name))
      flops += layout->schedules[r]->needed_flops;
  return flops;
}

static void write_rest(Writer *writer, const PlanLayout *layout) {
  const Model *model = layout->model;
  for (int o = 0; o < model->objective_count; o++) {
    const ModelObjective *objective = &model->objectives[o];
    write_OBJECTIVE(writer, &(ObjectiveRecord){.players = objective->players,
                                               .label = objective->label,
                                               .maximize = objective->maximize,
                                               .tensor = objective->tensor,
                                               .value_routine = objective->value_routine,
                                               .line = line_of(objective->span)});
  }
  for (int d = 0; d < model->diagnosis_count; d++) {
    const ModelDiagnosis *diagnosis = &model->diagnoses[d];
    write_DIAGNOSIS(writer, &(DiagnosisRecord){.objective = diagnosis->objective,
                                               .base_routine = diagnosis->base_routine,
                                               .value_routine = diagnosis->value_routine,
                                               .gradient_routine = diagnosis->gradient_routine,
                                               .second_routine = diagnosis->second_routine,
                                               .value = diagnosis->value,
                                               .first_pair = writer->counts[RECORD_PAIR],
                                               .pair_count = diagnosis->pair_count});
    for (int p = 0; p < diagnosis->pair_count; p++) {
      const ModelPair *pair = &diagnosis->pairs[p];
      write_PAIR(writer, &(PairRecord){.weight = pair->weight,
                                       .gradient = pair->gradient,
                                       .direction = pair->direction,
                                       .second = pair->second});
    }
  }
  for (int o = 0; o < model->output_count; o++) {
    const ModelOutput *output = &model->outputs[o];
    write_OUTPUT(writer, &(OutputRecord){.name = output->name,
                                         .tensor = output->tensor,
                                         .routine = output->routine,
                                         .random = output->random,
                                         .line = line_of(output->span)});
  }
  for (int p = 0; p < model->player_count; p++) {
    const ModelPlayer *player = &model->players[p];
    write_PLAYER(writer, &(PlayerRecord){.name = player->name,
                                         .optimizer = player->optimizer,
                                         .flops = player_flops(layout, player->name),
                                         .gradient = player->gradient,
                                         .has_rate = player->has_rate,
                                         .rate = player->rate,
                                         .rate_tensor = player->rate_tensor});
  }
  for (int s = 0; s < model->setting_count; s++) {
    const ModelSetting *setting = &model->settings[s];
    write_SETTING(writer, &(SettingRecord){.name = setting->name,
                                           .tensor = setting->tensor,
                                           .value = setting->value,
                                           .line = line_of(setting->span)});
  }
}

static void write_model(Writer *writer, const PlanLayout *layout, const Plan *plan) {
  const Model *model = layout->model;
  const PlanOptions *options = layout->options;
  write_MODEL(writer, &(ModelRecord){.name = model->name,
                                     .file = options->file,
                                     .real = register_name(options->real),
                                     .target = options->machine->name,
                                     .features = options->machine->features,
                                     .build = options->build,
                                     .source_hash = options->source_hash,
                                     .batch = model->batch,
                                     .feeds = options->feeds,
                                     .trace = options->trace,
                                     .persistent_bytes = plan->persistent_bytes,
                                     .arena_bytes = plan->arena_bytes,
                                     .workspace_bytes = plan->workspace_bytes,
                                     .length_unit = model->length_unit,
                                     .length = model->length,
                                     .first_data = model->first_data,
                                     .schedule = 0});
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

void descriptor_write(const PlanLayout *layout, Plan *plan) {
  static const ModelSchedule nothing = {.kind = SCHEDULE_SEQUENCE, .routine = -1, .value = -1};
  Writer *writer = session_allocate(layout->session, sizeof *writer);
  for (int k = 0; k < RECORD_KIND_COUNT; k++) writer->records[k].session = layout->session;
  writer->strings.session = layout->session;
  text_offset(writer, "");
  write_model(writer, layout, plan);
  write_tensors(writer, layout);
  write_programs(writer, layout, plan);
  write_values(writer, layout);
  write_routines(writer, layout);
  write_schedule(writer, layout->model->schedule != NULL ? layout->model->schedule : &nothing, -1);
  write_rest(writer, layout);

  Bytes body = {.session = layout->session}, all = {.session = layout->session};
  for (int k = 0; k < RECORD_KIND_COUNT; k++) bytes_word(&body, (uint64_t)writer->counts[k]);
  for (int k = 0; k < RECORD_KIND_COUNT; k++) bytes_add(&body, writer->records[k].data, writer->records[k].size);
  bytes_word(&body, writer->strings.size);
  bytes_add(&body, writer->strings.data, writer->strings.size);
  bytes_add(&all, "GANCMODL", 8);
  bytes_word(&all, ABI_VERSION);
  bytes_word(&all, body.size + 32);
  bytes_word(&all, hash_fnv(HASH_START, body.data, body.size));
  bytes_add(&all, body.data, body.size);
  plan->descriptor = all.data, plan->descriptor_size = all.size;
}
