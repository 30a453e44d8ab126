/* The driver: a command line becomes a trainer. Takes arguments; runs the passes of passes.def over one Compilation;
   returns an exit status. Never looks inside what a pass makes. One header for the folder. */
#ifndef COMPILER_H
#define COMPILER_H

#include "compiler/expand/expand.h"
#include "compiler/plan/plan.h"
#include "compiler/program/backend.h"
#include "compiler/schedule/schedule.h"
#include "compiler/transform/transform.h"
#include "lang/lang.h"

#include <sys/types.h>

/* What the shell sees. */
enum {
  STATUS_FINE = 0,
  STATUS_MODEL = 1,    /* the model or a file is wrong */
  STATUS_USAGE = 2,    /* the command line is wrong */
  STATUS_INTERNAL = 70 /* ganc is wrong */
};

/* ---- command_line.c: arguments become options -------------------------------------------------------------------- */

typedef enum PassNumber {
#define PASS(name, status, title) PASS_##name,
#include "compiler/passes.def"
#undef PASS
  PASS_COUNT
} PassNumber;

typedef enum CommandNumber {
#define COMMAND(name, NAME, arguments, help) COMMAND_##NAME,
#define OPTION(name, letter, value, commands, help)
#include "compiler/options.def"
#undef COMMAND
#undef OPTION
  COMMAND_COUNT,
  COMMAND_HELP = COMMAND_COUNT,
  COMMAND_VERSION
} CommandNumber;

typedef struct EmitForm { /* --emit */
  const char *name;
  PassNumber last;    /* the pass that has made it */
  const char *ending; /* of a file to write; NULL: printed unless -o says where */
  EmitKind kind;      /* where `last` is emit */
} EmitForm;

typedef struct CommandLine {
  CommandNumber command;
  CommandNumber topic; /* HELP: of which command; COMMAND_COUNT: of all */
  int input_count;
  const char **inputs; /* files, or the code to explain */
  const char *output;  /* or NULL */
  RegisterType real;
  const char *march;
  bool feeds, no_diagnose, trace, check, clear, time_passes;
  int fuse_limit; /* -1: none */
  int wanted_count, wanted_capacity;
  WantedStrategy *wanted; /* --strategy */
  uint32_t without;       /* rules about sums that are switched off: 1 << SUM_RULE_… */
  int setting_count;
  const char **settings; /* "name=value" */
  int open_count;
  const char **open_settings; /* RUN: behind the file, for build or trainer */
  const EmitForm *emit;       /* or NULL: a trainer */
  uint32_t dump_after;        /* set of passes */
  PassNumber stop_after;      /* link if nothing says otherwise */
  int trainer_count;
  const char **trainer_arguments; /* RUN: what follows the file and is not ganc's */
} CommandLine;

/* False after diagnostics, which point into the command line. */
bool command_line_parse(Session *session, int count, char *const *arguments, CommandLine *options);
void command_line_help(FILE *out, CommandNumber topic);

/* ---- files.c: files that appear whole or not at all -------------------------------------------------------------- */

#define OUTPUT_ASIDE ".ganc-" /* what names of files begin with until they are whole */

/* Writes a file; "-" is standard output. `mode`: permissions of a new one, less the umask. False after a diagnostic. */
bool output_write(Session *session, const char *path, const void *bytes, size_t size, mode_t mode);
bool output_copy(Session *session, int descriptor, const char *path, mode_t mode); /* all of an open file */

/* A stream into memory, which is written when it is closed. False after a diagnostic. */
typedef struct OutputFile {
  const char *path;
  FILE *stream;
  char *bytes;
  size_t size;
} OutputFile;

bool output_open(Session *session, const char *path, OutputFile *file);
bool output_close(Session *session, OutputFile *file);
bool output_end(Session *session, OutputFile *file); /* the same without writing: `bytes` are there, to be freed */

/* One regular file? "-" is standard output, or standard input. */
bool output_is_input(const char *output, const char *input);
const char *
file_descriptor_path(Session *session,
                     int descriptor); /* a path under which this process and its children find an open file */
/* A file in memory with these bytes; -1 after a diagnostic. */
int file_anonymous(Session *session, const char *name, const void *bytes, size_t size);

/* ---- passes.c: what happens to a model --------------------------------------------------------------------------- */

typedef struct Compilation {
  Session *session;
  const CommandLine *options;
  const Source *source;
  Syntax *file;
  int standard_count;
  Syntax **standard; /* trees of the standard library */
  Model *model;
  const Backend *backend; /* with its target: compilation_target */
  Target *target;
  Layout *layout;
  Fusion **fusions; /* one per routine of the model, as are the schedules */
  Schedule **schedules;
  Plan *plan;
  OutputFile object;  /* what `emit` made, in memory */
  const char *output; /* where the last pass writes */
  bool sealed;        /* the trainer goes into the cache */
} Compilation;

/* Runs the passes up to options->stop_after, with dumps and times. A status; other than FINE only after diagnostics. */
int compilation_run(Compilation *compilation);
/* The part of it that a cache needs: nothing but the texts and the target. */
bool compilation_read(Compilation *compilation);
bool compilation_target(Compilation *compilation);

/* ---- commands.c: one function per row of commands ---------------------------------------------------------------- */

/* What to execute once all messages are printed: `run` ends in the trainer. */
typedef struct Launch {
  const char *path;
  int file; /* the same, open: another process may empty the cache in between */
  char *const *arguments;
} Launch;

int command_execute(Session *session, const CommandLine *options, Launch *launch);

/* ---- cache.c: trainers that were built before -------------------------------------------------------------------- */

/* Where the trainer of this model, for these options and by this ganc, lies or would lie; NULL after a diagnostic.
   Makes the folder. */
const char *cache_path(Compilation *compilation);
/* The trainer as an open file if it is there and whole; it counts as used then. Else -1, and what is damaged, or not
   ours alone, is removed. */
int cache_find(const char *path);
/* Ends a trainer, an open file, with a digest of it and of the name under which it is to be found. False after a
   diagnostic. */
bool cache_seal(Session *session, int trainer, const char *path);
/* Makes room: what was used longest ago goes, never `path` itself. */
void cache_trim(Session *session, const char *path);
/* Prints what is there and where, or empties it. False after a diagnostic. */
bool cache_list(Session *session, FILE *out);
bool cache_clear(Session *session, FILE *out);

/* ---- link.c: object and runtime become a trainer ----------------------------------------------------------------- */

/* The trainer of an object as an open file in memory, or -1 after a diagnostic. */
int link_trainer(Session *session, const void *object, size_t size);

/* ---- embedded.c: what ganc carries inside ------------------------------------------------------------------------ */

typedef struct EmbeddedFile {
  const char *name;
  const char *bytes;
  uint64_t size;
} EmbeddedFile;

extern const EmbeddedFile embedded_files[];          /* ended by a row without a name; made by the build */
const EmbeddedFile *embedded_find(const char *name); /* or NULL */
const char *build_version(void);
const char *build_identity(Session *session); /* changes with every byte of ganc */

#endif
