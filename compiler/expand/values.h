/* Kinds of values, and what can be done with any: a tensor is an expression over the sample, its axes and the indices
   in scope. */
#ifndef VALUES_H
#define VALUES_H

#include "expand.h"

/* A value that is not yet stored is an expression over these variables: the sample, its own axes, the indices in
   scope. */
enum {
  SAMPLE_VARIABLE = 0,
  OWN_VARIABLE = 1,                         /* first own axis */
  INDEX_VARIABLE = OWN_VARIABLE + OWN_LIMIT /* first index */
};

typedef struct Value Value;
typedef struct Frame Frame;
typedef struct Scope Scope;
typedef struct Slot Slot;
typedef struct Network Network;
typedef struct Evaluator Evaluator;

/* ---- values ------------------------------------------------------------------------------------------------------ */

typedef enum ValueKind {
  VALUE_ERROR, /* reported already: whatever touches it is silent */
  VALUE_NUMBER,
  VALUE_STRING,
  VALUE_TENSOR,
  VALUE_LIST,
  VALUE_RECORD,
  VALUE_RANGE,
  VALUE_FUNCTION,
  VALUE_RECIPE,
  VALUE_INSTANCE,
  VALUE_NETWORK,
  VALUE_BUILTIN,
  VALUE_SLOT
} ValueKind;

typedef struct Setting {
  const char *name;
  double value;
  int tensor;
  bool frozen;
  struct Dependence *dependence;
  Span span;
} Setting;
/* The settings that a number depends on: one, or those of two others. frozen: all of them have decided a shape, a
   branch or a bound. */
typedef struct Dependence Dependence;
struct Dependence {
  Setting *setting;
  Dependence *left, *right;
  bool frozen;
};

typedef struct Definition {
  const Syntax *syntax;
  Scope *scope;
} Definition; /* FN or LAYER */
typedef struct Binding {
  const char *name;
  Value *value;
} Binding;
typedef struct Builtin Builtin;
/* A function with its settings, of which exactly one of definition and builtin is not NULL. */
typedef struct Recipe {
  const Definition *definition;
  const Builtin *builtin;
  int count;
  Binding *settings;
  int64_t leaves;
} Recipe;
typedef struct Instance {
  const Recipe *recipe;
  const char *path;
  Network *network;
} Instance;

struct Value {
  ValueKind kind;
  union {
    /* static; runtime: as the trainer computes it from `settings`; NULL where it depends on none */
    struct {
      double value;
      bool truth;
      const Scalar *runtime;
      Dependence *settings;
    } number;
    const char *string;
    /* apart: marked for every value of its indices */
    struct {
      int rank;
      int64_t shape[OWN_LIMIT];
      bool random, truth, apart;
      int classes;
      const Scalar *element;
    } tensor;
    struct {
      int count;
      Value **items;
      int64_t leaves;
    } list; /* leaves: see value_leaves; 0: not counted yet */
    struct {
      int count;
      Binding *items;
      int64_t leaves;
    } record;
    struct {
      double low, high;
    } range;
    const Definition *function;
    const Recipe *recipe;
    const Instance *instance;
    Network *network;
    const Builtin *builtin;
    Slot *slot;
  };
};

/* ---- values.c ---------------------------------------------------------------------------------------------------- */
Value *value_number(Evaluator *e, double number);
Value *value_truth(Evaluator *e, bool truth);
Value *value_string(Evaluator *e, const char *text);
/* A copy of the items, or room for them (NULL). Counts as so much work as it has leaves. */
Value *value_list(Evaluator *e, int count, Value **items);
/* What lies at the bottom of lists, records and recipes within each other. A list that stands in another twice counts
   twice, though it takes memory once: so long does whoever walks through it take. */
int64_t value_leaves(Value *value);
double shape_size(int rank, const int64_t *shape); /* elements; too many for a whole number are still many */
Value *value_tensor(Evaluator *e, int rank, const int64_t *shape, bool random, const Scalar *element);
Value *value_kind(Evaluator *e, ValueKind kind);
/* The value of a node whose axes are (the batch, if node->batch,) the given index variables in ascending order, then
   own axes. */
Value *value_of_node(Evaluator *e, Node *node, uint32_t indices);
Value *value_dereference(Evaluator *e, Value *value); /* a slot's current value, else itself */
/* As a tensor; numbers become shape [], lists of equal shapes gain an axis, networks become lists. Reports; VALUE_ERROR
   on failure. */
Value *value_as_tensor(Evaluator *e, Value *value, Span span);
/* The list of its elements: lists, records, networks (their weights), tensors (slices), whole ranges. Reports; NULL on
   failure. */
Value *value_as_list(Evaluator *e, Value *value, Span span);
bool number_is_whole(double number, int64_t *whole);     /* to rounding, and small enough to be exact */
bool value_is_whole(const Value *value, int64_t *whole); /* a static number without fraction */
/* Static demands: they freeze the settings that the number depends on. False after a report. */
bool value_static_number(Evaluator *e, Value *value, Span span, double *number);
bool value_static_whole(Evaluator *e, Value *value, Span span, int64_t *whole);
bool value_static_truth(Evaluator *e, Value *value, Span span, bool *truth);
bool value_static_shape(Evaluator *e, Value *value, Span span, int *rank, int64_t *shape);
/* A node that holds the value, with the axes of value_of_node. */
Node *value_node(Evaluator *e, const Value *tensor, Span span);
/* The same value, read from a node unless it is cheap anyway. */
Value *value_stored(Evaluator *e, Value *value, Span span);
/* Behind a MARK, for `grad`, for every value of the indices apart; lists of equal shapes become tensors. same: another
   name of something marked stays that. */
Value *value_marked(Evaluator *e, Value *value, bool same, uint32_t indices, Span span);
Node *value_variable(Evaluator *e, Value *value); /* the mark or input that it is the whole of, or NULL */
const Scalar *number_element(Evaluator *e, const Value *number);
/* Combines over variables `summed` (a set); own axes and free indices that are not in it stay. */
Value *value_reduce(Evaluator *e, Combine combine, const Value *tensor, uint32_t summed, Span span);
int64_t variable_extent(Evaluator *e, const Value *tensor, int variable, Span span); /* 0 after a report */
/* element with own variable k replaced by `to + k`, for all k */
const Scalar *element_shift(Evaluator *e, const Scalar *element, int rank, int by);
uint32_t element_indices(const Scalar *element); /* the set of index variables that it depends on */

/* ---- lists.c ----------------------------------------------------------------------------------------------------- */
bool value_has_shape(Evaluator *e, Value *value, int *rank,
                     int64_t *shape); /* is it a tensor, a number, or a list of equal shapes? */
Value *list_stacked(Evaluator *e, Value *list,
                    Span span); /* as a tensor with one more axis in front; reports unequal shapes */
typedef Value *(*ApplyElements)(Evaluator *e, int op, int count, Value **elements, const Span *spans, Span span);
/* At most 3 arguments. The list of what `apply` makes of their elements, where lists among them are no tensors; NULL
   where they all are. */
Value *value_over_lists(Evaluator *e, int op, int count, Value **arguments, const Span *spans, Span span,
                        ApplyElements apply);

#endif
