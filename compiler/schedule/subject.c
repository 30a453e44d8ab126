/* What a program under construction is about: its graph, where nodes lie, which value each buffer is. Takes nodes and
   values; hands buffer numbers to the builder, which knows neither. Never appends a statement. */
#include "lower.h"

typedef struct Subject {
  Graph *graph;
  ViewOf view_of;
  void *view_context;
  struct Memory *memory;
  Map numbers; /* of buffers, by value, and 1 more than they are */
  int binding_count, binding_capacity;
  StoredValue **bindings;
} Subject;

Builder *subject_new(Session *session, Graph *graph, const ScheduleOptions *options, const char *title, Span span,
                     ViewOf view_of, void *context) {
  Subject *subject = session_allocate(session, sizeof *subject);
  *subject = (Subject){.graph = graph, .view_of = view_of, .view_context = context};
  int lanes = options->machine->vector_bytes / register_bytes(options->real);
  return builder_new(session, options->real, lanes, title, span, subject);
}

static Subject *subject_of(const Builder *builder) { return builder_context(builder); }

View builder_view(Builder *builder, const Node *node) {
  const Subject *subject = subject_of(builder);
  return subject->view_of(subject->view_context, node);
}

struct Memory **builder_memory(Builder *builder) { return &subject_of(builder)->memory; }
Graph *builder_graph(Builder *builder) { return subject_of(builder)->graph; }
StoredValue **builder_bindings(Builder *builder) { return subject_of(builder)->bindings; }

static int new_binding(Builder *builder, StoredValue *value) {
  Subject *subject = subject_of(builder);
  Session *session = builder_session(builder);
  subject->bindings = session_grow(session, subject->bindings, subject->binding_count, &subject->binding_capacity,
                                   sizeof *subject->bindings);
  subject->bindings[subject->binding_count++] = value;
  const Node *node = value->node;
  const char *name = node->name != NULL ? node->name : session_format(session, "v%d", node->id);
  int number = builder_bound(builder, value->storage, value->elements, name);
  map_put_number(session, &subject->numbers, value, number + 1);
  return number;
}

int builder_buffer(Builder *builder, StoredValue *value, bool written) {
  int number = (int)map_number(&subject_of(builder)->numbers, value) - 1;
  if (number < 0) number = new_binding(builder, value);
  if (written) builder_mark_written(builder, number);
  return number;
}
