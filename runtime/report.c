/* Numbers and messages for people. Takes values, returns short texts or writes to stderr. Never decides anything. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static Text text_scaled(double value, double base, const char *const *units, int count) {
  Text text;
  int unit = 0;
  while (unit + 1 < count && value >= base) {
    value /= base;
    unit++;
  }
  int digits = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  snprintf(text.text, sizeof text.text, "%.*f %s", digits, value, units[unit]);
  return text;
}

Text text_bytes(double bytes) {
  return text_scaled(bytes, 1000, (const char *const[]){"bytes", "kB", "MB", "GB", "TB"}, 5);
}

Text text_flops(double flops) {
  return text_scaled(flops, 1000, (const char *const[]){"FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"}, 5);
}

Text text_count(int64_t count) {
  char digits[32];
  Text text;
  size_t length = (size_t)snprintf(digits, sizeof digits, "%lld", (long long)count), out = 0;
  for (size_t k = 0; k < length; k++) {
    text.text[out++] = digits[k];
    size_t left = length - 1 - k;
    if (left > 0 && left % 3 == 0 && digits[k] != '-') text.text[out++] = ',';
  }
  text.text[out] = 0;
  return text;
}

Text text_known(double value, int digits, const char *unit) {
  Text text = {"unknown"};
  if (isfinite(value)) snprintf(text.text, sizeof text.text, "%.*f%s", digits, value, unit);
  return text;
}

Text text_shape(const TensorRecord *tensor, bool with_batch) {
  Text text = {"["};
  for (int axis = tensor->batch && !with_batch; axis < tensor->rank; axis++) {
    size_t used = strlen(text.text);
    snprintf(text.text + used, sizeof text.text - used, "%s%lld", used > 1 ? ", " : "", (long long)tensor->shape[axis]);
  }
  size_t used = strlen(text.text);
  snprintf(text.text + used, sizeof text.text - used, "]");
  return text;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Names and numbers of files that others made must not steer the terminal. Lists of ours have lines. */
static void text_print(const char *text) {
  for (size_t at = 0; text[at]; at++)
    if (text[at] != '\n' && byte_steers(text, at)) fprintf(stderr, "\\x%02x", (unsigned)(uint8_t)text[at]);
    else fputc(text[at], stderr);
}

void report_error(const char *program, const Problem *problem) {
  fprintf(stderr, "%s: error: ", base_name(program));
  text_print(problem->text);
  fputc('\n', stderr);
}

void report_note(const char *program, const char *format, ...) {
  va_list arguments;
  char *text = NULL;
  va_start(arguments, format);
  if (vasprintf(&text, format, arguments) < 0) text = NULL;
  va_end(arguments);
  fprintf(stderr, "%s: ", base_name(program));
  text_print(text ? text : "no memory for what was to be said");
  fputc('\n', stderr);
  free(text);
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
