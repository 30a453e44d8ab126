/* The safetensors format: u64 length of the header, a JSON header, the numbers.
   Takes a path or bytes; returns named tensors whose numbers are read when asked for, so that loading needs no second
   copy of the weights. Strict: the tensors must tile the data exactly, names must differ, sizes must be what the shapes
   say. Not strict about what nobody asks for: tensors of types that are not read here have names and shapes like all
   others. Never trusts a length before it has compared it with the file's. */
#include "runtime/io.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIECE = 1 << 16 };

static const struct {
  const char *text;
  ElementType type;
} type_rows[] = {
    {"F32", ELEMENT_F32}, {"F64", ELEMENT_F64}, {"F16", ELEMENT_F16}, {"BF16", ELEMENT_BF16}, {"U8", ELEMENT_U8},
    {"I8", ELEMENT_I8},   {"I16", ELEMENT_I16}, {"I32", ELEMENT_I32}, {"I64", ELEMENT_I64},
};

struct SafeTensors {
  char *path;
  int descriptor; /* or -1: from memory */
  const uint8_t *memory;
  uint64_t size, data;   /* of the file; where its numbers start */
  char *header;          /* data - 8 bytes and a terminating 0 */
  Json *json;            /* owns every text below */
  StoredTensor *tensors; /* in the order of names */
  size_t count;
};

/* ---- reading the header ------------------------------------------------------------------------------------------ */

static bool file_fetch(const SafeTensors *file, uint64_t offset, void *buffer, size_t bytes, Problem *problem) {
  if (offset > file->size || bytes > file->size - offset)
    return problem_set(problem, "%s: needs bytes up to %" PRIu64 ", the file has %" PRIu64 "; it was cut short",
                       file->path, offset + bytes, file->size);
  if (file->descriptor < 0) {
    if (bytes) memcpy(buffer, file->memory + offset, bytes);
    return true;
  }
  for (size_t done = 0; done < bytes;) {
    ssize_t got = pread(file->descriptor, (uint8_t *)buffer + done, bytes - done, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return problem_set_errno(problem, errno, "cannot read %s at byte %" PRIu64, file->path, offset + done);
    if (got == 0) return problem_set(problem, "%s became shorter while it was read", file->path);
    done += (size_t)got;
  }
  return true;
}

static bool tensor_fail(const SafeTensors *file, const char *name, Problem *problem, const char *what) {
  return problem_set(problem, "%s: tensor \"%.200s\": %s", file->path, name, what);
}

/* One member of the header: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} */
static bool read_entry(const SafeTensors *file, const Json *entry, StoredTensor *tensor, Problem *problem) {
  const Json *type = json_find(entry, "dtype"), *shape = json_find(entry, "shape"),
             *offsets = json_find(entry, "data_offsets");
  *tensor = (StoredTensor){.name = entry->key};
  if (!type || type->kind != JSON_TEXT || !shape || shape->kind != JSON_ARRAY || !offsets ||
      offsets->kind != JSON_ARRAY || entry->count != 3)
    return tensor_fail(file, entry->key, problem, "expected exactly dtype, shape and data_offsets");
  size_t row = 0, row_count = sizeof type_rows / sizeof *type_rows;
  while (row < row_count && strcmp(type_rows[row].text, type->text) != 0) row++;
  bool known = row < row_count;
  tensor->dtype = type->text;
  tensor->type = known ? type_rows[row].type : ELEMENT_UNREAD;
  uint64_t bytes = known ? element_bytes(tensor->type) : 1;
  for (const Json *axis = shape->first; axis; axis = axis->next) {
    if (!axis->whole || axis->integer < 0)
      return tensor_fail(file, entry->key, problem, "an extent of its shape is no whole number ≥ 0");
    if (__builtin_mul_overflow(bytes, (uint64_t)axis->integer, &bytes) || bytes > INT64_MAX)
      return tensor_fail(file, entry->key, problem, "its shape overflows 63 bits");
    if (tensor->rank < IO_RANK_LIMIT) tensor->shape[tensor->rank] = axis->integer;
    tensor->rank++;
  }
  const Json *from = offsets->first, *to = from ? from->next : NULL;
  if (offsets->count != 2 || !from->whole || !to->whole || from->integer < 0 || to->integer < from->integer)
    return tensor_fail(file, entry->key, problem, "data_offsets must be [begin, end] with 0 <= begin <= end");
  tensor->offset = (uint64_t)from->integer;
  tensor->bytes = (uint64_t)(to->integer - from->integer);
  if (known && tensor->bytes != bytes)
    return problem_set(problem,
                       "%s: tensor \"%.200s\": data_offsets span %" PRIu64 " bytes, dtype and shape need %" PRIu64,
                       file->path, entry->key, tensor->bytes, bytes);
  return true;
}

static int compare_offsets(const void *a, const void *b) {
  const StoredTensor *x = a, *y = b;
  if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
  return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones before the one that starts there */
}

static int compare_names(const void *a, const void *b) {
  return strcmp(((const StoredTensor *)a)->name, ((const StoredTensor *)b)->name);
}

static bool check_tiling(SafeTensors *file, Problem *problem) {
  uint64_t end = 0, data_bytes = file->size - file->data;
  qsort(file->tensors, file->count, sizeof *file->tensors, compare_offsets);
  for (size_t i = 0; i < file->count; i++) {
    const StoredTensor *tensor = &file->tensors[i];
    if (tensor->offset != end)
      return tensor_fail(file, tensor->name, problem,
                         tensor->offset > end ? "a hole in the data before it" : "its data overlap another tensor's");
    end += tensor->bytes;
  }
  if (end != data_bytes)
    return problem_set(problem, "%s: its tensors need %" PRIu64 " bytes of data, the file has %" PRIu64 "%s",
                       file->path, end, data_bytes, end > data_bytes ? "; it was cut short" : "");
  qsort(file->tensors, file->count, sizeof *file->tensors, compare_names);
  return true;
}

/* Always false: what else the file is, where that is known, is said instead. */
static bool tell_foreign(const SafeTensors *file, Problem *problem) {
  FileBytes bytes = {.data = file->memory, .size = file->size};
  if (file->descriptor >= 0 && !file_map(file->path, &bytes, NULL)) return false;
  if (bytes.size <= 8 || bytes.data[8] != '{') foreign_weights(file->path, bytes.data, bytes.size, problem);
  if (file->descriptor >= 0) file_release(&bytes);
  return false;
}

static bool read_header(SafeTensors *file, Problem *problem) {
  uint8_t prefix[8];
  uint64_t length = 0;
  if (file->size < 8)
    return problem_set(problem, "%s has %" PRIu64 " bytes, too few for a safetensors file", file->path, file->size) ||
           tell_foreign(file, problem);
  if (!file_fetch(file, 0, prefix, sizeof prefix, problem)) return false;
  for (int i = 8; i-- > 0;) length = length << 8 | prefix[i];
  if (length > HEADER_LIMIT)
    return problem_set(problem,
                       "%s is not a safetensors file: its first 8 bytes give a header of %" PRIu64
                       " bytes (limit: 16 MiB)",
                       file->path, length) ||
           tell_foreign(file, problem);
  if (length > file->size - 8)
    return problem_set(problem,
                       "%s: a header of %" PRIu64 " bytes is announced, %" PRIu64 " follow; the file was cut short",
                       file->path, length, file->size - 8) ||
           tell_foreign(file, problem);
  file->data = 8 + length;
  file->header = system_allocate(length + 1);
  if (!file->header) return problem_out_of_memory(problem, file->path, length + 1);
  if (!file_fetch(file, 8, file->header, length, problem)) return false;
  file->header[length] = 0;
  if (file->header[0] != '{')
    return problem_set(problem, "%s is not a safetensors file: its header does not start with '{'", file->path) ||
           tell_foreign(file, problem);
  file->json = json_parse(file->path, file->header, length, problem);
  if (!file->json) return false;
  file->tensors = system_allocate((file->json->count + 1) * sizeof *file->tensors);
  if (!file->tensors)
    return problem_out_of_memory(problem, file->path, (file->json->count + 1) * sizeof *file->tensors);
  for (const Json *entry = file->json->first; entry; entry = entry->next) {
    if (strcmp(entry->key, "__metadata__") != 0) {
      if (!read_entry(file, entry, &file->tensors[file->count++], problem)) return false;
      continue;
    }
    bool texts = entry->kind == JSON_OBJECT || entry->kind == JSON_NULL;
    for (const Json *pair = entry->first; texts && pair; pair = pair->next) texts = pair->kind == JSON_TEXT;
    if (!texts) return problem_set(problem, "%s: __metadata__ must map texts to texts", file->path);
  }
  return check_tiling(file, problem);
}

static SafeTensors *safetensors_new(const char *path, Problem *problem) {
  SafeTensors *file = system_allocate(sizeof *file);
  if (file) *file = (SafeTensors){.path = text_format("%s", path), .descriptor = -1};
  if (file && file->path) return file;
  free(file);
  problem_out_of_memory(problem, path, sizeof *file);
  return NULL;
}

SafeTensors *safetensors_parse(const char *name, const uint8_t *bytes, size_t size, Problem *problem) {
  SafeTensors *file = safetensors_new(name, problem);
  if (!file) return NULL;
  file->memory = bytes;
  file->size = size;
  if (read_header(file, problem)) return file;
  safetensors_close(file);
  return NULL;
}

SafeTensors *safetensors_open(const char *path, Problem *problem) {
  SafeTensors *file = safetensors_new(path, problem);
  if (!file) return NULL;
  size_t size = 0;
  file->descriptor = file_open(path, &size, problem);
  file->size = size;
  if (file->descriptor >= 0 && read_header(file, problem)) return file;
  safetensors_close(file);
  return NULL;
}

void safetensors_close(SafeTensors *file) {
  if (!file) return;
  if (file->descriptor >= 0) close(file->descriptor);
  json_free(file->json);
  for (size_t i = 0; i < file->count; i++) free(file->tensors[i].renamed);
  free(file->tensors);
  free(file->header);
  free(file->path);
  free(file);
}

/* ---- other names ------------------------------------------------------------------------------------------------- */

static bool rename_all(SafeTensors *file, const RenameRule *rule, Problem *problem) {
  bool any = false;
  for (size_t i = 0; i < file->count; i++) {
    StoredTensor *tensor = &file->tensors[i];
    bool found = false;
    char *name = rename_rule_apply(rule, tensor->name, &found);
    if (!name) return problem_out_of_memory(problem, file->path, strlen(tensor->name));
    any |= found;
    free(tensor->renamed);
    tensor->name = tensor->renamed = name;
  }
  if (any || file->count == 0) return true;
  NameList list = {0};
  for (size_t i = 0; i < file->count; i++) name_list_add(&list, file->tensors[i].name, "");
  char *names = name_list_end(&list);
  problem_set(problem, "--rename %.*s=%.*s: no name in %s has the part \"%.*s\"; the names are %s", rule->old_length,
              rule->old, rule->put_length, rule->put, file->path, rule->old_length, rule->old, names ? names : "many");
  free(names);
  return false;
}

bool safetensors_rename(SafeTensors *file, const char *rules, Problem *problem) {
  if (!*rules) return problem_set(problem, "--rename expects OLD=NEW,…, found nothing");
  while (*rules) {
    RenameRule rule;
    if (!rename_rule_read(&rules, &rule, problem) || !rename_all(file, &rule, problem)) return false;
  }
  if (file->count) qsort(file->tensors, file->count, sizeof *file->tensors, compare_names);
  for (size_t i = 1; i < file->count; i++)
    if (strcmp(file->tensors[i - 1].name, file->tensors[i].name) == 0)
      return problem_set(problem, "--rename makes two tensors of %s one, \"%.200s\"", file->path,
                         file->tensors[i].name);
  return true;
}

/* ---- what is there ----------------------------------------------------------------------------------------------- */

const char *safetensors_path(const SafeTensors *file) { return file->path; }
size_t safetensors_count(const SafeTensors *file) { return file->count; }
const StoredTensor *safetensors_tensor(const SafeTensors *file, size_t index) { return &file->tensors[index]; }

char *stored_shape_text(const StoredTensor *tensor, char text[160]) {
  if (tensor->rank <= IO_RANK_LIMIT) return element_shape_text(tensor->rank, tensor->shape, text);
  snprintf(text, 160, "[%" PRId64 " axes]", tensor->rank);
  return text;
}

const StoredTensor *safetensors_find(const SafeTensors *file, const char *name) {
  StoredTensor key = {.name = name};
  return bsearch(&key, file->tensors, file->count, sizeof key, compare_names);
}

const Json *safetensors_metadata_all(const SafeTensors *file) {
  const Json *all = json_find(file->json, "__metadata__");
  return all && all->kind == JSON_OBJECT ? all : NULL;
}

const char *safetensors_metadata(const SafeTensors *file, const char *key) {
  const Json *value = json_find(safetensors_metadata_all(file), key);
  return value ? value->text : NULL;
}

/* ---- tensors, piece by piece ------------------------------------------------------------------------------------- */

/* Walks a view's elements in row-major order, from anywhere. */
typedef struct Walk {
  int64_t index[8], at;
} Walk; /* `at`: offset in elements */

static void walk_next(Walk *walk, const TensorView *view) {
  for (int64_t axis = view->rank; axis-- > 0;) {
    walk->at += view->stride[axis];
    if (++walk->index[axis] < view->shape[axis]) return;
    walk->at -= walk->index[axis] * view->stride[axis];
    walk->index[axis] = 0;
  }
}

static bool view_is_dense(const TensorView *view) {
  int64_t expected = 1;
  for (int64_t axis = view->rank; axis-- > 0;) {
    if (view->shape[axis] != 1 && view->stride[axis] != expected) return false;
    expected *= view->shape[axis];
  }
  return true;
}

static ElementType storage_element(StorageType type) { return type == STORAGE_F64 ? ELEMENT_F64 : ELEMENT_F32; }

/* Of so many numbers at once: a constant, and no branches, so that the compiler makes vector instructions of it. All
   bits of the exponent are set where a number is not finite. */
enum { SCAN_BLOCK = 1024 };

static bool block_is_finite(const void *numbers, StorageType type) {
  const uint32_t *single = numbers, single_mask = UINT32_C(0x7f800000);
  const uint64_t *wide = numbers, wide_mask = UINT64_C(0x7ff0000000000000);
  uint32_t single_found = 0;
  uint64_t wide_found = 0;
  if (type == STORAGE_F64)
    for (int i = 0; i < SCAN_BLOCK; i++) wide_found |= (wide[i] & wide_mask) == wide_mask;
  else
    for (int i = 0; i < SCAN_BLOCK; i++) single_found |= (single[i] & single_mask) == single_mask;
  return !single_found && !wide_found;
}

int64_t tensor_view_not_finite(const TensorView *view, double *value) {
  ElementType type = storage_element(view->type);
  bool dense = view_is_dense(view);
  int64_t size = tensor_view_size(view), element = 0;
  while (dense && size - element >= SCAN_BLOCK &&
         block_is_finite((const uint8_t *)view->data + (size_t)element * element_bytes(type), view->type))
    element += SCAN_BLOCK;
  Walk walk = {.at = element};
  for (; element < size; element++) {
    *value = element_read(type, view->data, dense ? element : walk.at);
    if (!isfinite(*value)) return element;
    if (!dense) walk_next(&walk, view);
  }
  return -1;
}

bool safetensors_read(SafeTensors *file, const StoredTensor *tensor, const TensorView *view, Problem *problem) {
  ElementType wanted = storage_element(view->type);
  if (tensor->type == ELEMENT_UNREAD)
    return problem_set(problem, "%s: tensor \"%.200s\" holds numbers of type %.40s, which are not read; save it as F32",
                       file->path, tensor->name, tensor->dtype);
  size_t stored = element_bytes(tensor->type);
  int64_t total = (int64_t)(tensor->bytes / stored), held = tensor_view_size(view);
  if (total != held)
    return problem_set(problem, "%s: tensor \"%.200s\" has %" PRId64 " elements, wanted are %" PRId64, file->path,
                       tensor->name, total, held);
  if (wanted == tensor->type && view_is_dense(view))
    return file_fetch(file, file->data + tensor->offset, view->data, tensor->bytes, problem);
  uint8_t piece[PIECE];
  Walk walk = {0};
  for (int64_t done = 0; done < total;) {
    int64_t count = (int64_t)(PIECE / stored) < total - done ? (int64_t)(PIECE / stored) : total - done;
    if (!file_fetch(file, file->data + tensor->offset + (uint64_t)done * stored, piece, (size_t)count * stored,
                    problem))
      return false;
    for (int64_t i = 0; i < count; i++, walk_next(&walk, view)) {
      double value = element_read(tensor->type, piece, i);
      if (wanted == ELEMENT_F64) ((double *)view->data)[walk.at] = value;
      else ((float *)view->data)[walk.at] = (float)value;
    }
    done += count;
  }
  return true;
}

/* Where bytes go: into the file, or (writer NULL) into the checksum alone. */
typedef struct Sink {
  FileWriter *writer;
  uint32_t checksum;
} Sink;

static bool sink_put(Sink *sink, const void *bytes, size_t size, Problem *problem) {
  if (sink->writer) return file_writer_write(sink->writer, bytes, size, problem);
  sink->checksum = checksum_crc32(sink->checksum, bytes, size);
  return true;
}

static bool sink_put_view(Sink *sink, const TensorView *view, Problem *problem) {
  size_t bytes = element_bytes(storage_element(view->type));
  int64_t total = tensor_view_size(view);
  if (view_is_dense(view)) return sink_put(sink, view->data, (size_t)total * bytes, problem);
  uint8_t piece[PIECE];
  Walk walk = {0};
  for (int64_t done = 0; done < total;) {
    int64_t count = (int64_t)(PIECE / bytes) < total - done ? (int64_t)(PIECE / bytes) : total - done;
    for (int64_t i = 0; i < count; i++, walk_next(&walk, view))
      memcpy(piece + (size_t)i * bytes, (const uint8_t *)view->data + (size_t)walk.at * bytes, bytes);
    if (!sink_put(sink, piece, (size_t)count * bytes, problem)) return false;
    done += count;
  }
  return true;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static const char checksum_mark[] =
    "\"checksum\": \"crc32:"; /* as the writer spells it; quotes inside texts are escaped, so it stands once */
enum { CHECKSUM_DIGITS = 8 };

static void put_header(JsonWriter *json, const TensorView *views, size_t count, const TextPair *metadata,
                       size_t metadata_count) {
  int64_t offset = 0;
  json_open_object(json, NULL);
  json_open_object(json, "__metadata__");
  json_put_text(json, "checksum", "crc32:00000000");
  for (size_t i = 0; i < metadata_count; i++) json_put_text(json, metadata[i].key, metadata[i].value);
  json_close(json);
  for (int wide = 1; wide >= 0; wide--) { /* float64 first: then all are aligned in the file */
    for (size_t i = 0; i < count; i++) {
      if ((views[i].type == STORAGE_F64) != wide) continue;
      int64_t bytes = tensor_view_size(&views[i]) * (wide ? 8 : 4);
      json_open_object(json, views[i].name);
      json_put_text(json, "dtype", wide ? "F64" : "F32");
      json_open_array(json, "shape");
      for (int64_t axis = 0; axis < views[i].rank; axis++) json_put_integer(json, NULL, views[i].shape[axis]);
      json_close(json);
      json_open_array(json, "data_offsets");
      json_put_integer(json, NULL, offset);
      json_put_integer(json, NULL, offset += bytes);
      json_close(json);
      json_close(json);
    }
  }
  json_close(json);
}

static bool put_all(Sink *sink, const char *header, size_t length, const TensorView *views, size_t count,
                    Problem *problem) {
  static const char blanks[64] = "                                                               ";
  uint64_t padded = (length + 8 + 63) / 64 * 64 - 8; /* so that the data start at a multiple of 64 */
  uint8_t prefix[8];
  for (int i = 0; i < 8; i++) prefix[i] = (uint8_t)(padded >> (8 * i));
  if (!sink_put(sink, prefix, 8, problem) || !sink_put(sink, header, length, problem) ||
      !sink_put(sink, blanks, padded - length, problem))
    return false;
  for (int wide = 1; wide >= 0; wide--)
    for (size_t i = 0; i < count; i++)
      if ((views[i].type == STORAGE_F64) == wide && !sink_put_view(sink, &views[i], problem)) return false;
  return true;
}

bool safetensors_write(const char *path, const TensorView *views, size_t count, const TextPair *metadata,
                       size_t metadata_count, Problem *problem) {
  JsonWriter *json = json_writer_new(false);
  const char *text = NULL;
  if (json) {
    put_header(json, views, count, metadata, metadata_count);
    text = json_writer_text(json);
  }
  char *header = text ? text_format("%.*s", (int)strcspn(text, "\n"), text) : NULL;
  json_writer_free(json);
  if (!header) return problem_out_of_memory(problem, path, count * 128);
  size_t length = strlen(header);
  bool fine = length <= HEADER_LIMIT - 64 ||
              problem_set(problem, "%s: its header would have %zu bytes, the format's limit is 16 MiB", path, length);
  Sink sums = {0};
  fine = fine && put_all(&sums, header, length, views, count, problem);
  if (fine) {
    char digits[CHECKSUM_DIGITS + 1];
    snprintf(digits, sizeof digits, "%08" PRIx32, sums.checksum);
    memcpy(strstr(header, checksum_mark) + sizeof checksum_mark - 1, digits, CHECKSUM_DIGITS);
  }
  Sink sink = {.writer = fine ? file_writer_open(path, problem) : NULL};
  fine = fine && sink.writer;
  if (fine && !put_all(&sink, header, length, views, count, problem)) {
    file_writer_abandon(sink.writer);
    fine = false;
  }
  free(header);
  return fine && file_writer_commit(sink.writer, problem);
}

bool safetensors_verify(SafeTensors *file, Problem *problem) {
  const char *stored = safetensors_metadata(file, "checksum");
  if (!stored) return true;
  char *mark = strstr(file->header, checksum_mark), *digits = mark ? mark + sizeof checksum_mark - 1 : NULL;
  if (!mark || strlen(stored) != 6 + CHECKSUM_DIGITS || strncmp(digits, stored + 6, CHECKSUM_DIGITS) != 0)
    return problem_set(problem,
                       "%s: its checksum \"%.40s\" is damaged, or another program has rewritten the file (then leave "
                       "\"checksum\" out of its metadata)",
                       file->path, stored);
  uint8_t piece[PIECE];
  uint32_t sum = 0;
  if (!file_fetch(file, 0, piece, 8, problem)) return false;
  sum = checksum_crc32(sum, piece, 8);
  sum = checksum_crc32(sum, file->header, (size_t)(digits - file->header));
  sum = checksum_crc32(sum, "00000000", CHECKSUM_DIGITS);
  sum = checksum_crc32(sum, digits + CHECKSUM_DIGITS,
                       (size_t)(file->data - 8) - (size_t)(digits + CHECKSUM_DIGITS - file->header));
  for (uint64_t at = file->data; at < file->size;) {
    size_t bytes = file->size - at < PIECE ? (size_t)(file->size - at) : PIECE;
    if (!file_fetch(file, at, piece, bytes, problem)) return false;
    sum = checksum_crc32(sum, piece, bytes);
    at += bytes;
  }
  char computed[CHECKSUM_DIGITS + 1];
  snprintf(computed, sizeof computed, "%08" PRIx32, sum);
  return strcmp(computed, stored + 6) == 0 ||
         problem_set(problem, "%s is damaged: its checksum is crc32:%s, it says %s", file->path, computed, stored);
}
