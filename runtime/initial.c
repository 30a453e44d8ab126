/* Where a run begins. Takes an execution whose memory is zero; writes constants and draws, and runs the routines that
   leave an initial value. An initial value depends on the seed and the tensor's name alone: round 0, ordinal 0, sample
   0. Never reads a file. */
#include "runtime/runtime.h"

#include <stdlib.h>

static void fill_constant(Execution *execution, int64_t tensor, double value) {
  TensorView view = execution_view(execution, tensor);
  for (int64_t k = 0, size = tensor_view_size(&view); k < size; k++) view_set(&view, k, value);
}

static void fill_drawn(Execution *execution, int64_t index) {
  const TensorRecord *tensor = &execution->model->tensors[index];
  Draw draw = draw_of(tensor, execution->seed);
  TensorView view = execution_view(execution, index);
  draw_fill(tensor, view.data, &draw, execution->pool);
}

/* In the order of routines: a copy of a network starts from what an earlier one has left. */
static bool run_initial_routines(Execution *execution, Problem *problem) {
  const Descriptor *model = execution->model;
  bool *wanted = allocate_zeroed((size_t)model->routine_count + 1, sizeof *wanted), fine = true;
  if (!wanted) return problem_out_of_memory(problem, "initial values", (size_t)model->routine_count);
  for (int64_t k = 0; k < model->tensor_count; k++)
    if (model->tensors[k].initial == INITIAL_ROUTINE) wanted[model->tensors[k].initial_routine] = true;
  for (int64_t r = 0; fine && r < model->routine_count; r++)
    if (wanted[r]) fine = execution_run(execution, r, (Occasion){0}, problem);
  free(wanted);
  return fine;
}

bool initial_values(Execution *execution, Problem *problem) {
  const Descriptor *model = execution->model;
  for (int64_t k = 0; k < model->tensor_count; k++) {
    if (model->tensors[k].role == ROLE_SETTING)
      continue; /* set when the engine opens: people may have chosen another value */
    if (model->tensors[k].role == ROLE_NOISE) continue; /* drawn by every evaluation */
    switch ((InitialKind)model->tensors[k].initial) {
    case INITIAL_CONSTANT: /* fresh memory is 0 already, and untouched pages cost nothing */
      if (model->tensors[k].initial_a != 0) fill_constant(execution, k, model->tensors[k].initial_a);
      break;
    case INITIAL_UNIFORM:
    case INITIAL_NORMAL: fill_drawn(execution, k); break;
    case INITIAL_NONE:
    case INITIAL_ROUTINE: break;
    }
  }
  return run_initial_routines(execution, problem);
}
