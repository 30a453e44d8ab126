/* Diagnostics of the evaluator: every message carries the chain of calls that led to it. Takes places and texts;
   returns diagnostics; never prints. */
#include "evaluator.h"

#include <string.h>

enum { CONTEXT_LIMIT = 4 }; /* calls named in one message */

Diagnostic *evaluator_report(Evaluator *e, DiagnosticCode code, Span span, const char *label, ...) {
  va_list arguments;
  va_start(arguments, label);
  const char *text = session_format_list(e->session, label, arguments);
  va_end(arguments);
  e->error_count++;
  const CallSite *caller = e->site; /* what goes wrong inside the library is shown where the model calls it */
  while (caller != NULL && caller->span.source != NULL && caller->span.source->standard) caller = caller->outer;
  bool inside = span.source != NULL && span.source->standard && caller != NULL && caller->span.source != NULL;
  Diagnostic *diagnostic = inside
                               ? diagnostic_report(e->session, code, caller->span, "in this call of `%s`", caller->name)
                               : diagnostic_report(e->session, code, span, "%s", text);
  if (inside) diagnostic_also(diagnostic, span, "%s", text);
  int shown = 0;
  for (const CallSite *site = e->site; site != NULL && shown < CONTEXT_LIMIT; site = site->outer, shown++) {
    if (site->span.source == NULL) continue;
    Place place = source_place(site->span.source, site->span.from);
    diagnostic_context(diagnostic, "in %s %s, called at %s:%zu:%zu", site->what, site->name, site->span.source->path,
                       place.line, place.column);
  }
  return diagnostic;
}

static bool in_library(const Evaluator *e, Span span) {
  for (int k = 0; k < e->library_count; k++)
    if (e->library[k]->span.source == span.source) return true;
  return false;
}

Span model_span(const Evaluator *e, Span span) {
  for (const CallSite *site = e->site; site != NULL && in_library(e, span); site = site->outer)
    if (site->span.source != NULL) span = site->span;
  return span;
}

Value *value_error(Evaluator *e) { return value_kind(e, VALUE_ERROR); }

const char *shape_text(Evaluator *e, int rank, const int64_t *shape) {
  const char *text = "[";
  for (int d = 0; d < rank; d++)
    text = session_format(e->session, "%s%s%lld", text, d == 0 ? "" : ", ", (long long)shape[d]);
  return session_format(e->session, "%s]", text);
}

const char *value_text(Evaluator *e, const Value *value) {
  switch (value->kind) {
  case VALUE_ERROR: return "something wrong";
  case VALUE_NUMBER:
    return value->number.truth ? (value->number.value != 0 ? "true" : "false")
                               : session_format(e->session, "the number %g", value->number.value);
  case VALUE_STRING: return session_format(e->session, "the string \"%s\"", value->string);
  case VALUE_TENSOR:
    return value->tensor.rank == 0 ? "[], one number" : shape_text(e, value->tensor.rank, value->tensor.shape);
  case VALUE_LIST: return session_format(e->session, "a list of %d", value->list.count);
  case VALUE_RECORD: return session_format(e->session, "a record of %d", value->record.count);
  case VALUE_RANGE: return session_format(e->session, "the range %g..%g", value->range.low, value->range.high);
  case VALUE_FUNCTION:
    return session_format(e->session, "the %s `%s`", syntax_kind_name(value->function->syntax->kind),
                          value->function->syntax->definition.name);
  case VALUE_RECIPE: return "a recipe";
  case VALUE_INSTANCE: return session_format(e->session, "the layer `%s`", value->instance->path);
  case VALUE_NETWORK: return session_format(e->session, "the network `%s`", value->network->name);
  case VALUE_BUILTIN: return session_format(e->session, "the function `%s`", value->builtin->name);
  case VALUE_SLOT:
    return shape_text(e, e->model->tensors[value->slot->tensor].input->rank,
                      e->model->tensors[value->slot->tensor].input->shape);
  }
  return "";
}
