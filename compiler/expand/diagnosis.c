/* What `diagnose` runs in float64 trainers: per objective its value, its gradient by every weight it reaches, and the
   derivative of the gradient's product with a direction. Takes the prepared objectives; adds routines. Decisions and
   constants in them are frozen once they are differentiated. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <string.h>

static int result_tensor(Evaluator *e, const char *kind, int objective, const ModelTensor *weight) {
  const Node *input = weight->input;
  const char *name = session_format(e->session, "diagnose.%d.%s.%s", objective + 1, kind, weight->name);
  return tensor_new(e, name, ROLE_RESULT, input->rank, input->shape, false, weight->span);
}

static void diagnosis_make(Evaluator *e, int objective, ModelDiagnosis *diagnosis) {
  const Syntax *syntax = e->objectives[objective];
  Model *model = e->model;
  *diagnosis = (ModelDiagnosis){.objective = objective, .base_routine = -1};
  diagnosis->value = tensor_new(e, session_format(e->session, "diagnose.%d.value", objective + 1), ROLE_RESULT, 0, NULL,
                                false, syntax->span);
  int routines[3];
  static const char *const parts[] = {"value", "gradient", "second"};
  for (int part = 0; part < 3; part++) {
    evaluation_open(e, session_format(e->session, "diagnose %s of objective %d", parts[part], objective + 1));
    Value *value = objective_value(e, objective);
    Node *node = value->kind == VALUE_ERROR ? NULL : value_node(e, value, syntax->span);
    if (node == NULL) {
      evaluation_abandon(e);
      return;
    }
    if (part == 0) {
      evaluation_result(e, diagnosis->value, value, syntax->span);
      diagnosis->pairs = session_allocate(e->session, (size_t)(e->slot_count + 1) * sizeof *diagnosis->pairs);
      Sources sources = transform_sources(e->graph, node);
      for (int k = 0; k < e->slot_count; k++) {
        const int weight = e->slots[k]->tensor;
        if (!e->slots[k]->is_weight || !sources_hold(&sources, model->tensors[weight].input)) continue;
        ModelPair pair = {weight, result_tensor(e, "gradient", objective, &model->tensors[weight]), 0, 0};
        pair.direction = result_tensor(e, "direction", objective, &model->tensors[weight]);
        pair.second = result_tensor(e, "second", objective, &model->tensors[weight]);
        diagnosis->pairs[diagnosis->pair_count++] = pair;
      }
    }
    Value *product = value_number(e, 0);
    for (int k = 0; k < diagnosis->pair_count && part > 0; k++) {
      const ModelPair *pair = &diagnosis->pairs[k];
      Value *gradient =
          value_of_node(e, graph_grad(e->graph, node, model->tensors[pair->weight].input, syntax->span), 0);
      if (part == 1) evaluation_result(e, pair->gradient, gradient, syntax->span);
      Value *direction = value_of_node(e, model->tensors[pair->direction].input, 0);
      Value *term =
          value_total(e, OPERATOR_SUM,
                      apply_binary(e, OPERATOR_MULTIPLY, gradient, direction, syntax->span, syntax->span, syntax->span),
                      syntax->span);
      product = apply_binary(e, OPERATOR_ADD, product, term, syntax->span, syntax->span, syntax->span);
    }
    if (part == 2) {
      Node *scalar = value_node(e, value_as_tensor(e, product, syntax->span), syntax->span);
      Sources sources = transform_sources(e->graph, scalar);
      for (int k = 0; k < diagnosis->pair_count; k++) {
        ModelPair *pair = &diagnosis->pairs[k];
        Node *weight = model->tensors[pair->weight].input;
        Value *zero = value_tensor(e, weight->rank, weight->shape, false, scalar_constant(e->graph, 0));
        bool reached = sources_hold(&sources, weight);
        evaluation_result(e, pair->second,
                          reached ? value_of_node(e, graph_grad(e->graph, scalar, weight, syntax->span), 0) : zero,
                          syntax->span);
      }
    }
    slots_reset(e);
    routines[part] = evaluation_close(e, ROUTINE_DIAGNOSE, syntax->span);
  }
  diagnosis->value_routine = routines[0], diagnosis->gradient_routine = routines[1],
  diagnosis->second_routine = routines[2];
}

void diagnoses_make(Evaluator *e) {
  Model *model = e->model;
  e->batch = model->batch;
  model->diagnoses = session_allocate(e->session, (size_t)(e->objective_count + 1) * sizeof *model->diagnoses);
  for (int k = 0; k < e->objective_count; k++) diagnosis_make(e, k, &model->diagnoses[model->diagnosis_count++]);
}

/* ---- after differentiation --------------------------------------------------------------------------------------- */

/* Of an input that has none yet. */
static void add_tensor(Model *model, Node *input) {
  for (int k = 0; k < model->tensor_count; k++)
    if (model->tensors[k].input == input) return;
  model_add_tensor(model, input, ROLE_RESULT, input->span);
}

/* The three routines of a diagnosis take every decision and constant from the base point; a routine more leaves them
   there. */
static void diagnosis_freeze(Model *model, ModelDiagnosis *diagnosis) {
  const int routines[3] = {diagnosis->value_routine, diagnosis->gradient_routine, diagnosis->second_routine};
  EffectList all = {0, NULL};
  for (int r = 0; r < 3; r++) all.count += model->routines[routines[r]].effects.count;
  all.items = session_allocate(model->session, (size_t)(all.count + 1) * sizeof *all.items);
  int count = 0, taken = 0;
  for (int r = 0; r < 3; r++) {
    EffectList effects = model->routines[routines[r]].effects;
    for (int k = 0; k < effects.count; k++) all.items[count++] = effects.items[k];
  }
  Frozen frozen = transform_freeze(model->graph, all);
  for (int r = 0; r < 3; r++) {
    EffectList *effects = &model->routines[routines[r]].effects;
    effects->items = frozen.effects.items + taken;
    taken += effects->count;
  }
  for (int k = 0; k < frozen.decisions.count; k++) add_tensor(model, frozen.decisions.items[k].target);
  if (frozen.decisions.count == 0) return;
  ModelRoutine base = model->routines[diagnosis->value_routine];
  base.name = session_format(model->session, "diagnose decisions of objective %d", diagnosis->objective + 1);
  base.effects = frozen.decisions;
  diagnosis->base_routine = model_add_routine(model, base);
}

void expand_differentiate(Model *model) {
  for (int r = 0; r < model->routine_count; r++) {
    ModelRoutine *routine = &model->routines[r];
    routine->effects = (routine->kind == ROUTINE_DIAGNOSE ? transform_resolve
                                                          : transform_differentiate)(model->graph, routine->effects);
  }
  for (int d = 0; d < model->diagnosis_count; d++) diagnosis_freeze(model, &model->diagnoses[d]);
}
