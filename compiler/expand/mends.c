/* Where an edit of the text mends what is reported: which number gave a size, where a statement of `train` goes, how a
   network is called elsewhere. Takes syntax and messages; gives messages their edits; says nothing where the text
   leaves a choice. */
#include "evaluator.h"

#include <string.h>

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static bool is_function_of_the_file(Evaluator *e, const Syntax *stage) {
  Scope *where;
  return stage->kind == SYNTAX_NAME && scope_find(e, &e->file, stage->name, &where) != NULL && where == &e->file;
}

/* The last stage of a pipe that says the size: functions without settings behind it keep it. */
void mend_size(Evaluator *e, Diagnostic *diagnostic, const Syntax *expression, int64_t got, int64_t wanted) {
  if (expression == NULL || wanted < 1) return;
  while (expression->kind == SYNTAX_PIPE) {
    const Syntax *stage = expression->pipe.right;
    if (is_function_of_the_file(e, stage)) return;
    if (stage->kind == SYNTAX_CALL && stage->call.arguments.count > 0) {
      const Syntax *first = stage->call.arguments.items[0];
      if (first->kind == SYNTAX_NUMBER && first->number.value == (double)got) {
        diagnostic_mend(diagnostic, first->span, "%lld", (long long)wanted);
        return;
      }
    }
    expression = expression->pipe.left;
  }
}

/* ---- other statements of the file -------------------------------------------------------------------------------- */

static const Syntax *train_of(const Evaluator *e) {
  const Syntax *file = e->file.syntax;
  for (int k = 0; k < file->items.count; k++)
    if (file->items.items[k]->kind == SYNTAX_TRAIN) return file->items.items[k];
  return NULL;
}

void mend_train_end(Evaluator *e, Diagnostic *diagnostic, const char *statement) {
  const Syntax *train = train_of(e);
  if (train == NULL || train->train.block->items.count == 0) return;
  Span last = train->train.block->items.items[train->train.block->items.count - 1]->span;
  diagnostic_mend(diagnostic, (Span){last.source, last.to, last.to}, "; %s", statement);
}

void mend_train_begin(Evaluator *e, Diagnostic *diagnostic, const char *statement) {
  const Syntax *train = train_of(e);
  if (train == NULL || train->train.block->items.count == 0) return;
  Span first = train->train.block->items.items[0]->span;
  diagnostic_mend(diagnostic, (Span){first.source, first.from, first.from}, "%s; ", statement);
}

void mend_optimizer(Evaluator *e, Diagnostic *diagnostic, const char *player) {
  const Syntax *train = train_of(e);
  for (int k = 0; train != NULL && k < train->train.block->items.count; k++) {
    const Syntax *syntax = train->train.block->items.items[k];
    if (syntax->kind != SYNTAX_OPTIMIZE) continue;
    Span last = syntax->players.names.items[syntax->players.names.count - 1]->span;
    diagnostic_mend(diagnostic, (Span){last.source, last.to, last.to}, ", %s", player);
    return;
  }
  mend_train_begin(e, diagnostic, session_format(e->session, "optimize %s by adam(lr = 2e-4)", player));
}

static bool lists_name(const SyntaxList *list, const char *name) {
  for (int k = 0; k < list->count; k++)
    if (list->items[k]->name == name) return true;
  return false;
}

const char *player_without_optimizer(Evaluator *e) {
  const Syntax *train = train_of(e);
  const char *found = NULL;
  for (int k = 0; k < e->objective_count; k++)
    for (int p = 0; p < e->objectives[k]->objective.players.count; p++) {
      const char *player = e->objectives[k]->objective.players.items[p]->name;
      bool named = false;
      for (int s = 0; train != NULL && s < train->train.block->items.count; s++) {
        const Syntax *syntax = train->train.block->items.items[s];
        named |= syntax->kind == SYNTAX_OPTIMIZE && lists_name(&syntax->players.names, player);
      }
      if (named || player == found) continue;
      if (found != NULL) return NULL;
      found = player;
    }
  return found;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

bool is_drawn_name(Evaluator *e, const Syntax *syntax) {
  Scope *where;
  Entry *entry = syntax->kind == SYNTAX_NAME ? scope_find(e, &e->file, syntax->name, &where) : NULL;
  return entry != NULL && (entry->syntax->kind == SYNTAX_DATA || entry->syntax->kind == SYNTAX_NOISE);
}

typedef struct CallSearch {
  Evaluator *e;
  const char *name;
  const Syntax *found;
} CallSearch;

static void search_call(void *context, Syntax *syntax) {
  CallSearch *search = context;
  if (search->found != NULL) return;
  bool call = syntax->kind == SYNTAX_CALL && syntax->call.function->kind == SYNTAX_NAME &&
              syntax->call.function->name == search->name;
  bool plain = call && syntax->call.arguments.count > 0;
  for (int k = 0; plain && k < syntax->call.arguments.count; k++)
    plain = is_drawn_name(search->e, syntax->call.arguments.items[k]);
  if (plain) search->found = syntax;
  else syntax_children(syntax, search_call, search);
}

const char *call_elsewhere(Evaluator *e, const char *network) {
  CallSearch search = {e, network, NULL};
  syntax_children(e->file.syntax, search_call, &search);
  return search.found == NULL ? NULL : span_text(e->session, search.found->span);
}

/* ---- the end of a network ---------------------------------------------------------------------------------------- */

static const Syntax *body_of(const Network *network) {
  return (network->definition != NULL ? network->definition : network->recipe->definition)->syntax->definition.body;
}

static bool lies_in(Span inner, Span outer) {
  return inner.source == outer.source && inner.from >= outer.from && inner.to <= outer.to;
}

typedef struct NetworkSearch {
  const Evaluator *e;
  Span span;
  const Network *found;
} NetworkSearch;

static void search_called(void *context, Syntax *syntax) {
  NetworkSearch *search = context;
  const Syntax *function = syntax->kind == SYNTAX_CALL   ? syntax->call.function
                           : syntax->kind == SYNTAX_PIPE ? syntax->pipe.right
                                                         : NULL;
  bool named = function != NULL && function->kind == SYNTAX_NAME && lies_in(syntax->span, search->span);
  for (int k = 0; named && k < search->e->network_count; k++)
    if (search->e->networks[k]->name == function->name && search->found == NULL) search->found = search->e->networks[k];
  if (search->found == NULL) syntax_children(syntax, search_called, search);
}

/* The network in whose body the span lies, or the outermost one that is called in it. */
static const Network *network_at(const Evaluator *e, Span span) {
  for (int k = 0; k < e->network_count; k++)
    if (lies_in(span, body_of(e->networks[k])->span)) return e->networks[k];
  NetworkSearch search = {e, span, NULL};
  syntax_children(e->file.syntax, search_called, &search);
  return search.found;
}

void mend_stage(Evaluator *e, Diagnostic *diagnostic, Span place, const char *there, const char *wanted) {
  const Network *network = place.source == NULL ? NULL : network_at(e, place);
  if (network == NULL) return;
  const Syntax *body = body_of(network);
  if (body->kind == SYNTAX_BLOCK && body->items.count > 0) body = body->items.items[body->items.count - 1];
  if (there == NULL && body->kind == SYNTAX_PIPE)
    diagnostic_mend(diagnostic, (Span){body->span.source, body->span.to, body->span.to}, " |> %s", wanted);
  for (; there != NULL && body->kind == SYNTAX_PIPE; body = body->pipe.left) {
    const Syntax *stage = body->pipe.right;
    if (stage->kind != SYNTAX_NAME || strcmp(stage->name, there) != 0) continue;
    if (wanted != NULL) diagnostic_mend(diagnostic, stage->span, "%s", wanted);
    else diagnostic_mend(diagnostic, (Span){stage->span.source, body->pipe.left->span.to, stage->span.to}, "%s", "");
    return;
  }
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

void literal_note(Evaluator *e, const Value *value, Span span) {
  Literal literal = {value, span};
  ARRAY_ADD(e->session, e->literals, e->literal_count, e->literal_capacity, literal);
}

/* Where the call at hand mentions the value, it does not give it. */
void mend_literal(Evaluator *e, Diagnostic *diagnostic, const Value *value, double better) {
  for (int k = e->literal_count - 1; k >= 0; k--) {
    const Literal *literal = &e->literals[k];
    if (literal->value != value || (e->call != NULL && lies_in(literal->span, e->call->span))) continue;
    diagnostic_mend(diagnostic, literal->span, "%.15g", better);
    return;
  }
}
