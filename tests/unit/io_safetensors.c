/* Safetensors: round trips through strides and types, and every kind of damage. */
#include "tests/unit/io_common.h"

#include <math.h>

static void fill(TensorView *views, float *a, double *b, float *scalar) {
  for (int i = 0; i < 6; i++) a[i] = (float)i + 0.5f;
  for (int i = 0; i < 3; i++) b[i] = 1.0 / (i + 3);
  *scalar = -7;
  views[0] = (TensorView){
      .name = "D.Linear_1.W", .type = STORAGE_F32, .rank = 2, .shape = {2, 3}, .stride = {3, 1}, .data = a};
  views[1] =
      (TensorView){.name = "b\"'\xc3\xa9", .type = STORAGE_F64, .rank = 1, .shape = {3}, .stride = {1}, .data = b};
  views[2] = (TensorView){.name = "s", .type = STORAGE_F32, .rank = 0, .data = scalar};
}

START_TEST(round_trip) {
  char folder[32];
  enter_folder(folder);
  float a[6], scalar, a_back[6], scalar_back;
  double b[3], b_back[3];
  TensorView views[3], back[3];
  Problem problem = {""};
  fill(views, a, b, &scalar);
  TextPair metadata[] = {{"model", "ring"}, {"quote", "a\"b"}};
  ck_assert_msg(safetensors_write("w.safetensors", views, 3, metadata, 2, &problem), "%s", problem.text);
  SafeTensors *file = safetensors_open("w.safetensors", &problem);
  ck_assert_msg(file != NULL, "%s", problem.text);
  ck_assert_uint_eq(safetensors_count(file), 3);
  ck_assert_str_eq(safetensors_metadata(file, "quote"), "a\"b");
  ck_assert_ptr_null(safetensors_metadata(file, "other"));
  ck_assert(safetensors_verify(file, &problem));
  memcpy(back, views, sizeof back);
  back[0].data = a_back, back[1].data = b_back, back[2].data = &scalar_back;
  for (int i = 0; i < 3; i++)
    ck_assert(safetensors_read(file, safetensors_find(file, views[i].name), &back[i], &problem));
  ck_assert_mem_eq(a, a_back, sizeof a);
  ck_assert_mem_eq(b, b_back, sizeof b);
  ck_assert(scalar_back == scalar);
  for (size_t i = 0; i < 3; i++)
    ck_assert_uint_eq(safetensors_tensor(file, i)->offset % element_bytes(safetensors_tensor(file, i)->type), 0);
  safetensors_close(file);
  leave_folder(folder);
}
END_TEST

START_TEST(strides_and_types) {
  char folder[32];
  enter_folder(folder);
  enum { ROWS = 300, COLUMNS = 130 }; /* several pieces */
  float *turned = malloc(ROWS * COLUMNS * sizeof *turned);
  double *back = malloc(ROWS * COLUMNS * sizeof *back);
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < COLUMNS; k++) turned[k * ROWS + i] = (float)(i * 1000 + k);
  TensorView view = {
      .name = "W", .type = STORAGE_F32, .rank = 2, .shape = {ROWS, COLUMNS}, .stride = {1, ROWS}, .data = turned};
  ck_assert(safetensors_write("w.safetensors", &view, 1, NULL, 0, NULL));
  TensorView dense = {
      .name = "W", .type = STORAGE_F64, .rank = 2, .shape = {ROWS, COLUMNS}, .stride = {COLUMNS, 1}, .data = back};
  SafeTensors *file = safetensors_open("w.safetensors", NULL);
  ck_assert(safetensors_read(file, safetensors_find(file, "W"), &dense, NULL));
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < COLUMNS; k++) ck_assert(back[i * COLUMNS + k] == i * 1000 + k);
  dense.shape[0] = 7;
  Problem problem;
  ck_assert(!safetensors_read(file, safetensors_find(file, "W"), &dense, &problem));
  ck_assert_says(problem, "39000 elements");
  safetensors_close(file);
  free(turned);
  free(back);
  leave_folder(folder);
}
END_TEST

static size_t with_header(uint8_t *bytes, const char *header, size_t data) {
  size_t length = strlen(header);
  for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(length >> (8 * i));
  memcpy(bytes + 8, header, length);
  memset(bytes + 8 + length, 0, data);
  return 8 + length + data;
}

START_TEST(half_precision) {
  static const uint16_t half[] = {0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00, 0x3555}, brain[] = {0x3f80, 0xc049};
  const char *header = "{\"h\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12]},\"b\":{\"dtype\":\"BF16\","
                       "\"shape\":[2],\"data_offsets\":[12,16]}}   ";
  uint8_t bytes[256];
  size_t size = with_header(bytes, header, 16);
  memcpy(bytes + size - 16, half, 12);
  memcpy(bytes + size - 4, brain, 4);
  Problem problem = {""};
  SafeTensors *file = safetensors_parse("half", bytes, size, &problem);
  ck_assert_msg(file != NULL, "%s", problem.text);
  float values[6];
  TensorView view = {.name = "h", .type = STORAGE_F32, .rank = 1, .shape = {6}, .stride = {1}, .data = values};
  ck_assert(safetensors_read(file, safetensors_find(file, "h"), &view, NULL));
  ck_assert(values[0] == 1 && values[1] == -2 && values[2] == 0x1p-24f && isinf(values[3]) && isnan(values[4]) &&
            values[5] == 0.333251953125f);
  view.shape[0] = 2;
  ck_assert(safetensors_read(file, safetensors_find(file, "b"), &view, NULL));
  ck_assert(values[0] == 1 && values[1] == -3.140625f);
  safetensors_close(file);
}
END_TEST

/* What nobody asks for may be of any type and rank; asked for, it says what it is. */
START_TEST(what_is_not_needed_does_not_matter) {
  const char *header = "{\"__metadata__\":null,"
                       "\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[0,3]},"
                       "\"f4\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[3,4]},"
                       "\"u64\":{\"dtype\":\"U64\",\"shape\":[],\"data_offsets\":[4,12]},"
                       "\"truth\":{\"dtype\":\"BOOL\",\"shape\":[4],\"data_offsets\":[12,16]},"
                       "\"nine\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[16,20]},"
                       "\"w\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[20,24]}}";
  uint8_t bytes[1024];
  size_t size = with_header(bytes, header, 24);
  memcpy(bytes + size - 4, (const uint16_t[]){0x3f80, 0xc049}, 4);
  Problem problem = {""};
  char text[160];
  SafeTensors *file = safetensors_parse("test", bytes, size, &problem);
  ck_assert_msg(file != NULL, "%s", problem.text);
  ck_assert_uint_eq(safetensors_count(file), 6);
  float values[2];
  TensorView view = {.name = "w", .type = STORAGE_F32, .rank = 1, .shape = {2}, .stride = {1}, .data = values};
  ck_assert(safetensors_read(file, safetensors_find(file, "w"), &view, &problem));
  ck_assert(values[0] == 1 && values[1] == -3.140625f);
  ck_assert(!safetensors_read(file, safetensors_find(file, "f8"), &view, &problem));
  ck_assert_says(problem, "test: tensor \"f8\" holds numbers of type F8_E4M3, which are not read");
  ck_assert_str_eq(stored_shape_text(safetensors_find(file, "nine"), text), "[9 axes]");
  ck_assert_ptr_null(safetensors_metadata(file, "checksum"));
  ck_assert_ptr_null(safetensors_metadata_all(file));
  ck_assert(safetensors_verify(file, &problem));
  safetensors_close(file);
}
END_TEST

START_TEST(refuses_what_is_wrong) {
#define T(begin, end) "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" #begin "," #end "]}"
  static const struct {
    const char *header;
    size_t data;
    const char *says;
  } rows[] = {
      {"{}", 4, "need 0 bytes"},
      {"[]", 0, "does not start with '{'"},
      {" {}", 0, "does not start with '{'"},
      {"{\"a\":" T(0, 8) "}", 4, "cut short"},
      {"{\"a\":" T(0, 8) "}", 12, "the file has 12"},
      {"{\"a\":" T(0, 8) ",\"a\":" T(8, 16) "}", 16, "stands twice"},
      {"{\"a\":" T(0, 8) ",\"b\":" T(12, 20) "}", 20, "hole"},
      {"{\"a\":" T(0, 8) ",\"b\":" T(4, 12) "}", 12, "overlap"},
      {"{\"a\":" T(0, 8) ",\"b\":" T(0, 8) "}", 8, "overlap"},
      {"{\"a\":" T(8, 0) "}", 8, "begin <= end"},
      {"{\"a\":" T(-8, 0) "}", 8, "begin <= end"},
      {"{\"a\":" T(0, 4) "}", 4, "shape need 8"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, "exactly dtype"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"x\":1}}", 8, "exactly dtype"},
      {"{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 9, "the file has 9"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8, "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", 8, "whole number"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, "overflows"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,8]}}", 8, "shape need 4"},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}}", 8, "exactly dtype"},
      {"{\"a\":3}", 0, "exactly dtype"},
      {"{\"__metadata__\":{\"a\":1}}", 0, "texts"},
      {"{\"__metadata__\":[]}", 0, "texts"},
      {"{\"a\":", 0, "JSON"},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    uint8_t bytes[512];
    Problem problem = {""};
    size_t size = with_header(bytes, rows[i].header, rows[i].data);
    SafeTensors *file = safetensors_parse("test", bytes, size, &problem);
    ck_assert_msg(!file, "accepted %s", rows[i].header);
    ck_assert_says(problem, rows[i].says);
    ck_assert_says(problem, "test");
  }
  uint8_t huge[16] = {1, 0, 0, 1, 0, 0, 0, 0, '{'}; /* a header of 16 MiB and one byte */
  Problem problem;
  ck_assert_ptr_null(safetensors_parse("huge", huge, sizeof huge, &problem));
  ck_assert_says(problem, "16 MiB");
  ck_assert_ptr_null(safetensors_open("/nowhere/w.safetensors", &problem));
  ck_assert_says(problem, "/nowhere/w.safetensors: No such file");
  ck_assert_ptr_null(safetensors_open("/tmp", &problem));
  ck_assert_says(problem, "regular file");
}
END_TEST

START_TEST(empty_tensors_are_fine) {
  const char *header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[4,4]},\"b\":{\"dtype\":\"F32\","
                       "\"shape\":[1],\"data_offsets\":[0,4]}}";
  uint8_t bytes[256];
  Problem problem = {""};
  SafeTensors *file = safetensors_parse("empty", bytes, with_header(bytes, header, 4), &problem);
  ck_assert_msg(file != NULL, "%s", problem.text);
  safetensors_close(file);
}
END_TEST

/* Cut at every byte, and every bit turned: an error, or (in bits that carry no meaning, none of which we know) the same
   numbers. */
START_TEST(damage_never_passes) {
  char folder[32];
  enter_folder(folder);
  float a[6], scalar, back[6];
  double b[3];
  TensorView views[3];
  fill(views, a, b, &scalar);
  ck_assert(safetensors_write("w.safetensors", views, 3, NULL, 0, NULL));
  size_t size, accepted = 0;
  uint8_t *bytes = read_bytes("w.safetensors", &size);
  for (size_t length = 0; length < size; length++) {
    uint8_t *cut = malloc(length + 1); /* of its own, so that a sanitizer sees a read past its end */
    memcpy(cut, bytes, length);
    Problem problem = {""};
    ck_assert_ptr_null(safetensors_parse("cut", cut, length, &problem));
    ck_assert(*problem.text != 0);
    free(cut);
  }
  for (size_t bit = 0; bit < 8 * size; bit++) {
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    Problem problem = {""};
    SafeTensors *file = safetensors_parse("flipped", bytes, size, &problem);
    if (file && safetensors_verify(file, &problem)) {
      const StoredTensor *tensor = safetensors_find(file, "D.Linear_1.W");
      TensorView view = views[0];
      view.data = back;
      ck_assert_msg(tensor && safetensors_read(file, tensor, &view, NULL) && memcmp(a, back, sizeof a) == 0, "bit %zu",
                    bit);
      accepted++;
    } else {
      ck_assert(*problem.text != 0);
    }
    safetensors_close(file);
    bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
  }
  ck_assert_uint_le(accepted, 8 * strlen("checksum") +
                                  8 * strlen("__metadata__")); /* a file that no longer says that it has a checksum */
  free(bytes);
  leave_folder(folder);
}
END_TEST

START_TEST(rules_for_names) {
  static const struct {
    const char *rules, *name, *result;
    bool found;
  } rows[] = {
      {"module.=", "module.conv1.weight", "conv1.weight", true},
      {"module=", "net.module.conv1.weight", "net.conv1.weight", true},
      {"weight=", "conv1.weight", "conv1", true},
      {"conv1=Conv_1", "conv1.weight", "Conv_1.weight", true},
      {"conv1=Conv_1", "conv10.weight", "conv10.weight", false},
      {"conv1=Conv_1", "myconv1.weight", "myconv1.weight", false},
      {"main.0=Linear_1", "netG.main.0.weight", "netG.Linear_1.weight", true},
      {"main.0=Linear_1", "netG.main.01.weight", "netG.main.01.weight", false},
      {"a=b", "a.a.c.a", "b.b.c.b", true},
      {"a.a=b", "a.a.a", "b.a", true},
      {"layers.0=Linear_2[0]", "layers.0.weight", "Linear_2[0].weight", true},
      {"b=bias", "D.b/adam.m", "D.bias/adam.m", true},
      {"=G.", "conv1.weight", "G.conv1.weight", true},
      {"=G", "conv1.weight", "G.conv1.weight", true},
      {".weight=.W", "conv1.weight", "conv1.W", true},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    RenameRule rule;
    Problem problem = {""};
    const char *at = rows[i].rules;
    bool found = false;
    ck_assert_msg(rename_rule_read(&at, &rule, &problem) && *at == 0, "%s: %s", rows[i].rules, problem.text);
    char *result = rename_rule_apply(&rule, rows[i].name, &found);
    ck_assert_str_eq(result, rows[i].result);
    ck_assert_int_eq(found, rows[i].found);
    free(result);
  }
  static const char *const wrong[] = {"a", "a=b=c", "=", ".=", ",a=b", "=.", "a,b=c"};
  for (size_t i = 0; i < LENGTH(wrong); i++) {
    RenameRule rule;
    Problem problem = {""};
    const char *at = wrong[i];
    ck_assert_msg(!rename_rule_read(&at, &rule, &problem), "accepted %s", wrong[i]);
    ck_assert_says(problem, "--rename");
  }
}
END_TEST

CHECK_MAIN(.tests = {round_trip, strides_and_types, half_precision, what_is_not_needed_does_not_matter, rules_for_names,
                     refuses_what_is_wrong, empty_tensors_are_fine, damage_never_passes})
