/* Which order the axes of a value have in memory. Takes nodes; returns strides. A value with a batch axis has it
   innermost, so that lanes of samples are contiguous; everything else, weights above all, lies in declared order. Never
   allocates memory. */
#include "lower.h"

void layout_strides(int rank, const int64_t *shape, bool batch, int64_t *stride) {
  int64_t step = batch ? shape[0] : 1;
  for (int d = rank - 1; d >= (batch ? 1 : 0); d--) {
    stride[d] = step;
    step *= shape[d];
  }
  if (batch) stride[0] = 1;
}

void schedule_input_layout(const Node *input, StoredValue *value, RegisterType real) {
  value->storage = input->rank == 0 ? STORAGE_F64 : storage_of(real);
  value->elements = node_size(input);
  layout_strides(input->rank, input->shape, input->batch, value->stride);
}

View view_of_value(StoredValue *value) {
  const Node *node = value->node;
  View view = {.value = value, .rank = node->rank};
  for (int d = 0; d < node->rank; d++) view.shape[d] = node->shape[d], view.stride[d] = value->stride[d];
  return view;
}

/* Row-major order within a sample is kept by every value, so a reshape needs nothing but its own strides. */
View view_reshape(const View *operand, const Node *node) {
  View view = {.value = operand->value, .rank = node->rank};
  layout_strides(node->rank, node->shape, node->batch, view.stride);
  for (int d = 0; d < node->rank; d++) view.shape[d] = node->shape[d];
  return view;
}
