/* The IDX format of MNIST and its kin: 0, 0, type, rank, the extents as big-endian u32, the numbers.
   Takes a stream of bytes; returns a data set in the machine's byte order. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

static const struct {
  uint8_t code;
  ElementType type;
} type_rows[] = {
    {0x08, ELEMENT_U8},  {0x09, ELEMENT_I8},  {0x0b, ELEMENT_I16},
    {0x0c, ELEMENT_I32}, {0x0d, ELEMENT_F32}, {0x0e, ELEMENT_F64},
};

enum { HEADER_BYTES = 4 + 4 * IO_RANK_LIMIT };

typedef struct IdxHeader {
  ElementType type;
  int64_t rank, shape[IO_RANK_LIMIT];
  size_t bytes;
  uint64_t data_bytes;
} IdxHeader;

/* From the file's first bytes, as many of them as there are. */
static bool header_read(const char *name, const uint8_t *bytes, size_t size, IdxHeader *header, Problem *problem) {
  size_t row = 0, row_count = sizeof type_rows / sizeof *type_rows;
  if (size < 4 || bytes[0] != 0 || bytes[1] != 0)
    return problem_set(problem, "%s is not an IDX file: it does not start with two zero bytes, a type and a rank",
                       name);
  while (row < row_count && type_rows[row].code != bytes[2]) row++;
  if (row == row_count)
    return problem_set(problem,
                       "%s: IDX type 0x%02x is unknown; known are 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64", name,
                       bytes[2]);
  *header = (IdxHeader){.type = type_rows[row].type, .rank = bytes[3], .bytes = 4 + 4 * (size_t)bytes[3]};
  if (header->rank < 1 || header->rank > IO_RANK_LIMIT)
    return problem_set(problem, "%s: an IDX array of %d axes; 1 to 8 are read", name, bytes[3]);
  if (size < header->bytes) return problem_set(problem, "%s: cut short in its header", name);
  for (int64_t i = 0; i < header->rank; i++) {
    const uint8_t *at = bytes + 4 + 4 * i;
    header->shape[i] = (int64_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
  }
  char text[160];
  return shape_bytes(header->type, header->rank, header->shape, &header->data_bytes) ||
         problem_set(problem, "%s: its shape %s overflows", name,
                     element_shape_text(header->rank, header->shape, text));
}

static void swap_bytes(uint8_t *data, uint64_t bytes, size_t width) {
  for (uint8_t *at = data; width > 1 && at < data + bytes; at += width)
    for (size_t i = 0; i < width / 2; i++) {
      uint8_t kept = at[i];
      at[i] = at[width - 1 - i];
      at[width - 1 - i] = kept;
    }
}

bool idx_recognise(const uint8_t *bytes, size_t size) { return size >= 2 && bytes[0] == 0 && bytes[1] == 0; }

bool idx_dataset(Dataset *dataset, Stream *stream, Problem *problem) {
  IdxHeader header;
  if (!stream_need(stream, HEADER_BYTES, problem) ||
      !header_read(stream->name, stream->bytes, stream->size, &header, problem))
    return false;
  /* one byte more would be one too many */
  if (!stream_need(stream, header.bytes + header.data_bytes + 1, problem)) return false;
  if (!shape_agrees(stream, header.type, header.rank, header.shape, header.data_bytes, stream->size - header.bytes,
                    problem))
    return false;
  const uint8_t *rows = stream->bytes + header.bytes;
  size_t width = element_bytes(header.type);
  if (width > 1) {
    dataset->owned = system_allocate(header.data_bytes + 1);
    if (!dataset->owned) return problem_out_of_memory(problem, stream->name, header.data_bytes);
    rows = memcpy(dataset->owned, rows, header.data_bytes);
    swap_bytes(dataset->owned, header.data_bytes, width);
  }
  return dataset_set_rows(dataset, header.type, header.rank, header.shape, rows, problem);
}
