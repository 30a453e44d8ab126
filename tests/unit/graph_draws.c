/* Draws: Philox against its authors' numbers, uniforms and normals against their formulas and moments, independence of
   place. */
#include "graph_check.h"

START_TEST(philox_knows_its_answers) {
  /* counter 0, key 0: 6627e8d5 e169c58d bc57ac4c 9b00dbd8 */
  static const uint32_t words[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  for (int i = 0; i < 4; i++) ck_assert(draw_uniform((DrawCounters){0}, 0, 0, i) == (words[i] >> 8) / 16777216.0);
  /* all ones: 408f276d 41c83b0e a20bc7c6 6d5451fd */
  DrawCounters ones = {.seed = 0, .round = 0xffffffff, .ordinal = 0xffffffff};
  ck_assert(draw_uniform(ones, UINT64_MAX, 0xffffffff, 4 * (int64_t)0xffffffff) == (0x408f276du >> 8) / 16777216.0);
  ck_assert_uint_eq(draw_key(0, 77), 77);
  ck_assert_uint_ne(draw_key(1, 77), draw_key(2, 77));
}
END_TEST

START_TEST(normals_pair_uniforms) {
  DrawCounters counters = {.seed = 42, .round = 7, .ordinal = 3};
  for (int64_t pair = 0; pair < 100; pair++) {
    double u = draw_uniform(counters, 5, 9, 2 * pair), v = draw_uniform(counters, 5, 9, 2 * pair + 1),
           r = sqrt(-2 * log(1 - u));
    ck_assert_double_eq_tol(draw_normal(counters, 5, 9, 2 * pair), r * cos(2 * acos(-1) * v), 1e-12);
    ck_assert_double_eq_tol(draw_normal(counters, 5, 9, 2 * pair + 1), r * sin(2 * acos(-1) * v), 1e-12);
  }
}
END_TEST

/* Mean and variance over 20000 numbers, and correlation between neighbours along every counter. */
START_TEST(moments) {
  enum { COUNT = 20000 };
  for (int along = 0; along < 4; along++)
    for (int normal = 0; normal < 2; normal++) {
      double sum = 0, square = 0, neighbour = 0, last = 0;
      for (int i = 0; i < COUNT; i++) {
        DrawCounters counters = {.seed = 1, .round = along == 0 ? i : 0, .ordinal = along == 1 ? i : 0};
        int64_t sample = along == 2 ? i : 0, element = along == 3 ? i : 0;
        double value = normal ? draw_normal(counters, 99, sample, element)
                              : sqrt(12) * (draw_uniform(counters, 99, sample, element) - 0.5);
        sum += value, square += value * value, neighbour += value * last, last = value;
      }
      ck_assert_double_lt(fabs(sum / COUNT), 0.03);
      ck_assert_double_lt(fabs(square / COUNT - 1), 0.04);
      ck_assert_double_lt(fabs(neighbour / COUNT), 0.03);
    }
}
END_TEST

/* A batch that is cut in two draws what the whole one draws; a tensor per evaluation does not notice. */
START_TEST(samples_are_global) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *noise = graph_random(g, 123, 0, DISTRIBUTION_NORMAL, "z", SHAPE(6, 3), true, SPAN),
       *half = graph_random(g, 123, 0, DISTRIBUTION_NORMAL, "z", SHAPE(3, 3), true, SPAN);
  Node *shared = graph_random(g, 124, 0, DISTRIBUTION_UNIFORM, "u", SHAPE(5), false, SPAN);
  Interpreter *interpreter = interpreter_new(g);
  double whole[18], once[5];
  interpreter_draws(interpreter, (DrawCounters){.seed = 3, .round = 1});
  memcpy(whole, interpreter_value(interpreter, noise), sizeof whole);
  memcpy(once, interpreter_value(interpreter, shared), sizeof once);
  interpreter_draws(interpreter, (DrawCounters){.seed = 3, .round = 1, .first_sample = 3});
  ck_assert_mem_eq(interpreter_value(interpreter, half), whole + 9, 9 * sizeof(double));
  ck_assert_mem_eq(interpreter_value(interpreter, shared), once, sizeof once);
  interpreter_draws(interpreter, (DrawCounters){.seed = 3, .round = 2});
  ck_assert_mem_ne(interpreter_value(interpreter, shared), once, sizeof once);
  interpreter_free(interpreter);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {philox_knows_its_answers, normals_pair_uniforms, moments, samples_are_global})
