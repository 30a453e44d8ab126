/* What numbers must be to the last bit, natively: `/` is the quotient, rounded once; what is not a number goes through
   everything but comparisons, and no derivative hides it. Right values are C's own arithmetic and the rules of the
   reference, not the interpreter. */
#include "expand_check.h"
#include "schedule_run.h"

enum { ELEMENTS = 67 };

static const struct {
  const char *march;
  RegisterType real;
} machines[] = {
    {"native", REGISTER_F32}, {"native", REGISTER_F64}, {"x86-64-v3", REGISTER_F32}, {"x86-64-v3", REGISTER_F64}};

typedef struct Native {
  Session *session;
  Target *target;
  Model *model;
  RegisterType real;
} Native;

static Native native_of(int machine, int batch, const char *outputs) {
  Native native = {.session = session_new(), .real = machines[machine].real};
  native.target = target_new(native.session, machines[machine].march);
  ck_assert_ptr_nonnull(native.target);
  const char *text = session_format(native.session,
                                    "data x: [%d]\ndata y: []\nstate s = 3\nnetwork D(y: []) -> [] { weight w = 1; w * "
                                    "y }\nD minimizes s * E[D(y)^2]\n%s\n"
                                    "train { batch = %d; optimize D by sgd(lr = 0.1); update D }\n",
                                    ELEMENTS, outputs, batch);
  native.model = model_expand(native.session, "numbers.gan", text, strlen(text), false);
  model_must(native.session, native.model, text);
  model_differentiate(native.model);
  model_pass(native.model, transform_simplify, "simplify");
  return native;
}

typedef struct Feed {
  NativeRun *run;
  const double *x, *y, *s;
} Feed;

static void feed_input(void *context, Node *node) {
  Feed *feed = context;
  if (node->kind != NODE_INPUT || run_input(feed->run, node) == NULL) return;
  run_set(feed->run, node, node->name[0] == 'x' ? feed->x : node->name[0] == 'y' ? feed->y : feed->s);
}

/* The value of output `name` for these samples. */
static void native_output(const Native *native, const char *name, const double *x, const double *y, double s,
                          double *out) {
  const ModelOutput *output = NULL;
  for (int k = 0; k < native->model->output_count; k++)
    if (strcmp(native->model->outputs[k].name, name) == 0) output = &native->model->outputs[k];
  ck_assert_msg(output != NULL, "%s", name);
  EffectList effects = native->model->routines[output->routine].effects;
  NativeRun *run = run_new(native->session, native->target, native->model->graph, effects, native->real);
  Feed feed = {run, x, y, &s};
  graph_walk(native->model->graph, &effects, feed_input, &feed);
  run_steps(run);
  run_get(run, native->model->tensors[output->tensor].input, out);
  run_free(run);
}

/* ---- quotients --------------------------------------------------------------------------------------------------- */

static double quotient(RegisterType real, double a, double b) {
  return real == REGISTER_F32 ? (double)((float)a / (float)b) : a / b;
}

START_TEST(quotients_are_rounded_once) {
  enum { SAMPLES = 150 };
  static double x[SAMPLES * ELEMENTS], y[SAMPLES], out[SAMPLES * ELEMENTS];
  Native native = native_of(_i, SAMPLES,
                            "fn by_first(x: [n]) -> q: [n] { q[i] = x[i] / x[0] }\n"
                            "output by_constant = x / 41\noutput by_power = x / 8\noutput by_sample = x / y\noutput "
                            "by_state = x / s\noutput by_element = by_first(x)\n"
                            "output floor_constant = x // 41\noutput floor_sample = x // y\noutput floor_state = x // "
                            "s\noutput left_sample = x % y");
  for (int n = 0; n < SAMPLES; n++) {
    y[n] = n % 2 == 0 ? 41 : 3 + 7 * n;
    for (int i = 0; i < ELEMENTS; i++)
      x[n * ELEMENTS + i] =
          i % 3 == 2 ? 0.37 * (n + 1) * (i - 20) : y[n] * (i == 0 ? 1 : i * (n + 1) % 9973); /* multiples, and others */
    for (int i = 0; i < ELEMENTS; i++) x[n * ELEMENTS + i] = (double)(float)x[n * ELEMENTS + i];
  }
  static const struct {
    const char *name;
    int by;
    bool floors;
  } rows[] = {{"by_constant", 'c', false}, {"by_power", 'p', false},   {"by_sample", 'y', false},
              {"by_state", 's', false},    {"by_element", 'x', false}, {"floor_constant", 'c', true},
              {"floor_sample", 'y', true}, {"floor_state", 's', true}};
  const double s = 49;
  for (int r = 0; r < LENGTH(rows); r++) {
    native_output(&native, rows[r].name, x, y, s, out);
    for (int k = 0; k < SAMPLES * ELEMENTS; k++) {
      int n = k / ELEMENTS;
      double below = rows[r].by == 'c'   ? 41
                     : rows[r].by == 'p' ? 8
                     : rows[r].by == 'y' ? y[n]
                     : rows[r].by == 's' ? s
                                         : x[n * ELEMENTS];
      double right = quotient(native.real, x[k], below);
      if (rows[r].floors) right = floor(right);
      ck_assert_msg(out[k] == right, "%s: %.17g by %.17g is %.17g, not %.17g", rows[r].name, x[k], below, out[k],
                    right);
    }
  }
  native_output(&native, "left_sample", x, y, s, out);
  for (int k = 0; k < SAMPLES * ELEMENTS; k++)
    if (k % ELEMENTS % 3 != 2) ck_assert_msg(out[k] == 0, "%.17g %% %.17g is %.17g", x[k], y[k / ELEMENTS], out[k]);
  session_free(native.session);
}
END_TEST

/* A mean is the quotient of a sum too. */
START_TEST(means_of_ones_are_one) {
  enum { SAMPLES = 49 };
  static double x[SAMPLES * ELEMENTS], y[SAMPLES], out[SAMPLES * ELEMENTS];
  Native native = native_of(_i, SAMPLES,
                            "output over_samples = E[x]\noutput over_axis = mean(x)\noutput over_index = mean[i] x[i]");
  for (int k = 0; k < SAMPLES * ELEMENTS; k++) x[k] = 1;
  for (int k = 0; k < SAMPLES; k++) y[k] = 1;
  static const struct {
    const char *name;
    int count;
  } rows[] = {{"over_samples", ELEMENTS}, {"over_axis", SAMPLES}, {"over_index", SAMPLES}};
  for (int r = 0; r < LENGTH(rows); r++) {
    native_output(&native, rows[r].name, x, y, 1, out);
    for (int k = 0; k < rows[r].count; k++) ck_assert_msg(out[k] == 1, "%s of ones is %.17g", rows[r].name, out[k]);
  }
  session_free(native.session);
}
END_TEST

/* ---- what is not a number ---------------------------------------------------------------------------------------- */

typedef enum Rule {
  ANY,
  NOT_FIRST,
  FIRST,
  FIRST_TWO,
  NEVER
} Rule; /* which elements, not being a number, make the result not a number */
typedef struct Case {
  const char *name, *formula;
  Rule rule;
} Case;

static const Case cases[] = {
    {"whole_max", "max(x)", ANY},
    {"whole_min", "min(x)", ANY},
    {"index_max", "index_max(x)", ANY},
    {"index_min", "index_min(x)", ANY},
    {"length", "norm(x)", ANY},
    {"later_max", "later_max(x)", NOT_FIRST},
    {"later_min", "later_min(x)", NOT_FIRST},
    {"finite_max", "finite_max(x)", NEVER},
    {"slope_later", "grad(later_max(x), x)[5]", NOT_FIRST},
    {"pair_max", "max(x[0], x[1])", FIRST_TWO},
    {"pair_min", "min(x[0], x[1])", FIRST_TWO},
    {"above", "max(x[0], 0.5)", FIRST},
    {"above_too", "max(0.5, x[0])", FIRST},
    {"below", "min(x[0], 0.5)", FIRST},
    {"below_too", "min(0.5, x[0])", FIRST},
    {"kept", "clamp(x[0], -1, 1)", FIRST},
    {"rectified", "relu(x[0])", FIRST},
    {"leaky", "x[0] |> leaky_relu(0.2)", FIRST},
    {"size", "abs(x[0])", FIRST},
    {"direction", "sign(x[0])", FIRST},
    {"unit", "normalize(x)[0]", ANY},
    {"soft", "softmax(x)[1]", ANY},
    {"floored", "floor(x[0])", FIRST},
    {"exponential", "elu(x[0])", FIRST},
    {"sigmoid_of", "sigmoid(x[0])", FIRST},
    {"soft_plus", "softplus(x[0])", FIRST},
    {"tanh_of", "tanh(x[0])", FIRST},
    {"root_of", "root(x[0])", FIRST},
    {"less", "if x[0] < x[1] then 1 else 2", NEVER},
    {"not_less", "if not (x[0] < x[1]) then 2 else 1", NEVER},
    {"differs", "if x[0] != x[1] then 2 else 1", NEVER},
    {"slope_max", "grad(max(x), x)[3]", ANY},
    {"slope_pair", "grad(max(x[0], x[1]), x)[1]", FIRST_TWO},
    {"slope_least", "grad(min(x[0], x[1]), x)[0]", FIRST_TWO},
    {"slope_above", "grad(max(x[0], 0.5), x)[0]", FIRST},
    {"slope_size", "grad(abs(x[0]), x)[0]", FIRST},
    {"slope_length", "grad(norm(x), x)[2]", ANY},
};

/* Sample n has something that is no number as its element n; the last samples have none. */
static void check_case(const Native *native, const Case *row, int samples, int offset) {
  double x[(ELEMENTS + 2) * ELEMENTS], y[ELEMENTS + 2] = {0}, out[ELEMENTS + 2];
  for (int n = 0; n < samples; n++)
    for (int i = 0; i < ELEMENTS; i++) x[n * ELEMENTS + i] = i == n + offset ? NAN : (i * 29 % ELEMENTS - 30) / 32.0;
  native_output(native, row->name, x, y, 1, out);
  for (int n = 0; n < samples; n++) {
    int bad = n + offset;
    bool wanted = row->rule == ANY         ? bad < ELEMENTS
                  : row->rule == NOT_FIRST ? bad > 0 && bad < ELEMENTS
                  : row->rule == FIRST     ? bad == 0
                                           : row->rule == FIRST_TWO && bad < 2;
    ck_assert_msg(isnan(out[n]) == wanted, "%s with element %d of %d not a number is %g", row->formula, bad, ELEMENTS,
                  out[n]);
    if (row->rule == NEVER && bad < 2 && row->formula[0] == 'i')
      ck_assert_msg(out[n] == 2, "%s with element %d not a number is %g", row->formula, bad, out[n]);
  }
}

START_TEST(what_is_not_a_number_stays) {
  int machine = _i / 2, samples = _i % 2 == 0 ? ELEMENTS + 2 : 1; /* lanes along the samples, and along the elements */
  const char *text = "fn index_max(x: [n]) = max[i] x[i]\nfn index_min(x: [n]) = min[i] x[i]\n"
                     "fn later_max(x: [n]) = max[i, i > 0] x[i]\nfn later_min(x: [n]) = min[i, i > 0] x[i]\nfn "
                     "finite_max(x: [n]) = max[i, x[i] == x[i]] x[i]";
  Session *texts = session_new();
  for (int k = 0; k < LENGTH(cases); k++)
    text = session_format(texts, "%s\noutput %s = %s", text, cases[k].name, cases[k].formula);
  Native native = native_of(machine, samples, text);
  static const int offsets[] = {0, 1, 2, 15, 31, 32, 63, 64, ELEMENTS - 1, ELEMENTS};
  for (int k = 0; k < LENGTH(cases); k++)
    for (int o = 0; o < (samples == 1 ? LENGTH(offsets) : 1); o++) check_case(&native, &cases[k], samples, offsets[o]);
  session_free(native.session);
  session_free(texts);
}
END_TEST

/* The reference interpreter says the same. */
START_TEST(interpreter_keeps_what_is_not_a_number) {
  static const Operation operations[] = {OP_MAXIMUM, OP_MINIMUM};
  for (int k = 0; k < LENGTH(operations); k++) {
    double (*evaluate)(double, double, double) = operation_rows[operations[k]].evaluate;
    ck_assert(isnan(evaluate(NAN, 1, 0)) && isnan(evaluate(1, NAN, 0)) && isnan(evaluate(NAN, NAN, 0)));
    ck_assert(evaluate(1, 2, 0) + evaluate(2, 1, 0) == (operations[k] == OP_MAXIMUM ? 4 : 2));
  }
  ck_assert(isnan(operation_rows[OP_SIGN].evaluate(NAN, 0, 0)));
}
END_TEST

CHECK_MAIN(.seconds = 240, .tests = {interpreter_keeps_what_is_not_a_number},
           .loops = {{quotients_are_rounded_once, 0, LENGTH(machines)},
                     {means_of_ones_are_one, 0, LENGTH(machines)},
                     {what_is_not_a_number_stays, 0, 2 * LENGTH(machines)}})
