/* Where everything lies, and the bytes that tell the runtime. Takes a model and the schedule of each routine; returns
   the kernels to compile and the descriptor. */
#ifndef PLAN_H
#define PLAN_H

#include "compiler/expand/expand.h"
#include "compiler/schedule/schedule.h"

typedef struct PlanOptions {
  const Machine *machine;
  RegisterType real;
  const Layout *layout; /* as the schedules were given it */
  bool feeds, trace;
  const char *build, *source_hash, *file;
} PlanOptions;

typedef struct Plan {
  int program_count;
  Program **programs; /* equal ones once */
  int64_t persistent_bytes, arena_bytes, workspace_bytes;
  const void *descriptor;
  size_t descriptor_size;
  const struct PlanLayout *layout; /* plan/ only */
} Plan;

/* schedules: one per routine of the model. */
Plan *plan_model(Session *session, const Model *model, Schedule *const *schedules, const PlanOptions *options);
void plan_print(const Plan *plan, FILE *out);

#endif
