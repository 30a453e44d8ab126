/* Nodes of the contractions that graph_contractions.h draws: inputs, what factors are read through, the sum itself,
   what becomes of it. */
#ifndef GRAPH_CONTRACTION_NODES_H
#define GRAPH_CONTRACTION_NODES_H

#include "graph_contractions.h"

typedef struct Places {
  int count, batch, group, row, sum, inner, outer[DIMENSIONS], tap[DIMENSIONS], second[DIMENSIONS];
  int64_t box[BOX_LIMIT];
} Places;

typedef struct Part {
  int rank;
  Coordinate at[RANK_LIMIT];
  int64_t shape[RANK_LIMIT];
  bool batch;
  int channel; /* the axis of its channels */
} Part;

enum { OPERANDS = 16 };
typedef struct Contracted {
  Node *sum;    /* the contraction alone */
  Node *result; /* after the epilogue */
  int statistic_count, factor_count, operand_count;
  Node *statistics[2];
  Node *factors[FACTORS];   /* inputs: what derivatives are by */
  Node *operands[OPERANDS]; /* all inputs, these first */
} Contracted;

static inline int new_place(Places *places, int64_t extent) {
  places->box[places->count] = extent;
  return places->count++;
}

static inline Places contraction_places(const Contraction *c) {
  Places places = {.batch = -1, .group = -1, .inner = -1};
  if (c->batch > 0) places.batch = new_place(&places, c->batch);
  Random random = {c->arrangement};
  bool late = c->arrangement != 0 && random_chance(&random, 50); /* summed channels inside of taps */
  if (c->groups > 1) places.group = new_place(&places, c->groups);
  places.row = new_place(&places, c->rows);
  if (!late) places.sum = new_place(&places, c->sums);
  for (int d = 0; d < c->dimensions; d++) places.outer[d] = new_place(&places, c->windows[d].outer);
  for (int d = 0; d < c->dimensions; d++) {
    places.tap[d] = c->windows[d].plain ? -1 : new_place(&places, c->windows[d].taps);
    places.second[d] = c->windows[d].second_taps > 1 ? new_place(&places, c->windows[d].second_taps) : -1;
  }
  if (late) places.sum = new_place(&places, c->sums);
  if (c->inner > 0) places.inner = new_place(&places, c->inner);
  return places;
}

static inline void part_axis(Part *part, Coordinate coordinate, int64_t extent) {
  part->at[part->rank] = coordinate;
  part->shape[part->rank++] = extent;
}

static inline void part_variable(Part *part, const Places *places, int variable) {
  if (variable >= 0) part_axis(part, at(variable), places->box[variable]);
}

static inline void part_channels(Part *part, const Contraction *c, const Places *places, int variable) {
  if (c->joined && places->group >= 0) {
    int64_t extent = places->box[variable];
    part_axis(part, sum_at(affine_at(places->group, extent, 0), at(variable)), c->groups * extent);
  } else {
    part_variable(part, places, places->group);
    part_variable(part, places, variable);
  }
  part->channel = part->rank - 1;
}

static inline void part_window(Part *part, const Window *window, const Places *places, int d) {
  Coordinate at_window = affine_at(places->outer[d], window->stride, -window->before);
  int64_t sign = window->flipped ? -1 : 1;
  if (window->flipped) at_window = sum_at(at_window, constant_at(window->dilation * (window->taps - 1)));
  at_window = sum_at(at_window, affine_at(places->tap[d], sign * window->dilation, 0));
  if (places->second[d] >= 0) at_window = sum_at(at_window, affine_at(places->second[d], window->further, 0));
  part_axis(part, at_window, window->image);
}

/* What the part without the window has in its place. */
static inline void part_outer(Part *part, const Window *window, const Places *places, int d) {
  if (window->spread) return;
  Coordinate outer = at(places->outer[d]);
  if (window->crossed > 0) outer = sum_at(outer, affine_at(places->tap[d], window->crossed, 0));
  part_axis(part, outer, window->outer + window->crossed * (window->taps - 1));
}

static inline void part_swap(Part *part, int a, int b) {
  Coordinate coordinate = part->at[a];
  int64_t extent = part->shape[a];
  part->at[a] = part->at[b], part->shape[a] = part->shape[b];
  part->at[b] = coordinate, part->shape[b] = extent;
  part->channel = part->channel == a ? b : part->channel == b ? a : part->channel;
}

static inline Part contraction_part(const Contraction *c, const Places *places, int which) {
  Part part = {.batch = c->batch > 0 && c->sampled[which]};
  if (part.batch) part_variable(&part, places, places->batch);
  int first = part.rank;
  part_channels(&part, c, places, which != PART_X ? places->row : places->inner >= 0 ? places->inner : places->sum);
  if (which == PART_W) part_variable(&part, places, places->sum);
  for (int d = 0; d < c->dimensions; d++) {
    if (which == PART_W) {
      if (!c->windows[d].even) part_variable(&part, places, places->tap[d]);
      part_variable(&part, places, places->second[d]);
    } else if (!c->windows[d].plain && which == (c->windows[d].turned ? PART_Y : PART_X))
      part_window(&part, &c->windows[d], places, d);
    else part_outer(&part, &c->windows[d], places, d);
  }
  Random random = {c->arrangement + (uint64_t)which};
  if (c->arrangement != 0 && random_chance(&random, 60))
    for (int d = part.rank - 1; d > first; d--) part_swap(&part, d, (int)random_integer(&random, first, d));
  return part;
}

static inline Node *contracted_input(Graph *g, Contracted *made, const char *name, int rank, const int64_t *shape,
                                     bool batch) {
  return made->operands[made->operand_count++] = graph_input(g, name, rank, shape, batch, SPAN);
}

/* A number by channel, at a point of the part. */
static inline const Scalar *by_channel(Graph *g, Contracted *made, const char *name, const Part *part) {
  Node *node = contracted_input(g, made, name, 1, &part->shape[part->channel], false);
  return READ(g, node, at(part->channel));
}

/* relu and leaky relu as the language spells them; the slope is exact in float32 */
static inline const Scalar *positive_part(Graph *g, const Scalar *a) { return binary(g, OP_MAXIMUM, a, number(g, 0)); }
static inline const Scalar *leaky(Graph *g, const Scalar *a) {
  return choose(g, binary(g, OP_LESS, number(g, 0), a), a, multiply(g, number(g, 0.25), a));
}

/* Two values of which one lies behind the other along the channels. */
static inline const Scalar *joined_value(Graph *g, Contracted *made, Node *first, const Part *part, const char *name) {
  int64_t shape[RANK_LIMIT], length = first->shape[part->channel];
  Coordinate behind[RANK_LIMIT];
  for (int d = 0; d < part->rank; d++) shape[d] = part->shape[d], behind[d] = at(d);
  shape[part->channel] -= length;
  behind[part->channel] = affine_at(part->channel, 1, -length);
  Node *second =
      contracted_input(g, made, session_format(graph_session(g), "%s behind", name), part->rank, shape, part->batch);
  return add(g, all(g, first), scalar_read(g, second, access_new(g, part->rank, behind)));
}

/* A sample's numbers, or all where there are none, as one axis. */
static inline Part flat_part(const Part *part) {
  Part flat = {.batch = part->batch, .channel = part->batch};
  int64_t rest = 1;
  for (int d = part->batch; d < part->rank; d++) rest *= part->shape[d];
  if (part->batch) part_axis(&flat, at(0), part->shape[0]);
  part_axis(&flat, at(part->batch), rest);
  return flat;
}

static inline Node *reshaped_factor(Graph *g, Contracted *made, const Part *part, const char *name) {
  Part flat = flat_part(part);
  Node *x = contracted_input(g, made, name, flat.rank, flat.shape, flat.batch);
  made->factors[made->factor_count++] = x;
  return graph_reshape(g, x, part->rank, part->shape, SPAN);
}

/* The node that a factor reads: an input, or a map of it. */
static inline Node *contracted_factor(Graph *g, Contracted *made, Prologue prologue, const Part *part,
                                      const char *name) {
  int64_t shape[RANK_LIMIT];
  for (int d = 0; d < part->rank; d++) shape[d] = part->shape[d];
  if (prologue == READ_RESHAPED) return reshaped_factor(g, made, part, name);
  if (prologue == READ_JOINED && shape[part->channel] > 1) shape[part->channel] = (shape[part->channel] + 1) / 2;
  Node *x = contracted_input(g, made, name, part->rank, shape, part->batch);
  made->factors[made->factor_count++] = x;
  const Scalar *value = all(g, x);
  Session *session = graph_session(g);
  switch (prologue) {
  case READ_RELU: value = positive_part(g, value); break;
  case READ_LEAKY: value = leaky(g, value); break;
  case READ_TANH: value = unary(g, OP_TANH, value); break;
  case READ_SCALED:
    value = multiply(g, value, by_channel(g, made, session_format(session, "%s scale", name), part));
    value = add(g, value, by_channel(g, made, session_format(session, "%s shift", name), part));
    break;
  case READ_JOINED:
    if (part->shape[part->channel] == shape[part->channel]) return x;
    value = joined_value(g, made, x, part, name);
    break;
  default: return x;
  }
  return graph_map(g, part->rank, part->shape, part->batch, value, SPAN);
}

static inline const Scalar *third_factor(Graph *g, Contracted *made, const Contraction *c, const Places *places) {
  Part part = {.batch = (c->third & OF_BATCH) != 0 && c->batch > 0};
  if (part.batch) part_variable(&part, places, places->batch);
  if ((c->third & OF_GROUP) != 0) part_variable(&part, places, places->group);
  if ((c->third & OF_ROW) != 0) part_variable(&part, places, places->row);
  if ((c->third & OF_SUM) != 0) part_variable(&part, places, places->sum);
  part_variable(&part, places, places->inner);
  if ((c->third & OF_OUTER) != 0 && c->dimensions > 0) part_variable(&part, places, places->outer[0]);
  Node *s = contracted_factor(g, made, READ_PLAIN, &part, "s");
  return scalar_read(g, s, access_new(g, part.rank, part.at));
}

/* The sum of value over all axes but the channel's. */
static inline Node *channel_sum(Graph *g, const Part *part, const Scalar *value) {
  return graph_compute(g, COMBINE_SUM, part->rank, part->shape, part->batch, ACCESS(g, at(part->channel)), 1,
                       &part->shape[part->channel], false, value, NULL, SPAN);
}

static inline const Scalar *normalised_value(Graph *g, const Part *part, Node *y) {
  const Scalar *share = number(g, (double)part->shape[part->channel] / (double)node_size(y));
  int64_t *channels = &y->shape[part->channel];
  Node *sum = channel_sum(g, part, all(g, y)),
       *mean = graph_map(g, 1, channels, false, multiply(g, share, all(g, sum)), SPAN);
  const Scalar *centred = subtract(g, all(g, y), READ(g, mean, at(part->channel)));
  Node *squares = channel_sum(g, part, multiply(g, centred, centred));
  const Scalar *variance = add(g, multiply(g, share, all(g, squares)), number(g, 0.5));
  Node *deviation = graph_map(g, 1, channels, false, unary(g, OP_SQRT, variance), SPAN);
  return unary(g, OP_TANH, divide(g, centred, READ(g, deviation, at(part->channel))));
}

/* Masks are compared exactly, so nothing that rounds may stand in front of them. */
static inline bool contraction_rounds(const Contraction *c) {
  for (int p = 0; p < PART_COUNT; p++)
    if (p != c->result && c->prologue[p] == READ_TANH) return true;
  return false;
}

static inline const Scalar *epilogue_value(Graph *g, Contracted *made, const Contraction *c, const Part *part) {
  Node *y = made->sum;
  const Scalar *value = all(g, y);
  Epilogue epilogue = c->epilogue;
  if ((epilogue == MAKE_RELU || epilogue == MAKE_LEAKY) && contraction_rounds(c)) epilogue = MAKE_TANH;
  switch (epilogue) {
  case MAKE_RELU:
  case MAKE_LEAKY:
  case MAKE_TANH:
    value = add(g, value, by_channel(g, made, "bias", part));
    return epilogue == MAKE_RELU    ? positive_part(g, value)
           : epilogue == MAKE_LEAKY ? leaky(g, value)
                                    : unary(g, OP_TANH, value);
  case MAKE_RESIDUAL:
    return add(g, value, all(g, contracted_input(g, made, "residual", part->rank, part->shape, part->batch)));
  case MAKE_STATISTICS:
    made->statistics[made->statistic_count++] = channel_sum(g, part, value);
    made->statistics[made->statistic_count++] = channel_sum(g, part, multiply(g, value, value));
    return value;
  case MAKE_FLAT: return multiply(g, value, by_channel(g, made, "feature", part));
  case MAKE_NORMALISED: return normalised_value(g, part, y);
  default: return value;
  }
}

static inline Contracted contraction_build(Graph *g, const Contraction *c) {
  static const char *const names[PART_COUNT] = {"x", "w", "y"};
  Places places = contraction_places(c);
  Contracted made = {0};
  const Scalar *value = NULL;
  for (int p = 0; p < PART_COUNT; p++) {
    if (p == c->result) continue;
    Part part = contraction_part(c, &places, p);
    Node *factor = contracted_factor(g, &made, c->prologue[p], &part, names[p]);
    const Scalar *read = scalar_read(g, factor, access_new(g, part.rank, part.at));
    value = value == NULL ? read : multiply(g, value, read);
  }
  if (c->third != 0) value = multiply(g, value, third_factor(g, &made, c, &places));
  Part part = contraction_part(c, &places, c->result);
  made.sum = graph_compute(g, c->combine, places.count, places.box, c->batch > 0 ? 1 : 0,
                           access_new(g, part.rank, part.at), part.rank, part.shape, part.batch, value, NULL, SPAN);
  made.result = made.sum;
  if (c->epilogue == MAKE_FLAT) {
    part = flat_part(&part);
    made.sum = graph_reshape(g, made.sum, part.rank, part.shape, SPAN);
  }
  if (c->epilogue != MAKE_PLAIN)
    made.result = graph_map(g, part.rank, part.shape, part.batch, epilogue_value(g, &made, c, &part), SPAN);
  return made;
}

/* A number, read; an input of the shape of `like`. */
static inline const Scalar *number_at(Graph *g, Node *node) { return scalar_read(g, node, access_new(g, 0, NULL)); }
static inline Node *input_like(Graph *g, const char *name, const Node *like) {
  return graph_input(g, name, like->rank, like->shape, like->batch, SPAN);
}

#endif
