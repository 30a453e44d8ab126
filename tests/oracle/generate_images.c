/* Random models of images: networks of convolutions, pooling, upsampling, shuffled pixels, channels side by side,
   normalisation over space; convolutions without networks, and their derivatives. Never more than the oracle has time
   for. */
#include <string.h>

#include "generate_convolutions.h"

static int power(int base, int exponent) { return exponent == 0 ? 1 : base * power(base, exponent - 1); }

/* ---- steps of a network ------------------------------------------------------------------------------------------ */

/* A step takes the value of a flow one further, or is none for it. */
typedef bool Step(Flow *flow);

static bool form_step(Flow *flow, const Shape *to) {
  Form form;
  Shape weights;
  if (!find_form(&form, flow->shape, to, SMALL)) return false;
  const char *name = new_name("C"), *w = new_name("W"), *b = new_name("b"), *s = new_name("h");
  Sum sum = {.w = w, .x = new_name("x"), .y = new_name("y"), .before = ""};
  const char *more = "", *initial = CHOSEN("normal(0, 0.3)", "uniform(-0.4, 0.4)", "he", "by_fan_in(1.5)");
  if (one_in(2)) {
    more = arena_format("weight %s: [%d] = 0.1\n", b, form.out);
    sum.before = arena_format("%s[%%s] + ", b);
  }
  if (one_in(5)) { /* weights of every sample's own: by its channels */
    Names tap = new_names("k", form.space + 1);
    const char *i = new_name("i");
    tap.at[0] = i;
    more = arena_format("%s%s[%s] = 1 + 0.5 * mean[%s] %s[%s]\n", more, s, i, listed(form.space, tap.at + 1), sum.x,
                        listed(form.space + 1, tap.at));
    sum.factor = arena_format("%s[%%s]", s);
  }
  const char *body = form_text(&form, &sum, &weights);
  Shape result = form_result(&form);
  define(arena_format("layer %s(%s: %s) -> %s: %s {\nweight %s: %s ~ %s\n%s%s}\n", name, sum.x, shape_text(flow->shape),
                      sum.y, shape_text(result), w, shape_text(weights), initial, more, body));
  flow->weights += form_weights(&form) + form.out;
  flow->products += form_products(&form);
  becomes(flow, result, arena_format("%s |> %s", flow->value, name));
  return true;
}

static bool convolution_step(Flow *flow) { return form_step(flow, NULL); }

/* Applies a new function of one value, whose body gives `y` in terms of `x`. */
static bool function_step(Flow *flow, Shape to, const char *x, const char *y, const char *body) {
  const char *name = new_name("f");
  define(arena_format("fn %s(%s: %s) -> %s: %s {\n%s\n}\n", name, x, shape_text(flow->shape), y, shape_text(to), body));
  flow->products += shape_size(to);
  becomes(flow, to, arena_format("%s |> %s", flow->value, name));
  return true;
}

static bool pooling_step(Flow *flow) {
  int space = flow->shape.rank - 1;
  Form form = {.space = space};
  const char *op = CHOSEN("mean", "mean", "max", "max", "min"), *x = new_name("x"), *y = new_name("y");
  Names out = new_names("i", space + 1), tap = new_names("k", space + 1);
  const char *brackets = "", *conditions = "", *read[INDICES] = {out.at[0]};
  Shape to = {1 + space, {flow->shape.at[0]}};
  bool inside = one_in(3); /* only what the value has counts */
  if (!find_windows(&form, flow->shape.at + 1, NULL)) return false;
  for (int d = 0; d < space; d++) {
    const Window *window = &form.windows[d];
    const char *k = tap.at[d + 1];
    to.at[d + 1] = window->out;
    brackets = arena_format("%s%s%s < %d", brackets, d > 0 ? ", " : "", k, window->taps);
    read[d + 1] = affine(window->stride, out.at[d + 1], window->dilation, k, -window->padding);
    if (inside) conditions = arena_format("%s, %s >= 0, %s < %d", conditions, read[d + 1], read[d + 1], window->in);
  }
  return function_step(flow, to, x, y,
                       arena_format("%s[%s] = %s[%s%s] %s[%s]", y, listed(space + 1, out.at), op, brackets, conditions,
                                    x, listed(space + 1, read)));
}

/* Every element several times, or at the seams something between two. */
static bool upsampling_step(Flow *flow) {
  int space = flow->shape.rank - 1, blurred = one_in(3) ? 1 + random_below(space) : 0;
  const char *x = new_name("x"), *y = new_name("y");
  Names out = new_names("i", space + 1);
  const char *read[INDICES] = {out.at[0]};
  Shape to = flow->shape;
  for (int d = 1; d <= space; d++) {
    int times_over = d == blurred ? 2 : 1 + random_below(3);
    to.at[d] *= times_over;
    if (times_over == 1) read[d] = out.at[d];
    else if (one_in(4)) read[d] = arena_format("(%s %s 1) // %d", out.at[d], CHOSEN("+", "-"), times_over);
    else read[d] = arena_format("%s // %d", out.at[d], times_over);
  }
  if (shape_equal(to, flow->shape) || shape_size(to) > 3 * PRODUCT_LIMIT / 10) return false;
  const char *right = arena_format("%s[%s]", x, listed(space + 1, read));
  if (blurred > 0) {
    read[blurred] = arena_format("%s // 2 + %s %% 2 * 2 - 1", out.at[blurred], out.at[blurred]);
    right = arena_format("0.75 * %s + 0.25 * %s[%s]", right, x, listed(space + 1, read));
  }
  return function_step(flow, to, x, y, arena_format("%s[%s] = %s", y, listed(space + 1, out.at), right));
}

/* Channels to pixels: along the last axes of space, as many as divide the channels. */
static bool shuffle_step(Flow *flow) {
  int space = flow->shape.rank - 1, axes = 1 + random_below(space), block = power(2, axes);
  const char *x = new_name("x"), *y = new_name("y");
  Names out = new_names("i", space + 1);
  const char *read[INDICES];
  Shape to = flow->shape;
  if (flow->shape.at[0] % block != 0) return false;
  read[0] = times(block, out.at[0]);
  to.at[0] /= block;
  for (int d = 1; d <= space; d++) {
    read[d] = out.at[d];
    if (d <= space - axes) continue;
    int weight = power(2, space - d);
    to.at[d] *= 2;
    read[0] = arena_format("%s + %s %% 2%s", read[0], out.at[d], weight == 1 ? "" : arena_format(" * %d", weight));
    read[d] = arena_format("%s // 2", out.at[d]);
  }
  return function_step(flow, to, x, y,
                       arena_format("%s[%s] = %s[%s]", y, listed(space + 1, out.at), x, listed(space + 1, read)));
}

/* Pixels to channels, along every axis of space that 2 divides. */
static bool unshuffle_step(Flow *flow) {
  int space = flow->shape.rank - 1, block = 1;
  const char *x = new_name("x"), *y = new_name("y");
  Names out = new_names("i", space + 1);
  const char *read[INDICES];
  Shape to = flow->shape;
  for (int d = space; d >= 1; d--) {
    read[d] = out.at[d];
    if (to.at[d] % 2 != 0) continue;
    const char *own = block == 1 ? out.at[0] : arena_format("%s // %d", out.at[0], block);
    read[d] = arena_format("2*%s + %s %% 2", out.at[d], own);
    to.at[d] /= 2;
    block *= 2;
  }
  if (block == 1) return false;
  read[0] = arena_format("%s // %d", out.at[0], block);
  to.at[0] *= block;
  return function_step(flow, to, x, y,
                       arena_format("%s[%s] = %s[%s]", y, listed(space + 1, out.at), x, listed(space + 1, read)));
}

/* Channels in another order, or pixels turned around a border that is none. */
static bool turn_step(Flow *flow) {
  int space = flow->shape.rank - 1, axis = 1 + random_below(space), extent = flow->shape.at[axis];
  int groups = any_divisor(flow->shape.at[0], flow->shape.at[0]);
  const char *x = new_name("x"), *y = new_name("y");
  Names out = new_names("i", space + 1), read = out;
  if (extent == 1 && groups == 1) return false;
  if (extent == 1 || (groups > 1 && one_in(2)))
    read.at[0] =
        arena_format("%s %% %d * %d + %s // %d", out.at[0], groups, flow->shape.at[0] / groups, out.at[0], groups);
  else read.at[axis] = arena_format("(%s + %d) %% %d", out.at[axis], 1 + random_below(extent), extent);
  return function_step(flow, flow->shape, x, y,
                       arena_format("%s[%s] = %s[%s]", y, listed(space + 1, out.at), x, listed(space + 1, read.at)));
}

/* Another value of the same extents, beside this one or added to it. */
static bool beside_step(Flow *flow) {
  Shape from = flow->shape, to = from;
  const char *x = flow->value;
  to.at[0] = 1 + random_below(3);
  if (one_in(3)) to.at[0] = from.at[0];
  if (!form_step(flow, &to)) return false;
  const char *h = flow->value;
  if (shape_equal(from, to) && one_in(2)) becomes(flow, to, arena_format("%s + 0.5 * tanh(%s)", x, h));
  else {
    to.at[0] += from.at[0];
    becomes(flow, to, one_in(2) ? arena_format("concat(%s, %s)", x, h) : arena_format("[...%s, ...%s]", h, x));
  }
  return true;
}

/* Over the pixels of every channel, of a group of channels, or over the channels of every pixel. */
static bool normalisation_step(Flow *flow) {
  int space = flow->shape.rank - 1, channels = flow->shape.at[0], groups = any_divisor(channels, channels);
  int each = channels / groups;
  const char *x = new_name("x"), *y = new_name("y"), *m = new_name("h"), *v = new_name("h"), *i = new_name("i");
  const char *brackets = "", *read = each == 1 ? i : arena_format("%s + %s", times(each, i), new_name("k"));
  Names out = new_names("i", space + 1);
  if (one_in(4)) {
    const char *k = new_name("k"), *pixel = listed(space, out.at + 1);
    return function_step(flow, flow->shape, x, y,
                         arena_format("%s[%s] = %s[%s] / sqrt(0.2 + mean[%s] %s[%s, %s]^2)", y,
                                      listed(space + 1, out.at), x, listed(space + 1, out.at), k, x, k, pixel));
  }
  if (shape_size(flow->shape) / groups < 2) return false;
  if (groups == channels && one_in(2))
    return function_step(flow, flow->shape, x, y, arena_format("%s[%s] = standardize(%s[%s], 0.2)", y, i, x, i));
  if (each > 1) brackets = arena_format("%s < %d", strstr(read, "k"), each);
  for (int d = 0; d < space; d++) {
    const char *k = new_name("k");
    brackets = arena_format("%s%s%s", brackets, brackets[0] == 0 ? "" : ", ", k);
    read = arena_format("%s, %s", read, k);
  }
  const char *group = each == 1 ? out.at[0] : arena_format("%s // %d", out.at[0], each),
             *at = listed(space + 1, out.at);
  const char *body = arena_format("%s[%s < %d] = mean[%s] %s[%s]\n%s[%s] = mean[%s] (%s[%s] - %s[%s])^2\n", m, i,
                                  groups, brackets, x, read, v, i, brackets, x, read, m, i);
  return function_step(
      flow, flow->shape, x, y,
      arena_format("%s%s[%s] = (%s[%s] - %s[%s]) / sqrt(%s[%s] + 0.2)", body, y, at, x, at, m, group, v, group));
}

static bool activation_step(Flow *flow) {
  const char *act = CHOSEN("tanh", "leaky_relu(0.2)", "relu", "sigmoid", "silu", "Affine", "PReLU");
  if (act[0] == 'A') flow->weights += 2 * flow->shape.at[0];
  if (act[0] == 'P') flow->weights += flow->shape.at[0];
  becomes(flow, flow->shape, arena_format("%s |> %s", flow->value, act));
  return true;
}

/* Some steps at random, as long as the value stays small. */
static void any_steps(Flow *flow, int count) {
  static Step *const steps[] = {convolution_step, convolution_step, convolution_step,   pooling_step,
                                pooling_step,     upsampling_step,  shuffle_step,       unshuffle_step,
                                turn_step,        beside_step,      normalisation_step, normalisation_step};
  for (int made = 0, tries = 0; made < count && tries < 20 && flow->products < 2 * PRODUCT_LIMIT; tries++) {
    if (!steps[random_below((int)(sizeof steps / sizeof *steps))](flow)) continue;
    made++;
    if (one_in(2)) activation_step(flow);
  }
}

Shape image_shape(void) {
  int space = one_in(5) ? 3 : 1 + random_below(2);
  Shape shape = {1 + space, {1 + random_below(4)}};
  for (int d = 1; d <= space; d++)
    shape.at[d] = space == 1 ? 3 + random_below(8) : 5 - space + random_below(space == 2 ? 3 : 2);
  if (space < 3 && one_in(6)) { /* more pixels along one axis than lanes in a vector */
    shape.at[0] = 1 + random_below(2);
    shape.at[space] = 15 + random_below(5);
    if (space == 2) shape.at[1] = 1 + random_below(3);
  }
  return shape;
}

const char *convolutions_to_number(const char *input, Shape from, Work *work) {
  Flow flow = {.text = "", .value = input, .shape = from};
  while (!convolution_step(&flow)) continue;
  if (one_in(2)) activation_step(&flow);
  any_steps(&flow, random_below(4));
  if (shape_size(flow.shape) > 60) { /* the mean of every channel is left */
    Shape means = {1, {flow.shape.at[0]}};
    const char *channel = new_name("h");
    becomes(&flow, means, arena_format("[mean(%s) for %s in %s]", channel, channel, flow.value));
  } else becomes(&flow, (Shape){1, {shape_size(flow.shape)}}, arena_format("flatten(%s)", flow.value));
  *work = (Work){flow.weights + flow.shape.at[0], flow.products + 2 * flow.shape.at[0]};
  return arena_format("%s%s |> Linear(1) |> scalar\n", flow.text, flow.value);
}

const char *convolutions_to_image(const char *input, Shape from, Shape to, Work *work) {
  Flow flow = {.text = "", .value = input};
  Shape first = {to.rank, {1 + random_below(4)}};
  for (int d = 1; d < to.rank; d++) first.at[d] = one_in(3) ? to.at[d] : (to.at[d] + 1) / 2;
  if (shape_size(first) > 24) first.at[0] = 1;
  long dense = (long)shape_size(from) * shape_size(first);
  bool drawn = one_in(3) && from.at[0] >= first.at[0]; /* every pixel of a channel is that number of the noise */
  if (drawn) {
    const char *f = new_name("f"), *y = new_name("y"), *v = new_name("x");
    Names out = new_names("i", to.rank);
    const char *read = new_name("i"), *turn = out.at[to.rank - 1];
    out.at[0] = arena_format("%s < %d", read, first.at[0]);
    define(arena_format("fn %s(%s: %s) -> %s: %s {\n%s[%s] = %s[%s] * sin(%s + 0.7)\n}\n", f, v, shape_text(from), y,
                        shape_text(first), y, listed(to.rank, out.at), v, read, turn));
    becomes(&flow, first, arena_format("%s |> %s", input, f));
  } else {
    becomes(&flow, first, arena_format("%s |> Linear(%d) |> reshape(%s)", input, shape_size(first), shape_text(first)));
    flow.weights = dense + shape_size(first);
  }
  flow.products = dense;
  if (one_in(3)) activation_step(&flow);
  any_steps(&flow, random_below(2));
  if (one_in(4) && shape_size(flow.shape) > flow.shape.at[0])
    becomes(&flow, flow.shape, arena_format("%s |> %s", flow.value, CHOSEN("BatchNorm", "BatchStandard(0.3, 1e-2)")));
  if (!form_step(&flow, &to)) {
    long all = (long)shape_size(flow.shape) * shape_size(to);
    becomes(&flow, to,
            arena_format("%s |> flatten |> Linear(%d) |> reshape(%s)", flow.value, shape_size(to), shape_text(to)));
    flow.weights += all;
    flow.products += all;
  }
  *work = (Work){flow.weights, flow.products};
  return arena_format("%s%s\n", flow.text, one_in(2) ? arena_format("tanh(%s)", flow.value) : flow.value);
}

/* ---- how much the oracle has time for ---------------------------------------------------------------------------- */

/* What a derivative costs the oracle: a pass over all products for every number that it is by. */
static bool has_room(long derivatives, long products) {
  const long limit = maker->wide ? 6000000 : 2500000, work_of_product = 6;
  return derivatives * products * work_of_product <= limit;
}

/* Around the widths of vectors, and below; at most what `work`, of one sample, leaves room for. */
static int batch_for(long work, int least) {
  static const int sizes[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 31, 32, 33, 35};
  for (int tries = 0; tries < 12; tries++) {
    int batch = sizes[random_below((int)(sizeof sizes / sizeof *sizes))];
    if (batch >= least && has_room(work, batch)) return batch;
  }
  return least;
}

/* Updates go through D, twice, and through both; penalties through D once for every pixel. */
int batch_of_convolutions(Work of_g, Work of_d, int pixels, int least, bool *is_affordable) {
  Work both = {of_g.weights + of_d.weights, of_g.products + of_d.products};
  long twice = 2 * of_d.weights * of_d.products;
  int batch = batch_for(twice + both.weights * both.products, least);
  *is_affordable = has_room(twice * pixels / 2, batch);
  if (*is_affordable || one_in(2) || !has_room(twice * pixels / 2, 2)) return batch;
  *is_affordable = true;
  return 2;
}

/* ---- convolutions without networks ------------------------------------------------------------------------------- */

static void put(const char **text, const char *line) { *text = arena_format("%s%s\n", *text, line); }

/* A convolution, or two in a row, its derivatives by its weights and by what it reads, and derivatives of these. The
   weights are a state, or every sample has its own. */
void convolution_statements(Shape from, const char **head, const char **train) {
  Shape weights, to;
  long products;
  bool own = one_in(4);
  Size size = !maker->wide ? SMALL : one_in(2) ? LARGE : WIDE;
  const char *f = convolution_function(from, size, &weights, &to, &products);
  if (f == NULL) return;
  const char *w = new_name("s"), *value = arena_format("%s(x, %s)", f, w), *moves = "", *name;
  put(head, arena_format(own ? "data %s: %s" : "state %s: %s ~ normal(0, 0.5)", w, shape_text(weights)));
  if (one_in(3)) {
    Shape more, last;
    long most;
    const char *g = convolution_function(to, size, &more, &last, &most);
    if (g != NULL) {
      name = new_name("s");
      put(head, arena_format("state %s: %s ~ normal(0, 0.5)", name, shape_text(more)));
      value = arena_format("%s(%s(%s), %s)", g, CHOSEN("tanh", "relu", "leaky_relu(0.2)"), value, name);
      to = last;
      products += most;
    }
  }
  const char *act = CHOSEN("tanh", "sin", "softplus", "sigmoid"), *e = arena_format("sum(%s(%s))", act, value);
  const char *of_w = arena_format(own ? "E[grad(%s, %s)]" : "grad(E[%s], %s)", e, w);
  int by_w = shape_size(weights), by_x = shape_size(from);
  struct {
    long derivatives;
    Shape shape;
    const char *text;
  } rows[] = {
      {1, to, arena_format("E[%s(%s)]", act, value)},
      {by_w, weights, of_w},
      {by_x, from, arena_format("E[grad(%s, x)]", e)},
      {2L * by_w * by_x, weights,
       arena_format(own ? "E[grad(sumsq(grad(%s, x)), %s)]" : "grad(E[sumsq(grad(%s, x))], %s)", e, w)},
      {2L * by_x * by_x, from, arena_format("E[grad(sumsq(grad(%s, x)), x)]", e)},
      {own ? 1L << 20 : 2L * by_w * by_w, weights, arena_format("grad(sum(sin(%s) * %s), %s)", w, of_w, w)},
  };
  int count = (int)(sizeof rows / sizeof *rows), order = maker->wide ? random_below(3) : 1 + random_below(count - 1);
  int least = maker->wide ? 15 : 1;
  while (order > 0 && !has_room(rows[order].derivatives * least, products)) order--;
  int batch = batch_for(rows[order].derivatives * products, least);
  for (int k = 0; k < count; k++) {
    if (rows[k].derivatives > rows[order].derivatives || (k != order && one_in(3))) continue;
    name = new_name("s");
    put(head, arena_format("state %s: %s = 0", name, shape_text(rows[k].shape)));
    moves = arena_format("%s%s <- %s\n", moves, name, rows[k].text);
  }
  *train = arena_format("%sbatch = %d\n%s", *train, batch, moves);
}
