/* The reference model as graphs, by hand: a generator and a discriminator of dense layers with leaky_relu and dropout,
   two updates by Adam. What the compiler makes of examples/gan.gan, without the language. */
#ifndef SCHEDULE_GAN_H
#define SCHEDULE_GAN_H

#include "compiler/transform/transform.h"
#include "schedule_run.h"

enum { LAYER_LIMIT = 8 };
typedef struct Gan {
  Graph *graph;
  int64_t batch;
  int layers;
  int64_t generator[LAYER_LIMIT + 1], discriminator[LAYER_LIMIT + 1]; /* widths; both have `layers` layers */
  Node *weights[2][LAYER_LIMIT], *biases[2][LAYER_LIMIT], *noise, *data, *rate;
  int streams;
  int effect_count;
  Effect effects[8 * LAYER_LIMIT + 8];
} Gan;

static inline const Scalar *gan_read(Gan *gan, Node *node, int a, int b) {
  Coordinate c[2] = {coordinate_variable(a), coordinate_variable(b)};
  return scalar_read(gan->graph, node, access_new(gan->graph, node->rank, c));
}
static inline const Scalar *gan_apply(Gan *gan, Operation op, const Scalar *a, const Scalar *b) {
  return scalar_apply(gan->graph, op, a, b, NULL);
}
static inline const Scalar *gan_number(Gan *gan, double value) { return scalar_constant(gan->graph, value); }
static inline const Scalar *gan_subtract(Gan *gan, const Scalar *a, const Scalar *b) {
  return gan_apply(gan, OP_ADD, a, gan_apply(gan, OP_NEGATE, b, NULL));
}

static inline Node *gan_linear(Gan *gan, int player, int layer, Node *x) {
  Graph *graph = gan->graph;
  Span span = {0};
  Node *w = gan->weights[player][layer], *b = gan->biases[player][layer];
  int64_t out = w->shape[0], box[3] = {gan->batch, out, w->shape[1]}, shape[2] = {gan->batch, out};
  const Scalar *product = gan_apply(gan, OP_MULTIPLY, gan_read(gan, w, 1, 2), gan_read(gan, x, 0, 2));
  Coordinate write[2] = {coordinate_variable(0), coordinate_variable(1)}, bias = coordinate_variable(1);
  Node *sum =
      graph_compute(graph, COMBINE_SUM, 3, box, 1, access_new(graph, 2, write), 2, shape, true, product, NULL, span);
  return graph_map(graph, 2, shape, true,
                   gan_apply(gan, OP_ADD, gan_read(gan, sum, 0, 1), scalar_read(graph, b, access_new(graph, 1, &bias))),
                   span);
}

static inline Node *gan_leaky(Gan *gan, Node *h) {
  const Scalar *x = gan_read(gan, h, 0, 1), *slope = gan_apply(gan, OP_MULTIPLY, gan_number(gan, 0.2), x);
  return graph_map(gan->graph, 2, h->shape, true,
                   scalar_apply(gan->graph, OP_SELECT, gan_apply(gan, OP_LESS, gan_number(gan, 0), x), x, slope),
                   (Span){0});
}

static inline Node *gan_dropout(Gan *gan, Node *h) {
  Node *u = graph_random(gan->graph, (uint64_t)++gan->streams * 0x9E3779B97F4A7C15u, 0, DISTRIBUTION_UNIFORM, NULL, 2,
                         h->shape, true, (Span){0});
  const Scalar *keep = gan_apply(gan, OP_LESS_EQUAL, gan_number(gan, 0.3), gan_read(gan, u, 0, 1));
  const Scalar *value =
      scalar_apply(gan->graph, OP_SELECT, keep, gan_apply(gan, OP_DIVIDE, gan_read(gan, h, 0, 1), gan_number(gan, 0.7)),
                   gan_number(gan, 0));
  return graph_map(gan->graph, 2, h->shape, true, value, (Span){0});
}

static inline Node *gan_generate(Gan *gan, Node *x) {
  for (int l = 0; l < gan->layers; l++) {
    x = gan_linear(gan, 0, l, x);
    if (l + 1 < gan->layers) x = gan_leaky(gan, x);
  }
  return graph_map(gan->graph, 2, x->shape, true, gan_apply(gan, OP_TANH, gan_read(gan, x, 0, 1), NULL), (Span){0});
}

static inline Node *gan_judge(Gan *gan, Node *x) {
  for (int l = 0; l < gan->layers; l++) {
    x = gan_linear(gan, 1, l, x);
    if (l + 1 < gan->layers) x = gan_dropout(gan, gan_leaky(gan, x));
  }
  return graph_reshape(gan->graph, x, 1, &gan->batch, (Span){0});
}

/* The mean over samples of softplus(sign * d). */
static inline Node *gan_loss(Gan *gan, Node *d, double sign) {
  const Scalar *x = gan_read(gan, d, 0, 0),
               *value = gan_apply(gan, OP_SOFTPLUS, sign < 0 ? gan_apply(gan, OP_NEGATE, x, NULL) : x, NULL);
  int64_t box[1] = {gan->batch};
  Node *sum = graph_compute(gan->graph, COMBINE_SUM, 1, box, 1, access_new(gan->graph, 0, NULL), 0, NULL, false, value,
                            NULL, (Span){0});
  const Scalar *mean = gan_apply(gan, OP_DIVIDE, scalar_read(gan->graph, sum, access_new(gan->graph, 0, NULL)),
                                 gan_number(gan, (double)gan->batch));
  return graph_map(gan->graph, 0, NULL, false, mean, (Span){0});
}

static inline void gan_effect(Gan *gan, Node *target, Node *value) {
  gan->effects[gan->effect_count++] = (Effect){.target = target, .value = value};
}

/* m, v and the weight; the step's number is a state of the player. */
static inline void gan_adam(Gan *gan, Node *w, Node *g, Node *turn) {
  Graph *graph = gan->graph;
  Session *session = graph_session(graph);
  Span span = {0};
  Node *m = graph_input(graph, session_format(session, "%s/m", w->name), w->rank, w->shape, false, span);
  Node *v = graph_input(graph, session_format(session, "%s/v", w->name), w->rank, w->shape, false, span);
  const Access *all = access_identity(graph, w->rank), *none = access_new(graph, 0, NULL);
  const Scalar *grad = scalar_read(graph, g, all);
#define LERP(a, b, keep) \
  gan_apply(gan, OP_ADD, gan_apply(gan, OP_MULTIPLY, gan_number(gan, keep), a), \
            gan_apply(gan, OP_MULTIPLY, gan_number(gan, 1 - keep), b))
  Node *m2 = graph_map(graph, w->rank, w->shape, false, LERP(scalar_read(graph, m, all), grad, 0.5), span);
  Node *v2 = graph_map(graph, w->rank, w->shape, false,
                       LERP(scalar_read(graph, v, all), gan_apply(gan, OP_MULTIPLY, grad, grad), 0.999), span);
#undef LERP
  const Scalar *t = scalar_read(graph, turn, none);
  const Scalar *one = gan_subtract(gan, gan_number(gan, 1), gan_apply(gan, OP_POWER, gan_number(gan, 0.5), t));
  const Scalar *two = gan_subtract(gan, gan_number(gan, 1), gan_apply(gan, OP_POWER, gan_number(gan, 0.999), t));
  const Scalar *root =
      gan_apply(gan, OP_ADD, gan_apply(gan, OP_SQRT, gan_apply(gan, OP_DIVIDE, scalar_read(graph, v2, all), two), NULL),
                gan_number(gan, 1e-8));
  const Scalar *step =
      gan_apply(gan, OP_MULTIPLY, scalar_read(graph, gan->rate, none),
                gan_apply(gan, OP_DIVIDE, gan_apply(gan, OP_DIVIDE, scalar_read(graph, m2, all), one), root));
  gan_effect(gan, m, m2);
  gan_effect(gan, v, v2);
  gan_effect(gan, w,
             graph_map(graph, w->rank, w->shape, false, gan_subtract(gan, scalar_read(graph, w, all), step), span));
}

static inline EffectList gan_update(Gan *gan, int player) {
  Graph *graph = gan->graph;
  gan->effect_count = 0;
  Node *fake = gan_judge(gan, gan_generate(gan, gan->noise)), *loss = gan_loss(gan, fake, player == 0 ? -1 : 1);
  if (player == 1) {
    Node *real = gan_loss(gan, gan_judge(gan, gan->data), -1);
    const Access *none = access_new(graph, 0, NULL);
    loss = graph_map(graph, 0, NULL, false,
                     gan_apply(gan, OP_ADD, scalar_read(graph, loss, none), scalar_read(graph, real, none)), (Span){0});
  }
  const char *turn_name = player == 0 ? "G.t" : "D.t";
  Node *turn = graph_input(graph, turn_name, 0, NULL, false, (Span){0});
  const Access *none = access_new(graph, 0, NULL);
  Node *next = graph_map(graph, 0, NULL, false,
                         gan_apply(gan, OP_ADD, scalar_read(graph, turn, none), gan_number(gan, 1)), (Span){0});
  gan_effect(gan, graph_input(graph, player == 0 ? "G loss" : "D loss", 0, NULL, false, (Span){0}), loss);
  gan_effect(gan, turn, next);
  for (int l = 0; l < gan->layers; l++) {
    Node *w = gan->weights[player][l], *b = gan->biases[player][l];
    gan_adam(gan, w, graph_grad(graph, loss, w, (Span){0}), next);
    gan_adam(gan, b, graph_grad(graph, loss, b, (Span){0}), next);
  }
  Effect *copy = session_allocate(graph_session(graph), (size_t)gan->effect_count * sizeof *copy);
  memcpy(copy, gan->effects, (size_t)gan->effect_count * sizeof *copy);
  EffectList effects = {gan->effect_count, copy};
  return transform_simplify(graph, transform_differentiate(graph, transform_normalise(graph, effects)));
}

static inline void gan_new(Gan *gan, Session *session, int64_t batch, int layers, const int64_t *generator,
                           const int64_t *discriminator) {
  *gan = (Gan){.graph = graph_new(session), .batch = batch, .layers = layers};
  for (int l = 0; l <= layers; l++) gan->generator[l] = generator[l], gan->discriminator[l] = discriminator[l];
  for (int p = 0; p < 2; p++)
    for (int l = 0; l < layers; l++) {
      const int64_t *widths = p == 0 ? generator : discriminator, shape[2] = {widths[l + 1], widths[l]};
      gan->weights[p][l] =
          graph_input(gan->graph, session_format(session, "%c.%d.W", "GD"[p], l), 2, shape, false, (Span){0});
      gan->biases[p][l] =
          graph_input(gan->graph, session_format(session, "%c.%d.b", "GD"[p], l), 1, shape, false, (Span){0});
    }
  int64_t noise[2] = {batch, generator[0]}, data[2] = {batch, discriminator[0]};
  gan->noise = graph_input(gan->graph, "z", 2, noise, true, (Span){0});
  gan->data = graph_input(gan->graph, "x", 2, data, true, (Span){0});
  gan->rate = graph_input(gan->graph, "rate", 0, NULL, false, (Span){0});
}

#endif
