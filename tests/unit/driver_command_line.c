/* The command line as options: what each form of writing means, and what is refused. */
#include "compiler/compiler.h"
#include "check_main.h"
#include "printed_text.h"

#include <stdlib.h>
#include <string.h>

enum { WORD_LIMIT = 16 };

/* "build --real f64 x.gan" as main would give it. */
static bool parse(Session *session, const char *line, CommandLine *options) {
  char *words[WORD_LIMIT] = {(char *)(uintptr_t)session_string(session, "ganc")};
  int count = 1;
  while (*line && count < WORD_LIMIT - 1) {
    size_t length = strcspn(line, " ");
    words[count++] = (char *)(uintptr_t)session_intern(session, line, length);
    line += length + (line[length] == ' ');
  }
  char **lasting = session_allocate(session, sizeof words);
  memcpy(lasting, words, sizeof words);
  return command_line_parse(session, count, lasting, options);
}

START_TEST(test_forms_of_options) {
  static const char *const lines[] = {
      "build --real f64 -o t --set a=1 --set b=-2 x.gan",
      "build x.gan --set=a=1 --output=t --set=b=-2 --real=f64",
      "build --set a=1 --set b=-2 --real f64 --output t -- x.gan",
  };
  for (size_t at = 0; at < LENGTH(lines); at++) {
    Session *session = session_new();
    CommandLine options;
    ck_assert_msg(parse(session, lines[at], &options), "%s", lines[at]);
    ck_assert_int_eq(options.command, COMMAND_BUILD);
    ck_assert_int_eq(options.real, REGISTER_F64);
    ck_assert(options.feeds); /* implied by f64 */
    ck_assert_str_eq(options.output, "t");
    ck_assert_int_eq(options.setting_count, 2);
    ck_assert_str_eq(options.settings[0], "a=1");
    ck_assert_str_eq(options.settings[1], "b=-2");
    ck_assert_int_eq(options.input_count, 1);
    ck_assert_str_eq(options.inputs[0], "x.gan");
    ck_assert_int_eq(options.stop_after, PASS_link);
    session_free(session);
  }
}
END_TEST

START_TEST(test_defaults) {
  Session *session = session_new();
  CommandLine options;
  ck_assert(parse(session, "build x.gan", &options));
  ck_assert_int_eq(options.real, REGISTER_F32);
  ck_assert(!options.feeds);
  ck_assert_str_eq(options.march, "native");
  ck_assert_int_eq(options.fuse_limit, -1);
  ck_assert_ptr_null(options.emit);
  ck_assert_ptr_null(options.output);
  ck_assert_uint_eq(options.dump_after, 0);
  session_free(session);
}
END_TEST

START_TEST(test_emit_stops_where_the_form_is_made) {
  static const struct {
    const char *line;
    PassNumber last;
  } rows[] = {
      {"build --emit ast x", PASS_read},         {"build --emit graph x", PASS_simplify},
      {"build --emit kernels x", PASS_schedule}, {"build --emit llvm x", PASS_emit},
      {"build --emit asm x", PASS_emit},         {"build --emit obj x", PASS_emit},
  };
  for (size_t at = 0; at < LENGTH(rows); at++) {
    Session *session = session_new();
    CommandLine options;
    ck_assert_msg(parse(session, rows[at].line, &options), "%s", rows[at].line);
    ck_assert_int_eq(options.stop_after, rows[at].last);
    session_free(session);
  }
}
END_TEST

START_TEST(test_dumps_are_a_set) {
  Session *session = session_new();
  CommandLine options;
  ck_assert(parse(session, "check --dump-after expand --dump-after=simplify --stop-after simplify x", &options));
  ck_assert_uint_eq(options.dump_after, 1u << PASS_expand | 1u << PASS_simplify);
  ck_assert_int_eq(options.stop_after, PASS_simplify);
  session_free(session);
}
END_TEST

/* Behind the file, options of ganc's are ganc's, wherever they stand; all else is the trainer's, and all behind
   `--`. */
START_TEST(test_run_deals_words_out) {
  static const struct {
    const char *line, *trainer;
    RegisterType real;
    int settings, open;
  } rows[] = {
      {"run x", "", REGISTER_F32, 0, 0},
      {"run --real f64 x", "", REGISTER_F64, 0, 0},
      {"run x --real f64", "", REGISTER_F64, 0, 0},
      {"run x sample --real=f64 -o f.png --count 3", "sample -o f.png --count 3 ", REGISTER_F64, 0, 0},
      {"run --set a=1 x --steps 5 --set b=2 --set=c=3 --help", "--steps 5 --help ", REGISTER_F32, 1, 2},
      {"run x --march native eval --feeds --feed z=f.npy --no-diagnose", "eval --feed z=f.npy ", REGISTER_F32, 0, 0},
      {"run x --steps 5 -- --real f64 --set a=1 --", "--steps 5 --real f64 --set a=1 -- ", REGISTER_F32, 0, 0},
      {"run -- x --real f64", "--real f64 ", REGISTER_F32, 0, 0},
      {"run - --emit ast --clear", "--emit ast --clear ", REGISTER_F32, 0, 0},
  };
  for (size_t at = 0; at < LENGTH(rows); at++) {
    Session *session = session_new();
    CommandLine options;
    ck_assert_msg(parse(session, rows[at].line, &options), "%s", rows[at].line);
    ck_assert_int_eq(options.command, COMMAND_RUN);
    ck_assert_int_eq(options.input_count, 1);
    ck_assert_msg(options.real == rows[at].real, "%s", rows[at].line);
    ck_assert_int_eq(options.setting_count, rows[at].settings);
    ck_assert_int_eq(options.open_count, rows[at].open);
    const char *words = "";
    for (int word = 0; word < options.trainer_count; word++) {
      words = session_format(session, "%s%s ", words, options.trainer_arguments[word]);
    }
    ck_assert_str_eq(words, rows[at].trainer);
    session_free(session);
  }
}
END_TEST

START_TEST(test_help_and_version) {
  Session *session = session_new();
  CommandLine options;
  ck_assert(parse(session, "", &options) && options.command == COMMAND_HELP && options.topic == COMMAND_COUNT);
  ck_assert(parse(session, "--help", &options) && options.command == COMMAND_HELP);
  ck_assert(parse(session, "fmt x --help", &options) && options.command == COMMAND_HELP &&
            options.topic == COMMAND_FMT);
  ck_assert(parse(session, "--version", &options) && options.command == COMMAND_VERSION);
  session_free(session);
}
END_TEST

START_TEST(test_refusals) {
  static const struct {
    const char *line, *code;
  } rows[] = {
      {"biuld x", "[E5001]"},
      {"build --rael f64 x", "[E5002]"},
      {"check -o t x", "[E5002]"},
      {"build x -o", "[E5003]"},
      {"build --real f16 x", "[E5004]"},
      {"build --feeds=1 x", "[E5004]"},
      {"build --set a x", "[E5004]"},
      {"build --set =1 x", "[E5004]"},
      {"build --set a= x", "[E5004]"},
      {"build --fuse-limit 1x x", "[E5004]"},
      {"build --emit c x", "[E5004]"},
      {"build", "[E5005]"},
      {"fmt", "[E5005]"},
      {"build --stop-after all x", "[E5011]"},
      {"build x y", "[E5018]"},
      {"build --emit ast --stop-after read x", "[E5019]"},
      {"build --out t x", "[E5002]"},
      {"build -o a -o b x", "[E5019]"},
      {"build --output=a x -o a", "[E5019]"},
      {"check --march a --march b x", "[E5019]"},
      {"check --set a=1 --set a=1 x", "[E5019]"},
      {"run --set a=1 x --set a=2", "[E5019]"},
      {"run x --real f32 --real f32", "[E5019]"},
      {"run x --real f16", "[E5004]"},
      {"run x --set a", "[E5004]"},
      {"run x --march", "[E5003]"},
      {"cache x", "[E5018]"},
      {"cache --check", "[E5002]"},
      {"explain a b", "[E5018]"},
  };
  for (size_t at = 0; at < LENGTH(rows); at++) {
    Session *session = session_new();
    CommandLine options;
    ck_assert_msg(!parse(session, rows[at].line, &options), "%s", rows[at].line);
    char *text = messages_text(session);
    ck_assert_msg(strstr(text, rows[at].code) != NULL, "%s:\n%s", rows[at].line, text);
    free(text);
    session_free(session);
  }
}
END_TEST

START_TEST(test_embedded_files) {
  ck_assert_ptr_null(embedded_find("stdlib/nothing.gan"));
  for (const EmbeddedFile *file = embedded_files; file->name; file++) {
    ck_assert_ptr_eq(embedded_find(file->name), file);
    ck_assert_int_eq(file->bytes[file->size], 0); /* texts are terminated */
  }
}
END_TEST

CHECK_MAIN(.tests = {test_forms_of_options, test_defaults, test_emit_stops_where_the_form_is_made, test_dumps_are_a_set,
                     test_run_deals_words_out, test_help_and_version, test_refusals, test_embedded_files})
