/* What people write by mistake, and what they are told.
   Takes what scanner, layout or grammar could not make sense of; reports it in the words of the language, with a hint
   where the slip is a common one; returns what to go on with. Never changes what is read beyond that. */
#include "lang/parser.h"

#include <stdlib.h>
#include <string.h>

#include "lang/gan_parser.h"

/* ---- characters -------------------------------------------------------------------------------------------------- */

enum { SKIP = 0 };

/* Signs that are not of the language; what is meant is clear for most, and reading goes on as if it stood there. */
static const struct {
  const char *text;
  int token;
  const char *hint;
} signs[] = {
    {"&&", AND, "`and` joins conditions"},
    {"||", OR, "`or` joins conditions"},
    {"**", '^', "a power is written `^`"},
    {":=", '=', "a definition is written `=`"},
    {"=>", ARROW, "a result is announced by `->`"},
    {"<>", NOT_EQUAL, "unequal is written `!=`"},
    {"!", NOT, "the opposite of a condition is `not condition`"},
    {"&", GAN_error, "`and` joins conditions"},
    {"|", GAN_error, "`|>` passes a value on, `or` joins conditions"},
    {"×", '*', "a product is written `*`"},
    {"·", '*', "a product is written `*`"},
    {"⋅", '*', "a product is written `*`"},
    {"÷", '/', "a quotient is written `/`"},
    {"−", '-', "this is not the minus sign of the keyboard, `-`"},
    {"–", '-', "this is a dash, not a minus sign, `-`"},
    {"≤", LESS_EQUAL, "it is written `<=`"},
    {"≥", GREATER_EQUAL, "it is written `>=`"},
    {"≠", NOT_EQUAL, "it is written `!=`"},
    {"∈", IN, "it is written `in`"},
    {"→", ARROW, "it is written `->`"},
    {"←", MOVES, "it is written `<-`"},
    {"…", SPREAD, "it is written `...`"},
    {"²", GAN_error, "a square is written `^2`"},
    {"³", GAN_error, "a cube is written `^3`"},
    {"“", GAN_error, "texts stand in straight quotes, `\"`"},
    {"”", GAN_error, "texts stand in straight quotes, `\"`"},
    {"\u00A0", SKIP, "this is a blank that does not break lines; an ordinary blank is wanted"},
    {"\u200B", SKIP, "this is a blank without width; delete it"},
};

static const char *text_of(const Reader *reader, Span span) { return reader->source->text + span.from; }

/* Said once: where one byte is wrong, the file is in another encoding, and many are. */
void slip_byte(Reader *reader, uint32_t at) {
  if (reader->not_text) return;
  reader->not_text = true;
  Diagnostic *diagnostic =
      diagnostic_report(reader->session, E1002, (Span){reader->source, at, at + 1}, "this byte is no character");
  diagnostic_hint(diagnostic, "save the file in the encoding UTF-8");
}

int slip_character(Reader *reader, Span span, size_t *length) {
  const char *text = text_of(reader, span);
  size_t available = reader->source->length - span.from;
  uint32_t character = character_decode(text, available, length);
  Span first = {span.source, span.from, span.from + (uint32_t)*length};
  reader->slip = first;
  if (!character || !character_is_valid(text, available)) return slip_byte(reader, span.from), GAN_error;
  if (character == 0xFEFF && span.from == 0) return SKIP; /* a mark of the byte order */
  for (size_t at = 0; at < sizeof signs / sizeof *signs; at++) {
    size_t bytes = strlen(signs[at].text);
    if (bytes > available || memcmp(text, signs[at].text, bytes) != 0) continue;
    *length = bytes;
    first.to = span.from + (uint32_t)bytes;
    diagnostic_hint(diagnostic_report(reader->session, E1003, first, NULL), "%s", signs[at].hint);
    return signs[at].token;
  }
  if (character == '\'' && span.to - span.from > 1) {
    *length = span.to - span.from;
    diagnostic_hint(diagnostic_report(reader->session, E1003, span, NULL), "texts stand in double quotes: \"%.*s\"",
                    (int)*length - 2, text + 1);
    return GAN_error;
  }
  Diagnostic *diagnostic = diagnostic_report(reader->session, E1003, first, NULL);
  if (character < 0x20 || character == 0x7F)
    diagnostic_title(diagnostic, "a control character (%u) has no meaning here", (unsigned)character);
  return GAN_error;
}

/* ---- numbers and strings ----------------------------------------------------------------------------------------- */

static size_t number_length(const char *text) {
  size_t at = 0;
  while ((text[at] >= '0' && text[at] <= '9') || text[at] == '_' ||
         (text[at] == '.' && text[at + 1] >= '0' && text[at + 1] <= '9'))
    at++;
  return at;
}

/* `1e`, `3x`, `.5`, `2.`. A number that a sign follows is none of these, and is cut where the sign begins. */
const char *slip_number(Reader *reader, Span span, size_t *length) {
  const char *text = text_of(reader, span);
  size_t digits = number_length(text);
  while (digits > 1 && text[digits - 1] == '_') digits--;
  const char *number = session_intern(reader->session, text, digits);
  *length = span.to - span.from;
  size_t letters = reader_name_length(text + digits, *length - digits);
  if (text[0] == '.') {
    number = session_format(reader->session, "0%s", number);
    diagnostic_hint(diagnostic_report(reader->session, E1006, span, NULL), "write `%s`", number);
  } else if (text[digits] == '.') {
    diagnostic_hint(diagnostic_report(reader->session, E1006, span, NULL), "write `%s` or `%s.0`", number, number);
  } else if (letters == 0 && digits < *length) {
    *length = digits;
  } else if (digits == 1 && text[0] == '0' && ((text[1] | 0x20) == 'x' || (text[1] | 0x20) == 'b')) {
    diagnostic_hint(diagnostic_report(reader->session, E1006, span, NULL), "numbers are decimal: `255`, `2^8`, `1e-3`");
  } else if ((text[digits] | 0x20) == 'e' && letters <= 1) {
    diagnostic_hint(diagnostic_report(reader->session, E1006, span, "its exponent is missing"),
                    "`%se-3` is a thousandth of %s", number, number);
  } else {
    span.to = span.from + (uint32_t)(*length = digits + letters);
    Diagnostic *diagnostic =
        diagnostic_report(reader->session, E1006, span, "a number and a name, and nothing between them");
    diagnostic_hint(diagnostic, "a product is written with its sign: `%s*%.*s`", number, (int)letters, text + digits);
  }
  return number;
}

const char *slip_string(Reader *reader, Span span) {
  diagnostic_hint(diagnostic_report(reader->session, E1004, span, NULL),
                  "a text ends with `\"`, on the line on which it began");
  return session_intern(reader->session, text_of(reader, span) + 1, span.to - span.from - 1);
}

void slip_escape(Reader *reader, Span span) {
  diagnostic_hint(diagnostic_report(reader->session, E1005, span, NULL), "known are `\\n`, `\\t`, `\\\"` and `\\\\`");
}

/* ---- brackets and nesting ---------------------------------------------------------------------------------------- */

void slip_unclosed(Reader *reader, Bracket bracket, Span where) {
  char closing = bracket.open == '(' ? ')' : bracket.open == '[' ? ']' : '}';
  Diagnostic *diagnostic = diagnostic_report(reader->session, E1009, bracket.span, "`%c` is missing", closing);
  if (!where.source) return;
  diagnostic_also(diagnostic, where, "before this");
  Span before = reader->token.span.from == where.from ? reader->before.span : reader->token.span;
  bool one_line = source_place(where.source, where.from).line == source_place(where.source, bracket.span.from).line;
  if (one_line) diagnostic_mend(diagnostic, (Span){before.source, before.to, before.to}, "%c", closing);
}

void slip_block(Reader *reader, Bracket bracket, Span where, Span last) {
  Diagnostic *diagnostic = diagnostic_report(reader->session, E1009, bracket.span, "`}` is missing");
  if (where.source) diagnostic_also(diagnostic, where, "before this");
  if (last.source) diagnostic_mend(diagnostic, (Span){last.source, last.to, last.to}, " }");
}

void slip_unopened(Reader *reader, Span span, Bracket innermost) {
  Diagnostic *diagnostic = diagnostic_report(reader->session, E1010, span, NULL);
  if (innermost.open == '(' || innermost.open == '[') {
    diagnostic_also(diagnostic, innermost.span, "`%c` closes this one", innermost.open == '(' ? ')' : ']');
  }
}

void slip_semicolon(Reader *reader, Span span) {
  Diagnostic *diagnostic =
      diagnostic_report(reader->session, E1008, span, "inside brackets there are no statements to end");
  diagnostic_hint(diagnostic, "values are separated by `,`");
}

void slip_depth(Reader *reader, Span span) {
  if (!reader->too_deep) {
    Diagnostic *diagnostic = diagnostic_report(reader->session, E1011, (Span){span.source, span.from, span.from}, NULL);
    diagnostic_hint(diagnostic, "brackets nest up to %d deep, expressions and blocks up to %d; name the parts",
                    BRACKET_LIMIT, TREE_LIMIT);
  }
  reader->too_deep = reader->stopped = true;
  reader->bracket_count = 0;
}

/* ---- what was expected ------------------------------------------------------------------------------------------- */

typedef struct Expected {
  const char *const *names;
  int count;
} Expected;

static const char *const begins_expression[] = {
    "a name", "a number", "a text in quotes", "a sum", "(", "[", "-", "fresh", "if", "not", "..."};
static const char *const begins_statement[] = {
    "use",    "data",  "noise",    "weight", "state", "fn",     "layer", "network", "phase",
    "output", "train", "optimize", "update", "draw",  "repeat", "every", "for",
};
static const char *const carries_expression[] = {
    "|>", "or", "and", "<",  ">", "<=", ">=", "==", "!=", "in", "..",    "+",
    "-",  "*",  "/",   "//", "%", "^",  "(",  "[",  ".",  "@",  "after",
};

#define IS_ONE_OF(table, name) is_one_of(table, sizeof table / sizeof *table, name)

static bool is_one_of(const char *const *names, size_t count, const char *name) {
  for (size_t at = 0; at < count; at++) {
    if (strcmp(names[at], name) == 0) return true;
  }
  return false;
}

static bool expects(Expected expected, const char *name) {
  return is_one_of(expected.names, (size_t)expected.count, name);
}
static bool expression_done(Expected expected) { return expects(expected, "+") && expects(expected, "|>"); }

enum { PHRASES = 6 };

static const char *phrase_of(Session *session, const char *name) {
  if (strncmp(name, "a ", 2) == 0 || strncmp(name, "the ", 4) == 0) return name;
  return session_format(session, "`%s`", name);
}

/* The expected tokens in few words: an expression and an operator stand for all that begins or continues one. */
static int phrases_find(Session *session, Expected expected, const char *phrases[PHRASES]) {
  int count = 0;
  bool expression = expects(expected, "a number"), statement = expects(expected, "network"),
       done = expression_done(expected);
  if (statement) phrases[count++] = "a statement";
  else if (expression) phrases[count++] = "an expression";
  for (int at = 0; at < expected.count && count < PHRASES - 1; at++) {
    const char *name = expected.names[at];
    if (expression && IS_ONE_OF(begins_expression, name)) continue;
    if (statement && IS_ONE_OF(begins_statement, name)) continue;
    if (done && IS_ONE_OF(carries_expression, name)) continue;
    if (strcmp(name, "the end of the file") == 0) continue;
    phrases[count++] = phrase_of(session, name);
  }
  if (done && count < PHRASES) phrases[count++] = "an operator";
  return count;
}

static const char *expected_text(Session *session, Expected expected) {
  const char *phrases[PHRASES];
  int count = phrases_find(session, expected, phrases);
  const char *text = "something else";
  for (int at = 0; at < count; at++) {
    text = at == 0 ? phrases[0] : session_format(session, "%s%s%s", text, at == count - 1 ? " or " : ", ", phrases[at]);
  }
  return text;
}

/* ---- habits from elsewhere --------------------------------------------------------------------------------------- */

static const struct {
  const char *word, *hint;
} habits[] = {
    {"return", "the value of a body is its last expression"},
    {"def", "a function is defined with `fn`"},
    {"func", "a function is defined with `fn`"},
    {"function", "a function is defined with `fn`"},
    {"lambda", "functions have names: `fn f(x) = …`"},
    {"let", "a definition is `name = value`"},
    {"var", "a definition is `name = value`"},
    {"const", "a definition is `name = value`"},
    {"elif", "it is written `else if`"},
    {"elseif", "it is written `else if`"},
    {"while", "a loop runs a number of times, `repeat n { … }`, or over a list, `for x in list { … }`"},
    {"import", "another file's definitions come by `use \"file.gan\"`"},
    {"include", "another file's definitions come by `use \"file.gan\"`"},
    {"model", "a generator or a discriminator is a `network`"},
    {"module", "a part with weights is a `layer`, a player a `network`"},
    {"generator", "it is a `network`"},
    {"discriminator", "it is a `network`"},
    {"loss", "an objective is `D minimizes …` or `D maximizes …`"},
    {"optimizer", "it is `optimize D by adam(lr = 2e-4)`"},
    {"print", "what is to be logged or saved is an `output`"},
    {"log", "what is to be logged or saved is an `output`"},
    {"param", "what is trained is a `weight`"},
    {"parameter", "what is trained is a `weight`"},
};

static const char *const keywords[] = {
    "use",   "data", "noise", "weight",    "state",     "fn",       "layer",  "network", "phase", "output",
    "train", "from", "in",    "minimizes", "maximizes", "optimize", "update", "by",      "draw",  "repeat",
    "every", "if",   "then",  "else",      "for",       "and",      "or",     "not",     "fresh", "after",
};

static const char *token_text(const Reader *reader, Token token) { return span_text(reader->session, token.span); }

/* Whether `//` stands on the token's line before it, outside of texts as far as that can be told. */
static bool after_slashes(const Reader *reader, Token token) {
  const char *text = reader->source->text;
  for (size_t at = token.span.from; at > 1 && text[at - 1] != '\n'; at--) {
    if (text[at - 1] == '/' && text[at - 2] == '/') return true;
  }
  return false;
}

/* What to say about a word that other languages have here, or that is nearly a keyword; or NULL. */
static const char *habit_of(const Reader *reader, Token token) {
  if (token.kind != NAME) return NULL;
  const char *word = token_text(reader, token);
  for (size_t at = 0; at < sizeof habits / sizeof *habits; at++) {
    if (strcmp(habits[at].word, word) == 0) return habits[at].hint;
  }
  const char *near =
      strlen(word) > 3 ? diagnostic_nearest(word, keywords, (int)(sizeof keywords / sizeof *keywords)) : NULL;
  return near ? session_format(reader->session, "did you mean `%s`?", near) : NULL;
}

/* ---- the grammar's errors, from the most particular to the plain one --------------------------------------------- */

static bool is_comparison(int token) {
  return token == '<' || token == '>' || token == LESS_EQUAL || token == GREATER_EQUAL || token == EQUAL ||
         token == NOT_EQUAL || token == IN;
}

static bool is_definition(int token) { return token == '=' || token == ADDS || token == MOVES; }

/* `train for 10 {`: only there a name follows an expression. */
static bool slip_length(Reader *reader, Expected expected) {
  if (reader->token.kind != '{' || !expects(expected, "a name") || !expression_done(expected)) return false;
  static const char *const units[] = {"steps", "images", "epochs"};
  Span length = reader->before.span;
  if (reader->before.kind == NAME && IS_ONE_OF(units, token_text(reader, reader->before))) {
    diagnostic_report(reader->session, E1017, length, "how many?");
    return true;
  }
  Diagnostic *diagnostic = diagnostic_report(reader->session, E1017, length, "of what: `steps`, `images` or `epochs`?");
  diagnostic_mend(diagnostic, (Span){length.source, length.to, length.to}, " steps");
  return true;
}

static bool slip_end(Reader *reader, Expected expected) {
  bool last = reader->token.kind == 0, line = reader->token.kind == END;
  bool next_line = reader->token.starts_line && layout_wants_more(reader->before.kind);
  if (!last && !line && !next_line) return false;
  Span place = reader->before.span.source ? reader->before.span : reader->token.span;
  const char *wanted = expected_text(reader->session, expected);
  Diagnostic *diagnostic =
      diagnostic_report(reader->session, last ? E1012 : E1017, place, "after this, %s is expected", wanted);
  if (next_line && !last && !line) diagnostic_also(diagnostic, reader->token.span, "this cannot follow");
  return true;
}

/* A new line, and a bracket is open: it was to be closed before, more likely than not. */
static bool slip_bracket(Reader *reader) {
  if (!reader->token.starts_line || reader->bracket_count == 0) return false;
  Bracket bracket = reader->brackets[reader->bracket_count - 1];
  if (bracket.open == '{') return false;
  slip_unclosed(reader, bracket, reader->token.span);
  while (reader->bracket_count && reader->brackets[reader->bracket_count - 1].open != '{') reader->bracket_count--;
  return true;
}

static bool slip_condition(Reader *reader, Expected expected) {
  if (reader->token.kind == '=' && reader->in_condition) {
    diagnostic_hint(diagnostic_report(reader->session, E1013, reader->token.span, NULL),
                    "`=` defines a name, `==` compares");
    return true;
  }
  if (is_comparison(reader->token.kind) && expression_done(expected)) {
    diagnostic_hint(diagnostic_report(reader->session, E1014, reader->token.span, NULL), "`a < b and b < c`");
    return true;
  }
  return false;
}

static bool slip_keyword(Reader *reader, Expected expected) {
  bool instead = expects(expected, "a number") ? layout_begins_statement(reader->token.kind)
                                               : layout_is_keyword(reader->token.kind);
  Token keyword = instead && expects(expected, "a name")                                        ? reader->token
                  : layout_is_keyword(reader->before.kind) && is_definition(reader->token.kind) ? reader->before
                                                                                                : (Token){0};
  if (!keyword.span.source) return false;
  diagnostic_report(reader->session, E1015, keyword.span, "`%s` belongs to the language", token_text(reader, keyword));
  return true;
}

static bool slip_two_statements(Reader *reader, Expected expected) {
  int token = reader->token.kind;
  bool begins = token == NAME || token == NUMBER || token == STRING || token == '(' || layout_is_keyword(token);
  if (!begins || !expects(expected, "the end of the statement") || reader->token.starts_line) return false;
  const char *habit = habit_of(reader, reader->token), *habit_before = habit ? NULL : habit_of(reader, reader->before);
  if (habit || habit_before) {
    Span word = habit ? reader->token.span : reader->before.span;
    diagnostic_hint(diagnostic_report(reader->session, E1008, word, NULL), "%s", habit ? habit : habit_before);
  } else {
    Diagnostic *diagnostic = diagnostic_report(reader->session, E1018, reader->token.span, "here a second one begins");
    bool comment = after_slashes(reader, reader->token);
    diagnostic_hint(diagnostic, "%s",
                    comment ? "a comment begins with `#`; `//` divides and rounds down"
                            : "a statement ends with its line, or at `;`");
  }
  return true;
}

void slip_syntax(Reader *reader, const char **names, int count) {
  for (int at = 0; at < count; at++) { /* bison names a character in quotes: ',' */
    if (names[at][0] == '\'') names[at] = session_intern(reader->session, names[at] + 1, strlen(names[at]) - 2);
  }
  Expected expected = {names, count};
  bool said = reader->slip.source && reader->slip.from == reader->token.span.from;
  if (reader->stopped || said) return;
  if (slip_length(reader, expected) || slip_end(reader, expected) || slip_bracket(reader)) return;
  if (slip_condition(reader, expected)) return;
  if (slip_keyword(reader, expected) || slip_two_statements(reader, expected)) return;
  Diagnostic *diagnostic = diagnostic_report(reader->session, E1008, reader->token.span, "expected %s",
                                             expected_text(reader->session, expected));
  const char *habit = habit_of(reader, reader->token);
  if (habit) diagnostic_hint(diagnostic, "%s", habit);
  else if (reader->token.kind == FLOOR_DIVIDE)
    diagnostic_hint(diagnostic, "a comment begins with `#`; `//` divides and rounds down");
}
