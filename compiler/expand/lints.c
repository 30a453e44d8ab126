/* Warnings about what is legal and hardly ever meant: names that nothing mentions, players that nothing moves,
   gradients of samples that are not their own. Takes the evaluator after everything was expanded; reports; changes
   nothing. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

#include <string.h>

void lint_names(Evaluator *e) {
  for (int k = 0; k < e->file.count; k++) {
    const Entry *entry = &e->file.entries[k];
    const Syntax *named = entry->field != NULL ? entry->field : entry->syntax;
    if (entry->mentioned) continue;
    diagnostic_report(e->session, W6008, named->name_span.source != NULL ? named->name_span : named->span,
                      "nothing mentions `%s`", entry->name);
  }
}

static bool tensor_moves(const Model *model, const Node *input) {
  for (int r = 0; r < model->routine_count; r++) {
    const ModelRoutine *routine = &model->routines[r];
    if (routine->kind != ROUTINE_UPDATE && routine->kind != ROUTINE_ASSIGN && routine->kind != ROUTINE_EXPRESSION)
      continue;
    for (int k = 0; k < routine->effects.count; k++)
      if (routine->effects.items[k].target == input) return true;
  }
  return false;
}

static const char *last_part(const char *name) { return strrchr(name, '.') != NULL ? strrchr(name, '.') : name; }

/* A state that something moves, of the same path in another network, or else of the same name; NULL: there is none. */
static const ModelTensor *moved_like(const Model *model, const ModelTensor *state) {
  const ModelTensor *alike = NULL;
  for (int t = 0; t < model->tensor_count; t++) {
    const ModelTensor *other = &model->tensors[t];
    if (other == state || other->role != ROLE_STATE || !tensor_moves(model, other->input)) continue;
    const char *path = strchr(state->name, '.'), *other_path = strchr(other->name, '.');
    if (path != NULL && other_path != NULL && strcmp(path, other_path) == 0) return other;
    if (strcmp(last_part(state->name), last_part(other->name)) == 0) alike = other;
  }
  return alike;
}

/* A network whose weights follow another one's by `<-`: its states, which in the other one move, stay as they began
   unless it is called in training. */
static void lint_follower(Evaluator *e, const Network *network) {
  const Model *model = e->model;
  Slot **states;
  int count = network_states(e, network, &states);
  for (int s = 0; s < count; s++) {
    const ModelTensor *state = &model->tensors[states[s]->tensor];
    const ModelTensor *other = tensor_moves(model, state->input) ? NULL : moved_like(model, state);
    if (other == NULL) continue;
    Diagnostic *diagnostic = diagnostic_report(e->session, W6014, network->span, "nothing moves `%s`, as `%s` is moved",
                                               state->name, other->name);
    diagnostic_hint(diagnostic,
                    "call it in `train`, behind what moves its weights: a statement `E[%s(…)]` moves its states",
                    network->name);
    const char *call = call_elsewhere(e, network->name);
    if (call != NULL) mend_train_end(e, diagnostic, session_format(e->session, "E[%s]", call));
    return;
  }
}

void lint_training(Evaluator *e) {
  for (int k = 0; k < e->objective_count; k++) {
    if (e->served_objectives[k]) continue;
    const Syntax *objective = e->objectives[k];
    Diagnostic *diagnostic = diagnostic_report(e->session, W6011, objective->span, "no `update` of `%s` chooses it",
                                               e->model->objectives[k].players);
    const char *players = e->model->objectives[k].players, *label = objective->objective.label;
    mend_train_end(e, diagnostic,
                   label != NULL ? session_format(e->session, "update %s by %s", players, label)
                                 : session_format(e->session, "update %s", players));
  }
  for (int k = 0; k < e->network_count; k++) {
    const Network *network = e->networks[k];
    if (network->optimizer_syntax != NULL && !network->stepped) {
      diagnostic_report(e->session, W6012, network->optimizer_syntax->span, "nothing that it moves is updated: `%s`",
                        network->name);
      continue;
    }
    Slot **weights;
    int count = network_weights(e, network, &weights), updated = 0, assigned = 0;
    for (int w = 0; w < count; w++) updated += weights[w]->mover != NULL, assigned += weights[w]->assigned;
    if (count > 0 && updated + assigned == 0)
      diagnostic_report(e->session, W6013, network->span, "none of its %d weights ever moves", count);
    if (assigned > 0 && updated == 0) lint_follower(e, network);
  }
}

void lint_coupling(Evaluator *e, Node *of, Node *by, Span span) {
  const Node *node = transform_couples(e->graph, of, by);
  if (node == NULL) return;
  Span asked = model_span(e, span); /* of a penalty of the library, where the model asks for it */
  Diagnostic *diagnostic =
      diagnostic_report(e->session, W6006, asked, "each sample's gradient holds parts of the others'");
  if (asked.source != span.source) diagnostic_also(diagnostic, span, "this gradient");
  if (node->span.source != NULL) diagnostic_also(diagnostic, node->span, "this couples the samples of a batch");
  diagnostic_hint(diagnostic, "normalise each sample by itself, for example by LayerNorm");
  if (node->span.source != NULL && strncmp(span_text(e->session, node->span), "BatchNorm", strlen("BatchNorm")) == 0)
    diagnostic_mend(diagnostic, node->span, "LayerNorm");
}
