/* Zip archives, as far as NumPy and PyTorch write them: entries stored or deflated, with 64-bit sizes where they are
   needed. Takes bytes; returns entries one by one, each found through the directory at the end of the file. Never
   believes an offset or a size before it has compared it with the file's, and unpacks into memory only. */
#include <inttypes.h>
#include <string.h>

#include "runtime/data/source.h"

enum {
  END_BYTES = 22,
  END64_BYTES = 56,
  LOCATOR_BYTES = 20,
  ENTRY_BYTES = 46,
  LOCAL_BYTES = 30,
  COMMENT_LIMIT = 65535,
  ZIP64_FIELD = 1
};
enum {
  SIGNATURE_LOCAL = 0x04034b50,
  SIGNATURE_ENTRY = 0x02014b50,
  SIGNATURE_END = 0x06054b50,
  SIGNATURE_LOCATOR = 0x07064b50,
  SIGNATURE_END64 = 0x06064b50
};

static uint64_t little(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | at[i];
  return value;
}

bool zip_recognise(const uint8_t *bytes, size_t size) {
  return size >= 4 && (little(bytes, 4) == SIGNATURE_LOCAL || little(bytes, 4) == SIGNATURE_END);
}

static bool zip_fail(const Zip *zip, const char *what, Problem *problem) {
  return problem_set(problem, "%s: a damaged zip archive: %s", zip->name, what);
}

/* Are there `bytes` of them at `offset`, with this signature? */
static const uint8_t *record_at(const Zip *zip, uint64_t offset, uint64_t bytes, uint32_t signature) {
  if (offset > zip->size || bytes > zip->size - offset) return NULL;
  return little(zip->bytes + offset, 4) == signature ? zip->bytes + offset : NULL;
}

bool zip_open(Zip *zip, const char *name, const uint8_t *bytes, size_t size, Problem *problem) {
  *zip = (Zip){.name = name, .bytes = bytes, .size = size};
  const uint8_t *end = NULL;
  uint64_t at = size;
  for (uint64_t comment = 0; !end && comment <= COMMENT_LIMIT && comment + END_BYTES <= size; comment++) {
    at = size - END_BYTES - comment;
    end = record_at(zip, at, END_BYTES, SIGNATURE_END);
    if (end && little(end + 20, 2) != comment) end = NULL;
  }
  if (!end) return zip_fail(zip, "its directory is not at the end; the file was cut short", problem);
  uint64_t bytes_of = little(end + 12, 4);
  zip->left = little(end + 10, 2);
  zip->at = little(end + 16, 4);
  const uint8_t *locator =
      at >= LOCATOR_BYTES ? record_at(zip, at - LOCATOR_BYTES, LOCATOR_BYTES, SIGNATURE_LOCATOR) : NULL;
  if (locator) {
    const uint8_t *wide = record_at(zip, little(locator + 8, 8), END64_BYTES, SIGNATURE_END64);
    if (!wide) return zip_fail(zip, "its directory's end is not where it says", problem);
    zip->left = little(wide + 32, 8);
    bytes_of = little(wide + 40, 8);
    zip->at = little(wide + 48, 8);
  }
  if (zip->at > size || bytes_of > size - zip->at)
    return zip_fail(zip, "its directory reaches beyond the file", problem);
  zip->end = zip->at + bytes_of;
  return true;
}

/* 64 bits where 32 were too few: of size, packed size and offset, those that say so, in this order. */
static bool widen(const Zip *zip, const uint8_t *extra, uint64_t length, uint64_t *const *values, Problem *problem) {
  while (length >= 4) {
    uint64_t kind = little(extra, 2), bytes = little(extra + 2, 2);
    if (bytes > length - 4) break;
    const uint8_t *at = extra + 4, *end = at + bytes;
    for (int k = 0; kind == ZIP64_FIELD && k < 3; k++) {
      if (*values[k] != UINT32_MAX) continue;
      if (end - at < 8) return zip_fail(zip, "an entry without its 64-bit sizes", problem);
      *values[k] = little(at, 8);
      at += 8;
    }
    extra += 4 + bytes;
    length -= 4 + bytes;
  }
  return true;
}

bool zip_next(Zip *zip, ZipEntry *entry, bool *there, Problem *problem) {
  *there = zip->left > 0;
  if (!*there) return zip->at == zip->end || zip_fail(zip, "its directory holds more than its entries", problem);
  const uint8_t *record =
      zip->end - zip->at >= ENTRY_BYTES ? record_at(zip, zip->at, ENTRY_BYTES, SIGNATURE_ENTRY) : NULL;
  if (!record) return zip_fail(zip, "its directory lacks an entry", problem);
  uint64_t name = little(record + 28, 2), extra = little(record + 30, 2), comment = little(record + 32, 2),
           offset = little(record + 42, 4);
  if (name + extra + comment > zip->end - zip->at - ENTRY_BYTES)
    return zip_fail(zip, "an entry's name reaches beyond the directory", problem);
  *entry = (ZipEntry){.name = (const char *)record + ENTRY_BYTES,
                      .name_length = (int)name,
                      .checksum = (uint32_t)little(record + 16, 4),
                      .packed_size = little(record + 20, 4),
                      .size = little(record + 24, 4)};
  if (!widen(zip, record + ENTRY_BYTES + name, extra, (uint64_t *const[]){&entry->size, &entry->packed_size, &offset},
             problem))
    return false;
  uint64_t method = little(record + 10, 2), flags = little(record + 8, 2);
  if (flags & 1) return problem_set(problem, "%s: %.*s is encrypted", zip->name, entry->name_length, entry->name);
  if (method != 0 && method != 8)
    return problem_set(problem, "%s: %.*s is compressed by method %" PRIu64 "; stored and deflated ones are read",
                       zip->name, entry->name_length, entry->name, method);
  entry->packing = method ? PACKING_DEFLATE : PACKING_NONE;
  if (!method && entry->packed_size != entry->size) return zip_fail(zip, "a stored entry of two sizes", problem);
  const uint8_t *local = record_at(zip, offset, LOCAL_BYTES, SIGNATURE_LOCAL);
  if (!local) return zip_fail(zip, "an entry is not where its directory says", problem);
  uint64_t start = offset + LOCAL_BYTES + little(local + 26, 2) + little(local + 28, 2);
  if (start > zip->size || entry->packed_size > zip->size - start)
    return zip_fail(zip, "an entry reaches beyond the file; it was cut short", problem);
  entry->packed = zip->bytes + start;
  zip->at += ENTRY_BYTES + name + extra + comment;
  zip->left--;
  return true;
}

bool zip_entry_ends(const ZipEntry *entry, const char *ending) {
  int length = (int)strlen(ending);
  return entry->name_length >= length && memcmp(entry->name + entry->name_length - length, ending, (size_t)length) == 0;
}

bool zip_read(const ZipEntry *entry, const char *name, Stream *stream, Problem *problem) {
  if (!stream_open(stream, name, entry->packing, entry->packed, entry->packed_size, problem)) return false;
  if (!stream_need(stream, entry->size + 1, problem)) return false;
  if (!stream->whole || stream->size != entry->size)
    return problem_set(problem, "%s: unpacked it has %s%zu bytes, its archive says %" PRIu64 "; the archive is damaged",
                       name, stream->whole ? "" : "at least ", stream->size, entry->size);
  uint32_t found = checksum_crc32(0, stream->bytes, stream->size);
  return found == entry->checksum ||
         problem_set(problem,
                     "%s: its checksum is %08" PRIx32 ", the archive says %08" PRIx32 "; the archive is damaged", name,
                     found, entry->checksum);
}
