/* Graphs like those of real models, small and odd: orders 1 and 2 against differences, and every pass leaves the
   numbers as they were. */
#include "graph_check.h"

typedef struct Model {
  Session *session;
  Graph *g;
  Random random;
  Interpreter *interpreter;
  Variables variables;
} Model;

static Model model_new(uint64_t seed) {
  Model m = {.session = session_new(), .random = {seed}};
  m.g = graph_new(m.session);
  m.interpreter = interpreter_new(m.g);
  return m;
}

static Node *variable(Model *m, const char *name, int rank, const int64_t *shape) {
  Node *node = graph_input(m->g, name, rank, shape, false, SPAN);
  variables_add(&m->variables, &m->random, node, -1, 1);
  return node;
}

static Node *samples(Model *m, const char *name, int rank, const int64_t *shape) {
  Node *node = graph_input(m->g, name, rank, shape, true, SPAN);
  variables_add(&m->variables, &m->random, node, -1, 1);
  return node;
}

/* Passes in order, each verified and compared by value; then orders 1 and 2, and a simplified gradient of a gradient
   against the plain one. */
static void check_model(Model *m, Node *of, double tolerance) {
  Graph *g = m->g;
  Node *target = input(g, "target", 0, NULL);
  EffectList effects = {1, &(Effect){target, of, SPAN}};
  variables_place(&m->variables, m->interpreter, 0);
  double value = NAN;
  static const struct {
    const char *name;
    EffectList (*run)(Graph *, EffectList);
  } passes[] = {{"sums", transform_sums},
                {"normalise", transform_normalise},
                {"differentiate", transform_differentiate},
                {"simplify", transform_simplify},
                {"axes", transform_axes}};
  for (int p = 0; p < LENGTH(passes); p++) {
    effects = passes[p].run(g, effects);
    ck_assert_msg(graph_verify(g, &effects, passes[p].name), "%s", passes[p].name);
    if (p < 2) continue; /* before differentiate a grad has no value */
    double next = *interpreter_value(m->interpreter, effects.items[0].value);
    ck_assert_msg(isfinite(next), "%s: %g", passes[p].name, next);
    if (!isnan(value)) ck_assert_double_eq_tol(value, next, 1e-12 * fmax(1, fabs(value)));
    value = next;
  }
  of = effects.items[0].value;
  double error = derivative_error(g, of, &m->variables, m->interpreter, 2);
  ck_assert_msg(error < tolerance, "relative error %g", error);
  Node *second =
      derivative_along(g, derivative_along(g, of, &m->variables, m->interpreter), &m->variables, m->interpreter);
  EffectList simpler = transform_simplify(g, transform_normalise(g, (EffectList){1, &(Effect){target, second, SPAN}}));
  ck_assert(graph_verify(g, &simpler, "simplify"));
  variables_place(&m->variables, m->interpreter, 0);
  double plain = *interpreter_value(m->interpreter, second),
         simplified = *interpreter_value(m->interpreter, simpler.items[0].value);
  ck_assert_double_eq_tol(plain, simplified, 1e-10 * fmax(1, fabs(plain)));
  Frozen frozen = transform_freeze(g, (EffectList){1, &(Effect){target, second, SPAN}});
  ck_assert(graph_verify(g, &frozen.effects, "freeze"));
  if (frozen.decisions.count > 0) interpreter_apply(m->interpreter, &frozen.decisions);
  ck_assert_double_eq_tol(plain, *interpreter_value(m->interpreter, frozen.effects.items[0].value),
                          1e-10 * fmax(1, fabs(plain)));
  variables_free(&m->variables);
  interpreter_free(m->interpreter);
  session_free(m->session);
}

static const Scalar *leaky(Graph *g, const Scalar *a) {
  return choose(g, binary(g, OP_LESS, number(g, 0), a), a, multiply(g, number(g, 0.2), a));
}

/* y[b, o] = sum[k] x[b, k] * w[o, k] */
static Node *linear(Graph *g, Node *x, Node *w) {
  const Scalar *left = READ(g, x, at(0), at(2)), *right = READ(g, w, at(1), at(2));
  return graph_compute(g, COMBINE_SUM, 3, (int64_t[]){x->shape[0], w->shape[0], x->shape[1]}, 0,
                       ACCESS(g, at(0), at(1)), SHAPE(x->shape[0], w->shape[0]), true, multiply(g, left, right), NULL,
                       SPAN);
}

START_TEST(batch_norm) {
  Model m = model_new(1);
  Graph *g = m.g;
  Node *x = samples(&m, "x", SHAPE(4, 3, 5)), *gain = variable(&m, "gain", SHAPE(3)),
       *bias = variable(&m, "bias", SHAPE(3)), *u = variable(&m, "u", SHAPE(4, 3, 5));
  const Scalar *read = all(g, x);
  Node *inner = graph_compute(g, COMBINE_SUM, 3, x->shape, 0, ACCESS(g, at(0), at(1)), SHAPE(4, 3), true,
                              divide(g, read, number(g, 5)), NULL, SPAN);
  Node *mean = graph_compute(g, COMBINE_SUM, 2, inner->shape, 0, ACCESS(g, at(1)), SHAPE(3), false,
                             divide(g, all(g, inner), number(g, 4)), NULL, SPAN);
  const Scalar *deviation = subtract(g, read, READ(g, mean, at(1)));
  Node *variance = graph_compute(g, COMBINE_SUM, 3, x->shape, 0, ACCESS(g, at(1)), SHAPE(3), false,
                                 divide(g, multiply(g, deviation, deviation), number(g, 20)), NULL, SPAN);
  Node *standard =
      map_like(g, x, divide(g, deviation, unary(g, OP_SQRT, add(g, READ(g, variance, at(1)), number(g, 1e-5)))));
  Node *affine = map_like(g, x, add(g, multiply(g, READ(g, gain, at(1)), all(g, standard)), READ(g, bias, at(1))));
  Node *y = map_like(g, x, leaky(g, all(g, affine)));
  check_model(&m, total(g, y, multiply(g, all(g, u), all(g, y))), 1e-5);
}
END_TEST

START_TEST(layer_norm) {
  Model m = model_new(2);
  Graph *g = m.g;
  Node *x = samples(&m, "x", SHAPE(3, 7)), *u = variable(&m, "u", SHAPE(3, 7));
  Node *mean = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(3), true,
                             divide(g, all(g, x), number(g, 7)), NULL, SPAN);
  Node *centred = map_like(g, x, subtract(g, all(g, x), READ(g, mean, at(0))));
  Node *variance =
      graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(3), true,
                    divide(g, binary(g, OP_POWER, all(g, centred), number(g, 2)), number(g, 7)), NULL, SPAN);
  Node *root = map_like(g, variance, unary(g, OP_SQRT, add(g, all(g, variance), number(g, 1e-5))));
  Node *y = map_like(g, x, divide(g, all(g, centred), READ(g, root, at(0))));
  check_model(&m, total(g, y, multiply(g, all(g, u), unary(g, OP_TANH, all(g, y)))), 1e-5);
}
END_TEST

/* Attention over 5 places of width 2: two contractions around a softmax whose maximum is subtracted. */
START_TEST(attention) {
  Model m = model_new(3);
  Graph *g = m.g;
  Node *q = samples(&m, "q", SHAPE(2, 3, 2)), *k = samples(&m, "k", SHAPE(2, 5, 2)),
       *v = samples(&m, "v", SHAPE(2, 5, 4));
  const Scalar *left = READ(g, q, at(0), at(1), at(3)), *right = READ(g, k, at(0), at(2), at(3));
  Node *s = graph_compute(g, COMBINE_SUM, 4, (int64_t[]){2, 3, 5, 2}, 0, ACCESS(g, at(0), at(1), at(2)), SHAPE(2, 3, 5),
                          true, divide(g, multiply(g, left, right), unary(g, OP_SQRT, number(g, 2))), NULL, SPAN);
  Node *top = graph_compute(g, COMBINE_MAXIMUM, 3, s->shape, 0, ACCESS(g, at(0), at(1)), SHAPE(2, 3), true, all(g, s),
                            NULL, SPAN);
  Node *e = map_like(g, s, unary(g, OP_EXP, subtract(g, all(g, s), READ(g, top, at(0), at(1)))));
  Node *z =
      graph_compute(g, COMBINE_SUM, 3, s->shape, 0, ACCESS(g, at(0), at(1)), SHAPE(2, 3), true, all(g, e), NULL, SPAN);
  Node *p = map_like(g, s, divide(g, all(g, e), READ(g, z, at(0), at(1))));
  left = READ(g, p, at(0), at(1), at(3)), right = READ(g, v, at(0), at(3), at(2));
  Node *y = graph_compute(g, COMBINE_SUM, 4, (int64_t[]){2, 3, 4, 5}, 0, ACCESS(g, at(0), at(1), at(2)), SHAPE(2, 3, 4),
                          true, multiply(g, left, right), NULL, SPAN);
  Node *entropy = total(g, p, multiply(g, all(g, p), unary(g, OP_LOG, all(g, p))));
  Node *squares = total(g, y, multiply(g, all(g, y), all(g, y)));
  check_model(&m, graph_map(g, 0, NULL, false, add(g, all(g, entropy), all(g, squares)), SPAN), 1e-5);
}
END_TEST

/* D(x) = sigmoid of two layers, in E[log D(x)] + E[log(1 - D(G(z)))], every operation a node. */
START_TEST(gan) {
  Model m = model_new(4);
  Graph *g = m.g;
  Node *x = samples(&m, "x", SHAPE(3, 4)), *z = samples(&m, "z", SHAPE(3, 2)), *w = variable(&m, "G.W", SHAPE(4, 2)),
       *w1 = variable(&m, "D.W1", SHAPE(5, 4));
  Node *w2 = variable(&m, "D.W2", SHAPE(1, 5)), *fake = linear(g, z, w), *terms[2];
  fake = map_like(g, fake, unary(g, OP_TANH, all(g, fake)));
  for (int side = 0; side < 2; side++) {
    Node *h = linear(g, side == 0 ? x : fake, w1);
    h = map_like(g, h, leaky(g, all(g, h)));
    Node *logit = linear(g, h, w2), *d = map_like(g, logit, unary(g, OP_SIGMOID, all(g, logit)));
    d = graph_reshape(g, d, SHAPE(3), SPAN);
    if (side == 1) d = map_like(g, d, subtract(g, number(g, 1), all(g, d)));
    Node *l = map_like(g, d, unary(g, OP_LOG, all(g, d)));
    terms[side] = total(g, l, divide(g, all(g, l), number(g, 3)));
  }
  check_model(&m, graph_map(g, 0, NULL, false, add(g, all(g, terms[0]), all(g, terms[1])), SPAN), 1e-5);
}
END_TEST

/* WGAN-GP's critic: a gradient inside the objective, so that order 2 here differentiates three times. */
START_TEST(gradient_penalty) {
  Model m = model_new(5);
  Graph *g = m.g;
  Node *x = samples(&m, "x", SHAPE(3, 4)), *fake = samples(&m, "fake", SHAPE(3, 4)),
       *w1 = variable(&m, "W1", SHAPE(5, 4)), *w2 = variable(&m, "W2", SHAPE(4, 5));
  Node *w3 = variable(&m, "W3", SHAPE(1, 4)),
       *mix = graph_random(g, 8, 0, DISTRIBUTION_UNIFORM, "u", SHAPE(3), true, SPAN);
  const Scalar *u = READ(g, mix, at(0));
  Node *between =
      map_like(g, x, add(g, multiply(g, u, all(g, x)), multiply(g, subtract(g, number(g, 1), u), all(g, fake))));
  between = graph_mark(g, between, SPAN);
  Node *h = between, *weights[] = {w1, w2, w3};
  for (int layer = 0; layer < 3; layer++) {
    h = linear(g, h, weights[layer]);
    if (layer < 2) h = map_like(g, h, layer == 0 ? leaky(g, all(g, h)) : unary(g, OP_SOFTPLUS, all(g, h)));
  }
  Node *d = graph_reshape(g, h, SHAPE(3), SPAN), *gradient = graph_grad(g, d, between, SPAN);
  const Scalar *square = multiply(g, all(g, gradient), all(g, gradient)), *zero = number(g, 0);
  Node *s = graph_compute(g, COMBINE_SUM, 2, x->shape, 0, ACCESS(g, at(0)), SHAPE(3), true, square, NULL, SPAN);
  Node *norm = map_like(g, s, choose(g, binary(g, OP_LESS, zero, all(g, s)), unary(g, OP_SQRT, all(g, s)), zero));
  const Scalar *excess = subtract(g, all(g, norm), number(g, 1)),
               *penalty = multiply(g, number(g, 10), multiply(g, excess, excess));
  check_model(&m, total(g, norm, divide(g, add(g, penalty, all(g, d)), number(g, 3))), 1e-5);
}
END_TEST

/* A strided convolution with padding, its transposed sister, a pooled maximum, a flattened dense layer. */
START_TEST(convolutions) {
  Model m = model_new(6);
  Graph *g = m.g;
  Node *x = samples(&m, "x", SHAPE(2, 2, 7)), *w = variable(&m, "W", SHAPE(3, 2, 4)),
       *t = variable(&m, "T", SHAPE(3, 2, 4)), *dense = variable(&m, "dense", SHAPE(2, 6));
  const Scalar *left = READ(g, x, at(0), at(3), coordinate_add(affine_at(2, 2, -1), at(4))),
               *right = READ(g, w, at(1), at(3), at(4));
  Node *h = graph_compute(g, COMBINE_SUM, 5, (int64_t[]){2, 3, 3, 2, 4}, 0, ACCESS(g, at(0), at(1), at(2)),
                          SHAPE(2, 3, 3), true, multiply(g, left, right), NULL, SPAN);
  h = map_like(g, h, unary(g, OP_SOFTPLUS, all(g, h)));
  left = READ(g, h, at(0), at(3), at(2)), right = READ(g, t, at(3), at(1), at(4));
  Node *up = graph_compute(g, COMBINE_SUM, 5, (int64_t[]){2, 2, 3, 3, 4}, 0,
                           ACCESS(g, at(0), at(1), sum_at(affine_at(2, 2, -1), at(4))), SHAPE(2, 2, 6), true,
                           multiply(g, left, right), NULL, SPAN);
  Node *pooled =
      graph_compute(g, COMBINE_MAXIMUM, 4, (int64_t[]){2, 2, 3, 2}, 0, ACCESS(g, at(0), at(1), at(2)), SHAPE(2, 2, 3),
                    true, READ(g, up, at(0), at(1), sum_at(affine_at(2, 2, 0), at(3))), NULL, SPAN);
  Node *y = linear(g, graph_reshape(g, pooled, SHAPE(2, 6), SPAN), dense);
  check_model(&m, total(g, y, unary(g, OP_SIN, all(g, y))), 1e-5);
}
END_TEST

CHECK_MAIN(.tests = {batch_norm, layer_norm, attention, gan, gradient_penalty, convolutions})
