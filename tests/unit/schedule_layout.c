/* The order of axes in memory: samples innermost, all else as declared, a reshape over what it looks at; what was
   decided is printed, what was not is seen. */
#include "graph_check.h"
#include "compiler/schedule/schedule.h"
#include "printed_text.h"

START_TEST(samples_lie_innermost) {
  Session *session = session_new();
  Graph *g = graph_new(session);
  Node *x = graph_input(g, "x", SHAPE(4, 2, 3), true, SPAN), *w = input(g, "w", SHAPE(5, 6));
  Node *flat = graph_reshape(g, map_like(g, x, unary(g, OP_TANH, all(g, x))), SHAPE(4, 6), SPAN);
  const Scalar *weight = READ(g, w, at(1), at(2)), *value_read = READ(g, flat, at(0), at(2));
  const Scalar *product = multiply(g, value_read, weight);
  Node *y = graph_compute(g, COMBINE_SUM, 3, (int64_t[]){4, 5, 6}, 1, ACCESS(g, at(0), at(1)), SHAPE(4, 5), true,
                          product, "y", SPAN);
  Node *target = graph_input(g, "target", SHAPE(4, 5), true, SPAN);
  EffectList effects = {1, &(Effect){target, y, SPAN}};
  Layout *layout = layout_new(session);
  ck_assert(!layout_holds(layout, g, &effects));
  layout_decide(layout, g, &effects);
  ck_assert(layout_holds(layout, g, &effects));
  Printed printed;
  layout_print(layout, g, &effects, printed_begin(&printed));
  char *text = printed_end(&printed);
  ck_assert_str_eq(text, "w: [5, 6] in the order 0, 1\n"
                         "x: [4, 2, 3]~ in the order 1, 2, 0\n"
                         "n3: [4, 6]~ in the order 1, 0, on x\n"
                         "n4: [4, 6]~ in the order 1, 0\n"
                         "n5: [4, 5]~ in the order 1, 0  # y\n");
  free(text);
  StoredValue value = {.node = x};
  layout_place(layout, x, &value, REGISTER_F32);
  ck_assert(value.stride[0] == 1 && value.stride[1] == 12 && value.stride[2] == 4);
  layout_place(layout, w, &value, REGISTER_F32);
  ck_assert(value.stride[0] == 6 && value.stride[1] == 1);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {samples_lie_innermost})
