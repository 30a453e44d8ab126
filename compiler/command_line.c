/* The command line: words in, options out, help from the same rows.
   Takes the arguments of main; returns CommandLine; messages point into the command line as into a source. Never opens
   a file. */
#include "compiler/compiler.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define OFTEN (1u << 31) /* beside commands: may be given several times */

typedef struct CommandRow {
  const char *name, *arguments, *help;
} CommandRow;

static const CommandRow commands[] = {
#define COMMAND(name, NAME, arguments, help) {#name, arguments, help},
#define OPTION(name, letter, value, commands, help)
#include "compiler/options.def"
#undef COMMAND
#undef OPTION
};

typedef enum OptionNumber {
#define COMMAND(name, NAME, arguments, help)
#define OPTION(name, letter, value, commands, help) OPTION_##name,
#include "compiler/options.def"
#undef COMMAND
#undef OPTION
  OPTION_COUNT
} OptionNumber;

/* The words under way, and the text that carets point into. */
typedef struct Line {
  Session *session;
  CommandLine *options;
  int count;
  char *const *words;
  const Source *source; /* all words, one blank between; NULL if they are no text */
  uint32_t *from;       /* of each word in that text */
  int at;               /* the word under way */
  uint32_t given;       /* set of options */
  bool options_over;    /* after `--` */
} Line;

/* ---- places ------------------------------------------------------------------------------------------------------ */

static void line_source(Line *line) {
  const char *text = "ganc";
  uint32_t length = 4;
  line->from = session_allocate(line->session, (size_t)(line->count + 1) * sizeof *line->from);
  for (int at = 1; at < line->count; at++) {
    text = session_format(line->session, "%s %s", text, line->words[at]);
    line->from[at] = length + 1;
    length += 1 + (uint32_t)strlen(line->words[at]);
  }
  for (const char *byte = text; *byte; byte++) {
    if ((unsigned char)*byte < ' ') return; /* a caret needs a single line */
  }
  Session *scratch = session_new(); /* not UTF-8: the message about that would be about no file */
  bool readable = source_from_text(scratch, "command line", text, length) != NULL;
  session_free(scratch);
  if (readable) line->source = source_from_text(line->session, "command line", text, length);
}

static Span line_span(const Line *line, int word) {
  if (!line->source || word < 1 || word >= line->count) return (Span){0};
  return (Span){line->source, line->from[word], line->from[word] + (uint32_t)strlen(line->words[word])};
}

/* ---- did you mean ------------------------------------------------------------------------------------------------ */

static void hint_nearest(Diagnostic *diagnostic, const char *word, const char *const *names, int count) {
  const char *nearest = diagnostic_nearest(word, names, count);
  if (nearest) diagnostic_hint(diagnostic, "did you mean `%s`?", nearest);
}

static const char *names_list(Session *session, const char *const *names, int count) {
  const char *list = "";
  for (int at = 0; at < count; at++)
    list = session_format(session, "%s%s%s", list, at == 0 ? "" : at + 1 == count ? " or " : ", ", names[at]);
  return list;
}

/* The value is none of the names. */
static bool value_wrong(Line *line, DiagnosticCode code, const char *value, const char *const *names, int count) {
  Diagnostic *diagnostic =
      diagnostic_report(line->session, code, line_span(line, line->at), "%s", names_list(line->session, names, count));
  hint_nearest(diagnostic, value, names, count);
  return false;
}

enum { NAME_LIMIT = 32 }; /* that one option chooses from */

/* ---- options: a function per row that takes its value ------------------------------------------------------------ */

static bool take_output(Line *line, const char *value) { return line->options->output = value, true; }
static bool take_march(Line *line, const char *value) { return line->options->march = value, true; }
static bool take_feeds(Line *line, const char *value) { return (void)value, line->options->feeds = true; }
static bool take_check(Line *line, const char *value) { return (void)value, line->options->check = true; }
static bool take_trace(Line *line, const char *value) { return (void)value, line->options->trace = true; }
static bool take_no_diagnose(Line *line, const char *value) { return (void)value, line->options->no_diagnose = true; }
static bool take_time_passes(Line *line, const char *value) { return (void)value, line->options->time_passes = true; }
static bool take_clear(Line *line, const char *value) { return (void)value, line->options->clear = true; }

static bool take_real(Line *line, const char *value) {
  static const RegisterType types[] = {REGISTER_F32, REGISTER_F64};
  const char *const names[] = {register_name(types[0]), register_name(types[1])};
  for (int at = 0; at < 2; at++) {
    if (strcmp(value, names[at]) == 0) return line->options->real = types[at], true;
  }
  return value_wrong(line, E5004, value, names, 2);
}

/* Behind the file of `run`, where words of the trainer follow, too. */
static bool line_behind(const Line *line) {
  return line->options->command == COMMAND_RUN && line->options->input_count > 0;
}

static bool set_already(const char *const *settings, int count, const char *value, size_t name_length) {
  for (int at = 0; at < count; at++) {
    if (strncmp(settings[at], value, name_length + 1) == 0) return true;
  }
  return false;
}

static bool take_set(Line *line, const char *value) {
  CommandLine *options = line->options;
  const char *equals = strchr(value, '=');
  if (!equals || equals == value || !equals[1]) {
    diagnostic_report(line->session, E5004, line_span(line, line->at), "expects NAME=VALUE");
    return false;
  }
  size_t length = (size_t)(equals - value);
  if (set_already(options->settings, options->setting_count, value, length) ||
      set_already(options->open_settings, options->open_count, value, length)) {
    Diagnostic *diagnostic = diagnostic_report(line->session, E5019, line_span(line, line->at), NULL);
    diagnostic_title(diagnostic, "`%.*s` is set twice", (int)length, value);
    return false;
  }
  if (line_behind(line)) options->open_settings[options->open_count++] = value;
  else options->settings[options->setting_count++] = value;
  return true;
}

static const EmitForm forms[] = {
    {"ast", PASS_read, NULL, EMIT_OBJECT},         {"graph", PASS_simplify, NULL, EMIT_OBJECT},
    {"kernels", PASS_schedule, NULL, EMIT_OBJECT}, {"llvm", PASS_emit, NULL, EMIT_LLVM},
    {"asm", PASS_emit, NULL, EMIT_ASSEMBLY},       {"obj", PASS_emit, ".o", EMIT_OBJECT},
};
enum { FORM_COUNT = sizeof forms / sizeof *forms };

static bool take_emit(Line *line, const char *value) {
  const char *names[FORM_COUNT];
  for (int at = 0; at < FORM_COUNT; at++) {
    if (strcmp(value, forms[at].name) == 0) return line->options->emit = &forms[at], true;
    names[at] = forms[at].name;
  }
  return value_wrong(line, E5004, value, names, FORM_COUNT);
}

static bool pass_find(Line *line, const char *value, PassNumber *pass) {
  static const char *const names[] = {
#define PASS(name, status, title) #name,
#include "compiler/passes.def"
#undef PASS
  };
  for (int at = 0; at < PASS_COUNT; at++) {
    if (strcmp(value, names[at]) == 0) return *pass = (PassNumber)at, true;
  }
  return value_wrong(line, E5011, value, names, PASS_COUNT);
}

static bool take_dump_after(Line *line, const char *value) {
  PassNumber pass = PASS_read;
  if (!pass_find(line, value, &pass)) return false;
  line->options->dump_after |= 1u << pass;
  return true;
}

static bool take_stop_after(Line *line, const char *value) {
  return pass_find(line, value, &line->options->stop_after);
}

static bool take_fuse_limit(Line *line, const char *value) {
  char *end;
  long limit = strtol(value, &end, 10);
  if (*value && !*end && limit >= 0 && limit < 1000000) return line->options->fuse_limit = (int)limit, true;
  diagnostic_report(line->session, E5004, line_span(line, line->at), "expects a number, at least 0");
  return false;
}

/* "n57=direct" or "direct". */
static bool wanted_find(Line *line, const char *text, size_t length, WantedStrategy *wanted) {
  const char *equals = memchr(text, '=', length);
  *wanted = (WantedStrategy){.node = -1};
  if (equals != NULL) {
    char *end = NULL;
    long node = *text == 'n' && text[1] >= '0' && text[1] <= '9' ? strtol(text + 1, &end, 10) : -1;
    if (node < 0 || node > INT_MAX || end != equals) {
      diagnostic_report(line->session, E5004, line_span(line, line->at), "expects NAME or nID=NAME, as in n57=nest");
      return false;
    }
    wanted->node = (int)node;
    length -= (size_t)(equals + 1 - text), text = equals + 1;
  }
  const char *names[NAME_LIMIT];
  int count = 0;
  for (; count < NAME_LIMIT && (names[count] = strategy_name(count)) != NULL; count++) {
    if (strlen(names[count]) == length && memcmp(names[count], text, length) == 0)
      return wanted->strategy = count, true;
  }
  return value_wrong(line, E5004, session_intern(line->session, text, length), names, count);
}

static bool take_strategy(Line *line, const char *value) {
  CommandLine *options = line->options;
  for (;; value++) {
    size_t length = strcspn(value, ",");
    WantedStrategy wanted;
    if (!wanted_find(line, value, length, &wanted)) return false;
    ARRAY_ADD(line->session, options->wanted, options->wanted_count, options->wanted_capacity, wanted);
    value += length;
    if (*value == 0) return true;
  }
}

static bool take_without(Line *line, const char *value) {
  const char *names[SUM_RULE_COUNT];
  for (int at = 0; at < SUM_RULE_COUNT; at++) {
    names[at] = sum_rule_rows[at].name;
    if (strcmp(value, names[at]) == 0) return line->options->without |= 1u << at, true;
  }
  return value_wrong(line, E5004, value, names, SUM_RULE_COUNT);
}

typedef struct OptionRow {
  const char *name; /* as it is typed, without -- */
  char letter;
  const char *value;
  unsigned commands;
  const char *help;
  bool (*take)(Line *line, const char *value);
} OptionRow;

static const OptionRow rows[] = {
#define COMMAND(name, NAME, arguments, help)
#define OPTION(name, letter, value, commands, help) {#name, letter, value, commands, help, take_##name},
#include "compiler/options.def"
#undef COMMAND
#undef OPTION
};

/* Rows are named as C names; people type `-` for `_`. */
static const char *option_spelling(const OptionRow *row, char *buffer, size_t size) {
  snprintf(buffer, size, "--%s", row->name);
  for (char *letter = buffer + 2; *letter; letter++) {
    if (*letter == '_') *letter = '-';
  }
  return buffer;
}

enum { SPELLING_SIZE = 32 };

static bool option_knows(const OptionRow *row, CommandNumber command) { return row->commands >> command & 1; }

/* ---- words ------------------------------------------------------------------------------------------------------- */

static bool option_unknown(Line *line, const char *word, const OptionRow *elsewhere) {
  Diagnostic *diagnostic = diagnostic_report(line->session, E5002, line_span(line, line->at), NULL);
  if (elsewhere) {
    for (int command = 0; command < COMMAND_COUNT; command++) {
      if (!option_knows(elsewhere, (CommandNumber)command)) continue;
      diagnostic_hint(diagnostic, "it belongs to `ganc %s`", commands[command].name);
      return false;
    }
  }
  char(*spellings)[SPELLING_SIZE] = session_allocate(line->session, OPTION_COUNT * sizeof *spellings);
  const char *names[OPTION_COUNT + 1];
  int count = 0;
  for (int at = 0; at < OPTION_COUNT; at++) {
    if (option_knows(&rows[at], line->options->command))
      names[count++] = option_spelling(&rows[at], spellings[at], SPELLING_SIZE);
  }
  names[count++] = "--help";
  hint_nearest(diagnostic, word, names, count);
  return false;
}

static size_t option_length(const char *word) { return strcspn(word, "="); }

static const OptionRow *option_find(const char *word) {
  char spelling[SPELLING_SIZE];
  for (int at = 0; at < OPTION_COUNT; at++) {
    bool by_letter = rows[at].letter && word[0] == '-' && word[1] == rows[at].letter && !word[2];
    size_t length = strlen(option_spelling(&rows[at], spelling, sizeof spelling));
    if (by_letter || (length == option_length(word) && memcmp(spelling, word, length) == 0)) return &rows[at];
  }
  return NULL;
}

/* -x VALUE, --name VALUE, --name=VALUE. */
static bool option_take(Line *line) {
  const char *word = line->words[line->at], *equals = strchr(word, '=');
  const OptionRow *found = option_find(word);
  if (!found || !option_knows(found, line->options->command)) {
    return option_unknown(line, session_intern(line->session, word, option_length(word)), found);
  }
  uint32_t bit = 1u << (found - rows);
  if (line->given & bit && found->value && !(found->commands & OFTEN)) {
    Diagnostic *diagnostic = diagnostic_report(line->session, E5019, line_span(line, line->at), NULL);
    diagnostic_title(diagnostic, "this option is given twice");
    return false;
  }
  line->given |= bit;
  if (!found->value) {
    if (!equals) return found->take(line, NULL);
    diagnostic_report(line->session, E5004, line_span(line, line->at), "takes no value");
    return false;
  }
  bool joined = equals && strncmp(word, "--", 2) == 0, alone = !joined && line->at + 1 >= line->count;
  const char *value = joined ? equals + 1 : alone ? "" : line->words[line->at + 1];
  if (!*value) { /* as in -o "$nothing", too */
    diagnostic_report(line->session, E5003, line_span(line, line->at), "expects %s", found->value);
    return false;
  }
  line->at += !joined;
  return found->take(line, value);
}

/* Behind the file of `run`, what is no option of ganc's belongs to the trainer, and everything once `--` has been
   met. */
static bool word_take(Line *line) {
  CommandLine *options = line->options;
  const char *word = line->words[line->at];
  bool dashed = word[0] == '-' && word[1] && !line->options_over, behind = line_behind(line);
  if (dashed && strcmp(word, "--") == 0) return line->options_over = true;
  const OptionRow *ours = dashed ? option_find(word) : NULL;
  if (dashed && (!behind || (ours && option_knows(ours, COMMAND_RUN)))) return option_take(line);
  if (behind) options->trainer_arguments[options->trainer_count++] = word;
  else options->inputs[options->input_count++] = word;
  return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool command_find(Line *line, const char *word) {
  const char *names[COMMAND_COUNT];
  for (int at = 0; at < COMMAND_COUNT; at++) {
    names[at] = commands[at].name;
    if (strcmp(word, names[at]) == 0) return line->options->command = (CommandNumber)at, true;
  }
  line->at = 1;
  return value_wrong(line, E5001, word, names, COMMAND_COUNT);
}

static bool options_agree(Line *line) {
  CommandLine *options = line->options;
  const CommandRow *command = &commands[options->command];
  bool none = !*command->arguments, optional = none || *command->arguments == '[';
  bool many = strstr(command->arguments, "...") != NULL;
  if (options->input_count == 0 && !optional) {
    Diagnostic *diagnostic = diagnostic_report(line->session, E5005, (Span){0}, NULL);
    diagnostic_hint(diagnostic, "ganc %s %s", command->name, command->arguments);
    return false;
  }
  if (options->input_count > !none && !many) {
    Diagnostic *diagnostic = diagnostic_report(line->session, E5018, (Span){0}, NULL);
    if (none) diagnostic_title(diagnostic, "`ganc %s` takes no file", command->name);
    return false;
  }
  if (options->emit && options->stop_after != PASS_link) {
    diagnostic_title(diagnostic_report(line->session, E5019, (Span){0}, NULL),
                     "--emit and --stop-after both say where to stop");
    return false;
  }
  if (options->real == REGISTER_F64) options->feeds = true;
  if (options->emit) options->stop_after = options->emit->last;
  return true;
}

bool command_line_parse(Session *session, int count, char *const *words, CommandLine *options) {
  *options = (CommandLine){.command = COMMAND_HELP,
                           .topic = COMMAND_COUNT,
                           .real = REGISTER_F32,
                           .march = "native",
                           .fuse_limit = -1,
                           .stop_after = PASS_link};
  options->inputs = session_allocate(session, (size_t)(count + 1) * sizeof *options->inputs);
  options->settings = session_allocate(session, (size_t)(count + 1) * sizeof *options->settings);
  options->open_settings = session_allocate(session, (size_t)(count + 1) * sizeof *options->open_settings);
  options->trainer_arguments = session_allocate(session, (size_t)(count + 1) * sizeof *options->trainer_arguments);
  Line line = {.session = session, .options = options, .count = count, .words = words};
  line_source(&line);
  if (count < 2 || strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0 || strcmp(words[1], "help") == 0)
    return true;
  if (strcmp(words[1], "--version") == 0) return options->command = COMMAND_VERSION, true;
  if (!command_find(&line, words[1])) return false;
  bool fine = true;
  for (line.at = 2; line.at < count; line.at++) {
    bool asks = strcmp(words[line.at], "--help") == 0 || strcmp(words[line.at], "-h") == 0;
    if (asks && !line.options_over && !line_behind(&line))
      return options->topic = options->command, options->command = COMMAND_HELP, true;
    fine = word_take(&line) && fine;
  }
  return fine && options_agree(&line);
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

void command_line_help(FILE *out, CommandNumber topic) {
  if (topic >= COMMAND_COUNT) {
    fputs("ganc compiles adversarial models into trainers.\n\n", out);
    for (int at = 0; at < COMMAND_COUNT; at++)
      fprintf(out, "  ganc %-8s%-24s%s\n", commands[at].name, commands[at].arguments, commands[at].help);
    fputs("\n  `ganc COMMAND --help` lists its options; `ganc --version` names this build. FILE may be a pipe, or -, "
          "standard input.\n"
          "  Status: 0 fine, 1 the model is wrong, 2 the command line is wrong, 70 ganc is wrong.\n",
          out);
    return;
  }
  fprintf(out, "ganc %s %s\n%s\n\n", commands[topic].name, commands[topic].arguments, commands[topic].help);
  for (int at = 0; at < OPTION_COUNT; at++) {
    if (!option_knows(&rows[at], topic)) continue;
    char letter[8] = "    ", spelling[SPELLING_SIZE], both[2 * SPELLING_SIZE];
    if (rows[at].letter) snprintf(letter, sizeof letter, "-%c, ", rows[at].letter);
    snprintf(both, sizeof both, "%s %s", option_spelling(&rows[at], spelling, sizeof spelling),
             rows[at].value ? rows[at].value : "");
    fprintf(out, "  %s%-24s%s\n", letter, both, rows[at].help);
  }
  if (topic == COMMAND_RUN) {
    fputs(
        "\n  These are ganc's, before FILE and behind it. All else behind FILE is the trainer's: `ganc run FILE train "
        "--help`\n"
        "  lists the options of `train`, which is run where no command is given. --set behind FILE goes to the build "
        "where\n"
        "  the setting decides a shape, a branch or a bound, else to the trainer. What follows `--` is never ganc's.\n",
        out);
  }
  if (option_knows(&rows[OPTION_strategy], topic)) {
    fputs("\n  Strategies (--dump-after=schedule says which were taken, and what the others would cost):\n", out);
    for (int at = 0; strategy_name(at) != NULL; at++)
      fprintf(out, "    %-16s%s\n", strategy_name(at), strategy_title(at));
  }
  if (!option_knows(&rows[OPTION_dump_after], topic)) return;
  fputs("\n  Passes:\n", out);
#define PASS(name, status, title) fprintf(out, "    %-16s%s\n", #name, title);
#include "compiler/passes.def"
#undef PASS
}
