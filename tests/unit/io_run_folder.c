/* Run folders: names, locks, refusals, statistics that survive tears, old checkpoints, damaged ones. */
#include "tests/unit/io_common.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static float weight[2] = {1, 2};
static const TensorView view = {
    .name = "w", .type = STORAGE_F32, .rank = 1, .shape = {2}, .stride = {1}, .data = weight};

static void save(RunFolder *run, int64_t step, int keep) {
  Problem problem = {""};
  CheckpointState state = {.step = step, .image = step, .model = "gan", .source_hash = "h"};
  ck_assert_msg(run_folder_save_checkpoint(run, &state, &view, 1, keep, &problem), "%s", problem.text);
}

static char *text_of(const char *path) {
  size_t size;
  char *text = (char *)read_bytes(path, &size);
  text[size] = 0;
  return text;
}

START_TEST(names_and_refusals) {
  char folder[32];
  enter_folder(folder);
  Problem problem = {""};
  ck_assert_ptr_null(run_folder_find_latest("gan", &problem));
  ck_assert_says(problem, "--run DIR");
  RunFolder *first = run_folder_create(NULL, "gan", &problem), *second = run_folder_create(NULL, "gan", &problem);
  ck_assert_str_eq(run_folder_path(first), "runs/gan-1");
  ck_assert_str_eq(run_folder_path(second), "runs/gan-2");
  save(first, 5, 0);
  char *latest = run_folder_find_latest("gan", &problem);
  ck_assert_str_eq(latest, "runs/gan-1"); /* the second has no checkpoint yet */
  free(latest);
  save(second, 5, 0);
  latest = run_folder_find_latest("gan", &problem);
  ck_assert_str_eq(latest, "runs/gan-2");
  free(latest);
  ck_assert_ptr_null(run_folder_find_latest("ga", &problem));

  ck_assert(run_folder_write_config(second, "{}\n", NULL));
  run_folder_close(second);
  ck_assert_ptr_null(run_folder_create("runs/gan-2", "gan", &problem));
  ck_assert_says(problem, "--run runs/gan-2 --resume");
  second = run_folder_resume("runs/gan-2", &problem);
  ck_assert_msg(second != NULL, "%s", problem.text);
  pid_t child = fork(); /* another process */
  if (child == 0)
    _exit(run_folder_resume("runs/gan-2", &problem) == NULL && strstr(problem.text, "another trainer, process ") ? 5
                                                                                                                 : 6);
  int status;
  waitpid(child, &status, 0);
  ck_assert_int_eq(WEXITSTATUS(status), 5);
  run_folder_close(second);
  second = run_folder_resume("runs/gan-2", &problem); /* the lock went with its holder */
  ck_assert_ptr_nonnull(second);
  run_folder_close(second);
  run_folder_close(first);

  ck_assert_ptr_null(run_folder_resume("nowhere", &problem));
  ck_assert_says(problem, "no run to resume in nowhere");
  RunFolder *deep = run_folder_create("a/b/c", "gan", &problem);
  ck_assert_msg(deep != NULL, "%s", problem.text);
  run_folder_close(deep);
  deep = run_folder_create("a/b/c", "gan", &problem); /* nothing was written there yet: it may start again */
  ck_assert_msg(deep != NULL, "%s", problem.text);
  char *path = run_folder_sample_path(deep, "fakes", 500, "png", NULL);
  ck_assert_str_eq(path, "a/b/c/samples/fakes-000500.png");
  free(path);
  run_folder_close(deep);
  write_bytes("file", "x", 1);
  ck_assert_ptr_null(run_folder_create("file", "gan", &problem));
  ck_assert_says(problem, "cannot create the folder file");
  leave_folder(folder);
}
END_TEST

/* What ended before its first checkpoint is no run: nobody goes on from it, and the next one begins without its
   remains. */
START_TEST(what_has_no_checkpoint_starts_over) {
  char folder[32];
  enter_folder(folder);
  Problem problem = {""};
  RunFolder *run = run_folder_create("run", "gan", &problem);
  ck_assert(run_folder_write_config(run, "{\"model\": \"gan\", \"source_hash\": \"1\"}\n", NULL) &&
            run_folder_append_stats(run, "{\"step\": 1}\n", NULL));
  write_bytes("run/samples/fakes-000500.png", "x", 1);
  write_bytes("run/samples/fakes.png", "x", 1);
  write_bytes("run/checkpoints/.step-000500.safetensors.77.partial", "x", 1);
  ck_assert(!run_folder_ready("run", false, &problem));
  ck_assert_says(problem, "another trainer, process ");
  run_folder_close(run);
  ck_assert(!run_folder_ready("run", true, &problem));
  ck_assert_says(problem, "that run ended before its first checkpoint; leave out --resume");
  ck_assert_ptr_null(run_folder_resume("run", NULL));
  ck_assert_msg(run_folder_ready("run", false, &problem), "%s", problem.text);
  run = run_folder_create("run", "gan", &problem);
  ck_assert_msg(run != NULL, "%s", problem.text);
  ck_assert_int_eq(
      system(
          "test \"$(ls -A run/checkpoints run/samples | tr '\\n' ' ')\" = 'run/checkpoints:  run/samples: fakes.png '"),
      0);
  char *text = text_of("run/stats.jsonl");
  ck_assert_str_eq(text, "");
  free(text);
  save(run, 3, 0);
  run_folder_close(run);
  ck_assert(run_folder_ready("run", true, &problem) && !run_folder_ready("run", false, &problem));
  ck_assert_says(problem, "run holds a run already");
  leave_folder(folder);
}
END_TEST

START_TEST(what_others_have_is_left_alone) {
  static const char *const files[][2] = {
      {"config.json", "{\"model\": 1}"}, {"config.json", "no JSON"}, {"stats.jsonl", "1\n"}};
  for (size_t k = 0; k < LENGTH(files); k++) {
    char folder[32];
    enter_folder(folder);
    Problem problem = {""};
    write_bytes(files[k][0], files[k][1], strlen(files[k][1]));
    ck_assert(mkdir("samples", 0777) == 0);
    write_bytes("samples/mine-000001.png", "x", 1);
    ck_assert(!run_folder_ready(".", false, &problem));
    ck_assert_says(problem, "is not that of a run");
    ck_assert_ptr_null(run_folder_create(".", "gan", &problem));
    ck_assert_says(problem, "choose another folder with --run");
    ck_assert(file_exists("samples/mine-000001.png") && file_exists(files[k][0]));
    leave_folder(folder);
  }
}
END_TEST

/* The seconds of the last line that stays, and of the steps behind it. */
START_TEST(time_goes_on) {
  char folder[32];
  enter_folder(folder);
  double seconds;
  RunFolder *run = run_folder_create("run", "gan", NULL);
  ck_assert(run_folder_trim_stats(run, 7, &seconds, NULL) && seconds == 0);
  ck_assert(run_folder_append_stats(
      run,
      "{\"step\": 5, \"seconds\": 2.5, \"ms_per_step\": 500}\n{\"step\": 10, \"seconds\": 5, \"ms_per_step\": 500}\n",
      NULL));
  ck_assert(run_folder_trim_stats(run, 9, &seconds, NULL));
  ck_assert_double_eq_tol(seconds, 4.5, 1e-12);
  ck_assert(run_folder_append_stats(run, "{\"step\": 9}\n", NULL) &&
            run_folder_trim_stats(run, 9, &seconds, NULL)); /* of an older trainer */
  ck_assert_double_eq_tol(seconds, 4.5, 1e-12);
  run_folder_close(run);
  leave_folder(folder);
}
END_TEST

START_TEST(pictures_are_a_film) {
  char folder[32], path[80];
  enter_folder(folder);
  RunFolder *run = run_folder_create("run", "gan", NULL);
  write_bytes("run/samples/fakes-000007.npy", "x", 1);
  write_bytes("run/samples/others-000010.png", "x", 1);
  for (int64_t step = 10; step <= 1000; step += 10) {
    int64_t count = 0, distance = 10;
    snprintf(path, sizeof path, "run/samples/fakes-%06d.png", (int)step);
    write_bytes(path, "x", 1);
    ck_assert(run_folder_thin_samples(run, "fakes", "png", step, 10, 12, NULL));
    while (step / distance >= 12) distance *= 2;
    for (int64_t other = 10; other <= step; other += 10) {
      snprintf(path, sizeof path, "run/samples/fakes-%06d.png", (int)other);
      bool wanted = other % distance == 0 || other == step || step < 120;
      ck_assert_msg(file_exists(path) == wanted, "%s at step %d", path, (int)step);
      count += wanted;
    }
    ck_assert_int_le(count, 12);
  }
  ck_assert(file_exists("run/samples/fakes-000007.npy") && file_exists("run/samples/others-000010.png"));
  ck_assert(run_folder_thin_samples(run, "fakes", "png", 1000, 10, 1, NULL) &&
            file_exists("run/samples/fakes-001000.png"));
  run_folder_close(run);
  leave_folder(folder);
}
END_TEST

START_TEST(statistics_survive) {
  char folder[32];
  enter_folder(folder);
  Problem problem = {""};
  RunFolder *run = run_folder_create("run", "gan", NULL);
  for (int step = 1; step <= 5; step++) {
    char line[64];
    snprintf(line, sizeof line, "{\"step\": %d, \"D\": 0.5}\n", step);
    ck_assert(run_folder_append_stats(run, line, &problem));
  }
  ck_assert(run_folder_append_stats(run, "{\"note\": 1}\n", &problem));
  ck_assert(run_folder_append_stats(run, "{\"step\": 6, \"D", &problem)); /* a kill in the middle of a line */
  ck_assert(run_folder_trim_stats(run, 3, &(double){0}, &problem));
  char *text = text_of("run/stats.jsonl");
  ck_assert_str_eq(text,
                   "{\"step\": 1, \"D\": 0.5}\n{\"step\": 2, \"D\": 0.5}\n{\"step\": 3, \"D\": 0.5}\n{\"note\": 1}\n");
  free(text);
  ck_assert(run_folder_append_stats(run, "{\"step\": 4}\n", &problem)); /* goes to the new file */
  ck_assert(run_folder_trim_stats(run, 100, &(double){0}, &problem));
  text = text_of("run/stats.jsonl");
  ck_assert_ptr_nonnull(strstr(text, "{\"note\": 1}\n{\"step\": 4}\n"));
  free(text);
  run_folder_close(run);
  leave_folder(folder);
}
END_TEST

START_TEST(old_ones_go_and_damaged_ones_are_passed_over) {
  char folder[32];
  enter_folder(folder);
  Problem problem = {""};
  char *notes = NULL;
  RunFolder *run = run_folder_create("run", "gan", NULL);
  ck_assert_ptr_null(run_folder_newest_checkpoint("run", &notes, &problem));
  ck_assert_says(problem, "no checkpoint in run yet");
  for (int64_t step = 100; step <= 1000000; step *= 10) save(run, step, 3);
  ck_assert(!file_exists("run/checkpoints/step-000100.safetensors") &&
            !file_exists("run/checkpoints/step-001000.safetensors"));
  ck_assert(file_exists("run/checkpoints/step-010000.safetensors") &&
            file_exists("run/checkpoints/step-1000000.safetensors"));
  Checkpoint *checkpoint = run_folder_newest_checkpoint("run", &notes, &problem);
  ck_assert(checkpoint_state(checkpoint, NULL)->step == 1000000);
  ck_assert_str_eq(notes, "");
  free(notes);
  checkpoint_close(checkpoint);
  ck_assert_int_eq(truncate("run/checkpoints/step-1000000.safetensors", 200), 0);
  checkpoint = run_folder_newest_checkpoint("run", &notes, &problem);
  ck_assert(checkpoint_state(checkpoint, NULL)->step == 100000);
  ck_assert_ptr_nonnull(strstr(notes, "passed over: run/checkpoints/step-1000000.safetensors"));
  free(notes);
  checkpoint_close(checkpoint);
  save(run, 100500, 1); /* what it goes on with is never the one that is removed */
  checkpoint = run_folder_newest_checkpoint("run", NULL, &problem);
  ck_assert(checkpoint_state(checkpoint, NULL)->step == 100500);
  checkpoint_close(checkpoint);
  ck_assert_int_eq(truncate("run/checkpoints/step-100500.safetensors", 0), 0);
  ck_assert_ptr_null(run_folder_newest_checkpoint("run", &notes, &problem));
  ck_assert_says(problem, "none of the 2 checkpoints");
  run_folder_close(run);
  leave_folder(folder);
}
END_TEST

START_TEST(files_are_replaced_whole) {
  char folder[32];
  enter_folder(folder);
  Problem problem = {""};
  ck_assert(!file_replace("no/such/folder", "x", 1, &problem));
  ck_assert_says(problem, "cannot write no/such/folder: No such file");
  ck_assert(file_replace("a", "first", 5, &problem));
  FileWriter *writer = file_writer_open("a", &problem);
  char *large = calloc(1, 300000);
  ck_assert(file_writer_write(writer, "xy", 2, &problem) && file_writer_write(writer, large, 300000, &problem));
  char *text = text_of("a");
  ck_assert_str_eq(text, "first"); /* until it is committed */
  free(text);
  file_writer_abandon(writer);
  ck_assert_int_eq(system("test \"$(ls -A)\" = a"), 0);
  writer = file_writer_open("a", &problem);
  ck_assert(file_writer_write(writer, "xy", 2, &problem) && file_writer_write(writer, large, 300000, &problem) &&
            file_writer_write(writer, "z", 1, &problem));
  ck_assert(file_writer_commit(writer, &problem));
  size_t size;
  uint8_t *bytes = read_bytes("a", &size);
  ck_assert(size == 300003 && bytes[0] == 'x' && bytes[2] == 0 && bytes[300002] == 'z');
  FileBytes back;
  ck_assert(!file_read("a", 1000, &back, &problem));
  ck_assert_says(problem, "300003 bytes, more than the 1000");
  ck_assert(file_read("a", 1 << 20, &back, &problem) && back.size == size);
  file_release(&back);
  ck_assert(!file_read(".", 1000, &back, &problem));
  ck_assert_says(problem, "folder");
  ck_assert(directory_create("p//q/r/", &problem) && directory_exists("p/q/r"));
  free(bytes);
  free(large);
  leave_folder(folder);
}
END_TEST

START_TEST(known_hashes) {
  ck_assert_uint_eq(hash_text(""), UINT64_C(0xcbf29ce484222325));
  ck_assert_uint_eq(hash_text("foobar"), UINT64_C(0x85944171f73967e8));
  ck_assert_uint_eq(checksum_crc32(0, "123456789", 9), UINT32_C(0xcbf43926));
  ck_assert_uint_eq(checksum_crc32(checksum_crc32(0, "1234", 4), "56789", 5), UINT32_C(0xcbf43926));
}
END_TEST

CHECK_MAIN(.tests = {names_and_refusals, what_has_no_checkpoint_starts_over, what_others_have_is_left_alone,
                     time_goes_on, pictures_are_a_film, statistics_survive,
                     old_ones_go_and_damaged_ones_are_passed_over, files_are_replaced_whole, known_hashes})
