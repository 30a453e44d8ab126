/* From syntax to a model: every call written in place, every shape known, every rule of the language checked on the
   way. Takes the tree of a file (the standard library is in scope); returns the model's tensors, routines (graphs with
   effects, `grad` still in them) and schedule. Never looks at memory, layouts or processors. */
#ifndef EXPAND_H
#define EXPAND_H

#include "compiler/graph/graph.h"
#include "runtime/abi.h"

typedef struct ModelTensor { /* see TENSOR in runtime/records.def */
  const char *name;
  TensorRole role;
  Node *input; /* its place in graphs: shape and batch */
  InitialKind initial;
  double initial_a, initial_b;
  int initial_routine; /* or -1 */
  const char *player;  /* or "" */
  uint64_t stream;
  int draw;
  double low, high;
  bool bounded;
  int classes;
  const char *data, *source;
  int group, fed; /* tensors, or -1 */
  Span span;
} ModelTensor;

typedef struct ModelRoutine {
  const char *name;
  RoutineKind kind;
  EffectList effects; /* targets are inputs of tensors */
  int told;           /* so many of the last of them only serve statistics */
  int ordinal;        /* or -1 */
  int batch;
  int fill_count;
  int *fills; /* tensors to fill before it runs */
  Span span;
} ModelRoutine;

typedef struct ModelSchedule {
  ScheduleKind kind;
  int routine, value; /* or -1 */
  double constant;
  int child_count;
  struct ModelSchedule **children;
  Span span;
} ModelSchedule;

typedef struct ModelObjective {
  const char *players, *label;
  bool maximize;
  int tensor, value_routine;
  Span span;
} ModelObjective;
typedef struct ModelOutput {
  const char *name;
  int tensor, routine;
  bool random;
  Span span;
} ModelOutput;
/* gradient: the scalar that updates leave the norm of its gradient in, or -1; rate: the optimizer's setting `lr`, where
   it has one that does not change; rate_tensor: a scalar that updates leave it in, or -1 */
typedef struct ModelPlayer {
  const char *name, *optimizer;
  Span span;
  int gradient;
  bool has_rate;
  double rate;
  int rate_tensor;
} ModelPlayer;
typedef struct ModelSetting {
  const char *name;
  int tensor;
  double value;
  Span span;
} ModelSetting; /* tensor -1: frozen into the build */
typedef struct ModelPair {
  int weight, gradient, direction, second;
} ModelPair;
typedef struct ModelDiagnosis {
  int objective, base_routine, value_routine, gradient_routine, second_routine, value;
  int pair_count;
  ModelPair *pairs;
} ModelDiagnosis;

typedef struct Model {
  Session *session;
  Graph *graph;
  const char *name;
  int batch;
  const char *length_unit;
  double length;  /* "" without one */
  int first_data; /* or -1 */
  int tensor_count, tensor_capacity;
  ModelTensor *tensors;
  int routine_count, routine_capacity;
  ModelRoutine *routines;
  ModelSchedule *schedule;
  int objective_count;
  ModelObjective *objectives;
  int output_count;
  ModelOutput *outputs;
  int player_count;
  ModelPlayer *players;
  int setting_count;
  ModelSetting *settings;
  int diagnosis_count;
  ModelDiagnosis *diagnoses;
} Model;

typedef struct ExpandOptions {
  bool feeds;    /* noise inside layers becomes inputs that can be fed */
  bool diagnose; /* routines for `diagnose` (float64 builds) */
  int setting_count;
  const char *const *settings; /* --set of the build: "name=value" */
} ExpandOptions;

/* `standard` are the trees of stdlib files. NULL after diagnostics. */
Model *expand_model(Session *session, Syntax *file, int standard_count, Syntax *const *standard,
                    const ExpandOptions *options);
/* Every grad in every routine; those of `diagnose` take decisions and constants from the base point then, and a routine
   is added that leaves them there. */
void expand_differentiate(Model *model);
void model_print(const Model *model, FILE *out);

#endif
