/* Every allocation failing in turn, and every write, in what a trainer does besides checkpoints: a clear error, nothing
   lost, nothing leaked, no crash. */
#include "tests/unit/io_packed.h"

#include "tests/unit/system_faults.h"

static const uint8_t idx_images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 255, 51, 102}; /* [2, 1, 2] */

/* A whole small start: data, a feed, a run folder, an evaluation. True if all of it worked. */
static bool start(const TensorRecord *tensors, Problem *problem) {
  float x[4], z[4];
  void *const buffers[2] = {x, z};
  static const int64_t list[2] = {0, 1};
  bool filled[2];
  Supply *supply = supply_new(tensors, 2, 1, problem);
  bool fine = supply && supply_add_feed(supply, 1, "z.npz", problem) &&
              supply_add_data(supply, 0, "x.gz", DATA_TRAIN, problem) && supply_check(supply, problem) &&
              supply_fill(supply, list, buffers, 2, (Rows){.fed = 2}, filled, problem) &&
              supply_seek(supply, "x", 3, problem);
  RunFolder *run = fine ? run_folder_create(NULL, "gan", problem) : NULL;
  fine = run && run_folder_write_config(run, "{}", problem) &&
         run_folder_append_stats(run, "{\"step\": 1}\n", problem) &&
         run_folder_trim_stats(run, 0, &(double){0}, problem);
  char *path = fine ? run_folder_sample_path(run, "fakes", 1, "png", problem) : NULL;
  fine = path && picture_write(path, (const float[]){0, 1, 0, 1}, 1, 2, (int64_t[]){2, 2}, 0, 1, problem);
  free(path);
  run_folder_close(run);
  supply_free(supply);
  return fine;
}

static void prepare(char *folder, TensorRecord *tensors) {
  enter_folder(folder);
  setenv("XDG_CACHE_HOME", folder, 1);
  gzFile file = gzopen("x.gz", "wb");
  ck_assert_int_eq(gzwrite(file, idx_images, sizeof idx_images), sizeof idx_images);
  gzclose(file);
  uint8_t npy[256], archive[1024];
  size_t size = npy_with(npy, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", 16);
  write_bytes("z.npz", archive, zip_with(archive, sizeof archive, &(ZipMember){"z.npy", npy, size, true}, 1, false));
  tensors[0] = (TensorRecord){.name = "x",
                              .role = ROLE_DATA,
                              .rank = 2,
                              .shape = {2, 2},
                              .stride = {1, 2},
                              .batch = 1,
                              .low = 0,
                              .high = 1,
                              .data = "x",
                              .group = -1};
  tensors[1] = tensors[0];
  tensors[1].name = "z", tensors[1].role = ROLE_NOISE;
}

static void fail_each(int kind, int error, int least) {
  char folder[32];
  TensorRecord tensors[2];
  prepare(folder, tensors);
  bool reached = true;
  int at = 1;
  for (; reached; at++) {
    Problem problem = {""};
    remove_folder("runs");
    remove_folder("ganc");
    arm(kind, at, error);
    bool fine = start(tensors, &problem);
    reached = faults->seen[kind] >= at;
    if (!fine) ck_assert(*problem.text != 0);
    if (!reached)
      ck_assert_msg(fine, "%s",
                    problem.text); /* with a fault it may work too: a cache that cannot be written is none */
  }
  ck_assert_int_gt(at, least);
  arm(-1, 0, 0);
  leave_folder(folder);
}

START_TEST(memory) { fail_each(CALL_MEMORY, ENOMEM, 25); }
END_TEST

START_TEST(writes) {
  fail_each(CALL_WRITE, ENOSPC, 4);
  fail_each(CALL_OPEN, EMFILE, 6);
  fail_each(CALL_SYNC, EIO, 4);
  fail_each(CALL_RENAME, EIO, 2);
}
END_TEST

START_TEST(statistics_stay_whole_on_a_full_disk) {
  char folder[32];
  enter_folder(folder);
  Problem problem;
  RunFolder *run = run_folder_create("run", "gan", NULL);
  ck_assert(run_folder_append_stats(run, "{\"step\": 1}\n", NULL));
  for (int partial = 0; partial < 2; partial++) {
    arm(CALL_WRITE, 1, ENOSPC);
    faults->partial = partial;
    ck_assert(!run_folder_append_stats(run, "{\"step\": 2}\n", &problem));
    ck_assert_says(problem, "No space left");
    arm(-1, 0, 0);
    size_t size;
    uint8_t *text = read_bytes("run/stats.jsonl", &size);
    ck_assert(size == 12 && memcmp(text, "{\"step\": 1}\n", 12) == 0);
    free(text);
  }
  ck_assert(run_folder_append_stats(run, "{\"step\": 2}\n", NULL));
  run_folder_close(run);
  leave_folder(folder);
}
END_TEST

CHECK_MAIN(.tests = {memory, writes, statistics_stay_whole_on_a_full_disk})
