/* JSON, read strictly (RFC 8259, and no key twice) and written.
   Takes a text; returns a tree, or a Problem with line and column. Never guesses what a faulty text meant. */
#include "runtime/io.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory: one chain of blocks per tree, freed at once --------------------------------------------------------- */

typedef struct Block Block;
struct Block {
  Block *next;
  size_t used, size;
  _Alignas(16) uint8_t bytes[];
};
typedef struct Tree {
  Json root;
  Block *blocks;
} Tree; /* root first, so that json_free finds the blocks */

typedef struct Parser {
  const char *name, *start, *at, *end;
  int depth;
  Block **blocks;
  Problem *problem;
} Parser;

static void *parser_allocate(Parser *parser, size_t bytes) {
  bytes = (bytes + 15) & ~(size_t)15;
  Block *block = *parser->blocks;
  if (!block || block->size - block->used < bytes) {
    size_t size = bytes > 16000 ? bytes : 16000;
    block = system_allocate(sizeof *block + size);
    if (!block) {
      problem_out_of_memory(parser->problem, parser->name, size);
      return NULL;
    }
    *block = (Block){.next = *parser->blocks, .size = size};
    *parser->blocks = block;
  }
  void *memory = block->bytes + block->used;
  block->used += bytes;
  return memory;
}

static void blocks_free(Block *block) {
  while (block) {
    Block *next = block->next;
    free(block);
    block = next;
  }
}

void json_free(Json *root) {
  if (!root) return;
  Tree *tree = (Tree *)root;
  blocks_free(tree->blocks);
  free(tree);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool parser_fail(Parser *parser, const char *at, const char *expected) {
  size_t line = 1, column = 1;
  for (const char *c = parser->start; c < at; c++) {
    column = *c == '\n' ? 1 : column + 1;
    line += *c == '\n';
  }
  char found[24] = "the end of the text";
  if (at < parser->end && *at > ' ' && *at < 127) snprintf(found, sizeof found, "'%c'", *at);
  else if (at < parser->end) snprintf(found, sizeof found, "byte 0x%02x", (unsigned)(uint8_t)*at);
  return problem_set(parser->problem, "%s, line %zu, column %zu: not valid JSON: expected %s, found %s", parser->name,
                     line, column, expected, found);
}

static void parser_skip_blanks(Parser *parser) {
  while (parser->at < parser->end &&
         (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n' || *parser->at == '\r'))
    parser->at++;
}

static bool parser_take(Parser *parser, char wanted) {
  if (parser->at == parser->end || *parser->at != wanted) return false;
  parser->at++;
  return true;
}

/* Length of the UTF-8 sequence at `at`, 0 if it is none: no overlong forms, no surrogates, nothing past U+10FFFF. */
static size_t utf8_length(const uint8_t *at, const uint8_t *end) {
  static const struct {
    uint8_t first, last, second_low, second_high, length;
  } rows[] = {
      {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
      {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
      {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (*at < rows[i].first || *at > rows[i].last) continue;
    size_t length = rows[i].length;
    if ((size_t)(end - at) < length || (length > 1 && (at[1] < rows[i].second_low || at[1] > rows[i].second_high)))
      return 0;
    for (size_t k = 2; k < length; k++)
      if ((at[k] & 0xc0) != 0x80) return 0;
    return length;
  }
  return 0;
}

static bool parse_hex(Parser *parser, uint32_t *value) {
  *value = 0;
  for (int i = 0; i < 4; i++, parser->at++) {
    char c = parser->at < parser->end ? *parser->at : 0;
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return parser_fail(parser, parser->at, "four hexadecimal digits");
    *value = *value * 16 + (uint32_t)digit;
  }
  return true;
}

/* After "\u". Surrogates come in pairs or not at all. */
static bool parse_escape_unicode(Parser *parser, char **out) {
  const char *place = parser->at;
  uint32_t code, low;
  if (!parse_hex(parser, &code)) return false;
  if (code >= 0xd800 && code < 0xdc00) {
    if (!parser_take(parser, '\\') || !parser_take(parser, 'u'))
      return parser_fail(parser, place, "the second half of a surrogate pair");
    if (!parse_hex(parser, &low)) return false;
    if (low < 0xdc00 || low > 0xdfff) return parser_fail(parser, place, "the second half of a surrogate pair");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code <= 0xdfff) {
    return parser_fail(parser, place, "the first half of a surrogate pair");
  }
  int tail = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
  *(*out)++ = (char)(lead[tail] | (code >> (6 * tail)));
  while (tail-- > 0) *(*out)++ = (char)(0x80 | ((code >> (6 * tail)) & 0x3f));
  return true;
}

/* A text, its opening quote at hand. No escape is shorter than what it stands for, so the raw length is room enough. */
static bool parse_text(Parser *parser, const char **text, size_t *length) {
  if (!parser_take(parser, '"')) return parser_fail(parser, parser->at, "a text in double quotes");
  const char *close = parser->at;
  while (close < parser->end && *close != '"') close += *close == '\\' && close + 1 < parser->end ? 2 : 1;
  char *memory = parser_allocate(parser, (size_t)(close - parser->at) + 1), *out = memory;
  if (!memory) return false;
  for (;;) {
    if (parser->at == parser->end) return parser_fail(parser, parser->at, "the closing quote of a text");
    uint8_t c = (uint8_t)*parser->at;
    if (c == '"') break;
    if (c < 0x20) return parser_fail(parser, parser->at, "control characters to be written as \\u00..");
    if (c == '\\') {
      static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
      parser->at++;
      const char *row = parser->at < parser->end && *parser->at ? strchr(from, *parser->at) : NULL;
      if (row) {
        *out++ = to[row - from];
        parser->at++;
      } else if (parser_take(parser, 'u')) {
        if (!parse_escape_unicode(parser, &out)) return false;
      } else {
        return parser_fail(parser, parser->at, "one of \" \\ / b f n r t u after \\");
      }
      continue;
    }
    size_t bytes = utf8_length((const uint8_t *)parser->at, (const uint8_t *)parser->end);
    if (bytes == 0) return parser_fail(parser, parser->at, "valid UTF-8");
    memcpy(out, parser->at, bytes);
    out += bytes;
    parser->at += bytes;
  }
  parser->at++;
  *out = 0;
  *text = memory;
  *length = (size_t)(out - memory);
  return true;
}

static bool parse_digits(Parser *parser) {
  const char *start = parser->at;
  while (parser->at < parser->end && *parser->at >= '0' && *parser->at <= '9') parser->at++;
  return parser->at > start || parser_fail(parser, parser->at, "a digit");
}

static bool parse_number(Parser *parser, Json *value) {
  const char *start = parser->at;
  bool whole = true;
  parser_take(parser, '-');
  if (!parser_take(parser, '0') && !parse_digits(parser)) return false;
  if (parser_take(parser, '.')) {
    whole = false;
    if (!parse_digits(parser)) return false;
  }
  if (parser_take(parser, 'e') || parser_take(parser, 'E')) {
    whole = false;
    if (!parser_take(parser, '+')) parser_take(parser, '-');
    if (!parse_digits(parser)) return false;
  }
  size_t length = (size_t)(parser->at - start);
  char *copy = parser_allocate(parser, length + 1); /* terminated, for strtod */
  if (!copy) return false;
  memcpy(copy, start, length);
  copy[length] = 0;
  value->kind = JSON_NUMBER;
  value->number = strtod(copy, NULL);
  if (isinf(value->number)) return parser_fail(parser, start, "a number that float64 can hold");
  errno = 0;
  value->integer = whole ? strtoll(copy, NULL, 10) : 0;
  value->whole = whole && errno == 0 && !(value->number == 0 && signbit(value->number)); /* no integer is -0 */
  return true;
}

static int compare_keys(const void *a, const void *b) {
  return strcmp((*(const Json *const *)a)->key, (*(const Json *const *)b)->key);
}

/* Sorted neighbours, so that a header of a hundred thousand keys is as cheap as it should be. */
static bool check_keys(Parser *parser, const Json *object) {
  if (object->count < 2) return true;
  const Json **sorted = system_allocate(object->count * sizeof *sorted);
  if (!sorted) return problem_out_of_memory(parser->problem, parser->name, object->count * sizeof *sorted);
  size_t count = 0;
  for (const Json *child = object->first; child; child = child->next) sorted[count++] = child;
  qsort(sorted, count, sizeof *sorted, compare_keys);
  bool fine = true;
  for (size_t i = 1; fine && i < count; i++)
    if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
      fine = problem_set(parser->problem, "%s: the key \"%.200s\" stands twice in one object", parser->name,
                         sorted[i]->key);
  free(sorted);
  return fine;
}

static bool parse_value(Parser *parser, Json *value);

/* The children of an array or object, its opening bracket taken. */
static bool parse_children(Parser *parser, Json *parent, char close) {
  if (++parser->depth > JSON_DEPTH_LIMIT) return parser_fail(parser, parser->at - 1, "at most 64 levels of brackets");
  Json **last = &parent->first;
  parser_skip_blanks(parser);
  if (!parser_take(parser, close)) {
    do {
      Json *child = parser_allocate(parser, sizeof *child);
      if (!child) return false;
      *child = (Json){0};
      parser_skip_blanks(parser);
      if (parent->kind == JSON_OBJECT) {
        const char *place = parser->at;
        size_t length;
        if (!parse_text(parser, &child->key, &length)) return false;
        if (strlen(child->key) != length) return parser_fail(parser, place, "a key without \\u0000");
        parser_skip_blanks(parser);
        if (!parser_take(parser, ':')) return parser_fail(parser, parser->at, "':' after a key");
      }
      if (!parse_value(parser, child)) return false;
      *last = child;
      last = &child->next;
      parent->count++;
      parser_skip_blanks(parser);
    } while (parser_take(parser, ','));
    if (!parser_take(parser, close)) return parser_fail(parser, parser->at, close == '}' ? "',' or '}'" : "',' or ']'");
  }
  parser->depth--;
  return parent->kind == JSON_ARRAY || check_keys(parser, parent);
}

static bool parse_value(Parser *parser, Json *value) {
  static const struct {
    const char *word;
    JsonKind kind;
    bool truth;
  } words[] = {{"null", JSON_NULL, false}, {"true", JSON_BOOL, true}, {"false", JSON_BOOL, false}};
  parser_skip_blanks(parser);
  char c = parser->at < parser->end ? *parser->at : 0;
  if (c == '{' || c == '[') {
    parser->at++;
    value->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
    return parse_children(parser, value, c == '{' ? '}' : ']');
  }
  if (c == '"') {
    value->kind = JSON_TEXT;
    return parse_text(parser, &value->text, &value->length);
  }
  if (c == '-' || (c >= '0' && c <= '9')) return parse_number(parser, value);
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t length = strlen(words[i].word);
    if ((size_t)(parser->end - parser->at) < length || memcmp(parser->at, words[i].word, length) != 0) continue;
    parser->at += length;
    value->kind = words[i].kind;
    value->truth = words[i].truth;
    return true;
  }
  return parser_fail(parser, parser->at, "a value");
}

Json *json_parse(const char *name, const char *text, size_t length, Problem *problem) {
  Tree *tree = system_allocate(sizeof *tree);
  if (!tree) {
    problem_out_of_memory(problem, name, sizeof *tree);
    return NULL;
  }
  *tree = (Tree){0};
  Parser parser = {
      .name = name, .start = text, .at = text, .end = text + length, .blocks = &tree->blocks, .problem = problem};
  bool fine = parse_value(&parser, &tree->root);
  parser_skip_blanks(&parser);
  if (fine && parser.at < parser.end) fine = parser_fail(&parser, parser.at, "nothing after the value");
  if (fine) return &tree->root;
  json_free(&tree->root);
  return NULL;
}

const Json *json_find(const Json *object, const char *key) {
  if (!object || object->kind != JSON_OBJECT) return NULL;
  for (const Json *child = object->first; child; child = child->next)
    if (strcmp(child->key, key) == 0) return child;
  return NULL;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

struct JsonWriter {
  Lines out;
  bool indented;
  int depth;
  char close[JSON_DEPTH_LIMIT];  /* the bracket that ends each open level */
  bool filled[JSON_DEPTH_LIMIT]; /* has it a child already? */
};

JsonWriter *json_writer_new(bool indented) {
  JsonWriter *writer = system_allocate(sizeof *writer);
  if (writer) *writer = (JsonWriter){.indented = indented};
  return writer;
}

void json_writer_free(JsonWriter *writer) {
  if (!writer) return;
  free(writer->out.text);
  free(writer);
}

bool json_writer_print(JsonWriter *writer, FILE *out, Problem *problem) {
  const char *text = json_writer_text(writer);
  bool fine = text || problem_out_of_memory(problem, "the text", 0);
  if (fine && fputs(text, out) < 0) fine = problem_set_errno(problem, errno, "the text could not be written");
  json_writer_free(writer);
  return fine;
}

static void writer_put(JsonWriter *writer, const char *bytes, size_t length) { lines_put(&writer->out, bytes, length); }

static void writer_put_line(JsonWriter *writer) {
  if (!writer->indented) return;
  writer_put(writer, "\n", 1);
  for (int i = 0; i < writer->depth; i++) writer_put(writer, "  ", 2);
}

static void writer_put_quoted(JsonWriter *writer, const char *text) {
  const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);
  writer_put(writer, "\"", 1);
  while (at < end) {
    size_t bytes = utf8_length(at, end);
    char escape[8];
    if (bytes == 0) writer_put(writer, "\xef\xbf\xbd", 3);
    else if (*at == '"' || *at == '\\')
      writer_put(writer, escape, (size_t)snprintf(escape, sizeof escape, "\\%c", *at));
    else if (*at == '\n') writer_put(writer, "\\n", 2);
    else if (*at < 0x20) writer_put(writer, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*at));
    else writer_put(writer, (const char *)at, bytes);
    at += bytes ? bytes : 1;
  }
  writer_put(writer, "\"", 1);
}

/* What stands before any value: comma, line, key. */
static void writer_begin(JsonWriter *writer, const char *key) {
  if (writer->depth > 0) {
    if (writer->filled[writer->depth - 1]) writer_put(writer, writer->indented ? "," : ", ", writer->indented ? 1 : 2);
    writer->filled[writer->depth - 1] = true;
    writer_put_line(writer);
  }
  if (!key) return;
  writer_put_quoted(writer, key);
  writer_put(writer, ": ", 2);
}

static void writer_open(JsonWriter *writer, const char *key, const char *open, char close) {
  if (writer->depth == JSON_DEPTH_LIMIT) writer->out.failed = true;
  if (writer->out.failed) return;
  writer_begin(writer, key);
  writer_put(writer, open, 1);
  writer->close[writer->depth] = close;
  writer->filled[writer->depth++] = false;
}

void json_open_object(JsonWriter *writer, const char *key) { writer_open(writer, key, "{", '}'); }
void json_open_array(JsonWriter *writer, const char *key) { writer_open(writer, key, "[", ']'); }

void json_close(JsonWriter *writer) {
  if (writer->out.failed || writer->depth == 0) return;
  writer->depth--;
  if (writer->filled[writer->depth]) writer_put_line(writer);
  writer_put(writer, &writer->close[writer->depth], 1);
}

void json_put_text(JsonWriter *writer, const char *key, const char *text) {
  writer_begin(writer, key);
  writer_put_quoted(writer, text);
}

void json_put_number(JsonWriter *writer, const char *key, double number) {
  char text[40] = "null";
  for (int digits = 15; isfinite(number) && digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  writer_begin(writer, key);
  writer_put(writer, text, strlen(text));
}

void json_put_integer(JsonWriter *writer, const char *key, int64_t integer) {
  char text[24];
  writer_begin(writer, key);
  writer_put(writer, text, (size_t)snprintf(text, sizeof text, "%" PRId64, integer));
}

void json_put_bool(JsonWriter *writer, const char *key, bool truth) {
  writer_begin(writer, key);
  writer_put(writer, truth ? "true" : "false", truth ? 4 : 5);
}

void json_put_null(JsonWriter *writer, const char *key) {
  writer_begin(writer, key);
  writer_put(writer, "null", 4);
}

const char *json_writer_text(JsonWriter *writer) {
  if (writer->out.failed || writer->depth > 0 || writer->out.length == 0) return NULL;
  if (writer->out.text[writer->out.length - 1] != '\n') writer_put(writer, "\n", 1);
  return writer->out.failed ? NULL : writer->out.text;
}
