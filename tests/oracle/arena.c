/* Memory of one model, given back all at once, and the way out of a model that means nothing. */
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

typedef struct Chunk {
  struct Chunk *next;
  size_t used, size;
  max_align_t bytes[];
} Chunk;

enum { CHUNK_SIZE = 1 << 20 };
static const size_t MEMORY_LIMIT = (size_t)3 << 30;
static Chunk *chunks, *spare; /* in use; of the usual size, for later */
static size_t total;

jmp_buf failure;
char failure_text[512];

void *arena_allocate(size_t size) {
  size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
  if (chunks == NULL || chunks->size - chunks->used < size) {
    size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    if (total + room > MEMORY_LIMIT) fail("too large: more than %zu bytes", MEMORY_LIMIT);
    Chunk *chunk = room == CHUNK_SIZE ? spare : NULL;
    if (chunk != NULL) spare = chunk->next;
    else chunk = malloc(sizeof *chunk + room);
    if (chunk == NULL) abort();
    *chunk = (Chunk){.next = chunks, .size = room};
    chunks = chunk;
    total += room;
  }
  void *result = (char *)chunks->bytes + chunks->used;
  chunks->used += size;
  return memset(result, 0, size);
}

char *arena_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = arena_allocate((size_t)length + 1);
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

void arena_reset(void) {
  while (chunks != NULL) {
    Chunk *chunk = chunks;
    chunks = chunk->next;
    if (chunk->size == CHUNK_SIZE) chunk->next = spare, spare = chunk;
    else free(chunk);
  }
  total = 0;
}

void *grow(void *array, int *capacity, size_t size, size_t count) {
  *capacity = *capacity < 8 ? 8 : 2 * *capacity;
  void *larger = arena_allocate((size_t)*capacity * size);
  if (array != NULL) memcpy(larger, array, count * size);
  return larger;
}

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure_text, sizeof failure_text, format, arguments);
  va_end(arguments);
  longjmp(failure, 1);
}
