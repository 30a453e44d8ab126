/* A fuzz target without a fuzzer: runs it on the files it is given, and on every beginning of each small one. For
   builds that have no libFuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL = 64 * 1024, BEGINNINGS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each input lies in memory of its own size, so that a sanitizer sees the first byte past it. */
static int input_run(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) return 1;
  if (size) memcpy(copy, data, size);
  LLVMFuzzerTestOneInput(copy, size);
  free(copy);
  return 0;
}

static int file_replay(const char *path) {
  FILE *in = fopen(path, "rb");
  if (!in || fseek(in, 0, SEEK_END) != 0) return perror(path), 1;
  size_t size = (size_t)ftell(in);
  uint8_t *data = malloc(size + 1);
  rewind(in);
  if (!data || fread(data, 1, size, in) != size) return perror(path), 1;
  fclose(in);
  int failed = input_run(data, size);
  size_t step = size / BEGINNINGS + 1;
  for (size_t length = 0; size <= SMALL && length < size; length += step) failed |= input_run(data, length);
  free(data);
  return failed;
}

int main(int count, char **arguments) {
  int failed = input_run((const uint8_t *)"", 0);
  for (int at = 1; at < count; at++) failed |= file_replay(arguments[at]);
  printf("%d inputs\n", count);
  return failed;
}
