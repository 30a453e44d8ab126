/* The progress line. Takes what a step took and what its objectives are; returns a line of text. Never prints, and
   never decides when to. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/io.h"

enum { RECENT = (int)(sizeof((Progress *)0)->milliseconds / sizeof(double)), FALLBACK_WIDTH = 80 };

int terminal_width(int descriptor) {
  struct winsize window;
  if (!isatty(descriptor)) return 0;
  return ioctl(descriptor, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : FALLBACK_WIDTH;
}

Progress progress_start(int width, int64_t first, int64_t total, double images_per_step) {
  return (Progress){.first = first, .total = total, .images_per_step = images_per_step, .width = width, .step = first};
}

void progress_note(Progress *progress, int64_t step, double milliseconds) {
  progress->step = step;
  progress->milliseconds[progress->time_count++ % RECENT] = milliseconds;
  if (progress->time_count == 2 * RECENT) progress->time_count = RECENT; /* stays a full ring, and never overflows */
}

static int compare_times(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double progress_median(const Progress *progress) {
  double sorted[RECENT];
  int count = progress->time_count < RECENT ? progress->time_count : RECENT;
  if (count == 0) return 0;
  memcpy(sorted, progress->milliseconds, (size_t)count * sizeof *sorted);
  qsort(sorted, (size_t)count, sizeof *sorted, compare_times);
  return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

/* ---- the line ---------------------------------------------------------------------------------------------------- */

typedef struct Line {
  char *text;
  size_t size, length;
} Line;

__attribute__((format(printf, 2, 3))) static void line_add(Line *line, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line->text + line->length, line->size - line->length, format, arguments);
  va_end(arguments);
  if (length > 0)
    line->length += (size_t)length < line->size - line->length ? (size_t)length : line->size - line->length - 1;
}

/* 13061 → 13,061 */
static void line_add_grouped(Line *line, int64_t number) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%" PRId64, number);
  for (int i = 0; i < length; i++) line_add(line, "%s%c", i && (length - i) % 3 == 0 ? "," : "", digits[i]);
}

static void line_add_time(Line *line, double seconds) {
  int64_t whole = (int64_t)ceil(seconds);
  if (whole >= 3600) line_add(line, "%" PRId64 ":%02d:%02d", whole / 3600, (int)(whole / 60 % 60), (int)(whole % 60));
  else line_add(line, "%d:%02d", (int)(whole / 60), (int)(whole % 60));
}

/* Bytes of the first `columns` characters. */
static size_t prefix_bytes(const char *text, int columns) {
  size_t bytes = 0;
  for (; text[bytes]; bytes++)
    if ((text[bytes] & 0xc0) != 0x80 && columns-- == 0) break;
  return bytes;
}

size_t progress_format(const Progress *progress, const ProgressValue *values, size_t count, char *text, size_t size) {
  static const char clear[] = "\x1b[K"; /* erases to the end of the line */
  double median = progress_median(progress);
  Line line = {text, size, 0};
  if (size == 0) return 0;
  *text = 0;
  line_add(&line, "%sstep %" PRId64, progress->width ? "\r" : "", progress->step);
  if (progress->total > 0) line_add(&line, "/%" PRId64, progress->total);
  for (size_t i = 0; i < count; i++) line_add(&line, "  %s %.4g", values[i].name, values[i].value);
  if (progress->left_out > 0) line_add(&line, "  and %" PRId64 " more", progress->left_out);
  if (median > 0) {
    line_add(&line, "  %.3g ms/step", median);
    if (progress->images_per_step > 0) {
      line_add(&line, "  ");
      line_add_grouped(&line, llround(progress->images_per_step * 1000 / median));
      line_add(&line, " images/s");
    }
    if (progress->total > progress->step) {
      line_add(&line, "  ");
      line_add_time(&line, (double)(progress->total - progress->step) * median / 1000);
      line_add(&line, " left");
    }
  }
  if (progress->width == 0) {
    line_add(&line, "\n");
    return line.length;
  }
  size_t room = size > sizeof clear ? size - sizeof clear : 0;
  line.length = *text ? 1 + prefix_bytes(text + 1, progress->width - 1)
                      : 0; /* the last column stays free: some terminals wrap there */
  if (line.length > room) line.length = room;
  line_add(&line, "%s", clear);
  return line.length;
}
