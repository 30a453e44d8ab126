/* check_values feeds MODEL.gan FOLDER: writes FOLDER/NAME.npy for every line `# given NAME: [rows, sizes…] = numbers…`
   of the model. check_values states MODEL.gan CHECKPOINT: does the checkpoint hold what the lines `# right NAME =
   numbers…` say, to 1e-12? The numbers of a line come again from the first where there are too few of them: rows that
   are all the same are written once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

enum { NAME_SIZE = 64, LINE_SIZE = 8192, NUMBER_LIMIT = 1024, AXIS_LIMIT = 8 };

static const double limit = 1e-12;

/* One line of a model: what is given for, or right of, the tensor of this name. */
typedef struct Line {
  char name[NAME_SIZE];
  int rank;
  long shape[AXIS_LIMIT];
  int count;
  double numbers[NUMBER_LIMIT];
} Line;

/* Reads `# word NAME[: [sizes]] = numbers`; false if the text is none. */
static bool line_read(const char *text, const char *word, Line *line) {
  int from = 0;
  *line = (Line){.name = ""};
  char format[32];
  snprintf(format, sizeof format, "# %s %%63[^ :]%%n", word);
  if (sscanf(text, format, line->name, &from) != 1) return false;
  text += from;
  const char *equals = strchr(text, '=');
  if (!equals) return false;
  for (text = strpbrk(text, "[="); *text != '=' && *text != ']' && line->rank < AXIS_LIMIT;
       text += strcspn(text, ",]="))
    line->shape[line->rank++] = strtol(++text, NULL, 10);
  char *end;
  for (text = equals + 1; line->count < NUMBER_LIMIT; text = end) {
    line->numbers[line->count] = strtod(text, &end);
    if (end == text) break;
    line->count++;
  }
  return line->count > 0;
}

/* An .npy file of version 1.0, float64. */
static bool feed_write(const char *folder, const Line *line) {
  char path[LINE_SIZE], shape[128] = "", header[118];
  long size = 1;
  for (int axis = 0; axis < line->rank; axis++) {
    snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%ld,", line->shape[axis]);
    size *= line->shape[axis];
  }
  snprintf(path, sizeof path, "%s/%s.npy", folder, line->name);
  FILE *file = fopen(path, "wb");
  if (!file) return false;
  int length = snprintf(header, sizeof header, "{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }", shape);
  memset(header + length, ' ', sizeof header - (size_t)length);
  header[sizeof header - 1] = '\n';
  bool fine =
      fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file) == 10 && fwrite(header, 1, sizeof header, file) == sizeof header;
  for (long at = 0; at < size && fine; at++)
    fine = fwrite(&line->numbers[at % line->count], sizeof(double), 1, file) == 1;
  return fclose(file) == 0 && fine;
}

static bool number_is_right(double found, double right) { return fabs(found - right) <= limit * fmax(1, fabs(right)); }

static bool state_check(SafeTensors *file, const Line *line) {
  static double numbers[NUMBER_LIMIT * 16];
  const StoredTensor *tensor = safetensors_find(file, line->name);
  Problem problem = {"not in the checkpoint"};
  TensorView view = {.name = line->name, .type = STORAGE_F64, .data = numbers};
  int64_t size = 1;
  if (tensor) {
    view.rank = tensor->rank;
    for (int64_t axis = tensor->rank - 1; axis >= 0; size *= view.shape[axis--])
      view.shape[axis] = tensor->shape[axis], view.stride[axis] = size;
  }
  if (!tensor || size > NUMBER_LIMIT * 16 || !safetensors_read(file, tensor, &view, &problem)) {
    printf("%s: %s\n", line->name, problem.text);
    return false;
  }
  bool fine = true;
  for (int64_t at = 0; at < size; at++) fine &= number_is_right(numbers[at], line->numbers[at % line->count]);
  if (fine) return true;
  printf("%s: right is", line->name);
  for (int64_t at = 0; at < size; at++) printf(" %.9g", line->numbers[at % line->count]);
  printf("\n%*s  found is", (int)strlen(line->name) - 1, "");
  for (int64_t at = 0; at < size; at++) printf(" %.9g", numbers[at]);
  printf("\n");
  return false;
}

int main(int count, char **arguments) {
  bool feeds = count == 4 && strcmp(arguments[1], "feeds") == 0,
       states = count == 4 && strcmp(arguments[1], "states") == 0;
  FILE *model = feeds || states ? fopen(arguments[2], "r") : NULL;
  Problem problem = {""};
  SafeTensors *file = states ? safetensors_open(arguments[3], &problem) : NULL;
  if (!model || (states && !file)) {
    fprintf(stderr, "%s\n", model ? problem.text : "usage: check_values feeds|states MODEL.gan FOLDER|CHECKPOINT");
    return 2;
  }
  static char text[LINE_SIZE];
  static Line line;
  bool fine = true;
  int lines = 0;
  while (fgets(text, sizeof text, model)) {
    if (!line_read(text, feeds ? "given" : "right", &line)) continue;
    lines++;
    if (feeds && !feed_write(arguments[3], &line)) fine = false, fprintf(stderr, "cannot write %s\n", line.name);
    if (states) fine = state_check(file, &line) && fine;
  }
  if (states && lines == 0) fine = false, printf("nothing is said to be right\n");
  if (file) safetensors_close(file);
  fclose(model);
  return fine ? 0 : 1;
}
