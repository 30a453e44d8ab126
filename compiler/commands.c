/* What each command does: build, check, run, fmt, explain.
   Takes options; returns a status, and for `run` what to execute next. Never parses words and never prints a message itself. */
#include "compiler/compiler.h"

#include <string.h>
#include <unistd.h>

/* ---- build, check, run ------------------------------------------------------------------------------------------------- */

/* The file's name without folders and ending, with another ending. */
static const char *model_output(Session *session, const char *input, const char *ending) {
  const char *slash = strrchr(input, '/'), *name = slash ? slash + 1 : input;
  size_t length = strlen(name);
  if (length > 4 && strcmp(name + length - 4, ".gan") == 0) length -= 4;
  else if (!*ending) ending = ".trainer";                  /* never over the model itself */
  return session_format(session, "%.*s%s", (int)length, name, ending);
}

static int command_build(Session *session, const Options *options, Launch *launch) {
  (void)launch;
  Compilation compilation = { .session = session, .options = options, .output = options->output };
  const EmitForm *form = options->emit;
  if (!compilation.output && form && !form->ending) compilation.output = "-";
  if (!compilation.output) compilation.output = model_output(session, options->inputs[0], form ? form->ending : "");
  return compilation_run(&compilation);
}

/* All that can be wrong with a model is known once it is differentiated. */
static int command_check(Session *session, const Options *options, Launch *launch) {
  (void)launch;
  Options checking = *options;
  if (checking.stop_after == PASS_link) checking.stop_after = PASS_differentiate;
  Compilation compilation = { .session = session, .options = &checking };
  return compilation_run(&compilation);
}

/* The trainer's words: its path, a command (`train` unless one is given), the rest. */
static char *const *trainer_words(Session *session, const char *path, char *const *arguments) {
  int count = 0, length = 0;
  while (arguments[count]) count++;
  char **words = session_allocate(session, (size_t)(count + 3) * sizeof *words);
  bool named = count > 0 && arguments[0][0] != '-';
  words[length++] = (char *)(uintptr_t)path;               /* exec takes but does not change them */
  if (!named) words[length++] = (char *)(uintptr_t)session_string(session, "train");
  for (int at = 0; at < count; at++) words[length++] = arguments[at];
  return words;
}

static int command_run(Session *session, const Options *options, Launch *launch) {
  Compilation compilation = { .session = session, .options = options };
  if (!compilation_read(&compilation)) return STATUS_MODEL;
  if (!compilation_target(&compilation)) return STATUS_USAGE;
  compilation.output = cache_path(&compilation);
  if (!compilation.output) return STATUS_MODEL;
  int status = access(compilation.output, X_OK) == 0 ? STATUS_FINE : compilation_run(&compilation);
  if (status == STATUS_FINE) *launch = (Launch){ compilation.output, trainer_words(session, compilation.output, options->trainer_arguments) };
  return status;
}

/* ---- fmt ---------------------------------------------------------------------------------------------------------------- */

static bool file_format(Session *session, const char *path, bool check) {
  const Source *source = source_read(session, path);
  const char *text = source ? syntax_format(session, source) : NULL;
  if (!text) return false;
  bool standard_input = strcmp(path, "-") == 0, canonical = strcmp(text, source->text) == 0;
  if (check && !canonical) {
    Diagnostic *diagnostic = diagnostic_report(session, E5020, (Span){ 0 }, NULL);
    diagnostic_title(diagnostic, "%s is not in the canonical form", standard_input ? "standard input" : path);
    if (!standard_input) diagnostic_hint(diagnostic, "ganc fmt %s", path);
    return false;
  }
  if (check || (canonical && !standard_input)) return true;
  OutputFile file;
  if (!output_open(session, path, &file)) return false;
  fputs(text, file.stream);
  return output_close(session, &file, true);
}

static int command_fmt(Session *session, const Options *options, Launch *launch) {
  (void)launch;
  bool fine = true;
  for (int at = 0; at < options->input_count; at++) fine = file_format(session, options->inputs[at], options->check) && fine;
  return fine ? STATUS_FINE : STATUS_MODEL;
}

/* ---- explain ---------------------------------------------------------------------------------------------------------------- */

static const struct { const char *code, *title; } titles[] = {
#define DIAGNOSTIC(code, severity, title) { #code, title },
#include "lang/diagnostics.def"
#undef DIAGNOSTIC
};

static int command_explain(Session *session, const Options *options, Launch *launch) {
  (void)launch;
  DiagnosticCode code;
  if (options->input_count == 0) {
    for (int at = 0; at < DIAGNOSTIC_CODE_COUNT; at++) printf("%s  %s\n", titles[at].code, titles[at].title);
    return STATUS_FINE;
  }
  const char *name = options->inputs[0];
  if (!diagnostic_code_find(name, &code)) {
    const char *names[DIAGNOSTIC_CODE_COUNT];
    for (int at = 0; at < DIAGNOSTIC_CODE_COUNT; at++) names[at] = titles[at].code;
    Diagnostic *diagnostic = diagnostic_report(session, E5013, (Span){ 0 }, NULL);
    diagnostic_title(diagnostic, "the code %s is unknown", name);
    const char *nearest = diagnostic_nearest(name, names, DIAGNOSTIC_CODE_COUNT);
    if (nearest) diagnostic_hint(diagnostic, "did you mean `%s`?", nearest);
    return STATUS_USAGE;
  }
  const EmbeddedFile *page = embedded_find(session_format(session, "explain/%s.md", titles[code].code));
  if (page) fwrite(page->bytes, 1, page->size, stdout);
  else printf("# %s: %s\n", titles[code].code, titles[code].title);
  return STATUS_FINE;
}

/* ---- one row a command --------------------------------------------------------------------------------------------------------- */

typedef int CommandFunction(Session *session, const Options *options, Launch *launch);

static CommandFunction *const functions[] = {
#define COMMAND(name, NAME, arguments, help) command_##name,
#define OPTION(name, letter, value, commands, help)
#include "compiler/options.def"
#undef COMMAND
#undef OPTION
};

int command_execute(Session *session, const Options *options, Launch *launch) { return functions[options->command](session, options, launch); }
