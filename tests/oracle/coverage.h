/* The constructs that the coverage table counts, and who finds them in a model's tree. */
#ifndef ORACLE_COVERAGE_H
#define ORACLE_COVERAGE_H

#include "oracle.h"

typedef enum Construct {
#define CONSTRUCT(name, title) C_##name,
#include "constructs.def"
#undef CONSTRUCT
  C_COUNT
} Construct;

/* coverage_convolutions.c: sets found[construct] for the convolutions and their kin in a file. */
void look_for_convolutions(const Tree *file, bool *found);

#endif
