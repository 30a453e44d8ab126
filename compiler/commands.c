/* What each command does: build, check, run, fmt, explain, cache.
   Takes options; returns a status, and for `run` what to execute next. Never parses words and never prints a message
   itself. */
#include "compiler/compiler.h"

#include <string.h>
#include <sys/stat.h>

/* ---- build, check, run ------------------------------------------------------------------------------------------- */

/* The file's name without folders and ending, with another ending. */
static const char *model_output(Session *session, const char *input, const char *ending) {
  const char *slash = strrchr(input, '/'), *name = slash ? slash + 1 : input;
  size_t length = strlen(name);
  if (length > 4 && strcmp(name + length - 4, ".gan") == 0) length -= 4;
  else if (!*ending) ending = ".trainer"; /* never over the model itself */
  return session_format(session, "%.*s%s", (int)length, name, ending);
}

/* Standard input, a pipe, a device: nothing that could give a file its name. */
static bool input_nameless(const char *input) {
  struct stat status;
  return strcmp(input, "-") == 0 || (stat(input, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode));
}

/* Does what is printed, or written, lie where the model does? */
static bool output_refused(Session *session, const char *input, const char *output) {
  if (!output_is_input(output, input)) return false;
  Diagnostic *diagnostic = diagnostic_report(session, E5023, (Span){0}, NULL);
  bool printed = strcmp(output, "-") == 0;
  diagnostic_title(diagnostic, "%s is the model itself", printed ? "standard output" : output);
  diagnostic_hint(diagnostic, printed ? "print to another file" : "-o says where the result goes");
  return true;
}

static int command_build(Session *session, const CommandLine *options, Launch *launch) {
  (void)launch;
  Compilation compilation = {.session = session, .options = options, .output = options->output};
  const EmitForm *form = options->emit;
  const char *input = options->inputs[0];
  bool writes = form || options->stop_after == PASS_link;
  if (!compilation.output && form && !form->ending) compilation.output = "-";
  if (!compilation.output && writes && input_nameless(input)) {
    const char *what = strcmp(input, "-") == 0 ? "standard input" : "what is no regular file";
    diagnostic_title(diagnostic_report(session, E5003, (Span){0}, NULL), "a model from %s needs -o FILE", what);
    return STATUS_USAGE;
  }
  if (!compilation.output) compilation.output = model_output(session, input, form ? form->ending : "");
  if (writes && output_refused(session, input, compilation.output)) return STATUS_USAGE;
  if (options->dump_after && output_refused(session, input, "-")) return STATUS_USAGE;
  return compilation_run(&compilation);
}

/* All that can be wrong with a model is known once it is differentiated. */
static int command_check(Session *session, const CommandLine *options, Launch *launch) {
  (void)launch;
  CommandLine checking = *options;
  if (checking.stop_after == PASS_link) checking.stop_after = PASS_differentiate;
  Compilation compilation = {.session = session, .options = &checking};
  if (options->dump_after && output_refused(session, options->inputs[0], "-")) return STATUS_USAGE;
  return compilation_run(&compilation);
}

static bool setting_free(const Model *model, const char *setting) {
  size_t length = strcspn(setting, "=");
  for (int at = 0; at < model->setting_count; at++) {
    const char *name = model->settings[at].name;
    if (strlen(name) == length && memcmp(name, setting, length) == 0) return model->settings[at].tensor >= 0;
  }
  return false;
}

/* Whose are the settings behind the file? Those that decide a shape, a branch or a bound are the build's, and so is
   what no trainer would understand: the model is expanded to see it, again after some have moved, since another branch
   may be taken then. The rest stays open, for the trainer. */
static void settings_sort(const Source *source, CommandLine *options) {
  for (bool moved = true; moved && options->open_count > 0;) {
    Session *scratch = session_new();
    CommandLine trial = *options;
    trial.stop_after = PASS_expand;
    Compilation compilation = {.session = scratch, .options = &trial, .source = source};
    bool fine = compilation_run(&compilation) == STATUS_FINE;
    int left = 0;
    for (int at = 0; at < options->open_count; at++) {
      const char *setting = options->open_settings[at];
      if (fine && setting_free(compilation.model, setting)) options->open_settings[left++] = setting;
      else options->settings[options->setting_count++] = setting;
    }
    moved = left < options->open_count;
    options->open_count = left;
    session_free(scratch);
  }
}

/* The trainer's words: its path, a command (`train` unless one is given), the rest, settings. */
static char *const *trainer_words(Session *session, const char *path, const CommandLine *options) {
  size_t room = 3 + (size_t)options->trainer_count + 2 * (size_t)options->open_count;
  const char **words = session_allocate(session, room * sizeof *words);
  int length = 0;
  words[length++] = path;
  if (options->trainer_count == 0 || options->trainer_arguments[0][0] == '-') words[length++] = "train";
  for (int at = 0; at < options->trainer_count; at++) words[length++] = options->trainer_arguments[at];
  for (int at = 0; at < options->open_count; at++) {
    words[length++] = "--set";
    words[length++] = options->open_settings[at];
  }
  return (char *const *)(uintptr_t)words; /* exec takes but does not change them */
}

static int command_run(Session *session, const CommandLine *given, Launch *launch) {
  CommandLine options = *given;
  Compilation compilation = {.session = session, .options = &options, .sealed = true};
  if (!compilation_read(&compilation)) return STATUS_MODEL;
  if (!compilation_target(&compilation)) return STATUS_USAGE;
  settings_sort(compilation.source, &options);
  compilation.output = cache_path(&compilation);
  if (!compilation.output) return STATUS_MODEL;
  enum { BUILDS = 2 }; /* another process may empty the cache behind the first */
  int trainer = cache_find(compilation.output);
  for (int build = 0; trainer < 0 && build < BUILDS; build++) {
    int status = compilation_run(&compilation);
    if (status != STATUS_FINE) return status;
    cache_trim(session, compilation.output);
    trainer = cache_find(compilation.output);
  }
  *launch = (Launch){compilation.output, trainer, trainer_words(session, compilation.output, &options)};
  return STATUS_FINE;
}

/* ---- fmt --------------------------------------------------------------------------------------------------------- */

static bool file_format(Session *session, const char *path, bool check) {
  const Source *source = source_read(session, path);
  const char *text = source ? syntax_format(session, source) : NULL;
  if (!text) return false;
  bool standard_input = strcmp(path, "-") == 0, canonical = strcmp(text, source->text) == 0;
  if (check && !canonical) {
    Diagnostic *diagnostic = diagnostic_report(session, E5020, (Span){0}, NULL);
    diagnostic_title(diagnostic, "%s is not in the canonical form", standard_input ? "standard input" : path);
    if (!standard_input) diagnostic_hint(diagnostic, "ganc fmt %s", path);
    return false;
  }
  if (check || (canonical && !standard_input)) return true;
  if (standard_input && output_refused(session, path, "-")) return false;
  if (standard_input || !input_nameless(path)) return output_write(session, path, text, strlen(text), 0666);
  Diagnostic *diagnostic = diagnostic_report(session, E5006, (Span){0}, NULL);
  diagnostic_title(diagnostic, "%s is no regular file: it cannot be put into another form", path);
  diagnostic_hint(diagnostic, "`ganc fmt -` reads standard input and prints");
  return false;
}

static int command_fmt(Session *session, const CommandLine *options, Launch *launch) {
  (void)launch;
  bool fine = true;
  for (int at = 0; at < options->input_count; at++)
    fine = file_format(session, options->inputs[at], options->check) && fine;
  return fine ? STATUS_FINE : STATUS_MODEL;
}

/* ---- explain ----------------------------------------------------------------------------------------------------- */

static const struct {
  const char *code, *title;
} titles[] = {
#define DIAGNOSTIC(code, severity, title) {#code, title},
#include "lang/diagnostics.def"
#undef DIAGNOSTIC
};

static int codes_print(Session *session) {
  OutputFile out;
  if (!output_open(session, "-", &out)) return STATUS_MODEL;
  for (int at = 0; at < DIAGNOSTIC_CODE_COUNT; at++) fprintf(out.stream, "%s  %s\n", titles[at].code, titles[at].title);
  return output_close(session, &out) ? STATUS_FINE : STATUS_MODEL;
}

static int command_explain(Session *session, const CommandLine *options, Launch *launch) {
  (void)launch;
  DiagnosticCode code;
  if (options->input_count == 0) return codes_print(session);
  const char *name = options->inputs[0];
  if (!diagnostic_code_find(name, &code)) {
    const char *names[DIAGNOSTIC_CODE_COUNT];
    for (int at = 0; at < DIAGNOSTIC_CODE_COUNT; at++) names[at] = titles[at].code;
    Diagnostic *diagnostic = diagnostic_report(session, E5013, (Span){0}, NULL);
    diagnostic_title(diagnostic, "the code %s is unknown", name);
    const char *nearest = diagnostic_nearest(name, names, DIAGNOSTIC_CODE_COUNT);
    if (nearest) diagnostic_hint(diagnostic, "did you mean `%s`?", nearest);
    return STATUS_USAGE;
  }
  const EmbeddedFile *page = embedded_find(session_format(session, "explain/%s.md", titles[code].code));
  const char *text = page ? page->bytes : session_format(session, "# %s: %s\n", titles[code].code, titles[code].title);
  return output_write(session, "-", text, strlen(text), 0666) ? STATUS_FINE : STATUS_MODEL;
}

/* ---- cache ------------------------------------------------------------------------------------------------------- */

static int command_cache(Session *session, const CommandLine *options, Launch *launch) {
  (void)launch;
  OutputFile out;
  if (!output_open(session, "-", &out)) return STATUS_MODEL;
  bool fine = options->clear ? cache_clear(session, out.stream) : cache_list(session, out.stream);
  return output_close(session, &out) && fine ? STATUS_FINE : STATUS_MODEL;
}

/* ---- one row a command ------------------------------------------------------------------------------------------- */

typedef int CommandFunction(Session *session, const CommandLine *options, Launch *launch);

static CommandFunction *const functions[] = {
#define COMMAND(name, NAME, arguments, help) command_##name,
#define OPTION(name, letter, value, commands, help)
#include "compiler/options.def"
#undef COMMAND
#undef OPTION
};

int command_execute(Session *session, const CommandLine *options, Launch *launch) {
  return functions[options->command](session, options, launch);
}
