/* Any bytes as JSON: refused with a reason, or what is read, written and read again is written the same. */
#include <stdlib.h>
#include <string.h>

#include "runtime/io.h"

static void copy(JsonWriter *writer, const Json *value) {
  switch (value->kind) {
  case JSON_NULL: json_put_null(writer, value->key); return;
  case JSON_BOOL: json_put_bool(writer, value->key, value->truth); return;
  case JSON_TEXT: json_put_text(writer, value->key, value->text); return;
  case JSON_NUMBER:
    if (value->whole) json_put_integer(writer, value->key, value->integer);
    else json_put_number(writer, value->key, value->number);
    return;
  case JSON_ARRAY: json_open_array(writer, value->key); break;
  case JSON_OBJECT: json_open_object(writer, value->key); break;
  }
  for (const Json *child = value->first; child; child = child->next) copy(writer, child);
  json_close(writer);
}

static JsonWriter *write_value(const Json *root) {
  JsonWriter *writer = json_writer_new(false);
  if (!writer) abort();
  copy(writer, root);
  if (!json_writer_text(writer)) abort();
  return writer;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  Problem problem = {""};
  Json *root = json_parse("input", (const char *)bytes, size, &problem);
  if (!root) {
    if (*problem.text == 0) abort();
    return 0;
  }
  JsonWriter *once = write_value(root);
  const char *text = json_writer_text(once);
  Json *again = json_parse("written", text, strlen(text), &problem);
  if (!again) abort();
  JsonWriter *twice = write_value(again);
  if (strcmp(text, json_writer_text(twice)) != 0) abort();
  json_writer_free(twice);
  json_writer_free(once);
  json_free(again);
  json_free(root);
  return 0;
}
