/* What the tests of readers and writers share: a folder of their own, bytes to and from files. */
#ifndef IO_COMMON_H
#define IO_COMMON_H

#include "runtime/io.h"
#include "check_main.h"
#include "temporary_folder.h"

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

#endif
