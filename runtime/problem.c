/* Why something did not work, as one text. Takes a format; returns false, always, so that a caller can pass it on.
   Never prints. */
#include "runtime/io.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool problem_set(Problem *problem, const char *format, ...) {
  if (!problem) return false;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  return false;
}

bool problem_set_errno(Problem *problem, int error, const char *format, ...) {
  if (!problem) return false;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(problem->text, sizeof problem->text, format, arguments);
  va_end(arguments);
  char reason[128];
  const char *text = strerror_r(error, reason, sizeof reason); /* the GNU form, which returns the text */
  size_t length = strlen(problem->text);
  snprintf(problem->text + length, sizeof problem->text - length, ": %s", text);
  return false;
}

bool problem_out_of_memory(Problem *problem, const char *what, size_t bytes) {
  return problem_set(problem, "no memory for %s (%zu bytes)", what, bytes);
}
