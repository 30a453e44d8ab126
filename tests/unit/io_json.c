/* JSON: what must be read, what must be refused, and that writing reads back. */
#include "tests/unit/io_common.h"

#include <math.h>

static Json *parse(const char *text, Problem *problem) { return json_parse("test", text, strlen(text), problem); }

START_TEST(reads_values) {
  Problem problem;
  Json *root = parse(
      " { \"a\" : [1, -2.5e3, true, false, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\": {}, \"c\": [] } ", &problem);
  ck_assert_ptr_nonnull(root);
  const Json *list = json_find(root, "a");
  ck_assert_uint_eq(list->count, 6);
  const Json *item = list->first;
  ck_assert(item->whole && item->integer == 1);
  item = item->next;
  ck_assert(!item->whole && item->number == -2500);
  item = item->next;
  ck_assert(item->kind == JSON_BOOL && item->truth);
  item = item->next;
  ck_assert(item->kind == JSON_BOOL && !item->truth);
  item = item->next;
  ck_assert_int_eq(item->kind, JSON_NULL);
  ck_assert_str_eq(item->next->text, "x\xc3\xa9\xf0\x9f\x98\x80\n");
  ck_assert_uint_eq(json_find(root, "b")->count, 0);
  ck_assert_ptr_null(json_find(root, "d"));
  json_free(root);
}
END_TEST

START_TEST(refuses_what_is_wrong) {
  static const struct {
    const char *text, *says;
  } rows[] = {
      {"", "line 1, column 1"},
      {"{", "text in double quotes"},
      {"{\"a\":1,}", "text in double quotes"},
      {"[1,]", "a value"},
      {"[1 2]", "',' or ']'"},
      {"01", "nothing after the value"},
      {"-", "a digit"},
      {"1.", "a digit"},
      {".5", "a value"},
      {"1e", "a digit"},
      {"1e999", "float64"},
      {"NaN", "a value"},
      {"nul", "a value"},
      {"\"a", "closing quote"},
      {"\"\\x\"", "one of"},
      {"\"\\u12g4\"", "hexadecimal"},
      {"\"\\ud800\"", "surrogate"},
      {"\"\\udc00\"", "surrogate"},
      {"\"\t\"", "control"},
      {"\"\xff\"", "UTF-8"},
      {"\"\xc0\x80\"", "UTF-8"},
      {"\"\xed\xa0\x80\"", "UTF-8"},
      {"\"\xf4\x90\x80\x80\"", "UTF-8"},
      {"\"\xe2\x82\"", "UTF-8"},
      {"{\"a\":1,\"b\":2,\"a\":3}", "\"a\" stands twice"},
      {"{\"a\\u0000\":1}", "key without"},
      {"1 1", "nothing after"},
      {"{\n \"a\": tru }", "line 2, column 7"},
  };
  for (size_t i = 0; i < LENGTH(rows); i++) {
    Problem problem = {""};
    Json *root = parse(rows[i].text, &problem);
    ck_assert_msg(!root, "accepted %s", rows[i].text);
    ck_assert_says(problem, rows[i].says);
  }
}
END_TEST

START_TEST(refuses_depth) {
  char text[300] = "";
  Problem problem;
  memset(text, '[', 64);
  memset(text + 64, ']', 64);
  Json *root = parse(text, &problem);
  ck_assert_ptr_nonnull(root);
  json_free(root);
  memset(text, '[', 65);
  memset(text + 65, ']', 65);
  ck_assert_ptr_null(parse(text, &problem));
  ck_assert_says(problem, "64 levels");
}
END_TEST

START_TEST(whole_numbers_keep_64_bits) {
  Json *root = parse("[9223372036854775807, -9223372036854775808, 9223372036854775808]", NULL);
  ck_assert(root->first->whole && root->first->integer == INT64_MAX);
  ck_assert(root->first->next->whole && root->first->next->integer == INT64_MIN);
  ck_assert(!root->first->next->next->whole);
  json_free(root);
  root = parse("-0", NULL);
  ck_assert(!root->whole && signbit(root->number));
  json_free(root);
}
END_TEST

START_TEST(writes_what_it_reads) {
  static const double numbers[] = {0, -0.0, 0.1, 0.1 + 0.2, 1.0 / 3, 1e300, 5e-324, 123456789.125, -2.5, 1e22};
  for (int indented = 0; indented < 2; indented++) {
    JsonWriter *writer = json_writer_new(indented);
    json_open_object(writer, NULL);
    json_open_array(writer, "numbers");
    for (size_t i = 0; i < LENGTH(numbers); i++) json_put_number(writer, NULL, numbers[i]);
    json_close(writer);
    json_put_number(writer, "nan", NAN);
    json_put_number(writer, "infinite", INFINITY);
    json_put_integer(writer, "large", INT64_MIN);
    json_put_text(writer, "te\"xt", "a\\b\x01\n\xc3\xa9\xff!");
    json_put_bool(writer, "yes", true);
    json_open_object(writer, "empty");
    json_close(writer);
    ck_assert_ptr_null(json_writer_text(writer)); /* a bracket is open */
    json_close(writer);
    const char *text = json_writer_text(writer);
    ck_assert_ptr_nonnull(text);
    if (!indented) ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    Problem problem = {""};
    Json *root = parse(text, &problem);
    ck_assert_msg(root != NULL, "%s: %s", problem.text, text);
    size_t i = 0;
    for (const Json *item = json_find(root, "numbers")->first; item; item = item->next, i++)
      ck_assert(item->number == numbers[i] && signbit(item->number) == signbit(numbers[i]));
    ck_assert_int_eq(json_find(root, "nan")->kind, JSON_NULL);
    ck_assert_int_eq(json_find(root, "infinite")->kind, JSON_NULL);
    ck_assert(json_find(root, "large")->integer == INT64_MIN);
    ck_assert_str_eq(json_find(root, "te\"xt")->text, "a\\b\x01\n\xc3\xa9\xef\xbf\xbd!");
    json_free(root);
    json_writer_free(writer);
  }
}
END_TEST

CHECK_MAIN(.tests = {reads_values, refuses_what_is_wrong, refuses_depth, whole_numbers_keep_64_bits,
                     writes_what_it_reads})
