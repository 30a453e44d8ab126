/* The commands of a trainer, on the hand-made line: training, resuming, threads, feeds, initial weights, Ctrl-C, wrong
   usage. Each run is a process of its own, as a user has it. */
#include <stdarg.h>

#include "tests/unit/temporary_folder.h"
#include "tests/unit/trainer_process.h"

enum { ROWS = 1000 };

/* The process keeps this folder as its own: everything is made in it. */
static void enter_with_rows(void) {
  enter_own_folder();
  float rows[ROWS][2];
  for (int k = 0; k < ROWS; k++) {
    rows[k][0] = (float)sin(k * 12.9898) * 0.9f;
    rows[k][1] = 0.7f * rows[k][0] - 0.2f;
  }
  Problem problem;
  const int64_t shape[] = {ROWS, 2};
  ck_assert_msg(npy_write("line.npy", ELEMENT_F32, 2, shape, rows, &problem), "%s", problem.text);
}

static void kernel_slow_count(const Call *call, int64_t chunk, void *workspace) {
  usleep(20000);
  kernel_count(call, chunk, workspace);
}

/* A step that would outlast any patience: whoever ends before it does not wait for it. */
static void kernel_endless_count(const Call *call, int64_t chunk, void *workspace) {
  sleep(20);
  kernel_count(call, chunk, workspace);
}

__attribute__((format(printf, 1, 2))) static int run(const char *format, ...) {
  char line[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(line, sizeof line, format, list);
  va_end(list);
  return trainer_run(line_tables, line_kernels, line);
}

static double stored(const char *directory, const char *tensor, int64_t element) {
  Problem problem;
  Checkpoint *checkpoint = run_folder_newest_checkpoint(directory, NULL, &problem);
  ck_assert_msg(checkpoint, "%s", problem.text);
  SafeTensors *file = safetensors_open(checkpoint_path(checkpoint), &problem);
  const StoredTensor *found = safetensors_find(file, tensor);
  ck_assert_msg(found, "%s is not in %s", tensor, checkpoint_path(checkpoint));
  double *values = malloc(found->bytes * 8);
  TensorView view = {.name = tensor, .type = STORAGE_F64, .rank = found->rank, .data = values};
  memcpy(view.shape, found->shape, sizeof view.shape);
  int64_t size = 1;
  for (int64_t axis = found->rank - 1; axis >= 0; axis--) view.stride[axis] = size, size *= found->shape[axis];
  ck_assert(safetensors_read(file, found, &view, &problem));
  double value = values[element];
  free(values);
  safetensors_close(file);
  checkpoint_close(checkpoint);
  return value;
}

static bool same_file(const char *a, const char *b) {
  FileBytes left = {0}, right = {0};
  Problem problem;
  ck_assert_msg(file_read(a, 1 << 26, &left, &problem), "%s", problem.text);
  ck_assert_msg(file_read(b, 1 << 26, &right, &problem), "%s", problem.text);
  bool same = left.size == right.size && memcmp(left.data, right.data, left.size) == 0;
  file_release(&left);
  file_release(&right);
  return same;
}

START_TEST(test_learns_the_line) {
  expect(run("train --data p=line.npy --steps 400 --run r"), 0, "done at step 400");
  ck_assert_double_eq_tol(stored("r", "D.w", 0), 0.7, 0.01);
  ck_assert_double_eq_tol(stored("r", "D.b", 0), -0.2, 0.01);
  ck_assert_double_eq(stored("r", "count", 0), 5 + 134); /* every third of 400 rounds, from 0 on */
  ck_assert(file_exists("r/config.json"));
  ck_assert(file_exists("r/stats.jsonl"));
  ck_assert(file_exists("r/samples/fakes-000400.png"));
}
END_TEST

START_TEST(test_default_length_is_the_models) { expect(run("train --data p=line.npy --run r"), 0, "done at step 40"); }
END_TEST

START_TEST(test_any_number_of_threads_gives_the_same_bits) {
  for (const char *threads = "1237"; *threads; threads++)
    expect(run("train --data p=line.npy --steps 50 --run t%c --threads %c", *threads, *threads), 0, NULL);
  ck_assert(same_file("t1/checkpoints/step-000050.safetensors", "t2/checkpoints/step-000050.safetensors"));
  ck_assert(same_file("t1/checkpoints/step-000050.safetensors", "t3/checkpoints/step-000050.safetensors"));
  ck_assert(same_file("t1/checkpoints/step-000050.safetensors", "t7/checkpoints/step-000050.safetensors"));
}
END_TEST

START_TEST(test_seeds_differ) {
  expect(run("train --data p=line.npy --steps 3 --run a --seed 1"), 0, NULL);
  expect(run("train --data p=line.npy --steps 3 --run b --seed 2"), 0, NULL);
  ck_assert(stored("a", "D.w", 0) != stored("b", "D.w", 0));
  ck_assert(stored("a", "D.wide", 5) != stored("b", "D.wide", 5));
}
END_TEST

/* Its samples mention the data, on a walk of their own. */
static ModelTables *data_output_tables(void) {
  ModelTables *tables = line_tables();
  tables->Fill[tables->FillCount++].tensor = T_P;
  tables->Routine[R_FAKES].fill_count = 2;
  return tables;
}

/* Stopped at 17 and 33, where a pass over the data is cut in the middle; outputs with draws of their own in between. */
START_TEST(test_resumed_runs_have_the_bits_of_whole_ones) {
  ModelTables *(*make)(void) = _i == 0 ? line_tables : data_output_tables;
  expect(trainer_run(make, line_kernels,
                     "train --data p=line.npy --steps 60 --run whole --set rate=0.01 --log-every 7 --sample-every 10 "
                     "--checkpoint-every 0"),
         0, NULL);
  expect(trainer_run(make, line_kernels,
                     "train --data p=line.npy --steps 17 --run parts --set rate=0.01 --log-every 7 --sample-every 10 "
                     "--checkpoint-every 0"),
         0, NULL);
  expect(trainer_run(make, line_kernels,
                     "train --resume --run parts --steps 33 --log-every 7 --sample-every 10 --threads 3"),
         0, "done at step 33");
  expect(trainer_run(make, line_kernels, "train --resume --run parts --steps 60 --log-every 7 --sample-every 10"), 0,
         "27 steps");
  ck_assert(same_file("whole/checkpoints/step-000060.safetensors", "parts/checkpoints/step-000060.safetensors"));
  ck_assert(same_file("whole/samples/fakes-000060.png", "parts/samples/fakes-000060.png"));
}
END_TEST

START_TEST(test_resume_refuses_another_seed) {
  expect(run("train --data p=line.npy --steps 3 --run a --seed 7"), 0, NULL);
  expect(run("train --run a --resume --seed 8 --steps 4"), 1, "began with --seed 7");
  expect(run("train --run a --resume --init x.safetensors"), 1, "exclude each other");
  expect(run("train --run nowhere --resume"), 1, "nowhere");
  expect(run("train --data p=line.npy --run a --steps 4"), 1, "a");
}
END_TEST

START_TEST(test_initial_values) {
  expect(run("train --data p=line.npy --steps 0 --run a"), 0, "done at step 0");
  ck_assert_double_eq(stored("a", "D.w", 0), stored("a", "C.w", 0));
  ck_assert_double_eq(stored("a", "D.b", 0), 0);
  ck_assert_double_eq(stored("a", "count", 0), 5);
  double sum = 0, squares = 0;
  for (int k = 0; k < LINE_WIDE; k++) {
    double value = (stored("a", "D.wide", k) - 1) / 0.02;
    sum += value;
    squares += value * value;
  }
  ck_assert_double_eq_tol(sum / LINE_WIDE, 0, 0.1);
  ck_assert_double_eq_tol(squares / LINE_WIDE, 1, 0.15);
}
END_TEST

START_TEST(test_init_takes_weights_by_name) {
  expect(run("train --data p=line.npy --steps 30 --run a"), 0, NULL);
  expect(run("train --data p=line.npy --steps 0 --run b --seed 9 --init a/checkpoints/step-000030.safetensors"), 0,
         NULL);
  ck_assert_double_eq(stored("a", "D.w", 0), stored("b", "D.w", 0));
  ck_assert_double_eq(stored("a", "D.w/momentum.m", 0), stored("b", "D.w/momentum.m", 0));
  expect(run("train --data p=line.npy --init line.npy"), 1, "line.npy");
}
END_TEST

START_TEST(test_feeds_replace_draws) {
  float zeros[256] = {0};
  const int64_t shape[] = {256}, points[] = {256, 2};
  Problem problem;
  float fed[256][2];
  for (int k = 0; k < 256; k++) fed[k][0] = 1, fed[k][1] = 3;
  ck_assert(npy_write("e.npy", ELEMENT_F32, 1, shape, zeros, &problem));
  ck_assert(npy_write("p.npy", ELEMENT_F32, 2, points, fed, &problem));
  expect(run("train --feed p=p.npy --feed e=e.npy --steps 2 --run a --set rate=0.25"), 0, NULL);
  double w = 0, b = 0, wm = 0, bm = 0;
  expect(run("train --data p=line.npy --steps 0 --run start"), 0, NULL);
  w = (float)stored("start", "D.w", 0);
  for (int k = 0; k < 4; k++) { /* two rounds of two updates at the point (1, 3) */
    double error = w + b - 3;
    wm = 0.5 * wm + 2 * error, bm = 0.5 * bm + 2 * error;
    w -= 0.25 * wm, b -= 0.25 * bm;
  }
  ck_assert_double_eq_tol(stored("a", "D.w", 0), w, 1e-5);
  ck_assert_double_eq_tol(stored("a", "D.b", 0), b, 1e-5);
  expect(run("train --feed p=p.npy --feed e=e.npy --steps 3 --run c"), 1, ".npy"); /* too few rows */
}
END_TEST

START_TEST(test_data_without_a_position_are_told) {
  float fed[256][2] = {{0}};
  Problem problem;
  ck_assert(npy_write("p.npy", ELEMENT_F32, 2, (const int64_t[]){256, 2}, fed, &problem));
  expect(run("train --feed p=p.npy --data p=line.npy --steps 1 --run a"), 0, NULL);
  expect(run("train --resume --run a --steps 2 --data p=line.npy"), 1, "feed p: it was p.npy, and is none");
  expect(run("train --resume --run a --steps 2 --data p=line.npy --accept-changes"), 0, "p starts from its first row");
  expect(run("train --resume --run a --steps 3"), 0, "done at step 3");
  says_nothing_of("first row");
  expect(run("train --resume --run a --steps 4 --feed e=p.npy"), 1, "samples are [2]");
}
END_TEST

START_TEST(test_dry_run_writes_nothing) {
  expect(run("train --data p=line.npy --dry-run --run a"), 0, "nothing was trained");
  ck_assert(!directory_exists("a"));
}
END_TEST

START_TEST(test_wrong_usage_is_explained) {
  expect(run("tarin"), 2, "did you mean train");
  expect(run(" "), 2, "a command is missing");
  expect(run("train --stesp 5"), 2, "did you mean --steps");
  expect(run("train --steps"), 2, "--steps expects N, found nothing");
  expect(run("train --steps many"), 2, "expects a whole number, found \"many\"");
  expect(run("train --steps -3"), 2, "must be at least 0");
  expect(run("train --threads 0"), 2, "must be at least 1");
  expect(run("train --count 3"), 2, "does not belong to `train`");
  expect(run("train --resume=yes"), 2, "takes no value");
  expect(run("train here"), 2, "is not an option");
  expect(run("train --set rate"), 2, "expects name=value");
  expect(run("train --set rat=1"), 2, "did you mean rate");
  expect(run("train --set rate=fast"), 2, "expects a number");
  expect(run("train --set width=3"), 2, "ganc build line.gan --set width=3");
  expect(run("train --data P=line.npy"), 2, "did you mean p");
  expect(run("sample -k"), 2, "there is no option \"-k\"\n"); /* nothing is near a single letter */
  expect(run("train --feed rate=line.npy"), 2, "no data or noise of that name");
  expect(run("train --data p=a --data p=b"), 2, "given twice");
  expect(run("train"), 1, "--data p=SPEC");
  expect(run("train --data p=missing.npy"), 1, "missing.npy");
  expect(run("sample"), 2, "-o");
  expect(run("--help"), 0, "diagnose");
  expect(run("train --help"), 0, "--checkpoint-every");
  expect(run("--version"), 0, "x86-64");
}
END_TEST

START_TEST(test_samples) {
  expect(run("train --data p=line.npy --steps 20 --run a"), 0, NULL);
  expect(run("sample --run a -o a.npy --count 100 --seed 4"), 0, "100 samples of fakes");
  expect(run("sample --run a -o b.npy --count 70 --seed 4 --threads 3"), 0, NULL);
  expect(run("sample --weights a/checkpoints/step-000020.safetensors -o c.png --output fakes"), 0, "c.png");
  expect(run("sample --run a -o d.jpg"), 1, ".png or .npy");
  expect(run("sample --run a -o d.png --output slope"), 1, "but: fakes");
  NpyArray a, b;
  Problem problem;
  ck_assert(npy_open("a.npy", &a, &problem) && npy_open("b.npy", &b, &problem));
  ck_assert(a.shape[0] == 100 && a.shape[1] == 2 && b.shape[0] == 70);
  const float *x = a.data;
  ck_assert_int_eq(memcmp(a.data, b.data, 70 * 8),
                   0); /* a sample depends on its number, not on how many were asked for */
  ck_assert(x[0] != x[2] && x[0] >= 0 && x[0] < 1);
  ck_assert_float_eq_tol(x[1], (float)(stored("a", "D.w", 0) * x[0] + stored("a", "D.b", 0)), 1e-6);
  npy_close(&a);
  npy_close(&b);
}
END_TEST

static ModelTables *diverging_tables(void) {
  ModelTables *tables = line_tables();
  tables->Setting[0].value = 50;
  return tables;
}

START_TEST(test_divergence_is_named) {
  expect(trainer_run(diverging_tables, line_kernels, "train --data p=line.npy --run a --checkpoint-every 1"), 1,
         "the objective D (line.gan:9) became");
  says("the last good checkpoint is a/checkpoints/step-");
}
END_TEST

/* A state that no objective reads becomes infinite in the seventh round. */
static void kernel_spoiling_count(const Call *call, int64_t chunk, void *workspace) {
  kernel_slow_count(call, chunk, workspace);
  if (call->round >= 6) *(double *)call->buffers[0] = INFINITY;
}

static const Kernel *spoiling(void) { return kernels_with(line_kernels, P_COUNT, kernel_spoiling_count); }

START_TEST(test_spoilt_states_are_not_written) {
  expect(
      trainer_run(line_tables, spoiling(), "train --data p=line.npy --run a --steps 20 --checkpoint-every 2 --keep 2"),
      1, "count is infinite at step 8");
  says("the last good checkpoint is a/checkpoints/step-000006.safetensors");
  ck_assert(!file_exists("a/checkpoints/step-000008.safetensors"));
  ck_assert(file_exists("a/checkpoints/step-000006.safetensors") &&
            file_exists("a/checkpoints/step-000004.safetensors"));
  ck_assert_double_eq(stored("a", "count", 0), 5 + 2);
  expect(trainer_run(line_tables, spoiling(), "train --run a --resume --steps 20 --checkpoint-every 0"), 1,
         "the last good checkpoint is a/checkpoints/step-000006.safetensors");
  expect(trainer_run(line_tables, spoiling(), "train --data p=line.npy --run b --steps 7"), 1,
         "no checkpoint was written");
  expect(run("sample --run a -o a.npy"), 0, NULL);
}
END_TEST

/* The status of a training that is sent signals when it has gone on for a while. */
static int run_with_signals(const Kernel *kernels, int number, int times, useconds_t apart) {
  TrainerProcess process =
      trainer_start(line_tables, kernels, "train --data p=line.npy --steps 100000 --run a --checkpoint-every 0");
  for (int k = 0; k < 200 && !directory_exists("a"); k++) usleep(10000);
  usleep(200000); /* every third round takes 20 ms and more */
  for (int k = 0; k < times; k++) {
    kill(process.child, number);
    usleep(apart);
  }
  return trainer_finish(process);
}

/* Ctrl-C and SIGTERM save what there is: not this. */
START_TEST(test_interrupt_does_not_save_spoilt_states) {
  expect(run_with_signals(spoiling(), _i == 0 ? SIGINT : SIGTERM, 1, 0), 1, "count is infinite at step");
  says("no checkpoint was written");
  Problem problem;
  ck_assert_ptr_null(run_folder_newest_checkpoint("a", NULL, &problem));
}
END_TEST

static void kernel_spoiling_copy(const Call *call, int64_t chunk, void *workspace) {
  (void)chunk, (void)workspace;
  *(float *)call->buffers[1] = -INFINITY;
}

START_TEST(test_spoilt_initial_values_are_named_before_a_run_begins) {
  const Kernel *kernels = kernels_with(line_kernels, P_COPY, kernel_spoiling_copy);
  expect(trainer_run(line_tables, kernels, "train --data p=line.npy --run a --dry-run"), 1,
         "C.w is minus infinity at step 0");
  expect(trainer_run(line_tables, kernels, "train --data p=line.npy --run a"), 1, "no checkpoint was written");
  ck_assert(!directory_exists("a"));
}
END_TEST

/* Writes a file again, one element changed and with a checksum that holds. Its tensors stay in the order and the types
   of the file. */
static void change(const char *from, const char *to, const char *name, int64_t element, double value,
                   StorageType type) {
  Problem problem;
  SafeTensors *file = safetensors_open(from, &problem);
  ck_assert_msg(file, "%s", problem.text);
  TensorView views[16] = {0};
  TextPair metadata[16];
  size_t count = safetensors_count(file), pairs = 0;
  for (size_t k = 0; k < count; k++) {
    const StoredTensor *tensor = safetensors_tensor(file, k);
    bool meant = strcmp(tensor->name, name) == 0;
    views[k] = (TensorView){.name = tensor->name,
                            .type = meant                         ? type
                                    : tensor->type == ELEMENT_F64 ? STORAGE_F64
                                                                  : STORAGE_F32,
                            .rank = tensor->rank};
    memcpy(views[k].shape, tensor->shape, sizeof views[k].shape);
    int64_t size = 1;
    for (int64_t axis = tensor->rank - 1; axis >= 0; axis--) views[k].stride[axis] = size, size *= tensor->shape[axis];
    views[k].data = malloc((size_t)size * 8);
    ck_assert(safetensors_read(file, tensor, &views[k], &problem));
    if (meant) view_set(&views[k], element, value);
  }
  for (const Json *pair = safetensors_metadata_all(file)->first; pair; pair = pair->next)
    if (strcmp(pair->key, "checksum") != 0) metadata[pairs++] = (TextPair){pair->key, pair->text};
  ck_assert_msg(safetensors_write(to, views, count, metadata, pairs, &problem), "%s", problem.text);
  for (size_t k = 0; k < count; k++) free(views[k].data);
  safetensors_close(file);
}

static const char saved_path[] = "a/checkpoints/step-000005.safetensors";

/* However such a file came about, nobody goes on from it. */
START_TEST(test_spoilt_weights_are_refused_by_every_command) {
  expect(run("train --data p=line.npy --steps 5 --run a"), 0, NULL);
  change(saved_path, "n.safetensors", "D.wide", 999, NAN, STORAGE_F32);
  const char *report = "n.safetensors: D.wide[999] is not a number";
  expect(run("sample --weights n.safetensors -o n.npy"), 1, report);
  ck_assert(!file_exists("n.npy"));
  expect(run("eval --weights n.safetensors --data p=line.npy"), 1, report);
  expect(run("train --data p=line.npy --init n.safetensors --run b"), 1, report);
  expect(run("bench --data p=line.npy --init n.safetensors --steps 1"), 1, report);
  change(saved_path, "m.safetensors", "D.b/momentum.m", 0, -INFINITY, STORAGE_F32);
  expect(run("train --data p=line.npy --init m.safetensors --run b"), 1,
         "m.safetensors: D.b/momentum.m is minus infinity");
  change(saved_path, "l.safetensors", "D.w", 0, 1e39, STORAGE_F64);
  expect(run("sample --weights l.safetensors -o l.npy"), 1, "l.safetensors: D.w is 1e+39, which float32 cannot hold");
  change(saved_path, saved_path, "D.w", 0, NAN, STORAGE_F32);
  expect(run("train --run a --resume --steps 9"), 1, "step-000005.safetensors: D.w is not a number");
  expect(run("sample --run a -o n.npy"), 1, "step-000005.safetensors: D.w is not a number");
  ck_assert(!file_exists("n.npy") && !directory_exists("b"));
}
END_TEST

/* Zeros of a type, beside another tensor that the line does not know. */
static void write_zeros(const char *path, const char *type, int bytes, const char *shape, int64_t size) {
  char header[512];
  int length = snprintf(header, sizeof header,
                        "{\"D.w\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,%lld]},"
                        "\"D.fc.b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%lld,%lld]}}",
                        type, shape, (long long)size * bytes, (long long)size * bytes, (long long)size * bytes + 4);
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  for (int k = 0; k < 8; k++) fputc((int)((uint64_t)length >> 8 * k & 255), file);
  fwrite(header, 1, (size_t)length, file);
  for (int64_t k = 0; k < size * bytes + 4; k++) fputc(0, file);
  fclose(file);
}

/* `fakes` reads D.w and D.b; D.wide, C.w and `count` it can do without. */
START_TEST(test_outputs_need_their_weights) {
  expect(run("train --data p=line.npy --steps 5 --run a"), 0, NULL);
  float w = 2, b = 3, row[3] = {1, 2, 3};
  Problem problem;
  TensorView views[3] = {{.name = "D.w", .type = STORAGE_F32, .data = &w},
                         {.name = "D.b", .type = STORAGE_F32, .data = &b},
                         {.name = "D.wide", .type = STORAGE_F32, .rank = 1, .shape = {3}, .stride = {1}, .data = row}};
  ck_assert(safetensors_write("enough.safetensors", views, 3, NULL, 0, &problem));
  expect(run("sample --weights enough.safetensors -o x.npy --count 64"), 0, "x.npy: 64 samples");
  says_nothing_of("D.wide"); /* it is none of the output's business */
  NpyArray x;
  ck_assert(npy_open("x.npy", &x, &problem));
  ck_assert_float_eq(((const float *)x.data)[1], 2 * ((const float *)x.data)[0] + 3);
  npy_close(&x);
  ck_assert(safetensors_write("few.safetensors", views, 1, NULL, 0, &problem));
  expect(run("sample --weights few.safetensors -o y.npy"), 1,
         "output fakes needs weights that the file does not have: D.b [] is not in few.safetensors");
  expect(run("eval --weights few.safetensors --data p=line.npy"), 1, "D.b [] is not in few.safetensors");
  write_zeros("long.safetensors", "F32", 4, "[2]", 2);
  expect(run("sample --weights long.safetensors -o y.npy"), 1,
         "D.w is [] here and [2] in long.safetensors, and 1 more; what this model does not know is there: D.fc.b [1]");
  write_zeros("whole.safetensors", "I64", 8, "[]", 1);
  expect(run("sample --weights whole.safetensors -o y.npy"), 1, "D.w is f32 [] here and i64 [] in whole.safetensors");
  ck_assert(!file_exists("y.npy"));
  write_zeros("half.safetensors", "BF16", 2, "[]", 1);
  expect(run("sample --weights half.safetensors -o y.npy"), 1,
         "D.b [] is not in half.safetensors;"); /* D.w may be of another width */
  expect(run("train --data p=line.npy --steps 0 --run b --init long.safetensors"), 1,
         "holds none of this model's weights");
  expect(run("train --data p=line.npy --steps 0 --run b --init half.safetensors"), 0,
         "D: 1 of 4 weights from half.safetensors; left as they were: D.b, D.wide, C.w\n");
  ck_assert_double_eq(stored("b", "D.w", 0), 0);
}
END_TEST

/* Of each network and of the model's own states, in a line; names of both sides where nothing fits; what is not asked
   for is of no matter. */
START_TEST(test_init_says_what_fits) {
  float w = 2, m = 4, row[3] = {1, 2, 3};
  double five = 5;
  Problem problem;
  TensorView views[6] = {{.name = "D.w", .type = STORAGE_F32, .data = &w},
                         {.name = "count", .type = STORAGE_F64, .data = &five},
                         {.name = "D.wide", .type = STORAGE_F32, .rank = 1, .shape = {3}, .stride = {1}, .data = row},
                         {.name = "D.w/momentum.m", .type = STORAGE_F32, .data = &m},
                         {.name = "E.x", .type = STORAGE_F32, .data = &w},
                         {.name = "E.x/adam.m", .type = STORAGE_F32, .data = &w}};
  ck_assert(safetensors_write("w.safetensors", views, 6, NULL, 0, &problem));
  expect(
      run("train --data p=line.npy --steps 0 --run a --init w.safetensors"), 0,
      "trainer: D: 1 of 4 weights, 1 of 2 optimizer states from w.safetensors; left as they were: D.b, D.b/momentum.m, "
      "D.wide ([1000] here, [3] there), C.w\n");
  says("trainer: the model: 1 of 1 state from w.safetensors\n");
  says("trainer: w.safetensors has besides: E.x []\n");
  ck_assert_double_eq(stored("a", "D.w", 0), 2);
  ck_assert_double_eq(stored("a", "D.w/momentum.m", 0), 4);
  expect(run("bench --data p=line.npy --steps 1 --init w.safetensors"), 0,
         "the model: 1 of 1 state from w.safetensors\n");
  ck_assert(safetensors_write("o.safetensors", views + 4, 1, NULL, 0, &problem));
  expect(run("train --data p=line.npy --steps 0 --run b --init o.safetensors"), 1,
         "o.safetensors holds none of this model's weights. The model has D.w [], D.b [], D.wide [1000], C.w [], count "
         "[]; the file has E.x []. --rename");
  expect(run("train --data p=line.npy --steps 0 --run c --init a/checkpoints/step-000000.safetensors"), 0,
         "D: 4 of 4 weights, 2 of 2 optimizer states from a/checkpoints/step-000000.safetensors\n");
  write_zeros("eight.safetensors", "F8_E4M3", 1, "[]", 1);
  expect(run("train --data p=line.npy --steps 0 --run d --init eight.safetensors"), 1,
         "the file has D.fc.b [1], D.w [] of F8_E4M3");
  expect(run("sample --weights eight.safetensors -o x.npy"), 1,
         "D.w is f32 [] here and F8_E4M3 [] in eight.safetensors");
}
END_TEST

START_TEST(test_names_of_other_programs) {
  float w = 2, b = 3;
  Problem problem;
  TensorView views[2] = {{.name = "module.fc.weight", .type = STORAGE_F32, .data = &w},
                         {.name = "module.fc.bias", .type = STORAGE_F32, .data = &b}};
  ck_assert(safetensors_write("w.safetensors", views, 2, NULL, 0, &problem));
  const char *renamed = "train --data p=line.npy --steps 0 --init w.safetensors --rename";
  expect(run("%s module.=,fc=,weight=w,bias=b,=D. --run a", renamed), 0,
         "D: 2 of 4 weights from w.safetensors; left as they were: D.wide, C.w\n");
  ck_assert(stored("a", "D.w", 0) == 2 && stored("a", "D.b", 0) == 3);
  expect(run("train --resume --run a --steps 1"), 0, "done"); /* what it began with stays in its config.json */
  Json *config = run_config_read("a", &problem);
  const Json *rename = json_find(json_find(config, "init"), "rename");
  ck_assert(rename && strcmp(rename->text, "module.=,fc=,weight=w,bias=b,=D.") == 0);
  json_free(config);
  expect(run("%s module.fc=D,weight=w,bias=b --run b", renamed), 0, "D: 2 of 4 weights");
  expect(run("%s conv1=D --run c", renamed), 1,
         "--rename conv1=D: no name in w.safetensors has the part \"conv1\"; the names are module.fc.bias, "
         "module.fc.weight");
  expect(run("%s weight=bias --run c", renamed), 1,
         "--rename makes two tensors of w.safetensors one, \"module.fc.bias\"");
  expect(run("%s fc --run c", renamed), 1, "--rename expects OLD=NEW,… as in 'module.=,conv1=Conv_1', found \"fc\"");
  expect(run("train --data p=line.npy --steps 0 --run c --rename a=b"), 2, "--init");
  expect(run("sample --weights w.safetensors --rename module.fc=D,weight=w,bias=b -o x.npy --count 64"), 0,
         "x.npy: 64 samples");
  const char *measured =
      "eval --data p=line.npy --count 8 --weights w.safetensors --rename module.fc=D,weight=w,bias=b";
  expect(run("%s --json", measured), 0, "\"rename\": \"module.fc=D,weight=w,bias=b\"");
  expect(run("%s", measured), 0, "samples of w.safetensors (--rename module.fc=D,weight=w,bias=b)");
  ck_assert(!directory_exists("c"));
}
END_TEST

static void kernel_broken_fakes(const Call *call, int64_t chunk, void *workspace) {
  kernel_fakes(call, chunk, workspace);
  if (chunk == 2) ((float *)call->buffers[3])[LINE_BATCH + 35] = NAN, ((float *)call->buffers[3])[36] = INFINITY;
}

/* Finite weights do not make finite samples: the picture is of those that are, and says so. */
START_TEST(test_samples_that_are_not_finite_are_told) {
  const Kernel *kernels = kernels_with(line_kernels, P_FAKES, kernel_broken_fakes);
  const char *report = "2 of 64 samples of fakes are not finite: element 1 of sample 35 is not a number";
  expect(trainer_run(line_tables, kernels, "train --data p=line.npy --steps 5 --run a"), 0,
         "step 5: 32 of 1024 samples of fakes are not finite");
  expect(trainer_run(line_tables, kernels, "sample --run a -o x.png"), 0, report);
  expect(trainer_run(line_tables, kernels, "sample --run a -o x.npy"), 0, report);
  expect(run("sample --run a -o y.npy"), 0, "y.npy: 64 samples of fakes, by a/checkpoints/step-000005.safetensors");
}
END_TEST

/* The samples show it before a checkpoint is due: the weights are to blame, and the run ends. */
START_TEST(test_samples_of_spoilt_weights_end_the_run) {
  expect(trainer_run(line_tables, kernels_with(spoiling(), P_FAKES, kernel_broken_fakes),
                     "train --data p=line.npy --steps 20 --run a --sample-every 10 --checkpoint-every 0"),
         1, "count is infinite at step 10");
  ck_assert(!file_exists("a/samples/fakes-000010.png"));
}
END_TEST

static ModelTables *edited_tables(void) {
  ModelTables *tables = line_tables();
  tables->Model[0].source_hash = "4567";
  return tables;
}

START_TEST(test_a_changed_model_is_told) {
  expect(run("train --data p=line.npy --steps 5 --run a"), 0, NULL);
  expect(trainer_run(edited_tables, line_kernels, "sample --run a -o x.npy"), 0,
         "the model's text has changed since a/checkpoints/step-000005.safetensors was written");
  expect(trainer_run(edited_tables, line_kernels, "train --run a --resume --steps 6"), 0,
         "the model's text has changed");
  expect(trainer_run(edited_tables, line_kernels, "sample --run a -o x.npy"), 0, NULL);
  says_nothing_of("changed");
}
END_TEST

static ModelTables *foreign_tables(void) {
  ModelTables *tables = line_tables();
  tables->Model[0].features = "sse4.2 amx-int8 avx512fp16 avxvnni";
  return tables;
}

START_TEST(test_foreign_processors_are_told) {
  char missing[32];
  if (processor_has("amx-int8 avx512fp16 avxvnni", missing, sizeof missing)) return; /* this one has everything */
  expect(trainer_run(foreign_tables, line_kernels, "info"), 1, "ganc build line.gan --march native");
}
END_TEST

static int interrupted(int number, int times, useconds_t apart, Kernel count) {
  return run_with_signals(kernels_with(line_kernels, P_COUNT, count), number, times, apart);
}

/* Ctrl-C while training: the round ends, a checkpoint is written, and the run goes on from there to the bits of a whole
   one. */
START_TEST(test_interrupt_saves_and_says_how_to_go_on) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  expect(interrupted(numbers[_i], 1, 0, kernel_slow_count), 0, "train --run a --resume");
  Problem problem;
  Checkpoint *checkpoint = run_folder_newest_checkpoint("a", NULL, &problem);
  int64_t step = checkpoint_state(checkpoint, &problem)->step;
  checkpoint_close(checkpoint);
  ck_assert_int_gt(step, 0);
  expect(run("train --run a --resume --steps %lld --checkpoint-every 0", (long long)step + 20), 0, NULL);
  expect(run("train --data p=line.npy --run whole --steps %lld --checkpoint-every 0", (long long)step + 20), 0, NULL);
  char a[64], b[64];
  snprintf(a, sizeof a, "a/checkpoints/step-%06lld.safetensors", (long long)step + 20);
  snprintf(b, sizeof b, "whole/checkpoints/step-%06lld.safetensors", (long long)step + 20);
  ck_assert(same_file(a, b));
}
END_TEST

START_TEST(test_second_interrupt_ends_at_once) {
  expect(interrupted(SIGINT, 2, 1100000, kernel_endless_count), 130,
         "another signal, a second from now or later, ends it at once");
}
END_TEST

/* A step that lasts longer than it takes to say it again. */
static void kernel_long_count(const Call *call, int64_t chunk, void *workspace) {
  usleep(700000);
  kernel_count(call, chunk, workspace);
}

START_TEST(test_interrupts_within_a_second_are_one) {
  expect(interrupted(SIGTERM, 4, 50000, kernel_long_count), 0, "train --run a --resume");
  ck_assert(run_folder_newest_checkpoint("a", NULL, NULL));
}
END_TEST

CHECK_MAIN(.enter = enter_with_rows, .leave = leave_own_folder,
           .tests = {test_learns_the_line,
                     test_default_length_is_the_models,
                     test_any_number_of_threads_gives_the_same_bits,
                     test_seeds_differ,
                     test_resume_refuses_another_seed,
                     test_initial_values,
                     test_init_takes_weights_by_name,
                     test_feeds_replace_draws,
                     test_data_without_a_position_are_told,
                     test_dry_run_writes_nothing,
                     test_wrong_usage_is_explained,
                     test_samples,
                     test_divergence_is_named,
                     test_spoilt_states_are_not_written,
                     test_spoilt_initial_values_are_named_before_a_run_begins,
                     test_spoilt_weights_are_refused_by_every_command,
                     test_outputs_need_their_weights,
                     test_init_says_what_fits,
                     test_names_of_other_programs,
                     test_samples_that_are_not_finite_are_told,
                     test_samples_of_spoilt_weights_end_the_run,
                     test_a_changed_model_is_told,
                     test_foreign_processors_are_told,
                     test_second_interrupt_ends_at_once,
                     test_interrupts_within_a_second_are_one},
           .loops = {{test_resumed_runs_have_the_bits_of_whole_ones, 0, 2},
                     {test_interrupt_does_not_save_spoilt_states, 0, 2},
                     {test_interrupt_saves_and_says_how_to_go_on, 0, 3}})
