/* NumPy's .npy: "\x93NUMPY", version, a Python dictionary as header, the numbers.
   Takes a path, bytes, or a stream of them; returns type, shape and a pointer to the row-major numbers. Versions 1 to
   3, as Python 2 and 3 write them; little-endian. Never evaluates the header: it is matched. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

static const struct {
  const char *text;
  ElementType type;
} type_rows[] = {
    {"|u1", ELEMENT_U8},  {"<u1", ELEMENT_U8},  {"|i1", ELEMENT_I8},  {"<i1", ELEMENT_I8},  {"<i2", ELEMENT_I16},
    {"<i4", ELEMENT_I32}, {"<i8", ELEMENT_I64}, {"<f2", ELEMENT_F16}, {"<f4", ELEMENT_F32}, {"<f8", ELEMENT_F64},
};

bool shape_bytes(ElementType type, int64_t rank, const int64_t *shape, uint64_t *bytes) {
  *bytes = element_bytes(type);
  for (int64_t i = 0; i < rank; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(*bytes, (uint64_t)shape[i], bytes) || *bytes >> 62) return false;
  return true;
}

/* ---- the header's dictionary ------------------------------------------------------------------------------------- */

typedef struct Header {
  const char *name, *at, *end;
  char descriptor[16];
  bool has_descriptor, has_order, has_shape, fortran;
  int64_t rank, shape[IO_RANK_LIMIT];
} Header;

static bool header_fail(const Header *header, const char *expected, Problem *problem) {
  char rest[21];
  snprintf(rest, sizeof rest, "%.*s", (int)(header->end - header->at), header->at);
  return problem_set(problem, "%s: not a .npy header: expected %s at \"%s\"", header->name, expected,
                     text_one_line(rest));
}

static void header_skip_blanks(Header *header) {
  while (header->at < header->end && (*header->at == ' ' || *header->at == '\n')) header->at++;
}

static bool header_take(Header *header, const char *token) {
  size_t length = strlen(token);
  header_skip_blanks(header);
  if ((size_t)(header->end - header->at) < length || memcmp(header->at, token, length) != 0) return false;
  header->at += length;
  return true;
}

static bool header_text(Header *header, char *text, size_t size) {
  header_skip_blanks(header);
  char quote = header->at < header->end ? *header->at : 0;
  if (quote != '\'' && quote != '"') return false;
  const char *start = header->at + 1, *close = memchr(start, quote, (size_t)(header->end - start));
  if (!close || (size_t)(close - start) >= size || memchr(start, '\\', (size_t)(close - start))) return false;
  memcpy(text, start, (size_t)(close - start));
  text[close - start] = 0;
  text_one_line(text);
  header->at = close + 1;
  return true;
}

static bool header_shape(Header *header, Problem *problem) {
  if (!header_take(header, "(")) return header_fail(header, "a tuple of extents", problem);
  while (!header_take(header, ")")) {
    int64_t extent = 0;
    const char *start = header->at;
    if (header->rank == IO_RANK_LIMIT) return header_fail(header, "at most 8 axes", problem);
    for (; header->at < header->end && *header->at >= '0' && *header->at <= '9'; header->at++)
      if (__builtin_mul_overflow(extent, 10, &extent) || __builtin_add_overflow(extent, *header->at - '0', &extent))
        return header_fail(header, "an extent below 2^63", problem);
    if (header->at == start) return header_fail(header, "an extent", problem);
    if (header->at < header->end && *header->at == 'L') header->at++; /* a long integer of Python 2 */
    header->shape[header->rank++] = extent;
    if (!header_take(header, ",")) {
      if (!header_take(header, ")")) return header_fail(header, "',' or ')'", problem);
      break;
    }
  }
  return true;
}

static bool header_read(Header *header, Problem *problem) {
  char key[24];
  if (!header_take(header, "{")) return header_fail(header, "'{'", problem);
  while (!header_take(header, "}")) {
    if (!header_text(header, key, sizeof key) || !header_take(header, ":"))
      return header_fail(header, "a key and ':'", problem);
    bool *seen = strcmp(key, "descr") == 0           ? &header->has_descriptor
                 : strcmp(key, "fortran_order") == 0 ? &header->has_order
                 : strcmp(key, "shape") == 0         ? &header->has_shape
                                                     : NULL;
    if (!seen || *seen)
      return problem_set(problem, "%s: not a .npy header: the key '%s' is %s", header->name, key,
                         seen ? "there twice" : "unknown");
    *seen = true;
    if (seen == &header->has_shape) {
      if (!header_shape(header, problem)) return false;
    } else if (seen == &header->has_order) {
      header->fortran = header_take(header, "True");
      if (!header->fortran && !header_take(header, "False")) return header_fail(header, "True or False", problem);
    } else if (!header_text(header, header->descriptor, sizeof header->descriptor)) {
      return header_fail(header, "a type like '<f4' (records are not read)", problem);
    }
    if (!header_take(header, ",")) {
      if (!header_take(header, "}")) return header_fail(header, "',' or '}'", problem);
      break;
    }
  }
  header_skip_blanks(header);
  if (header->at < header->end) return header_fail(header, "nothing after '}'", problem);
  if (!header->has_descriptor || !header->has_order || !header->has_shape)
    return problem_set(problem, "%s: its .npy header lacks descr, fortran_order or shape", header->name);
  return true;
}

/* ---- the whole file ---------------------------------------------------------------------------------------------- */

bool npy_recognise(const uint8_t *bytes, size_t size) { return size >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0; }

bool shape_agrees(const Stream *stream, ElementType type, int64_t rank, const int64_t *shape, uint64_t wanted,
                  uint64_t found, Problem *problem) {
  char text[160];
  if (wanted == found) return true;
  return problem_set(problem, "%s: %s of %s needs %" PRIu64 " bytes, the file has %s%" PRIu64 "%s", stream->name,
                     element_shape_text(rank, shape, text), element_name(type), wanted,
                     stream->whole ? "" : "at least ", found, found < wanted ? "; it was cut short" : "");
}

bool npy_read(Stream *stream, NpyArray *array, Problem *problem) {
  const char *name = stream->name;
  *array = (NpyArray){0};
  if (!stream_need(stream, 12, problem)) return false;
  if (stream->size < 10 || !npy_recognise(stream->bytes, stream->size))
    return problem_set(
        problem, "%s is not a .npy file: it does not start with \\x93NUMPY and a header; or it was cut short", name);
  int major = stream->bytes[6], minor = stream->bytes[7];
  size_t prefix = major == 1 ? 10 : 12, length = (size_t)stream->bytes[8] | (size_t)stream->bytes[9] << 8;
  if (major < 1 || major > 3 || minor != 0)
    return problem_set(problem, "%s: .npy version %d.%d, known are 1.0, 2.0 and 3.0", name, major, minor);
  if (stream->size < prefix) return problem_set(problem, "%s: cut short in its header", name);
  if (major > 1) length |= (size_t)stream->bytes[10] << 16 | (size_t)stream->bytes[11] << 24;
  if (!stream_need(stream, prefix + length, problem)) return false;
  if (length > stream->size - prefix)
    return problem_set(problem, "%s: a header of %zu bytes is announced, %zu follow; the file was cut short", name,
                       length, stream->size - prefix);
  const char *start = (const char *)stream->bytes + prefix;
  Header header = {.name = name, .at = start, .end = start + length};
  if (!header_read(&header, problem)) return false;
  size_t row = 0, row_count = sizeof type_rows / sizeof *type_rows;
  while (row < row_count && strcmp(type_rows[row].text, header.descriptor) != 0) row++;
  if (row == row_count)
    return problem_set(
        problem,
        "%s holds numbers of type '%s'; read are u1, i1, <i2, <i4, <i8, <f2, <f4, <f8: save it with .astype('<f4')",
        name, header.descriptor);
  if (header.fortran && header.rank > 1)
    return problem_set(problem, "%s is stored in Fortran order: save it with numpy.ascontiguousarray(…)", name);
  array->type = type_rows[row].type;
  array->rank = header.rank;
  memcpy(array->shape, header.shape, sizeof array->shape);
  uint64_t wanted;
  char text[160];
  if (!shape_bytes(array->type, array->rank, array->shape, &wanted))
    return problem_set(problem, "%s: its shape %s overflows", name,
                       element_shape_text(array->rank, array->shape, text));
  /* one byte more would be one too many */
  if (!stream_need(stream, prefix + length + wanted + 1, problem)) return false;
  if (!shape_agrees(stream, array->type, array->rank, array->shape, wanted, stream->size - prefix - length, problem))
    return false;
  array->data = stream->bytes + prefix + length;
  return true;
}

bool npy_dataset(Dataset *dataset, Stream *stream, Problem *problem) {
  NpyArray array;
  return npy_read(stream, &array, problem) &&
         dataset_set_rows(dataset, array.type, array.rank, array.shape, array.data, problem);
}

bool npy_parse(const char *name, const uint8_t *bytes, size_t size, NpyArray *array, Problem *problem) {
  Stream stream;
  return stream_open(&stream, name, PACKING_NONE, bytes, size, problem) && npy_read(&stream, array, problem);
}

bool npy_open(const char *path, NpyArray *array, Problem *problem) {
  FileBytes file;
  *array = (NpyArray){0};
  if (!file_map(path, &file, problem)) return false;
  if (!npy_parse(path, file.data, file.size, array, problem)) {
    file_release(&file);
    return false;
  }
  array->file = file;
  return true;
}

void npy_close(NpyArray *array) {
  file_release(&array->file);
  *array = (NpyArray){0};
}

size_t npy_header(uint8_t header[NPY_HEADER_LIMIT], ElementType type, int64_t rank, const int64_t *shape) {
  char *text = (char *)header + 10, extents[256] = "";
  const char *descriptor = NULL;
  uint64_t bytes;
  for (size_t i = sizeof type_rows / sizeof *type_rows; i-- > 0;)
    if (type_rows[i].type == type)
      descriptor = type_rows[i].text; /* the first row of the type: the spelling that NumPy writes */
  if (!descriptor || rank > IO_RANK_LIMIT || !shape_bytes(type, rank, shape, &bytes)) return 0;
  for (int64_t i = 0; i < rank; i++) {
    size_t length = strlen(extents);
    snprintf(extents + length, sizeof extents - length, "%" PRId64 "%s", shape[i],
             i + 1 < rank ? ", "
             : rank == 1  ? ","
                          : "");
  }
  int length = snprintf(text, NPY_HEADER_LIMIT - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                        descriptor, extents);
  int padded = (length + 10 + 1 + 63) / 64 * 64 - 10; /* blanks and a newline up to a multiple of 64 */
  memset(text + length, ' ', (size_t)(padded - length));
  text[padded - 1] = '\n';
  const uint8_t prefix[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(padded & 255), (uint8_t)(padded >> 8)};
  memcpy(header, prefix, sizeof prefix);
  return (size_t)padded + 10;
}

bool npy_write(const char *path, ElementType type, int64_t rank, const int64_t *shape, const void *data,
               Problem *problem) {
  uint8_t header[NPY_HEADER_LIMIT];
  uint64_t bytes;
  size_t length = npy_header(header, type, rank, shape);
  if (!length || !shape_bytes(type, rank, shape, &bytes))
    return problem_set(problem, "cannot write %s: .npy has no such type or shape", path);
  FileWriter *writer = file_writer_open(path, problem);
  if (!writer) return false;
  if (!file_writer_write(writer, header, length, problem) || !file_writer_write(writer, data, bytes, problem)) {
    file_writer_abandon(writer);
    return false;
  }
  return file_writer_commit(writer, problem);
}
