/* Mathematical functions as expressions over fma, compare and exponent bits, the same for scalars and vectors, in both
   formats: at most 2 ulp (pow 4) where the result is a normal number; denormal numbers may count as 0. Takes values,
   appends instructions without branches; calls no library. An instruction is never built in the arguments of another
   where two are: C leaves open which would come first. Signs of comparisons are chosen so that what is not a number
   falls through to where it stays one. */
#include "emit.h"

typedef enum Polynomial { EXP, LOG, LOG_RATIO, LOG_REST, SINE, COSINE, ERF, LOG_ERFC, POLYNOMIAL_COUNT } Polynomial;
enum { F32, F64 };
static const struct {
  int count;
  const double *coefficients;
} polynomials[POLYNOMIAL_COUNT][2] = {
#define POLYNOMIAL(name, format, ...) \
  [name][format] = {(int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[]){__VA_ARGS__}},
#include "math.def"
#undef POLYNOMIAL
};

typedef struct Format {
  int fraction_bits;
  double magic;                        /* adding it leaves the nearest integer in the lowest bits */
  double ln2_high, ln2_low;            /* the high part has zeros at its end: its product with an exponent is exact */
  double exp_low, exp_high;            /* below, exp is no normal number; above, it overflows */
  double smallest;                     /* normal number */
  int64_t half_bits;                   /* of sqrt(1/2) */
  double half_pi[3], turned;           /* its parts; arguments beyond `turned` have lost their angle */
  double tanh_end, expm1_end, erf_end; /* from here on the function is constant to rounding */
  double sine_end, line_end;           /* below, sin x and exp x - 1 are x */
} Format;

static const Format formats[2] = {
    [F32] = {23,
             0x1.8p23,
             0x1.62e4p-1,
             0x1.7f7d1cp-20,
             -0x1.5d589ep6,
             0x1.62e42ep6,
             0x1p-126,
             0x3F3504F3,
             {0x1.921fb6p0, -0x1.777a5cp-25, -0x1.ee59dap-50},
             0x1p18,
             10,
             20,
             4.0625,
             0x1p-13,
             0x1p-25},
    [F64] = {52,
             0x1.8p52,
             0x1.62e42feep-1,
             0x1.a39ef35793c76p-33,
             -0x1.6232bdd7abcd2p9,
             0x1.62e42fefa39efp9,
             0x1p-1022,
             0x3FE6A09E667F3BCD,
             {0x1.921fb54442d18p0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110},
             0x1p40,
             20,
             40,
             6.0625,
             0x1p-27,
             0x1p-54},
};

static const Format *format_of(Value x) { return &formats[value_is_double(x) ? F64 : F32]; }

/* ---- words ------------------------------------------------------------------------------------------------------- */

static Value add(Emitter *e, Value a, Value b) { return LLVMBuildFAdd(e->builder, a, b, ""); }
static Value subtract(Emitter *e, Value a, Value b) { return LLVMBuildFSub(e->builder, a, b, ""); }
static Value multiply(Emitter *e, Value a, Value b) { return LLVMBuildFMul(e->builder, a, b, ""); }
static Value divide(Emitter *e, Value a, Value b) { return LLVMBuildFDiv(e->builder, a, b, ""); }
static Value negate(Emitter *e, Value a) { return LLVMBuildFNeg(e->builder, a, ""); }
static Value magnitude(Emitter *e, Value a) { return emit_unary(e, "llvm.fabs", a); }
static Value choose(Emitter *e, Value bits, Value a, Value b) { return LLVMBuildSelect(e->builder, bits, a, b, ""); }
static Value compare(Emitter *e, LLVMRealPredicate predicate, Value a, double b) {
  return LLVMBuildFCmp(e->builder, predicate, a, emit_real(a, b), "");
}
static Value both(Emitter *e, Value a, Value b) { return LLVMBuildAnd(e->builder, a, b, ""); }
static Value either(Emitter *e, Value a, Value b) { return LLVMBuildOr(e->builder, a, b, ""); }

static Value with_sign(Emitter *e, Value a, Value sign) {
  Type type = LLVMTypeOf(a);
  return emit_intrinsic(e, "llvm.copysign", 1, &type, 2, (Value[]){a, sign});
}

static Type whole_type(Emitter *e, Value a) { return type_with_element(a, value_is_double(a) ? e->i64 : e->i32); }
static Value bits_of(Emitter *e, Value a) { return LLVMBuildBitCast(e->builder, a, whole_type(e, a), ""); }
static Value number_of(Emitter *e, Value bits, Value like) {
  return LLVMBuildBitCast(e->builder, bits, LLVMTypeOf(like), "");
}

/* The integer in the lowest bits of a magic sum, moved to where exponents stand. */
static Value as_exponent(Emitter *e, Value bits, int fraction_bits) {
  return LLVMBuildShl(e->builder, bits, emit_whole(bits, fraction_bits), "");
}

static Value polynomial(Emitter *e, Polynomial name, Value x) {
  int format = value_is_double(x) ? F64 : F32;
  const double *coefficients = polynomials[name][format].coefficients;
  Value sum = emit_real(x, coefficients[0]);
  for (int i = 1; i < polynomials[name][format].count; i++) sum = emit_fma(e, sum, x, emit_real(x, coefficients[i]));
  return sum;
}

/* ---- exponentials ------------------------------------------------------------------------------------------------ */

/* x = count * log 2 + rest; `rise` is exp(rest) - 1, `count` stands in the lowest bits of `bits`. precise: what
   rounding takes from rest comes back. */
typedef struct Split {
  Value count, bits, rise;
} Split;

static Split split(Emitter *e, Value x, Value correction, bool precise) {
  const Format *f = format_of(x);
  Value magic = emit_real(x, f->magic), sum = emit_fma(e, x, emit_real(x, 0x1.71547652b82fep0), magic);
  Split s = {.count = subtract(e, sum, magic)};
  s.bits = bits_of(e, sum);
  Value first = emit_fma(e, s.count, emit_real(x, -f->ln2_high), x), low = emit_real(x, -f->ln2_low),
        rest = emit_fma(e, s.count, low, first);
  if (correction != NULL) rest = add(e, rest, correction);
  Value lost = precise ? emit_fma(e, s.count, low, subtract(e, first, rest)) : rest;
  Value square = multiply(e, rest, rest);
  s.rise = emit_fma(e, square, polynomial(e, EXP, rest), lost);
  if (precise) s.rise = add(e, rest, s.rise);
  return s;
}

/* exp(x + correction) for x whose result is a normal number. */
static Value exp_inside(Emitter *e, Value x, Value correction) {
  Split s = split(e, x, correction, false);
  Value power = bits_of(e, add(e, s.rise, emit_real(x, 1)));
  return number_of(e, LLVMBuildAdd(e->builder, power, as_exponent(e, s.bits, format_of(x)->fraction_bits), ""), x);
}

static Value exp_corrected(Emitter *e, Value x, Value correction) {
  const Format *f = format_of(x);
  Value zero = LLVMConstNull(LLVMTypeOf(x)), power = exp_inside(e, x, correction);
  Value below = choose(e, compare(e, LLVMRealOLT, x, 0), zero, x);
  power = choose(e, compare(e, LLVMRealUGE, x, f->exp_low), power, below);
  power = choose(e, LLVMBuildFCmp(e->builder, LLVMRealUNO, x, x, ""), x, power);
  return choose(e, compare(e, LLVMRealOGT, x, f->exp_high), emit_real(x, __builtin_inf()), power);
}

static Value exponential(Emitter *e, Value x) { return exp_corrected(e, x, NULL); }

/* 2^count * factor, for a count that is the exponent of a normal number. */
static Value scale_of(Emitter *e, const Split *s, Value like, double factor) {
  Value one = bits_of(e, emit_real(like, factor)), exponent = as_exponent(e, s->bits, format_of(like)->fraction_bits);
  return number_of(e, LLVMBuildAdd(e->builder, exponent, one, ""), like);
}

/* Twice (exp(x) - 1) / 2, so that nothing overflows before it must. */
static Value expm1_of(Emitter *e, Value x) {
  const Format *f = format_of(x);
  Value bounded = choose(e, compare(e, LLVMRealOLT, x, -f->expm1_end), emit_real(x, -f->expm1_end), x);
  Split s = split(e, bounded, NULL, true);
  Value scale = scale_of(e, &s, x, 0.5), half = emit_fma(e, scale, s.rise, subtract(e, scale, emit_real(x, 0.5)));
  Value whole = add(e, half, half),
        rise = choose(e, compare(e, LLVMRealOGT, x, f->exp_high), emit_real(x, __builtin_inf()), whole);
  return choose(e, compare(e, LLVMRealOLT, magnitude(e, x), f->line_end), x, rise);
}

/* (1 - exp(-2|x|)) / (1 + exp(-2|x|)), the quotient corrected by what divisor and division have lost. */
static Value tanh_of(Emitter *e, Value x) {
  Value a = magnitude(e, x), end = emit_real(x, format_of(x)->tanh_end), one = emit_real(x, 1);
  a = choose(e, compare(e, LLVMRealOGT, a, format_of(x)->tanh_end), end, a);
  Split s = split(e, multiply(e, a, emit_real(x, -2)), NULL, true);
  Value scale = scale_of(e, &s, x, 1), above = emit_fma(e, scale, s.rise, subtract(e, scale, one)),
        sum = add(e, scale, one);
  Value below = emit_fma(e, scale, s.rise, sum), lost = subtract(e, scale, subtract(e, sum, one));
  lost = emit_fma(e, scale, s.rise, add(e, subtract(e, sum, below), lost));
  Value inverse = divide(e, one, below), quotient = negate(e, multiply(e, above, inverse));
  Value rest = emit_fma(e, quotient, below, above);
  rest = emit_fma(e, quotient, lost, rest);
  return with_sign(e, emit_fma(e, negate(e, rest), inverse, quotient), x);
}

/* 1 / (1 + exp(-x)); of 1 and 2^count the larger is added last, so that only one rounding counts. */
static Value sigmoid_of(Emitter *e, Value x) {
  const Format *f = format_of(x);
  Value bounded = choose(e, compare(e, LLVMRealOGT, x, -f->exp_low), emit_real(x, -f->exp_low), x),
        one = emit_real(x, 1);
  bounded = choose(e, compare(e, LLVMRealOLT, bounded, f->exp_low), emit_real(x, f->exp_low), bounded);
  Split s = split(e, negate(e, bounded), NULL, true);
  Value scale = scale_of(e, &s, x, 1), above = compare(e, LLVMRealOGT, scale, 1);
  Value large = choose(e, above, scale, one), small = choose(e, above, one, scale);
  Value value = divide(e, one, add(e, large, emit_fma(e, scale, s.rise, small)));
  return choose(e, compare(e, LLVMRealOLT, x, f->exp_low), LLVMConstNull(LLVMTypeOf(x)), value);
}

/* ---- logarithms -------------------------------------------------------------------------------------------------- */

/* x = 2^exponent * fraction, sqrt(1/2) <= fraction < sqrt(2), for normal positive x. */
typedef struct Parts {
  Value exponent, exponent_bits, fraction;
} Parts;

static Parts parts_of(Emitter *e, Value x) {
  const Format *f = format_of(x);
  Value bits = bits_of(e, x);
  bits = LLVMBuildSub(e->builder, bits, emit_whole(bits, f->half_bits), "");
  Parts parts = {.exponent_bits = LLVMBuildAShr(e->builder, bits, emit_whole(bits, f->fraction_bits), "")};
  Value fraction = LLVMBuildAnd(e->builder, bits, emit_whole(bits, ((int64_t)1 << f->fraction_bits) - 1), "");
  parts.fraction = number_of(e, LLVMBuildAdd(e->builder, fraction, emit_whole(bits, f->half_bits), ""), x);
  Value magic = emit_real(x, f->magic), sum = LLVMBuildAdd(e->builder, parts.exponent_bits, bits_of(e, magic), "");
  parts.exponent = subtract(e, number_of(e, sum, x), magic);
  return parts;
}

/* exponent * log 2 + log(1 + rise) */
static Value log_sum(Emitter *e, Value exponent, Value rise) {
  const Format *f = format_of(rise);
  Value square = multiply(e, rise, rise), low = emit_real(rise, f->ln2_low), small;
  if (value_is_double(rise)) {
    Value s = divide(e, rise, add(e, rise, emit_real(rise, 2))), z = multiply(e, s, s),
          half = multiply(e, square, emit_real(rise, 0.5));
    Value ratio = emit_fma(e, z, polynomial(e, LOG_RATIO, z), half);
    small = emit_fma(e, s, ratio, multiply(e, exponent, low));
    small = subtract(e, small, half);
  } else {
    Value cube = multiply(e, rise, square), rest = polynomial(e, LOG, rise);
    small = emit_fma(e, cube, rest, multiply(e, exponent, low));
    small = emit_fma(e, square, emit_real(rise, -0.5), small);
  }
  return emit_fma(e, exponent, emit_real(rise, f->ln2_high), add(e, rise, small));
}

/* The value, but infinity of infinity, and of what is not a number that. */
static Value log_end(Emitter *e, Value x, Value value) {
  value = choose(e, LLVMBuildFCmp(e->builder, LLVMRealUNO, x, x, ""), x, value);
  return choose(e, compare(e, LLVMRealULT, x, __builtin_inf()), value, emit_real(x, __builtin_inf()));
}

static Value log_of(Emitter *e, Value x) {
  Parts parts = parts_of(e, x);
  Value value = log_sum(e, parts.exponent, subtract(e, parts.fraction, emit_real(x, 1)));
  Value below =
      choose(e, compare(e, LLVMRealOLT, x, 0), emit_real(x, __builtin_nan("")), emit_real(x, -__builtin_inf()));
  value = choose(e, compare(e, LLVMRealOLT, x, format_of(x)->smallest), below, value);
  return log_end(e, x, value);
}

static Value log1p_of(Emitter *e, Value x) {
  const Format *f = format_of(x);
  Value one = emit_real(x, 1), moved = add(e, x, one);
  Parts parts = parts_of(e, moved);
  Value shift = LLVMBuildShl(e->builder, parts.exponent_bits, emit_whole(parts.exponent_bits, f->fraction_bits), "");
  Value scale = number_of(e, LLVMBuildSub(e->builder, bits_of(e, one), shift, ""), x); /* 2^-exponent */
  Value rise = emit_fma(e, x, scale, subtract(e, scale, one)); /* what 1 + x has lost comes back */
  Value far = subtract(e, parts.fraction, one);
  rise = choose(e, compare(e, LLVMRealOGT, x, 0x1p60), far, rise);
  Value value = log_sum(e, parts.exponent, rise);
  Value below =
      choose(e, compare(e, LLVMRealOLT, x, -1), emit_real(x, __builtin_nan("")), emit_real(x, -__builtin_inf()));
  value = choose(e, compare(e, LLVMRealOLE, x, -1), below, value);
  return with_sign(e, log_end(e, x, value), x);
}

/* max(x, 0) + log(1 + exp(-|x|)) */
static Value softplus_of(Emitter *e, Value x) {
  Value zero = LLVMConstNull(LLVMTypeOf(x)), power = exponential(e, negate(e, magnitude(e, x))),
        half = emit_real(x, 0.5);
  Value large = compare(e, LLVMRealOGT, power, 0.41421356),
        rise = choose(e, large, emit_fma(e, power, half, negate(e, half)), power);
  Value tail = log_sum(e, choose(e, large, emit_real(x, 1), zero), rise);
  return add(e, choose(e, compare(e, LLVMRealOGT, x, 0), x, zero), tail);
}

/* ---- the circle -------------------------------------------------------------------------------------------------- */

/* sin or cos of quarter turns (in the lowest bits) plus an angle of at most an eighth turn. */
static Value circle(Emitter *e, Value angle, Value quarters, bool sine) {
  Value square = multiply(e, angle, angle), one = emit_real(angle, 1);
  Value s = emit_fma(e, multiply(e, square, polynomial(e, SINE, square)), angle, angle);
  Value fourth = multiply(e, square, square), rest = polynomial(e, COSINE, square);
  Value c = emit_fma(e, fourth, rest, emit_fma(e, square, emit_real(angle, -0.5), one));
  if (!sine) quarters = LLVMBuildAdd(e->builder, quarters, emit_whole(quarters, 1), "");
  Value odd = LLVMBuildAnd(e->builder, quarters, emit_whole(quarters, 1), "");
  Value swapped = LLVMBuildICmp(e->builder, LLVMIntNE, odd, LLVMConstNull(LLVMTypeOf(quarters)), "");
  Value second = LLVMBuildAnd(e->builder, quarters, emit_whole(quarters, 2), ""), value = choose(e, swapped, c, s);
  int sign = value_is_double(angle) ? 62 : 30;
  Value flip = LLVMBuildShl(e->builder, second, emit_whole(second, sign), "");
  return number_of(e, LLVMBuildXor(e->builder, bits_of(e, value), flip, ""), angle);
}

static Value sine_or_cosine(Emitter *e, Value x, bool sine) {
  const Format *f = format_of(x);
  Value magic = emit_real(x, f->magic), sum = emit_fma(e, x, emit_real(x, 0x1.45f306dc9c883p-1), magic),
        count = subtract(e, sum, magic), angle = x;
  for (int i = 0; i < 3; i++) angle = emit_fma(e, count, emit_real(x, -f->half_pi[i]), angle);
  Value lost = multiply(e, x, LLVMConstNull(LLVMTypeOf(x)));
  angle = choose(e, compare(e, LLVMRealOGT, magnitude(e, x), f->turned), lost, angle);
  Value value = circle(e, angle, bits_of(e, sum), sine);
  return sine ? choose(e, compare(e, LLVMRealOLT, magnitude(e, x), f->sine_end), x, value) : value;
}

Value emit_turn(Emitter *e, Value turn, bool sine) {
  Value magic = emit_real(turn, format_of(turn)->magic), sum = emit_fma(e, turn, emit_real(turn, 4), magic),
        count = subtract(e, sum, magic);
  Value rest = emit_fma(e, count, emit_real(turn, -0.25), turn);
  Value angle = multiply(e, rest, emit_real(turn, 0x1.921fb54442d18p2));
  return circle(e, angle, bits_of(e, sum), sine);
}

/* ---- erf, pow ---------------------------------------------------------------------------------------------------- */

static Value erf_of(Emitter *e, Value x) {
  const double middle = 0.935;
  Value a = magnitude(e, x), end = emit_real(x, format_of(x)->erf_end);
  Value near = emit_fma(e, polynomial(e, ERF, multiply(e, x, x)), x, x);
  Value bounded = choose(e, compare(e, LLVMRealOGT, a, format_of(x)->erf_end), end, a);
  Value far = subtract(e, emit_real(x, 1), exp_inside(e, polynomial(e, LOG_ERFC, bounded), NULL));
  far = with_sign(e, far, x);
  return choose(e, compare(e, LLVMRealOGE, a, middle), far, near);
}

/* A number as an unevaluated sum. */
typedef struct Pair {
  Value high, low;
} Pair;

static Pair two_sum(Emitter *e, Value large, Value small) { /* |large| >= |small| */
  Value high = add(e, large, small);
  return (Pair){high, subtract(e, small, subtract(e, high, large))};
}

/* log x in twice the digits, for normal positive x: 2s + s^3 (2/3 + s^2 R), s = (m - 1) / (m + 1) as a pair. */
static Pair log_pair(Emitter *e, Value x) {
  Parts parts = parts_of(e, x);
  Value one = emit_real(x, 1), two = emit_real(x, 2), rise = subtract(e, parts.fraction, one);
  Pair below = two_sum(e, two, rise);
  Value s = divide(e, rise, below.high);
  Value rest = emit_fma(e, negate(e, s), below.high, rise),
        s_low = divide(e, subtract(e, rest, multiply(e, s, below.low)), below.high);
  Value z = multiply(e, s, s), twice = multiply(e, s, two),
        z_low = emit_fma(e, twice, s_low, emit_fma(e, s, s, negate(e, z)));
  Pair factor = two_sum(e, emit_real(x, 0x1.5555555555555p-1), multiply(e, z, polynomial(e, LOG_REST, z)));
  factor.low = add(e, factor.low, emit_real(x, 0x1.5555555555555p-55));
  Value cube = multiply(e, s, z), cube_low = emit_fma(e, s, z, negate(e, cube));
  cube_low = add(e, cube_low, emit_fma(e, s, z_low, multiply(e, s_low, z)));
  Value tail = multiply(e, cube, factor.high), tail_low = emit_fma(e, cube, factor.high, negate(e, tail));
  tail_low = add(e, tail_low, emit_fma(e, cube, factor.low, multiply(e, cube_low, factor.high)));
  Pair body = two_sum(e, twice, tail);
  body.low = add(e, body.low, emit_fma(e, s_low, two, tail_low));
  Value exponent = multiply(e, parts.exponent, emit_real(x, 0x1.62e42fefa38p-1)); /* 41 digits: exact */
  Pair whole = two_sum(e, exponent, body.high);
  Pair other = two_sum(e, body.high, exponent);
  Value is_zero = compare(e, LLVMRealOEQ, exponent, 0);
  Value low = choose(e, is_zero, other.low, whole.low);
  whole.low = add(e, low, emit_fma(e, parts.exponent, emit_real(x, 0x1.ef35793c7673p-45), body.low));
  return two_sum(e, whole.high, whole.low);
}

static Value power_of_magnitude(Emitter *e, Value a, Value b) { /* a >= 0, in double */
  Pair log = log_pair(e, a);
  Value infinity = emit_real(a, __builtin_inf());
  log.high = choose(e, compare(e, LLVMRealULT, a, __builtin_inf()), log.high, infinity);
  log.high = choose(e, compare(e, LLVMRealOLT, a, format_of(a)->smallest), emit_real(a, -__builtin_inf()), log.high);
  log.high = choose(e, LLVMBuildFCmp(e->builder, LLVMRealUNO, a, a, ""), a, log.high);
  Value high = multiply(e, log.high, b), low = emit_fma(e, log.high, b, negate(e, high));
  low = emit_fma(e, log.low, b, low);
  low = choose(e, compare(e, LLVMRealOLT, magnitude(e, high), 1000), low, LLVMConstNull(LLVMTypeOf(low)));
  return exp_corrected(e, high, low);
}

static Value pow_of(Emitter *e, Value a, Value b) {
  Value one = emit_real(a, 1), size = magnitude(e, a), value;
  if (value_is_double(a)) value = power_of_magnitude(e, size, b);
  else { /* double has the digits to spare */ Type wide = type_with_element(a, e->f64);
    Value log = log_of(e, LLVMBuildFPExt(e->builder, size, wide, ""));
    Value power = exponential(e, multiply(e, log, LLVMBuildFPExt(e->builder, b, wide, "")));
    value = LLVMBuildFPTrunc(e->builder, power, LLVMTypeOf(a), "");
  }
  Value of_one = choose(e, LLVMBuildFCmp(e->builder, LLVMRealUNO, b, b, ""), b, one);
  value = choose(e, compare(e, LLVMRealOEQ, size, 1), of_one, value);
  Value half = multiply(e, b, emit_real(b, 0.5));
  Value whole = LLVMBuildFCmp(e->builder, LLVMRealOEQ, b, emit_unary(e, "llvm.floor", b), "");
  Value odd = both(e, whole, LLVMBuildFCmp(e->builder, LLVMRealONE, half, emit_unary(e, "llvm.floor", half), ""));
  value = choose(e, odd, with_sign(e, value, a), value);
  Value negative = compare(e, LLVMRealOLT, a, 0), finite = compare(e, LLVMRealOGT, a, -__builtin_inf());
  Value broken = LLVMBuildNot(e->builder, whole, ""), undefined = both(e, both(e, negative, finite), broken);
  value = choose(e, undefined, emit_real(a, __builtin_nan("")), value);
  Value is_one = compare(e, LLVMRealOEQ, a, 1);
  return choose(e, either(e, is_one, compare(e, LLVMRealOEQ, b, 0)), one, value);
}

Value emit_math(Emitter *e, Operation operation, Value a, Value b) {
  switch (operation) {
  case OP_EXP: return exponential(e, a);
  case OP_EXPM1: return expm1_of(e, a);
  case OP_LOG: return log_of(e, a);
  case OP_LOG1P: return log1p_of(e, a);
  case OP_SIN: return sine_or_cosine(e, a, true);
  case OP_COS: return sine_or_cosine(e, a, false);
  case OP_TANH: return tanh_of(e, a);
  case OP_SIGMOID: return sigmoid_of(e, a);
  case OP_SOFTPLUS: return softplus_of(e, a);
  case OP_ERF: return erf_of(e, a);
  case OP_POWER: return pow_of(e, a, b);
  default: internal_error(HERE, "an operation that is no function");
  }
}
