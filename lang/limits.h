/* Every limit that a model can meet; beyond each stands a message, whose code is named here. (LENGTH_LIMIT and
   REPEAT_LIMIT, which trainers share, stand in runtime/abi.h. What merely ends a search, how far a warning looks or how
   many parts one program takes, stands where the search is: beyond it nothing is lost. What cannot be passed whatever
   the model says ends in internal_error.) */
#ifndef LIMITS_H
#define LIMITS_H

enum {
  /* text */
  SOURCE_LIMIT = 64 * 1024 * 1024, /* E1016: bytes of a file; offsets have 32 bits */
  BRACKET_LIMIT = 200,             /* E1011: brackets in brackets */
  TREE_LIMIT = 1000,               /* E1011: expressions and blocks in others; whoever walks a tree counts on it */

  /* what evaluation takes */
  CALL_LIMIT = 400, /* E2036: calls within calls */
  NESTING_LIMIT =
      8000, /* E2036: expressions within expressions, those of all calls in progress: what the stack bears */
  WORK_LIMIT = 1 << 20, /* E2061: expressions, turns of loops and elements of lists, all in all */
  UPDATE_WORK = 256,    /* an update counts as so many */
  STACK_LIMIT = 4096,   /* E2061: elements of a list that becomes a tensor, and of a tensor that becomes a list */
  TURN_LIMIT = 1 << 16, /* E2061: elements of a list that a range becomes */

  /* shapes and indices */
  BATCH_LIMIT = 1 << 20,      /* E3027: samples of an evaluation */
  ELEMENT_LIMIT = 2147483647, /* E2060: elements of a tensor */
  CLASSES_LIMIT = 1 << 24,    /* E2060: of labels: what float32 tells apart */
  RANK_LIMIT = 8,             /* E2060: axes of a tensor, the batch included */
  OWN_LIMIT = 6,              /* E2060: axes of a value, neither the batch nor indices in scope included */
  VARIABLE_LIMIT = 16,        /* variables of a node that run: the sample, the value's axes, */
  INDEX_LIMIT = VARIABLE_LIMIT - OWN_LIMIT - 1, /* E2061: and the indices in scope */
  CONDITION_LIMIT = 16                          /* E2061: conditions of one `sum[…]` */
};

#endif
