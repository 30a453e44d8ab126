/* What a program under construction is about: its graph, where nodes lie, which value each buffer is. Takes nodes and
   values; hands buffer numbers to the builder, which knows neither. Never appends a statement. */
#include "lower.h"

typedef struct Subject {
  Graph *graph;
  ViewOf view_of;
  void *view_context;
  struct Memory *memory;
  int binding_count, binding_capacity;
  StoredValue **bindings;
} Subject;

Builder *subject_new(Graph *graph, const ScheduleOptions *options, const char *title, Span span, ViewOf view_of,
                     void *context) {
  Session *session = graph_session(graph);
  Subject *subject = session_allocate(session, sizeof *subject);
  *subject = (Subject){.graph = graph, .view_of = view_of, .view_context = context};
  int lanes = options->machine->vector_bytes / (options->real == REGISTER_F32 ? 4 : 8);
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

int builder_buffer(Builder *builder, StoredValue *value, bool written) {
  Subject *subject = subject_of(builder);
  int number = 0;
  while (number < subject->binding_count && subject->bindings[number] != value) number++;
  if (number == subject->binding_count) {
    Session *session = builder_session(builder);
    subject->bindings = session_grow(session, subject->bindings, subject->binding_count++, &subject->binding_capacity,
                                     sizeof *subject->bindings);
    subject->bindings[number] = value;
    const Node *node = value->node;
    const char *name = node->name != NULL ? node->name : session_format(session, "v%d", node->id);
    number =
        builder_new_buffer(builder, (Buffer){.storage = value->storage, .elements = value->elements, .name = name});
  }
  if (written) builder_mark_written(builder, number);
  return number;
}
