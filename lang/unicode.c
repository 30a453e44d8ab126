/* Characters: UTF-8, widths on a terminal, and which of them make names.
   Takes bytes or code points; returns facts about them; never asks the locale. */
#include "internal.h"

#include <string.h>

typedef struct Range {
  uint32_t first, last;
} Range;

/* Marks that sit on the character before them, and characters that show nothing. */
static const Range zero_width[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x05BF, 0x05BF},   {0x05C1, 0x05C2}, {0x0610, 0x061A},
    {0x064B, 0x065F}, {0x0670, 0x0670}, {0x06D6, 0x06DC}, {0x0900, 0x0902},   {0x093C, 0x093C}, {0x0941, 0x0948},
    {0x094D, 0x094D}, {0x0E31, 0x0E31}, {0x0E34, 0x0E3A}, {0x0E47, 0x0E4E},   {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF},
    {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064}, {0x20D0, 0x20FF},   {0x302A, 0x302D}, {0x3099, 0x309A},
    {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};

static const Range double_width[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},
    {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};

/* Beyond ASCII everything is a letter, except signs, punctuation, symbols and what shows nothing. Subscript digits are
   letters. */
static const Range not_a_letter[] = {
    {0x0080, 0x00A9}, {0x00AB, 0x00B4}, {0x00B6, 0x00B9}, {0x00BB, 0x00BF},   {0x00D7, 0x00D7},
    {0x00F7, 0x00F7}, {0x2000, 0x2070}, {0x2074, 0x207E}, {0x208A, 0x208E},   {0x20A0, 0x20CF},
    {0x2190, 0x2BFF}, {0x2E00, 0x2E7F}, {0x3000, 0x3004}, {0x3008, 0x3020},   {0xD800, 0xF8FF},
    {0xFDD0, 0xFDEF}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE6F}, {0xFEFF, 0xFF0F},   {0xFF1A, 0xFF20},
    {0xFF3B, 0xFF40}, {0xFF5B, 0xFF65}, {0xFFE0, 0xFFFF}, {0x1F000, 0x1FAFF}, {0xE0000, 0x10FFFF},
};

#define IS_IN(table, character) range_contains(table, sizeof table / sizeof *table, character)

static bool range_contains(const Range *ranges, size_t count, uint32_t character) {
  size_t low = 0;
  while (low < count) {
    size_t middle = low + (count - low) / 2;
    if (character > ranges[middle].last) low = middle + 1;
    else if (character < ranges[middle].first) count = middle;
    else return true;
  }
  return false;
}

/* Length in bytes by the first byte, the bits it gives, and the smallest character that needs so many bytes. */
static size_t sequence_length(unsigned char first, uint32_t *bits, uint32_t *smallest) {
  if (first < 0x80) return *bits = first, *smallest = 0, 1;
  if (first >= 0xC2 && first < 0xE0) return *bits = first & 0x1F, *smallest = 0x80, 2;
  if (first >= 0xE0 && first < 0xF0) return *bits = first & 0x0F, *smallest = 0x800, 3;
  if (first >= 0xF0 && first < 0xF5) return *bits = first & 0x07, *smallest = 0x10000, 4;
  return 0;
}

/* The length of the well-formed sequence at `text`, or 0. */
static size_t decode_strictly(const char *text, size_t available, uint32_t *character) {
  uint32_t bits = 0, smallest = 0;
  size_t length = available ? sequence_length((unsigned char)text[0], &bits, &smallest) : 0;
  if (!length || length > available) return 0;
  for (size_t at = 1; at < length; at++) {
    unsigned char byte = (unsigned char)text[at];
    if ((byte & 0xC0) != 0x80) return 0;
    bits = bits << 6 | (byte & 0x3F);
  }
  if (bits < smallest || bits > 0x10FFFF || (bits >= 0xD800 && bits <= 0xDFFF)) return 0;
  *character = bits;
  return length;
}

uint32_t character_decode(const char *text, size_t available, size_t *length) {
  uint32_t character = CHARACTER_INVALID;
  *length = decode_strictly(text, available, &character);
  if (!*length) *length = 1;
  return character;
}

bool character_is_valid(const char *text, size_t available) {
  uint32_t character;
  return decode_strictly(text, available, &character) != 0;
}

int character_width(uint32_t character) {
  if (character < 0x0300) return 1;
  return IS_IN(zero_width, character) ? 0 : IS_IN(double_width, character) ? 2 : 1;
}

size_t character_columns(uint32_t character, size_t column) {
  return character == '\t' ? TAB_COLUMNS - column % TAB_COLUMNS : (size_t)character_width(character);
}

size_t text_columns(const char *text, size_t length) {
  size_t column = 0;
  for (size_t at = 0, bytes; at < length; at += bytes)
    column += character_columns(character_decode(text + at, length - at, &bytes), column);
  return column;
}

bool character_starts_name(uint32_t character) {
  if (character < 0x80) return character == '_' || ((character | 0x20) >= 'a' && (character | 0x20) <= 'z');
  return !IS_IN(not_a_letter, character) && !IS_IN(zero_width, character) &&
         !(character >= 0x2080 && character <= 0x2089);
}

bool character_continues_name(uint32_t character) {
  if (character < 0x80) return character_starts_name(character) || (character >= '0' && character <= '9');
  return !IS_IN(not_a_letter, character);
}

/* ---- letters with marks ------------------------------------------------------------------------------------------ */

static const struct {
  uint32_t mark;
  const char *letters, *composed;
} marks[] = {
#define COMPOSED(mark, letters, composed) {mark, letters, composed},
#include "lang/composed.def"
#undef COMPOSED
};

/* The character that the letter and the mark are, or 0. */
static uint32_t compose(uint32_t letter, uint32_t mark) {
  for (size_t row = 0; row < sizeof marks / sizeof *marks; row++) {
    if (marks[row].mark != mark) continue;
    const char *from = marks[row].letters, *to = marks[row].composed;
    for (size_t length, other; *from; from += length, to += other) {
      uint32_t here = character_decode(from, strlen(from), &length), there = character_decode(to, strlen(to), &other);
      if (here == letter) return there;
    }
  }
  return 0;
}

/* The next character of the text, whatever marks it is written with; 0 at its end. */
static uint32_t composed_next(const char **text) {
  size_t length;
  if (!**text) return 0;
  uint32_t character = character_decode(*text, strlen(*text), &length);
  *text += length;
  while (**text) {
    uint32_t whole = compose(character, character_decode(*text, strlen(*text), &length));
    if (!whole) break;
    character = whole;
    *text += length;
  }
  return character;
}

bool names_look_alike(const char *a, const char *b) {
  for (;;) {
    uint32_t one = composed_next(&a), other = composed_next(&b);
    if (one != other) return false;
    if (!one) return true;
  }
}
