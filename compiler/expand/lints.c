/* Warnings about what is legal and hardly ever meant: names that nothing mentions, players that nothing moves, gradients of samples that are not their own.
   Takes the evaluator after everything was expanded; reports; changes nothing. */
#include "evaluator.h"

#include "compiler/transform/transform.h"

void lint_names(Evaluator *e) {
  for (int k = 0; k < e->file.count; k++) {
    const Entry *entry = &e->file.entries[k];
    const Syntax *named = entry->field != NULL ? entry->field : entry->syntax;
    if (entry->mentioned) continue;
    diagnostic_report(e->session, W6008, named->name_span.source != NULL ? named->name_span : named->span, "nothing mentions `%s`", entry->name);
  }
}

void lint_training(Evaluator *e) {
  for (int k = 0; k < e->objective_count; k++) {
    if (e->served_objectives & 1ull << k) continue;
    const Syntax *objective = e->objectives[k];
    Diagnostic *diagnostic = diagnostic_report(e->session, W6011, objective->span, "no `update` of `%s` chooses it", e->model->objectives[k].players);
    if (objective->objective.label != NULL) diagnostic_hint(diagnostic, "`update %s by %s`", e->model->objectives[k].players, objective->objective.label);
  }
  for (int k = 0; k < e->network_count; k++) {
    const Network *network = e->networks[k];
    if (network->optimizer_syntax != NULL && !network->stepped) {
      diagnostic_report(e->session, W6012, network->optimizer_syntax->span, "nothing that it moves is updated: `%s`", network->name);
      continue;
    }
    Slot **weights;
    int count = network_weights(e, (Network *)(uintptr_t)network, &weights), moved = 0;
    for (int w = 0; w < count; w++) moved += weights[w]->mover != NULL;
    if (count > 0 && moved == 0) diagnostic_report(e->session, W6013, network->span, "none of its %d weights ever moves", count);
  }
}

void lint_coupling(Evaluator *e, Node *of, Node *by, Span span) {
  const Node *node = transform_couples(e->graph, of, by);
  if (node == NULL) return;
  Diagnostic *diagnostic = diagnostic_report(e->session, W6006, span, "each sample's gradient holds parts of the others'");
  if (node->span.source != NULL) diagnostic_also(diagnostic, node->span, "this couples the samples of a batch");
  diagnostic_hint(diagnostic, "normalise each sample by itself, for example by LayerNorm");
}
