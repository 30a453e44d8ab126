/* Random contractions for tests: a sum (or maximum) of products of two or three factors with affine coordinates.

   All of them are one form with three parts, x[b, g, k, window], w[g, m, k, taps] and y[b, g, m, outer], of which two
   are factors and the third is the result. In every dimension either x or y has the window

       stride * outer + dilation * tap + further * second tap - before

   and the other one has `outer`. So the same few numbers say a convolution in each of its three directions, transposed
   or not, by dimension; dense layers in theirs; grouped, depthwise and per-sample ones; attention; pooling. */
#ifndef GRAPH_CONTRACTIONS_H
#define GRAPH_CONTRACTIONS_H

#include "graph_check.h"

enum { PART_X, PART_W, PART_Y, PART_COUNT };
enum { DIMENSIONS = 3, FACTORS = 3 };

typedef struct Window {
  int64_t outer, taps, stride, dilation, before, image;
  int64_t second_taps, further; /* 1 tap: there is no second one */
  bool plain;                   /* x and y have `outer`, w has nothing: positions of attention */
  bool turned;                  /* y has the window */
  bool flipped;                 /* the taps count backwards */
  bool even;                    /* w is the same for all taps: an average */
  bool spread;                  /* the part with `outer` is the same everywhere */
  int64_t crossed;              /* 0, or: that part has outer + crossed * tap */
} Window;

/* What a factor is read through. */
typedef enum Prologue {
  READ_PLAIN,
  READ_RELU,
  READ_LEAKY,
  READ_TANH,
  READ_SCALED,
  READ_JOINED,
  READ_RESHAPED,
  PROLOGUES
} Prologue;
/* What becomes of the result. */
typedef enum Epilogue {
  MAKE_PLAIN,
  MAKE_RELU, /* after a bias, like the next two */
  MAKE_LEAKY,
  MAKE_TANH,
  MAKE_RESIDUAL,   /* another value is added */
  MAKE_STATISTICS, /* sums of it and of its squares by channel, besides */
  MAKE_NORMALISED, /* by its own mean and variance by channel; then tanh */
  MAKE_FLAT,       /* one axis of a sample's numbers, each with a factor of its own */
  EPILOGUES
} Epilogue;

enum { OF_BATCH = 1, OF_GROUP = 2, OF_ROW = 4, OF_SUM = 8, OF_OUTER = 16 };

typedef struct Contraction {
  int64_t batch; /* 0: no batch */
  bool sampled[PART_COUNT];
  int64_t groups, rows, sums;
  bool joined; /* groups and channels of x and y are one axis */
  int dimensions;
  Window windows[DIMENSIONS];
  int result; /* the part that is computed */
  Combine combine;
  int third;     /* the variables of a third factor: a set of OF_…, 0 for none */
  int64_t inner; /* 0, or: x has so many channels, and the third factor leads from these to `sums`: a chain of products,
                    as weights of low rank are */
  Prologue prologue[PART_COUNT];
  Epilogue epilogue;
  uint64_t arrangement; /* of axes and variables; 0: as they are written above */
} Contraction;

static inline bool random_chance(Random *random, int percent) { return random_integer(random, 0, 99) < percent; }

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

#define ANY_OF(random, ...) \
  (((const int64_t[]){__VA_ARGS__})[random_integer(random, 0, LENGTH(((const int64_t[]){__VA_ARGS__})) - 1)])

static inline int64_t random_channels(Random *random) {
  if (random_chance(random, 20)) return random_integer(random, 24, 70);
  if (random_chance(random, 22)) return ANY_OF(random, 1, 3);
  return ANY_OF(random, 2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 16, 17, 19, 20);
}

static inline Window random_window(Random *random, int dimensions) {
  int64_t taps = ANY_OF(random, 1, 2, 2, 3, 3, 3, 4, 4, 5);
  return (Window){.outer = random_integer(random, 1, 14),
                  .taps = dimensions == 3 && taps > 3 && random_chance(random, 80) ? 2 : taps,
                  .stride = ANY_OF(random, 1, 1, 1, 2, 2, 3),
                  .dilation = ANY_OF(random, 1, 1, 1, 2, 2, 3),
                  .second_taps = 1,
                  .further = 1,
                  .flipped = random_chance(random, 10)};
}

/* Borders, and the extent that is left of what the window reaches. */
static inline void place_window(Random *random, Window *window) {
  int64_t reach = window->dilation * (window->taps - 1), natural = window->stride * (window->outer - 1) + reach + 1;
  natural += window->further * (window->second_taps - 1);
  if (random_chance(random, 6)) { /* hardly anything of it is inside */
    window->image = random_integer(random, 1, reach > 2 ? reach : 2);
    window->before = random_integer(random, 0, reach + window->stride);
    return;
  }
  int64_t border = random_chance(random, 80) ? (reach + 1) / 2 : reach,
          after = random_chance(random, 60) ? random_integer(random, 0, border) : 0;
  window->before = random_chance(random, 60) ? random_integer(random, 0, border) : random_chance(random, 8) ? -1 : 0;
  window->image = natural - window->before - after + random_integer(random, 0, window->stride - 1);
  if (window->image < 1) window->image = 1;
}

static inline int64_t contraction_points(const Contraction *c) {
  int64_t points = (c->batch > 0 ? c->batch : 1) * c->groups * c->rows * c->sums * (c->inner > 0 ? c->inner : 1);
  for (int d = 0; d < c->dimensions; d++)
    points *= c->windows[d].outer * c->windows[d].taps * c->windows[d].second_taps;
  return points;
}

/* Halves one extent after another until there are at most so many points: seldom the samples or the taps; of some, not
   the channels. */
static inline void trim_contraction(Random *random, Contraction *c, int64_t budget) {
  int64_t channels = random_chance(random, 35) && budget > 2000 ? 15 : 1;
  while (contraction_points(c) > budget) {
    int d = c->dimensions == 0 ? 0 : (int)random_integer(random, 0, c->dimensions - 1);
    int64_t *extents[] = {&c->groups, &c->rows, &c->sums, &c->windows[d].outer, &c->windows[d].taps, &c->batch};
    int which = (int)random_integer(random, 0, 2);
    if (c->windows[d].outer > 3 || random_chance(random, 10)) which = 3;
    if (random_chance(random, 10)) which = (int)random_integer(random, 4, 5);
    if (*extents[which] > (which == 1 || which == 2 ? channels : 1)) *extents[which] = (*extents[which] + 1) / 2;
  }
}

static inline int random_dimensions(Random *random) { return (int)ANY_OF(random, 1, 2, 2, 2, 3, 3); }

static inline void draw_form(Random *random, Contraction *c) {
  int64_t form = random_integer(random, 0, 99);
  c->dimensions = random_dimensions(random);
  if (form < 14) c->dimensions = 0;                             /* dense */
  else if (form < 26) c->groups = random_integer(random, 2, 4); /* grouped */
  else if (form < 36) {                                         /* depthwise */
    c->groups = random_channels(random), c->sums = 1, c->rows = random_chance(random, 25) ? 2 : 1;
  } else if (form < 43) c->sampled[PART_W] = true; /* weights of each sample's own */
  else if (form < 52) {                            /* attention, over one axis of positions or two */
    c->dimensions = (int)random_integer(random, 1, 2);
    c->sampled[PART_W] = true, c->groups = random_integer(random, 1, 4);
  } else if (form < 58) c->combine = COMBINE_MAXIMUM;
  for (int d = 0; d < c->dimensions; d++) {
    Window *window = &c->windows[d];
    *window = random_window(random, c->dimensions);
    if (form >= 43 && form < 52)
      *window =
          (Window){.outer = window->outer, .taps = 1, .stride = 1, .dilation = 1, .second_taps = 1, .plain = true};
    if (window->plain) continue;
    window->turned = random_chance(random, 30);
    window->even = random_chance(random, 8), window->spread = random_chance(random, 5);
    window->crossed = random_chance(random, 5) ? random_integer(random, 1, 2) : 0;
  }
  if (c->dimensions > 0 && !c->windows[0].plain && random_chance(random, 8))
    c->windows[0].second_taps = random_integer(random, 2, 3), c->windows[0].further = random_integer(random, 1, 4);
  if (form >= 58 && random_chance(random, 8)) /* the kernel is as large as the image: a vector comes of it */
    for (int d = 0; d < c->dimensions; d++) c->windows[d].outer = 1;
}

static inline Prologue random_prologue(Random *random) {
  return random_chance(random, 60) ? READ_PLAIN : (Prologue)random_integer(random, READ_RELU, PROLOGUES - 1);
}

/* Of at most `budget` points. */
static inline Contraction contraction_draw(Random *random, int64_t budget) {
  Contraction c = {.groups = 1, .combine = COMBINE_SUM, .sampled = {true, false, true}, .result = PART_Y};
  c.rows = random_channels(random), c.sums = random_channels(random);
  c.batch = ANY_OF(random, 0, 1, 3, 8, 16, 17, 32, 64);
  draw_form(random, &c);
  if (random_chance(random, 35)) c.result = random_chance(random, 50) ? PART_X : PART_W;
  if (random_chance(random, 5))
    c.sampled[PART_W] = true, c.sampled[random_chance(random, 50) ? PART_X : PART_Y] = false;
  c.joined = random_chance(random, 40);
  if (c.combine == COMBINE_SUM && random_chance(random, 16)) c.third = (int)random_integer(random, 1, 31);
  if (c.third != 0 && random_chance(random, 30)) c.third |= OF_SUM, c.inner = random_integer(random, 2, 5);
  for (int p = 0; p < PART_COUNT; p++) c.prologue[p] = random_prologue(random);
  if (random_chance(random, 50)) c.epilogue = (Epilogue)random_integer(random, MAKE_RELU, EPILOGUES - 1);
  if (random_chance(random, 35)) c.arrangement = random_bits(random);
  trim_contraction(random, &c, budget);
  for (int d = 0; d < c.dimensions; d++) place_window(random, &c.windows[d]);
  return c;
}

/* ---- what kind it is --------------------------------------------------------------------------------------------- */

/* KIND(name, promille, title): of a thousand contractions, so many at least. */
#define CONTRACTION_KINDS(KIND) \
  KIND(DEEP, 150, "in three dimensions") \
  KIND(DENSE, 80, "dense") \
  KIND(STRIDED_READ, 150, "strided in a factor") \
  KIND(STRIDED_WRITE, 100, "strided in the result") \
  KIND(COMMON_DIVISOR, 60, "of a stride and a dilation with a common divisor") \
  KIND(PADDED_READ, 150, "padded") \
  KIND(PADDED_WRITE, 100, "transposed and padded") \
  KIND(ONE_SIDED, 150, "padded on one side") \
  KIND(BEYOND_IMAGE, 60, "of a kernel larger than the image") \
  KIND(EMPTY_CLASS, 60, "with a residue that nothing reaches") \
  KIND(MIXED, 80, "transposed in some dimensions only") \
  KIND(FLIPPED, 60, "with taps that count backwards") \
  KIND(TWO_WINDOWS, 15, "with two kernels in one coordinate") \
  KIND(EVEN, 50, "averages") \
  KIND(SPREAD, 30, "of a part that is the same everywhere") \
  KIND(CROSSED, 20, "of two windows with the same taps") \
  KIND(GROUPED, 80, "grouped") \
  KIND(JOINED, 15, "of groups that share an axis with channels") \
  KIND(DEPTHWISE, 40, "depthwise") \
  KIND(OWN_WEIGHTS, 60, "with weights of each sample's own") \
  KIND(POSITIONS, 40, "like attention") \
  KIND(WEIGHTS_MADE, 80, "weight gradients") \
  KIND(DATA_MADE, 80, "data gradients") \
  KIND(FEW_CHANNELS, 200, "of at most 4 channels") \
  KIND(WIDE, 150, "of 8 channels and more on both sides") \
  KIND(MANY_ROWS, 40, "of more than 24 rows") \
  KIND(NO_BATCH, 60, "without a batch") \
  KIND(SMALL_BATCH, 200, "of fewer samples than lanes") \
  KIND(ODD_BATCH, 80, "of samples that lanes do not divide") \
  KIND(BATCH_SUMMED, 80, "summed over samples") \
  KIND(THREE_FACTORS, 60, "of three factors") \
  KIND(CHAINED, 10, "chains of products") \
  KIND(MAXIMUM, 25, "maxima") \
  KIND(PROLOGUE, 300, "of factors that maps make") \
  KIND(MASKS_READ, 100, "of factors behind a mask") \
  KIND(RESHAPED, 80, "of a reshaped factor or reshaped themselves") \
  KIND(EPILOGUE, 300, "with something after") \
  KIND(STATISTICS, 40, "with statistics of the result") \
  KIND(NORMALISED, 30, "normalised") \
  KIND(ARRANGED, 200, "with axes in another order")

typedef enum ContractionKind {
#define KIND(name, promille, title) CONTRACTION_##name,
  CONTRACTION_KINDS(KIND)
#undef KIND
      CONTRACTION_KIND_COUNT
} ContractionKind;

static inline int64_t greatest_common_divisor(int64_t a, int64_t b) {
  return b == 0 ? a : greatest_common_divisor(b, a % b);
}

/* How many remainders by the stride some tap reaches. */
static inline int64_t window_residues(const Window *window) {
  uint64_t reached = 0;
  for (int64_t t = 0; t < window->taps; t++)
    for (int64_t u = 0; u < window->second_taps; u++)
      reached |= UINT64_C(1) << (window->dilation * t + window->further * u) % window->stride;
  return __builtin_popcountll(reached);
}

static inline void window_kinds(const Contraction *c, const Window *window, bool *kinds) {
  if (window->plain) return;
  bool written = c->result == (window->turned ? PART_Y : PART_X);
  int64_t reach = window->dilation * (window->taps - 1) + window->further * (window->second_taps - 1);
  int64_t after = window->stride * (window->outer - 1) + reach - window->before - window->image + 1;
  kinds[written ? CONTRACTION_STRIDED_WRITE : CONTRACTION_STRIDED_READ] |= window->stride > 1;
  kinds[written ? CONTRACTION_PADDED_WRITE : CONTRACTION_PADDED_READ] |= window->before > 0 || after > 0;
  kinds[CONTRACTION_ONE_SIDED] |= (window->before > 0) != (after > 0);
  kinds[CONTRACTION_COMMON_DIVISOR] |=
      window->taps > 1 && greatest_common_divisor(window->stride, window->dilation) > 1;
  kinds[CONTRACTION_BEYOND_IMAGE] |= window->taps > 1 && reach + 1 > window->image;
  kinds[CONTRACTION_EMPTY_CLASS] |= window_residues(window) < window->stride && window->image >= window->stride;
  kinds[CONTRACTION_FLIPPED] |= window->flipped && window->taps > 1;
  kinds[CONTRACTION_TWO_WINDOWS] |= window->second_taps > 1;
  kinds[CONTRACTION_EVEN] |= window->taps > 1 && window->even;
  kinds[CONTRACTION_SPREAD] |= window->outer > 1 && window->spread;
  kinds[CONTRACTION_CROSSED] |= window->outer > 1 && window->taps > 1 && window->crossed > 0 && !window->spread;
}

/* `lanes`: of one vector. */
static inline void contraction_kinds(const Contraction *c, int64_t lanes, bool *kinds) {
  bool turned[2] = {false, false}, summed = c->batch > 1 && !c->sampled[c->result];
  memset(kinds, 0, CONTRACTION_KIND_COUNT * sizeof *kinds);
  for (int d = 0; d < c->dimensions; d++) {
    window_kinds(c, &c->windows[d], kinds);
    if (!c->windows[d].plain && c->windows[d].taps > 1) turned[c->windows[d].turned] = true;
    kinds[CONTRACTION_POSITIONS] |= c->windows[d].plain && c->windows[d].outer > 1;
  }
  kinds[CONTRACTION_DEEP] = c->dimensions == 3;
  kinds[CONTRACTION_DENSE] = c->dimensions == 0;
  kinds[CONTRACTION_MIXED] = turned[0] && turned[1];
  kinds[CONTRACTION_GROUPED] = c->groups > 1 && c->rows * c->sums > 1;
  kinds[CONTRACTION_JOINED] = kinds[CONTRACTION_GROUPED] && c->joined;
  kinds[CONTRACTION_DEPTHWISE] = c->groups > 1 && c->rows == 1 && c->sums == 1;
  kinds[CONTRACTION_OWN_WEIGHTS] = c->batch > 1 && c->sampled[PART_W];
  kinds[CONTRACTION_WEIGHTS_MADE] = c->result == PART_W;
  kinds[CONTRACTION_DATA_MADE] = c->result == PART_X;
  kinds[CONTRACTION_FEW_CHANNELS] = c->rows <= 4 || c->sums <= 4;
  kinds[CONTRACTION_WIDE] = c->rows >= 8 && c->sums >= 8;
  kinds[CONTRACTION_MANY_ROWS] = c->rows > 24;
  kinds[CONTRACTION_NO_BATCH] = c->batch == 0;
  kinds[CONTRACTION_SMALL_BATCH] = c->batch > 0 && c->batch < lanes;
  kinds[CONTRACTION_ODD_BATCH] = c->batch > lanes && c->batch % lanes != 0;
  kinds[CONTRACTION_BATCH_SUMMED] = summed;
  kinds[CONTRACTION_THREE_FACTORS] = c->third != 0;
  kinds[CONTRACTION_CHAINED] = c->inner > 0;
  kinds[CONTRACTION_MAXIMUM] = c->combine == COMBINE_MAXIMUM;
  for (int p = 0; p < PART_COUNT; p++) {
    if (p == c->result) continue;
    kinds[CONTRACTION_PROLOGUE] |= c->prologue[p] != READ_PLAIN && c->prologue[p] != READ_RESHAPED;
    kinds[CONTRACTION_RESHAPED] |= c->prologue[p] == READ_RESHAPED || c->epilogue == MAKE_FLAT;
    kinds[CONTRACTION_MASKS_READ] |= c->prologue[p] == READ_RELU || c->prologue[p] == READ_LEAKY;
  }
  kinds[CONTRACTION_EPILOGUE] = c->epilogue != MAKE_PLAIN;
  kinds[CONTRACTION_STATISTICS] = c->epilogue == MAKE_STATISTICS;
  kinds[CONTRACTION_NORMALISED] = c->epilogue == MAKE_NORMALISED;
  kinds[CONTRACTION_ARRANGED] = c->arrangement != 0;
}

/* ---- smaller ones ------------------------------------------------------------------------------------------------ */

static inline bool shrink_extent(int64_t *extent, bool halve) {
  int64_t smaller = halve ? *extent / 2 : *extent - 1;
  if (smaller < 1) return false;
  *extent = smaller;
  return true;
}

#define BECOME(field, value) return (field) != (value) && ((field) = (value), true)

static inline bool window_shrink(Contraction *c, int number, int way) {
  Window *window = &c->windows[number];
  switch (way) {
  case 0:
    for (int d = number; d + 1 < c->dimensions; d++) c->windows[d] = c->windows[d + 1];
    c->dimensions--;
    return true;
  case 1: return shrink_extent(&window->outer, true);
  case 2: return shrink_extent(&window->outer, false);
  case 3: return shrink_extent(&window->taps, false);
  case 4: return shrink_extent(&window->image, false);
  case 5: return shrink_extent(&window->stride, false);
  case 6: return shrink_extent(&window->dilation, false);
  case 7: BECOME(window->second_taps, 1);
  case 8: BECOME(window->before, window->before > 0 ? window->before - 1 : 0);
  case 9: BECOME(window->flipped, false);
  case 10: BECOME(window->even, false);
  case 11: BECOME(window->spread, false);
  default: BECOME(window->crossed, 0);
  }
}

/* Makes it smaller in one way of many, from 0 until *ended; false: in this way there is nothing to take. */
static inline bool contraction_shrink(Contraction *c, int way, bool *ended) {
  enum { WHOLE_WAYS = 15, WINDOW_WAYS = 13 };
  int64_t *extents[] = {&c->groups, &c->rows, &c->sums, &c->batch};
  *ended = way >= WHOLE_WAYS + WINDOW_WAYS * c->dimensions;
  if (*ended) return false;
  if (way < 8) return shrink_extent(extents[way / 2], way % 2 == 0);
  switch (way) {
  case 8: BECOME(c->inner, 0);
  case 9: BECOME(c->third, c->inner > 0 ? c->third : 0);
  case 10: BECOME(c->epilogue, MAKE_PLAIN);
  case 11: BECOME(c->arrangement, 0);
  case 12: BECOME(c->prologue[PART_X], READ_PLAIN);
  case 13: BECOME(c->prologue[PART_W], READ_PLAIN);
  case 14: BECOME(c->prologue[PART_Y], READ_PLAIN);
  default: return window_shrink(c, (way - WHOLE_WAYS) / WINDOW_WAYS, (way - WHOLE_WAYS) % WINDOW_WAYS);
  }
}
#undef BECOME

static inline void contraction_print(const Contraction *c, FILE *out) {
  static const char *const prologues[] = {"", " relu", " leaky", " tanh", " scaled", " joined", " reshaped"};
  static const char *const epilogues[] = {"",         ", then relu",       ", then leaky",      ", then tanh",
                                          ", then +", ", with statistics", ", then normalised", ", then flat"};
  static const char names[] = "xwy";
  fprintf(out, "%c by %s, batch %d of", names[c->result], c->combine == COMBINE_SUM ? "sum" : "max", (int)c->batch);
  for (int p = 0; p < PART_COUNT; p++)
    fprintf(out, " %s%c%s", c->sampled[p] ? "" : "(not) ", names[p], p == c->result ? "" : prologues[c->prologue[p]]);
  fprintf(out, ", groups %d%s, rows %d, sums %d, third %d, inner %d, arrangement %llu%s\n", (int)c->groups,
          c->joined ? " joined" : "", (int)c->rows, (int)c->sums, c->third, (int)c->inner,
          (unsigned long long)c->arrangement, epilogues[c->epilogue]);
  for (int d = 0; d < c->dimensions; d++) {
    const Window *w = &c->windows[d];
    if (w->plain) fprintf(out, "  dimension %d: %d positions\n", d, (int)w->outer);
    else
      fprintf(
          out,
          "  dimension %d: %c[%d] has %d * (outer < %d) %c %d * (tap < %d) + %d * (second < %d) - %d%s%s, crossed %d\n",
          d, w->turned ? 'y' : 'x', (int)w->image, (int)w->stride, (int)w->outer, w->flipped ? '-' : '+',
          (int)w->dilation, (int)w->taps, (int)w->further, (int)w->second_taps, (int)w->before,
          w->even ? ", even taps" : "", w->spread ? ", spread" : "", (int)w->crossed);
  }
}

#endif
