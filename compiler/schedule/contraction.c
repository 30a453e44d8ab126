/* One piece of a sum of products: what each of its factors reads, as forms of indices, in which order its loops stand,
   and which points count. Takes a piece whose indices are known; fills in the rest, or says that it does not fit. Never
   chooses sizes. */
#include "contraction.h"
#include "tests/mutants/mutant.h"

#include <string.h>

/* ---- forms ------------------------------------------------------------------------------------------------------- */

void form_range(const Form *form, const int64_t *extent, int64_t *low, int64_t *high) {
  *low = *high = form->constant;
  for (int i = 0; i < LOOP_LIMIT; i++) {
    int64_t reach = form->of[i] * (extent[i] - 1);
    *(reach < 0 ? low : high) += reach;
  }
}

Affine form_at(const Form *form, const Affine *index) {
  Affine sum = affine_constant(form->constant);
  for (int i = 0; i < LOOP_LIMIT; i++)
    if (form->of[i] != 0) sum = affine_add(sum, affine_scale(index[i], form->of[i]));
  return sum;
}

Form coordinate_form(const Piece *piece, const Coordinate *coordinate) {
  Form form = {.constant = coordinate->constant};
  for (int t = 0; t < coordinate->term_count; t++) {
    const Form *variable = &piece->variable[coordinate->terms[t].variable];
    int64_t c = coordinate->terms[t].coefficient;
    form.constant += c * variable->constant;
    for (int i = 0; i < LOOP_LIMIT; i++) form.of[i] += c * variable->of[i];
  }
  return form;
}

/* Without constant and common divisor, the first coefficient positive; indices of one value are left out. False where
   nothing is left. */
static bool form_normal(Form *form, const int64_t *extent) {
  int64_t divisor = 0, sign = 0;
  form->constant = 0;
  for (int i = 0; i < LOOP_LIMIT; i++) {
    if (extent[i] == 1) form->of[i] = 0;
    divisor = greatest_divisor(divisor, form->of[i]);
    if (sign == 0 && form->of[i] != 0) sign = form->of[i] < 0 ? -1 : 1;
  }
  if (divisor == 0) return false;
  for (int i = 0; i < LOOP_LIMIT; i++) form->of[i] /= sign * divisor;
  return true;
}

static uint64_t form_indices(const Form *form) {
  uint64_t indices = 0;
  for (int i = 0; i < LOOP_LIMIT; i++)
    if (form->of[i] != 0) indices |= UINT64_C(1) << i;
  return indices;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

static uint64_t indices_of(const Piece *piece, uint64_t variables) {
  uint64_t indices = 0;
  for (int v = 0; v < piece->item->box_rank; v++)
    if ((variables >> v & 1) != 0) indices |= form_indices(&piece->variable[v]);
  for (int i = 0; i < LOOP_LIMIT; i++)
    if (piece->extent[i] == 1) indices &= ~(UINT64_C(1) << i);
  return indices;
}

/* ---- what a factor reads ----------------------------------------------------------------------------------------- */

static bool add_form(Side *side, Form form, const int64_t *extent) {
  if (!form_normal(&form, extent)) return true;
  for (int f = 0; f < side->form_count; f++) {
    if (memcmp(side->forms[f].of, form.of, sizeof form.of) == 0) return true;
    if ((form_indices(&side->forms[f]) & form_indices(&form)) != 0) return false;
  }
  side->forms[side->form_count++] = form;
  return true;
}

static bool drop_form(Side *side, int f, Form *form) {
  *form = side->forms[f];
  for (int k = f; k + 1 < side->form_count; k++) side->forms[k] = side->forms[k + 1];
  side->form_count--;
  return true;
}

/* Lanes of two indices lie side by side in a stage only where the fast one shares its form with no other: what it
   shares it with becomes a form of its own, and places of a window are stored again for each. Then the form of the
   joined index, then the fast one. */
static bool part_lanes(Side *side, const int64_t *extent) {
  Form fast = {0}, joined = {0};
  bool found[2] = {false, false};
  for (int f = side->form_count - 1; f >= 0; f--) {
    if (!found[0] && side->forms[f].of[side->fast] != 0) found[0] = drop_form(side, f, &fast);
    else if (!found[1] && side->forms[f].of[side->joined] != 0) found[1] = drop_form(side, f, &joined);
  }
  if (!found[0] || !found[1] || fast.of[side->fast] != 1 || fast.of[side->joined] != 0) return false;
  if (joined.of[side->joined] != 1 || joined.of[side->fast] != 0) return false;
  for (int i = 0; i < LOOP_LIMIT; i++) {
    Form own = {.of = {0}};
    own.of[i] = 1;
    if (i != side->fast && fast.of[i] != 0 && !add_form(side, own, extent)) return false;
    if (i != side->fast) fast.of[i] = 0;
  }
  side->forms[side->form_count++] = joined;
  side->forms[side->form_count++] = fast;
  return true;
}

/* An index that a form moves with one by one. */
static int standing(const Form *form) {
  for (int i = 0; i < LOOP_LIMIT; i++)
    if (form->of[i] == 1 || form->of[i] == -1) return i;
  return -1;
}

static bool collect_forms(Session *session, const Piece *piece, Side *side) {
  Leaves leaves = leaves_of(session, side->value);
  uint64_t alone = 0; /* indices whose own value counts, not that of a form */
  for (int k = 0; k < leaves.count; k++) {
    const Scalar *leaf = leaves.items[k];
    if (leaf->op == OP_INDEX) alone |= indices_of(piece, leaf->variables);
    if (leaf->op != OP_READ && leaf->op != OP_WITHIN) continue;
    for (int d = 0; d < leaf->access->rank; d++) {
      const Coordinate *coordinate = &leaf->access->coordinates[d];
      if (coordinate->computed != NULL) alone |= indices_of(piece, coordinate->computed->variables);
      if (!add_form(side, coordinate_form(piece, coordinate), piece->extent)) return false;
    }
  }
  for (int i = 0; i < LOOP_LIMIT; i++) {
    Form own = {.of = {0}};
    own.of[i] = 1;
    if ((alone >> i & 1) != 0 && !add_form(side, own, piece->extent)) return false;
  }
  if (side->joined >= 0 && !part_lanes(side, piece->extent)) return false;
  for (int f = 0; f < side->form_count; f++) {
    side->stands[f] = standing(&side->forms[f]);
    if (side->stands[f] < 0) return false;
  }
  return true;
}

/* The fast form last; false where the fast index does not move it one by one. */
static bool fast_last(Side *side) {
  int last = side->form_count - 1;
  for (int f = 0; f <= last; f++) {
    if (side->forms[f].of[side->fast] == 0) continue;
    if (side->forms[f].of[side->fast] != 1) return false;
    Form form = side->forms[f];
    for (int k = f; k < last; k++) side->forms[k] = side->forms[k + 1], side->stands[k] = side->stands[k + 1];
    side->forms[last] = form, side->stands[last] = side->fast;
    return true;
  }
  return false;
}

static void plain_strides(const Piece *piece, Side *side, const View *view) {
  for (int d = 0; d < side->value->access->rank; d++) {
    Form form = coordinate_form(piece, &side->value->access->coordinates[d]);
    for (int i = 0; i < LOOP_LIMIT; i++) side->stride[i] += piece->extent[i] > 1 ? form.of[i] * view->stride[d] : 0;
  }
}

/* The axis of what a plain factor reads along which the fast index moves, one by one; or -1. */
static int fast_axis(const Piece *piece, const Side *side) {
  int axis = -1;
  for (int d = 0; d < side->value->access->rank; d++) {
    const Coordinate *c = &side->value->access->coordinates[d];
    int64_t moves = 0;
    for (int t = 0; t < c->term_count; t++)
      moves += c->terms[t].coefficient * piece->variable[c->terms[t].variable].of[side->fast];
    if (moves != 0 && (moves != 1 || axis >= 0)) return -1;
    if (moves == 1) axis = d;
  }
  return axis;
}

static bool is_straight(Session *session, const Piece *piece, const Side *side, ViewOf view_of, void *context) {
  Leaves leaves = leaves_of(session, side->value);
  for (int k = 0; k < leaves.count; k++) {
    const Scalar *leaf = leaves.items[k];
    int64_t moves = 0;
    if (leaf->op != OP_READ) continue;
    View view = view_of(context, leaf->node);
    for (int d = 0; d < leaf->access->rank && view.value != NULL; d++)
      moves += view.stride[d] * coordinate_form(piece, &leaf->access->coordinates[d]).of[side->fast];
    if (moves != 0 && moves != 1) return false;
  }
  return true;
}

static bool is_plain(const Side *side, RegisterType real, ViewOf view_of, void *context, View *view) {
  if (side->value->op != OP_READ) return false;
  *view = view_of(context, side->value->node);
  if (view->value == NULL || view->value->storage != storage_of(real)) return false;
  for (int d = 0; d < side->value->access->rank; d++)
    if (side->value->access->coordinates[d].computed != NULL) return false;
  return true;
}

/* ---- points that count ------------------------------------------------------------------------------------------- */

static bool add_bound(Piece *piece, Form form, int64_t low, int64_t high, bool read) {
  int64_t least, most;
  form_range(&form, piece->extent, &least, &most);
  if (low <= least && most < high) return true;
  for (int b = 0; b < piece->bound_count; b++) {
    Bound *known = &piece->bounds[b];
    int64_t shift = form.constant - known->form.constant;
    if (memcmp(known->form.of, form.of, sizeof form.of) != 0) continue;
    if (known->low + shift != low || known->high + shift != high) continue;
    known->needed |= !read, known->read |= read;
    return true;
  }
  if (piece->bound_count == BOUND_LIMIT) return read;
  piece->bounds[piece->bound_count++] =
      (Bound){.form = form, .low = low, .high = high, .needed = !read, .read = read, .on = -1};
  return true;
}

/* A read by itself is 0 out of bounds. */
static bool read_bounds(Piece *piece, const Side *side, const View *view) {
  bool kept = true;
  for (int d = 0; d < side->value->access->rank; d++)
    kept &= add_bound(piece, coordinate_form(piece, &side->value->access->coordinates[d]), 0, view->shape[d], true);
  return kept;
}

static bool gather_bounds(Piece *piece) {
  for (int v = 0; v < piece->item->box_rank; v++)
    if (piece->gather->variable[v].guarded && !MUTANT(tile_guard) &&
        !add_bound(piece, piece->variable[v], 0, piece->item->box[v], false))
      return false;
  return true;
}

static bool is_bounded(const Piece *piece, int index) {
  for (int b = 0; b < piece->bound_count; b++)
    if (piece->bounds[b].form.of[index] != 0) return true;
  return false;
}

/* Loops with bounds first, so that the innermost has none; of those the one along which the rows' factor is contiguous,
   or the longest. */
static double loop_weight(const Piece *piece, int index) {
  double weight = (double)piece->extent[index];
  if (piece->a.plain && piece->a.stride[index] == 1) weight *= 4;
  return is_bounded(piece, index) ? weight * 1e-9 : weight;
}

static void order_loops(Piece *piece) {
  for (int i = BOX_LIMIT; i < LOOP_LIMIT; i++) {
    if (piece->extent[i] == 1) continue;
    int at = piece->order_count++;
    for (; at > 0 && loop_weight(piece, piece->order[at - 1]) > loop_weight(piece, i); at--)
      piece->order[at] = piece->order[at - 1];
    piece->order[at] = i;
  }
}

static int loop_depth(const Piece *piece, const Form *form) {
  int depth = -1;
  for (int k = 0; k < piece->order_count; k++)
    if (form->of[piece->order[k]] != 0) depth = k;
  return depth;
}

/* In the order of the loops, so that what the innermost goes through lies in a row; the fast form stays the last. */
static void order_forms(const Piece *piece, Side *side) {
  int count = side->form_count - (side->form_count > 0 && side->forms[side->form_count - 1].of[side->fast] != 0);
  count -= side->joined >= 0; /* that stays right before */
  for (int f = 1; f < count; f++) {
    Form form = side->forms[f];
    int stands = side->stands[f], at = f;
    for (; at > 0 && loop_depth(piece, &side->forms[at - 1]) > loop_depth(piece, &form); at--)
      side->forms[at] = side->forms[at - 1], side->stands[at] = side->stands[at - 1];
    side->forms[at] = form, side->stands[at] = stands;
  }
}

static bool moves_lanes(const Piece *piece, const Form *form) {
  return form->of[piece->b.fast] != 0 || (piece->b.joined >= 0 && form->of[piece->b.joined] != 0);
}

/* Each bound goes to the innermost summed index of its form that has none yet. */
static bool place_bounds(Piece *piece) {
  uint64_t taken = 0;
  for (int pass = 0; pass < 2; pass++) /* those that must be kept first */
    for (int b = 0; b < piece->bound_count; b++) {
      Bound *bound = &piece->bounds[b];
      if (bound->needed != (pass == 0)) continue;
      for (int k = piece->order_count - 1; k >= 0 && bound->on < 0; k--)
        if (bound->form.of[piece->order[k]] != 0 && !moves_lanes(piece, &bound->form) &&
            bound->form.of[piece->a.fast] == 0)
          bound->on = piece->order[k];
      if (bound->on >= 0 && (taken >> bound->on & 1) != 0) bound->on = -1;
      if (bound->on >= 0) taken |= UINT64_C(1) << bound->on;
      bool rows = bound->form.of[piece->a.fast] != 0, lanes = moves_lanes(piece, &bound->form);
      bound->at_point = bound->on < 0 && !rows && !lanes && (form_indices(&bound->form) >> BOX_LIMIT) == 0;
      if (bound->needed && !bound->read && bound->on < 0 && !bound->at_point) return false;
    }
  return true;
}

/* May the side be read where it lies, without a guard? */
static bool stays_inside(const Piece *piece, const Side *side, const View *view) {
  for (int d = 0; d < side->value->access->rank; d++) {
    Form form = coordinate_form(piece, &side->value->access->coordinates[d]);
    int64_t low, high;
    form_range(&form, piece->extent, &low, &high);
    bool inside = low >= 0 && high < view->shape[d];
    for (int b = 0; b < piece->bound_count && !inside; b++) {
      const Bound *bound = &piece->bounds[b];
      int64_t shift = form.constant - bound->form.constant;
      inside = (bound->on >= 0 || bound->at_point) && memcmp(bound->form.of, form.of, sizeof form.of) == 0 &&
               bound->low + shift >= 0 && bound->high + shift <= view->shape[d];
    }
    if (!inside) return false;
  }
  return true;
}

bool piece_new(Session *session, RegisterType real, const Tile *tile, ViewOf view_of, void *context, Piece *piece) {
  const Item *item = piece->item;
  const Scalar *factors[2] = {item->value->argument[0], item->value->argument[1]};
  uint64_t in[2] = {indices_of(piece, factors[0]->variables), indices_of(piece, factors[1]->variables)};
  uint64_t row = UINT64_C(1) << tile->row, lane = UINT64_C(1) << tile->lane;
  if (piece->extent[tile->row] == 1) row = 0; /* a part may have one row */
  if (piece->extent[tile->lane] == 1) return false;
  int b = (in[1] & lane) != 0;
  if ((in[1 - b] & lane) != 0 || (in[b] & row) != 0 || (in[b] & lane) == 0) return false;
  if (row != 0 && (in[1 - b] & row) == 0) return false;
  for (int i = BOX_LIMIT; i < LOOP_LIMIT; i++)
    if (piece->extent[i] > 1 && ((in[0] & in[1]) >> i & 1) == 0) return false;
  piece->a = (Side){.value = factors[1 - b], .indices = in[1 - b], .fast = tile->row, .joined = -1, .turned = -1};
  piece->b = (Side){.value = factors[b], .indices = in[b], .fast = tile->lane, .joined = tile->joined, .turned = -1};
  if (tile->joined >= 0 && ((in[b] >> tile->joined & 1) == 0 || (in[1 - b] >> tile->joined & 1) != 0)) return false;
  if (!gather_bounds(piece)) return false;
  Side *sides[2] = {&piece->a, &piece->b};
  View views[2];
  for (int s = 0; s < 2; s++) {
    Side *side = sides[s];
    side->copies = collect_forms(session, piece, side) && (fast_last(side) || (s == 0 && row == 0));
    side->straight = is_straight(session, piece, side, view_of, context);
    side->plain = is_plain(side, real, view_of, context, &views[s]);
    if (side->plain) plain_strides(piece, side, &views[s]);
    side->axis = side->plain ? fast_axis(piece, side) : -1;
    if (side->plain && !read_bounds(piece, side, &views[s])) side->plain = false;
  }
  order_loops(piece);
  if (!place_bounds(piece)) return false;
  for (int s = 0; s < 2; s++) {
    Side *side = sides[s];
    if (side->plain) side->plain = side->joined < 0 && stays_inside(piece, side, &views[s]);
    bool in_place = side->plain && (s == 0 || side->stride[side->fast] == 1);
    if (!in_place && !side->copies) return false;
    order_forms(piece, side);
  }
  return true;
}
