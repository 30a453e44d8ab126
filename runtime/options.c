/* The command line of a trainer. Takes arguments; returns Options, or a message that names the option, what it expects
   and what was found. A table of options and one of commands make parsing, help and suggestions. Never looks at the
   model beyond printing its name, never opens a file. */
#include "runtime/runtime.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef enum OptionKind { OPTION_FLAG, OPTION_TEXT, OPTION_COUNT, OPTION_SEED, OPTION_ASSIGNMENT } OptionKind;
enum {
#define COMMAND(NAME, name, help) NAME = 1 << COMMAND_##NAME,
#include "runtime/commands.def"
#undef COMMAND
  EVERYWHERE = (1 << COMMAND_COUNT) - 1,
  RUNS = EVERYWHERE & ~INFO /* what runs the model */
};

typedef struct OptionRow {
  const char *name, *value;
  OptionKind kind;
  unsigned commands;
  size_t field, given;
  int64_t least, most;
  const char *help;
} OptionRow;

#define FIELD(field) offsetof(Options, field), 0
#define FIELD_GIVEN(field, given) offsetof(Options, field), offsetof(Options, given)
static const OptionRow option_rows[] = {
    {"data", "x=SPEC", OPTION_ASSIGNMENT, RUNS, FIELD(data), 0, 0,
     "where x comes from: fashion-mnist, ring, grid, or a file (.npy, .npz, IDX, or .gz of these)"},
    {"steps", "N", OPTION_COUNT, TRAIN | BENCH, FIELD_GIVEN(steps, has_steps), 0, (int64_t)LENGTH_LIMIT,
     "rounds of `train` in all, whatever the model says"},
    {"seed", "S", OPTION_SEED, RUNS, FIELD_GIVEN(seed, has_seed), 0, 0,
     "what all draws and initial values come from (1)"},
    {"threads", "T", OPTION_COUNT, EVERYWHERE, FIELD(threads), 1, THREAD_LIMIT,
     "any number gives the same bits (as many as there are processors)"},
    {"run", "DIR", OPTION_TEXT, TRAIN | SAMPLE | EVAL | DIAGNOSE, FIELD(run), 0, 0,
     "the run's folder (a new run: runs/MODEL-N; else the one saved last)"},
    {"resume", NULL, OPTION_FLAG, TRAIN, FIELD(resume), 0, 0, "go on from the run's newest checkpoint"},
    {"accept-changes", NULL, OPTION_FLAG, TRAIN, FIELD(accept_changes), 0, 0,
     "--resume with other data, feeds, precision or settings than the run had"},
    {"set", "name=value", OPTION_ASSIGNMENT, RUNS, FIELD(settings), 0, 0,
     "change a setting of the model; `info` lists them"},
    {"init", "W.safetensors", OPTION_TEXT, TRAIN | BENCH | DIAGNOSE, FIELD(init), 0, 0,
     "start from these weights and states, by name; says what fits"},
    {"rename", "OLD=NEW,..", OPTION_TEXT, TRAIN | BENCH | DIAGNOSE | SAMPLE | EVAL, FIELD(rename), 0, 0,
     "change the names in that file: 'module.=,conv1=Conv_1,=G.' takes a part away, renames one, puts one in front"},
    {"feed", "name=FILE", OPTION_ASSIGNMENT, RUNS, FIELD(feeds), 0, 0,
     "take this data or noise from such a file, row by row; `info` lists names and shapes"},
    {"dry-run", NULL, OPTION_FLAG, TRAIN, FIELD(dry_run), 0, 0, "check everything, train nothing, write nothing"},
    {"log-every", "N", OPTION_COUNT, TRAIN, FIELD(log_every), 1, INT64_MAX, "steps between lines of stats.jsonl (100)"},
    {"sample-every", "N", OPTION_COUNT, TRAIN, FIELD(sample_every), 0, INT64_MAX,
     "steps between sample grids, 0 for none (500)"},
    {"checkpoint-every", "N", OPTION_COUNT, TRAIN, FIELD(checkpoint_every), 0, INT64_MAX,
     "steps between checkpoints, 0 for only the last (1000)"},
    {"keep", "N", OPTION_COUNT, TRAIN, FIELD(keep), 0, 1 << 20,
     "newest sound checkpoints that are kept, 0 for all (2)"},
    {"keep-samples", "N", OPTION_COUNT, TRAIN, FIELD(keep_samples), 0, 1 << 30,
     "pictures of an output, spread over the run; 0 keeps all (256)"},
    {"weights", "F.safetensors", OPTION_TEXT, SAMPLE | EVAL, FIELD(weights), 0, 0,
     "these weights, not the newest of a run"},
    {"output", "NAME", OPTION_TEXT, SAMPLE | EVAL, FIELD(output), 0, 0,
     "which output of the model (its first random one)"},
    {"against", "NAME", OPTION_TEXT, EVAL, FIELD(against), 0, 0,
     "which data of the model the samples are measured against, where several have their shape"},
    {"count", "N", OPTION_COUNT, SAMPLE | EVAL, FIELD(count), 1, 1 << 24, "samples (sample: 64, eval: 10,000)"},
    {"directions", "N", OPTION_COUNT, EVAL | DIAGNOSE, FIELD(directions), 1, 1 << 20,
     "random directions (eval: 512, diagnose: 4)"},
    {"o", "F.png|F.npy", OPTION_TEXT, SAMPLE, FIELD(file), 0, 0, "where samples go; the ending decides how"},
    {"json", NULL, OPTION_FLAG, INFO | BENCH | EVAL, FIELD(json), 0, 0, "for programs instead of people"},
    {"help", NULL, OPTION_FLAG, EVERYWHERE, FIELD(help), 0, 0, "this text"},
    {"version", NULL, OPTION_FLAG, EVERYWHERE, FIELD(version), 0, 0, "model, processor and compiler of this trainer"},
};
enum { OPTION_COUNT_OF_ROWS = sizeof option_rows / sizeof *option_rows };

static const struct {
  const char *name, *help;
} command_rows[COMMAND_COUNT] = {
#define COMMAND(NAME, name, help) {#name, help},
#include "runtime/commands.def"
#undef COMMAND
};

typedef struct CommandList {
  char text[128];
} CommandList; /* "train, sample or eval" */

/* last: what stands before the last one. */
static CommandList command_list(unsigned commands, const char *last) {
  CommandList list = {""};
  for (int k = 0; k < COMMAND_COUNT; k++) {
    size_t length = strlen(list.text);
    const char *between = !length ? "" : commands >> k == 1 ? last : ", ";
    if (commands >> k & 1)
      snprintf(list.text + length, sizeof list.text - length, "%s%s", between, command_rows[k].name);
  }
  return list;
}

static const char *nearest_option(const char *wanted, size_t length, unsigned command) {
  const char *names[OPTION_COUNT_OF_ROWS];
  size_t count = 0;
  for (int k = 0; k < OPTION_COUNT_OF_ROWS; k++)
    if (option_rows[k].commands & command) names[count++] = option_rows[k].name;
  return nearest_name(wanted, length, names, count);
}

/* ---- one option -------------------------------------------------------------------------------------------------- */

static const char *dashes(const char *name) { return name[1] ? "--" : "-"; }

static bool complain(const char *program, const char *command, Problem *problem) {
  report_error(program, problem);
  fprintf(stderr, "%s %s%s--help lists the options\n", program, command, command[0] ? " " : "");
  return false;
}

static bool read_whole_number(const OptionRow *row, const char *text, int64_t *number, Problem *problem) {
  char digits[32], *end;
  size_t length = 0;
  const char *at = text;
  for (; *at && length < sizeof digits - 1; at++)
    if (*at != '_' && *at != ',') digits[length++] = *at;
  digits[*at ? 0 : length] = 0; /* longer than any whole number: none */
  errno = 0;
  long long value = strtoll(digits, &end, 10);
  if (end == digits || *end || errno)
    return problem_set(problem, "--%s expects a whole number, found \"%s\"", row->name, text);
  if (value < row->least)
    return problem_set(problem, "--%s must be at least %lld, found %lld", row->name, (long long)row->least, value);
  if (value > row->most)
    return problem_set(problem, "--%s must be at most %lld, found %lld", row->name, (long long)row->most, value);
  *number = value;
  return true;
}

static bool read_seed(const OptionRow *row, const char *text, uint64_t *seed, Problem *problem) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 0);
  if (text[0] == 0 || text[0] == '-' || *end || errno)
    return problem_set(problem, "--%s expects a whole number from 0 to 2^64 - 1, found \"%s\"", row->name, text);
  *seed = value;
  return true;
}

bool assignment_names(const Assignment *assignment, const char *name) {
  return strlen(name) == assignment->name_length && memcmp(name, assignment->name, assignment->name_length) == 0;
}

static bool read_assignment(const OptionRow *row, const char *text, Assignments *list, Problem *problem) {
  const char *equals = strchr(text, '=');
  if (!equals || equals == text || !equals[1])
    return problem_set(problem, "--%s expects %s, found \"%s\"", row->name, row->value, text);
  if (list->count == ASSIGNMENT_LIMIT)
    return problem_set(problem, "--%s was given more than %d times", row->name, ASSIGNMENT_LIMIT);
  for (int k = 0; k < list->count; k++)
    if (list->items[k].name_length == (size_t)(equals - text) &&
        memcmp(list->items[k].name, text, list->items[k].name_length) == 0)
      return problem_set(problem, "--%s was given twice for %.*s", row->name, (int)(equals - text), text);
  list->items[list->count++] = (Assignment){text, (size_t)(equals - text), equals + 1};
  return true;
}

static bool read_value(Options *options, const OptionRow *row, const char *text, Problem *problem) {
  void *field = (char *)options + row->field;
  if (row->given) *(bool *)((char *)options + row->given) = true;
  switch (row->kind) {
  case OPTION_FLAG: return *(bool *)field = true;
  case OPTION_TEXT:
    *(const char **)field = text;
    return text[0] || problem_set(problem, "%s%s expects %s, found nothing", dashes(row->name), row->name, row->value);
  case OPTION_COUNT: return read_whole_number(row, text, field, problem);
  case OPTION_SEED: return read_seed(row, text, field, problem);
  case OPTION_ASSIGNMENT: return read_assignment(row, text, field, problem);
  }
  return false;
}

static const OptionRow *find_option(const char *name, size_t length) {
  for (int k = 0; k < OPTION_COUNT_OF_ROWS; k++)
    if (strlen(option_rows[k].name) == length && memcmp(option_rows[k].name, name, length) == 0) return &option_rows[k];
  return length == 1 && name[0] == 'h' ? find_option("help", 4) : NULL;
}

/* Options that were given, as bits in the order of the rows. */
typedef uint64_t OptionSet;
_Static_assert(OPTION_COUNT_OF_ROWS <= 64, "a set of options has a bit for each row");

/* arguments[*at] is an option; leaves *at behind what it took. */
static bool read_option(Options *options, int count, char **arguments, int *at, unsigned command,
                        const char *command_name, OptionSet *before, Problem *problem) {
  const char *argument = arguments[(*at)++], *name = argument + strspn(argument, "-");
  size_t length = strcspn(name, "=");
  const OptionRow *row = find_option(name, length);
  if (argument[0] != '-')
    return problem_set(problem, "\"%s\" is not an option; what can be given starts with --", argument);
  if (!row) {
    const char *near = nearest_option(name, length, command);
    return problem_set(problem, "there is no option \"%.*s\"%s%s%s", (int)(name - argument + (ptrdiff_t)length),
                       argument, near ? "; did you mean " : "", near ? dashes(near) : "", near ? near : "");
  }
  if (!(row->commands & command))
    return problem_set(problem, "%s%s does not belong to `%s`, but to: %s", dashes(row->name), row->name, command_name,
                       command_list(row->commands, ", ").text);
  OptionSet bit = (OptionSet)1 << (row - option_rows);
  if (*before & bit && row->kind != OPTION_ASSIGNMENT && row->kind != OPTION_FLAG)
    return problem_set(problem, "%s%s was given twice", dashes(row->name), row->name);
  *before |= bit;
  if (row->kind == OPTION_FLAG) {
    if (name[length]) return problem_set(problem, "--%s takes no value, found \"%s\"", row->name, name + length + 1);
    return read_value(options, row, "", problem);
  }
  if (name[length]) return read_value(options, row, name + length + 1, problem);
  if (*at == count)
    return problem_set(problem, "%s%s expects %s, found nothing", dashes(row->name), row->name, row->value);
  return read_value(options, row, arguments[(*at)++], problem);
}

bool options_read(Options *options, int count, char **arguments, const char *program) {
  Problem problem;
  *options = (Options){.command = COMMAND_COUNT,
                       .seed = 1,
                       .log_every = 100,
                       .sample_every = 500,
                       .checkpoint_every = 1000,
                       .keep = 2,
                       .keep_samples = 256};
  int at = 1;
  if (at < count && arguments[at][0] != '-') {
    const char *names[COMMAND_COUNT];
    for (int k = 0; k < COMMAND_COUNT; k++) {
      names[k] = command_rows[k].name;
      if (strcmp(arguments[at], names[k]) == 0) options->command = (CommandKind)k;
    }
    if (options->command == COMMAND_COUNT) {
      const char *near = nearest_name(arguments[at], strlen(arguments[at]), names, COMMAND_COUNT);
      problem_set(&problem, "there is no command \"%s\"%s%s", arguments[at], near ? "; did you mean " : "",
                  near ? near : "");
      return complain(program, "", &problem);
    }
    at++;
  }
  bool has_command = options->command != COMMAND_COUNT;
  OptionSet before = 0;
  const char *command_name = has_command ? command_rows[options->command].name : "";
  while (at < count)
    if (!read_option(options, count, arguments, &at, has_command ? 1u << options->command : ~0u, command_name, &before,
                     &problem))
      return complain(program, command_name, &problem);
  if (options->rename && !options->init && !options->weights) {
    problem_set(&problem, "--rename changes the names of a file that --init or --weights gives; neither is there");
    return complain(program, command_name, &problem);
  }
  if (has_command || options->help || options->version) return true;
  problem_set(&problem, "a command is missing: %s", command_list(EVERYWHERE, " or ").text);
  return complain(program, "", &problem);
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static void print_options(unsigned command) {
  for (int k = 0; k < OPTION_COUNT_OF_ROWS; k++) {
    const OptionRow *row = &option_rows[k];
    char left[64];
    if (!(row->commands & command)) continue;
    snprintf(left, sizeof left, "%s%s %s", dashes(row->name), row->name, row->value ? row->value : "");
    printf("  %-24s %s\n", left, row->help);
  }
}

void options_help(const Options *options, const char *program, const Descriptor *model) {
  if (options->command != COMMAND_COUNT) {
    printf("%s %s [options]: %s\n\n", program, command_rows[options->command].name,
           command_rows[options->command].help);
    print_options(1u << options->command);
    return;
  }
  printf("Trainer of the model %s (%s), compiled by ganc.\n\n%s COMMAND [options]\n\n", model->header->name,
         model->header->file, program);
  for (int k = 0; k < COMMAND_COUNT; k++) printf("  %-10s %s\n", command_rows[k].name, command_rows[k].help);
  printf("\n%s COMMAND --help lists the options of one. Exit status: 0 fine, 1 the run failed, 2 wrong usage, 70 an "
         "internal error.\n",
         program);
}
