/* The files that a trainer reads and writes: .npy, safetensors, text. */
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = arena_allocate((size_t)size + 1);
  size_t got = fread(text, 1, (size_t)size, file);
  fclose(file);
  text[got] = 0;
  return text;
}

static FILE *create(const char *path) {
  FILE *file = fopen(path, "wb");
  if (file == NULL) perror(path), exit(3);
  return file;
}

void write_text(const char *path, const char *text) {
  FILE *file = create(path);
  fputs(text, file);
  fclose(file);
}

static void write_numbers(FILE *file, bool narrow, size_t count, const double *values) {
  for (size_t i = 0; i < count; i++) {
    float single = (float)values[i];
    if (narrow) fwrite(&single, sizeof single, 1, file);
    else fwrite(&values[i], sizeof values[i], 1, file);
  }
}

void write_npy(const char *path, bool narrow, int rows, Shape shape, const double *values) {
  char axes[128] = "", header[256];
  int length = 0;
  for (int d = 0; d < shape.rank; d++)
    length += snprintf(axes + length, sizeof axes - (size_t)length, "%d,", shape.at[d]);
  length = snprintf(header, sizeof header, "{'descr': '<f%d', 'fortran_order': False, 'shape': (%d,%s), }",
                    narrow ? 4 : 8, rows, axes);
  while ((10 + length + 1) % 64 != 0) header[length++] = ' ';
  header[length++] = '\n';
  FILE *file = create(path);
  unsigned char start[10] = {
      0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (unsigned char)(length & 255), (unsigned char)(length >> 8)};
  fwrite(start, 1, sizeof start, file);
  fwrite(header, 1, (size_t)length, file);
  write_numbers(file, narrow, (size_t)rows * (size_t)shape_size(shape), values);
  fclose(file);
}

void write_safetensors(const char *path, bool narrow, int count, const Tensor *tensors) {
  char *header = "{";
  size_t at = 0, width = narrow ? 4 : 8;
  for (int k = 0; k < count; k++) {
    size_t size = (size_t)shape_size(tensors[k].shape) * width;
    char *axes = "";
    for (int d = 0; d < tensors[k].shape.rank; d++)
      axes = arena_format("%s%s%d", axes, d > 0 ? "," : "", tensors[k].shape.at[d]);
    header = arena_format("%s%s\"%s\":{\"dtype\":\"F%d\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}", header,
                          k > 0 ? "," : "", tensors[k].name, narrow ? 32 : 64, axes, at, at + size);
    at += size;
  }
  header = arena_format("%s}", header);
  uint64_t length = strlen(header);
  FILE *file = create(path);
  fwrite(&length, sizeof length, 1, file);
  fputs(header, file);
  for (int k = 0; k < count; k++) write_numbers(file, narrow, (size_t)shape_size(tensors[k].shape), tensors[k].value);
  fclose(file);
}

/* Good for what trainers write: one line of JSON without escapes that matter. */
int read_safetensors(const char *path, Stored **tensors) {
  FILE *file = fopen(path, "rb");
  uint64_t length = 0;
  if (file == NULL || fread(&length, sizeof length, 1, file) != 1 || length > 1u << 26) {
    if (file != NULL) fclose(file);
    return -1;
  }
  char *header = arena_allocate(length + 1), *next = header;
  bool whole = fread(header, 1, length, file) == length;
  int count = 0, capacity = 0;
  *tensors = NULL;
  while (whole && (next = strstr(next, "\"dtype\"")) != NULL) {
    char *end = next;
    while (end > header && *end != '{') end--;
    while (end > header && *end != '"') end--;
    char *start = end - 1;
    while (start > header && *start != '"') start--;
    Stored stored = {.name = arena_format("%.*s", (int)(end - start - 1), start + 1)};
    bool narrow = strncmp(strstr(next, ":") + 1 + strspn(strstr(next, ":") + 1, " \""), "F32", 3) == 0;
    char *axes = strstr(next, "\"shape\"") + 7;
    axes = strchr(axes, '[') + 1;
    while (*axes != ']' && stored.shape.rank < AXES) {
      stored.shape.at[stored.shape.rank++] = (int)strtol(axes, &axes, 10);
      axes += strspn(axes, ", ");
    }
    unsigned long from = strtoul(strchr(strstr(next, "\"data_offsets\""), '[') + 1, NULL, 10);
    int size = shape_size(stored.shape);
    stored.value = arena_allocate(sizeof(double) * (size_t)(size + 1));
    fseek(file, (long)(8 + length + from), SEEK_SET);
    for (int e = 0; e < size && whole; e++) {
      float single = 0;
      whole =
          narrow ? fread(&single, sizeof single, 1, file) == 1 : fread(&stored.value[e], sizeof(double), 1, file) == 1;
      if (narrow) stored.value[e] = (double)single;
    }
    ROOM(*tensors, count, capacity);
    (*tensors)[count++] = stored;
    next += 7;
  }
  fclose(file);
  return whole ? count : -1;
}
