/* The functions of generated code against the C library in the next wider format: float32 over the bit patterns (every
   977th; all of them with EVERY_PATTERN=1 and CK_TIMEOUT_MULTIPLIER=30 in the environment), float64 over random
   numbers. Vectors and scalars must agree in every bit. */
#include "llvm_builder.h"
#include "check_main.h"
#include "random_numbers.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { BLOCK = 4096 };

typedef struct Function {
  Operation op;
  double limit; /* ulp */
  double (*narrow)(double a, double b);
  long double (*wide)(long double a, long double b);
  double low, high; /* where float64 is sampled */
} Function;

#define REFERENCE(name, narrow, wide) \
  static double name##_double(double a, double b) { return (void)b, narrow; } \
  static long double name##_wide(long double a, long double b) { return (void)b, wide; }
REFERENCE(exp, exp(a), expl(a))
REFERENCE(expm1, expm1(a), expm1l(a))
REFERENCE(log, log(a), logl(a))
REFERENCE(log1p, log1p(a), log1pl(a))
REFERENCE(sin, sin(a), sinl(a))
REFERENCE(cos, cos(a), cosl(a))
REFERENCE(tanh, tanh(a), tanhl(a))
REFERENCE(sigmoid, 1 / (1 + exp(-a)), 1 / (1 + expl(-a)))
REFERENCE(softplus, a > 0 ? a + log1p(exp(-a)) : log1p(exp(a)), a > 0 ? a + log1pl(expl(-a)) : log1pl(expl(a)))
REFERENCE(erf, erf(a), erfl(a))
REFERENCE(sqrt, sqrt(a), sqrtl(a))
REFERENCE(pow, pow(a, b), powl(a, b))

static const Function functions[] = {
    {OP_EXP, 2, exp_double, exp_wide, -720, 720},
    {OP_EXPM1, 2, expm1_double, expm1_wide, -50, 720},
    {OP_LOG, 2, log_double, log_wide, 0, 1e3},
    {OP_LOG1P, 2, log1p_double, log1p_wide, -1, 1e3},
    {OP_SIN, 2, sin_double, sin_wide, -1e4, 1e4},
    {OP_COS, 2, cos_double, cos_wide, -1e4, 1e4},
    {OP_TANH, 2, tanh_double, tanh_wide, -22, 22},
    {OP_SIGMOID, 2, sigmoid_double, sigmoid_wide, -720, 60},
    {OP_SOFTPLUS, 2, softplus_double, softplus_wide, -720, 60},
    {OP_ERF, 2, erf_double, erf_wide, -7, 7},
    {OP_SQRT, 0.5001, sqrt_double, sqrt_wide, 0, 1e6},
    {OP_POWER, 4, pow_double, pow_wide, 0, 20},
};
enum { FUNCTION_COUNT = LENGTH(functions) };

static Program *apply(Session *session, Operation op, RegisterType real, int lanes) {
  Build *b = build_new(session, operation_rows[op].name, real, lanes);
  int x = build_buffer(b, storage_of(real), BLOCK, false), y = build_buffer(b, storage_of(real), BLOCK, false),
      out = build_buffer(b, storage_of(real), BLOCK, true);
  int registers = build_register(b, real, lanes, 3), i = build_variable(b);
  build_for(b, i, constant(0), constant(BLOCK), lanes, LOOP_SERIAL);
  build_load(b, at(registers, constant(0)), address(x, variable(i, 1), 1));
  build_load(b, at(registers, constant(1)), address(y, variable(i, 1), 1));
  build_operate(b, op, at(registers, constant(2)), at(registers, constant(0)), at(registers, constant(1)),
                one(registers));
  build_store(b, address(out, variable(i, 1), 1), at(registers, constant(2)), false);
  build_end(b);
  return &b->program;
}

typedef struct Kernels {
  Session *session;
  LoadedPrograms *loaded;
  Kernel vector, scalar;
} Kernels;

static Kernels kernels_of(Operation op, RegisterType real) {
  Kernels k = {.session = session_new()};
  Target *target = target_new(k.session, "native");
  int lanes = target_machine(target)->vector_bytes / register_bytes(real);
  Program *programs[] = {apply(k.session, op, real, lanes), apply(k.session, op, real, 1)};
  k.loaded = llvm_load(k.session, target, 2, programs);
  if (k.loaded == NULL) diagnostic_print_all(k.session, stderr);
  ck_assert_ptr_nonnull(k.loaded);
  k.vector = kernel_of(k.loaded, 0);
  k.scalar = kernel_of(k.loaded, 1);
  return k;
}

static void release(Kernels k) {
  llvm_unload(k.loaded);
  session_free(k.session);
}

static void run(Kernel kernel, void *x, void *y, void *out, bool flush) {
  unsigned mode = __builtin_ia32_stmxcsr();
  if (flush) __builtin_ia32_ldmxcsr(mode | 0x8040); /* as the runtime does in float32 */
  kernel(&(Call){.buffers = (void *[]){x, y, out}}, 0, NULL);
  __builtin_ia32_ldmxcsr(mode);
}

/* In units of the last place of the expected number; 0 where both are out of range in the same way. */
static double distance(long double got, long double expected, int digits, int least, long double largest) {
  if (isnan(expected)) return isnan(got) ? 0 : INFINITY;
  long double edge = largest * (1 + ldexpl(1, -digits - 1));
  if (fabsl(expected) >= edge) return isinf(got) && signbit(got) == signbit(expected) ? 0 : INFINITY;
  if (isnan(got)) return INFINITY;
  int exponent;
  frexpl(expected, &exponent);
  long double unit = ldexpl(1, (exponent > least ? exponent : least) - digits);
  if (isinf(got)) return (double)((edge - fabsl(expected)) / unit);
  if (fabsl(expected) < ldexpl(1, least - 1))
    return fabsl(got) <= ldexpl(1, least - 1) * (1 + ldexpl(4, -digits)) ? 0 : INFINITY; /* may be flushed */
  if (expected == 0 && got == 0 && signbit(got) != signbit(expected)) return INFINITY;
  return (double)(fabsl(got - expected) / unit);
}

/* Is a normal number surely within `worst` units of a float? Quick, for most of four thousand million. */
static bool is_near(float got, double expected, double worst) {
  uint64_t bits;
  memcpy(&bits, &expected, sizeof bits);
  uint64_t exponent = bits >> 52 & 0x7FF, scale = (uint64_t)(2046 + 23 - (int64_t)exponent)
                                                  << 52; /* 2^23 / 2^exponent */
  if (exponent < 1023 - 120 || exponent > 1023 + 120 || scale >> 52 > 2045) return false;
  double per_unit;
  memcpy(&per_unit, &scale, sizeof per_unit);
  return fabs(got - expected) * per_unit <= worst;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double flushed_double(double x) { return fabs(x) < DBL_MIN ? copysign(0, x) : x; }
static float flushed(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }

static _Alignas(64) float x32[BLOCK], y32[BLOCK], out32[BLOCK], scalar32[BLOCK];
static _Alignas(64) double x64[BLOCK], y64[BLOCK], out64[BLOCK], scalar64[BLOCK];

static double worst_float(const Function *function, const Kernels *k, double *at_x, double *at_y) {
  double worst = 0;
  uint64_t count = 0;
  Random random = {1};
  const int64_t stride = getenv("EVERY_PATTERN") ? 1 : 977;
  for (int64_t next = 0; next < (int64_t)1 << 32; count++) {
    for (int i = 0; i < BLOCK; i++, next += stride) {
      x32[i] = float_of((uint32_t)next);
      y32[i] = count % 2 == 0 ? (float)random_between(&random, -20, 20) : (float)random_integer(&random, -9, 9) * 0.5f;
    }
    run(k->vector, x32, y32, out32, true);
    if (count % 16 == 0) {
      run(k->scalar, x32, y32, scalar32, true);
      ck_assert_mem_eq(out32, scalar32, sizeof out32);
    }
    for (int i = 0; i < BLOCK; i++) {
      if ((function->op == OP_SIN || function->op == OP_COS) && fabsf(x32[i]) > 0x1p18f && !isnan(x32[i]) &&
          !isinf(x32[i])) {
        if (!(fabsf(out32[i]) <= 1)) return INFINITY;
        continue;
      }
      double expected = function->narrow(flushed(x32[i]), y32[i]);
      if (is_near(out32[i], expected, worst)) continue;
      double d = distance(out32[i], expected, 24, -125, FLT_MAX);
      if (d > worst) worst = d, *at_x = x32[i], *at_y = y32[i];
    }
  }
  return worst;
}

static double worst_double(const Function *function, const Kernels *k, double *at_x, double *at_y) {
  double worst = 0;
  Random random = {2};
  for (int turn = 0; turn < 60; turn++) {
    for (int i = 0; i < BLOCK; i++) {
      double u = random_between(&random, 0, 1), v = random_between(&random, 0, 1);
      x64[i] = function->low + (function->high - function->low) * u;
      if (turn % 3 == 1) x64[i] = ldexp(2 * u - 1, (int)random_integer(&random, -40, 19));
      if (turn % 3 == 2) x64[i] = 4 * u - 2;
      if (turn % 7 == 6) x64[i] = ldexp(2 * u - 1, (int)random_integer(&random, -1020, 1019));
      y64[i] = turn % 2 == 0 ? 200 * v - 100 : (double)random_integer(&random, -20, 20) * 0.5;
    }
    const double special[] = {0.0,     -0.0,     INFINITY, -INFINITY, NAN, 1, -1,
                              DBL_MAX, -DBL_MAX, DBL_MIN,  -DBL_MIN,  0.5, 2, -2};
    const int count = LENGTH(special);
    for (int i = 0; turn == 0 && i < count * count; i++) x64[i] = special[i / count], y64[i] = special[i % count];
    for (int i = 0; i < BLOCK; i++) x64[i] = flushed_double(x64[i]);
    run(k->vector, x64, y64, out64, false);
    run(k->scalar, x64, y64, scalar64, false);
    ck_assert_mem_eq(out64, scalar64, sizeof out64);
    for (int i = 0; i < BLOCK; i++) {
      bool angle = (function->op == OP_SIN || function->op == OP_COS) && fabs(x64[i]) > 0x1p30 && !isinf(x64[i]) &&
                   !isnan(x64[i]);
      if (angle) continue;
      double d = distance(out64[i], function->wide(x64[i], y64[i]), 53, -1021, DBL_MAX);
      if (d > worst) worst = d, *at_x = x64[i], *at_y = y64[i];
    }
  }
  return worst;
}

START_TEST(function_in_float) {
  const Function *function = &functions[_i];
  Kernels k = kernels_of(function->op, REGISTER_F32);
  double x = 0, y = 0, worst = worst_float(function, &k, &x, &y);
  fprintf(stderr, "%-9s f32 %6.3f ulp at %a (%a)\n", operation_rows[function->op].name, worst, x, y);
  ck_assert_double_le(worst, function->limit);
  release(k);
}
END_TEST

START_TEST(function_in_double) {
  const Function *function = &functions[_i];
  Kernels k = kernels_of(function->op, REGISTER_F64);
  double x = 0, y = 0, worst = worst_double(function, &k, &x, &y);
  fprintf(stderr, "%-9s f64 %6.3f ulp at %a (%a)\n", operation_rows[function->op].name, worst, x, y);
  ck_assert_double_le(worst, function->limit);
  release(k);
}
END_TEST

CHECK_MAIN(.loops = {{function_in_float, 0, FUNCTION_COUNT}, {function_in_double, 0, FUNCTION_COUNT}})
