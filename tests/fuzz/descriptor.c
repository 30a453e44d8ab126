/* libFuzzer target: the reader of model descriptors. The checksum is made right first, or nothing behind it would ever
   be reached. */
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *bytes = malloc(size ? size : 1);
  if (!bytes) return 0;
  if (size) memcpy(bytes, data, size);
  if (size >= 32) {
    uint64_t length = size, hash = hash_fnv(HASH_START, bytes + 32, size - 32);
    memcpy(bytes + 16, &length, 8);
    memcpy(bytes + 24, &hash, 8);
  }
  Descriptor model;
  Problem problem;
  if (descriptor_read(&model, bytes, size, &problem)) descriptor_free(&model);
  free(bytes);
  return 0;
}
