/* Random layers and networks: weights, states, noise, instances, loops, recursion, records. */
#include <string.h>

#include "generate.h"

static void say(Flow *flow, const char *line) { flow->text = arena_format("%s%s\n", flow->text, line); }

void becomes(Flow *flow, Shape shape, const char *right) {
  const char *name = new_name("h");
  say(flow, arena_format("%s = %s", name, right));
  flow->value = name;
  flow->shape = shape;
}

static const char *initializer(void) { return CHOSEN("normal(0, 0.4)", "uniform(-0.5, 0.5)", "normal(0, 0.3)"); }

/* A layer of its own: weights in index notation. */
static const char *weighted_layer(Shape from, Shape *to) {
  const char *name = new_name("L"), *w = new_name("W"), *x = new_name("x"), *y = new_name("y");
  *to = one_in(2) ? (Shape){1, {any_size()}} : any_shape(2);
  if (to->rank == 0) *to = (Shape){1, {any_size()}};
  Shape matrix = {2, {to->at[0], from.rank > 0 ? from.at[0] : 2}};
  const char *shape = shape_text(from.rank == 0 || one_in(4) ? any_shape(3) : matrix);
  Things scope = {0};
  const char *body = arena_format("weight %s: %s ~ %s\n", w, shape, initializer());
  add_thing(&scope, x, from, true, 0);
  if (from.rank > 0 && strcmp(shape, shape_text(matrix)) == 0 && one_in(2)) {
    const char *o = new_name("i"), *k = new_name("k"), *h = new_name("h");
    Shape rest = from;
    rest.at[0] = to->at[0];
    body = arena_format("%s%s[%s] = sum[%s] %s[%s, %s] * %s[%s]\n", body, h, o, k, w, o, k, x, k);
    add_thing(&scope, h, rest, true, 0);
  }
  Shape of_w = {0};
  for (const char *at = shape; *at != 0; at++)
    if (*at >= '0' && *at <= '9') {
      int extent = 0;
      while (*at >= '0' && *at <= '9') extent = 10 * extent + (*at++ - '0');
      of_w.at[of_w.rank++] = extent;
    }
  add_thing(&scope, w, of_w, false, 0);
  if (one_in(3)) {
    const char *b = new_name("b");
    body = arena_format("%sweight %s: %s = %s\n", body, b, shape_text(*to), any_number());
    add_thing(&scope, b, *to, false, 0);
  }
  if (one_in(4)) { /* a running mean, read before or after it moves */
    const char *m = new_name("s"), *x_mean = arena_format("E[%s]", x);
    body = arena_format("%sstate %s: %s = %s\n", body, m, shape_text(from), any_number());
    const char *move = arena_format("%s <- lerp(%s, %s, 0.3)\n", m, m, x_mean);
    if (one_in(2)) move = arena_format("if training { %s}\n", move);
    body = arena_format("%s%s", body, move);
    if (one_in(3)) body = arena_format("%s%s <- %s * 0.9\n", body, m, m);
    add_thing(&scope, m, from, false, 0);
  }
  body = arena_format("%s%s", body, statements_for(&scope, y, *to));
  /* All of it matters. */
  body = arena_format("%s%s = %s + 0.1 * mean(%s) * mean(%s)\n", body, y, y, w, x);
  define(arena_format("layer %s(%s: %s) -> %s: %s {\n%s}\n", name, x, shape_text(from), y, shape_text(*to), body));
  return name;
}

const char *noisy_layer(void) {
  const char *name = new_name("N"), *u = new_name("u");
  const char *body = CHOSEN("if %s < %s then 0 else x", "x + 0.3 * %s * %s", "x * %s + %s");
  char text[200];
  snprintf(text, sizeof text, body, u, any_number());
  if (one_in(3))
    define(arena_format("layer %s(x: [...s]) -> [...s] {\nnoise %s ~ %s\nif training then (%s) else x\n}\n", name, u,
                        CHOSEN("uniform", "normal"), text));
  else
    define(arena_format("layer %s(x: [...s]) -> [...s] {\nnoise %s: [...s] ~ %s\n%s\n}\n", name, u,
                        CHOSEN("uniform", "normal", "normal(0.2, 0.5)", "uniform(-1, 1)"), text));
  return name;
}

/* A power iteration: a layer of a weight, whose state moves once per evaluation. */
static const char *spectral_layer(void) {
  const char *name = new_name("S");
  define(arena_format("layer %s(w: [n, m]) -> [n, m] {\nstate v: [m] = 1\n"
                      "a[i] = sum[j] w[i, j] * v[j]\nb[j] = sum[i] w[i, j] * a[i]\nv <- constant(b / (0.1 + "
                      "norm(b)))\nw / (0.5 + norm(a))\n}\n",
                      name));
  return name;
}

/* What lands outside counts nowhere, though its derivative is infinite. */
static const char *dropping_layer(void) {
  const char *name = new_name("O");
  define(arena_format("layer %s(x: [n]) -> y: [n] {\ny[i + j - %d] += sqrt((i + j) * (0.5 + x[i]^2 + x[j]^2)) / n\n}\n",
                      name, 1 + random_below(2)));
  return name;
}

static const char *record_layer(Shape from, int *first, int *second) {
  const char *name = new_name("R");
  *first = any_size();
  *second = any_size();
  if (from.rank != 1) return NULL;
  define(arena_format("layer %s(x: [n]) -> (p: [%d], q: [%d]) {\nh = x |> Linear(%d) |> tanh\np = h |> Linear(%d)\nq = "
                      "h |> Linear(%d)\n}\n",
                      name, *first, *second, any_size(), *first, *second));
  return name;
}

static const char *recursive_layer(void) {
  const char *name = new_name("F");
  define(arena_format("layer %s(widths)(x: [n]) -> [1] {\nh = x |> Linear(widths[0]) |> %s\nif len(widths) > 1 then (h "
                      "|> %s(tail(widths))) else (h |> Linear(1))\n}\n",
                      name, CHOSEN("tanh", "relu", "sigmoid"), name));
  return name;
}

static void linear_step(Flow *flow) {
  const char *x = flow->value;
  int n = any_size();
  Shape to = {1, {n}};
  switch (random_below(10)) {
  case 0: becomes(flow, to, arena_format("%s |> Linear(%d, bias = false)", x, n)); break;
  case 1: becomes(flow, to, arena_format("%s |> Linear(%d, scaled = %s)", x, n, spectral_layer())); break;
  case 2: becomes(flow, to, arena_format("%s |> Maxout(%d, 2)", x, n)); break;
  case 3: { /* one instance, twice */
    const char *shared = new_name("a");
    say(flow, arena_format("%s = Linear(%d)", shared, flow->shape.at[0]));
    becomes(flow, flow->shape, arena_format("%s |> %s |> tanh |> %s", x, shared, shared));
    break;
  }
  case 4: {
    const char *l = new_name("l"), *h = new_name("h");
    say(flow, arena_format("%s = %s\nfor %s < %d { %s = %s |> Linear(%d) |> %s }", h, x, l, 1 + random_below(3), h, h,
                           flow->shape.at[0], CHOSEN("tanh", "relu", "sigmoid")));
    flow->value = h;
    break;
  }
  case 5: {
    const char *list = new_name("a"), *l = new_name("l"), *h = new_name("h");
    say(flow, arena_format("%s = [Linear(%d) for i < 2]\n%s = %s\nfor %s in %s { %s = %s |> %s |> tanh }", list,
                           flow->shape.at[0], h, x, l, list, h, h, l));
    flow->value = h;
    break;
  }
  case 6: {
    int first, second;
    const char *layer = record_layer(flow->shape, &first, &second), *r = new_name("r");
    say(flow, arena_format("%s = %s(%s)", r, layer, x));
    becomes(flow, (Shape){1, {first}}, arena_format("%s.p * (1 + mean(%s.q))", r, r));
    break;
  }
  case 7:
    becomes(flow, (Shape){1, {1}}, arena_format("%s |> %s([%d, %d])", x, recursive_layer(), any_size(), any_size()));
    break;
  case 8: becomes(flow, flow->shape, arena_format("%s |> %s", x, dropping_layer())); break;
  default: becomes(flow, to, arena_format("%s |> Linear(%d)", x, n));
  }
}

/* Noise inside; twice the same layer is two programs that are alike but for the stream of their draws. */
static void noisy_step(Flow *flow) {
  const char *x = flow->value, *layer = one_in(3) ? "Dropout(0.4)" : noisy_layer();
  if (flow->shape.rank == 1 && one_in(2))
    x = arena_format("%s |> %s |> Linear(%d) |> tanh", x, layer, flow->shape.at[0]);
  becomes(flow, flow->shape, arena_format("%s |> %s", x, layer));
}

static void any_step(Flow *flow) {
  const char *x = flow->value;
  Shape to;
  switch (random_below(12)) {
  case 0:
  case 1:
  case 2:
    if (flow->shape.rank == 1) {
      linear_step(flow);
      return;
    }
    if (flow->shape.rank > 1) { /* one layer for every value of the first index */
      const char *i = new_name("i"), *h = new_name("h");
      int n = any_size();
      const char *noise = flow->noisy ? arena_format(" |> %s", noisy_layer()) : "";
      say(flow, arena_format("%s[%s] = %s[%s] |> flatten%s |> Linear(%d)", h, i, x, i, noise, n));
      flow->value = h;
      flow->shape = (Shape){2, {flow->shape.at[0], n}};
    }
    return;
  case 3:
  case 4:
  case 5:
    if (maker->budget > 10) {
      const char *layer = weighted_layer(flow->shape, &to);
      becomes(flow, to, arena_format("%s |> %s", x, layer));
    }
    return;
  case 6:
    if (flow->shape.rank > 0)
      becomes(flow, flow->shape,
              arena_format(
                  "%s |> %s", x,
                  CHOSEN("LayerNorm", "BatchNorm", "BatchStandard", "Affine", "PReLU", "BatchStandard(0.3, 1e-2)")));
    return;
  case 7:
    if (flow->noisy) noisy_step(flow);
    return;
  case 8:
    if (maker->functions > 0) {
      Things scope = {0};
      bool random;
      add_thing(&scope, x, flow->shape, true, 0);
      to = any_shape(2);
      becomes(flow, to, arena_format("%s + 0.1 * mean(%s)", function_of(&scope, to, &random), x));
    }
    return;
  case 9:
    if (flow->shape.rank > 1) becomes(flow, (Shape){1, {shape_size(flow->shape)}}, arena_format("%s |> flatten", x));
    return;
  default: becomes(flow, flow->shape, pointwise(arena_format("%s", x)));
  }
}

const char *network_body(const char *input, Shape from, Shape to, bool noisy) {
  Flow flow = {.text = "", .value = input, .shape = from, .noisy = noisy};
  int steps = 1 + random_below(4);
  if (noisy && one_in(2)) noisy_step(&flow);
  for (int k = 0; k < steps; k++) any_step(&flow);
  if (flow.shape.rank == 0) becomes(&flow, (Shape){1, {1}}, arena_format("[%s]", flow.value));
  if (flow.shape.rank > 1)
    becomes(&flow, (Shape){1, {shape_size(flow.shape)}}, arena_format("flatten(%s)", flow.value));
  const char *last = to.rank == 0 ? arena_format("%s |> Linear(1) |> scalar", flow.value)
                     : to.rank == 1
                         ? arena_format("%s |> Linear(%d)", flow.value, to.at[0])
                         : arena_format("%s |> Linear(%d) |> reshape(%s)", flow.value, shape_size(to), shape_text(to));
  return arena_format("%s%s\n", flow.text, last);
}
