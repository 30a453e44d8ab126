/* The core of a trainer: a model's records, memory, threads, random numbers, routines, rounds and the commands.
   Everything about files, pictures and metrics is in io.h. Functions that can fail return false after a Problem;
   commands return the exit status. No mutable globals. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdio.h>

#include "runtime/abi.h"
#include "runtime/io.h"

/* ---- descriptor.c: bytes to checked records ---------------------------------------------------------------------- */

typedef struct Descriptor {
  const ModelRecord *header;
  const TensorRecord *tensors;
  const ProgramRecord *programs;
  const StepRecord *steps;
  const BindingRecord *bindings;
  const ValueRecord *values;
  const RoutineRecord *routines;
  const FillRecord *fills;
  const ScheduleRecord *schedules;
  const ObjectiveRecord *objectives;
  const DiagnosisRecord *diagnoses;
  const PairRecord *pairs;
  const OutputRecord *outputs;
  const PlayerRecord *players;
  const SettingRecord *settings;
  int64_t header_count, tensor_count, program_count, step_count, binding_count, value_count, routine_count, fill_count,
      schedule_count, objective_count, diagnosis_count, pair_count, output_count, player_count, setting_count;
  char **objective_names; /* "D", "info.G, Q"; the second of one label and players is "D#2" */
  void *storage;
} Descriptor;

bool descriptor_read(Descriptor *model, const uint8_t *bytes, uint64_t size,
                     Problem *problem); /* texts stay in `bytes`, which must outlive the model */
void descriptor_free(Descriptor *model);
int64_t tensor_size(const TensorRecord *tensor); /* elements */
int64_t tensor_bytes(const TensorRecord *tensor);
int64_t tensor_sample_size(const TensorRecord *tensor);                    /* without the batch axis */
bool tensor_is_kept(const TensorRecord *tensor);                           /* in checkpoints */
int64_t descriptor_find_tensor(const Descriptor *model, const char *name); /* -1: none */
bool descriptor_is_f64(const Descriptor *model);

/* ---- memory.c ---------------------------------------------------------------------------------------------------- */

enum { ALIGNMENT = 64 };

/* Zeroed memory with an inaccessible page right before its first and right after its last 64 bytes. */
typedef struct Block {
  uint8_t *data;
  size_t bytes;
  void *mapping;
  size_t mapped;
} Block;
typedef struct Memory {
  Block persistent, arena;
  int workspace_count;
  Block workspaces[THREAD_LIMIT];
} Memory;

void *allocate_zeroed(size_t count, size_t size); /* as calloc(3), through the door of io.h; free with free(3) */
bool memory_create(Memory *memory, const Descriptor *model, int workers, Problem *problem);
void memory_release(Memory *memory); /* safe on zeroed ones */
void *memory_at(const Memory *memory, int64_t place, int64_t offset);

/* ---- pool.c ------------------------------------------------------------------------------------------------------ */

typedef struct Pool Pool;
typedef void (*Task)(void *context, int64_t chunk, int worker);

/* `threads` workers, the caller being number 0. flush: denormals are zero, in the caller too, until pool_free. */
Pool *pool_create(int threads, bool flush, Problem *problem);
void pool_free(Pool *pool);
int pool_threads(const Pool *pool);
int pool_vector_bytes(const Pool *pool); /* what processor_vector_bytes said when it was made */
void pool_run(Pool *pool, Task task, void *context, int64_t chunks); /* every chunk once; returns when all are done */
int processor_count(void);                                           /* that this process may use */

/* ---- random.c: the numbers that compiler/graph/draws.c defines --------------------------------------------------- */

typedef enum DistributionKind { DISTRIBUTION_KIND_UNIFORM, DISTRIBUTION_KIND_NORMAL } DistributionKind;

/* Values of a tensor's elements, in its own strides and type: center + spread * standard draw; where there are classes,
   floor(classes * that). */
typedef struct Draw {
  uint64_t seed, stream;
  int64_t round, ordinal, first_sample;
  DistributionKind distribution;
  double center, spread;
  int64_t classes;
} Draw;

Draw draw_of(const TensorRecord *tensor,
             uint64_t seed); /* noise, a weight or a state whose `initial` is UNIFORM or NORMAL */

void draw_fill(const TensorRecord *tensor, void *data, const Draw *draw, Pool *pool);

/* ---- execute.c: one routine -------------------------------------------------------------------------------------- */

typedef struct Occasion {
  int64_t round, ordinal, first_sample;
  Rows rows; /* of data and feeds */
  bool told; /* steps that only statistics need run too */
} Occasion;

/* What looks on while routines run: called around every step, where it is not NULL; false ends the routine, with a
   problem. */
typedef struct Watch {
  bool (*before)(void *context, int64_t routine, int64_t step, Problem *problem);
  bool (*after)(void *context, int64_t routine, int64_t step, Problem *problem);
  void *context;
} Watch;

typedef struct Execution {
  const Descriptor *model;
  const Kernel *kernels;
  Supply *supply; /* data and feeds; the caller's */
  Pool *pool;
  Memory memory;
  uint64_t seed;
  void **buffers;        /* of all bindings */
  int64_t *fill_tensors; /* of every routine */
  void **fill_buffers;
  bool *filled;       /* by the supply; the others are drawn */
  bool *ran;          /* per routine: at least once */
  double *seconds;    /* per step, added up; NULL: not measured */
  int64_t *runs;      /* per step, with `seconds` */
  const Watch *watch; /* or NULL */
} Execution;

bool execution_create(Execution *execution, const Descriptor *model, const Kernel *kernels, Supply *supply, int threads,
                      uint64_t seed, Problem *problem);
bool execution_measure(Execution *execution, Problem *problem); /* from here on, from zero */
void execution_release(Execution *execution);                   /* safe on zeroed ones */
bool execution_run(Execution *execution, int64_t routine, Occasion occasion, Problem *problem);
bool routine_touches(const Descriptor *model, int64_t routine,
                     int64_t tensor); /* does a step of it read or write the tensor, which is not of the arena? */
bool execution_has(const Execution *execution, int64_t tensor); /* has a routine run that leaves a value there? */
TensorView execution_view(const Execution *execution, int64_t tensor);
double execution_scalar(const Execution *execution, int64_t tensor);
void execution_set_scalar(Execution *execution, int64_t tensor, double value);
double view_get(const TensorView *view, int64_t element); /* by row-major number */
void view_set(const TensorView *view, int64_t element, double value);
void view_rows(const TensorView *view, int64_t rows, float *out); /* the first `rows` along axis 0, row-major */

/* ---- initial.c --------------------------------------------------------------------------------------------------- */

/* Every weight and state as the model says: a function of seed and name alone. Settings must be at their values. */
bool initial_values(Execution *execution, Problem *problem);

/* ---- schedule.c: one round --------------------------------------------------------------------------------------- */

typedef enum Counter { COUNTER_STEP, COUNTER_IMAGE, COUNTER_EPOCH, COUNTER_PROGRESS, COUNTERS } Counter;

typedef struct Clock {
  int64_t step, image;               /* rounds done, samples they have seen */
  int64_t steps;                     /* where the run ends */
  double length, first_data_samples; /* of `train for`; of `epoch` */
  enum { UNIT_NONE, UNIT_STEPS, UNIT_IMAGES, UNIT_EPOCHS } unit;
  int64_t counters[COUNTERS]; /* their tensors; -1: the model does not read it */
  bool told;                  /* the round to come has a line in stats.jsonl */
} Clock;

Clock clock_create(const Descriptor *model, const Supply *supply); /* steps: those of `train for`, or 0 */
double clock_epoch(const Clock *clock);
void clock_show(const Clock *clock,
                Execution *execution); /* writes step, image, epoch and progress where the model reads them */
/* How often a round runs each routine, on average; where a number is only known while training, once for `repeat` and
   half for `if`. */
void round_expect(const Descriptor *model, double *runs);
/* Have all feeds the rows that the rounds first..end-1 take for certain? */
bool rounds_can_be_fed(const Descriptor *model, const Supply *supply, int64_t first, int64_t end, Problem *problem);
double routine_flops(const Descriptor *model, int64_t routine); /* executed by one run */
/* What a round needs that runs each routine so often: the players' flops are those of one run of their updates. 0: the
   compiler did not say. */
double round_flops_needed(const Descriptor *model, const double *runs);
bool round_run(Execution *execution, Clock *clock, Problem *problem); /* the whole tree once; then the clock moves on */

/* ---- processor.c, peak.c ----------------------------------------------------------------------------------------- */

/* The first of the blank-separated features that this processor or system lacks, copied to `missing`; true if it has
   all. */
bool processor_has(const char *features, char *missing, size_t size);
int processor_vector_bytes(void);        /* 16, 32 or 64 */
double peak_flops(Pool *pool, bool f64); /* fused multiply-adds a second times 2, all workers, measured now */

/* ---- options.c --------------------------------------------------------------------------------------------------- */

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERNAL = 70 };
typedef enum CommandKind {
#define COMMAND(NAME, name, help) COMMAND_##NAME,
#include "runtime/commands.def"
#undef COMMAND
  COMMAND_COUNT
} CommandKind;

typedef struct Assignment {
  const char *name;
  size_t name_length;
  const char *value;
} Assignment; /* name=value */
typedef struct Assignments {
  int count;
  Assignment items[ASSIGNMENT_LIMIT];
} Assignments;

typedef struct Options {
  CommandKind command;
  bool help, version, resume, accept_changes, dry_run, json;
  bool has_steps, has_seed;
  int64_t steps, threads, count, log_every, sample_every, checkpoint_every, keep, keep_samples, directions;
  uint64_t seed;
  const char *run, *init, *rename, *weights, *output, *against, *file;
  Assignments data, feeds, settings;
} Options;

/* False after a message on stderr that names the option, what was expected and what was found. */
bool options_read(Options *options, int count, char **arguments, const char *program);
void options_help(const Options *options, const char *program,
                  const Descriptor *model);                            /* of its command, or all commands */
bool assignment_names(const Assignment *assignment, const char *name); /* does it say name=…? */

/* ---- report.c: text for people ----------------------------------------------------------------------------------- */

typedef struct Text {
  char text[64];
} Text;                         /* small results by value */
Text text_bytes(double bytes);  /* 12.3 MB */
Text text_flops(double flops);  /* 2.04 GFLOP */
Text text_count(int64_t count); /* 12,345 */
Text text_shape(const TensorRecord *tensor, bool with_batch);
Text text_known(double value, int digits, const char *unit); /* "1.25%"; "unknown" of what is no finite number */
double seconds_now(void);                                    /* of a clock that only goes forward */
void report_error(const char *program, const Problem *problem);
void report_note(const char *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- trainer.c, and a file per command --------------------------------------------------------------------------- */

typedef struct Trainer {
  const char *program; /* argv[0] */
  Descriptor model;
  const Kernel *kernels;
  Options options;
} Trainer;

int trainer_main(int count, char **arguments, const uint8_t *descriptor, uint64_t descriptor_size,
                 const Kernel *kernels);

/* They return the exit status. */
#define COMMAND(NAME, name, help) int command_##name(Trainer *trainer);
#include "runtime/commands.def"
#undef COMMAND

/* ---- engine.c: what the commands share --------------------------------------------------------------------------- */

/* Memory, threads and data of a model at its initial values, with --set, --data and --feed obeyed. */
typedef struct Engine {
  const Trainer *trainer;
  Supply *supply;
  Execution execution;
  Clock clock;
  Json *config;        /* the run's, or NULL */
  char *run, *weights; /* of a trained one: the run's folder, or NULL; the file of its weights */
  bool has_step;       /* that file says at which step they were written */
} Engine;

enum { DATA_OF_ALL = -1, DATA_OF_NONE = -2 }; /* or a routine: only what it mentions */

bool options_fit_model(const Options *options, const Descriptor *model,
                       Problem *problem); /* do --data, --feed and --set name things that the model has? */
/* Tensors of a batch of another size have the name of the first one. */
bool descriptor_declares_data(const Descriptor *model, int64_t tensor); /* the first tensor of these data */
bool descriptor_declares_variable(const Descriptor *model,
                                  int64_t tensor); /* the first tensor of this data, fresh draw or noise */
/* What --data, a run's config or else the model says. A file that a run has read is found from other folders too. */
const char *data_spec(const Trainer *trainer, const Json *config, const TensorRecord *tensor);

/* Is this not the file, unchanged, that the run has read? False where config.json says nothing of one. */
bool data_have_changed(const Json *config, const Dataset *dataset, const TensorRecord *record);

/* config: what run_config_read gave, for settings and data that the command line does not name; may be NULL. */
bool engine_open(Engine *engine, const Trainer *trainer, const Json *config, int64_t data_of, uint64_t seed,
                 Problem *problem);
void engine_close(Engine *engine); /* safe on zeroed ones */
void engine_put_seed(const Engine *engine,
                     JsonWriter *writer); /* members "seed" and "settings", of config.json and of results */
void engine_put_settings(const Engine *engine, JsonWriter *writer);
double engine_setting(const Engine *engine, const SettingRecord *setting); /* of the build where it is fixed */
TensorView *engine_kept_views(const Engine *engine, bool optimizer_states, size_t *count,
                              Problem *problem); /* on the heap */
/* Output number `output` for `count` samples, row-major [count, sample], on the heap. */
float *engine_samples(Engine *engine, int64_t output, int64_t count, Problem *problem);
bool samples_are_finite(const Engine *engine, int64_t output, const float *samples, int64_t count,
                        Problem *problem); /* else: how many are not, and the first */
bool engine_log_outputs(Engine *engine, JsonWriter *writer,
                        Problem *problem); /* the deterministic ones: a member each */
bool output_resembles(const Descriptor *model, int64_t output,
                      int64_t tensor); /* is that tensor data whose samples have the shape of the output's? */
int64_t trainer_output(const Trainer *trainer,
                       Problem *problem); /* --output, or the first random one; -1 after a problem */
bool samples_write(const Descriptor *model, int64_t output, const float *samples, int64_t count, const char *path,
                   Problem *problem); /* .png or .npy */

char *run_directory(const Trainer *trainer, Problem *problem); /* --run, or the latest run; on the heap */

/* An engine with trained weights: --weights, or the newest checkpoint of --run, or of the latest run. The config is
   that of the run, or of the run that the weights lie in. */
bool engine_open_trained(Engine *engine, const Trainer *trainer, int64_t data_of, Problem *problem);

/* ---- weights.c: what --init, --weights and --rename do ----------------------------------------------------------- */

/* with the names that --rename makes */
Checkpoint *weights_open(const Trainer *trainer, const char *path, Problem *problem);
/* Weights and states of a checkpoint by name. needed_by: a routine, all of whose weights and states must be there; or
   negative: what the file lacks is noted, a file that fits nothing is a problem. */
bool engine_load(Engine *engine, Checkpoint *checkpoint, int64_t needed_by, Problem *problem);
/* what --init names, with a line per player; without --init, nothing */
bool engine_init(Engine *engine, Problem *problem);

/* ---- run_config.c: what a run was given -------------------------------------------------------------------------- */

/* Does a config say all that a run wants to know, as a trainer wrote it? What is missing must not become a default. */
bool run_config_check(const Json *config, const Trainer *trainer, const char *directory, Problem *problem);
/* before: the config of the run that goes on, or NULL. */
bool run_config_write(const Engine *engine, const Json *before, RunFolder *folder, Problem *problem);
/* Model, data, feeds, precision and settings that the run had otherwise: a line each, on the heap, "" if there are
   none; NULL without memory. */
char *run_config_differences(const Engine *engine, const Json *before);
/* The same of what it keeps although the model's text, which has changed, says otherwise. */
char *run_config_kept(const Engine *engine, const Json *before);

/* ---- interrupt.c: Ctrl-C, SIGTERM and SIGHUP --------------------------------------------------------------------- */

typedef struct Interrupt Interrupt;
Interrupt *interrupt_watch(Problem *problem);     /* before any other thread starts */
bool interrupt_asked(const Interrupt *interrupt); /* once; another, a second later, ends the process at once */
void interrupt_end(Interrupt *interrupt);         /* NULL is fine */

/* ---- process.c: what must not end the process without a word ----------------------------------------------------- */

/* From here on broken pipes and limits are errors of the calls. False: what there is of stack is too little. */
bool process_begin(Problem *problem);
/* The status; failure after a message if stdout has lost text. talk: what was said there is no result, and nobody needs
   to listen. */
int process_end(const char *program, int status, bool talk);

/* ---- replay.c, blame.c, blame_report.c: where a number that is none came from ------------------------------------ */

/* A training between two rounds. Start with {0}. */
typedef struct KeptState {
  uint8_t *block;
  NamedCount *positions;
  size_t position_count;
  int64_t step, image;
} KeptState;

bool kept_state_save(KeptState *state, const Engine *engine); /* false: no memory, and nothing is kept */
void kept_state_restore(const KeptState *state, Engine *engine);
void kept_state_release(KeptState *state);

typedef struct Blame Blame;
enum { BLAME_WEIGHTS = -1 }; /* instead of a tensor: any weight or state */

/* Keeps the state as it is; `kept`, its weights and states, must be finite. NULL without memory, which is no reason
   not to train. */
Blame *blame_new(Engine *engine, const TensorView *kept, size_t kept_count);
void blame_free(Blame *blame); /* NULL is fine */
/* Between rounds: keeps the state if it is time and the weights are finite; `now`, where they are known to be. NULL is
   fine. */
void blame_keep(Blame *blame, bool now);
/* The tensor, a single number, or a weight was not finite at the end of `round` or in it: says on stderr where that
   began. Afterwards the engine is of no use. */
void blame_search(Blame *blame, int64_t tensor, int64_t round, const Interrupt *interrupt);

#endif
