/* Arithmetic of numbers with infinitesimal parts. f(x0 + n), n without a real part, is its Taylor series, which ends:
   the coefficient of a set of infinitesimals is the sum over the partitions of the set of f's derivative of that order
   times the product of x's coefficients of the parts. */
#include <math.h>

#include "oracle.h"

const char *const scalar1_names[F_COUNT] = {"-",    "exp",     "log", "log2",  "sqrt", "abs",   "sign", "sin", "cos",
                                            "tanh", "sigmoid", "erf", "floor", "ceil", "round", "1/",   "not"};
const char *const scalar2_names[G_COUNT] = {"+",  "-",  "*",  "/",   "//", "%",   "^",  "<",
                                            "<=", "==", "!=", "and", "or", "max", "min"};

double closest_decision, worst_cancellation;

/* Equal numbers are mostly the same number, read twice. */
void note_decision(double a, double b) {
  if (a == b) return;
  double scale = fmax(fmax(fabs(a), fabs(b)), 1), apart = fabs(a - b) / scale;
  if (apart < closest_decision) closest_decision = apart;
}

/* A whole number that is none by a rounding falls to another floor. */
static void note_rounding(double a) { note_decision(a, floor(a + 0.5)); }

/* d[k] = the k-th derivative of f at x, k <= BIT_LIMIT. */
static void derivatives1(Scalar1 f, double x, double d[BIT_LIMIT + 1]) {
  for (int k = 0; k <= BIT_LIMIT; k++) d[k] = 0;
  switch (f) {
  case F_NEGATE: d[0] = -x, d[1] = -1; break;
  case F_EXP:
    for (int k = 0; k <= BIT_LIMIT; k++) d[k] = exp(x);
    break;
  case F_LOG:
  case F_LOG2: {
    double scale = f == F_LOG ? 1 : 1 / log(2.0);
    d[0] = log(x) * scale, d[1] = scale / x, d[2] = -scale / (x * x), d[3] = 2 * scale / (x * x * x),
    d[4] = -6 * scale / (x * x * x * x);
    break;
  }
  case F_SQRT: {
    double r = sqrt(x);
    d[0] = r, d[1] = 0.5 / r, d[2] = -0.25 / (r * x), d[3] = 0.375 / (r * x * x), d[4] = -0.9375 / (r * x * x * x);
    break;
  }
  case F_ABS:
    note_decision(x, 0);
    d[0] = fabs(x), d[1] = (x > 0) - (x < 0);
    break;
  case F_SIGN:
    note_decision(x, 0);
    d[0] = isnan(x) ? x : (x > 0) - (x < 0);
    break;
  case F_SIN: d[0] = sin(x), d[1] = cos(x), d[2] = -sin(x), d[3] = -cos(x), d[4] = sin(x); break;
  case F_COS: d[0] = cos(x), d[1] = -sin(x), d[2] = -cos(x), d[3] = sin(x), d[4] = cos(x); break;
  case F_TANH: {
    double t = tanh(x), u = 1 - t * t;
    d[0] = t, d[1] = u, d[2] = -2 * t * u, d[3] = u * (6 * t * t - 2), d[4] = u * t * (16 - 24 * t * t);
    break;
  }
  case F_SIGMOID: {
    double s = 1 / (1 + exp(-x)), u = s * (1 / (1 + exp(x)));
    d[0] = s, d[1] = u, d[2] = u * (1 - 2 * s), d[3] = u * (1 - 6 * u), d[4] = u * (1 - 2 * s) * (1 - 12 * u);
    break;
  }
  case F_ERF: {
    double g = 2 / sqrt(acos(-1.0)) * exp(-x * x);
    d[0] = erf(x), d[1] = g, d[2] = -2 * x * g, d[3] = (4 * x * x - 2) * g, d[4] = (12 * x - 8 * x * x * x) * g;
    break;
  }
  case F_FLOOR: note_rounding(x), d[0] = floor(x); break;
  case F_CEIL: note_rounding(x), d[0] = ceil(x); break;
  case F_ROUND: note_rounding(x + 0.5), d[0] = floor(x + 0.5); break;
  case F_RECIPROCAL:
    d[0] = 1 / x, d[1] = -1 / (x * x), d[2] = 2 / (x * x * x), d[3] = -6 / (x * x * x * x),
    d[4] = 24 / (x * x * x * x * x);
    break;
  case F_NOT: d[0] = x == 0; break;
  case F_COUNT: break;
  }
}

/* The sum over the partitions of `set` into blocks: the block that holds the lowest element, times the partitions of
   the rest. */
static double partitions(unsigned set, int blocks, const double *x, const double *d) {
  if (set == 0) return d[blocks];
  unsigned lowest = set & -set, others = set & ~lowest;
  double sum = 0;
  for (unsigned with = others;; with = (with - 1) & others) {
    double part = x[with | lowest];
    if (part != 0) sum += part * partitions(others & ~with, blocks + 1, x, d);
    if (with == 0) return sum;
  }
}

static void compose(int bits, const double *x, const double *d, double *out) {
  for (unsigned set = 0; set < 1u << bits; set++) out[set] = partitions(set, 0, x, d);
}

void number_apply1(Scalar1 f, int bits, const double *x, double *out) {
  double d[BIT_LIMIT + 1];
  derivatives1(f, x[0], d);
  compose(bits, x, d, out);
}

static void multiply(int bits, const double *x, const double *y, double *out) {
  for (unsigned set = 0; set < 1u << bits; set++) {
    double sum = 0;
    for (unsigned part = set;; part = (part - 1) & set) {
      sum += x[part] * y[set & ~part];
      if (part == 0) break;
    }
    out[set] = sum;
  }
}

static bool is_plain(int bits, const double *x) {
  for (unsigned set = 1; set < 1u << bits; set++)
    if (x[set] != 0) return false;
  return true;
}

static void raise_to(int bits, const double *x, const double *y, double *out) {
  double parts[1 << BIT_LIMIT], d[BIT_LIMIT + 1];
  if (is_plain(bits, y)) { /* x^c */
    double factor = 1;
    for (int k = 0; k <= BIT_LIMIT; k++) {
      d[k] = factor == 0 ? 0 : factor * pow(x[0], y[0] - k);
      factor *= y[0] - k;
    }
    compose(bits, x, d, out);
    return;
  }
  if (is_plain(bits, x)) { /* c^y */
    for (int k = 0; k <= BIT_LIMIT; k++) d[k] = pow(x[0], y[0]) * (k == 0 ? 1 : pow(log(x[0]), k));
    compose(bits, y, d, out);
    return;
  }
  number_apply1(F_LOG, bits, x, parts);
  multiply(bits, parts, y, out);
  for (unsigned set = 0; set < 1u << bits; set++) parts[set] = out[set];
  number_apply1(F_EXP, bits, parts, out);
}

/* What is not a number goes through. */
static void choose(int bits, const double *x, const double *y, bool first, bool tie, double *out) {
  if (isnan(x[0]) || isnan(y[0])) {
    for (unsigned set = 0; set < 1u << bits; set++) out[set] = NAN;
    return;
  }
  for (unsigned set = 0; set < 1u << bits; set++) out[set] = tie ? (x[set] + y[set]) / 2 : first ? x[set] : y[set];
}

void number_apply2(Scalar2 g, int bits, const double *x, const double *y, double *out) {
  unsigned sets = 1u << bits;
  double a = x[0], b = y[0], parts[1 << BIT_LIMIT];
  for (unsigned set = 0; set < sets; set++) out[set] = 0;
  switch (g) {
  case G_ADD:
    for (unsigned set = 0; set < sets; set++) out[set] = x[set] + y[set];
    break;
  case G_SUBTRACT:
    if (a != b) worst_cancellation = fmin(worst_cancellation, fabs(a - b) / fmax(fabs(a), fabs(b)));
    for (unsigned set = 0; set < sets; set++) out[set] = x[set] - y[set];
    break;
  case G_MULTIPLY: multiply(bits, x, y, out); break;
  case G_DIVIDE:
    number_apply1(F_RECIPROCAL, bits, y, parts);
    multiply(bits, x, parts, out);
    out[0] = a / b;
    break;
  case G_FLOOR_DIVIDE:
    note_rounding(a / b);
    out[0] = floor(a / b);
    break;
  case G_MODULO: /* a - b * floor(a / b), the floor being without derivative */
    note_rounding(a / b);
    for (unsigned set = 0; set < sets; set++) out[set] = x[set] - y[set] * floor(a / b);
    break;
  case G_POWER: raise_to(bits, x, y, out); break;
  case G_LESS: note_decision(a, b), out[0] = a < b; break;
  case G_LESS_EQUAL: note_decision(a, b), out[0] = a <= b; break;
  case G_EQUAL: note_decision(a, b), out[0] = a == b; break;
  case G_UNEQUAL: note_decision(a, b), out[0] = a != b; break;
  case G_AND: out[0] = a != 0 && b != 0; break;
  case G_OR: out[0] = a != 0 || b != 0; break;
  case G_MAX: note_decision(a, b), choose(bits, x, y, a > b, a == b, out); break;
  case G_MIN: note_decision(a, b), choose(bits, x, y, a < b, a == b, out); break;
  case G_COUNT: break;
  }
}
