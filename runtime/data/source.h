/* Inside runtime/data: the readers that source.c chooses from. Each fills type, shape, count and rows of a Dataset whose name is set. */
#ifndef SOURCE_H
#define SOURCE_H

#include "runtime/io.h"

/* An IDX file, plain or compressed by gzip, from bytes. `rows` point into them (plain, one byte an element), or into dataset->owned. */
bool idx_parse(Dataset *dataset, const uint8_t *bytes, size_t size, Problem *problem);

/* `ring`, `grid(side=5, sigma=0.05)` … False with an empty problem text if the spec starts with no mixture's name; so `problem` must be there. */
bool mixture_generate(Dataset *dataset, const char *spec, DataPart part, DataColumn column, Problem *problem);

/* Axis 0 of an array becomes the samples. */
bool dataset_set_rows(Dataset *dataset, ElementType type, int64_t rank, const int64_t *shape, const void *rows, Problem *problem);

/* Bytes of an array; false if there are 2^62 or more, or an extent is negative. */
bool shape_bytes(ElementType type, int64_t rank, const int64_t *shape, uint64_t *bytes);

#endif
