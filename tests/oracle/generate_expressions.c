/* Random expressions of a shape: pointwise operations, choices, totals, lists, slices, derivatives. */
#include <string.h>

#include "generate.h"

static const Shape number = {0};

static const char *leaf(const Things *scope, Shape shape) {
  const Thing *thing = one_in(6) && shape.rank == 0 ? NULL : thing_of_shape(scope, shape);
  if (thing != NULL && thing->classes == 0) return thing->text;
  if (shape.rank == 0) return any_number();
  if (maker->functions > 0 && scope->count > 0) {
    bool random;
    return function_of(scope, shape, &random);
  }
  if (shape.rank == 1 && shape.at[0] <= 4) {
    const char *items = any_number();
    for (int i = 1; i < shape.at[0]; i++) items = arena_format("%s, %s", items, any_number());
    return arena_format("[%s]", items);
  }
  return arena_format("fill(%s, %s)", any_number(), shape_text(shape));
}

const char *pointwise(const char *a) {
  switch (random_below(29)) {
  case 0: return arena_format("tanh(%s)", a);
  case 1: return arena_format("sigmoid(%s)", a);
  case 2: return arena_format("abs(%s)", a);
  case 3: return arena_format("sin(%s)", a);
  case 4: return arena_format("cos(%s)", a);
  case 5: return arena_format("relu(%s)", a);
  case 6: return arena_format("leaky_relu(0.2)(%s)", a);
  case 7: return arena_format("softplus(%s)", a);
  case 8: return arena_format("erf(%s)", a);
  case 9: return arena_format("sqrt(1 + (%s)^2)", a);
  case 10: return arena_format("log(1 + (%s)^2)", a);
  case 11: return arena_format("exp(-abs(%s))", a);
  case 12: return arena_format("-(%s)", a);
  case 13: return arena_format("clamp(%s, -0.7, 0.8)", a);
  case 14: return arena_format("(%s)^2", a);
  case 15: return arena_format("0.3 * (%s)^3", a);
  case 16: return arena_format("constant(%s)", a);
  case 17: return arena_format("silu(%s)", a);
  case 18: return arena_format("gelu(%s)", a);
  case 19: return arena_format("((%s) |> tanh)", a);
  case 20: return arena_format("log(1 + exp(%s))", a);
  case 21: return arena_format("log(sigmoid(%s))", a);
  case 22: return arena_format("log(1 - sigmoid(%s))", a);
  case 23: return arena_format("(%s) / 7", a);
  case 24: return arena_format("(%s)^2 / (1 + (%s)^2)", a, a);
  case 25: return arena_format("elu(%s)", a);
  case 26: return arena_format("%s(%s)", CHOSEN("floor", "ceil", "round", "sign"), a);
  case 27: return arena_format("0.1 * floor(49 * floor(4 * (%s)) / 49)", a);
  default: return arena_format("log2(2 + (%s)^2)", a);
  }
}

static const char *combination(const char *a, const char *b) {
  switch (random_below(13)) {
  case 0:
  case 1: return arena_format("(%s) + (%s)", a, b);
  case 2:
  case 3: return arena_format("(%s) - (%s)", a, b);
  case 4:
  case 5: return arena_format("(%s) * (%s)", a, b);
  case 6: return arena_format("(%s) / (1 + (%s)^2)", a, b);
  case 7: return arena_format("max(%s, %s)", a, b);
  case 8: return arena_format("min(%s, %s)", a, b);
  case 9: return arena_format("(%s) %% 0.9 + (%s)", a, b);
  case 10: return arena_format("(%s) // 0.7 - (%s)", a, b);
  case 11: return arena_format("lerp(%s, %s, 0.3)", a, b);
  default: return arena_format("(1 + (%s)^2)^(0.2 * tanh(%s))", a, b);
  }
}

const char *condition(const Things *scope, Shape shape, int depth) {
  if (depth > 1 && one_in(4)) {
    const char *a = condition(scope, shape, depth - 1);
    if (one_in(3)) return arena_format("not (%s)", a);
    return arena_format("(%s) %s (%s)", a, CHOSEN("and", "or"), condition(scope, shape, depth - 1));
  }
  const char *a = expression(scope, shape, depth - 1), *sign = CHOSEN("<", ">", "<=", ">=", "!=");
  return arena_format("(%s) %s (%s)", a, sign, expression(scope, one_in(2) ? number : shape, depth - 2));
}

/* A number that depends on the bare name v, for grad. */
static const char *number_of(const Things *scope, const Thing *v, int depth) {
  const char *of = one_in(2) ? v->text : arena_format("%s + %s", v->text, any_number()), *inner = pointwise(of);
  while (strstr(inner, "constant") != NULL) inner = pointwise(of);
  if (v->shape.rank == 0) return arena_format("(%s) * (%s)", inner, expression(scope, number, depth));
  switch (random_below(3)) {
  case 0: return arena_format("sum((%s) * (%s))", inner, expression(scope, v->shape, depth));
  case 1: return arena_format("mean((%s)^2)", inner);
  default: return arena_format("sumsq(%s) + (%s)", inner, expression(scope, number, depth));
  }
}

/* A gradient by a bare name of that shape: of the first order, the second, once in a while the third. */
static const char *gradient(const Things *scope, Shape shape, int depth) {
  const Thing *v = thing_of_shape(scope, shape);
  bool known = v != NULL &&
               (v->random || strchr("sWb", v->text[0]) != NULL); /* what is neither drawn nor stored may be static */
  if (!known || !v->plain || v->classes > 0 || maker->budget < 1) return NULL;
  maker->budget--;
  const char *e = number_of(scope, v, depth - 1);
  int orders = one_in(3) ? one_in(4) ? 3 : 2 : 1;
  for (int k = 1; k < orders; k++) {
    const char *inner =
        v->random ? arena_format("grad(%s, %s)", e, v->text) : arena_format("grad(E[%s], %s)", e, v->text);
    e = arena_format("sum((%s) * sin(%s)) + sumsq(%s)", inner, v->text, v->text);
  }
  if (!v->random || one_in(6)) e = arena_format("E[%s]", e);
  return arena_format("grad(%s, %s)", e, v->text);
}

/* What is not a number for about half of the samples, and shows only as a choice. Of numbers that are known it would be
   an error. */
static const char *not_a_number(const Things *scope, Shape shape, int depth) {
  const Thing *thing = thing_of_shape(scope, shape);
  if (thing == NULL || strchr("xztu", thing->text[0]) == NULL) return NULL;
  const char *a = expression(scope, shape, depth - 2), *log = arena_format("log(%s)", thing->text);
  bool first = one_in(2);
  return arena_format("(if %s(%s, %s) > -90 then 0.5 else %s)", CHOSEN("max", "min"), first ? log : a, first ? a : log,
                      thing->text);
}

static const char *total_of(const Things *scope, int depth) {
  Shape shape = one_in(2) && scope->count > 0 ? any_thing(scope)->shape : any_shape(2);
  if (shape.rank == 0) shape = any_shape(1);
  const char *a = expression(scope, shape, depth - 1);
  if (one_in(12)) { /* a root of exactly 0, whose guard has a name */
    const char *name = new_name("f"), *guard = new_name("g");
    define(arena_format("fn %s(s) {\n%s = s > 0\nif %s then sqrt(s) else 0\n}\n", name, guard, guard));
    return arena_format("%s(sumsq((%s) * %s))", name, a, CHOSEN("0", "0", "0.3"));
  }
  if (one_in(6)) return arena_format("0.1 * dot(%s, %s)", a, expression(scope, shape, depth - 2));
  return arena_format("%s(%s)", CHOSEN("mean", "mean", "0.1 * sum", "max", "min", "0.1 * sumsq", "norm", "variance"),
                      a);
}

static const char *list_of(const Things *scope, Shape shape, int depth) {
  Shape inner = {.rank = shape.rank - 1};
  for (int d = 0; d < inner.rank; d++) inner.at[d] = shape.at[d + 1];
  const char *i = new_name("i");
  if (one_in(3))
    return arena_format("[%s * (1 + %s) for %s < %d]", expression(scope, inner, depth - 2), i, i, shape.at[0]);
  if (shape.at[0] > 5) return NULL;
  const char *items = expression(scope, inner, depth - 1);
  for (int k = 1; k < shape.at[0]; k++) items = arena_format("%s, %s", items, expression(scope, inner, depth - 2));
  return arena_format("[%s]", items);
}

/* A part of something longer, or two parts one after the other. */
static const char *pieces(const Things *scope, Shape shape, int depth) {
  Shape longer = shape, first = shape, second = shape;
  int more = 1 + random_below(3), from = random_below(more + 1);
  longer.at[0] += more;
  if (shape.at[0] < 2 || one_in(2))
    return arena_format("(%s)[%d..%d]", expression(scope, longer, depth - 2), from, from + shape.at[0] - 1);
  first.at[0] = 1 + random_below(shape.at[0] - 1);
  second.at[0] = shape.at[0] - first.at[0];
  if (one_in(3))
    return arena_format("[...(%s), ...(%s)]", expression(scope, first, depth - 2),
                        expression(scope, second, depth - 2));
  return arena_format("concat(%s, %s)", expression(scope, first, depth - 2), expression(scope, second, depth - 2));
}

static const char *reshaped(const Things *scope, Shape shape, int depth) {
  Shape other = {1, {shape_size(shape)}};
  if (shape.rank == 1 && shape.at[0] % 2 == 0) other = (Shape){2, {2, shape.at[0] / 2}};
  if (shape.rank == 1 && shape.at[0] % 2 != 0) other = (Shape){2, {shape.at[0], 1}};
  return arena_format("reshape(%s, %s)", expression(scope, other, depth - 2), shape_text(shape));
}

const char *expression(const Things *scope, Shape shape, int depth) {
  if (depth <= 0 || maker->budget < 1 || one_in(5)) return leaf(scope, shape);
  maker->budget--;
  const char *made = NULL;
  bool random;
  switch (random_below(17)) {
  case 0:
  case 1:
  case 2: return pointwise(expression(scope, shape, depth - 1));
  case 3:
  case 4:
  case 5: {
    Shape other = one_in(4) ? number : shape;
    const char *a = expression(scope, shape, depth - 1), *b = expression(scope, other, depth - 1);
    return one_in(4) ? combination(b, a) : combination(a, b);
  }
  case 6: {
    const char *c = condition(scope, one_in(3) ? number : shape, depth - 1), *a = expression(scope, shape, depth - 1);
    return arena_format("(if %s then %s else %s)", c, a, expression(scope, one_in(4) ? number : shape, depth - 1));
  }
  case 7: return arena_format("E[%s]", expression(scope, shape, depth - 1));
  case 8: made = gradient(scope, shape, depth); break;
  case 9:
  case 10:
    if (shape.rank == 0) return total_of(scope, depth);
    made = list_of(scope, shape, depth);
    break;
  case 11:
    if (shape.rank > 0) return pieces(scope, shape, depth);
    made = inline_reduction(scope);
    break;
  case 12:
    if (shape.rank > 0) return reshaped(scope, shape, depth);
    made = inline_reduction(scope);
    break;
  case 13:
    return arena_format("(if %d == 1 then 1 / 0 else %s)", 2 * random_below(2), expression(scope, shape, depth - 1));
  case 14: made = not_a_number(scope, shape, depth); break;
  default:
    if (maker->functions > 0 && scope->count > 0) made = function_of(scope, shape, &random);
  }
  return made != NULL ? made : leaf(scope, shape);
}
