/* Any bytes as a model: everything that the compiler does with a model before processors matter. A model is either
   refused with a message or becomes routines that every pass keeps valid. Long files and files of long numbers are left
   to other tests. */
#include "compiler/compiler.h"
#include "compiler/transform/transform.h"
#include "tests/unit/printed_text.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 4096, NODE_LIMIT = 4000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void model_pass(Model *model, EffectList (*pass)(Graph *, EffectList), const char *name) {
  for (int r = 0; r < model->routine_count; r++) {
    model->routines[r].effects = pass(model->graph, model->routines[r].effects);
    if (!graph_verify(model->graph, &model->routines[r].effects, name)) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > TEXT_LIMIT) return 0;
  Session *session = session_new();
  Syntax *standard[32];
  int count = 0;
  for (const EmbeddedFile *file = embedded_files; file->name != NULL && count < 32; file++)
    if (strncmp(file->name, "stdlib/", 7) == 0) {
      Source *source = session_allocate(session, sizeof *source);
      *source = *source_from_text(session, file->name, file->bytes, file->size);
      source->standard = true;
      standard[count++] = syntax_parse(session, source);
    }
  Syntax *tree = syntax_parse(session, source_from_text(session, "fuzz.gan", (const char *)data, size));
  ExpandOptions options = {.diagnose = true};
  Model *model = tree == NULL ? NULL : expand_model(session, tree, count, standard, &options);
  if (model == NULL && diagnostic_error_count(session) == 0) abort();
  if (model != NULL && graph_node_count(model->graph) <= NODE_LIMIT) {
    for (int r = 0; r < model->routine_count; r++)
      if (!graph_verify(model->graph, &model->routines[r].effects, "expand")) abort();
    model_pass(model, transform_normalise, "normalise");
    expand_differentiate(model);
    for (int r = 0; r < model->routine_count; r++)
      if (!graph_verify(model->graph, &model->routines[r].effects, "differentiate")) abort();
    model_pass(model, transform_simplify, "simplify");
    model_pass(model, transform_axes, "axes");
  }
  free(messages_text(session));
  session_free(session);
  return 0;
}
