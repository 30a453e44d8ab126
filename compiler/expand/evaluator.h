/* Inside of expand: values, scopes, instances and the evaluation at hand. One evaluator serves the whole file. */
#ifndef EVALUATOR_H
#define EVALUATOR_H

#include "values.h"

/* ---- what lives in the model ------------------------------------------------------------------------------------- */

/* A weight or a state. current: what a mention of it means in the evaluation at hand, the tensor's input until `<-` or
   an update moves it; mover: the player that updated it last; assigned: `<-` of `train` moves this weight. */
struct Slot {
  int tensor;
  bool is_weight, assigned;
  Node *current;
  Network *owner;
  Network *mover;
  Span span;
};

typedef struct NetworkItem {
  Slot *slot;
  Network *network;
} NetworkItem; /* one of the two */
struct Network {
  const char *name;
  const Definition *definition;
  const Recipe *recipe; /* network G = recipe; else NULL */
  Span span;
  int count, capacity;
  NetworkItem *items;                    /* in the order of the text */
  Map known;                             /* slots and networks among them */
  const Syntax *optimizer_syntax;        /* `optimize`, or NULL */
  double data_low, data_high, given_low; /* of data that it was given, of what a sigmoid made: */
  Span data_range, given_range;          /* where; no source: it was not */
  bool updated, stepped;                 /* an update names it; its optimizer moves something */
  bool has_rate;                         /* its optimizer has a learning rate: a constant, or */
  double rate;
  int rate_tensor;     /* one plus that of the number that updates leave; 0: none */
  int gradient_tensor; /* likewise, of the norm of its gradient */
};

typedef enum EntryState { ENTRY_NEW, ENTRY_BUSY, ENTRY_DONE } EntryState;
/* A name of a file: its syntax, and its value where that is the same in every evaluation; setting: that it is, once it
   was mentioned. */
typedef struct Entry {
  const char *name;
  const Syntax *syntax;
  const Syntax *field;
  EntryState state;
  Value *value;
  Setting *setting;
  bool mentioned;
} Entry;
/* standard NULL: it is the standard library; syntax: a BLOCK of files; places: of names among the entries, from 1 */
struct Scope {
  Scope *standard;
  const Syntax *syntax;
  int count, capacity;
  Entry *entries;
  Map places;
};

/* ---- a call in progress ------------------------------------------------------------------------------------------ */

typedef struct Index {
  const char *name;
  int variable;
  int64_t extent, start;
  bool cut;
  Span span;
  struct Index *outer;
} Index; /* extent -1: not known yet */

typedef struct Context { /* what callees inherit */
  const char *path;      /* "D.Block_1" */
  Network *network;      /* whose weights are made, or NULL */
  const char *call;      /* ordinal of the network's call, as it ends names of noise: "#0" */
  const char *fresh;     /* "" or ".fresh_2" */
  bool training;
  uint32_t indices; /* index variables for whose every value the call is applied: noise is drawn apart for each */
} Context;

/* A name of a frame. before: the place, from 1, of the one that it hides, or 0. */
typedef struct FrameName {
  const char *name;
  Value *value;
  int before;
} FrameName;

struct Frame {
  Scope *scope;
  Context context;
  const Syntax *definition; /* FN, LAYER, or NULL at top level and in train */
  int count, capacity;
  FrameName *names;
  Map places, instances; /* from 1: of names the last, of paths of instances the first */
  int floor;             /* names below it belong to an outer scope */
  const char *loop;      /* "[3]" */
  bool in_train;
};

/* What a call read and whether it drew: the condition under which an equal call may be the same call. What it moved
   itself is none. noisy: it has noise of its own; drawn: it mentions data or noise, its own or the file's. */
typedef struct Reading {
  Slot *slot;
  Node *node;
  bool moved;
} Reading;
typedef struct Record {
  int count, capacity;
  Reading *readings;
  Map places;
  bool noisy, drawn;
  struct Record *outer;
} Record;
/* next: an earlier one of the same key */
typedef struct CallMemory {
  Record *record;
  const char *place, *fresh;
  Value *value;
  struct CallMemory *next;
} CallMemory;

/* One evaluation: one routine in the making. */
typedef struct Evaluation {
  const char *name;
  int batch;
  struct Evaluation *outer; /* an initial value is found in the middle of another evaluation */
  bool counted;             /* mentions data or noise */
  Map memories;             /* by the key of a call: the newest */
  Map calls;                /* by path: how many there were */
  int fill_count, fill_capacity;
  int *fills;
  int result_count, result_capacity;
  Effect *results; /* effects on tensors that are not slots */
  int told_count, told_capacity;
  Effect *told; /* likewise, for statistics only */
} Evaluation;

/* What a distribution draws from while it is evaluated. */
typedef enum SampleKind { SAMPLE_NONE, SAMPLE_FILE, SAMPLE_LAYER, SAMPLE_INITIAL } SampleKind;
typedef struct Sampling {
  SampleKind kind;
  const char *name; /* what the stream is a hash of */
  int rank;
  int64_t shape[OWN_LIMIT];
  uint32_t indices;
  Span span;
  int draws; /* made so far */
  InitialKind initial;
  double a, b;
  const Scalar *standard; /* INITIAL: what a plain distribution gave */
} Sampling;

typedef struct Literal {
  const Value *value;
  Span span;
} Literal; /* a number that the model gives a call */

typedef struct CallSite {
  const char *what;
  const char *name;
  Span span;
  struct CallSite *outer;
} CallSite;

struct Evaluator {
  Session *session;
  Graph *graph;
  Model *model;
  const ExpandOptions *options;
  Scope file, standard;
  Evaluation *evaluation; /* never NULL while expressions are evaluated */
  Record *record;
  Sampling *sampling; /* or NULL */
  Index *indices;     /* in scope, innermost first */
  uint32_t mentioned; /* index variables that the call being read mentions */
  Index *by_variable[VARIABLE_LIMIT];
  CallSite *site;
  const Syntax *call, *piped; /* the call that is read or applied, what is piped in */
  int literal_count, literal_capacity;
  Literal *literals;
  const Syntax *batch_syntax; /* the number of samples, where `train` sets it */
  const char *path;           /* of the definition that runs: "D.Linear_1"; names nodes for people */
  int library_count;
  Syntax *const *library; /* the trees of the standard library */
  int depth, error_count;
  int nesting;
  int64_t work;
  bool exhausted; /* too deep or too much: nothing is evaluated any more */
  int slot_count, slot_capacity;
  Slot **slots;
  Map slots_by_name, slots_by_input;
  Map tensors_by_name, tensors_by_input; /* places in the model's list, from 1; of equal names the first */
  Map name_numbers;                      /* by what numbered names begin with: the last number */
  int network_count, network_capacity;
  Network **networks;
  int setting_count, setting_capacity;
  Setting **settings;
  int objective_count, objective_capacity;
  const Syntax **objectives; /* parallel to model->objectives */
  Node **objective_values;   /* parallel too; NULL where something was reported */
  bool *served_objectives;   /* parallel too: does an update serve it? */
  bool checking;             /* names are looked at, not mentioned */
  const char **labels;
  int label_count;    /* by syntax id: "Conv_2" for the NAME that is applied, else NULL */
  int batch;          /* of the evaluation to come */
  Map streams;        /* by the hash as an interned text: what it is the hash of */
  int ordinal;        /* of the next counted evaluation of the round */
  Map fresh_places;   /* by the syntax of `fresh`: its number, from 1 */
  Map differentiated; /* by a body: a Map, the set of names in it that `grad` differentiates by */
};

/* ---- report.c: diagnostics with the chain of calls --------------------------------------------------------------- */
Diagnostic *evaluator_report(Evaluator *e, DiagnosticCode code, Span span, const char *label, ...)
    __attribute__((format(printf, 4, 5)));
Value *value_error(Evaluator *e);
/* The place in the user's file that led here: of what the standard library does, the call that asked for it. */
Span model_span(const Evaluator *e, Span span);
const char *shape_text(Evaluator *e, int rank, const int64_t *shape);
const char *value_text(Evaluator *e, const Value *value); /* "[256, 8, 8]", "a function", "0.5" */

/* ---- expressions.c ----------------------------------------------------------------------------------------------- */
Value *evaluate(Evaluator *e, Frame *frame, const Syntax *syntax);
bool work_goes_on(Evaluator *e, int64_t amount, Span span); /* false, after one report, where a model would never end */
Value *evaluate_tensor(Evaluator *e, Frame *frame, const Syntax *syntax);
Value *apply_binary(Evaluator *e, SyntaxOperator op, Value *left, Value *right, Span span, Span left_span,
                    Span right_span);
Value *apply_pointwise(Evaluator *e, Operation op, int count, Value **arguments, const Span *spans, Span span);
Value *apply_unary(Evaluator *e, Operation op, Value *value, Span span);

/* ---- indices.c --------------------------------------------------------------------------------------------------- */
Index *index_find(Evaluator *e, const char *name);
Value *index_value(Evaluator *e, Index *index);
Value *evaluate_subscript(Evaluator *e, Frame *frame, const Syntax *syntax);
Value *value_subscript(Evaluator *e, Value *value, int count, Value **subscripts, const Syntax *const *items,
                       Span span);
/* For those who open indices of their own: reductions and assignments. */
Index *index_open(Evaluator *e, Frame *frame, const char *name, Span span); /* NULL after a report */
void indices_close(Evaluator *e, Index *until);
bool item_names_index(const Syntax *item, const char **name, Span *span); /* `i`, `i < n`, `i in a..b` */
/* Lets the relation bound the index. False if it is a condition; *failed after a report. */
bool index_relation(Evaluator *e, Frame *frame, const Syntax *item, Index *index, bool *failed);
/* Bounds indices opened since `until` by every bare subscript in the syntax. False after a report. */
bool bounds_from(Evaluator *e, Frame *frame, const Syntax *syntax, Index *until);
Coordinate scalar_coordinate(const Scalar *scalar); /* affine where it can be, else computed */

/* ---- reductions.c, index_assignments.c --------------------------------------------------------------------------- */
Value *evaluate_reduction(Evaluator *e, Frame *frame, const Syntax *syntax);
typedef struct Declared {
  int rank;
  int64_t shape[OWN_LIMIT];
} Declared; /* a promised shape */
/* target[...] = value, target[...] += value; the new value of the target's name, or an error. `old` and `declared` may
   be NULL. */
Value *evaluate_indexed_assignment(Evaluator *e, Frame *frame, const Syntax *assign, Value *old,
                                   const Declared *declared);

/* ---- names.c: scopes, frames, settings --------------------------------------------------------------------------- */
void scope_collect(Evaluator *e, Scope *scope, const Syntax *file);
Value *name_lookup(Evaluator *e, Frame *frame, const char *name, Span span); /* reports what is undefined */
Value *name_find(Evaluator *e, Frame *frame, const char *name, Span span); /* NULL if undefined; may report otherwise */
bool name_is_reserved(const char *name);                                   /* a word of the language */
bool name_may_be_defined(Evaluator *e, const char *name, Span span);       /* false after a report */
Entry *scope_find(Evaluator *e, Scope *scope, const char *name, Scope **where);
/* Of what is defined by such syntax. */
const char **scope_names(Evaluator *e, const Scope *scope, SyntaxKind kind, int *count);
Value *frame_find(const Frame *frame, const char *name);
void frame_define(Evaluator *e, Frame *frame, const char *name, Value *value);
void frame_forget(Evaluator *e, Frame *frame, int count); /* all but the first `count` names */
/* Without these names, wherever they were defined. */
void frame_remove(Evaluator *e, Frame *frame, int count, const char *const *names);
bool frame_holds_instance(const Frame *frame, const char *path);
void labels_assign(Evaluator *e, const Syntax *body);
const char *label_of(Evaluator *e, const Syntax *function);

/* ---- derivative_names.c ------------------------------------------------------------------------------------------ */
/* Is `grad(…, name)` in the body, or by another name of the same value, or in what the body hands the name to? */
bool name_is_differentiated(Evaluator *e, Scope *scope, const Syntax *body, const char *name);

/* ---- calls.c ----------------------------------------------------------------------------------------------------- */
Value *evaluate_call(Evaluator *e, Frame *frame, const Syntax *call);
Value *evaluate_pipe(Evaluator *e, Frame *frame, const Syntax *pipe);
Span result_span(const Syntax *expression); /* of what gives its value: the end of a pipe */
/* by_name: which of the values are what a bare name stands for (NULL: none). */
typedef struct CallArguments {
  int count;
  Value **values;
  Span *spans;
  bool *by_name;
  int named_count;
  const char **names;
  Value **named;
  Span *named_spans;
  Span span;
} CallArguments;
/* Applies to values already evaluated. `label` names an instance made here. */
Value *value_apply(Evaluator *e, Frame *frame, Value *function, const CallArguments *arguments, const char *label);
Value *recipe_run(Evaluator *e, const Recipe *recipe, Context context, const CallArguments *arguments);

/* ---- recipes.c --------------------------------------------------------------------------------------------------- */
bool function_takes_settings(const Value *function); /* is its first list of arguments one of settings? */
Value *recipe_make(Evaluator *e, const Value *function, const CallArguments *settings);
const Recipe *value_recipe(Evaluator *e, const Value *value); /* NULL if it is none */
/* A recipe of a layer that is given a name becomes an instance; so do the elements of a list. */
Value *value_named(Evaluator *e, Frame *frame, const char *name, Value *value, Span span);
const char *instance_path(Evaluator *e, const Context *context, const char *label, const char *loop);

/* ---- parameters.c: what is declared meets what is given ---------------------------------------------------------- */
const char *parameter_name(const Syntax *parameter);
const char **parameter_names(Evaluator *e, const SyntaxList *parameters, int *count);
/* Of an argument that is given by a name that nothing has: the name that may be meant. */
void report_parameter(Evaluator *e, Diagnostic *diagnostic, const char *name, Span argument, int count,
                      const char *const *known);
/* Both define the names in the frame; false after a report. */
bool settings_bind(Evaluator *e, Frame *frame, const Recipe *recipe, const Syntax *definition, Span span);
bool parameters_bind(Evaluator *e, Frame *frame, const Syntax *definition, const CallArguments *arguments);
bool type_shape(Evaluator *e, Frame *frame, const Syntax *type, int *rank, int64_t *shape, int *classes);
/* The value as the type wants it; names of sizes that are not static in scope are bound to what comes. */
Value *type_bind(Evaluator *e, Frame *frame, const Syntax *type, Value *value, const char *what, Span span);

/* ---- results.c: what is promised meets what the body gives ------------------------------------------------------- */
bool declared_shape(Evaluator *e, Frame *frame, const char *name,
                    Declared *declared); /* of a result of the frame's definition */
/* value: what the body ended with, or NULL. */
Value *result_of(Evaluator *e, Frame *frame, const Syntax *definition, Value *value);

/* ---- bodies.c: statements of functions, layers, networks --------------------------------------------------------- */
Value *body_run(Evaluator *e, Frame *frame, const Syntax *body);
void statement_assign(Evaluator *e, Frame *frame, const Syntax *assign);
/* Calls run for every turn of `binding`, its names defined in the frame. */
bool turns_run(Evaluator *e, Frame *frame, const Syntax *binding,
               void (*run)(Evaluator *e, Frame *frame, void *context), void *context);

/* ---- builtins.c -------------------------------------------------------------------------------------------------- */
typedef enum BuiltinKind { BUILTIN_FUNCTION, BUILTIN_DISTRIBUTION } BuiltinKind;
typedef struct Arguments {
  int count;
  Value **values;
  const Span *spans;
  Span span;
} Arguments;
struct Builtin {
  const char *name;
  BuiltinKind kind;
  int least, most; /* values it takes; of a distribution: settings */
  Value *(*run)(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *arguments);
  Operation op;            /* pointwise ones */
  SyntaxOperator total;    /* sum, mean, max, min of everything */
  const char *settings[2]; /* names of a distribution's settings */
};
const Builtin *builtin_find(const char *name);
Value *builtin_constant(Evaluator *e, const char *name); /* pi, true, false; NULL otherwise */
Value *value_total(Evaluator *e, SyntaxOperator op, Value *value, Span span);
Value *evaluate_grad(Evaluator *e, Frame *frame, const Syntax *call);
Value *evaluate_expectation(Evaluator *e, Frame *frame, const Syntax *subscript);
const char *const *builtin_names(Evaluator *e, int *count);

/* ---- variables.c: tensors, slots, draws -------------------------------------------------------------------------- */
int model_add_tensor(Model *model, Node *input, TensorRole role, Span span); /* of the input's name */
int tensor_new(Evaluator *e, const char *name, TensorRole role, int rank, const int64_t *shape, bool batch, Span span);
int tensor_find(const Evaluator *e, const char *name); /* or -1 */
/* `first`, or `base.2`, `base.3`, … where that is taken. */
const char *tensor_numbered(Evaluator *e, const char *base, const char *first);
Slot *slot_declare(Evaluator *e, Frame *frame, const Syntax *variable, const char *name, TensorRole role);
Slot *slot_find(const Evaluator *e, const char *name);
Value *slot_value(Evaluator *e, Slot *slot);
bool slot_move(Evaluator *e, Slot *slot, Value *value, Span span);
Value *noise_declare(Evaluator *e, Frame *frame, const Syntax *noise); /* inside a layer or function */
Value *top_noise(Evaluator *e, Frame *frame, const Syntax *noise);
Value *top_data(Evaluator *e, Frame *frame, const Syntax *data, const Syntax *field);
Value *distribution_draw(Evaluator *e, Frame *frame, const Builtin *self, const Arguments *settings);
Value *counter_value(Evaluator *e, const char *name,
                     Span span); /* step, image, epoch, progress; NULL if it is none of these */
Value *setting_value(Evaluator *e, Setting *setting);
/* On what either depends on; NULL: on nothing. */
Dependence *dependence_joined(Evaluator *e, Dependence *a, Dependence *b);
uint64_t stream_of(Evaluator *e, const char *name, Span span); /* hash of the name; reports a collision */

/* ---- networks.c -------------------------------------------------------------------------------------------------- */
void network_add_slot(Evaluator *e, Network *network, Slot *slot);
void network_add_network(Evaluator *e, Network *network, Network *part);
/* Its weights, those of the networks that it calls included, each once. */
int network_weights(Evaluator *e, const Network *network, Slot ***weights);
int network_states(Evaluator *e, const Network *network, Slot ***states);
/* Calls each on stand-ins for its parameters, where their types are plain numbers. */
void networks_meet(Evaluator *e);

/* ---- evaluations.c ----------------------------------------------------------------------------------------------- */
int model_add_routine(Model *model, ModelRoutine routine);
Evaluation *evaluation_open(Evaluator *e, const char *name);
/* Makes a routine of what was computed and moved; -1 if nothing was. Slots mean their inputs again. */
int evaluation_close(Evaluator *e, RoutineKind kind, Span span);
void evaluation_abandon(Evaluator *e);
void slots_reset(Evaluator *e);
void evaluation_result(Evaluator *e, int tensor, const Value *value, Span span);
/* The same for what only statistics need: not computed in every round. */
void evaluation_told(Evaluator *e, int tensor, Node *value, Span span);
void evaluation_fill(Evaluator *e, int tensor);
void record_open(Evaluator *e, Record *record);
void record_close(Evaluator *e, Record *record);
void record_slot(Evaluator *e, Slot *slot, bool moved); /* the calls in progress read it, or move it */
void record_draw(Evaluator *e, bool own); /* the calls in progress draw: noise of their own, or what the file draws */
/* The value of an equal call; keys are interned. What has noise of its own is equal only in the same `place`, what is
   drawn only in the same `fresh`; NULL: in any. */
Value *memory_find(Evaluator *e, const char *key, const char *place, const char *fresh);
void memory_add(Evaluator *e, const char *key, Record *record, const char *place, const char *fresh, Value *value);
const char *value_key(Evaluator *e, const Value *value);

/* ---- objectives.c, train_block.c, diagnosis.c -------------------------------------------------------------------- */
void objectives_prepare(Evaluator *e);
void update_run(Evaluator *e, Frame *frame, const Syntax *update);
Value *objective_value(Evaluator *e, int objective);
bool train_scan(Evaluator *e, const Syntax *train); /* length, batch and optimizers, before anything is evaluated */
void train_run(Evaluator *e, const Syntax *train);
void train_check_optimizers(Evaluator *e, const Syntax *train);
void diagnoses_make(Evaluator *e);
Network *network_find(Evaluator *e, Frame *frame, const char *name, Span span);
Frame frame_top(Evaluator *e, bool training, const char *path);

/* ---- elsewhere.c: the words of other libraries ------------------------------------------------------------------- */
/* What is said about a name that nothing has; false if it is nobody's. */
bool elsewhere_name(Evaluator *e, Diagnostic *diagnostic, const char *name, Span span);
bool elsewhere_member(Evaluator *e, Frame *frame, const Syntax *member);           /* `nn.Linear`; reports */
bool elsewhere_method(Evaluator *e, Diagnostic *diagnostic, const Syntax *member); /* `x.detach` */
/* About `name = value`, where `known` are the names that could stand there. */
bool elsewhere_parameter(Evaluator *e, Diagnostic *diagnostic, const char *name, Span argument, int count,
                         const char *const *known);

/* ---- mends.c: edits of the text ---------------------------------------------------------------------------------- */
/* The number that gave the size. */
void mend_size(Evaluator *e, Diagnostic *diagnostic, const Syntax *expression, int64_t got, int64_t wanted);
void mend_train_begin(Evaluator *e, Diagnostic *diagnostic, const char *statement);
void mend_train_end(Evaluator *e, Diagnostic *diagnostic, const char *statement);
void mend_optimizer(Evaluator *e, Diagnostic *diagnostic, const char *player);
const char *player_without_optimizer(Evaluator *e);            /* the only one with an objective, or NULL */
bool is_drawn_name(Evaluator *e, const Syntax *syntax);        /* data or noise of the file */
const char *call_elsewhere(Evaluator *e, const char *network); /* its call on what is drawn, or NULL */
/* Of the network that the place is in, or that is called there: a function without settings that its pipe ends with
   becomes another one; NULL: it goes, or comes new. */
void mend_stage(Evaluator *e, Diagnostic *diagnostic, Span place, const char *there, const char *wanted);
void literal_note(Evaluator *e, const Value *value, Span span);
void mend_literal(Evaluator *e, Diagnostic *diagnostic, const Value *value, double better);

/* ---- lints.c: warnings about what is legal and hardly meant ------------------------------------------------------ */
void lint_names(Evaluator *e);
void lint_training(Evaluator *e);
void lint_objectives(Evaluator *e);
void lint_scores(Evaluator *e, int objective);
void lint_ranges(Evaluator *e);
void network_given(Evaluator *e, Network *network, const Value *value, Span span); /* remembers the range */
/* A term of an objective: a part of the value of `sum` (NULL: of the objective itself), and the sign with which its
   player lowers it. */
enum { PART_LIMIT = 64 };
typedef struct Part {
  const Node *sum;
  const Scalar *value;
  int sign;
} Part;
typedef struct Parts {
  int count;
  Part items[PART_LIMIT];
} Parts;
void objective_parts(Evaluator *e, int objective, Parts *parts);
void lint_coupling(Evaluator *e, Node *of, Node *by, Span span);

#endif
