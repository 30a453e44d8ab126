/* The driver: a command line becomes a trainer. Takes arguments; runs the passes of passes.def over one Compilation; returns an exit status.
   Never looks inside what a pass makes. One header for the folder. */
#ifndef COMPILER_H
#define COMPILER_H

#include "compiler/expand/expand.h"
#include "compiler/llvm/llvm.h"
#include "compiler/plan/plan.h"
#include "compiler/schedule/schedule.h"
#include "compiler/transform/transform.h"
#include "lang/lang.h"

/* What the shell sees. */
enum {
  STATUS_FINE = 0,
  STATUS_MODEL = 1,                                        /* the model or a file is wrong */
  STATUS_USAGE = 2,                                        /* the command line is wrong */
  STATUS_INTERNAL = 70                                     /* ganc is wrong */
};

/* ---- command_line.c: arguments become options ------------------------------------------------------------------------- */

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

typedef struct EmitForm {                                  /* --emit */
  const char *name;
  PassNumber last;                                         /* the pass that has made it */
  const char *ending;                                      /* of a file to write; NULL: printed unless -o says where */
  EmitKind kind;                                           /* where `last` is emit */
} EmitForm;

typedef struct Options {
  CommandNumber command;
  CommandNumber topic;                                     /* HELP: of which command; COMMAND_COUNT: of all */
  int input_count; const char **inputs;                    /* files, or the code to explain */
  const char *output;                                      /* or NULL */
  RegisterType real;
  const char *march;
  bool feeds, no_diagnose, check, time_passes;
  int fuse_limit;                                          /* -1: none */
  uint32_t without;                                        /* rules about sums that are switched off: 1 << SUM_RULE_… */
  int setting_count; const char **settings;                /* "name=value" */
  const EmitForm *emit;                                    /* or NULL: a trainer */
  uint32_t dump_after;                                     /* set of passes */
  PassNumber stop_after;                                   /* link if nothing says otherwise */
  char *const *trainer_arguments;                          /* RUN: what follows the file, ended by NULL */
} Options;

/* False after diagnostics, which point into the command line. */
bool command_line_parse(Session *session, int count, char *const *arguments, Options *options);
void command_line_help(FILE *out, CommandNumber topic);

/* ---- passes.c: what happens to a model --------------------------------------------------------------------------------- */

typedef struct Compilation {
  Session *session;
  const Options *options;
  const Source *source;
  Syntax *file;
  int standard_count; Syntax **standard;                   /* trees of the standard library */
  Model *model;
  Target *target;
  Fusion **fusions;                                        /* one per routine of the model, as are the schedules */
  Schedule **schedules;
  Plan *plan;
  int object;                                              /* descriptor of the open object file, or -1 */
  const char *output;                                      /* of the last pass */
} Compilation;

/* Runs the passes up to options->stop_after, with dumps and times. A status; other than FINE only after diagnostics. */
int compilation_run(Compilation *compilation);
/* The part of it that a cache needs: nothing but the texts and the target. */
bool compilation_read(Compilation *compilation);
bool compilation_target(Compilation *compilation);

/* ---- commands.c: one function per row of commands ------------------------------------------------------------------------ */

/* What to execute once all messages are printed: `run` ends in the trainer. */
typedef struct Launch { const char *path; char *const *arguments; } Launch;

int command_execute(Session *session, const Options *options, Launch *launch);

/* ---- cache.c: a trainer that was built before ----------------------------------------------------------------------------- */

/* Where the trainer of this model, for these options and by this ganc, lies or would lie; NULL after a diagnostic. Makes the folder. */
const char *cache_path(Compilation *compilation);

/* ---- link.c: object and runtime become a trainer ------------------------------------------------------------------------- */

/* `object` is an open file. Writes `output` aside and renames it. False after a diagnostic. */
bool link_trainer(Session *session, int object, const char *output);

/* ---- files.c: files that appear whole or not at all ------------------------------------------------------------------------ */

typedef struct OutputFile { const char *path, *aside; FILE *stream; } OutputFile;

bool output_open(Session *session, const char *path, OutputFile *file);     /* "-": standard output. False after a diagnostic */
bool output_close(Session *session, OutputFile *file, bool keep);           /* rename, or remove if not to be kept */
const char *output_aside(Session *session, const char *path);               /* the name beside `path` under which it is written first */
bool output_rename(Session *session, const char *aside, const char *path);
const char *file_descriptor_path(Session *session, int descriptor);         /* a path under which this process and its children find an open file */
int file_anonymous(Session *session, const char *name);                     /* a file in memory; -1 after a diagnostic */

/* ---- embedded.c: what ganc carries inside ---------------------------------------------------------------------------------- */

typedef struct EmbeddedFile { const char *name; const char *bytes; uint64_t size; } EmbeddedFile;

extern const EmbeddedFile embedded_files[];                                  /* ended by a row without a name; made by the build */
const EmbeddedFile *embedded_find(const char *name);                         /* or NULL */
const char *build_version(void);
const char *build_identity(Session *session);                                /* changes with every byte of ganc */

#endif
