/* Any bytes as a safetensors file: refused with a reason, or read to the last number. */
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Problem problem = {""};
  SafeTensors *file = safetensors_parse("input", bytes, size, &problem);
  if (!file) {
    if (*problem.text == 0) abort();
    return 0;
  }
  uint64_t total = 0;
  for (size_t i = 0; i < safetensors_count(file); i++) {
    const StoredTensor *tensor = safetensors_tensor(file, i);
    char text[160];
    stored_shape_text(tensor, text);
    if (tensor->type == ELEMENT_UNREAD) continue;
    int64_t count = (int64_t)(tensor->bytes / element_bytes(tensor->type));
    double *values = malloc((size_t)count * sizeof *values + 1);
    TensorView view = {
        .name = tensor->name, .type = STORAGE_F64, .rank = 1, .shape = {count}, .stride = {1}, .data = values};
    if (!safetensors_read(file, tensor, &view, &problem) || !safetensors_find(file, tensor->name)) abort();
    free(values);
    total += tensor->bytes;
  }
  if (total > size) abort();
  safetensors_metadata(file, "checksum");
  safetensors_verify(file, &problem);
  safetensors_close(file);
  return 0;
}
