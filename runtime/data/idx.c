/* The IDX format of MNIST and its kin: 0, 0, type, rank, the extents as big-endian u32, the numbers; often compressed by gzip.
   Takes bytes; returns a data set in the machine's byte order. Never allocates more than the format allows the file to hold. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "runtime/data/source.h"

static const struct { uint8_t code; ElementType type; } type_rows[] = {
  { 0x08, ELEMENT_U8 }, { 0x09, ELEMENT_I8 }, { 0x0b, ELEMENT_I16 }, { 0x0c, ELEMENT_I32 }, { 0x0d, ELEMENT_F32 }, { 0x0e, ELEMENT_F64 },
};

enum { HEADER_BYTES = 4 + 4 * IO_RANK_LIMIT, DEFLATE_RATIO = 1032 }; /* no byte of deflate makes more than 1032 */

typedef struct IdxHeader { ElementType type; int64_t rank, shape[IO_RANK_LIMIT]; size_t bytes; uint64_t data_bytes; } IdxHeader;

/* From the file's first bytes, as many of them as there are. */
static bool header_read(const char *name, const uint8_t *bytes, size_t size, IdxHeader *header, Problem *problem) {
  size_t row = 0, row_count = sizeof type_rows / sizeof *type_rows;
  if (size < 4 || bytes[0] != 0 || bytes[1] != 0) return problem_set(problem, "%s is not an IDX file: it does not start with two zero bytes, a type and a rank", name);
  while (row < row_count && type_rows[row].code != bytes[2]) row++;
  if (row == row_count) return problem_set(problem, "%s: IDX type 0x%02x is unknown; known are 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64", name, bytes[2]);
  *header = (IdxHeader){ .type = type_rows[row].type, .rank = bytes[3], .bytes = 4 + 4 * (size_t)bytes[3] };
  if (header->rank < 1 || header->rank > IO_RANK_LIMIT) return problem_set(problem, "%s: an IDX array of %d axes; 1 to 8 are read", name, bytes[3]);
  if (size < header->bytes) return problem_set(problem, "%s: cut short in its header", name);
  for (int64_t i = 0; i < header->rank; i++) {
    const uint8_t *at = bytes + 4 + 4 * i;
    header->shape[i] = (int64_t)((uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]);
  }
  char text[160];
  return shape_bytes(header->type, header->rank, header->shape, &header->data_bytes) ||
         problem_set(problem, "%s: its shape %s overflows", name, element_shape_text(header->rank, header->shape, text));
}

static bool check_size(const char *name, const IdxHeader *header, uint64_t found, Problem *problem) {
  char text[160];
  if (found == header->data_bytes) return true;
  return problem_set(problem, "%s: %s of %s needs %" PRIu64 " bytes, the file has %s%" PRIu64 "%s", name, element_shape_text(header->rank, header->shape, text), element_name(header->type), header->data_bytes,
                     found > header->data_bytes ? "at least " : "", found, found < header->data_bytes ? "; it was cut short" : "");
}

static void swap_bytes(uint8_t *data, uint64_t bytes, size_t width) {
  for (uint8_t *at = data; width > 1 && at < data + bytes; at += width)
    for (size_t i = 0; i < width / 2; i++) {
      uint8_t kept = at[i];
      at[i] = at[width - 1 - i];
      at[width - 1 - i] = kept;
    }
}

/* Up to `wanted` bytes more; fewer at the end of the stream. */
static bool inflate_some(z_stream *stream, const char *name, uint8_t *out, uint64_t wanted, uint64_t *got, bool *ended, Problem *problem) {
  *got = 0;
  while (*got < wanted && !*ended) {
    stream->next_out = out + *got;
    stream->avail_out = wanted - *got > UINT32_MAX ? UINT32_MAX : (uInt)(wanted - *got);
    uInt room = stream->avail_out;
    int result = inflate(stream, Z_NO_FLUSH);
    *got += room - stream->avail_out;
    *ended = result == Z_STREAM_END;
    if (result == Z_BUF_ERROR && stream->avail_in == 0) return problem_set(problem, "%s: the gzip stream ends too early; the file was cut short", name);
    if (result == Z_MEM_ERROR) return problem_out_of_memory(problem, name, 1 << 16);
    if (result != Z_OK && result != Z_STREAM_END) return problem_set(problem, "%s: the gzip stream is damaged (%s)", name, stream->msg ? stream->msg : "no details");
  }
  return true;
}

static bool gzip_read(Dataset *dataset, z_stream *stream, size_t size, IdxHeader *header, Problem *problem) {
  uint8_t start[HEADER_BYTES], rest;
  uint64_t got, more;
  bool ended = false;
  if (!inflate_some(stream, dataset->name, start, 4, &got, &ended, problem)) return false;
  size_t length = got == 4 && start[3] <= IO_RANK_LIMIT ? 4 * (size_t)start[3] : 0;
  if (!inflate_some(stream, dataset->name, start + got, length, &more, &ended, problem)) return false;
  if (!header_read(dataset->name, start, (size_t)(got + more), header, problem)) return false;
  if (header->data_bytes / DEFLATE_RATIO > size)
    return problem_set(problem, "%s: its header announces %" PRIu64 " bytes, the %zu compressed ones hold at most %zu; the file is damaged", dataset->name, header->data_bytes, size, size * DEFLATE_RATIO);
  dataset->owned = system_allocate(header->data_bytes + 1);
  if (!dataset->owned) return problem_out_of_memory(problem, dataset->name, header->data_bytes);
  if (!inflate_some(stream, dataset->name, dataset->owned, header->data_bytes, &got, &ended, problem)) return false;
  if (!inflate_some(stream, dataset->name, &rest, 1, &more, &ended, problem)) return false;    /* the end and its checksum, or one byte too many */
  return check_size(dataset->name, header, got + more, problem);
}

bool idx_parse(Dataset *dataset, const uint8_t *bytes, size_t size, Problem *problem) {
  IdxHeader header;
  if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
    z_stream stream = { .next_in = (Bytef *)bytes, .avail_in = (uInt)size };                   /* zlib does not write through it */
    if (size > UINT32_MAX) return problem_set(problem, "%s: compressed files over 4 GiB are not read; decompress it", dataset->name);
    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) return problem_out_of_memory(problem, dataset->name, 1 << 16);
    bool fine = gzip_read(dataset, &stream, size, &header, problem);
    inflateEnd(&stream);
    if (!fine) return false;
  } else {
    if (!header_read(dataset->name, bytes, size, &header, problem) || !check_size(dataset->name, &header, size - header.bytes, problem)) return false;
    if (element_bytes(header.type) > 1) {
      dataset->owned = system_allocate(header.data_bytes + 1);
      if (!dataset->owned) return problem_out_of_memory(problem, dataset->name, header.data_bytes);
      memcpy(dataset->owned, bytes + header.bytes, header.data_bytes);
    }
  }
  if (dataset->owned) swap_bytes(dataset->owned, header.data_bytes, element_bytes(header.type));
  return dataset_set_rows(dataset, header.type, header.rank, header.shape, dataset->owned ? dataset->owned : bytes + header.bytes, problem);
}
