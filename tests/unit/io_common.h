/* What the tests of readers and writers share: a folder of their own, bytes to and from files, a suite in three
   lines. */
#ifndef IO_COMMON_H
#define IO_COMMON_H

#include "runtime/io.h"
#include "temporary_folder.h"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

static inline void write_bytes(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
  ck_assert_int_eq(fclose(file), 0);
}

static inline uint8_t *read_bytes(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  uint8_t *bytes = malloc(1 << 22);
  *size = fread(bytes, 1, 1 << 22, file);
  fclose(file);
  return bytes;
}

#define ck_assert_says(problem, part) \
  ck_assert_msg(strstr((problem).text, part) != NULL, "expected \"%s\" in \"%s\"", part, (problem).text)

static inline int run_tests(const char *name, const TTest *const *tests, size_t count) {
  Suite *suite = suite_create(name);
  TCase *group = tcase_create(name);
  tcase_set_timeout(group, 120);
  for (size_t i = 0; i < count; i++) tcase_add_test(group, tests[i]);
  suite_add_tcase(suite, group);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed;
}
#define RUN_TESTS(name, ...) \
  int main(void) { \
    const TTest *const tests[] = {__VA_ARGS__}; \
    return run_tests(name, tests, sizeof tests / sizeof *tests); \
  }

#endif
