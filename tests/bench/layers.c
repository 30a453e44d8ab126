/* layers [--filter TEXT] [--batch N] [--adam] [--strategy NAME] [--real f64] [--march NAME] [--verbose] [--kernels]
   [--json]: how near one thread comes to the machine's peak in each layer of well-known networks, in each direction, by
   the schedule that a model would get. Time is the thread's own; peak and bandwidth are measured between the runs of
   each layer; medians of five. Results are compared with literal sums before anything is timed. */
#include "layer.h"
#include "rates.h"

#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

enum { TIMES = 5, SAMPLE_MILLISECONDS = 15, STEP_LIMIT = 256, FLUSH_BITS = 0x8040 };

/* Members: kind, batch, channels in and out, size of x, window, stride, padding, dilation, groups. */
#define DENSE(name, in, out) {name, LAYER_DENSE, 64, in, out, 1, 1, 1, 0, 1, 1, true}
static const Layer layers[] = {
    /* DCGAN 64x64: the discriminator, then the generator */
    {"D 3-64", LAYER_CONVOLUTION, 64, 3, 64, 64, 4, 2, 1, 1, 1, false},
    {"D 64-128", LAYER_CONVOLUTION, 64, 64, 128, 32, 4, 2, 1, 1, 1, false},
    {"D 128-256", LAYER_CONVOLUTION, 64, 128, 256, 16, 4, 2, 1, 1, 1, false},
    {"D 256-512", LAYER_CONVOLUTION, 64, 256, 512, 8, 4, 2, 1, 1, 1, false},
    {"D 512-1", LAYER_CONVOLUTION, 64, 512, 1, 4, 4, 1, 0, 1, 1, false},
    {"G 100-512", LAYER_TRANSPOSED, 64, 100, 512, 1, 4, 1, 0, 1, 1, false},
    {"G 512-256", LAYER_TRANSPOSED, 64, 512, 256, 4, 4, 2, 1, 1, 1, false},
    {"G 256-128", LAYER_TRANSPOSED, 64, 256, 128, 8, 4, 2, 1, 1, 1, false},
    {"G 128-64", LAYER_TRANSPOSED, 64, 128, 64, 16, 4, 2, 1, 1, 1, false},
    {"G 64-3", LAYER_TRANSPOSED, 64, 64, 3, 32, 4, 2, 1, 1, 1, false},
    /* examples/gan.gan, and a generator's first layer; weight gradients move weights by Adam */
    DENSE("dense 784-1024", 784, 1024),
    DENSE("dense 1024-512", 1024, 512),
    DENSE("dense 512-256", 512, 256),
    DENSE("dense 256-1", 256, 1),
    DENSE("dense 100-16384", 100, 16384),
    /* other windows */
    {"3x3 64-64", LAYER_CONVOLUTION, 64, 64, 64, 32, 3, 1, 1, 1, 1, false},
    {"3x3 depthwise", LAYER_CONVOLUTION, 64, 64, 64, 32, 3, 1, 1, 1, 64, false},
    {"3x3 4 groups", LAYER_CONVOLUTION, 64, 64, 64, 32, 3, 1, 1, 1, 4, false},
    {"3x3 dilated", LAYER_CONVOLUTION, 64, 64, 64, 32, 3, 1, 2, 2, 1, false},
    {"1x1 64-128", LAYER_CONVOLUTION, 64, 64, 128, 32, 1, 1, 0, 1, 1, false},
    /* a U-Net and a residual block, one sample */
    {"one 4x4/2 64-128", LAYER_CONVOLUTION, 1, 64, 128, 128, 4, 2, 1, 1, 1, false},
    {"one 3x3 256-256", LAYER_CONVOLUTION, 1, 256, 256, 64, 3, 1, 1, 1, 1, false},
    {"one 512-512 2x2", LAYER_CONVOLUTION, 1, 512, 512, 2, 4, 2, 1, 1, 1, false},
};
static const char *const directions[DIRECTION_COUNT] = {"forward", "data", "weight"};

typedef struct Options {
  const char *filter, *march;
  int64_t batch; /* 0: as the table has it */
  RegisterType real;
  int strategy; /* forced; -1: none */
  bool adam;    /* with every weight gradient */
  bool verbose, kernels, json;
} Options;

typedef struct Row {
  double seconds, peak, floor_bytes; /* floor_bytes: seconds that the bytes need at the bandwidth measured */
  double flops, bytes, scheduled, emitted, error;
  int tiles, nests;
} Row;

/* Reads and writes of as many bytes, at the rate at which so many are read and written over and over. */
static double bytes_seconds(const LayerRun *run, char *memory, size_t room, int vector_bytes) {
  double in = layer_run_bytes(run, false), out = layer_run_bytes(run, true), all = in + out;
  size_t footprint = all < (double)room ? (size_t)all : room;
  if (footprint < 4096) footprint = 4096;
  return in / rate_read(memory, footprint, vector_bytes) + out / rate_write(memory, footprint, vector_bytes);
}

static Row row_measure(LayerRun *run, const Layer *layer, const Machine *machine, RegisterType real, char *memory,
                       size_t room) {
  Row row = {.flops = layer_flops(layer), .bytes = layer_run_bytes(run, false) + layer_run_bytes(run, true)};
  row.scheduled = layer_run_compiled(run, &row.emitted);
  row.tiles = layer_run_schedule(run)->tile_count, row.nests = layer_run_schedule(run)->nest_count;
  layer_run_once(run);
  row.error = layer_run_error(run);
  double start = seconds_spent();
  layer_run_once(run);
  int turns = (int)(1e-3 * SAMPLE_MILLISECONDS / (seconds_spent() - start)) + 1;
  double seconds[TIMES], peaks[TIMES], floors[TIMES];
  for (int time = 0; time < TIMES; time++) {
    peaks[time] = rate_multiply_add(machine->vector_bytes, real == REGISTER_F32 ? 4 : 8);
    floors[time] = bytes_seconds(run, memory, room, machine->vector_bytes);
    layer_run_once(run); /* what the others left in the caches is gone */
    start = seconds_spent();
    for (int turn = 0; turn < turns; turn++) layer_run_once(run);
    seconds[time] = (seconds_spent() - start) / turns;
  }
  row.seconds = median_of(TIMES, seconds), row.peak = median_of(TIMES, peaks);
  row.floor_bytes = median_of(TIMES, floors);
  return row;
}

/* ---- what is printed --------------------------------------------------------------------------------------------- */

static void print_heading(const Machine *machine, RegisterType real) {
  printf("%s, vectors of %d bytes, one thread; peak %.1f GFLOP/s at first\n", machine->name, machine->vector_bytes,
         1e-9 * rate_multiply_add(machine->vector_bytes, real == REGISTER_F32 ? 4 : 8));
  printf("%-17s %-8s %9s %9s %9s %7s %9s %9s %9s  %s\n", "layer", "", "GFLOP", "ms", "GFLOP/s", "of peak", "x bytes",
         "schedule", "emit ms", "programs");
}

static void print_row(const Layer *layer, Direction direction, const Row *row) {
  char made[32];
  snprintf(made, sizeof made, "%d tile%s, %d nest%s", row->tiles, row->tiles == 1 ? "" : "s", row->nests,
           row->nests == 1 ? "" : "s");
  printf("%-17s %-8s %9.4f %9.4f %9.1f %7.3f %9.2f %9.2f %9.1f  %s\n", layer->name, directions[direction],
         1e-9 * row->flops, 1e3 * row->seconds, 1e-9 * row->flops / row->seconds, row->flops / row->seconds / row->peak,
         row->seconds / row->floor_bytes, 1e3 * row->scheduled, 1e3 * row->emitted, made);
}

static void print_json(const Layer *layer, Direction direction, const Row *row, bool first) {
  printf("%s  {\"layer\": \"%s\", \"direction\": \"%s\", \"flops\": %.0f, \"bytes\": %.0f, \"seconds\": %.4e, "
         "\"peak\": %.4e, \"of_peak\": %.4f, \"over_bytes\": %.3f, \"schedule_seconds\": %.4e, \"emit_seconds\": %.4e, "
         "\"tiles\": %d, \"nests\": %d, \"error\": %.2e}",
         first ? "" : ",\n", layer->name, directions[direction], row->flops, row->bytes, row->seconds, row->peak,
         row->flops / row->seconds / row->peak, row->seconds / row->floor_bytes, row->scheduled, row->emitted,
         row->tiles, row->nests, row->error);
}

static void print_steps(LayerRun *run, const Options *options, const Row *row) {
  enum { TURNS = 3 };
  const Schedule *schedule = layer_run_schedule(run);
  double seconds[STEP_LIMIT] = {0};
  if (schedule->step_count > STEP_LIMIT) return;
  for (int turn = 0; turn < TURNS; turn++) layer_run_steps(run, seconds);
  fusion_print(layer_run_fusion(run), stdout);
  printf("    largest error %.1e of the sum of magnitudes\n", row->error);
  for (int s = 0; s < schedule->step_count; s++) {
    const Program *program = schedule->steps[s].program;
    group_print_decision(schedule->steps[s].group, stdout);
    printf("    %-4s %-24s %6lld chunks %9.3f ms %6.1f%% of the time, workspace %lld KB\n",
           program->tile ? "tile" : "nest", program->title, (long long)program->chunks, 1e3 * seconds[s] / TURNS,
           100 * seconds[s] / TURNS / row->seconds, (long long)program->workspace_bytes >> 10);
    if (options->kernels) program_print(program, stdout);
  }
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int usage(const char *why, const char *what) {
  fprintf(stderr, "layers: %s%s\n", why, what);
  fprintf(stderr,
          "usage: layers [--filter TEXT] [--batch N] [--adam] [--strategy NAME] [--real f32|f64] [--march NAME] "
          "[--verbose] [--kernels] [--json]\n");
  return 2;
}

static int strategy_called(const char *name) {
  for (int number = 0; strategy_name(number) != NULL; number++)
    if (strcmp(strategy_name(number), name) == 0) return number;
  return -1;
}

static int options_read(int count, char **arguments, Options *options) {
  *options = (Options){.filter = "", .march = "native", .real = REGISTER_F32, .strategy = -1};
  for (int at = 1; at < count; at++) {
    const char *name = arguments[at], *next = at + 1 < count ? arguments[at + 1] : NULL;
    bool takes = strcmp(name, "--filter") == 0 || strcmp(name, "--real") == 0 || strcmp(name, "--march") == 0 ||
                 strcmp(name, "--batch") == 0 || strcmp(name, "--strategy") == 0;
    if (takes && next == NULL) return usage("a value is missing after ", name);
    if (strcmp(name, "--filter") == 0) options->filter = next;
    else if (strcmp(name, "--march") == 0) options->march = next;
    else if (strcmp(name, "--batch") == 0 && atoll(next) > 0) options->batch = atoll(next);
    else if (strcmp(name, "--strategy") == 0 && strategy_called(next) >= 0) options->strategy = strategy_called(next);
    else if (strcmp(name, "--adam") == 0) options->adam = true;
    else if (strcmp(name, "--real") == 0 && strcmp(next, "f32") == 0) options->real = REGISTER_F32;
    else if (strcmp(name, "--real") == 0 && strcmp(next, "f64") == 0) options->real = REGISTER_F64;
    else if (strcmp(name, "--verbose") == 0) options->verbose = true;
    else if (strcmp(name, "--kernels") == 0) options->verbose = options->kernels = true;
    else if (strcmp(name, "--json") == 0) options->json = true;
    else return usage("what is ", name);
    at += takes;
  }
  if (options->json && options->verbose) return usage("--json goes with neither --verbose nor ", "--kernels");
  return 0;
}

static bool is_wanted(const Layer *layer, Direction direction, const char *filter) {
  char text[128];
  snprintf(text, sizeof text, "%s %s", layer->name, directions[direction]);
  return strstr(text, filter) != NULL;
}

/* What all layers are measured with. */
typedef struct Bench {
  Options options;
  Target *target;
  char *memory; /* ROOM bytes, for bandwidth */
  int done, wrong;
} Bench;
enum { ROOM = 256 << 20 };

static bool bench_direction(Bench *bench, const Layer *layer, Direction direction) {
  const Options *options = &bench->options;
  double tolerance = options->real == REGISTER_F32 ? 2e-6 : 1e-14;
  Session *session = session_new();
  LayerRun *run = layer_run_new(session, bench->target, options->real, options->strategy, layer, direction);
  if (run == NULL) return diagnostic_print_all(session, stderr), false;
  Row row = row_measure(run, layer, target_machine(bench->target), options->real, bench->memory, ROOM);
  if (options->json) print_json(layer, direction, &row, bench->done == 0);
  else print_row(layer, direction, &row);
  if (options->verbose) print_steps(run, options, &row);
  if (!(row.error <= tolerance)) {
    fprintf(stderr, "%s, %s: wrong numbers, %.2g of the sum of magnitudes away\n", layer->name, directions[direction],
            row.error);
    bench->wrong++;
  }
  fflush(stdout);
  bench->done++;
  layer_run_free(run);
  session_free(session);
  return true;
}

static bool bench_layers(Bench *bench) {
  for (size_t l = 0; l < sizeof layers / sizeof *layers; l++) {
    Layer layer = layers[l];
    if (bench->options.batch > 0) layer.batch = bench->options.batch;
    layer.adam |= bench->options.adam;
    for (Direction direction = 0; direction < DIRECTION_COUNT; direction++)
      if (is_wanted(&layer, direction, bench->options.filter) && !bench_direction(bench, &layer, direction))
        return false;
  }
  return true;
}

int main(int count, char **arguments) {
  Bench bench = {0};
  int wrong = options_read(count, arguments, &bench.options);
  if (wrong) return wrong;
  Session *session = session_new();
  bench.target = target_new(session, bench.options.march);
  if (bench.target == NULL) return diagnostic_print_all(session, stderr), 2;
  const Machine *machine = target_machine(bench.target);
  if (machine->vector_bytes > vector_bytes_here())
    return usage("this processor cannot run code for ", bench.options.march);
  bench.memory = pages_allocate(ROOM);
  if (bench.memory == NULL) return usage("no memory", "");
  _mm_setcsr(_mm_getcsr() | FLUSH_BITS); /* as a trainer's threads have it */
  clock_raise(machine->vector_bytes);
  if (bench.options.json) printf("[\n");
  else print_heading(machine, bench.options.real);
  if (!bench_layers(&bench)) return 1;
  if (bench.options.json) printf("\n]\n");
  if (bench.done == 0) return usage("no layer's name and direction hold ", bench.options.filter);
  return bench.wrong > 0;
}
