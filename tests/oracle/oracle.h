/* The oracle: a second reading of the language, written from its reference alone. It includes nothing of the compiler,
   its language or its runtime.

       text -> tree (parser.c) -> values (language.c …) -> numbers (value.c, evaluate.c)

   Index notation is written out value by value, derivatives are forward mode with nested infinitesimal parts, products
   are plain loops in float64: slow, and hard to get wrong. generate*.c makes random models as text, print.c prints
   trees back with as few parentheses as the grammar allows, trial.c runs compiler and trainer on a model and compares,
   reduce.c makes a failing model small. */
#ifndef ORACLE_H
#define ORACLE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- arena.c: memory of one model; failing ----------------------------------------------------------------------- */

void *arena_allocate(size_t size); /* zeroed, freed by arena_reset */
char *arena_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
void arena_reset(void);

/* Where `fail` goes: what a model means could not be found (it is none, or is too large). */
extern jmp_buf failure;
extern char failure_text[512];
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more item. */
#define ROOM(array, count, capacity) \
  do { \
    if ((count) >= (capacity)) (array) = grow((array), &(capacity), sizeof *(array), (size_t)(count)); \
  } while (0)
void *grow(void *array, int *capacity, size_t size, size_t count);

/* ---- tree.c: syntax ---------------------------------------------------------------------------------------------- */

typedef enum Kind {
  T_NUMBER,
  T_STRING,
  T_NAME,
  T_UNARY,
  T_BINARY,
  T_IF,
  T_PIPE,
  T_CALL,
  T_NAMED,
  T_SUBSCRIPT,
  T_MEMBER,
  T_REDUCTION,
  T_LIST,
  T_TURNS,
  T_TURN,
  T_TUPLE,
  T_SPREAD,
  T_RANGE,
  T_TYPE,
  T_CLASS,
  T_FIELD,
  T_FIELDS,
  T_BLOCK,
  S_DEFINE,
  S_INCREASE,
  S_MOVE,
  S_DATA,
  S_NOISE,
  S_WEIGHT,
  S_STATE,
  S_FN,
  S_LAYER,
  S_NETWORK,
  S_OUTPUT,
  S_OBJECTIVE,
  S_TRAIN,
  S_DRAW,
  S_OPTIMIZE,
  S_UPDATE,
  S_REPEAT,
  S_EVERY,
  S_FOR,
  S_IF,
  S_VALUE,
  KIND_COUNT
} Kind;

/* Children stand at fixed places; one that is not there is NULL.

   UNARY text=op a | BINARY text=op a b | IF c a b | PIPE a target | CALL f args… | NAMED text value |
   SUBSCRIPT a items… | MEMBER text a | REDUCTION text=sum/mean/max/min body items… | LIST items… | TURNS e turns… |
   TURN relation [condition] | TUPLE items… | SPREAD a | RANGE a b | TYPE list [range] | CLASS n |
   FIELD text type default | FIELDS fields… | BLOCK statements… |
   DEFINE, INCREASE, MOVE target value | DATA text type from | NOISE text type distribution |
   WEIGHT, STATE text type value (op '=' or '~') | FN, LAYER, NETWORK text settings parameters result body |
   OUTPUT text e | OBJECTIVE text=label names e (op 'm' or 'M') | TRAIN text=unit length block | DRAW block |
   OPTIMIZE names by | UPDATE names by | REPEAT, EVERY e block | FOR relation block | IF c block else | VALUE e */
typedef struct Tree {
  Kind kind;
  int op;
  const char *text;
  double number;
  int count;
  struct Tree **items;
  int id; /* every tree has its own: a place in the text */
} Tree;

extern const char *const kind_names[KIND_COUNT];
Tree *tree_new(Kind kind, const char *text, int count, ...); /* children: Tree * */
Tree *tree_list(Kind kind, const char *text, int count, Tree *const *items);
Tree *tree_number(double value);
Tree *tree_copy(const Tree *tree);
bool tree_is_name(const Tree *tree, const char *text);

Tree *parse(const char *text, const char *name); /* a file, or fails */
char *print(const Tree *tree);                   /* a file; parse(print(t)) is t */

/* ---- number.c: numbers with infinitesimal parts ------------------------------------------------------------------ */

/* A number with `bits` infinitesimals e0, e1, … (each of square 0) has 2^bits parts: part s is the coefficient of the
   product of the e's in the set s. A block holds `size` such numbers, part after part. */
enum { BIT_LIMIT = 4 };
typedef struct Block {
  int bits;
  size_t size;
  double *at;
} Block;

typedef enum Scalar1 {
  F_NEGATE,
  F_EXP,
  F_LOG,
  F_LOG2,
  F_SQRT,
  F_ABS,
  F_SIGN,
  F_SIN,
  F_COS,
  F_TANH,
  F_SIGMOID,
  F_ERF,
  F_FLOOR,
  F_CEIL,
  F_ROUND,
  F_RECIPROCAL,
  F_NOT,
  F_COUNT
} Scalar1;
typedef enum Scalar2 {
  G_ADD,
  G_SUBTRACT,
  G_MULTIPLY,
  G_DIVIDE,
  G_FLOOR_DIVIDE,
  G_MODULO,
  G_POWER,
  G_LESS,
  G_LESS_EQUAL,
  G_EQUAL,
  G_UNEQUAL,
  G_AND,
  G_OR,
  G_MAX,
  G_MIN,
  G_COUNT
} Scalar2;
extern const char *const scalar1_names[F_COUNT], *const scalar2_names[G_COUNT];

/* parts[s] of f(x), x having 2^bits parts, `stride` doubles from part to part. */
void number_apply1(Scalar1 f, int bits, const double *x, double *out);
void number_apply2(Scalar2 g, int bits, const double *x, const double *y, double *out);

/* How close decisions (comparisons, floors, maxima) came to falling the other way: the least of |a - b| / max(|a|, |b|,
   1) over all of unequal numbers. */
extern double closest_decision;
void note_decision(double a, double b);
extern double worst_cancellation; /* the least |a - b| / max(|a|, |b|) of all sums of unequal numbers: how much of their
                                     digits was left */

/* ---- value.c: the values of one evaluation, a graph that is only ever added to ----------------------------------- */

enum { AXES = 7 };
typedef struct Shape {
  int rank;
  int at[AXES];
} Shape;
int shape_size(Shape shape);
bool shape_equal(Shape a, Shape b);

typedef enum NodeOp {
  N_GIVEN, /* numbers: constants, weights, states, data, noise */
  N_MAP1,
  N_MAP2,
  N_SELECT, /* pointwise; a side of one number serves all elements */
  N_GATHER, /* element e is element from[e] of the operand, 0 where that is -1 */
  N_STACK,  /* operands one after the other */
  N_SUM,    /* of operands of equal shape */
  N_TOTAL,  /* of all elements */
  N_EXTREME,
  N_EXTREME_WHERE,   /* max (which = 1) or min (-1) of all elements; of (value, condition) pairs: 0 where none counts */
  N_LOOKUP,          /* operand[0] subscripted by numbers; outside: 0 */
  N_MEAN_OF_SAMPLES, /* E */
  N_GRAD,            /* of operand[0] by operand[1] */
  N_STILL            /* the operand without its infinitesimal parts */
} NodeOp;

typedef struct Node {
  int id;
  NodeOp op;
  int which; /* Scalar1, Scalar2; EXTREME: 1 or -1; SELECT: k + 1 where nobody can tell what operand k is, else 0 */
  Shape shape;
  bool random; /* a value for each sample, else one for all */
  bool varies; /* it depends on a variable; else it is static */
  int count;
  struct Node **operands;
  const int *from;      /* GATHER */
  double *given;        /* GIVEN: samples x elements, or elements */
  const void *variable; /* GIVEN: what it is a value of; NULL for constants */
  uint64_t hash;        /* of its structure */
  Block value;          /* without infinitesimals, when computed */
  int path_count;
  struct Node **path;
  bool coupled;  /* GRAD: nodes between operand[1] and operand[0] */
  Block changed; /* its value in the innermost context that changes it */
} Node;

extern int samples;            /* of the evaluation at hand */
void nodes_start(void);        /* a reading of a model begins: its nodes are counted anew */
void evaluation_of(int batch); /* begins */
Node *node_new(NodeOp op, int which, Shape shape, int count, Node *const *operands);
Node *node_given(Shape shape, bool random, double *numbers, const void *variable);
Node *node_constant(double value);
Node *node_gather(Node *node, Shape shape, const int *from);
Node *node_map1(Scalar1 f, Node *a);
Node *node_map2(Scalar2 g, Node *a, Node *b); /* equal shapes, or one of them [] */
Node *node_select(Node *c, Node *a, Node *b);
Node *node_grad(Node *e, Node *v);
bool node_equal(const Node *a, const Node *b); /* the same operations on the same values */
bool node_depends(const Node *a, const Node *v);

/* ---- evaluate.c -------------------------------------------------------------------------------------------------- */

const double *node_numbers(Node *node); /* samples x elements, or elements where not random */
/* Evaluating fails when so many multiplications are used up; every result is moved by the fraction of itself, up or
   down. */
void evaluate_start(double work, double fraction);

extern double largest_number; /* of all that was computed since */

/* ---- draws.c: random numbers and permutations, from the reference ------------------------------------------------ */

uint64_t hash_name(const char *name);
double draw_uniform(uint64_t seed, const char *name, int element, int sample, int ordinal, int round);
double draw_normal(uint64_t seed, const char *name, int element, int sample, int ordinal, int round, bool narrow);
int permuted(uint64_t seed, const char *walk, int count, int64_t position);

/* ---- language.c and the rest: a model ---------------------------------------------------------------------------- */

typedef struct Tensor { /* a weight or a state */
  const char *name;
  Shape shape;
  bool is_state;
  double *value;
} Tensor;

/* Rows that a variable takes in training: fed, or the samples of a file. */
typedef struct Given {
  const char *name;
  int rows;
  Shape shape;
  double *at;
} Given;

typedef struct Inputs {
  uint64_t seed;
  bool narrow; /* a float32 trainer: initial values and draws are rounded to float32 */
  int data_count;
  Given *data; /* the samples of each data */
  bool fed;    /* variables take rows of files, and weights start from one */
  int feed_count, feed_capacity;
  Given *feeds;     /* what was taken */
  bool refuse_flat; /* fail where an objective is flat in all weights of a player */
  double nudge;     /* all inputs are moved by this fraction of themselves, in a random direction */
} Inputs;

typedef struct Logged {
  int step;
  const char *name;
  bool is_output;
  double value;
} Logged;

typedef struct Outcome {
  int tensor_count;
  Tensor *tensors; /* after the last step */
  double **before; /* their initial values */
  int logged_count;
  Logged *logged;
  double decision, cancellation; /* closest_decision, worst_cancellation */
  int batch;
} Outcome;

/* Trains the model for so many steps; fails where the language says that it is none. */
Outcome run_model(const Tree *file, Inputs *inputs, int steps);

/* ---- generate.c -------------------------------------------------------------------------------------------------- */

typedef struct Plan { /* all that is drawn from the seed */
  uint64_t seed;
  const char *text;       /* the model */
  bool fed, narrow, wide; /* wide: sizes that reach tiles and vectors */
  int steps, rows;        /* rows: samples of each data */
  int compiler, processor;
} Plan;
Plan generate(uint64_t seed);

uint64_t random_bits(void); /* random.c: the generator's own numbers */
void random_start(uint64_t seed);
int random_below(int n);
bool one_in(int n);
double random_normal(void);

/* ---- coverage.c -------------------------------------------------------------------------------------------------- */

enum { CONSTRUCT_LIMIT = 128 };
typedef struct Coverage {
  long count[CONSTRUCT_LIMIT];
} Coverage;
int construct_count(void);
void coverage_add(Coverage *coverage, const Tree *file, const Plan *plan);
/* Gives how many constructs no model held. */
int coverage_print(const Coverage *coverage, long models, FILE *out);

/* ---- files.c, process.c ------------------------------------------------------------------------------------------ */

void write_npy(const char *path, bool narrow, int rows, Shape shape, const double *values);
void write_safetensors(const char *path, bool narrow, int count, const Tensor *tensors);
typedef struct Stored {
  const char *name;
  Shape shape;
  double *value;
} Stored;
int read_safetensors(const char *path, Stored **tensors); /* -1 if it cannot be read */
char *read_text(const char *path);                        /* NULL if it cannot be read */
void write_text(const char *path, const char *text);
/* Runs a program; its standard output and error go to the file. Its exit status; 128 + the signal; 200 when it took
   more than `seconds`. */
int run_program(const char *const *arguments, const char *folder, const char *output, int seconds);

/* ---- trial.c, reduce.c ------------------------------------------------------------------------------------------- */

typedef enum Verdict { AGREES, DIFFERS, REFUSED, CRASHED, DOUBTFUL, SENSITIVE, COSTLY, INVALID, VERDICT_COUNT } Verdict;
extern const char *const verdict_names[VERDICT_COUNT];

typedef struct Setup {
  int compiler_count;
  const char *compilers[4];
  const char *folder;
  const char *march;
  const char *real;
  bool keep;
} Setup;
typedef struct Trial {
  Verdict verdict;
  const char *reason;
  char report[2048];
  double worst;
} Trial; /* reason: the kind of report */
/* Compiles, trains and compares one model. */
Trial try_model(const Setup *setup, const Plan *plan, const Tree *file);
/* What the oracle says of a model; fails where it is none. */
Outcome outcome_of(const Plan *plan, const Tree *file);
/* The smallest model found that fails as the trial did. */
Tree *reduce_model(const Setup *setup, const Plan *plan, const Tree *file, const Trial *trial);

#endif
