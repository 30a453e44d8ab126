/* Messages: collected while the compiler works, printed once, in the order of the text.
   Takes codes, places and words; returns counts and printed messages; never decides what is wrong and never ends the
   program. */
#include "internal.h"
#include "runtime/words.h"

#include <stdlib.h>
#include <string.h>

enum { CODE_COLUMN = 88, SHOWN_CONTEXTS = 6, SHOWN_MESSAGES = 200 };

typedef enum Severity { ERROR, WARNING } Severity;

typedef struct Note {
  const char *text;
  struct Note *next;
} Note;

/* What stands at `span` is to be `text`. */
typedef struct Mend {
  Span span;
  const char *text;
  struct Mend *next;
} Mend;

struct Diagnostic {
  Session *session;
  DiagnosticCode code;
  const char *title;
  Caret first;
  Caret *last;
  Note *contexts, *last_context, *hints, *last_hint;
  Mend *mends, *last_mend;
  int number; /* in the order of the reports */
  Diagnostic *next;
};

static const struct {
  const char *name, *title;
  Severity severity;
} codes[] = {
#define DIAGNOSTIC(code, severity, title) {#code, title, severity},
#include "diagnostics.def"
#undef DIAGNOSTIC
};

const char *diagnostic_code_name(DiagnosticCode code) { return codes[code].name; }

bool diagnostic_code_find(const char *name, DiagnosticCode *code) {
  for (int at = 0; at < DIAGNOSTIC_CODE_COUNT; at++) {
    if (strcmp(codes[at].name, name) == 0) return *code = (DiagnosticCode)at, true;
  }
  return false;
}

/* ---- reports ----------------------------------------------------------------------------------------------------- */

static const char *words(Session *session, const char *format, va_list arguments) {
  return format && *format ? session_format_list(session, format, arguments) : NULL;
}

Diagnostic *diagnostic_report(Session *session, DiagnosticCode code, Span span, const char *label, ...) {
  Diagnostic *diagnostic = session_allocate(session, sizeof *diagnostic);
  va_list arguments;
  va_start(arguments, label);
  diagnostic->session = session;
  diagnostic->code = code;
  diagnostic->title = codes[code].title;
  diagnostic->first = (Caret){span, words(session, label, arguments), NULL};
  diagnostic->last = &diagnostic->first;
  diagnostic->number = session->diagnostic_count++;
  va_end(arguments);
  if (session->last_diagnostic) session->last_diagnostic->next = diagnostic;
  else session->first_diagnostic = diagnostic;
  session->last_diagnostic = diagnostic;
  session->error_count += codes[code].severity == ERROR;
  return diagnostic;
}

void diagnostic_title(Diagnostic *diagnostic, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  diagnostic->title = session_format_list(diagnostic->session, format, arguments);
  va_end(arguments);
}

void diagnostic_also(Diagnostic *diagnostic, Span span, const char *label, ...) {
  Caret *caret = session_allocate(diagnostic->session, sizeof *caret);
  va_list arguments;
  va_start(arguments, label);
  *caret = (Caret){span, words(diagnostic->session, label, arguments), NULL};
  va_end(arguments);
  diagnostic->last = diagnostic->last->next = caret;
}

static void note_append(Session *session, Note **first, Note **last, const char *text) {
  Note *note = session_allocate(session, sizeof *note);
  note->text = text;
  if (*first) (*last)->next = note;
  else *first = note;
  *last = note;
}

void diagnostic_context(Diagnostic *diagnostic, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = session_format_list(diagnostic->session, format, arguments);
  va_end(arguments);
  note_append(diagnostic->session, &diagnostic->contexts, &diagnostic->last_context, text);
}

void diagnostic_hint(Diagnostic *diagnostic, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const char *text = session_format_list(diagnostic->session, format, arguments);
  va_end(arguments);
  note_append(diagnostic->session, &diagnostic->hints, &diagnostic->last_hint, text);
}

void diagnostic_mend(Diagnostic *diagnostic, Span span, const char *format, ...) {
  if (!span.source || span.source->standard) return; /* nobody edits the library that ganc carries */
  Mend *mend = session_allocate(diagnostic->session, sizeof *mend);
  va_list arguments;
  va_start(arguments, format);
  *mend = (Mend){span, session_format_list(diagnostic->session, format, arguments), NULL};
  va_end(arguments);
  if (diagnostic->mends) diagnostic->last_mend->next = mend;
  else diagnostic->mends = mend;
  diagnostic->last_mend = mend;
}

int diagnostic_error_count(const Session *session) { return session->error_count; }

/* ---- printing one ------------------------------------------------------------------------------------------------ */

static void note_print(FILE *out, const char *before, const char *text) {
  fputs(before, out);
  text_show(out, text, strlen(text));
  fputc('\n', out);
}

static void title_print(FILE *out, Session *session, const Diagnostic *diagnostic) {
  const char *kind = codes[diagnostic->code].severity == WARNING ? "warning" : "error";
  const char *line;
  if (diagnostic->first.span.source) {
    Place place = source_place(diagnostic->first.span.source, diagnostic->first.span.from);
    line = session_format(session, "%s:%zu:%zu: %s: %s", diagnostic->first.span.source->path, place.line, place.column,
                          kind, diagnostic->title);
  } else {
    line = session_format(session, "%s: %s", kind, diagnostic->title);
  }
  int blanks = CODE_COLUMN - (int)text_columns(line, strlen(line));
  text_show(out, line, strlen(line));
  fprintf(out, "%*s[%s]\n", blanks > 3 ? blanks : 3, "", codes[diagnostic->code].name);
}

/* Of a deep stack of calls, only the ends. */
static void contexts_print(FILE *out, const Note *contexts) {
  int count = 0, number = 0;
  for (const Note *note = contexts; note; note = note->next) count++;
  for (const Note *note = contexts; note; note = note->next, number++) {
    bool hidden = count > SHOWN_CONTEXTS && number >= SHOWN_CONTEXTS / 2 && number < count - SHOWN_CONTEXTS / 2;
    if (!hidden) note_print(out, "   ", note->text);
    else if (number == SHOWN_CONTEXTS / 2) fprintf(out, "   … and %d more\n", count - SHOWN_CONTEXTS);
  }
}

/* A line each, in a form that a program can apply: the place, and between backquotes what to write and what stands
   there. */
static void mends_print(FILE *out, const Mend *mends, const Source *source) {
  for (const Mend *mend = mends; mend; mend = mend->next) {
    Place place = source_place(mend->span.source, mend->span.from);
    size_t length = mend->span.to - mend->span.from;
    const char *there = mend->span.source->text + mend->span.from;
    fputs("   mend: at ", out);
    if (mend->span.source != source) text_show(out, mend->span.source->path, strlen(mend->span.source->path));
    fprintf(out, "%s%zu:%zu ", mend->span.source != source ? ":" : "", place.line, place.column);
    fputs(length == 0 ? "insert `" : !*mend->text ? "delete `" : "write `", out);
    if (*mend->text) text_show(out, mend->text, strlen(mend->text));
    if (length && *mend->text) fputs("` instead of `", out);
    text_show(out, there, length);
    fputs("`\n", out);
  }
}

static void diagnostic_print(FILE *out, Session *session, const Diagnostic *diagnostic) {
  title_print(out, session, diagnostic);
  excerpt_print(out, &diagnostic->first);
  contexts_print(out, diagnostic->contexts);
  for (const Note *hint = diagnostic->hints; hint; hint = hint->next) note_print(out, "   hint: ", hint->text);
  mends_print(out, diagnostic->mends, diagnostic->first.span.source);
}

/* ---- printing all: by file, by place; what is said twice is said once -------------------------------------------- */

/* One to sort, with the rank of its file: files come in the order in which reports first name them, messages without a
   place first. */
typedef struct Entry {
  const Diagnostic *diagnostic;
  int file;
} Entry;

static int entry_compare(const void *left, const void *right) {
  const Entry *a = left, *b = right;
  uint32_t from_a = a->diagnostic->first.span.from, from_b = b->diagnostic->first.span.from;
  if (a->file != b->file) return a->file < b->file ? -1 : 1;
  if (from_a != from_b) return from_a < from_b ? -1 : 1;
  return a->diagnostic->number < b->diagnostic->number ? -1 : 1;
}

static int file_rank(const Session *session, const Source *source) {
  if (!source) return -1;
  for (const Diagnostic *diagnostic = session->first_diagnostic; diagnostic; diagnostic = diagnostic->next) {
    if (diagnostic->first.span.source == source) return diagnostic->number;
  }
  return -1;
}

static bool text_equal(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

static bool diagnostic_repeats(const Diagnostic *a, const Diagnostic *b) {
  return a->code == b->code && a->first.span.from == b->first.span.from && a->first.span.to == b->first.span.to &&
         a->first.span.source == b->first.span.source && text_equal(a->title, b->title) &&
         text_equal(a->first.label, b->first.label);
}

/* Equal messages stand at one place, so it is enough to look back while the place is the same. */
static bool entry_repeats(const Entry *entries, int at) {
  for (int before = at - 1; before >= 0; before--) {
    if (entries[before].diagnostic->first.span.from != entries[at].diagnostic->first.span.from) return false;
    if (diagnostic_repeats(entries[before].diagnostic, entries[at].diagnostic)) return true;
  }
  return false;
}

void diagnostic_print_all(Session *session, FILE *out) {
  int count = 0;
  if (!session->diagnostic_count) return;
  Entry *entries = session_allocate(session, (size_t)session->diagnostic_count * sizeof *entries);
  const Source *source = NULL;
  int rank = -1;
  for (const Diagnostic *diagnostic = session->first_diagnostic; diagnostic; diagnostic = diagnostic->next) {
    if (diagnostic->first.span.source != source) rank = file_rank(session, source = diagnostic->first.span.source);
    entries[count++] = (Entry){diagnostic, rank};
  }
  qsort(entries, (size_t)count, sizeof *entries, entry_compare);
  int shown = 0;
  for (int at = 0; at < count; at++) {
    if (entry_repeats(entries, at)) continue;
    if (++shown <= SHOWN_MESSAGES) diagnostic_print(out, session, entries[at].diagnostic);
  }
  if (shown > SHOWN_MESSAGES) fprintf(out, "… and %d more messages\n", shown - SHOWN_MESSAGES);
}

/* ---- did you mean ------------------------------------------------------------------------------------------------ */

const char *diagnostic_nearest(const char *name, const char *const *names, int count) {
  return nearest_name(name, strlen(name), names, (size_t)count);
}

bool diagnostic_suggest(Diagnostic *diagnostic, const char *name, const char *const *names, int count) {
  const char *nearest = diagnostic_nearest(name, names, count);
  if (nearest) diagnostic_hint(diagnostic, "did you mean `%s`?", nearest);
  return nearest != NULL;
}
