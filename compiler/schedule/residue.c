/* Which points of a box land on which points of the output. Takes a write with coordinates of disjoint variables;
   returns classes of output points, each with the sums that reach it: strides, dilations and borders become affine
   indices, and no multiplication by an inserted zero is left. Pure arithmetic.

   A coordinate p = s*v + Σ e_k*u_k + c with pivot v: for every tuple r_k in [0, s_k), with s_k = s/gcd(s, e_k) and
   d_k = e_k/gcd(s, e_k),

       u_k = s_k*t_k + r_k,   c + Σ e_k*r_k = s*h + ρ with 0 <= ρ < s,   v = q - h - Σ d_k*t_k,   p = s*q + ρ

   and the point counts where v is in its box. Where r_k and h are affine in ρ (for s = 2 they are), and all ρ have as
   many points and tuples, ρ is one more loop over output points. A coordinate whose variables are the digits of one
   number, p = e*n + c with n = … + R_1*R_0*v_2 + R_0*v_1 + v_0 (a single variable is one digit), needs no guard: every
   point that it reaches is reached once, by a loop over each digit; the rest of the axis is empty. */
#include "lower.h"
#include "tests/mutants/mutant.h"

#include <stdlib.h>
#include <string.h>

enum { WAY_LIMIT = 64, CLASS_LIMIT = 64, TUPLE_LIMIT = 64 };

/* One class of one coordinate. Each tuple fixes the remainders r_k of the variables that are not the pivot. */
typedef struct Tuple {
  int64_t remainder[BOX_LIMIT], quotient;
  int64_t remainder_step[BOX_LIMIT], quotient_step; /* from one residue to the next, where these are a loop */
} Tuple;
/* A loop over output points, which moves a variable: v = q + first, or the pivot of tuples. */
typedef struct WayLoop {
  int variable; /* -1: none */
  int64_t step, count, first;
} WayLoop;
typedef struct Way {
  int64_t offset;
  int loop_count;
  WayLoop *loops;
  int residues; /* the loop that goes through the residues, or 0 */
  int tuple_count;
  Tuple *tuples; /* none: nothing lands here */
} Way;

typedef struct Axis {
  bool guarded; /* a single variable that does not reach all points */
  Session *session;
  int other_count;
  int others[BOX_LIMIT];
  int64_t modulus[BOX_LIMIT], dilation[BOX_LIMIT]; /* s_k, d_k of others */
  int way_count;
  Way ways[WAY_LIMIT];
} Axis;

static void add_way(Axis *axis, const Way *way) {
  size_t size = (size_t)way->loop_count * sizeof *way->loops;
  if (way->loops[0].count <= 0) return;
  if (axis->way_count == WAY_LIMIT) internal_error(HERE, "more classes of an axis than were counted");
  Way *added = &axis->ways[axis->way_count++];
  *added = *way;
  added->loops = memcpy(session_allocate(axis->session, size), way->loops, size);
}

static void add_empty(Axis *axis, int64_t step, int64_t offset, int64_t count) {
  add_way(axis, &(Way){.offset = offset, .loop_count = 1, .loops = &(WayLoop){-1, step, count, 0}});
}

/* A number by its digits, the least first. */
typedef struct Digits {
  int count;
  int variable[VARIABLE_LIMIT];
  int64_t extent[VARIABLE_LIMIT], weight[VARIABLE_LIMIT]; /* weight: the product of the extents below */
  int64_t c, e, numbers;                                  /* p = e*n + c, n < numbers */
} Digits;

/* The numbers from `from` to before `to` of the digits up to `digit`, as boxes of digits; those above stand in the
   way. */
static void add_boxes(Axis *axis, const Digits *digits, Way *way, int digit, int64_t from, int64_t to) {
  int64_t weight = digits->weight[digit], low = (from + weight - 1) / weight, high = to / weight;
  WayLoop *loop = &way->loops[digits->count - 1 - digit];
  if (from >= to) return;
  if (low > high) { /* all within one turn of this digit */
    loop->first = high, loop->count = 1;
    add_boxes(axis, digits, way, digit - 1, from - high * weight, to - high * weight);
    return;
  }
  if (from < low * weight) {
    loop->first = low - 1, loop->count = 1;
    add_boxes(axis, digits, way, digit - 1, from - (low - 1) * weight, weight);
  }
  if (low < high) {
    loop->first = low, loop->count = high - low;
    for (int below = 0; below < digit; below++) {
      WayLoop *whole = &way->loops[digits->count - 1 - below];
      whole->first = 0, whole->count = digits->extent[below];
    }
    way->offset = digits->c;
    for (int d = 0; d < digits->count; d++)
      way->offset += digits->e * digits->weight[d] * way->loops[digits->count - 1 - d].first;
    add_way(axis, way);
  }
  if (high * weight < to) {
    loop->first = high, loop->count = 1;
    add_boxes(axis, digits, way, digit - 1, 0, to - high * weight);
  }
}

/* The points reached, those of their residue before and after, the other residues. */
static bool split_digits(Axis *axis, const Digits *digits, int64_t points) {
  int64_t c = digits->c, e = digits->e;
  if (e > WAY_LIMIT - 1 - 2 * digits->count) return false;
  int64_t first = c >= 0 ? 0 : (-c + e - 1) / e, end = points - 1 - c < 0 ? 0 : (points - 1 - c) / e + 1;
  if (end > digits->numbers) end = digits->numbers;
  if (first > end) first = end;
  WayLoop loops[VARIABLE_LIMIT];
  Tuple *tuple = session_allocate(axis->session, sizeof *tuple);
  Way way = {.loop_count = digits->count, .loops = loops, .tuple_count = 1, .tuples = tuple};
  for (int d = 0; d < digits->count; d++)
    loops[digits->count - 1 - d] = (WayLoop){digits->variable[d], e * digits->weight[d], digits->extent[d], 0};
  int64_t residue = c - e * floor_divide(c, e);
  if (end == first) residue = -1; /* nothing lands: all residues are empty */
  for (int64_t r = 0; r < e; r++) {
    int64_t all = r < points ? (points - r + e - 1) / e : 0;
    if (r != residue) {
      add_empty(axis, e, r, all);
      continue;
    }
    int64_t start = (c + e * first - r) / e, stop = start + end - first;
    add_boxes(axis, digits, &way, digits->count - 1, first, end);
    add_empty(axis, e, r, start);
    add_empty(axis, e, r + e * stop, all - stop);
  }
  return true;
}

/* Do all residues have one tuple each, and does everything move on evenly from one to the next? */
static bool moves_evenly(const Axis *axis, const int64_t *box) {
  const Way *first = &axis->ways[0], *second = &axis->ways[1];
  for (int w = 0; w < axis->way_count; w++)
    if (axis->ways[w].tuple_count != 1 || axis->ways[w].offset != w ||
        axis->ways[w].loops[0].count != first->loops[0].count)
      return false;
  for (int w = 0; w < axis->way_count; w++) {
    const Way *way = &axis->ways[w];
    const Tuple *tuple = &way->tuples[0], *from = &first->tuples[0], *to = &second->tuples[0];
    if (tuple->quotient != from->quotient + w * (to->quotient - from->quotient)) return false;
    for (int k = 0; k < axis->other_count; k++) {
      int64_t step = to->remainder[k] - from->remainder[k], extent = box[axis->others[k]], m = axis->modulus[k];
      if (tuple->remainder[k] != from->remainder[k] + w * step) return false;
      if ((extent - tuple->remainder[k] + m - 1) / m != (extent - from->remainder[k] + m - 1) / m) return false;
    }
  }
  return true;
}

/* One way with a loop over the residues instead of a way for each. */
static void join_residues(Axis *axis, const int64_t *box) {
  if (axis->way_count < 2 || axis->ways[0].loops[0].step != axis->way_count || !moves_evenly(axis, box)) return;
  Way *way = &axis->ways[0];
  Tuple *from = &way->tuples[0];
  const Tuple *to = &axis->ways[1].tuples[0];
  for (int k = 0; k < axis->other_count; k++) from->remainder_step[k] = to->remainder[k] - from->remainder[k];
  from->quotient_step = to->quotient - from->quotient;
  WayLoop *loops = session_allocate(axis->session, 2 * sizeof *loops);
  loops[0] = way->loops[0], loops[1] = (WayLoop){-1, 1, axis->way_count, 0};
  way->loops = loops, way->loop_count = 2, way->residues = 1;
  axis->way_count = 1;
}

/* p = s*v + Σ e_k*u_k + c: the pivot's coefficient is s. */
static bool split_several(Axis *axis, int pivot, int64_t c, const int64_t *coefficient, const int64_t *box,
                          int64_t points) {
  int64_t s = coefficient[pivot], tuples = 1;
  for (int k = 0; k < axis->other_count; k++) {
    int64_t e = coefficient[axis->others[k]], divisor = greatest_divisor(s, e);
    axis->modulus[k] = s / divisor, axis->dilation[k] = e / divisor;
    tuples *= axis->modulus[k];
    if (tuples > TUPLE_LIMIT) return false;
  }
  if (s > WAY_LIMIT) return false;
  WayLoop *loops = session_allocate(axis->session, (size_t)s * sizeof *loops);
  for (int64_t r = 0; r < s; r++) {
    loops[r] = (WayLoop){pivot, s, r < points ? (points - r + s - 1) / s : 0, 0};
    axis->ways[r] = (Way){.offset = r, .loop_count = 1, .loops = &loops[r]};
  }
  axis->way_count = (int)s;
  for (int64_t number = 0; number < tuples; number++) {
    Tuple tuple = {.quotient = 0};
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
    if (way->tuples == NULL) way->tuples = session_allocate(axis->session, (size_t)tuples * sizeof *way->tuples);
    way->tuples[way->tuple_count++] = tuple;
  }
  int kept = 0;
  for (int w = 0; w < axis->way_count; w++)
    if (axis->ways[w].loops[0].count > 0) axis->ways[kept++] = axis->ways[w];
  axis->way_count = kept;
  join_residues(axis, box);
  return true;
}

static int by_coefficient(const void *left, const void *right) {
  const Term *a = left, *b = right;
  return (a->coefficient > b->coefficient) - (a->coefficient < b->coefficient);
}

/* Are the terms, of positive coefficients, the digits of one number? */
static bool find_digits(int count, const Term *terms, int64_t c, const int64_t *box, Digits *digits) {
  Term sorted[VARIABLE_LIMIT];
  for (int t = 0; t < count; t++) sorted[t] = terms[t];
  qsort(sorted, (size_t)count, sizeof *sorted, by_coefficient);
  *digits = (Digits){.count = count, .c = c, .e = sorted[0].coefficient, .numbers = 1};
  for (int d = 0; d < count; d++) {
    if (sorted[d].coefficient != digits->e * digits->numbers) return false;
    digits->variable[d] = sorted[d].variable;
    digits->extent[d] = box[sorted[d].variable], digits->weight[d] = digits->numbers;
    digits->numbers *= digits->extent[d];
  }
  return true;
}

/* p = v + c, all points of the axis: those that no v reaches are told by the guard. */
static void keep_whole(Axis *axis, int variable, int64_t c, int64_t points) {
  Tuple *tuple = session_allocate(axis->session, sizeof *tuple);
  WayLoop *loop = session_allocate(axis->session, sizeof *loop);
  *loop = (WayLoop){variable, 1, points, -c};
  axis->guarded = true;
  add_way(axis, &(Way){.loop_count = 1, .loops = loop, .tuple_count = 1, .tuples = tuple});
}

/* Negative coefficients count from the other end: v = R-1-v', so that e > 0. */
static bool split_axis(Session *session, const Item *item, int d, bool whole, Axis *axis, bool *flipped) {
  const Coordinate *coordinate = &item->write->coordinates[d];
  int64_t c = coordinate->constant, coefficient[BOX_LIMIT] = {0}, best = 0;
  int pivot = -1, count = coordinate->term_count;
  Term terms[VARIABLE_LIMIT];
  *axis = (Axis){.session = session};
  for (int t = 0; t < count; t++) {
    int v = coordinate->terms[t].variable;
    int64_t e = coordinate->terms[t].coefficient;
    flipped[v] = e < 0;
    if (e < 0) c += e * (item->box[v] - 1), e = -e;
    coefficient[v] = e;
    terms[t] = (Term){v, e};
    if (e * item->box[v] > best) best = e * item->box[v], pivot = v;
  }
  if (whole && count == 1 && terms[0].coefficient == 1 && !flipped[terms[0].variable] &&
      (c != 0 || item->box[terms[0].variable] != item->view.shape[d])) {
    keep_whole(axis, terms[0].variable, c, item->view.shape[d]);
    return true;
  }
  Digits digits = {.count = 1, .variable = {-1}, .extent = {1}, .weight = {1}, .c = c, .e = 1, .numbers = 1};
  if (count == 0 || find_digits(count, terms, c, item->box, &digits))
    return split_digits(axis, &digits, item->view.shape[d]);
  for (int t = 0; t < count; t++)
    if (terms[t].variable != pivot) axis->others[axis->other_count++] = terms[t].variable;
  return split_several(axis, pivot, c, coefficient, item->box, item->view.shape[d]);
}

/* The variables of one axis under one tuple, appended to the gather. loops[k]: the class's loop k of the way. */
static void gather_axis(Gather *gather, const Item *item, const Axis *axis, const Way *way, const int *loops,
                        const Tuple *tuple) {
  for (int k = 0; k < way->loop_count; k++) {
    int v = way->loops[k].variable;
    if (v < 0) continue;
    gather->variable[v].coefficient[loops[k]] = 1;
    gather->variable[v].constant = way->loops[k].first - tuple->quotient;
    gather->variable[v].guarded = axis->other_count > 0 || axis->guarded;
  }
  for (int k = 0; k < axis->other_count; k++) {
    int u = axis->others[k], v = way->loops[0].variable, t = gather->free_count++;
    gather->free_extent[t] = (item->box[u] - tuple->remainder[k] + axis->modulus[k] - 1) / axis->modulus[k];
    gather->variable[u].constant = tuple->remainder[k];
    gather->variable[u].coefficient[BOX_LIMIT + t] = axis->modulus[k];
    gather->variable[v].coefficient[BOX_LIMIT + t] = MUTANT(dilation_lost) ? -1 : -axis->dilation[k];
    if (way->residues > 0) gather->variable[u].coefficient[loops[way->residues]] = tuple->remainder_step[k];
  }
  if (way->residues > 0)
    gather->variable[way->loops[0].variable].coefficient[loops[way->residues]] = -tuple->quotient_step;
}

static void flip_variables(Gather *gather, const Item *item, const bool *flipped) {
  for (int v = 0; v < item->box_rank; v++) {
    if (!flipped[v]) continue;
    gather->variable[v].constant = item->box[v] - 1 - gather->variable[v].constant;
    for (int k = 0; k < 2 * BOX_LIMIT; k++) gather->variable[v].coefficient[k] = -gather->variable[v].coefficient[k];
  }
}

static void fill_class(Session *session, const Item *item, const Axis *axes, const int *chosen, const bool *flipped,
                       uint32_t written, ResidueClass *out) {
  int rank = item->view.rank, gathers = 1, loops[RANK_LIMIT][VARIABLE_LIMIT];
  out->loop_count = rank; /* the first loop of axis d is loop d */
  for (int d = 0; d < rank; d++) {
    const Way *way = &axes[d].ways[chosen[d]];
    out->offset[d] = way->offset;
    for (int k = 0; k < way->loop_count; k++) {
      loops[d][k] = k == 0 ? d : out->loop_count++;
      out->loops[loops[d][k]] = (ClassLoop){d, way->loops[k].step, way->loops[k].count};
    }
    int64_t step = way->loops[0].step;
    gathers *= MUTANT(residue_class) && step > 1 && way->offset % step == step - 1 ? 0 : way->tuple_count;
  }
  out->gathers = session_allocate(session, (size_t)(gathers > 0 ? gathers : 1) * sizeof *out->gathers);
  for (int number = 0; number < gathers; number++) {
    Gather *gather = &out->gathers[out->gather_count++];
    int rest = number;
    for (int d = 0; d < rank; d++) {
      const Way *way = &axes[d].ways[chosen[d]];
      gather_axis(gather, item, &axes[d], way, loops[d], &way->tuples[rest % way->tuple_count]);
      rest /= way->tuple_count;
    }
    flip_variables(gather, item, flipped);
    for (int v = 0; v < item->box_rank; v++)
      if ((written >> v & 1) == 0) {
        gather->variable[v].coefficient[BOX_LIMIT + gather->free_count] = 1;
        gather->free_extent[gather->free_count++] = item->box[v];
      }
  }
}

Residue *residue_split(Session *session, const Item *item, bool whole) {
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
    if (!split_axis(session, item, d, whole, &axes[d], flipped)) return NULL;
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
