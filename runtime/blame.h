/* What the files of the search for a number's origin share: what was found, and how it is told. */
#ifndef BLAME_H
#define BLAME_H

#include "runtime/runtime.h"

/* blame.c */
typedef enum SearchEnd {
  SEARCH_FOUND,
  SEARCH_NOT_AGAIN, /* the same rounds have given other numbers */
  SEARCH_NOTHING,   /* no program has left a number that is not finite */
  SEARCH_STOPPED,   /* by Ctrl-C */
  SEARCH_NO_MEMORY
} SearchEnd;

/* What lay in a buffer before the step; its data on the heap. */
typedef struct Overwritten {
  TensorView view;
  bool batch;
} Overwritten;

typedef struct Finding {
  bool found;
  int64_t round, routine, step, binding; /* where the number was left */
  int64_t element;                       /* row-major */
  int64_t bad_count;                     /* so many of its value are not finite */
  int64_t overwritten_count;
  Overwritten *overwritten;
} Finding;

/* False where the binding is of neither a tensor nor a value. */
bool binding_view(const Execution *execution, int64_t binding, TensorView *view);

/* blame_report.c */
void search_begin(const Engine *engine, int64_t from, int64_t last_round);
void search_end(const Engine *engine, SearchEnd end);
/* Right before the step; false: no memory. */
bool finding_keep_overwritten(Finding *finding, const Execution *execution);
/* Right after it, while its inputs are what they were. */
void finding_report(const Finding *finding, const Engine *engine);
void finding_release(Finding *finding);

#endif
