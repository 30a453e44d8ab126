/* A file as a tree: runs scanner, layout and grammar; texts of names, numbers, strings and comments.
   Takes a source; returns its tree, or NULL after messages; never lets half a tree out. */
#include "lang/parser.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lang/gan_parser.h"
#include "lang/gan_scanner.h"
#include "tests/mutants/mutant.h"

Syntax *syntax_parse(Session *session, const Source *source) {
  int errors = diagnostic_error_count(session);
  Reader *reader = session_allocate(session, sizeof *reader);
  reader->session = session;
  reader->source = source;
  reader->waiting.kind = -1;
  yyscan_t scanner;
  if (scan_lex_init_extra(reader, &scanner)) out_of_memory();
  scan__scan_bytes(source->text, (int)source->length, scanner);
  int status = gan_parse(reader, scanner);
  scan_lex_destroy(scanner);
  if (status || !reader->file || diagnostic_error_count(session) > errors) return NULL;
  reader_number_nodes(reader, reader->file);
  return reader->file;
}

static void bytes_check(Reader *reader, uint32_t from, uint32_t to) {
  const char *text = reader->source->text;
  for (size_t at = from, length; at < to; at += length) {
    if (!character_decode(text + at, to - at, &length) || !character_is_valid(text + at, to - at))
      slip_byte(reader, (uint32_t)at);
  }
}

/* ---- documentation ----------------------------------------------------------------------------------------------- */

static bool begins_line(const Source *source, uint32_t at) {
  while (at > 0 && (source->text[at - 1] == ' ' || source->text[at - 1] == '\t')) at--;
  return at == 0 || source->text[at - 1] == '\n';
}

bool reader_comment(Reader *reader, Span span) {
  const char *text = reader->source->text;
  if (span.to - span.from >= 2 && text[span.from + 1] == '#' && begins_line(reader->source, span.from)) {
    if (reader->pending.to == 0) reader->pending.from = span.from;
    reader->pending.to = span.to;
  }
  bytes_check(reader, span.from, span.to);
  return reader->keep_comments;
}

void reader_blank_line(Reader *reader) { reader->pending.to = 0; }

void reader_document(Reader *reader, uint32_t at) {
  if (reader->pending.to == 0) return;
  reader->pending.at = at;
  ARRAY_ADD(reader->session, reader->documentation, reader->documentation_count, reader->documentation_room,
            reader->pending);
  reader->pending.to = 0;
}

/* The lines without their marks; lines between them that are plain comments do not belong. */
static const char *documentation_text(const Reader *reader, Documentation documentation) {
  const char *text = reader->source->text + documentation.from, *end = reader->source->text + documentation.to;
  char *clean = session_allocate(reader->session, (size_t)(end - text) + 1);
  size_t length = 0;
  while (text < end) {
    const char *stop = memchr(text, '\n', (size_t)(end - text));
    if (!stop) stop = end;
    while (text < stop && (*text == ' ' || *text == '\t')) text++;
    if (stop - text >= 2 && text[1] == '#') {
      text += 2;
      if (text < stop && *text == ' ') text++;
      if (length) clean[length++] = '\n';
      while (text < stop) {
        if (*text != '\r') clean[length++] = *text;
        text++;
      }
    }
    text = stop + (stop < end);
  }
  return session_intern(reader->session, clean, length);
}

/* ---- ids and documentation of the finished tree ------------------------------------------------------------------ */

static const bool documented[] = {
    [SYNTAX_ASSIGN] = true, [SYNTAX_DATA] = true,  [SYNTAX_NOISE] = true,     [SYNTAX_WEIGHT] = true,
    [SYNTAX_STATE] = true,  [SYNTAX_FN] = true,    [SYNTAX_LAYER] = true,     [SYNTAX_NETWORK] = true,
    [SYNTAX_OUTPUT] = true, [SYNTAX_PHASE] = true, [SYNTAX_OBJECTIVE] = true, [SYNTAX_TRAIN] = true,
    [SYNTAX_IF] = false, /* the last of all kinds */
};

typedef struct Numbering {
  Reader *reader;
  int next;
} Numbering;

static void node_number(void *context, Syntax *tree) {
  Numbering *numbering = context;
  Reader *reader = numbering->reader;
  tree->id = reader->session->next_syntax_id++;
  while (numbering->next < reader->documentation_count && reader->documentation[numbering->next].at < tree->span.from)
    numbering->next++;
  if (documented[tree->kind] && numbering->next < reader->documentation_count &&
      reader->documentation[numbering->next].at == tree->span.from) {
    tree->documentation = documentation_text(reader, reader->documentation[numbering->next++]);
  }
  syntax_children(tree, node_number, numbering);
}

void reader_number_nodes(Reader *reader, Syntax *tree) { node_number(&(Numbering){reader, 0}, tree); }

/* ---- names, numbers, strings ------------------------------------------------------------------------------------- */

size_t reader_name_length(const char *text, size_t length) {
  size_t at = 0;
  for (size_t bytes; at < length && text[at] != '\''; at += bytes) {
    uint32_t character = character_decode(text + at, length - at, &bytes);
    if (!character_is_valid(text + at, length - at)) break;
    if (!(at ? character_continues_name(character) : character_starts_name(character))) break;
  }
  if (at)
    while (at < length && text[at] == '\'') at++;
  return at;
}

double reader_number(Reader *reader, Span span, const char *text) {
  char *digits = session_allocate(reader->session, strlen(text) + 1), *end = digits;
  for (; *text; text++) {
    if (*text != '_') *end++ = *text;
  }
  double value = strtod(digits, NULL) * (MUTANT(number_exponent) && strpbrk(digits, "eE") != NULL ? 10 : 1);
  if (isinf(value)) {
    Diagnostic *diagnostic = diagnostic_report(reader->session, E1007, span, "does not fit a double");
    diagnostic_hint(diagnostic, "the largest is about 1.8e308");
  }
  return value;
}

const char *reader_string(Reader *reader, Span span) {
  const char *text = reader->source->text + span.from + 1, *end = reader->source->text + span.to - 1;
  char *clean = session_allocate(reader->session, (size_t)(end - text) + 1);
  size_t length = 0;
  for (const char *at = text; at < end; at++) {
    if (*at != '\\') {
      clean[length++] = *at;
      continue;
    }
    uint32_t from = (uint32_t)(at - reader->source->text);
    at++;
    if (*at == 'n') clean[length++] = '\n';
    else if (*at == 't') clean[length++] = '\t';
    else if (*at == '"' || *at == '\\') clean[length++] = *at;
    else slip_escape(reader, (Span){reader->source, from, from + 2});
  }
  bytes_check(reader, span.from + 1, span.to - 1);
  return session_intern(reader->session, clean, length);
}
