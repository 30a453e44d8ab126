/* Rounds: what the tree runs and how often, what each evaluation is told about itself, what the counters say; that
   clocks count as the language says. */

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"

/* What the kernels saw, in order. */
typedef struct Seen {
  int program;
  int64_t round, ordinal, first_sample;
  float first_noise;
  double step;
} Seen;
static struct {
  int count;
  Seen items[256];
  const double *step;
} seen;

static void note(int program, const Call *call, float noise) {
  ck_assert_int_lt(seen.count, 256);
  seen.items[seen.count++] =
      (Seen){program, call->round, call->ordinal, call->first_sample, noise, seen.step ? *seen.step : -1};
}
static void note_update(const Call *call, int64_t chunk, void *workspace) {
  (void)workspace;
  if (chunk == 0) note(P_PARTIAL, call, *(const float *)call->buffers[1]);
}
static void note_count(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  note(P_COUNT, call, 0);
}
static void note_fakes(const Call *call, int64_t chunk, void *workspace) {
  (void)workspace;
  if (chunk == 0) note(P_FAKES, call, *(const float *)call->buffers[0]);
}
static void nothing(const Call *call, int64_t chunk, void *workspace) { (void)call, (void)chunk, (void)workspace; }
static const Kernel note_kernels[P_PROGRAMS] = {note_update, nothing, note_count, note_fakes, nothing, nothing};

/* A model in memory, with a ring for data. */
typedef struct Fixture {
  ModelTables *tables;
  Bytes bytes;
  Trainer trainer;
  Engine engine;
} Fixture;
static Fixture fixture;

static void make(void) {
  fixture.tables = line_tables();
  fixture.tables->Tensor[T_P].source = "ring";
  seen.count = 0;
  seen.step = NULL;
}

static void begin(void) {
  Problem problem;
  fixture.bytes = tables_write(fixture.tables);
  fixture.trainer = (Trainer){.program = "test", .kernels = note_kernels, .options = {.threads = 2}};
  ck_assert_msg(descriptor_read(&fixture.trainer.model, fixture.bytes.data, fixture.bytes.size, &problem), "%s",
                problem.text);
  ck_assert_msg(engine_open(&fixture.engine, &fixture.trainer, NULL, DATA_OF_ALL, 3, &problem), "%s", problem.text);
  seen.step = execution_view(&fixture.engine.execution, T_STEP).data;
  seen.count = 0;
}

static void end(void) {
  engine_close(&fixture.engine);
  descriptor_free(&fixture.trainer.model);
  free(fixture.bytes.data);
  free(fixture.tables);
}

static void run_rounds(int rounds) {
  Problem problem;
  for (int k = 0; k < rounds; k++)
    ck_assert_msg(round_run(&fixture.engine.execution, &fixture.engine.clock, &problem), "%s", problem.text);
}

START_TEST(test_order_and_ordinals) {
  begin();
  run_rounds(4);
  const int programs[] = {P_PARTIAL, P_PARTIAL, P_COUNT,   P_PARTIAL, P_PARTIAL,
                          P_PARTIAL, P_PARTIAL, P_PARTIAL, P_PARTIAL, P_COUNT};
  const int64_t rounds[] = {0, 0, 0, 1, 1, 2, 2, 3, 3, 3}, ordinals[] = {0, 1, 0, 0, 1, 0, 1, 0, 1, 0};
  ck_assert_int_eq(seen.count, 10);
  for (int k = 0; k < 10; k++) {
    ck_assert_int_eq(seen.items[k].program, programs[k]);
    ck_assert_int_eq(seen.items[k].round, rounds[k]);
    ck_assert_int_eq(seen.items[k].ordinal, ordinals[k]);
    ck_assert_double_eq(seen.items[k].step, (double)rounds[k]);
  }
  for (int k = 0; k < 10; k++) /* every evaluation draws anew */
    for (int j = 0; j < k; j++)
      ck_assert(programs[k] == P_COUNT || programs[j] == P_COUNT ||
                seen.items[k].first_noise != seen.items[j].first_noise);
}
END_TEST

START_TEST(test_counts_from_tensors_and_choices) {
  ModelTables *t = fixture.tables;
  t->Setting[0].value = 3; /* repeat `rate` */
  t->Schedule[1].value = T_RATE;
  t->Schedule[3] =
      (ScheduleRecord){.kind = SCHEDULE_CHOICE, .first_child = 4, .next_sibling = -1, .routine = -1, .value = T_STEP};
  t->Schedule[4].next_sibling = 5;
  t->Schedule[5] =
      (ScheduleRecord){.kind = SCHEDULE_SEQUENCE, .first_child = 6, .next_sibling = -1, .routine = -1, .value = -1};
  t->Schedule[6] =
      (ScheduleRecord){.kind = SCHEDULE_RUN, .first_child = -1, .next_sibling = -1, .routine = R_UPDATE, .value = -1};
  t->ScheduleCount = 7;
  begin();
  run_rounds(2);
  const int programs[] = {P_PARTIAL, P_PARTIAL, P_PARTIAL, P_PARTIAL,
                          P_PARTIAL, P_PARTIAL, P_PARTIAL, P_COUNT}; /* step 0 is false: else */
  ck_assert_int_eq(seen.count, 8);
  for (int k = 0; k < 8; k++) ck_assert_int_eq(seen.items[k].program, programs[k]);
  ck_assert_int_eq(seen.items[3].ordinal, 3);
}
END_TEST

START_TEST(test_wrong_counts_are_refused) {
  fixture.tables->Schedule[3].value = T_RATE; /* every 0.05 */
  fixture.tables->Schedule[3].line = 12;
  begin();
  Problem problem;
  ck_assert(!round_run(&fixture.engine.execution, &fixture.engine.clock, &problem));
  ck_assert_msg(strstr(problem.text, "line 12") && strstr(problem.text, "at least 1"), "%s", problem.text);
  execution_set_scalar(&fixture.engine.execution, T_RATE, NAN);
  ck_assert(!round_run(&fixture.engine.execution, &fixture.engine.clock, &problem));
  ck_assert_msg(strstr(problem.text, "period of `every`"), "%s", problem.text);
}
END_TEST

START_TEST(test_outputs_count_apart) {
  begin();
  run_rounds(2);
  seen.count = 0;
  Problem problem;
  float *samples = engine_samples(&fixture.engine, 0, 150, &problem);
  ck_assert_msg(samples, "%s", problem.text);
  free(samples);
  ck_assert_int_eq(seen.count, 3);
  for (int k = 0; k < 3; k++) {
    ck_assert_int_eq(seen.items[k].first_sample, 64 * k);
    ck_assert_int_eq(seen.items[k].round, 0);
    ck_assert_int_eq(seen.items[k].ordinal, 0);
    ck_assert_double_eq(seen.items[k].step, 2);
  }
  ck_assert(seen.items[0].first_noise != seen.items[1].first_noise);
  run_rounds(1); /* and training does not notice them */
  ck_assert_int_eq(seen.items[3].ordinal, 0);
  samples = engine_samples(&fixture.engine, 0, 64, &problem);
  ck_assert_msg(samples, "%s", problem.text);
  free(samples);
  ck_assert(seen.items[seen.count - 1].first_noise == seen.items[0].first_noise); /* the same draws at another step */
}
END_TEST

START_TEST(test_clocks) {
  const struct {
    const char *unit;
    double length;
    int64_t steps;
  } cases[] = {{"steps", 40, 40}, {"images", 1000, 16}, {"epochs", 2, 2048}, {"", 0, 0}};
  free(fixture.tables);
  for (int k = 0; k < 4; k++) {
    make();
    fixture.tables->Model[0].length_unit = cases[k].unit;
    fixture.tables->Model[0].length = cases[k].length;
    begin();
    ck_assert_int_eq(fixture.engine.clock.steps, cases[k].steps);
    run_rounds(3);
    ck_assert_int_eq(fixture.engine.clock.image, 3 * LINE_BATCH);
    clock_show(&fixture.engine.clock, &fixture.engine.execution);
    ck_assert_double_eq(execution_scalar(&fixture.engine.execution, T_STEP), 3);
    ck_assert_double_eq(execution_scalar(&fixture.engine.execution, T_IMAGE), 192);
    ck_assert_double_eq(execution_scalar(&fixture.engine.execution, T_EPOCH), 192.0 / 65536);
    end();
  }
  make();
  begin();
}
END_TEST

CHECK_MAIN(.enter = make, .leave = end,
           .tests = {test_order_and_ordinals, test_counts_from_tensors_and_choices, test_wrong_counts_are_refused,
                     test_outputs_count_apart, test_clocks})
