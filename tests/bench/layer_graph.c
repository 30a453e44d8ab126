/* A layer in one direction as a graph: one node by hand, its derivatives by differentiation, then every transform that
   a model goes through. Takes a layer; returns effects. Knows no schedule. */
#include "layer.h"

#include <math.h>

static int64_t or_one(int64_t number) { return number > 0 ? number : 1; }
static int64_t reach(const Layer *layer) { return or_one(layer->dilation) * (layer->kernel - 1) + 1; }

int64_t layer_size_out(const Layer *layer) {
  if (layer->kind == LAYER_TRANSPOSED) return (layer->size - 1) * layer->stride - 2 * layer->padding + reach(layer);
  return (layer->size + 2 * layer->padding - reach(layer)) / layer->stride + 1;
}

/* Along one axis: pairs of a position on the side that has few and a tap that meets the other side. */
static int64_t axis_taps(const Layer *layer) {
  bool transposed = layer->kind == LAYER_TRANSPOSED;
  int64_t few = transposed ? layer->size : layer_size_out(layer),
          many = transposed ? layer_size_out(layer) : layer->size;
  int64_t taps = 0;
  for (int64_t p = 0; p < few; p++)
    for (int64_t u = 0; u < layer->kernel; u++) {
      int64_t at = layer->stride * p + or_one(layer->dilation) * u - layer->padding;
      taps += at >= 0 && at < many;
    }
  return taps;
}

double layer_flops(const Layer *layer) {
  double products = (double)layer->batch * (double)layer->out * (double)(layer->in / or_one(layer->groups));
  if (layer->kind == LAYER_DENSE) return 2 * products;
  double taps = (double)axis_taps(layer);
  return 2 * products * taps * taps;
}

/* ---- the node ---------------------------------------------------------------------------------------------------- */

enum { B, O, P, Q, K, U, V, VARIABLES }; /* of the box */

static Coordinate along(int variable) { return coordinate_variable(variable); }

static Coordinate window(const Layer *layer, int position, int tap) {
  Coordinate at = coordinate_add(coordinate_scale(along(position), layer->stride),
                                 coordinate_scale(along(tap), or_one(layer->dilation)));
  return coordinate_add(at, coordinate_constant(-layer->padding));
}

/* o // m * n + k, as the language says it. */
static Coordinate group_channel(Graph *graph, const Layer *layer) {
  int64_t groups = or_one(layer->groups), in = layer->in / groups, out = layer->out / groups;
  if (groups == 1) return along(K);
  if (out == 1) return coordinate_add(coordinate_scale(along(O), in), along(K));
  const Scalar *group = scalar_apply(
      graph, OP_FLOOR,
      scalar_apply(graph, OP_DIVIDE, scalar_index(graph, O), scalar_constant(graph, (double)out), NULL), NULL, NULL);
  const Scalar *first = scalar_apply(graph, OP_MULTIPLY, group, scalar_constant(graph, (double)in), NULL);
  Coordinate coordinate = coordinate_constant(0);
  coordinate.computed = scalar_apply(graph, OP_ADD, first, scalar_index(graph, K), NULL);
  return coordinate;
}

static const Scalar *read_at(Graph *graph, Node *node, const Coordinate *coordinates) {
  return scalar_read(graph, node, access_new(graph, node->rank, coordinates));
}

/* The tensors of a layer: shapes as models declare them. */
static void layer_inputs(LayerGraph *made, const Layer *layer) {
  int64_t size = layer->size, out = layer_size_out(layer), groups = or_one(layer->groups), kernel = layer->kernel;
  int rank = layer->kind == LAYER_DENSE ? 2 : 4;
  int64_t x[4] = {layer->batch, layer->in, size, size}, y[4] = {layer->batch, layer->out, out, out};
  int64_t w[4] = {layer->out, layer->in / groups, kernel, kernel};
  if (layer->kind == LAYER_TRANSPOSED) w[0] = layer->in, w[1] = layer->out / groups;
  made->x = graph_input(made->graph, "x", rank, x, true, (Span){0});
  made->weights = graph_input(made->graph, "W", rank, w, false, (Span){0});
  made->adjoint = graph_input(made->graph, "dy", rank, y, true, (Span){0});
}

static Node *layer_node(const LayerGraph *made, const Layer *layer) {
  Graph *graph = made->graph;
  bool dense = layer->kind == LAYER_DENSE, transposed = layer->kind == LAYER_TRANSPOSED;
  const Node *y = made->adjoint;
  int64_t few = transposed ? layer->size : y->shape[2], kernel = layer->kernel, out = layer->out;
  int64_t in = layer->in / (transposed ? 1 : or_one(layer->groups)),
          box[VARIABLES] = {layer->batch, out, few, few, in, kernel, kernel};
  Coordinate rows = window(layer, P, U), columns = window(layer, Q, V);
  Coordinate x[4] = {along(B), group_channel(graph, layer), rows, columns},
             w[4] = {along(O), along(K), along(U), along(V)};
  Coordinate write[4] = {along(B), along(O), along(P), along(Q)};
  if (transposed) {
    x[2] = along(P), x[3] = along(Q), write[2] = rows, write[3] = columns;
    w[0] = along(K), w[1] = along(O);
  }
  if (dense) box[P] = box[Q] = box[U] = box[V] = 1;
  const Scalar *product =
      scalar_apply(graph, OP_MULTIPLY, read_at(graph, made->x, x), read_at(graph, made->weights, w), NULL);
  return graph_compute(graph, COMBINE_SUM, VARIABLES, box, 1, access_new(graph, y->rank, write), y->rank, y->shape,
                       true, product, "layer", (Span){0});
}

/* The number whose derivatives by x and W are the layer's, with dy for what comes from above. */
static Node *layer_loss(const LayerGraph *made, Node *y) {
  Graph *graph = made->graph;
  const Access *all = access_identity(graph, y->rank);
  const Scalar *term =
      scalar_apply(graph, OP_MULTIPLY, scalar_read(graph, y, all), scalar_read(graph, made->adjoint, all), NULL);
  return graph_compute(graph, COMBINE_SUM, y->rank, y->shape, 1, access_new(graph, 0, NULL), 0, NULL, false, term,
                       "loss", (Span){0});
}

/* ---- Adam, as the standard library has it ------------------------------------------------------------------------ */

typedef struct Terms {
  Graph *graph;
  const Access *all;
} Terms;

static const Scalar *number(const Terms *t, double value) { return scalar_constant(t->graph, value); }
static const Scalar *apply(const Terms *t, Operation op, const Scalar *a, const Scalar *b) {
  return scalar_apply(t->graph, op, a, b, NULL);
}
static const Scalar *blend(const Terms *t, double keep, const Scalar *old, const Scalar *now) {
  return apply(t, OP_ADD, apply(t, OP_MULTIPLY, number(t, keep), old), apply(t, OP_MULTIPLY, number(t, 1 - keep), now));
}
static const Scalar *correction(const Terms *t, double beta, const Scalar *turn) {
  return apply(t, OP_ADD, number(t, 1), apply(t, OP_NEGATE, apply(t, OP_POWER, number(t, beta), turn), NULL));
}

static Node *state(Graph *graph, const char *name, const Node *like) {
  return graph_input(graph, name, like->rank, like->shape, false, (Span){0});
}

static int layer_adam(LayerGraph *made, Node *gradient, Effect *effects) {
  Graph *graph = made->graph;
  Node *w = made->weights, *first = state(graph, "m", w), *second = state(graph, "v", w);
  Node *count = graph_input(graph, "t", 0, NULL, false, (Span){0});
  Terms terms = {graph, access_identity(graph, w->rank)}, *t = &terms;
  const Scalar *g = scalar_read(graph, gradient, t->all);
  const Scalar *turn = apply(t, OP_ADD, scalar_read(graph, count, access_new(graph, 0, NULL)), number(t, 1));
  Node *m = graph_map(graph, w->rank, w->shape, false, blend(t, 0.5, scalar_read(graph, first, t->all), g), (Span){0});
  const Scalar *square = apply(t, OP_MULTIPLY, g, g);
  Node *v = graph_map(graph, w->rank, w->shape, false, blend(t, 0.999, scalar_read(graph, second, t->all), square),
                      (Span){0});
  const Scalar *up = apply(t, OP_DIVIDE, scalar_read(graph, m, t->all), correction(t, 0.5, turn));
  const Scalar *spread = apply(t, OP_DIVIDE, scalar_read(graph, v, t->all), correction(t, 0.999, turn));
  const Scalar *down = apply(t, OP_ADD, apply(t, OP_SQRT, spread, NULL), number(t, 1e-8));
  const Scalar *step = apply(t, OP_MULTIPLY, number(t, -2e-4), apply(t, OP_DIVIDE, up, down));
  Node *moved =
      graph_map(graph, w->rank, w->shape, false, apply(t, OP_ADD, scalar_read(graph, w, t->all), step), (Span){0});
  effects[0] = (Effect){.target = first, .value = m};
  effects[1] = (Effect){.target = second, .value = v};
  effects[2] = (Effect){.target = w, .value = moved};
  made->result = first;
  return 3;
}

LayerGraph layer_graph(Session *session, const Layer *layer, Direction direction) {
  LayerGraph made = {.graph = graph_new(session)};
  layer_inputs(&made, layer);
  Node *y = layer_node(&made, layer), *value = y;
  Node *by = direction == DIRECTION_DATA ? made.x : made.weights;
  if (direction != DIRECTION_FORWARD) value = graph_grad(made.graph, layer_loss(&made, y), by, (Span){0});
  Effect *effects = session_allocate(session, 3 * sizeof *effects);
  int count = 1;
  if (direction == DIRECTION_WEIGHT && layer->adam) {
    count = layer_adam(&made, value, effects);
  } else {
    made.result = graph_input(made.graph, "result", value->rank, value->shape, value->batch, (Span){0});
    effects[0] = (Effect){.target = made.result, .value = value};
  }
  EffectList list = transform_sums(made.graph, (EffectList){count, effects});
  list = transform_differentiate(made.graph, transform_normalise(made.graph, list));
  made.effects = transform_axes(made.graph, transform_simplify(made.graph, list));
  return made;
}

/* ---- the same by literal loops ----------------------------------------------------------------------------------- */

typedef struct Extent {
  int64_t from, to;
} Extent;

/* Everything that a variable of the node takes, or the one place that the index fixes. */
static Extent whole(int64_t extent) { return (Extent){0, extent}; }
static Extent only(int64_t at) { return (Extent){at, at + 1}; }

double layer_element(const Layer *layer, Direction direction, const LayerGraph *graph, const int64_t *index,
                     ElementOf element, void *context, double *magnitude) {
  bool transposed = layer->kind == LAYER_TRANSPOSED, dense = layer->kind == LAYER_DENSE;
  int64_t groups = or_one(layer->groups), n = layer->in / groups, m = layer->out / groups;
  int64_t many_size = transposed ? layer_size_out(layer) : layer->size;
  int64_t few_size = transposed ? layer->size : layer_size_out(layer);
  bool few_fixed = direction == (transposed ? DIRECTION_DATA : DIRECTION_FORWARD);
  bool many_fixed = direction == (transposed ? DIRECTION_FORWARD : DIRECTION_DATA);
  bool weight = direction == DIRECTION_WEIGHT;
  int64_t fixed[4] = {index[0], index[1], dense ? 0 : index[2], dense ? 0 : index[3]};
  int64_t fixed_out = direction == DIRECTION_FORWARD ? fixed[1] : weight ? fixed[transposed ? 1 : 0] : -1;
  int64_t fixed_in = direction == DIRECTION_DATA ? fixed[1] : weight && transposed ? fixed[0] : -1;
  Extent b = weight ? whole(layer->batch) : only(fixed[0]), o = fixed_out >= 0 ? only(fixed_out) : whole(layer->out);
  Extent k = weight && !transposed ? only(fixed[1]) : whole(n);
  Extent p = few_fixed ? only(fixed[2]) : whole(few_size), q = few_fixed ? only(fixed[3]) : whole(few_size);
  Extent u = weight ? only(fixed[2]) : whole(layer->kernel), v = weight ? only(fixed[3]) : whole(layer->kernel);
  if (dense) u = v = p = q = only(0);
  double total = 0;
  *magnitude = 0;
#define EACH(variable, span) for (int64_t variable = (span).from; variable < (span).to; variable++)
  EACH(ib, b) EACH(io, o) EACH(ik, k) {
    int64_t channel = io / m * n + ik;
    if (fixed_in >= 0 && channel != fixed_in) continue;
    EACH(ip, p) EACH(iu, u) {
      int64_t row = dense ? 0 : layer->stride * ip + or_one(layer->dilation) * iu - layer->padding;
      if (row < 0 || row >= many_size || (many_fixed && row != fixed[2])) continue;
      EACH(iq, q) EACH(iv, v) {
        int64_t column = dense ? 0 : layer->stride * iq + or_one(layer->dilation) * iv - layer->padding;
        if (column < 0 || column >= many_size || (many_fixed && column != fixed[3])) continue;
        int64_t at_x[4] = {ib, channel, transposed ? ip : row, transposed ? iq : column};
        int64_t at_y[4] = {ib, io, transposed ? row : ip, transposed ? column : iq};
        int64_t at_w[4] = {transposed ? channel : io, transposed ? io : ik, iu, iv};
        double left = direction == DIRECTION_DATA ? 1 : element(context, graph->x, at_x);
        double middle = direction == DIRECTION_WEIGHT ? 1 : element(context, graph->weights, at_w);
        double right = direction == DIRECTION_FORWARD ? 1 : element(context, graph->adjoint, at_y);
        total += left * middle * right;
        *magnitude += fabs(left * middle * right);
      }
    }
  }
#undef EACH
  return total;
}
