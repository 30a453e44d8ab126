/* Words: their hash, which of several one may have meant, and which of their bytes no terminal should get. The compiler
   and its trainers include the one file, since they must agree: streams of draws and the checksum of a descriptor are
   such hashes. Depends on nothing. */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a, 64 bits: from HASH_START, or on from the hash of what stands before. */
static inline uint64_t hash_fnv(uint64_t start, const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  for (size_t i = 0; i < size; i++) start = (start ^ byte[i]) * UINT64_C(0x100000001b3);
  return start;
}

static inline uint64_t hash_text(const char *text) { return hash_fnv(HASH_START, text, strlen(text)); }

/* Could this byte of a text steer a terminal? Control characters, and both bytes of U+0080 to U+009F. */
static inline bool byte_steers(const char *text, size_t at) {
  uint8_t byte = (uint8_t)text[at], next = byte ? (uint8_t)text[at + 1] : 0, before = at ? (uint8_t)text[at - 1] : 0;
  bool high = (byte == 0xc2 && next >= 0x80 && next < 0xa0) || (before == 0xc2 && byte >= 0x80 && byte < 0xa0);
  return byte < 0x20 || byte == 0x7f || high;
}

enum { NEAREST_LIMIT = 64 }; /* longer names are near to none */

static inline bool letters_match(char a, char b) {
  char small = (char)(a | 0x20);
  return a == b || (small == (b | 0x20) && small >= 'a' && small <= 'z');
}

/* Changes of one letter, or exchanges of two neighbours, that turn one name into the other; capitals cost nothing.
   Neither is longer than NEAREST_LIMIT. */
static inline size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
  size_t rows[3][NEAREST_LIMIT + 1];
  for (size_t j = 0; j <= b_length; j++) rows[0][j] = j;
  for (size_t i = 1; i <= a_length; i++) {
    size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above_that = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= b_length; j++) {
      bool exchanged = i > 1 && j > 1 && letters_match(a[i - 1], b[j - 2]) && letters_match(a[i - 2], b[j - 1]);
      size_t changed = above[j - 1] + !letters_match(a[i - 1], b[j - 1]), shorter = above[j] + 1,
             longer = row[j - 1] + 1;
      row[j] = changed < shorter ? changed : shorter;
      if (longer < row[j]) row[j] = longer;
      if (exchanged && above_that[j - 2] + 1 < row[j]) row[j] = above_that[j - 2] + 1;
    }
  }
  return rows[a_length % 3][b_length];
}

/* The first of those names that are nearest to what was written, or NULL: none is near, which is at most one change for
   three letters. */
static inline const char *nearest_name(const char *written, size_t length, const char *const *names, size_t count) {
  const char *nearest = NULL;
  size_t least = length / 3 + 1; /* to be near, it must stay below */
  for (size_t k = 0; k < count && length <= NEAREST_LIMIT; k++) {
    size_t other = strlen(names[k]), apart = length > other ? length - other : other - length;
    if (other > NEAREST_LIMIT || apart >= least) continue; /* at least so many letters differ */
    size_t distance = edit_distance(written, length, names[k], other);
    if (distance < least) {
      least = distance;
      nearest = names[k];
    }
  }
  return nearest;
}

#endif
