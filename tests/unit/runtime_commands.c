/* info, bench, eval and diagnose on models made by hand: what they say is right, and diagnose sees a wrong derivative
   at either order. */
#include "tests/unit/temporary_folder.h"
#include "tests/unit/trainer_process.h"

/* ---- a model in double precision: mean over the batch of sin(a*x) + a*b, with its gradient and second derivatives
   ---- */

enum { D_A, D_B, D_X, D_VALUE, D_GA, D_GB, D_DA, D_DB, D_SA, D_SB, D_TENSORS };
enum { V_NOTHING, V_VALUE, V_GRADIENT, V_SECOND, V_ROUTINES };
enum { X_COUNT = 8 };

static void kernel_nothing(const Call *call, int64_t chunk, void *workspace) {
  (void)call, (void)chunk, (void)workspace;
}

/* buffers: a, b, x [8]; value */
static void kernel_value(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  const double *a = call->buffers[0], *b = call->buffers[1], *x = call->buffers[2];
  double sum = 0;
  for (int n = 0; n < X_COUNT; n++) sum += sin(a[0] * x[n]) + a[0] * b[0];
  *(double *)call->buffers[3] = sum / X_COUNT;
}

static void gradient(const Call *call, double wrong) {
  const double *a = call->buffers[0], *b = call->buffers[1], *x = call->buffers[2];
  double sum = 0;
  for (int n = 0; n < X_COUNT; n++) sum += x[n] * cos(a[0] * x[n]);
  *(double *)call->buffers[3] = sum / X_COUNT + b[0];
  *(double *)call->buffers[4] = a[0] * (1 + wrong);
}
static void kernel_gradient(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace, gradient(call, 0);
}
static void kernel_wrong_gradient(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace, gradient(call, 1e-4);
}

/* buffers: a, b, x, direction of a, of b; second of a, of b */
static void second(const Call *call, double wrong) {
  const double *a = call->buffers[0], *x = call->buffers[2], da = *(double *)call->buffers[3],
               db = *(double *)call->buffers[4];
  double sum = 0;
  for (int n = 0; n < X_COUNT; n++) sum -= x[n] * x[n] * sin(a[0] * x[n]);
  *(double *)call->buffers[5] = sum / X_COUNT * da * (1 + wrong) + db;
  *(double *)call->buffers[6] = da;
}
static void kernel_second(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace, second(call, 0);
}
static void kernel_wrong_second(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace, second(call, 1e-3);
}

static const Kernel right_kernels[] = {kernel_nothing, kernel_value, kernel_gradient, kernel_second};
static const Kernel wrong_first_kernels[] = {kernel_nothing, kernel_value, kernel_wrong_gradient, kernel_second};
static const Kernel wrong_second_kernels[] = {kernel_nothing, kernel_value, kernel_gradient, kernel_wrong_second};

static ModelTables *sine_tables(void) {
  ModelTables *t = calloc(1, sizeof *t);
  static const char *const names[] = {"D.a", "D.b", "x", "", "", "", "", "", "", ""};
  for (int k = 0; k < D_TENSORS; k++) {
    t->Tensor[k] = line_tensor(names[k], k <= D_B ? ROLE_WEIGHT : k == D_X ? ROLE_NOISE : ROLE_RESULT, STORAGE_F64);
    t->Tensor[k].stream = (int64_t)hash_text(names[k]);
    t->Tensor[k].bytes = k == D_X ? 64 : 8;
    t->Tensor[k].offset = 64 * k;
  }
  t->Tensor[D_A].initial = INITIAL_NORMAL, t->Tensor[D_A].initial_b = 1;
  t->Tensor[D_B].initial = INITIAL_UNIFORM, t->Tensor[D_B].initial_b = 1;
  t->Tensor[D_X].initial = INITIAL_NORMAL, t->Tensor[D_X].initial_b = 1, t->Tensor[D_X].batch = 1,
  t->Tensor[D_X].rank = 1, t->Tensor[D_X].shape[0] = X_COUNT, t->Tensor[D_X].stride[0] = 1;
  t->TensorCount = D_TENSORS;
  t->Model[0] = (ModelRecord){.name = "sine",
                              .file = "sine.gan",
                              .real = "f64",
                              .target = "x86-64",
                              .features = "",
                              .build = "test",
                              .source_hash = "1",
                              .batch = X_COUNT,
                              .feeds = 1,
                              .persistent_bytes = 64 * D_TENSORS,
                              .length_unit = "",
                              .first_data = -1};
  t->ModelCount = 1;
  for (int k = 0; k < 4; k++) t->Program[k] = (ProgramRecord){.symbol = "k", .entry = k, .chunks = 1};
  t->ProgramCount = 4;
  line_step(t, 0, "nothing", 0, (const int[]){0});
  line_step(t, 1, "value", 4, (const int[]){D_A, D_B, D_X, D_VALUE});
  line_step(t, 2, "gradient", 5, (const int[]){D_A, D_B, D_X, D_GA, D_GB});
  line_step(t, 3, "second", 7, (const int[]){D_A, D_B, D_X, D_DA, D_DB, D_SA, D_SB});
  t->Fill[0].tensor = D_X;
  t->FillCount = 1;
  for (int k = 0; k < V_ROUTINES; k++)
    t->Routine[k] = (RoutineRecord){
        .name = "diagnose D", .kind = ROUTINE_DIAGNOSE, .first_step = k, .step_count = 1, .fill_count = k > 0};
  t->RoutineCount = V_ROUTINES;
  t->Schedule[0] = (ScheduleRecord){.kind = SCHEDULE_RUN, .first_child = -1, .next_sibling = -1, .value = -1};
  t->ScheduleCount = 1;
  t->Objective[t->ObjectiveCount++] =
      (ObjectiveRecord){.players = "D", .label = "main", .tensor = D_VALUE, .value_routine = -1, .line = 4};
  t->Diagnosis[t->DiagnosisCount++] = (DiagnosisRecord){.base_routine = V_NOTHING,
                                                        .value_routine = V_VALUE,
                                                        .gradient_routine = V_GRADIENT,
                                                        .second_routine = V_SECOND,
                                                        .value = D_VALUE,
                                                        .pair_count = 2};
  for (int k = 0; k < 2; k++)
    t->Pair[t->PairCount++] =
        (PairRecord){.weight = D_A + k, .gradient = D_GA + k, .direction = D_DA + k, .second = D_SA + k};
  return t;
}

/* A line whose data are built in: samples are compared with a mixture. */
static ModelTables *ring_tables(void) {
  ModelTables *tables = line_tables();
  tables->Tensor[T_P].source = "ring";
  return tables;
}

static int run(ModelTables *(*make)(void), const char *line) { return trainer_run(make, line_kernels, line); }

/* The last result as JSON: what was printed, and what lies in the run's folder if `path` is given. */
static Json *result(const char *path) {
  Problem problem;
  if (path) {
    FileBytes bytes = {0};
    ck_assert_msg(file_read(path, sizeof printed - 1, &bytes, &problem), "%s", problem.text);
    memcpy(printed, bytes.data, bytes.size);
    printed[bytes.size] = 0;
    file_release(&bytes);
  }
  Json *json = json_parse(path ? path : "what was printed", printed, strlen(printed), &problem);
  ck_assert_msg(json, "%s in: %s", problem.text, printed);
  return json;
}

START_TEST(test_right_derivatives_agree) {
  expect(trainer_run(sine_tables, right_kernels, "diagnose"), 0, "all derivatives agree");
  says("main.D (sine.gan:4)");
  expect(trainer_run(sine_tables, right_kernels, "diagnose --seed 9 --directions 2 --threads 3"), 0,
         "all derivatives agree");
}
END_TEST

START_TEST(test_wrong_derivatives_are_named) {
  expect(trainer_run(sine_tables, wrong_first_kernels, "diagnose"), 1, "WRONG");
  ck_assert_ptr_nonnull(strstr(strstr(printed, "D.b"), "WRONG"));
  expect(trainer_run(sine_tables, wrong_second_kernels, "diagnose"), 1, "1 of these");
  says("D.a");
}
END_TEST

START_TEST(test_diagnose_refuses_spoilt_weights) {
  double a = NAN;
  TensorView view = {.name = "D.a", .type = STORAGE_F64, .data = &a};
  Problem problem;
  ck_assert(safetensors_write("n.safetensors", &view, 1, NULL, 0, &problem));
  expect(trainer_run(sine_tables, right_kernels, "diagnose --init n.safetensors"), 1,
         "n.safetensors: D.a is not a number");
}
END_TEST

START_TEST(test_diagnose_wants_double_precision) {
  expect(run(line_tables, "diagnose"), 1, "ganc build line.gan --real f64");
}
END_TEST

START_TEST(test_info_says_what_is_there) {
  expect(run(line_tables, "info"), 0, "momentum(rate)");
  const char *const facts[] = {
      "D.wide",       "[1000]",       "1 tiles, 5 nests", "fixed when built", "minimized at line 9",
      "normal(0, 1)", "with --feeds", "logged",           "4.00 kB"};
  for (size_t k = 0; k < LENGTH(facts); k++) says(facts[k]);
}
END_TEST

START_TEST(test_info_as_json) {
  expect(run(ring_tables, "info --json --threads 2"), 0, "{");
  Json *json = result(NULL);
  ck_assert_int_eq(json_find(json, "weights")->integer, LINE_WIDE + 3);
  ck_assert_int_eq(json_find(json_find(json, "programs"), "nests")->integer, 5);
  const Json *memory = json_find(json, "memory");
  ck_assert_int_eq(json_find(memory, "predicted_bytes")->integer,
                   2 * json_find(memory, "persistent_bytes")->integer + json_find(memory, "arena_bytes")->integer +
                       2 * 64 + json_find(memory, "data_bytes")->integer);
  ck_assert_int_gt(json_find(memory, "data_bytes")->integer, 1000);
  ck_assert_double_eq(json_find(json, "executed_flops")->number,
                      2 * 200 + 100.0 / 3); /* two updates of two steps, a third of an assignment */
  ck_assert_double_eq(json_find(json, "needed_flops")->number, 2 * 190); /* the update runs twice a step */
  json_free(json);
}
END_TEST

START_TEST(test_bench_counts_what_ran) {
  expect(run(ring_tables, "bench --json --steps 30 --threads 1"), 0, "{");
  Json *json = result(NULL);
  ck_assert_double_gt(json_find(json, "peak_gflops_per_second")->number, 1);
  ck_assert_double_eq_tol(json_find(json, "executed_flops")->number, 2 * 200 + 100.0 / 3, 1);
  ck_assert_double_eq(json_find(json, "needed_flops")->number, 2 * 190);
  ck_assert_int_eq(json_find(json, "steps")->count, 3);
  json_free(json);
  expect(run(ring_tables, "bench --steps 20"), 0, "time over floor");
}
END_TEST

START_TEST(test_eval_measures_against_the_mixture) {
  expect(run(ring_tables, "train --steps 5 --run a"), 0, "done");
  expect(run(ring_tables, "eval --run a --count 2000 --directions 32"), 0, "modes");
  expect(run(ring_tables, "eval --run a --count 2000 --directions 32 --json"), 0, "{");
  Json *json = result(NULL);
  ck_assert_int_eq(json_find(json, "modes")->integer, 8);
  ck_assert_int_eq(json_find(json, "count")->integer, 2000);
  ck_assert_double_lt(json_find(json, "high_quality")->number, 0.5); /* a line is no ring */
  ck_assert_double_gt(json_find(json, "sliced_wasserstein_ratio")->number, 3);
  json_free(json);
  expect(run(line_tables, "eval"), 1, "no run");
}
END_TEST

/* ---- eval on data of one's own ----------------------------------------------------------------------------------- */

/* Two places, a and b, in turn. */
static void write_places(const char *path, int64_t count, float ax, float ay, float bx, float by) {
  float *rows = malloc((size_t)count * 2 * sizeof *rows);
  for (int64_t k = 0; k < count; k++) rows[2 * k] = k % 2 ? bx : ax, rows[2 * k + 1] = k % 2 ? by : ay;
  Problem problem;
  ck_assert_msg(npy_write(path, ELEMENT_F32, 2, (const int64_t[]){count, 2}, rows, &problem), "%s", problem.text);
  free(rows);
}

static void expect_side(const Json *json, const char *side, const char *source, const char *part, int64_t samples) {
  const Json *found = json_find(json, side);
  ck_assert_str_eq(json_find(found, "source")->text, source);
  ck_assert_str_eq(json_find(found, "part")->text, part);
  ck_assert_int_eq(json_find(found, "samples")->integer, samples);
}

static bool is_null(const Json *json, const char *key) { return json_find(json, key)->kind == JSON_NULL; }

static const char eval_path[] = "a/eval/fakes-against-p-000005.json";

/* Trained on the origin, compared with the origin and (3, 4) in turn: half of the points are 5 away, along a direction
   5 times a cosine, whose mean is 2/pi. */
START_TEST(test_eval_on_own_data) {
  write_places("trained.npy", 300, 0, 0, 0, 0);
  write_places("held.npy", 100, 0, 0, 3, 4);
  expect(run(line_tables, "train --data p=trained.npy --steps 5 --run a"), 0, "done");
  expect(run(line_tables, "eval --run a"), 1,
         "data p: trained.npy has no held-out part; samples that training has not seen are named by --data p=SPEC");
  expect(run(line_tables, "eval --run a --data p=held.npy --directions 4096 --seed 7 --json"), 0, "{");
  for (int stored = 0; stored < 2; stored++) {
    Json *json = result(stored ? eval_path : NULL);
    expect_side(json, "held_out", "held.npy", "all", 100);
    expect_side(json, "training", "trained.npy", "all", 300);
    ck_assert_str_eq(json_find(json, "against")->text, "p");
    ck_assert_str_eq(json_find(json, "seed")->text, "7");
    ck_assert_str_eq(json_find(json, "weights")->text, "a/checkpoints/step-000005.safetensors");
    ck_assert_int_eq(json_find(json, "step")->integer, 5);
    ck_assert_int_eq(json_find(json, "count")->integer, 100);
    ck_assert_double_eq_tol(json_find(json, "sliced_wasserstein_of_training_data")->number, 5 / acos(-1.0), 0.03);
    ck_assert_double_eq_tol(json_find(json, "sliced_wasserstein_ratio")->number,
                            json_find(json, "sliced_wasserstein")->number /
                                json_find(json, "sliced_wasserstein_of_training_data")->number,
                            1e-12);
    ck_assert_double_eq_tol(json_find(json, "pair_distance_of_data")->number, 5 * 50.0 * 50 / (100 * 99 / 2), 1e-6);
    ck_assert(is_null(json, "modes") && is_null(json, "reverse_kl"));
    json_free(json);
  }
  expect(run(line_tables, "eval --run a --data p=held.npy"), 0, "training p: 100 of the 300 in trained.npy\n");
  says("fakes: 100 samples of a/checkpoints/step-000005.safetensors, step 5, seed "
       "1\nheld-out p: 100 of the 100 in held.npy\n");
  says("written to a/eval/fakes-against-p-000005.json");
  expect(run(line_tables, "eval --weights a/checkpoints/step-000005.safetensors --data p=held.npy"), 0,
         "training p: 100 of the 300 in trained.npy\n");
  expect(run(line_tables, "eval --run a --data p=ring"), 0,
         "held-out p: 300 of the 65,536 in ring (its held-out part)");
}
END_TEST

START_TEST(test_eval_tells_of_data_that_have_changed) {
  write_places("trained.npy", 300, 0, 0, 0, 0);
  write_places("held.npy", 100, 0, 0, 3, 4);
  expect(run(line_tables, "train --data p=trained.npy --steps 5 --run a"), 0, "done");
  expect(run(line_tables, "eval --run a --data p=held.npy"), 0, "in trained.npy\n");
  Json *json = result(eval_path);
  ck_assert(!json_find(json_find(json, "training"), "changed")->truth);
  json_free(json);
  write_places("trained.npy", 400, 0, 0, 1, 0);
  expect(run(line_tables, "eval --run a --data p=held.npy"), 0,
         "training p: 100 of the 400 in trained.npy, which is not what the run has read");
  json = result(eval_path);
  ck_assert(json_find(json_find(json, "training"), "changed")->truth);
  json_free(json);
  expect(run(line_tables, "train --run a --resume --steps 6"), 1, "data p: trained.npy had 300 samples, and has 400");
  expect(run(line_tables, "train --run a --resume --steps 6 --accept-changes"), 0, "done");
  expect(run(line_tables, "train --run a --resume --steps 7"), 0, "done");
  says_nothing_of("not what"); /* config.json says now what was read */
  expect(run(line_tables, "train --run a --resume --steps 8 --data p=held.npy --accept-changes"), 0, "done");
  says_nothing_of("not what"); /* somebody chose it */
}
END_TEST

/* What cannot be said is null, and a word for people. */
START_TEST(test_eval_says_what_is_not_known) {
  write_places("trained.npy", 300, 3, 4, 3, 4);
  write_places("held.npy", 300, 3, 4, 3, 4);
  expect(run(line_tables, "train --data p=trained.npy --steps 5 --run a"), 0, "done");
  expect(run(line_tables, "eval --run a --data p=held.npy"), 0,
         "training data against held-out ones: 0.00000; ratio unknown"); /* divided by 0 */
  Json *json = result(eval_path);
  ck_assert_double_eq(json_find(json, "sliced_wasserstein_of_training_data")->number, 0);
  ck_assert(is_null(json, "sliced_wasserstein_ratio") && is_null(json, "pair_distance_ratio"));
  json_free(json);
  expect(run(line_tables, "eval --run a --data p=./trained.npy"), 0,
         "training p: unknown (trained.npy is what was trained on: nothing is held out)");
  json = result(eval_path);
  ck_assert(is_null(json, "training") && is_null(json, "sliced_wasserstein_of_training_data") &&
            is_null(json, "sliced_wasserstein_ratio"));
  json_free(json);
  ck_assert_int_eq(rename("a/checkpoints/step-000005.safetensors", "w.safetensors"), 0);
  expect(run(line_tables, "eval --weights w.safetensors --data p=held.npy"), 0,
         "training p: unknown (nothing says what was trained on)");
  expect(run(ring_tables, "eval --weights w.safetensors --data p=held.npy"), 0,
         "in ring (its training part), as the model says");
  expect(run(ring_tables, "eval --weights w.safetensors --run a --data p=held.npy"), 0,
         "300 of the 300 in trained.npy\n");
  ck_assert_int_eq(unlink("trained.npy"), 0);
  expect(run(ring_tables, "eval --weights w.safetensors --run a --data p=held.npy"), 0,
         "training p: unknown (cannot open trained.npy");
  expect(run(ring_tables, "eval --weights w.safetensors --count 1"), 0,
         "mean distance of pairs: samples unknown, held-out data unknown; ratio unknown");
}
END_TEST

/* Data q have the shape of p. */
static ModelTables *two_data_tables(void) {
  ModelTables *tables = line_tables();
  tables->Tensor[T_P].source = "ring";
  tables->Tensor[tables->TensorCount] = tables->Tensor[T_P];
  tables->Tensor[tables->TensorCount].name = tables->Tensor[tables->TensorCount].data = "q";
  tables->Tensor[tables->TensorCount].source = "grid(side=3)";
  tables->Fill[tables->FillCount++].tensor = tables->TensorCount++;
  tables->Routine[R_FAKES].fill_count = 2; /* behind z: the output reads q */
  return tables;
}

START_TEST(test_eval_against_one_of_several) {
  write_places("held.npy", 300, 0, 0, 3, 4);
  expect(run(two_data_tables, "train --steps 5 --run a"), 0, "done");
  expect(run(two_data_tables, "eval --run a"), 1,
         "fakes could be measured against p, q: say which with --against NAME");
  expect(run(two_data_tables, "eval --run a --against r"), 1,
         "--against r: the model has no data of that name with the shape of fakes, [2], but: p, q");
  expect(run(two_data_tables, "eval --run a --against q --count 100"), 0, " of 9; high-quality samples: ");
  ck_assert(file_exists("a/eval/fakes-against-q-000005.json"));
  expect(run(two_data_tables, "eval --run a --against p --count 100"), 0,
         "held-out p: 100 of the 65,536 in ring (its held-out part)\n");
  ck_assert(file_exists(eval_path));
  expect(run(two_data_tables, "eval --run a --against q --data q=held.npy --count 100"), 0,
         "held-out q: 100 of the 300 in held.npy\n");
  Json *json = result("a/eval/fakes-against-q-000005.json");
  ck_assert_str_eq(json_find(json_find(json, "reads"), "q")->text,
                   "grid(side=3)"); /* the output itself reads what training reads */
  json_free(json);
  expect(run(two_data_tables, "eval --run a --against p --data q=held.npy --count 100"), 0, "reads q: held.npy\n");
}
END_TEST

static void kernel_broken_fakes(const Call *call, int64_t chunk, void *workspace) {
  kernel_fakes(call, chunk, workspace);
  if (chunk == 2) ((float *)call->buffers[3])[LINE_BATCH + 35] = NAN;
}

START_TEST(test_eval_wants_finite_numbers) {
  write_places("held.npy", 300, 0, 0, 3, INFINITY);
  expect(run(ring_tables, "train --steps 5 --run a"), 0, "done");
  expect(trainer_run(ring_tables, kernels_with(line_kernels, P_FAKES, kernel_broken_fakes), "eval --run a"), 1,
         "156 of 10000 samples of fakes are not finite: element 1 of sample 35 is not a number");
  expect(run(ring_tables, "eval --run a --data p=held.npy"), 1,
         "held.npy: row 1, element [1] is inf, and every number must be finite");
  ck_assert(!directory_exists("a/eval"));
}
END_TEST

CHECK_MAIN(.enter = enter_own_folder, .leave = leave_own_folder,
           .tests = {test_right_derivatives_agree, test_wrong_derivatives_are_named,
                     test_diagnose_refuses_spoilt_weights, test_diagnose_wants_double_precision,
                     test_info_says_what_is_there, test_info_as_json, test_bench_counts_what_ran,
                     test_eval_measures_against_the_mixture, test_eval_on_own_data,
                     test_eval_tells_of_data_that_have_changed, test_eval_says_what_is_not_known,
                     test_eval_against_one_of_several, test_eval_wants_finite_numbers})
