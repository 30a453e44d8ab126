/* Any bytes as a file of data, of any format, plain or gzip: refused with a reason, or its samples can be drawn. */
#include <stdlib.h>

#include "runtime/data/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Problem problem = {""};
  Dataset dataset = {.name = (char[]){"input"}};
  if (dataset_decode(&dataset, bytes, size, &problem)) {
    int64_t last[1] = {dataset.count - 1};
    float *row = malloc((size_t)dataset.size * sizeof *row);
    dataset_rows(&dataset, last, 1, -1, 1, row);
    free(row);
  } else if (*problem.text == 0) {
    abort();
  }
  free(dataset.owned);
  return 0;
}
