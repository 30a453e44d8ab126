/* A layer's direction compiled into this process and run there by one thread. Takes a layer; returns what runs, with
   its memory. Never times anything but the compiler and single steps. */
#include "layer.h"
#include "rates.h"
#include "runtime/abi.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct LayerRun {
  Session *session;
  const Layer *layer;
  Direction direction;
  LayerGraph graph;
  Fusion *fusion;
  Schedule *schedule;
  LoadedPrograms *loaded;
  Kernel *kernels; /* by step */
  Call *calls;
  char **memory; /* by value */
  void *workspace;
  double scheduled, emitted;
};

static size_t value_bytes(const StoredValue *value) {
  size_t bytes = (size_t)value->elements * storage_bytes(value->storage);
  return (bytes + 63) / 64 * 64;
}

static int value_number(const LayerRun *run, const StoredValue *value) {
  for (int v = 0; v < run->schedule->value_count; v++)
    if (run->schedule->values[v] == value) return v;
  return -1;
}

static int input_number(const LayerRun *run, const Node *node) {
  for (int v = 0; v < run->schedule->value_count; v++)
    if (run->schedule->values[v]->node == node) return v;
  return -1;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static double memory_number(const StoredValue *value, const char *memory, int64_t offset) {
  if (value->storage == STORAGE_F32) return ((const float *)(const void *)memory)[offset];
  return ((const double *)(const void *)memory)[offset];
}

static void memory_fill(const StoredValue *value, char *memory, uint32_t seed, double scale) {
  for (int64_t i = 0; i < value->elements; i++) {
    seed = seed * 1664525u + 1013904223u;
    double number = ((int)(seed >> 8) * 0x1p-23 - 1) * scale;
    if (value->storage == STORAGE_F32) ((float *)(void *)memory)[i] = (float)number;
    else ((double *)(void *)memory)[i] = number;
  }
}

static double run_element(void *context, const Node *input, const int64_t *index) {
  const LayerRun *run = context;
  int v = input_number(run, input);
  const StoredValue *value = run->schedule->values[v];
  int64_t offset = 0;
  for (int d = 0; d < input->rank; d++) offset += index[d] * value->stride[d];
  return memory_number(value, run->memory[v], offset);
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool run_compile(LayerRun *run, Target *target, const ScheduleOptions *options) {
  double start = seconds_spent();
  run->fusion = schedule_fuse(run->session, run->graph.graph, run->graph.effects, options);
  run->schedule = schedule_programs(run->fusion);
  run->scheduled = seconds_spent() - start;
  int count = run->schedule->step_count;
  Program **programs = session_allocate(run->session, (size_t)(count + 1) * sizeof *programs);
  for (int s = 0; s < count; s++) {
    programs[s] = run->schedule->steps[s].program;
    if (!program_verify(run->session, programs[s])) return false;
  }
  start = seconds_passed();
  run->loaded = llvm_load(run->session, target, count, programs);
  run->emitted = seconds_passed() - start;
  return run->loaded != NULL;
}

/* One block for all values, as a trainer's arena: their distances are whatever their sizes make them. */
static bool run_allocate(LayerRun *run) {
  const Schedule *schedule = run->schedule;
  size_t all = 0, workspace = 0, count = (size_t)schedule->value_count;
  run->memory = session_allocate(run->session, (count + 1) * sizeof *run->memory);
  for (size_t v = 0; v < count; v++) all += value_bytes(schedule->values[v]);
  char *block = pages_allocate(all);
  if (block == NULL) return false;
  for (size_t v = 0; v < count; v++) {
    const StoredValue *value = schedule->values[v];
    run->memory[v] = block;
    block += value_bytes(value);
    bool state = value->node == run->graph.result || value->node->rank == 0 ||
                 strcmp(value->node->name ? value->node->name : "", "v") == 0;
    if (value->node->kind == NODE_INPUT && !state) memory_fill(value, run->memory[v], (uint32_t)v + 1, 1);
  }
  for (int s = 0; s < schedule->step_count; s++)
    if ((size_t)schedule->steps[s].program->workspace_bytes > workspace)
      workspace = (size_t)schedule->steps[s].program->workspace_bytes;
  run->workspace = pages_allocate(workspace + 64);
  return run->workspace != NULL;
}

static void run_bind(LayerRun *run) {
  const Schedule *schedule = run->schedule;
  size_t count = (size_t)schedule->step_count;
  run->kernels = session_allocate(run->session, (count + 1) * sizeof(Kernel));
  run->calls = session_allocate(run->session, (count + 1) * sizeof *run->calls);
  for (int s = 0; s < schedule->step_count; s++) {
    const ScheduledStep *step = &schedule->steps[s];
    void **buffers = session_allocate(run->session, (size_t)(step->program->buffer_count + 1) * sizeof *buffers);
    for (int b = 0; b < step->program->buffer_count; b++)
      buffers[b] = run->memory[value_number(run, step->bindings[b])];
    run->calls[s] = (Call){.buffers = buffers};
    void *address = llvm_kernel(run->loaded, s);
    memcpy(&run->kernels[s], &address, sizeof address); /* ISO C has no cast from object to function */
  }
}

LayerRun *layer_run_new(Session *session, Target *target, RegisterType real, int strategy, const Layer *layer,
                        Direction direction) {
  ScheduleOptions *options = session_allocate(session, sizeof *options);
  WantedStrategy *wanted = session_allocate(session, sizeof *wanted);
  *wanted = (WantedStrategy){.node = -1, .strategy = strategy};
  *options = (ScheduleOptions){.machine = target_machine(target), .real = real, .fuse_limit = -1};
  options->wanted_count = strategy >= 0, options->wanted = wanted;
  LayerRun *run = session_allocate(session, sizeof *run);
  *run = (LayerRun){.session = session, .layer = layer, .direction = direction};
  run->graph = layer_graph(session, layer, direction);
  if (!run_compile(run, target, options)) return NULL;
  if (!run_allocate(run)) {
    fprintf(stderr, "no memory for %s\n", layer->name);
    return NULL;
  }
  run_bind(run);
  return run;
}

void layer_run_free(LayerRun *run) {
  llvm_unload(run->loaded);
  if (run->schedule->value_count > 0) pages_free(run->memory[0]);
  pages_free(run->workspace);
}

/* ---- what it is, and running it ---------------------------------------------------------------------------------- */

const Fusion *layer_run_fusion(const LayerRun *run) { return run->fusion; }

const Schedule *layer_run_schedule(const LayerRun *run) { return run->schedule; }

double layer_run_compiled(const LayerRun *run, double *emitted) {
  *emitted = run->emitted;
  return run->scheduled;
}

static void visit_input(void *context, Node *node) {
  double *bytes = context;
  if (node->kind == NODE_INPUT && node->rank > 0) *bytes += (double)node_size(node);
}

double layer_run_bytes(const LayerRun *run, bool written) {
  double elements = 0;
  const EffectList *effects = &run->graph.effects;
  for (int e = 0; e < effects->count && written; e++) elements += (double)node_size(effects->items[e].target);
  if (!written) graph_walk(run->graph.graph, effects, visit_input, &elements);
  bool narrow = run->schedule->values[input_number(run, run->graph.result)]->storage == STORAGE_F32;
  return elements * (narrow ? 4 : 8);
}

static void step_run(const LayerRun *run, int step) {
  int64_t chunks = run->schedule->steps[step].program->chunks;
  for (int64_t chunk = 0; chunk < chunks; chunk++) run->kernels[step](&run->calls[step], chunk, run->workspace);
}

void layer_run_once(LayerRun *run) {
  for (int s = 0; s < run->schedule->step_count; s++) step_run(run, s);
}

void layer_run_steps(LayerRun *run, double *seconds) {
  for (int s = 0; s < run->schedule->step_count; s++) {
    double start = seconds_spent();
    step_run(run, s);
    seconds[s] += seconds_spent() - start;
  }
}

double layer_run_error(LayerRun *run) {
  enum { POINTS = 24 };
  const Node *result = run->graph.result;
  bool adam = run->direction == DIRECTION_WEIGHT && run->layer->adam; /* the first moment is half the gradient */
  uint64_t turn = 88172645463325252u;
  double worst = 0;
  for (int point = 0; point < POINTS; point++) {
    int64_t index[4] = {0};
    for (int d = 0; d < result->rank; d++) {
      turn = turn * 6364136223846793005u + 1442695040888963407u;
      int64_t extent = result->shape[d], last = extent - 1;
      /* Corners often: that is where taps are missing. */
      index[d] = point < 4 ? (point >> (d & 1) & 1 ? last : 0) : (int64_t)((turn >> 33) % (uint64_t)extent);
    }
    double magnitude,
        wanted = layer_element(run->layer, run->direction, &run->graph, index, run_element, run, &magnitude);
    double found = run_element(run, result, index) * (adam ? 2 : 1), away = fabs(found - wanted);
    double error = magnitude > 0 ? away / magnitude : away;
    if (!(error <= worst)) worst = error; /* what is no number is the worst */
  }
  return worst;
}
