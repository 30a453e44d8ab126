/* The command `bench`. Takes a model and its data; measures the processor's peak first, then whole rounds, then every
   step of a round; says milliseconds, GFLOP/s and share of the peak per step and per line of the model, and how far a
   round is from its floor. Trains in memory only; writes no file. */
#include "runtime/runtime.h"

#include <stdlib.h>

enum { WARM_UP = 3, FEWEST = 10, MOST = 1000 };
static const double worth_a_line = 0.002; /* share of a step, for people */
static const double seconds_wanted = 1.5;

typedef struct Row {
  const StepRecord *step;
  double milliseconds, flops;
  int64_t line;
} Row; /* of one round */

typedef struct Measured {
  double peak, round_milliseconds, needed_flops, executed_flops;
  int64_t rounds, row_count, line_count;
  Row *rows, *lines; /* the slowest first */
} Measured;

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}
static int compare_rows(const void *a, const void *b) {
  const Row *x = a, *y = b;
  return (x->milliseconds < y->milliseconds) - (x->milliseconds > y->milliseconds);
}
static int compare_lines(const void *a, const void *b) {
  const Row *x = a, *y = b;
  return (x->line > y->line) - (x->line < y->line);
}

/* The median round. */
static bool measure_rounds(Engine *engine, int64_t wanted, Measured *measured, Problem *problem) {
  double times[MOST], begin = 0;
  for (int64_t k = -WARM_UP; k < MOST; k++) {
    double start = seconds_now();
    if (k == 0) begin = start;
    if (k >= (wanted > 0 ? wanted : FEWEST) && (wanted > 0 || start - begin > seconds_wanted)) break;
    if (!round_run(&engine->execution, &engine->clock, problem)) return false;
    if (k < 0) continue;
    times[k] = (seconds_now() - start) * 1e3;
    measured->rounds = k + 1;
  }
  qsort(times, (size_t)measured->rounds, sizeof *times, compare_doubles);
  measured->round_milliseconds = times[measured->rounds / 2];
  return true;
}

/* By how often the updates really ran: `repeat` may count as it likes. */
static bool measure_need(const Execution *execution, Measured *measured, Problem *problem) {
  const Descriptor *model = execution->model;
  double *runs = allocate_zeroed((size_t)model->routine_count + 1, sizeof *runs);
  if (!runs) return problem_out_of_memory(problem, "measurements", (size_t)model->routine_count * sizeof *runs);
  for (int64_t r = 0; r < model->routine_count; r++)
    if (model->routines[r].step_count > 0)
      runs[r] = (double)execution->runs[model->routines[r].first_step] / (double)measured->rounds;
  double needed = round_flops_needed(model, runs);
  measured->needed_flops = needed > 0 ? needed : measured->executed_flops;
  free(runs);
  return true;
}

static bool measure_steps(Engine *engine, Measured *measured, Problem *problem) {
  Execution *execution = &engine->execution;
  const Descriptor *model = execution->model;
  if (!execution_measure(execution, problem)) return false;
  for (int64_t k = 0; k < measured->rounds; k++)
    if (!round_run(execution, &engine->clock, problem)) return false;
  measured->rows = allocate_zeroed((size_t)model->step_count + 1, sizeof(Row));
  measured->lines = allocate_zeroed((size_t)model->step_count + 1, sizeof(Row));
  if (!measured->rows || !measured->lines)
    return problem_out_of_memory(problem, "measurements", (size_t)model->step_count * sizeof(Row));
  double rounds = (double)measured->rounds;
  for (int64_t s = 0; s < model->step_count; s++) {
    if (execution->runs[s] == 0) continue;
    Row row = {&model->steps[s], execution->seconds[s] * 1e3 / rounds,
               model->steps[s].flops * (double)execution->runs[s] / rounds, model->steps[s].line};
    measured->rows[measured->row_count++] = row;
    measured->executed_flops += row.flops;
  }
  qsort(measured->rows, (size_t)measured->row_count, sizeof(Row), compare_lines);
  for (int64_t k = 0; k < measured->row_count; k++) {
    Row *last = measured->line_count > 0 ? &measured->lines[measured->line_count - 1] : NULL;
    if (last && last->line == measured->rows[k].line) {
      last->milliseconds += measured->rows[k].milliseconds;
      last->flops += measured->rows[k].flops;
    } else measured->lines[measured->line_count++] = measured->rows[k];
  }
  qsort(measured->rows, (size_t)measured->row_count, sizeof(Row), compare_rows);
  qsort(measured->lines, (size_t)measured->line_count, sizeof(Row), compare_rows);
  return measure_need(execution, measured, problem);
}

static double rate(const Row *row) {
  return row->milliseconds > 0 ? row->flops / row->milliseconds * 1e-6 : 0;
} /* GFLOP/s */

static void print_row(const Row *row, const Measured *measured, const char *kind, const char *title) {
  printf("  %9.4f %7.1f%% %10.1f %7.1f%%  %-5s line %-4lld %s\n", row->milliseconds,
         100 * row->milliseconds / measured->round_milliseconds, rate(row), 100e9 * rate(row) / measured->peak, kind,
         (long long)row->line, title);
}

static void print_rows(const Row *rows, int64_t count, const Descriptor *model, const Measured *measured) {
  int64_t shown = 0;
  Row rest = {0};
  for (; shown < count && rows[shown].milliseconds >= worth_a_line * measured->round_milliseconds; shown++) {
    const StepRecord *step = rows[shown].step;
    print_row(&rows[shown], measured,
              !model                                ? ""
              : model->programs[step->program].tile ? "tile"
                                                    : "nest",
              model ? step->title : "");
  }
  for (int64_t k = shown; k < count; k++) rest.milliseconds += rows[k].milliseconds;
  if (shown < count)
    printf("  %9.4f %7.1f%%  %lld more\n", rest.milliseconds, 100 * rest.milliseconds / measured->round_milliseconds,
           (long long)(count - shown));
}

static void print_text(const Engine *engine, const Measured *measured) {
  const Descriptor *model = engine->execution.model;
  double floor_milliseconds = measured->needed_flops / measured->peak * 1e3;
  printf("peak: %.1f GFLOP/s (%s, fused multiply-adds, %d threads, measured now)\n\n", measured->peak * 1e-9,
         model->header->real, pool_threads(engine->execution.pool));
  printf("%11s %8s %10s %8s\n", "ms a step", "of step", "GFLOP/s", "of peak");
  print_rows(measured->rows, measured->row_count, model, measured);
  printf("\nby line of %s\n", model->header->file);
  print_rows(measured->lines, measured->line_count, NULL, measured);
  printf("\na step: %.3f ms (median of %lld), %.0f images/s; %s needed, %s executed\n", measured->round_milliseconds,
         (long long)measured->rounds, (double)model->header->batch / measured->round_milliseconds * 1e3,
         text_flops(measured->needed_flops).text, text_flops(measured->executed_flops).text);
  printf("floor: %.3f ms; time over floor: %s\n", floor_milliseconds,
         text_known(measured->round_milliseconds / floor_milliseconds, 2, "").text);
}

static void put_row(JsonWriter *json, const Row *row, const Measured *measured) {
  json_put_integer(json, "line", row->line);
  json_put_number(json, "ms", row->milliseconds);
  json_put_number(json, "flops", row->flops);
  json_put_number(json, "gflops_per_second", rate(row));
  json_put_number(json, "share_of_peak", 1e9 * rate(row) / measured->peak);
}

static bool print_json(const Engine *engine, const Measured *measured, Problem *problem) {
  const Descriptor *model = engine->execution.model;
  JsonWriter *json = json_writer_new(true);
  if (!json) return problem_out_of_memory(problem, "the text", 0);
  json_open_object(json, NULL);
  json_put_text(json, "model", model->header->name);
  json_put_text(json, "real", model->header->real);
  json_put_text(json, "target", model->header->target);
  json_put_integer(json, "threads", pool_threads(engine->execution.pool));
  json_put_integer(json, "batch", model->header->batch);
  json_put_number(json, "peak_gflops_per_second", measured->peak * 1e-9);
  json_put_number(json, "ms_per_step", measured->round_milliseconds);
  json_put_number(json, "needed_flops", measured->needed_flops);
  json_put_number(json, "executed_flops", measured->executed_flops);
  json_put_number(json, "floor_ms", measured->needed_flops / measured->peak * 1e3);
  json_put_number(json, "time_over_floor",
                  measured->round_milliseconds / (measured->needed_flops / measured->peak * 1e3));
  json_open_array(json, "steps");
  for (int64_t k = 0; k < measured->row_count; k++) {
    const ProgramRecord *program = &model->programs[measured->rows[k].step->program];
    json_open_object(json, NULL);
    json_put_text(json, "title", measured->rows[k].step->title);
    json_put_text(json, "program", program->symbol);
    json_put_bool(json, "tile", program->tile != 0);
    put_row(json, &measured->rows[k], measured);
    json_close(json);
  }
  json_close(json);
  json_open_array(json, "lines");
  for (int64_t k = 0; k < measured->line_count; k++) {
    json_open_object(json, NULL);
    put_row(json, &measured->lines[k], measured);
    json_close(json);
  }
  json_close(json);
  json_close(json);
  return json_writer_print(json, stdout, problem);
}

int command_bench(Trainer *trainer) {
  Problem problem;
  Engine engine = {0};
  Measured measured = {0};
  int64_t wanted = trainer->options.steps < MOST ? trainer->options.steps : MOST;
  bool fine = engine_open(&engine, trainer, NULL, DATA_OF_ALL, trainer->options.seed, &problem);
  fine = fine && engine_init(&engine, &problem);
  if (fine) measured.peak = peak_flops(engine.execution.pool, descriptor_is_f64(&trainer->model));
  fine = fine && measure_rounds(&engine, wanted, &measured, &problem) && measure_steps(&engine, &measured, &problem);
  if (fine && trainer->options.json) fine = print_json(&engine, &measured, &problem);
  else if (fine) print_text(&engine, &measured);
  if (!fine) report_error(trainer->program, &problem);
  free(measured.rows);
  free(measured.lines);
  engine_close(&engine);
  return fine ? EXIT_FINE : EXIT_FAILED;
}
