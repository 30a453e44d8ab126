/* Data in every format and packing that is read, and what is said of files that are not: found by content, whatever
   their names. */
#include "tests/unit/io_packed.h"

#include "runtime/data/source.h"

static const char header[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n";
static const uint8_t six_ones[6] = {1, 1, 1, 1, 1, 1};
enum { ROOM = 4096 };

/* Of a file with these bytes: do they give two rows of three ones? */
static bool reads(const char *spec, const uint8_t *bytes, size_t size, Problem *problem) {
  char path[64];
  snprintf(path, sizeof path, "%.*s", (int)strcspn(spec, ":"), spec);
  *problem->text = 0;
  write_bytes(path, bytes, size);
  Dataset *dataset = dataset_open(spec, DATA_TRAIN, COLUMN_SAMPLES, problem);
  if (dataset)
    ck_assert(dataset->count == 2 && dataset->rank == 1 && dataset->shape[0] == 3 &&
              memcmp(dataset->rows, six_ones, 6) == 0);
  else ck_assert(*problem->text != 0);
  dataset_close(dataset);
  return dataset;
}

/* The same of bytes in memory, exactly so many, for the sanitizer's eyes. */
static bool decodes(const uint8_t *bytes, size_t size, Problem *problem) {
  uint8_t *copy = malloc(size + 1);
  memcpy(copy, bytes, size);
  *problem->text = 0;
  Dataset dataset = {.name = (char *)"test"};
  bool fine = dataset_decode(&dataset, copy, size, problem);
  if (fine)
    ck_assert(dataset.count == 2 && dataset.rank == 1 && dataset.shape[0] == 3 &&
              memcmp(dataset.rows, six_ones, 6) == 0);
  else ck_assert(*problem->text != 0);
  free(dataset.owned);
  free(copy);
  return fine;
}

static void start(char *folder) {
  enter_folder(folder);
  setenv("XDG_CACHE_HOME", "none", 1); /* no cache: every time anew */
  unsetenv("HOME");
}

/* What nobody but Python 2 writes, and all that NumPy has written since. */
START_TEST(headers_of_every_age) {
  static const struct {
    int major;
    const char *header;
  } rows[] = {
      {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 3L), }\n"},
      {1, "{'shape': (2L, 3L,), 'fortran_order': False, 'descr': '|u1'}"},
      {1, header},
      {2, header},
      {3, header},
  };
  char folder[32];
  start(folder);
  for (size_t i = 0; i < LENGTH(rows); i++) {
    uint8_t bytes[512];
    Problem problem;
    ck_assert_msg(reads("a.npy", bytes, npy_with(bytes, rows[i].major, rows[i].header, 6), &problem), "%zu: %s", i,
                  problem.text);
  }
  uint8_t bytes[512];
  Problem problem;
  ck_assert(!reads("a.npy", bytes,
                   npy_with(bytes, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2LL, 3), }", 6), &problem));
  ck_assert_says(problem, "expected ',' or ')' at \"L, 3), }\"");
  leave_folder(folder);
}
END_TEST

START_TEST(gzip_lies_under_all) {
  char folder[32];
  start(folder);
  Problem problem;
  uint8_t npy[512], packed[ROOM], archive[ROOM];
  size_t size = npy_with(npy, 1, header, 6);
  ck_assert_msg(reads("a.npy.gz", packed, compress_gzip(npy, size, packed, ROOM), &problem), "%s", problem.text);
  ck_assert_msg(reads("a", packed, compress_gzip(npy, size, packed, ROOM), &problem), "%s", problem.text);
  for (int deflated = 0; deflated < 2; deflated++) {
    size_t archived = zip_with(archive, ROOM, &(ZipMember){"x.npy", npy, size, deflated}, 1, false);
    ck_assert_msg(reads("a.npz.gz", packed, compress_gzip(archive, archived, packed, ROOM), &problem), "%s",
                  problem.text);
  }
  size = npy_with(npy, 1, header, 7);
  ck_assert(!reads("a.npy.gz", packed, compress_gzip(npy, size, packed, ROOM), &problem));
  ck_assert_says(problem, "a.npy.gz: [2, 3] of u8 needs 6 bytes, the file has 7");
  size = npy_with(npy, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,)}", 6);
  /* and without asking for them */
  ck_assert(!reads("a.npy.gz", packed, compress_gzip(npy, size, packed, ROOM), &problem));
  ck_assert_says(problem, "needs 799999999992 bytes, the file has 6; it was cut short");
  ck_assert(!reads("a.gz", packed, compress_gzip("hello", 5, packed, ROOM), &problem));
  ck_assert_says(problem, "a.gz is of no format that is read");
  leave_folder(folder);
}
END_TEST

/* Cut anywhere, joined anywhere: in as many members as there are bytes, of which some are empty. */
START_TEST(gzip_members) {
  char folder[32];
  start(folder);
  Problem problem;
  uint8_t npy[512], packed[ROOM];
  size_t size = npy_with(npy, 1, header, 6);
  for (size_t cut = 0; cut <= size; cut++) {
    size_t first = compress_gzip(npy, cut, packed, ROOM),
           all = first + compress_gzip(npy + cut, size - cut, packed + first, ROOM - first);
    ck_assert_msg(decodes(packed, all, &problem), "%zu: %s", cut, problem.text);
    if (cut % 16 == 0)
      for (size_t length = 0; length < all; length++)
        ck_assert_msg(!decodes(packed, length, &problem) || (length == first && cut == size), "%zu of %zu bytes pass",
                      length, all);
  }
  size_t whole = compress_gzip(npy, size, packed, ROOM);
  static const char *const behind[] = {"\0", "x", "hello", "\x1f", "\x1f\x8b", "\x1fx", "\0\0\0\0\0\0\0\0\0"};
  static const size_t lengths[] = {1, 1, 5, 1, 2, 2, 9};
  for (size_t i = 0; i < LENGTH(behind); i++) {
    memcpy(packed + whole, behind[i], lengths[i]);
    ck_assert_msg(!reads("a.npy.gz", packed, whole + lengths[i], &problem), "%zu", i);
    char says[64] = "the gzip stream ends too early; the file was cut short";
    if (i != 3 && i != 4)
      snprintf(says, sizeof says, "the gzip stream ends %zu byte%s before the file does", lengths[i],
               lengths[i] == 1 ? "" : "s");
    ck_assert_says(problem, says);
  }
  leave_folder(folder);
}
END_TEST

START_TEST(archives_of_arrays) {
  char folder[32];
  start(folder);
  Problem problem;
  uint8_t npy[512], other[512], archive[ROOM];
  size_t size = npy_with(npy, 1, header, 6),
         other_size = npy_with(other, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", 1);
  for (int form = 0; form < 4; form++) {
    bool deflated = form & 1, wide = form & 2;
    size_t one = zip_with(archive, ROOM, (const ZipMember[]){{"x.npy", npy, size, deflated}}, 1, wide);
    ck_assert_msg(reads("a.npz", archive, one, &problem), "%s", problem.text);
    ck_assert_msg(reads("a.npz:x", archive, one, &problem), "%s", problem.text);
    ck_assert_msg(reads("a.npz:x.npy", archive, one, &problem), "%s", problem.text);
    ck_assert(!reads("a.npz:y", archive, one, &problem));
    ck_assert_says(problem, "a.npz has no array y; it holds x");
    for (size_t length = 0; length < one; length++) ck_assert(!decodes(archive, length, &problem));
    /* the checksum is of the array: what passes is equal, as `decodes` asserts */
    for (size_t bit = 0; bit < 8 * one; bit++) {
      archive[bit / 8] ^= (uint8_t)(1 << bit % 8);
      decodes(archive, one, &problem);
      archive[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    size_t two = zip_with(archive, ROOM,
                          (const ZipMember[]){{"labels.npy", other, other_size, deflated},
                                              {"x.npy", npy, size, deflated},
                                              {"note.txt", "hi", 2, false}},
                          3, wide);
    ck_assert(!reads("a.npz", archive, two, &problem));
    ck_assert_says(problem, "a.npz holds 2 arrays: labels, x; choose one, as in a.npz:NAME");
    ck_assert_msg(reads("a.npz:x", archive, two, &problem), "%s", problem.text);
    write_bytes("a.npz", archive, two);
    Dataset *labels = dataset_open("a.npz:labels", DATA_TRAIN, COLUMN_LABELS, &problem);
    ck_assert_msg(labels && labels->count == 1, "%s", problem.text);
    char *mark = dataset_checked_mark(labels, &(TensorRecord){.name = "y"});
    ck_assert_ptr_nonnull(strstr(mark, "/a.npz:labels: "));
    free(mark);
    dataset_close(labels);
    char *absolute = dataset_absolute("./a.npz:labels"), *again = dataset_absolute(absolute);
    ck_assert_ptr_nonnull(absolute);
    ck_assert(absolute[0] == '/' && strstr(absolute, "/a.npz:labels") && !strstr(absolute, "./"));
    ck_assert_str_eq(absolute, again);
    free(absolute);
    free(again);
    ck_assert_ptr_null(dataset_absolute("b.npz:labels"));
  }
  size_t none = zip_with(archive, ROOM, &(ZipMember){"note.txt", "hi", 2, false}, 1, false);
  ck_assert(!reads("a.npz", archive, none, &problem));
  ck_assert_says(problem, "a.npz is a zip archive without .npy arrays");
  ck_assert(!reads("a.npy:x", npy, size, &problem));
  ck_assert_says(problem, "a.npy is one array (.npy): name it without \":x\"");
  leave_folder(folder);
}
END_TEST

/* A deflated array is unpacked once; another array of the same archive is not taken for it. */
START_TEST(unpacked_arrays_are_kept) {
  char folder[32];
  enter_folder(folder);
  setenv("XDG_CACHE_HOME", folder, 1);
  Problem problem;
  uint8_t npy[512], other[512], archive[ROOM];
  size_t size = npy_with(npy, 1, header, 6),
         other_size = npy_with(other, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}", 5);
  write_bytes("a.npz", archive,
              zip_with(archive, ROOM,
                       (const ZipMember[]){{"x.npy", npy, size, true}, {"y.npy", other, other_size, true}}, 2, false));
  for (int turn = 0; turn < 2; turn++) {
    Dataset *x = dataset_open("a.npz:x", DATA_TRAIN, COLUMN_SAMPLES, &problem),
            *y = dataset_open("a.npz:y", DATA_TRAIN, COLUMN_SAMPLES, &problem);
    ck_assert_msg(x && y, "%s", problem.text);
    ck_assert(x->count == 2 && y->count == 5 && x->file.mapped == (turn == 1) && y->file.mapped == (turn == 1));
    dataset_keep(x), dataset_keep(y);
    dataset_close(x), dataset_close(y);
  }
  leave_folder(folder);
}
END_TEST

/* ---- what is not read -------------------------------------------------------------------------------------------- */

typedef struct Foreign {
  const char *name, *what, *weights, *data;
  size_t size;
  uint8_t bytes[ROOM];
} Foreign;

static void foreign_files(Foreign *files) {
  static const uint8_t old[] = {0x80, 2,    0x8a, 10,  0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a,
                                0xa8, 0x50, 0x19, '.', 0x80, 2,    'M',  0xe9, 3,    '.'};
  static const uint8_t pickle[] = {0x80, 4, 'N', '.'};
  for (int i = 0; i < 6; i++) memset(&files[i], 0, sizeof files[i]);
  files[0] = (Foreign){.name = "w.pth",
                       .what = "a PyTorch file,",
                       .weights = "torch.load(\"w.pth\", map",
                       .data = "torch.load(\"w.pth\""};
  files[0].size = zip_with(
      files[0].bytes, ROOM,
      (const ZipMember[]){{"w/data.pkl", pickle, sizeof pickle, false}, {"w/data/0", "1234", 4, false}}, 2, false);
  files[1] = (Foreign){.name = "old.pt",
                       .what = "a PyTorch file of the old format",
                       .weights = "}, \"old.safetensors\")",
                       .data = "numpy.save(\"old.npy\"",
                       .size = sizeof old};
  memcpy(files[1].bytes, old, sizeof old);
  files[2] = (Foreign){.name = "p",
                       .what = "a Python pickle",
                       .weights = "\"p.safetensors\"",
                       .data = "\"p.npy\"",
                       .size = sizeof pickle};
  memcpy(files[2].bytes, pickle, sizeof pickle);
  files[3] = (Foreign){.name = "a.b/k.h5",
                       .what = "an HDF5 file",
                       .weights = "h5py.File(\"a.b/k.h5\", \"r\")",
                       .data = "numpy.save(\"a.b/k.npy\"",
                       .size = 600};
  memcpy(files[3].bytes, "\x89HDF\r\n\x1a\n", 8);
  files[4] = (Foreign){.name = "behind.hdf5",
                       .what = "an HDF5 file",
                       .weights = "save_file(w, \"behind.safetensors\")",
                       .data = "behind.npy",
                       .size = 1200};
  memcpy(files[4].bytes + 1024, "\x89HDF\r\n\x1a\n", 8);
  files[4].bytes[0] = 'u'; /* two zeros would begin an IDX file */
  files[5] = (Foreign){.name = "w.npz",
                       .what = "a NumPy archive (.npz)",
                       .weights = "save_file(dict(numpy.load(\"w.npz\")), \"w.safetensors\")"};
  files[5].size = zip_with(files[5].bytes, ROOM, &(ZipMember){"conv.npy", "", 0, true}, 1, false);
}

START_TEST(weights_of_other_formats) {
  char folder[32];
  start(folder);
  static Foreign files[6];
  foreign_files(files);
  ck_assert_int_eq(system("mkdir a.b"), 0);
  for (int i = 0; i < 6; i++)
    for (int named = 0; named < 2; named++) { /* by content: the name may lie */
      const char *path = named ? files[i].name : "lies.safetensors";
      Problem problem = {""};
      write_bytes(path, files[i].bytes, files[i].size);
      ck_assert_ptr_null(safetensors_open(path, &problem));
      ck_assert_says(problem, files[i].what);
      ck_assert_says(problem, "weights are read from safetensors files");
      if (named) ck_assert_says(problem, files[i].weights);
      ck_assert_uint_lt(strlen(problem.text), sizeof problem.text - 100);
      ck_assert(strchr(problem.text, '\n') != NULL);
    }
  Problem problem = {""};
  uint8_t bytes[ROOM];
  write_bytes("a.npy", bytes, npy_with(bytes, 1, header, 6));
  ck_assert_ptr_null(safetensors_open("a.npy", &problem));
  ck_assert_says(problem, "a.npy is a NumPy array (.npy)");
  write_bytes("w.safetensors.gz", bytes, compress_gzip("hello", 5, bytes, ROOM));
  ck_assert_ptr_null(safetensors_open("w.safetensors.gz", &problem));
  ck_assert_says(problem, "is a gzip file");
  write_bytes("text", "hello world, I am no weights", 28);
  ck_assert_ptr_null(safetensors_open("text", &problem));
  ck_assert_says(problem, "text is not a safetensors file");
  write_bytes("odd\"\\.pt", files[1].bytes, files[1].size);
  ck_assert_ptr_null(safetensors_open("odd\"\\.pt", &problem));
  ck_assert_says(problem, "torch.load(\"odd\\\"\\\\.pt\"");
  leave_folder(folder);
}
END_TEST

/* A cut safetensors file whose first bytes could begin a pickle stays one. */
START_TEST(safetensors_are_no_pickles) {
  char folder[32];
  start(folder);
  uint8_t bytes[64] = {0x80, 2, 0, 0, 0, 0, 0, 0, '{'};
  bytes[63] = '.';
  write_bytes("w.safetensors", bytes, sizeof bytes);
  Problem problem;
  ck_assert_ptr_null(safetensors_open("w.safetensors", &problem));
  ck_assert_says(problem, "a header of 640 bytes is announced, 56 follow; the file was cut short");
  leave_folder(folder);
}
END_TEST

START_TEST(data_of_other_formats) {
  char folder[32];
  start(folder);
  static Foreign files[6];
  foreign_files(files);
  ck_assert_int_eq(system("mkdir a.b"), 0);
  for (int i = 0; i < 5; i++) {
    Problem problem;
    ck_assert(!reads(files[i].name, files[i].bytes, files[i].size, &problem));
    ck_assert_says(problem, strchr(files[i].what, ',') ? "a PyTorch file" : files[i].what);
    ck_assert_says(problem, files[i].data);
  }
  leave_folder(folder);
}
END_TEST

CHECK_MAIN(.tests = {headers_of_every_age, gzip_lies_under_all, gzip_members, archives_of_arrays,
                     unpacked_arrays_are_kept, weights_of_other_formats, safetensors_are_no_pickles,
                     data_of_other_formats})
