/* Whole models, narrow: every pass leaves the numbers of every routine as they were, round after round; and derivatives
   of every objective at orders 1 and 2 against differences, with decisions taken at the base point. */
#include "expand_check.h"

static const char *const models[] = {"gan",
                                     "wgan",
                                     "wgan_gp",
                                     "ring",
                                     "features",
                                     "../fixtures/dcgan",
                                     "../fixtures/dcgan_wgan_gp",
                                     "groups",
                                     "../values/products",
                                     "../values/outside",
                                     "../values/conditions",
                                     "../values/gradients",
                                     "../values/along_indices",
                                     "../values/calls",
                                     "../values/images_convolutions",
                                     "../values/images_transposed",
                                     "../values/images_resampling",
                                     "../values/images_normalization"};
enum { PLAYER_MODELS = 8 }; /* the first of them have objectives */

/* Two interpreters of one model: one runs the routines as they are, the other what a later pass makes of them. */
static void check_routine(World *world, Interpreter *other, const ModelRoutine *routine, const EffectList *later,
                          double tolerance) {
  const Model *model = world->model;
  for (int k = 0; k < model->tensor_count; k++) {
    Node *input = model->tensors[k].input;
    interpreter_set(other, input, interpreter_value(world->interpreter, input));
  }
  interpreter_draws(other, world_counters(world, routine->ordinal));
  for (int k = 0; k < routine->effects.count; k++) {
    const Effect *effect = &routine->effects.items[k];
    const double *plain = interpreter_value(world->interpreter, effect->value),
                 *simple = interpreter_value(other, later->items[k].value);
    ck_assert_ptr_eq(effect->target, later->items[k].target);
    for (int64_t i = 0; i < node_size(effect->target); i++)
      ck_assert_msg(fabs(plain[i] - simple[i]) <= tolerance * fmax(1, fabs(plain[i])),
                    "%s: %s[%lld] is %.17g and becomes %.17g", routine->name, effect->target->name, (long long)i,
                    plain[i], simple[i]);
  }
}

/* Two rounds of the model: its routines after `before` and after `pass`. */
static void check_numbers(const char *name, EffectList (*before)(Graph *, EffectList),
                          EffectList (*pass)(Graph *, EffectList), double tolerance) {
  World world = {.session = session_new(), .seed = 11};
  world.model = model_read(world.session, name, false);
  Model *model = world.model;
  EffectList *later = calloc((size_t)model->routine_count, sizeof *later);
  for (int r = 0; r < model->routine_count; r++) {
    later[r] = pass(model->graph, model->routines[r].effects);
    ck_assert(graph_verify(model->graph, &later[r], name));
  }
  model_pass(model, before, name);
  world.interpreter = interpreter_new(model->graph);
  Interpreter *other = interpreter_new(model->graph);
  world_begin(&world);
  for (int round = 0; round < 2; round++) {
    for (int r = 0; r < model->routine_count; r++) {
      const ModelRoutine *routine = &model->routines[r];
      DrawCounters counters = world_counters(&world, routine->ordinal);
      for (int k = 0; k < routine->fill_count; k++) world_fill(&world, routine->fills[k], counters);
      interpreter_draws(world.interpreter, counters);
      check_routine(&world, other, routine, &later[r], tolerance);
    }
    world_round(&world);
  }
  for (int k = 0; k < model->tensor_count; k++) {
    const ModelTensor *row = &model->tensors[k];
    if (row->role != ROLE_WEIGHT && row->role != ROLE_STATE && row->role != ROLE_OPTIMIZER_STATE) continue;
    const double *values = interpreter_value(world.interpreter, row->input);
    for (int64_t i = 0; i < node_size(row->input); i++)
      ck_assert_msg(isfinite(values[i]), "%s is %g", row->name, values[i]);
  }
  free(later);
  interpreter_free(other);
  world_free(&world);
}

static EffectList summed(Graph *graph, EffectList effects) {
  return transform_differentiate(graph, transform_sums(graph, effects));
}
static EffectList normalised(Graph *graph, EffectList effects) {
  return transform_differentiate(graph, transform_normalise(graph, transform_sums(graph, effects)));
}
static EffectList simplified(Graph *graph, EffectList effects) {
  return transform_simplify(graph, normalised(graph, effects));
}

static EffectList split(Graph *graph, EffectList effects) { return transform_axes(graph, simplified(graph, effects)); }

/* What vanishes by itself there is nothing here, and so is its rounding. */
START_TEST(sums_keep_numbers) { check_numbers(models[_i], transform_differentiate, summed, 1e-10); }
END_TEST

START_TEST(normalise_keeps_numbers) { check_numbers(models[_i], summed, normalised, 1e-12); }
END_TEST

START_TEST(simplify_keeps_numbers) { check_numbers(models[_i], normalised, simplified, 1e-12); }
END_TEST

START_TEST(axes_keep_numbers) { check_numbers(models[_i], simplified, split, 1e-12); }
END_TEST

/* ---- derivatives ------------------------------------------------------------------------------------------------- */

typedef struct Point {
  int count;
  double **value, **speed;
} Point; /* by pair of the diagnosis: where its weight stands, how fast it moves */

static void place(World *world, const ModelDiagnosis *diagnosis, const Point *point, double step) {
  for (int k = 0; k < diagnosis->pair_count; k++) {
    Node *weight = world->model->tensors[diagnosis->pairs[k].weight].input;
    double *values = malloc((size_t)node_size(weight) * sizeof *values);
    for (int64_t i = 0; i < node_size(weight); i++) values[i] = point->value[k][i] + step * point->speed[k][i];
    interpreter_set(world->interpreter, weight, values);
    free(values);
  }
}

static double product(World *world, const ModelDiagnosis *diagnosis, const Point *point, bool second) {
  double sum = 0;
  for (int k = 0; k < diagnosis->pair_count; k++) {
    const ModelPair *pair = &diagnosis->pairs[k];
    Node *node = world->model->tensors[second ? pair->second : pair->gradient].input;
    const double *values = interpreter_value(world->interpreter, node);
    for (int64_t i = 0; i < node_size(node); i++) sum += values[i] * point->speed[k][i];
  }
  return sum;
}

static double measure(World *world, const ModelDiagnosis *diagnosis, const Point *point, double step, int order) {
  place(world, diagnosis, point, step);
  world_run(world, order == 0 ? diagnosis->value_routine : diagnosis->gradient_routine);
  if (order == 0) return *interpreter_value(world->interpreter, world->model->tensors[diagnosis->value].input);
  return product(world, diagnosis, point, false);
}

/* The relative error of the derivative of this order along the speeds. */
static double error_of(World *world, const ModelDiagnosis *diagnosis, const Point *point, int order) {
  const double step = 1e-4;
  double difference = 0;
  static const struct {
    double at, weight;
  } stencil[] = {{1, 8.0 / 12}, {-1, -8.0 / 12}, {2, -1.0 / 12}, {-2, 1.0 / 12}};
  for (int k = 0; k < LENGTH(stencil); k++)
    difference += stencil[k].weight / step * measure(world, diagnosis, point, stencil[k].at * step, order - 1);
  place(world, diagnosis, point, 0);
  world_run(world, order == 1 ? diagnosis->gradient_routine : diagnosis->second_routine);
  double symbolic = product(world, diagnosis, point, order == 2);
  ck_assert_msg(isfinite(symbolic) && isfinite(difference), "order %d: %g and %g", order, symbolic, difference);
  return fabs(symbolic - difference) / fmax(fmax(fabs(symbolic), fabs(difference)), 1e-3);
}

/* Worst errors of orders 1 and 2 over all objectives of a model. */
static void check_derivatives(const char *name, const char *text, Operation broken, double worst[2]) {
  World world = {.session = session_new(), .seed = 5};
  world.model = text == NULL ? model_read(world.session, name, true)
                             : model_expand(world.session, name, text, strlen(text), true);
  model_must(world.session, world.model, name);
  transform_break_derivative(world.model->graph, broken);
  model_differentiate(world.model);
  model_pass(world.model, transform_simplify, "simplify");
  world.interpreter = interpreter_new(world.model->graph);
  world_begin(&world);
  Random random = {3};
  worst[0] = worst[1] = 0;
  ck_assert_int_gt(world.model->diagnosis_count, 0);
  for (int d = 0; d < world.model->diagnosis_count; d++) {
    const ModelDiagnosis *diagnosis = &world.model->diagnoses[d];
    ck_assert_int_gt(diagnosis->pair_count, 0);
    Point point = {diagnosis->pair_count, calloc((size_t)diagnosis->pair_count, sizeof(double *)),
                   calloc((size_t)diagnosis->pair_count, sizeof(double *))};
    for (int k = 0; k < point.count; k++) {
      Node *weight = world.model->tensors[diagnosis->pairs[k].weight].input;
      point.value[k] = random_values(&random, weight, -0.7, 0.7);
      point.speed[k] = random_values(&random, weight, -1, 1);
      interpreter_set(world.interpreter, world.model->tensors[diagnosis->pairs[k].direction].input, point.speed[k]);
    }
    place(&world, diagnosis, &point, 0);
    if (diagnosis->base_routine >= 0) world_run(&world, diagnosis->base_routine);
    for (int order = 1; order <= 2; order++)
      worst[order - 1] = fmax(worst[order - 1], error_of(&world, diagnosis, &point, order));
    for (int k = 0; k < point.count; k++) free(point.value[k]), free(point.speed[k]);
    free(point.value), free(point.speed);
  }
  world_free(&world);
}

START_TEST(derivatives) {
  double worst[2];
  check_derivatives(models[_i], NULL, OP_COUNT, worst);
  ck_assert_msg(worst[0] <= 1e-6 && worst[1] <= 1e-5, "%s: relative errors %g and %g", models[_i], worst[0], worst[1]);
}
END_TEST

/* ---- the standard library, item by item -------------------------------------------------------------------------- */

/* Each is a network's body on x: [2, 3] and w, a tensor of weights of the same shape; its mean square is the
   objective. */
static const char *const items[] = {
    "identity(w)",
    "relu(w)",
    "leaky_relu(0.3)(w)",
    "w |> leaky_relu",
    "elu(w)",
    "gelu(w)",
    "silu(w)",
    "softplus(3*w)",
    "logit(sigmoid(w))",
    "clamp(w, -0.2, 0.3)",
    "lerp(w, w^2, 0.3)",
    "sumsq(w)",
    "dot(w, x)",
    "root(sumsq(w))",
    "root(w)",
    "norm(w)",
    "normalize(w)",
    "cosine(w, x)",
    "variance(w)",
    "standardize(w)",
    "log_sum_exp(w)",
    "softmax(w)",
    "matmul(w, transpose(x))",
    "transpose(w)",
    "product([1, 2]) * w",
    "tail([x, w, w*x])[0]",
    "factorial(3) * w",
    "last([x, w])",
    "flatten(w)",
    "scalar(reshape(w[0, 0], [1]))",
    "as_matrix(w)",
    "concat(w, x)",
    "fill(w[0, 1], [2])",
    "w[0] |> Linear(4)",
    "w[0] |> Linear(4, bias = false, init = he)",
    "w[0] |> Linear(2, init = glorot(2), scaled = softmax)",
    "w[0] |> Linear(2, init = orthogonal)",
    "w[0] |> Maxout(3, 2)",
    "w |> PReLU",
    "w |> Dropout",
    "Dropout(0.3)(w)",
    "real_loss(w)",
    "fake_loss(w)",
    "hinge_real(3*w)",
    "hinge_fake(3*w)",
    "cross_entropy(w[0], d)",
    "binary_cross_entropy(w, 0.3)",
    "gaussian_loss(x, w, w^2)",
    "l1(w, x)",
    "l2(w, x)",
    "w*x |> BatchStandard",
    "w |> Affine",
    "w*x |> BatchNorm",
    "w*x |> BatchNorm(momentum = 0.5, init = constantly(0.5))",
    "w |> LayerNorm",
    "[w, x] |> InstanceNorm",
    "[w, w*x] |> InstanceNorm(0.1, affine = true)",
    "[w, x, w*x, w^2] |> GroupNorm(2)",
    "[w, w*x] |> GroupNorm(1, affine = false)",
    "[w, x*w] |> BatchNorm",
    "[w, x] |> Conv(3, 2)",
    "[w, x] |> Conv(1, [1, 2], [2, 1], [1, 0], bias = false, init = he, scaled = tanh)",
    "[w, x] |> Conv(2, 2, pad = 1, dilation = [3, 2])",
    "[w, x, w*x, w^2] |> Conv(6, [2, 1], groups = 2)",
    "[w, x] |> Conv(2, 3, pad = 1, groups = 2)",
    "[w, x] |> ConvTranspose(3, 2)",
    "[w, x] |> ConvTranspose(1, [1, 3], 2, [0, 1], 1, bias = false, init = he, scaled = tanh)",
    "[w, x] |> ConvTranspose(2, 2, [1, 3], 0, [0, 2], dilation = [2, 1])",
    "[w, x, w*x, w^2] |> ConvTranspose(6, [2, 1], groups = 2)",
    "[w, x] |> AvgPool(2, 1, [1, 0])",
    "[w, w*x] |> AvgPool([2, 1])",
    "[w, x] |> MaxPool(2, 1, 1)",
    "[w, w*x] |> MaxPool([2, 1])",
    "[w, w*x] |> Upsample",
    "[w, w*x] |> Upsample([1, 3], \"bilinear\")",
    "onehot(d) + w[1]",
    "gradient_penalty(slant, x + w, 2*w)",
    "slope(slant, w)",
    "linear_decay(w, -1, 1)",
    "cosine_ramp(w, 1, 2)",
    "exp(w) + log(w^2 + 1) + sqrt(w^2 + 1) + abs(w) + sign(w) + sin(w) + cos(w)",
    "tanh(w) + sigmoid(w) + erf(w) + floor(w) * w + ceil(w) * w + round(w) * w + log2(w^2 + 1)",
    "max(w, x) + min(w, x) + max(w) + min(w) + mean(w)",
    "2^w + (w^2 + 1)^w + w^3 + (w^2 + 1)^-1.5",
    "sgd(0.1, 0.5)(w, w^2)",
    "rmsprop(0.1)(w, w^2 + 0.1)",
    "adam(0.1)(w, w^2 + 0.1)",
    "adamw(0.1)(w, w^2 + 0.1)",
    "clipped(0.1, sgd(0.1))(w, w^2, [w^2, w])",
    "w^2 * constant(w)",
    "w + constant(round(3*w) - w)",
    "tanh(w) * constant(max(w, constant(x * w)))",
    "w^2 * constant(grad(sum(tanh(w)^2), w))",
    "grad(sum(w^3 * constant(w)), w)",
    "w % 0.3 + w // 0.3 * w",
    "if w > 0 and not (w > 0.3) or w == 0 then w^2 else x*w",
    "if w in -0.3..0.3 then w^2 else -w",
};

START_TEST(library) {
  Session *session = session_new();
  const char *text = session_format(session,
                                    "data x: [2, 3] in -1..1\nnoise d: class[3] ~ uniform\nfn slant(v) = sum(v * [[1, "
                                    "2, 3], [-1, 0.5, 2]])^2 + sum(tanh(v))\n"
                                    "network N(x: [2, 3], d: class[3]) {\n  weight w: [2, 3] ~ uniform(-1, 1)\n  "
                                    "%s\n}\nN minimizes E[mean((N(x, d) + 0.1)^2)]\n"
                                    "train { batch = 3; optimize N by sgd(lr = 0.1); update N }\n",
                                    items[_i]);
  double worst[2];
  check_derivatives(items[_i], text, OP_COUNT, worst);
  ck_assert_msg(worst[0] <= 1e-6 && worst[1] <= 1e-5, "%s: relative errors %g and %g", items[_i], worst[0], worst[1]);
  session_free(session);
}
END_TEST

/* A wrong derivative is seen. */
START_TEST(broken) {
  static const Operation operations[] = {OP_TANH, OP_EXP, OP_MULTIPLY};
  static const char *const where[] = {"gan", "features", "wgan_gp"};
  double worst[2];
  check_derivatives(where[_i], NULL, operations[_i], worst);
  ck_assert_msg(worst[0] > 1e-3, "%s: relative error %g", where[_i], worst[0]);
}
END_TEST

CHECK_MAIN(.loops = {{sums_keep_numbers, 0, LENGTH(models)},
                     {normalise_keeps_numbers, 0, LENGTH(models)},
                     {simplify_keeps_numbers, 0, LENGTH(models)},
                     {axes_keep_numbers, 0, LENGTH(models)},
                     {derivatives, 0, PLAYER_MODELS},
                     {library, 0, LENGTH(items)},
                     {broken, 0, 3}})
