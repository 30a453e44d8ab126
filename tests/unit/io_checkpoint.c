/* Checkpoints: what is loaded, what is reported, and that no failure at any call loses an earlier one.
   A fault may hit any call, or the process may die there. */
#include "tests/unit/io_common.h"

#include <math.h>
#include <sys/wait.h>

#include "tests/unit/system_faults.h"

/* ---- a small model ----------------------------------------------------------------------------------------------- */

enum { WEIGHTS = 40000 }; /* more than a writer's buffer */
typedef struct Model {
  float *w, b[4];
  double m[2];
  TensorView views[3];
} Model;

static void model_create(Model *model, float value) {
  model->w = malloc(WEIGHTS * sizeof(float));
  for (int i = 0; i < WEIGHTS; i++) model->w[i] = value + (float)i;
  for (int i = 0; i < 4; i++) model->b[i] = value;
  for (int i = 0; i < 2; i++) model->m[i] = value / 3;
  model->views[0] = (TensorView){.name = "D.Linear_1.W",
                                 .type = STORAGE_F32,
                                 .rank = 2,
                                 .shape = {4, WEIGHTS / 4},
                                 .stride = {WEIGHTS / 4, 1},
                                 .data = model->w};
  model->views[1] = (TensorView){
      .name = "D.Linear_1.b", .type = STORAGE_F32, .rank = 1, .shape = {4}, .stride = {1}, .data = model->b};
  model->views[2] = (TensorView){
      .name = "D.Linear_1.b/adam.m", .type = STORAGE_F64, .rank = 1, .shape = {2}, .stride = {1}, .data = model->m};
}

static const NamedCount counts[] = {{"x", 640}, {"x@fakes", INT64_C(9006099743113216)}, {"low", 0}};
static CheckpointState state_at(int64_t step) {
  return (CheckpointState){.step = step,
                           .image = step * 64,
                           .seed = UINT64_MAX - 1,
                           .model = "gan",
                           .source_hash = "abc",
                           .counts = counts,
                           .count_count = 3};
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

START_TEST(round_trip) {
  char folder[32];
  enter_folder(folder);
  Model model, back;
  Problem problem = {""};
  CheckpointState state = state_at(500);
  model_create(&model, 3);
  model_create(&back, 9);
  ck_assert_msg(checkpoint_write("c.safetensors", &state, model.views, 3, &problem), "%s", problem.text);
  Checkpoint *checkpoint = checkpoint_open("c.safetensors", &problem);
  ck_assert_msg(checkpoint != NULL, "%s", problem.text);
  const CheckpointState *read = checkpoint_state(checkpoint, &problem);
  ck_assert(read->step == 500 && read->image == 32000 && read->seed == UINT64_MAX - 1 && read->count_count == 3);
  ck_assert_str_eq(read->model, "gan");
  ck_assert_str_eq(read->source_hash, "abc");
  for (int i = 0; i < 3; i++) {
    ck_assert_str_eq(read->counts[i].name, counts[i].name);
    ck_assert(read->counts[i].value == counts[i].value);
  }
  LoadReport report;
  ck_assert(checkpoint_load(checkpoint, back.views, 3, true, &report, &problem));
  ck_assert(report.loaded == 3 && report.missing + report.left_over + report.different == 0);
  ck_assert_str_eq(report.text, "");
  ck_assert_mem_eq(model.w, back.w, WEIGHTS * sizeof(float));
  ck_assert_mem_eq(model.m, back.m, sizeof model.m);
  load_report_release(&report);
  checkpoint_close(checkpoint);
  free(model.w);
  free(back.w);
  leave_folder(folder);
}
END_TEST

START_TEST(reports_what_does_not_match) {
  char folder[32];
  enter_folder(folder);
  Model model;
  Problem problem = {""};
  LoadReport report;
  CheckpointState state = state_at(1);
  model_create(&model, 3);
  ck_assert(checkpoint_write("c.safetensors", &state, model.views, 3, NULL));
  Checkpoint *checkpoint = checkpoint_open("c.safetensors", NULL);
  TensorView other[3] = {model.views[0], model.views[1], model.views[2]};
  other[0].shape[0] = WEIGHTS / 4, other[0].shape[1] = 4, other[0].stride[0] = 4;
  other[2].name = "G.b";
  memset(model.b, 0, sizeof model.b);
  ck_assert(!checkpoint_load(checkpoint, other, 3, true, &report, &problem));
  ck_assert(model.b[0] == 0); /* whole: nothing was touched */
  ck_assert_says(problem, "D.Linear_1.W is [10000, 4] here and [4, 10000] in c.safetensors, and 2 more");
  load_report_release(&report);
  ck_assert(checkpoint_load(checkpoint, other, 3, false, &report, &problem));
  ck_assert(report.loaded == 1 && report.missing == 1 && report.left_over == 1 && report.different == 1);
  ck_assert(model.b[0] == 3);
  ck_assert_ptr_nonnull(strstr(report.text, "G.b [2] is not in c.safetensors\n"));
  ck_assert_ptr_nonnull(strstr(report.text, "D.Linear_1.b/adam.m is in c.safetensors and not here\n"));
  load_report_release(&report);
  checkpoint_close(checkpoint);
  free(model.w);
  leave_folder(folder);
}
END_TEST

START_TEST(says_what_is_needed_and_not_there) {
  char folder[32];
  enter_folder(folder);
  Model model;
  model_create(&model, 3);
  TensorView stored[6] = {model.views[0], model.views[1], model.views[2],
                          model.views[1], model.views[1], model.views[1]};
  stored[3].name = "G.fc1.b", stored[4].name = "G.fc2.b", stored[5].name = "G.fc1.b/adam.m";
  ck_assert(safetensors_write("c.safetensors", stored, 6, NULL, 0, NULL));
  Checkpoint *checkpoint = checkpoint_open("c.safetensors", NULL);
  TensorView wanted[3] = {model.views[0], model.views[1], model.views[1]};
  wanted[2].name = "G.Linear_1.b";
  Problem problem = {""};
  ck_assert(checkpoint_require(checkpoint, wanted, 3, (const bool[]){true, true, false}, "output fakes", &problem));
  ck_assert(!checkpoint_require(checkpoint, wanted, 3, (const bool[]){false, false, true}, "output fakes", &problem));
  ck_assert_str_eq(problem.text, "output fakes needs weights that the file does not have: G.Linear_1.b [4] is not in "
                                 "c.safetensors; what this model does not know is there: G.fc1.b [4], G.fc2.b [4]");
  wanted[1].shape[0] = 2;
  ck_assert(!checkpoint_require(checkpoint, wanted, 3, (const bool[]){false, true, true}, "output fakes", &problem));
  ck_assert_says(problem, "D.Linear_1.b is [2] here and [4] in c.safetensors, and 1 more; ");
  checkpoint_close(checkpoint);
  free(model.w);
  leave_folder(folder);
}
END_TEST

START_TEST(weights_alone_have_no_position) {
  char folder[32];
  enter_folder(folder);
  Model model;
  Problem problem = {""};
  model_create(&model, 3);
  ck_assert(safetensors_write("w.safetensors", model.views, 3, NULL, 0, NULL));
  Checkpoint *checkpoint = checkpoint_open("w.safetensors", &problem);
  ck_assert_msg(checkpoint != NULL, "%s", problem.text);
  ck_assert_ptr_null(checkpoint_state(checkpoint, &problem));
  ck_assert_says(problem, "--init");
  checkpoint_close(checkpoint);
  free(model.w);
  leave_folder(folder);
}
END_TEST

/* The third element of a row, by its name; neither strides nor types hide it; nothing is left beside an earlier
   file. */
START_TEST(what_is_not_finite_is_not_written) {
  char folder[32];
  enter_folder(folder);
  Model model;
  CheckpointState state = state_at(1);
  model_create(&model, 3);
  ck_assert(checkpoint_write("c.safetensors", &state, model.views, 3, NULL));
  static const struct {
    double value;
    const char *word;
  } rows[] = {{NAN, "not a number"}, {INFINITY, "infinite"}, {-INFINITY, "minus infinity"}};
  for (size_t k = 0; k < LENGTH(rows); k++) {
    Problem problem = {""};
    char says[80];
    model.w[2 * (WEIGHTS / 4) + 777] = (float)rows[k].value;
    snprintf(says, sizeof says, "D.Linear_1.W[2, 777] is %s", rows[k].word);
    ck_assert(!checkpoint_write("c.safetensors", &state, model.views, 3, &problem));
    ck_assert_says(problem, says);
    TensorView turned = {.name = "T",
                         .type = STORAGE_F32,
                         .rank = 2,
                         .shape = {WEIGHTS / 4, 4},
                         .stride = {1, WEIGHTS / 4},
                         .data = model.w};
    ck_assert(!checkpoint_write("c.safetensors", &state, &turned, 1, &problem));
    ck_assert_says(problem, "T[777, 2] is");
    model.w[2 * (WEIGHTS / 4) + 777] = 3.4e38f; /* large, but a number */
    model.m[1] = rows[k].value;
    ck_assert(!checkpoint_write("c.safetensors", &state, model.views, 3, &problem));
    ck_assert_says(problem, "D.Linear_1.b/adam.m[1] is");
    model.m[1] = 1e300;
  }
  ck_assert_msg(checkpoint_write("d.safetensors", &state, model.views, 3, NULL), "large numbers are numbers");
  size_t size;
  uint8_t *bytes = read_bytes("c.safetensors", &size);
  ck_assert_uint_gt(size, WEIGHTS * sizeof(float));
  Checkpoint *checkpoint = checkpoint_open("c.safetensors", NULL);
  ck_assert(checkpoint && checkpoint_load(checkpoint, model.views, 3, true, NULL, NULL));
  ck_assert(model.w[777] == 3 + 777); /* the first one, whole */
  checkpoint_close(checkpoint);
  free(bytes);
  free(model.w);
  leave_folder(folder);
}
END_TEST

/* Wherever it stands, in either type; blocks are looked at together, and what is left of them. */
START_TEST(every_element_is_looked_at) {
  enum { SIZE = 2500 };
  float single[SIZE];
  double wide[SIZE], value;
  for (int i = 0; i < SIZE; i++) single[i] = -3.4e38f, wide[i] = 1.7e308;
  TensorView views[2] = {
      {.name = "s", .type = STORAGE_F32, .rank = 1, .shape = {SIZE}, .stride = {1}, .data = single},
      {.name = "w", .type = STORAGE_F64, .rank = 2, .shape = {SIZE / 5, 5}, .stride = {5, 1}, .data = wide}};
  for (int k = 0; k < 2; k++) ck_assert_int_eq(tensor_view_not_finite(&views[k], &value), -1);
  for (int i = 0; i < SIZE; i++) {
    single[i] = i % 2 ? NAN : -INFINITY, wide[i] = i % 2 ? INFINITY : NAN;
    for (int k = 0; k < 2; k++) {
      ck_assert_int_eq(tensor_view_not_finite(&views[k], &value), i);
      ck_assert(k       ? (i % 2 ? value > 0 && isinf(value) : isnan(value))
                : i % 2 ? isnan(value)
                        : value < 0 && isinf(value));
    }
    single[i] = 0, wide[i] = 0;
  }
}
END_TEST

START_TEST(what_is_not_finite_is_not_loaded) {
  char folder[32];
  enter_folder(folder);
  Model model;
  Problem problem = {""};
  model_create(&model, 3);
  model.b[3] = NAN;
  ck_assert(safetensors_write("n.safetensors", model.views, 3, NULL, 0, NULL));
  Checkpoint *checkpoint = checkpoint_open("n.safetensors", NULL);
  ck_assert(!checkpoint_load(checkpoint, model.views, 3, true, NULL, &problem));
  ck_assert_says(problem, "n.safetensors: D.Linear_1.b[3] is not a number");
  checkpoint_close(checkpoint);
  model.b[3] = 0, model.m[1] = -1e300; /* fits float64 and no float32 */
  ck_assert(safetensors_write("w.safetensors", model.views, 3, NULL, 0, NULL));
  checkpoint = checkpoint_open("w.safetensors", NULL);
  ck_assert(checkpoint_load(checkpoint, model.views, 3, true, NULL, &problem));
  model.views[2].type = STORAGE_F32;
  ck_assert(!checkpoint_load(checkpoint, model.views, 3, true, NULL, &problem));
  ck_assert_says(problem, "w.safetensors: D.Linear_1.b/adam.m[1] is -1e+300, which float32 cannot hold");
  checkpoint_close(checkpoint);
  free(model.w);
  leave_folder(folder);
}
END_TEST

/* As the checksum holds, only what the numbers say can be wrong: where the run stands, and how far data were read. */
START_TEST(counters_beyond_their_limits_are_refused) {
  char folder[32];
  enter_folder(folder);
  Model model;
  model_create(&model, 3);
  static const char *const keys[] = {"step", "image", "count/x"};
  static const char *const values[] = {"9223372036854775808",
                                       "18446744073709551615",
                                       "9007199254740993",
                                       "9007199254740992",
                                       "9006099743113217",
                                       "-1",
                                       "-3",
                                       "1e3",
                                       "0x10",
                                       " 1",
                                       ""};
  for (size_t key = 0; key < LENGTH(keys); key++)
    for (size_t k = 0; k <= LENGTH(values); k++) {
      Problem problem = {""};
      TextPair metadata[] = {
          {"ganc checkpoint", "1"}, {"step", "0"}, {"image", "0"}, {"count/x", "0"}, {"seed", "18446744073709551615"}};
      metadata[1 + key].value = k < LENGTH(values) ? values[k] : "9006099743113216";
      if (k == LENGTH(values) && key < 2) metadata[1].value = metadata[2].value = metadata[1 + key].value;
      ck_assert(safetensors_write("s.safetensors", model.views, 3, metadata, LENGTH(metadata), NULL));
      Checkpoint *checkpoint = checkpoint_open("s.safetensors", &problem);
      ck_assert_msg((checkpoint != NULL) == (k == LENGTH(values)), "%s \"%s\"", keys[key], metadata[1 + key].value);
      checkpoint_close(checkpoint);
      if (checkpoint) continue;
      ck_assert_says(problem, keys[key]);
      ck_assert_says(problem, "expected a whole number from 0 to 9006099743113216");
    }
  static const char *const impossible[][2] = {{"0", "1"}, {"2", "1"}, {"9006099743113216", "0"}};
  for (size_t k = 0; k < LENGTH(impossible); k++) {
    Problem problem = {""};
    TextPair metadata[] = {
        {"ganc checkpoint", "1"}, {"step", impossible[k][0]}, {"image", impossible[k][1]}, {"seed", "1"}};
    ck_assert(safetensors_write("s.safetensors", model.views, 3, metadata, LENGTH(metadata), NULL));
    ck_assert_ptr_null(checkpoint_open("s.safetensors", &problem));
    ck_assert_says(problem, "steps cannot have seen");
  }
  free(model.w);
  leave_folder(folder);
}
END_TEST

START_TEST(every_flipped_bit_is_seen) {
  char folder[32];
  enter_folder(folder);
  Model model;
  CheckpointState state = state_at(12);
  model_create(&model, 3);
  ck_assert(checkpoint_write("c.safetensors", &state, model.views + 1, 2, NULL)); /* the small ones */
  size_t size;
  uint8_t *bytes = read_bytes("c.safetensors", &size);
  for (size_t bit = 0; bit < 8 * size; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    write_bytes("d.safetensors", bytes, size);
    Problem problem = {""};
    Checkpoint *checkpoint = checkpoint_open("d.safetensors", &problem);
    const CheckpointState *read = checkpoint ? checkpoint_state(checkpoint, &problem) : NULL;
    if (read) { /* no bit of a checkpoint may pass */
      ck_abort_msg("bit %zu of byte %zu passed", bit % 8, bit / 8);
    }
    ck_assert_says(problem, "d.safetensors");
    checkpoint_close(checkpoint);
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  free(bytes);
  free(model.w);
  leave_folder(folder);
}
END_TEST

/* Step 100 is saved; saving step 200 fails at the n-th call of each kind, for every n. Either it was saved, or an error
   says why; the newest that loads is sound in any case. */
static void fail_everywhere(int kind, int error, bool partial, int *tried) {
  for (int at = 1;; at++, ++*tried) {
    char folder[32];
    enter_folder(folder);
    Model model, back;
    Problem problem = {""};
    model_create(&model, 1);
    model_create(&back, 0);
    arm(-1, 0, 0);
    RunFolder *run = run_folder_create("run", "gan", &problem);
    ck_assert_msg(run != NULL, "%s", problem.text);
    CheckpointState first = state_at(100), second = state_at(200);
    ck_assert(run_folder_save_checkpoint(run, &first, model.views, 3, 3, NULL));
    model.b[0] = 2;
    arm(kind, at, error);
    faults->partial = partial;
    bool saved = run_folder_save_checkpoint(run, &second, model.views, 3, 3, &problem);
    bool reached = faults->seen[kind] >= at;
    arm(-1, 0, 0);
    bool spared =
        error == EINTR || kind == CALL_MEMORY; /* that a file is sound is remembered where there is room for it */
    ck_assert_msg(saved ? !reached || spared : reached, "call kind %d number %d", kind, at);
    if (!saved) ck_assert(*problem.text != 0);
    char *notes = NULL;
    Checkpoint *checkpoint = run_folder_newest_checkpoint("run", &notes, &problem);
    ck_assert_msg(checkpoint != NULL, "kind %d number %d: %s", kind, at, problem.text);
    ck_assert_str_eq(notes, ""); /* nothing damaged ever had a checkpoint's name */
    int64_t step = checkpoint_state(checkpoint, NULL)->step;
    ck_assert(saved ? step == 200 : step == 100 || step == 200);
    ck_assert(checkpoint_load(checkpoint, back.views, 3, true, NULL, &problem));
    ck_assert(back.b[0] == (step == 200 ? 2 : 1) && back.w[WEIGHTS - 1] == model.w[WEIGHTS - 1]);
    free(notes);
    checkpoint_close(checkpoint);
    run_folder_close(run);
    free(model.w);
    free(back.w);
    leave_folder(folder);
    if (!reached) return;
  }
}

START_TEST(no_failure_loses_a_checkpoint) {
  static const struct {
    int kind, error;
    bool partial;
    int least;
  } rows[] = {
      {CALL_OPEN, EMFILE, false, 2}, {CALL_WRITE, ENOSPC, false, 3},   {CALL_WRITE, EIO, false, 3},
      {CALL_WRITE, ENOSPC, true, 3}, {CALL_WRITE, EINTR, false, 3},    {CALL_SYNC, EIO, false, 2},
      {CALL_RENAME, EIO, false, 1},  {CALL_MEMORY, ENOMEM, false, 10},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    int tried = 0;
    fail_everywhere(rows[i].kind, rows[i].error, rows[i].partial, &tried);
    ck_assert_int_ge(tried, rows[i].least);
  }
}
END_TEST

/* Loading with every allocation failing in turn. */
START_TEST(no_failure_of_memory_crashes_loading) {
  char folder[32];
  enter_folder(folder);
  Model model;
  model_create(&model, 1);
  CheckpointState state = state_at(7);
  ck_assert(checkpoint_write("c.safetensors", &state, model.views, 3, NULL));
  bool done = false;
  for (int at = 1; !done; at++) {
    Problem problem = {""};
    LoadReport report = {0};
    arm(CALL_MEMORY, at, ENOMEM);
    Checkpoint *checkpoint = checkpoint_open("c.safetensors", &problem);
    done = checkpoint && checkpoint_load(checkpoint, model.views, 3, true, &report, &problem);
    ck_assert(done == (faults->seen[CALL_MEMORY] < at));
    if (!done) ck_assert_says(problem, "no memory");
    load_report_release(&report);
    checkpoint_close(checkpoint);
  }
  free(model.w);
  leave_folder(folder);
}
END_TEST

/* The process dies at the n-th write, sync and rename; then the run is resumed. */
START_TEST(no_death_loses_a_checkpoint) {
  for (int kind = CALL_WRITE; kind <= CALL_RENAME; kind++) {
    bool died = true;
    for (int at = 1; died; at++) {
      char folder[32];
      enter_folder(folder);
      Model model;
      model_create(&model, 1);
      arm(-1, 0, 0);
      CheckpointState first = state_at(100), second = state_at(200);
      RunFolder *run = run_folder_create("run", "gan", NULL);
      ck_assert(run_folder_save_checkpoint(run, &first, model.views, 3, 3, NULL));
      run_folder_close(run);
      fflush(NULL);
      pid_t child = fork();
      if (child == 0) {
        run = run_folder_resume("run", NULL);
        arm(kind, at, EIO);
        faults->die = true;
        run_folder_save_checkpoint(run, &second, model.views, 3, 3, NULL);
        _exit(0);
      }
      int status;
      ck_assert(waitpid(child, &status, 0) == child);
      died = WEXITSTATUS(status) == 77;
      Problem problem = {""};
      run = run_folder_resume("run", &problem);
      ck_assert_msg(run != NULL, "%s", problem.text);
      Checkpoint *checkpoint = run_folder_newest_checkpoint("run", NULL, &problem);
      ck_assert_msg(checkpoint != NULL, "%s", problem.text);
      int64_t step = checkpoint_state(checkpoint, NULL)->step;
      if (died && kind != CALL_SYNC) ck_assert_int_eq(step, 100); /* the second sync comes after the rename */
      if (!died) ck_assert_int_eq(step, 200);
      checkpoint_close(checkpoint);
      run_folder_close(run);
      ck_assert_int_eq(system("ls -A run/checkpoints | grep -q partial"), 256); /* resuming has tidied up */
      free(model.w);
      leave_folder(folder);
    }
  }
}
END_TEST

CHECK_MAIN(.tests = {round_trip, reports_what_does_not_match, says_what_is_needed_and_not_there,
                     weights_alone_have_no_position, what_is_not_finite_is_not_written, every_element_is_looked_at,
                     what_is_not_finite_is_not_loaded, counters_beyond_their_limits_are_refused,
                     every_flipped_bit_is_seen, no_failure_loses_a_checkpoint, no_failure_of_memory_crashes_loading,
                     no_death_loses_a_checkpoint})
