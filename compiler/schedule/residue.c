/* Which points of a box land on which points of the output. Takes a write with coordinates of disjoint variables;
   returns classes of output points, each with the sums that reach it: strides, dilations and borders become affine
   indices, and no multiplication by an inserted zero is left. Pure arithmetic.

   A coordinate p = s*v + Σ e_k*u_k + c with pivot v: for every tuple r_k in [0, s_k), with s_k = s/gcd(s, e_k) and
   d_k = e_k/gcd(s, e_k),

       u_k = s_k*t_k + r_k,   c + Σ e_k*r_k = s*h + ρ with 0 <= ρ < s,   v = q - h - Σ d_k*t_k,   p = s*q + ρ

   and the point counts where v is in its box. A coordinate of one variable needs no guard: its classes are the points
   it reaches and the rest. */
#include "lower.h"
#include "tests/mutants/mutant.h"

#include <string.h>

enum { WAY_LIMIT = 64, CLASS_LIMIT = 64, TUPLE_LIMIT = 64 };

/* One class of one coordinate. Each tuple fixes the remainders r_k of the variables that are not the pivot. */
typedef struct Tuple {
  int64_t remainder[BOX_LIMIT], quotient;
} Tuple;
typedef struct Way {
  int64_t step, offset, count;
  int tuple_count;
  Tuple *tuples; /* none: nothing lands here */
  int64_t first; /* a single variable: v = q + first */
} Way;

typedef struct Axis {
  int pivot; /* box variable, or -1 */
  int other_count;
  int others[BOX_LIMIT];
  int64_t modulus[BOX_LIMIT], dilation[BOX_LIMIT]; /* s_k, d_k of others */
  int64_t step;
  int way_count;
  Way ways[WAY_LIMIT];
} Axis;

static int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b != 0) {
    int64_t rest = a % b;
    a = b, b = rest;
  }
  return a < 0 ? -a : a;
}

static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

static void add_way(Axis *axis, Way way) {
  if (way.count > 0 && axis->way_count < WAY_LIMIT) axis->ways[axis->way_count++] = way;
}

/* p = c + e*v, e > 0 (or no variable at all: extent 1, e = 1): the points reached, those of its residue before and
   after, the other residues. */
static bool split_single(Session *session, Axis *axis, int64_t c, int64_t e, int64_t extent, int64_t points) {
  if (e > WAY_LIMIT - 3) return false;
  int64_t first = c >= 0 ? 0 : (-c + e - 1) / e, end = points - 1 - c < 0 ? 0 : (points - 1 - c) / e + 1;
  if (end > extent) end = extent;
  if (first > end) first = end;
  Tuple *tuple = session_allocate(session, sizeof *tuple);
  axis->step = e;
  int64_t residue = c - e * floor_divide(c, e);
  if (end == first) residue = -1; /* nothing lands: all residues are empty */
  for (int64_t r = 0; r < e; r++) {
    int64_t all = r < points ? (points - r + e - 1) / e : 0;
    if (r != residue) {
      add_way(axis, (Way){.step = e, .offset = r, .count = all});
      continue;
    }
    int64_t start = (c + e * first - r) / e, stop = start + end - first;
    add_way(axis, (Way){.step = e,
                        .offset = r + e * start,
                        .count = end - first,
                        .tuple_count = 1,
                        .tuples = tuple,
                        .first = first});
    add_way(axis, (Way){.step = e, .offset = r, .count = start});
    add_way(axis, (Way){.step = e, .offset = r + e * stop, .count = all - stop});
  }
  return true;
}

static bool split_several(Session *session, Axis *axis, int64_t c, const int64_t *coefficient, const int64_t *box,
                          int64_t points) {
  int64_t s = axis->step, tuples = 1;
  for (int k = 0; k < axis->other_count; k++) {
    int64_t e = coefficient[axis->others[k]], divisor = greatest_divisor(s, e);
    axis->modulus[k] = s / divisor, axis->dilation[k] = e / divisor;
    tuples *= axis->modulus[k];
    if (tuples > TUPLE_LIMIT) return false;
  }
  if (s > WAY_LIMIT) return false;
  for (int64_t r = 0; r < s; r++)
    axis->ways[r] = (Way){.step = s, .offset = r, .count = r < points ? (points - r + s - 1) / s : 0};
  axis->way_count = (int)s;
  for (int64_t number = 0; number < tuples; number++) {
    Tuple tuple = {{0}, 0};
    int64_t rest = number, landed = c;
    bool empty = false;
    for (int k = 0; k < axis->other_count; k++) {
      tuple.remainder[k] = rest % axis->modulus[k];
      rest /= axis->modulus[k];
      landed += coefficient[axis->others[k]] * tuple.remainder[k];
      empty |= tuple.remainder[k] >= box[axis->others[k]];
    }
    if (empty) continue;
    tuple.quotient = floor_divide(landed, s);
    Way *way = &axis->ways[landed - s * tuple.quotient];
    if (way->tuples == NULL) way->tuples = session_allocate(session, (size_t)tuples * sizeof *way->tuples);
    way->tuples[way->tuple_count++] = tuple;
  }
  int kept = 0;
  for (int w = 0; w < axis->way_count; w++)
    if (axis->ways[w].count > 0) axis->ways[kept++] = axis->ways[w];
  axis->way_count = kept;
  return true;
}

/* Negative coefficients count from the other end: v = R-1-v', so that e > 0. */
static bool split_axis(Session *session, const Item *item, int d, Axis *axis, bool *flipped) {
  const Coordinate *coordinate = &item->write->coordinates[d];
  int64_t c = coordinate->constant, coefficient[BOX_LIMIT] = {0}, best = 0;
  memset(axis, 0, sizeof *axis);
  axis->pivot = -1;
  for (int t = 0; t < coordinate->term_count; t++) {
    int v = coordinate->terms[t].variable;
    int64_t e = coordinate->terms[t].coefficient;
    flipped[v] = e < 0;
    if (e < 0) c += e * (item->box[v] - 1), e = -e;
    coefficient[v] = e;
    if (e * item->box[v] > best) best = e * item->box[v], axis->pivot = v;
  }
  if (coordinate->term_count <= 1) {
    int v = axis->pivot;
    return split_single(session, axis, c, v < 0 ? 1 : coefficient[v], v < 0 ? 1 : item->box[v], item->view.shape[d]);
  }
  axis->step = coefficient[axis->pivot];
  for (int t = 0; t < coordinate->term_count; t++)
    if (coordinate->terms[t].variable != axis->pivot) axis->others[axis->other_count++] = coordinate->terms[t].variable;
  return split_several(session, axis, c, coefficient, item->box, item->view.shape[d]);
}

/* The variables of one axis under one tuple, appended to the gather. */
static void gather_axis(Gather *gather, const Item *item, int d, const Axis *axis, const Way *way, const Tuple *tuple) {
  if (axis->pivot < 0) return;
  int v = axis->pivot;
  gather->variable[v].coefficient[d] = 1;
  gather->variable[v].constant = way->first - tuple->quotient;
  gather->variable[v].guarded = axis->other_count > 0;
  for (int k = 0; k < axis->other_count; k++) {
    int u = axis->others[k], t = gather->free_count++;
    gather->free_extent[t] = (item->box[u] - tuple->remainder[k] + axis->modulus[k] - 1) / axis->modulus[k];
    gather->variable[u].constant = tuple->remainder[k];
    gather->variable[u].coefficient[RANK_LIMIT + t] = axis->modulus[k];
    gather->variable[v].coefficient[RANK_LIMIT + t] = MUTANT(dilation_lost) ? -1 : -axis->dilation[k];
  }
}

static void flip_variables(Gather *gather, const Item *item, const bool *flipped) {
  for (int v = 0; v < item->box_rank; v++) {
    if (!flipped[v]) continue;
    gather->variable[v].constant = item->box[v] - 1 - gather->variable[v].constant;
    for (int k = 0; k < RANK_LIMIT + BOX_LIMIT; k++)
      gather->variable[v].coefficient[k] = -gather->variable[v].coefficient[k];
  }
}

static void fill_class(Session *session, const Item *item, const Axis *axes, const int *chosen, const bool *flipped,
                       uint32_t written, ResidueClass *out) {
  int rank = item->view.rank, gathers = 1;
  for (int d = 0; d < rank; d++) {
    const Way *way = &axes[d].ways[chosen[d]];
    out->step[d] = way->step, out->offset[d] = way->offset, out->count[d] = way->count;
    gathers *=
        MUTANT(residue_class) && way->step > 1 && way->offset % way->step == way->step - 1 ? 0 : way->tuple_count;
  }
  out->gathers = session_allocate(session, (size_t)(gathers > 0 ? gathers : 1) * sizeof *out->gathers);
  for (int number = 0; number < gathers; number++) {
    Gather *gather = &out->gathers[out->gather_count++];
    int rest = number;
    for (int d = 0; d < rank; d++) {
      const Way *way = &axes[d].ways[chosen[d]];
      gather_axis(gather, item, d, &axes[d], way, &way->tuples[rest % way->tuple_count]);
      rest /= way->tuple_count;
    }
    flip_variables(gather, item, flipped);
    for (int v = 0; v < item->box_rank; v++)
      if ((written >> v & 1) == 0) {
        gather->variable[v].coefficient[RANK_LIMIT + gather->free_count] = 1;
        gather->free_extent[gather->free_count++] = item->box[v];
      }
  }
}

Residue *residue_split(Session *session, const Item *item) {
  int rank = item->view.rank, classes = 1;
  Axis *axes = session_allocate(session, RANK_LIMIT * sizeof *axes);
  bool flipped[BOX_LIMIT] = {false};
  uint32_t written = 0;
  for (int d = 0; d < rank; d++) {
    const Coordinate *coordinate = &item->write->coordinates[d];
    if (coordinate->computed != NULL) return NULL;
    for (int t = 0; t < coordinate->term_count; t++) {
      if ((written >> coordinate->terms[t].variable & 1) != 0) return NULL;
      written |= UINT32_C(1) << coordinate->terms[t].variable;
    }
    if (!split_axis(session, item, d, &axes[d], flipped)) return NULL;
    if (axes[d].way_count == 0 || (classes *= axes[d].way_count) > CLASS_LIMIT) return NULL;
  }
  Residue *residue = session_allocate(session, sizeof *residue);
  residue->classes = session_allocate(session, (size_t)classes * sizeof *residue->classes);
  int chosen[RANK_LIMIT] = {0};
  for (int number = 0; number < classes; number++) {
    int rest = number;
    for (int d = 0; d < rank; d++) chosen[d] = rest % axes[d].way_count, rest /= axes[d].way_count;
    fill_class(session, item, axes, chosen, flipped, written, &residue->classes[residue->class_count++]);
  }
  return residue;
}
