/* Loops over the points of items, for the files that make some: nest.c and scatter.c. */
#ifndef NEST_H
#define NEST_H

#include "strategy.h"

typedef struct Loop {
  int64_t extent, stride;              /* in the output, to sort by */
  int axis;                            /* box variable, loop of a class or free variable that it runs over */
  int merged[BOX_LIMIT], merged_count; /* variables that this loop also runs over: they stay 0 */
  int variable;                        /* once it is open */
} Loop;

typedef struct Nest {
  Builder *builder;
  int loop_count;
  Loop loops[BOX_LIMIT];
  int lane; /* loop with the lanes, or -1 */
  bool has_valid;
  Affine valid;
} Nest;

/* chunks > 1: variable 0 takes block after block of one loop. */
void nest_open(Nest *nest, int64_t chunks);
void nest_close(Nest *nest);
/* Where its loops are, nothing placed yet. */
Point nest_point(const Nest *nest);
/* Variables where the loops over them are; those that have one value. */
void point_loops(Point *point, const Nest *nest, const int64_t *box);
void unit_variables(Point *point, const Item *item);
int64_t write_stride(const Item *item, int variable); /* in the output */
int64_t view_elements(const View *view);

#endif
