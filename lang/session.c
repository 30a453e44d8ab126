/* What one compilation owns: an arena, the table of interned texts, formatted texts.
   Takes sizes and texts; returns memory that lives until session_free; never returns NULL and never frees a single
   piece. */
#include "internal.h"
#include "runtime/words.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 * 1024, FIRST_TEXT_SLOTS = 512 };

struct ArenaBlock {
  ArenaBlock *next;
  max_align_t bytes[];
};

/* ---- the arena --------------------------------------------------------------------------------------------------- */

static size_t size_aligned(size_t size) {
  const size_t unit = sizeof(max_align_t);
  if (size > SIZE_MAX / 2) out_of_memory();
  return (size + unit - 1) / unit * unit;
}

static ArenaBlock *block_new(size_t capacity) {
  ArenaBlock *block = calloc(1, sizeof *block + capacity);
  if (!block) out_of_memory();
  return block;
}

/* A large piece gets a block of its own behind the newest, so that the newest keeps its room. */
static void *block_for_large(Session *session, size_t size) {
  ArenaBlock *block = block_new(size);
  block->next = session->blocks->next;
  session->blocks->next = block;
  return block->bytes;
}

void *session_allocate(Session *session, size_t size) {
  size = size_aligned(size ? size : 1);
  if (size > session->capacity - session->used) {
    if (size > BLOCK_SIZE / 4) return block_for_large(session, size);
    ArenaBlock *block = block_new(BLOCK_SIZE);
    block->next = session->blocks;
    session->blocks = block;
    session->capacity = BLOCK_SIZE;
    session->used = 0;
  }
  void *piece = (char *)session->blocks->bytes + session->used;
  session->used += size;
  return piece;
}

void *session_grow(Session *session, void *items, int count, int *capacity, size_t size) {
  enum { FIRST_ROOM = 4 };
  if (count < *capacity) return items;
  *capacity = *capacity == 0 ? FIRST_ROOM : 2 * *capacity;
  void *larger = session_allocate(session, (size_t)*capacity * size);
  if (count > 0) memcpy(larger, items, (size_t)count * size);
  return larger;
}

Session *session_new(void) {
  Session *session = calloc(1, sizeof *session);
  if (!session) out_of_memory();
  session->blocks = block_new(BLOCK_SIZE);
  session->capacity = BLOCK_SIZE;
  session->text_slots = FIRST_TEXT_SLOTS;
  session->texts = session_allocate(session, session->text_slots * sizeof *session->texts);
  return session;
}

void session_free(Session *session) {
  if (!session) return;
  for (ArenaBlock *block = session->blocks, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  free(session);
}

/* ---- interned texts ---------------------------------------------------------------------------------------------- */

/* The slot that holds the text, or the empty one where it belongs. */
static InternedText *text_slot(InternedText *texts, size_t slots, const char *text, size_t length, uint64_t hash) {
  for (size_t at = hash & (slots - 1);; at = (at + 1) & (slots - 1)) {
    InternedText *slot = &texts[at];
    if (!slot->text) return slot;
    if (slot->hash == hash && slot->length == length && memcmp(slot->text, text, length) == 0) return slot;
  }
}

static void texts_grow(Session *session) {
  size_t slots = session->text_slots * 2;
  InternedText *texts = session_allocate(session, slots * sizeof *texts);
  for (size_t at = 0; at < session->text_slots; at++) {
    const InternedText *old = &session->texts[at];
    if (old->text) *text_slot(texts, slots, old->text, old->length, old->hash) = *old;
  }
  session->texts = texts;
  session->text_slots = slots;
}

const char *session_intern(Session *session, const char *text, size_t length) {
  uint64_t hash = hash_fnv(HASH_START, text, length);
  InternedText *slot = text_slot(session->texts, session->text_slots, text, length, hash);
  if (slot->text) return slot->text;
  char *copy = session_allocate(session, length + 1);
  if (length) memcpy(copy, text, length);
  *slot = (InternedText){copy, length, hash};
  if (++session->text_count * 2 > session->text_slots) texts_grow(session);
  return copy;
}

const char *session_string(Session *session, const char *text) { return session_intern(session, text, strlen(text)); }

/* ---- formatted texts --------------------------------------------------------------------------------------------- */

const char *session_format_list(Session *session, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0) out_of_memory();
  char *text = session_allocate(session, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  return text;
}

const char *session_format(Session *session, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = session_format_list(session, format, arguments);
  va_end(arguments);
  return text;
}
