/* The bytes of a file of data: as they are, or inflated as far as a reader asks. Takes bytes in memory; returns more of
   them, in one piece. What a header announces is never taken for true: memory grows with what really comes. A gzip file
   may have several members, which are one after the other; bytes behind the last one are a problem, as is a stream that
   ends too early. */
#include <inttypes.h>
#include <stdlib.h>

#include "runtime/data/source.h"

enum { FIRST_ROOM = 1 << 16 };

bool gzip_recognise(const uint8_t *bytes, size_t size) { return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b; }

bool stream_open(Stream *stream, const char *name, Packing packing, const uint8_t *bytes, size_t size,
                 Problem *problem) {
  *stream = (Stream){.name = name, .packing = packing, .bytes = bytes, .size = size, .whole = true};
  if (packing == PACKING_NONE) return true;
  stream->bytes = NULL, stream->size = 0, stream->whole = false;
  stream->packed = bytes, stream->packed_size = size;
  int result = inflateInit2(&stream->inflater, packing == PACKING_GZIP ? 16 + MAX_WBITS : -MAX_WBITS);
  stream->started = result == Z_OK;
  return stream->started || problem_out_of_memory(problem, name, FIRST_ROOM);
}

static bool stream_grow(Stream *stream, uint64_t wanted, Problem *problem) {
  size_t room = stream->room ? 2 * stream->room : FIRST_ROOM;
  if (room > wanted && wanted > FIRST_ROOM) room = (size_t)wanted;
  uint8_t *buffer = system_resize(stream->buffer, room);
  if (!buffer) return problem_out_of_memory(problem, stream->name, room);
  stream->bytes = stream->buffer = buffer;
  stream->room = room;
  return true;
}

/* A member has ended: another one follows, or nothing does. */
static bool member_end(Stream *stream, Problem *problem) {
  z_stream *inflater = &stream->inflater;
  uint64_t rest = inflater->avail_in + (uint64_t)stream->packed_size;
  stream->whole = rest == 0 || stream->packing == PACKING_DEFLATE;
  if (rest == 0) return true;
  if (stream->packing == PACKING_DEFLATE)
    return problem_set(problem, "%s: %" PRIu64 " bytes follow its deflated ones; the archive is damaged", stream->name,
                       rest);
  /* what the inflater was given borders on what it was not */
  const uint8_t *next = inflater->avail_in ? inflater->next_in : stream->packed;
  if (next[0] != 0x1f || (rest > 1 && next[1] != 0x8b))
    return problem_set(problem,
                       "%s: the gzip stream ends %" PRIu64
                       " byte%s before the file does, and what follows is no part of it; the file is damaged",
                       stream->name, rest, rest == 1 ? "" : "s");
  return inflateReset(inflater) == Z_OK || problem_out_of_memory(problem, stream->name, FIRST_ROOM);
}

static bool inflate_some(Stream *stream, Problem *problem) {
  z_stream *inflater = &stream->inflater;
  const char *kind = stream->packing == PACKING_GZIP ? "gzip" : "deflated";
  if (inflater->avail_in == 0) {
    uInt piece = stream->packed_size > UINT32_MAX ? UINT32_MAX : (uInt)stream->packed_size;
    inflater->next_in = (Bytef *)stream->packed; /* zlib does not write through it */
    inflater->avail_in = piece;
    stream->packed += piece;
    stream->packed_size -= piece;
  }
  size_t free_room = stream->room - stream->size;
  uInt room = free_room > UINT32_MAX ? UINT32_MAX : (uInt)free_room;
  inflater->next_out = stream->buffer + stream->size;
  inflater->avail_out = room;
  int result = inflate(inflater, Z_NO_FLUSH);
  stream->size += room - inflater->avail_out;
  switch (result) {
  case Z_OK: return true;
  case Z_STREAM_END: return member_end(stream, problem);
  case Z_BUF_ERROR:
    return problem_set(problem, "%s: the %s stream ends too early; the file was cut short", stream->name, kind);
  case Z_MEM_ERROR: return problem_out_of_memory(problem, stream->name, FIRST_ROOM);
  }
  return problem_set(problem, "%s: the %s stream is damaged (%s)", stream->name, kind,
                     inflater->msg ? inflater->msg : "no details");
}

bool stream_need(Stream *stream, uint64_t wanted, Problem *problem) {
  while (!stream->whole && stream->size < wanted) {
    if (stream->size == stream->room && !stream_grow(stream, wanted, problem)) return false;
    if (!inflate_some(stream, problem)) return false;
  }
  return true;
}

uint8_t *stream_take(Stream *stream) {
  uint8_t *buffer = stream->buffer;
  stream->buffer = NULL;
  return buffer;
}

void stream_close(Stream *stream) {
  if (stream->started) inflateEnd(&stream->inflater);
  free(stream->buffer);
  *stream = (Stream){0};
}
