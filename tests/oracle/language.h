/* What a model means: trees to values. Shared by language.c, notation.c, calls.c, builtins.c, variables.c and
   training.c. */
#ifndef ORACLE_LANGUAGE_H
#define ORACLE_LANGUAGE_H

#include "oracle.h"

typedef struct Slot Slot;
typedef struct Scope Scope;
typedef struct Network Network;

typedef enum ValueKind { V_NUMBER, V_NODE, V_SLOT, V_LIST, V_RECORD, V_RECIPE, V_NETWORK, V_TEXT } ValueKind;

typedef struct Recipe {   /* something that can be called */
  const Tree *definition; /* a function, layer or network … */
  const char *builtin;    /* … or a word of the language */
  bool set;
  Scope *settings; /* the first of two lists is given */
  int given_count;
  struct Value **given; /* settings of a builtin */
  const Tree *mention;  /* the name that was written */
  const char *instance; /* the path of a named instance, or NULL */
} Recipe;

typedef struct Value {
  ValueKind kind;
  double number; /* NUMBER: static */
  bool indexed;  /* NUMBER: an index takes part in it */
  int classes;   /* NODE: a label of so many; 0 */
  Node *node;
  Slot *slot;
  int count;
  struct Value **items;
  const char **names; /* LIST, RECORD */
  Recipe recipe;
  Network *network;
  const char *text;
} Value;

typedef struct Binding {
  const char *name;
  Value *value;
} Binding;
struct Scope {
  Scope *parent;
  int count, capacity;
  Binding *bindings;
};

struct Slot {
  Tensor tensor;
  double *before;    /* the initial value */
  Node *current;     /* in this evaluation; NULL: as it came in */
  bool moved;        /* in this evaluation */
  const char *owner; /* the network whose weight it is, or NULL */
};

/* A network and, in the order of the text, its own weights and states and the networks that it calls. */
typedef struct Part {
  Slot *slot;
  Network *network;
} Part;
struct Network {
  const char *name;
  const Tree *syntax;
  const Tree *optimizer;
  int part_count, part_capacity;
  Part *parts;
};

typedef struct Axis {
  const char *name;
  int extent, at;
  const struct Axis *outer;
} Axis; /* an index, and the value that it has here */

typedef struct Frame { /* where an expression stands */
  Scope *scope;
  const Tree *body;  /* in which mentions of a name are counted */
  const Tree *gives; /* the result that is declared, or NULL */
  const char *path;  /* "" at the top */
  const char *loops; /* "[2]" for every loop around */
  const char *fresh; /* "", ".fresh_1" */
  Network *network;  /* of which this is a call, or NULL */
  bool numbered;
  int call;            /* of the network in this evaluation; outside of networks, of the layer; -1: not known */
  const Axis *axes;    /* indices in scope, the last one first */
  const Axis *applied; /* indices for whose every value the call around was applied */
  bool training;
  bool statement;  /* of train: what is assigned is a number */
  bool in_library; /* where the file's names are not seen */
} Frame;

typedef struct Variable {
  const char *name;
  Node *node;
} Variable; /* drawn in this evaluation */
typedef struct Usage {
  Slot *slot;
  Node *node;
} Usage;
typedef struct Call { /* of an instance or network, in this evaluation */
  const char *path;
  int count;
  Value **arguments;
  bool training;
  int number;
  Value *result;
  bool draws;
  const char *fresh;
  int network_call;    /* noise inside: it belongs to that place, that call of its network and … */
  const Axis *applied; /* … those values of indices */
  int use_count, use_capacity;
  Usage *uses; /* what it read before assigning it */
  int assigned_count, assigned_capacity;
  Slot **assigned;
} Call;
typedef struct Stream {
  const char *name;
  const Axis *applied;
} Stream; /* applied: as the frame's */
typedef struct Meaning {
  const char *name, *fresh;
  Value *value;
  Call *call;
} Meaning; /* of a name of the file, as long as the states hold that it read */

typedef struct Evaluation {
  int round, ordinal;
  const char *output; /* its name, or NULL in training */
  bool counted;       /* it draws */
  int variable_count, variable_capacity;
  Variable *variables;
  int meaning_count, meaning_capacity;
  Meaning *meanings;
  int call_count, call_capacity;
  Call **calls;
  int active_count;
  Call *active[64]; /* calls that run right now */
  int stream_count, stream_capacity;
  Stream *streams; /* of noise in layers, as often as they were declared */
} Evaluation;

typedef struct Model {
  const Tree *file, *library;
  Inputs *inputs;
  int slot_count, slot_capacity;
  Slot **slots;
  int network_count, network_capacity;
  Network **networks;
  int fresh_count, fresh_capacity;
  const Tree **fresh_places;
  const char **fresh_paths;
  int position_count, position_capacity;
  struct Position {
    const char *walk;
    int64_t at;
  } *positions;
  double step, image, epoch, progress; /* the counters, now */
  int batch;                           /* of the evaluation at hand */
  Evaluation *evaluation;
} Model;

extern Model *model;

/* language.c */
Value *value_number(double number);
Value *value_node(Node *node);
Value *value_list(int count, Value **items);
Node *as_node(Value *value);
bool can_be_node(Value *value);
double as_static(Value *value, const char *what);
int as_int(Value *value, const char *what);
Scope *scope_new(Scope *parent);
void scope_bind(Scope *scope, const char *name, Value *value);
Value *scope_find(Scope *scope, const char *name);
Value *find_name(Frame *frame, const char *name);   /* NULL if nothing is called so */
bool is_defined(Frame *frame, const char *name);    /* without evaluating what it is */
Value *find_static(Frame *frame, const char *name); /* a number or list that the name stands for, or NULL */
bool is_of_library(const Tree *definition);         /* whose names are the library's alone */
Value *evaluate(Frame *frame, const Tree *tree);
Node *evaluate_to_node(Frame *frame, const Tree *tree);
Value *apply1(Scalar1 f, Value *a);
Value *apply2(Scalar2 g, Value *a, Value *b);
Value *choose_value(Value *condition, Value *yes, Value *no);
int list_length(Value *value);
Value *list_item(Value *value, int i);
const char *name_of(const Tree *tree);

/* notation.c */
Value *evaluate_subscript(Frame *frame, const Tree *tree);
Value *evaluate_reduction(Frame *frame, const Tree *tree);
Value *define_by_index(Frame *frame, const Tree *target, const Tree *value, const Shape *declared);
Value *increase(Frame *frame, const Tree *target, const Tree *value, Value *old, const Shape *declared);
Node *part_of(Node *node, int first, Shape shape); /* elements from `first` on */

/* calls.c */
Value *evaluate_call(Frame *frame, const Tree *tree);
Call *call_open(Call call); /* records what is read and assigned until it is closed */
void call_close(void);
bool same_axes(const Axis *a, const Axis *b); /* of the same extents */
bool call_holds(const Call *call);            /* nothing that it read has moved since */
void call_again(const Call *call);            /* what it read and drew, the calls around have, too */
Value *evaluate_pipe(Frame *frame, const Tree *tree);
Value *call_value(Frame *frame, Value *function, int count, Value **arguments,
                  int training); /* training: -1 inherited */
void run_statement(Frame *frame, const Tree *statement, Value **last);
Value *apply_layer(Frame *frame, const char *path, const Recipe *recipe, int count, Value **arguments);
Shape type_shape(Frame *frame, const Tree *type);
/* One turn after the other of `for` over a relation: next(context) with the names bound in scope and loops extended. */
void each_turn(Frame *frame, const Tree *relation, void (*next)(void *context, Frame *frame), void *context);

/* builtins.c */
bool is_builtin(const char *name);
Value *call_builtin(Frame *frame, const Recipe *recipe, int count, Value **arguments);
Value *expectation(Value *value);

/* variables.c */
void network_holds(Network *network, Slot *slot, Network *part);
Slot *declare_slot(Frame *frame, const Tree *statement);
Node *slot_read(Slot *slot);
void slot_assign(Slot *slot, Node *node);
Value *top_variable(Frame *frame, const Tree *statement); /* data or noise of the file */
Value *local_noise(Frame *frame, const Tree *statement);
Value *draw_from(Frame *frame, const Recipe *distribution, Shape shape); /* an initial value */
Value *fresh_value(Frame *frame, const Tree *tree);
Network *network_find(const char *name);
int network_weights(Network *network, Slot ***weights);

#endif
