/* The descriptor's reader: a good one is read whole; every kind of damage is refused with words, never with a crash. */

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"

static bool reads(const Bytes *bytes, Problem *problem) {
  Descriptor model;
  bool fine = descriptor_read(&model, bytes->data, bytes->size, problem);
  if (fine) descriptor_free(&model);
  return fine;
}

START_TEST(test_reads_what_was_written) {
  Bytes bytes = line_descriptor();
  Descriptor model;
  Problem problem;
  ck_assert_msg(descriptor_read(&model, bytes.data, bytes.size, &problem), "%s", problem.text);
  ck_assert_int_eq(model.tensor_count, T_TENSORS);
  ck_assert_str_eq(model.tensors[T_WM].name, "D.w/momentum.m");
  ck_assert_int_eq(model.tensors[T_P].stride[1], LINE_BATCH);
  ck_assert_double_eq(model.tensors[T_WIDE].initial_b, 0.02);
  ck_assert_str_eq(model.header->real, "f32");
  ck_assert_int_eq(descriptor_find_tensor(&model, "count"), T_COUNT);
  ck_assert_int_eq(descriptor_find_tensor(&model, "nothing"), -1);
  descriptor_free(&model);
  free(bytes.data);
}
END_TEST

START_TEST(test_every_cut_is_refused) {
  Bytes bytes = line_descriptor();
  for (size_t size = 0; size < bytes.size; size += size < 200 ? 1 : 37) {
    Problem problem = {{0}};
    Bytes cut = {bytes.data, size, 0};
    ck_assert(!reads(&cut, &problem));
    ck_assert(problem.text[0] != 0);
  }
  free(bytes.data);
}
END_TEST

START_TEST(test_every_flipped_bit_is_refused) {
  Bytes bytes = line_descriptor();
  for (size_t k = 0; k < bytes.size; k += 11) {
    Problem problem;
    bytes.data[k] ^= (uint8_t)(1 << k % 8);
    ck_assert_msg(!reads(&bytes, &problem), "byte %zu", k);
    bytes.data[k] ^= (uint8_t)(1 << k % 8);
  }
  free(bytes.data);
}
END_TEST

/* With the checksum made right again: whatever is accepted must be harmless, whatever is refused must say why. */
START_TEST(test_sealed_damage_is_survived) {
  Bytes bytes = line_descriptor();
  const uint64_t words[] = {0, 1, 7, 1000, (uint64_t)-1, (uint64_t)1 << 40, (uint64_t)1 << 63, INT64_MAX};
  int refused = 0;
  for (size_t at = 32; at + 8 <= bytes.size; at += 8)
    for (size_t k = 0; k < LENGTH(words); k++) {
      uint64_t before;
      Problem problem = {{0}};
      memcpy(&before, bytes.data + at, 8);
      memcpy(bytes.data + at, &words[k], 8);
      bytes_seal(bytes.data, bytes.size);
      if (!reads(&bytes, &problem)) {
        ck_assert(problem.text[0] != 0);
        refused++;
      }
      memcpy(bytes.data + at, &before, 8);
    }
  ck_assert_int_gt(refused, 1000);
  free(bytes.data);
}
END_TEST

/* Each of these is a single wrong number in an otherwise good model. */
START_TEST(test_names_what_is_wrong) {
  const struct {
    const char *says;
    int64_t value;
    size_t field;
  } cases[] = {
#define CASE(says, value, field) {says, value, offsetof(ModelTables, field)}
      CASE("D.w ends at byte", 1 << 20, Tensor[T_W].offset),
      CASE("strides reach beyond", 4096, Tensor[T_P].stride[1]),
      CASE("`role` is 99", 99, Tensor[T_B].role),
      CASE("not a multiple", 66, Tensor[T_WIDE].offset),
      CASE("`program` is 6", 6, Step[1].program),
      CASE("bindings", 1000, Step[2].first_binding),
      CASE("`written` is 7", 7, Binding[0].written),
      CASE("`value` is 5", 5, Binding[0].value),
      CASE("neither data nor noise", T_W, Fill[0].tensor),
      CASE("reached twice", 2, Schedule[3].first_child),
      CASE("reached twice", 0, Schedule[4].next_sibling),
      CASE("single number", T_WIDE, Objective[0].tensor),
      CASE("has no samples", T_SLOPE, Output[0].tensor),
      CASE("`initial_routine` is 77", 77, Tensor[T_COPY].initial_routine),
      CASE("`workspace_bytes`", 4096, Program[0].workspace_bytes),
      CASE("lies in the arena", PLACE_ARENA, Tensor[T_W].place),
#undef CASE
  };
  for (size_t k = 0; k < LENGTH(cases); k++) {
    ModelTables *tables = line_tables();
    memcpy((char *)tables + cases[k].field, &cases[k].value, 8);
    Bytes bytes = tables_write(tables);
    Problem problem = {{0}};
    ck_assert_msg(!reads(&bytes, &problem), "case %zu: %s", k, cases[k].says);
    ck_assert_msg(strstr(problem.text, cases[k].says), "case %zu expected \"%s\", found \"%s\"", k, cases[k].says,
                  problem.text);
    free(bytes.data);
    free(tables);
  }
}
END_TEST

CHECK_MAIN(.tests = {test_reads_what_was_written, test_every_cut_is_refused, test_every_flipped_bit_is_refused,
                     test_sealed_damage_is_survived, test_names_what_is_wrong})
