/* What a definition promises meets what its body gives. Takes the frame that the body ran in and the value that it
   ended with; returns the value of the call, or an error after a report. */
#include "evaluator.h"

#include <string.h>

bool declared_shape(Evaluator *e, Frame *frame, const char *name, Declared *declared) {
  const Syntax *result =
      frame->definition == NULL || (frame->definition->kind != SYNTAX_FN && frame->definition->kind != SYNTAX_LAYER)
          ? NULL
          : frame->definition->definition.result;
  if (result == NULL) return false;
  const Syntax *type = NULL;
  bool found = result->result.name == name;
  if (found) type = result->result.type;
  for (int k = 0; k < result->result.fields.count; k++)
    if (result->result.fields.items[k]->field.name == name)
      found = true, type = result->result.fields.items[k]->field.type;
  int classes;
  return found && type_shape(e, frame, type, &declared->rank, declared->shape, &classes);
}

static const Syntax *last_statement(const Syntax *body) {
  return body->kind == SYNTAX_BLOCK && body->items.count > 0 ? body->items.items[body->items.count - 1] : body;
}

/* The result of a body that ends with an expression: another size in it, or one function more behind it. */
static void mend_result(Evaluator *e, Diagnostic *diagnostic, const Syntax *definition, const Value *tensor, int rank,
                        const int64_t *shape) {
  const Syntax *result = definition->definition.result, *last = last_statement(definition->definition.body);
  if (result->result.name != NULL || result->result.fields.count > 0 || last->kind == SYNTAX_CONDITIONAL ||
      last->kind == SYNTAX_IF)
    return;
  Span end = {last->span.source, last->span.to, last->span.to};
  double got = shape_size(tensor->tensor.rank, tensor->tensor.shape), wanted = shape_size(rank, shape);
  if (rank == 1 && tensor->tensor.rank == 1) mend_size(e, diagnostic, last, (int64_t)got, (int64_t)wanted);
  else if (got == wanted && rank == 0 && tensor->tensor.rank == 1) diagnostic_mend(diagnostic, end, " |> scalar");
  else if (got == wanted && rank == 1) diagnostic_mend(diagnostic, end, " |> flatten");
  else if (got == wanted) diagnostic_mend(diagnostic, end, " |> reshape(%s)", shape_text(e, rank, shape));
}

static Value *check_promise(Evaluator *e, Frame *frame, const Syntax *type, Value *value, Span span,
                            const Syntax *definition) {
  const char *name = definition->definition.name;
  int rank, classes;
  int64_t shape[OWN_LIMIT];
  if (value->kind == VALUE_ERROR || type == NULL) return value;
  if (!type_shape(e, frame, type, &rank, shape, &classes)) return value_error(e);
  Value *tensor = value_as_tensor(e, value, span);
  if (tensor->kind == VALUE_ERROR) return tensor;
  if (tensor->tensor.rank != rank || memcmp(tensor->tensor.shape, shape, sizeof(int64_t) * (size_t)rank) != 0) {
    Diagnostic *diagnostic = evaluator_report(e, E2040, span, "gives %s", value_text(e, tensor));
    diagnostic_also(diagnostic, type->span, "promises %s", shape_text(e, rank, shape));
    mend_result(e, diagnostic, definition, tensor, rank, shape);
    if (rank == 0 && tensor->tensor.rank == 1 && tensor->tensor.shape[0] == 1)
      diagnostic_hint(diagnostic, "`scalar` turns [1] into []");
    else if (rank == 0) diagnostic_hint(diagnostic, "%s must give one number per sample", name);
    return value_error(e);
  }
  return value->kind == VALUE_NUMBER ? value : tensor;
}

Value *result_of(Evaluator *e, Frame *frame, const Syntax *definition, Value *value) {
  const Syntax *result = definition->definition.result, *body = definition->definition.body;
  const char *name = definition->definition.name;
  if (result == NULL || (result->result.name == NULL && result->result.fields.count == 0)) {
    if (value == NULL) {
      Diagnostic *diagnostic =
          evaluator_report(e, E2038, definition->name_span, "`%s` ends without an expression", name);
      diagnostic_hint(diagnostic, "the value of a body is its last expression, or what its result names: `-> y: [n]`");
      return value_error(e);
    }
    value = value_dereference(e, value);
    return result == NULL
               ? value
               : check_promise(e, frame, result->result.type, value, result_span(last_statement(body)), definition);
  }
  int count = result->result.name != NULL ? 1 : result->result.fields.count;
  Value *record = value_kind(e, VALUE_RECORD);
  record->record.count = count;
  record->record.items = session_allocate(e->session, (size_t)count * sizeof(Binding));
  for (int k = 0; k < count; k++) {
    const Syntax *field = result->result.name != NULL ? NULL : result->result.fields.items[k];
    const char *promised = field == NULL ? result->result.name : field->field.name;
    const Syntax *type = field == NULL ? result->result.type : field->field.type;
    Value *given = frame_find(frame, promised);
    if (given == NULL) {
      Diagnostic *diagnostic = evaluator_report(e, E2039, field == NULL ? result->span : field->span,
                                                "the body never defines `%s`", promised);
      diagnostic_hint(diagnostic, "write `%s = …` in it", promised);
      return value_error(e);
    }
    given = check_promise(e, frame, type, value_dereference(e, given), result->span, definition);
    if (given->kind == VALUE_ERROR) return given;
    record->record.items[k] = (Binding){promised, given};
  }
  return result->result.name != NULL                           ? record->record.items[0].value
         : work_goes_on(e, value_leaves(record), result->span) ? record
                                                               : value_error(e);
}
