/* Random convolutions in index notation, in one to three dimensions of space, with strides, padding, dilation and
   groups, and transposed ones: what they are, and their text. */
#include <string.h>

#include "generate_convolutions.h"

/* ---- small parts of text ----------------------------------------------------------------------------------------- */

const char *listed(int count, const char *const *items) {
  const char *text = "";
  for (int k = 0; k < count; k++) text = arena_format("%s%s%s", text, k > 0 ? ", " : "", items[k]);
  return text;
}

const char *times(int factor, const char *index) { return factor == 1 ? index : arena_format("%d*%s", factor, index); }

const char *affine(int a, const char *i, int b, const char *k, int c) {
  const char *text = arena_format("%s + %s", times(a, i), times(b, k));
  return c == 0 ? text : arena_format("%s %c %d", text, c < 0 ? '-' : '+', c < 0 ? -c : c);
}

Names new_names(const char *stem, int count) {
  Names names = {{0}};
  for (int d = 0; d < count; d++) names.at[d] = new_name(stem);
  return names;
}

/* ---- forms ------------------------------------------------------------------------------------------------------- */

static int extent_limit(int space) { return space == 1 ? 12 : space == 2 ? 6 : 4; }

static Window any_window(int in, int space, bool transposed) {
  int reach, extra;
  Window window = {.in = in, .taps = 1 + random_below(3), .stride = one_in(2) ? 1 : 1 + random_below(3), .dilation = 1};
  if (space < 3 && one_in(6)) window.taps = 4;
  if (one_in(3)) window.dilation = 1 + random_below(3);
  reach = window.dilation * (window.taps - 1);
  window.padding = one_in(3) ? 0 : random_below(reach + 1);
  if (one_in(8)) window.padding++; /* whole windows beyond the border */
  if (transposed) {
    extra = one_in(3) ? random_below(window.stride) : 0;
    window.out = (in - 1) * window.stride - 2 * window.padding + reach + 1 + extra;
  } else {
    extra = one_in(5) ? random_below(3) - 1 : 0; /* padding of another width at the far end */
    int room = in + 2 * window.padding - reach - 1;
    window.out = room < 0 ? 0 : room / window.stride + 1 + extra;
  }
  return window;
}

bool find_windows(Form *form, const int *from, const int *to) {
  for (int d = 0; d < form->space; d++) {
    int tries = 0, limit = extent_limit(form->space), out;
    if (limit < from[d]) limit = from[d];
    do {
      if (tries++ == 60) return false;
      form->windows[d] = any_window(from[d], form->space, form->transposed);
      out = form->windows[d].out;
    } while (to == NULL ? out < 1 || out > limit : out != to[d]);
  }
  return true;
}

int any_divisor(int a, int b) {
  int found = 1, seen = 1;
  for (int g = 2; g <= a && g <= b; g++)
    if (a % g == 0 && b % g == 0 && one_in(++seen)) found = g;
  return found;
}

Shape form_result(const Form *form) {
  Shape shape = {1 + form->space, {form->out}};
  for (int d = 0; d < form->space; d++) shape.at[d + 1] = form->windows[d].out;
  return shape;
}

long form_products(const Form *form) {
  long products = form->transposed ? form->in * (form->out / form->groups) : form->out * (form->in / form->groups);
  for (int d = 0; d < form->space; d++)
    products *= (form->transposed ? form->windows[d].in : form->windows[d].out) * form->windows[d].taps;
  return products;
}

long form_weights(const Form *form) {
  long weights = form->out * (form->in / form->groups);
  for (int d = 0; d < form->space; d++) weights *= form->windows[d].taps;
  return weights;
}

bool find_form(Form *form, Shape from, const Shape *to, Size size) {
  static const struct {
    long least, products, weights;
  } limits[] = {[SMALL] = {1, PRODUCT_LIMIT, 80}, [WIDE] = {300, PRODUCT_LIMIT, 80}, [LARGE] = {300, 5400, 500}};
  static const int channels[] = {8, 16, 17, 20};
  for (int tries = 0; tries < (size == SMALL ? 40 : 200); tries++) {
    *form = (Form){.space = from.rank - 1, .in = from.at[0], .transposed = one_in(3)};
    form->gathered = form->transposed && one_in(3);
    form->out = to != NULL ? to->at[0] : one_in(3) ? 2 * form->in : 1 + random_below(5);
    if (size == LARGE) form->out = channels[random_below(4)];
    form->groups = one_in(2) ? 1 : any_divisor(form->in, form->out);
    for (int d = 0; d < form->space + 2; d++) form->order[d] = d;
    for (int d = form->space + 1; d > 0 && one_in(4); d--) {
      int other = random_below(d + 1), at = form->order[d];
      form->order[d] = form->order[other];
      form->order[other] = at;
    }
    if (!find_windows(form, from.at + 1, to == NULL ? NULL : to->at + 1)) continue;
    long products = form_products(form);
    if (products >= limits[size].least && products <= limits[size].products &&
        form_weights(form) <= limits[size].weights)
      return true;
  }
  return false;
}

/* ---- a form as text ---------------------------------------------------------------------------------------------- */

/* The weights' axes are known by what subscripts them: so many, in the order of the form; "" is an axis that is not
   there, since a filter for every channel needs no axis of its channel. */
static const char *weight_read(const Form *form, const char *w, const char *const *by, const int *extents,
                               Shape *weights) {
  const char *items[INDICES + 1];
  *weights = (Shape){0};
  for (int d = 0; d < form->space + 2; d++) {
    int at = form->order[d];
    if (by[at][0] == 0) continue;
    items[weights->rank] = by[at];
    weights->at[weights->rank++] = extents[at];
  }
  return arena_format("%s[%s]", w, listed(weights->rank, items));
}

static const char *product(const char *a, const char *b) {
  return one_in(3) ? arena_format("%s * %s", b, a) : arena_format("%s * %s", a, b);
}

/* i // m * n + k: channel k of the n of the group in which channel i, one of m, is. */
static const char *channel_of_group(const char *i, int m, int n, const char *k) {
  const char *group = m == 1 ? i : arena_format("%s // %d", i, m);
  if (k[0] == 0) return group;
  return arena_format("%s + %s", n == 1 ? group : m == 1 ? times(n, i) : arena_format("%s * %d", group, n), k);
}

static const char *with_index(const char *text, const char *index) {
  const char *at = strstr(text, "%s");
  return at == NULL ? text : arena_format("%.*s%s%s", (int)(at - text), text, index, at + 2);
}

/* y[o, i…] = sum[c, k…] w[o, c, k…] * x[c, s*i + d*k - p, …] */
static const char *direct_form(const Form *form, const Sum *sum, Shape *weights) {
  int n = form->in / form->groups, m = form->out / form->groups, extents[INDICES + 1] = {form->out, n};
  Names out = new_names("i", form->space + 1), tap = new_names("k", form->space + 1);
  bool each = n == 1 && form->groups > 1 && one_in(2);
  const char *by[INDICES + 1] = {out.at[0], each ? "" : tap.at[0]}, *read[INDICES];
  read[0] = form->groups == 1 ? tap.at[0] : channel_of_group(out.at[0], m, n, by[1]);
  for (int d = 0; d < form->space; d++) {
    const Window *window = &form->windows[d];
    by[d + 2] = tap.at[d + 1];
    extents[d + 2] = window->taps;
    read[d + 1] = affine(window->stride, out.at[d + 1], window->dilation, tap.at[d + 1], -window->padding);
  }
  const char *weight = weight_read(form, sum->w, by, extents, weights);
  const char *value = arena_format("%s[%s]", sum->x, listed(form->space + 1, read));
  if (sum->factor != NULL) value = arena_format("%s * %s", with_index(sum->factor, read[0]), value);
  const char *right =
      arena_format("%ssum[%s] %s", with_index(sum->before, out.at[0]),
                   each ? listed(form->space, tap.at + 1) : listed(form->space + 1, tap.at), product(weight, value));
  if (one_in(5)) right = arena_format("tanh(%s)", right);
  return arena_format("%s[%s] = %s\n", sum->y, listed(form->space + 1, out.at), right);
}

/* y[o, s*i + d*k - p, …] += w[c, o, k…] * x[c, i…] */
static const char *scattered_form(const Form *form, const Sum *sum, Shape *weights) {
  int n = form->in / form->groups, m = form->out / form->groups, extents[INDICES + 1] = {form->in, m};
  Names in = new_names("i", form->space + 1), tap = new_names("i", form->space + 1);
  bool each = n == 1 && m == 1 && form->groups > 1 && one_in(2);
  const char *by[INDICES + 1] = {in.at[0], each ? "" : tap.at[0]}, *write[INDICES], *first = "";
  write[0] = form->groups == 1 ? tap.at[0] : channel_of_group(in.at[0], n, m, by[1]);
  for (int d = 0; d < form->space; d++) {
    const Window *window = &form->windows[d];
    by[d + 2] = tap.at[d + 1];
    extents[d + 2] = window->taps;
    write[d + 1] = affine(window->stride, in.at[d + 1], window->dilation, tap.at[d + 1], -window->padding);
  }
  if (sum->before[0] != 0) {
    Names out = new_names("i", form->space + 1);
    const char *start = with_index(sum->before, out.at[0]);
    first = arena_format("%s[%s] = %.*s\n", sum->y, listed(form->space + 1, out.at), (int)strlen(start) - 3, start);
  }
  const char *weight = weight_read(form, sum->w, by, extents, weights);
  const char *value = arena_format("%s[%s]", sum->x, listed(form->space + 1, in.at));
  if (sum->factor != NULL) value = arena_format("%s * %s", with_index(sum->factor, in.at[0]), value);
  return arena_format("%s%s[%s] += %s\n", first, sum->y, listed(form->space + 1, write), product(weight, value));
}

/* The same by the places where it lands: y[o, i…] = sum[c, k…] w[c, o, k…] * x[c, (i + p - d*k) // s, …] where that is
   whole. */
static const char *gathered_form(const Form *form, const Sum *sum, Shape *weights) {
  int n = form->in / form->groups, m = form->out / form->groups, extents[INDICES + 1] = {form->in, m};
  Names out = new_names("i", form->space + 1), tap = new_names("k", form->space + 1);
  const char *channel = form->groups == 1 ? tap.at[0] : channel_of_group(out.at[0], m, n, tap.at[0]);
  const char *by[INDICES + 1] = {channel, form->groups == 1 ? out.at[0] : arena_format("%s %% %d", out.at[0], m)};
  const char *read[INDICES] = {channel}, *brackets = arena_format("%s < %d", tap.at[0], n), *conditions = "";
  for (int d = 0; d < form->space; d++) {
    const Window *window = &form->windows[d];
    const char *k = tap.at[d + 1],
               *from = window->padding == 0 ? out.at[d + 1] : arena_format("%s + %d", out.at[d + 1], window->padding);
    from = arena_format("%s - %s", from, times(window->dilation, k));
    by[d + 2] = k;
    extents[d + 2] = window->taps;
    brackets = arena_format("%s, %s", brackets, k);
    read[d + 1] = from;
    if (window->stride == 1) continue;
    read[d + 1] = arena_format("(%s) // %d", from, window->stride);
    conditions = arena_format("%s, (%s) %% %d == 0", conditions, from, window->stride);
  }
  const char *weight = weight_read(form, sum->w, by, extents, weights);
  const char *value = arena_format("%s[%s]", sum->x, listed(form->space + 1, read));
  if (sum->factor != NULL) value = arena_format("%s * %s", with_index(sum->factor, channel), value);
  return arena_format("%s[%s] = %ssum[%s%s] %s\n", sum->y, listed(form->space + 1, out.at),
                      with_index(sum->before, out.at[0]), brackets, conditions, product(weight, value));
}

const char *form_text(const Form *form, const Sum *sum, Shape *weights) {
  if (!form->transposed) return direct_form(form, sum, weights);
  return form->gathered ? gathered_form(form, sum, weights) : scattered_form(form, sum, weights);
}

const char *convolution_function(Shape from, Size size, Shape *weights, Shape *to, long *products) {
  Form form;
  if (!find_form(&form, from, NULL, size)) return NULL;
  const char *name = new_name("f"), *x = new_name("x"), *w = new_name("w"), *y = new_name("y");
  *to = form_result(&form);
  *products = form_products(&form);
  const char *body = form_text(&form, &(Sum){w, x, y, "", NULL}, weights);
  define(arena_format("fn %s(%s: %s, %s: %s) -> %s: %s {\n%s}\n", name, x, shape_text(from), w, shape_text(*weights), y,
                      shape_text(*to), body));
  return name;
}
