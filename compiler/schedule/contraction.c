/* Sums of products as loops with roles. Takes items and two axes of the output, for the rows and for the lanes; returns
   parts, their pieces, what the factors read and which points count. Never chooses sizes. */
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

static Form coordinate_form(const Piece *piece, const Coordinate *coordinate) {
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

static void piece_indices(Piece *piece, const Part *part, int loop_count) {
  const Gather *gather = piece->gather;
  for (int i = 0; i < LOOP_LIMIT; i++) piece->extent[i] = 1;
  for (int l = 0; l < loop_count; l++) piece->extent[l] = part->loops[l].count;
  for (int t = 0; t < gather->free_count; t++) piece->extent[BOX_LIMIT + t] = gather->free_extent[t];
  for (int v = 0; v < piece->item->box_rank; v++) {
    piece->variable[v].constant = gather->variable[v].constant;
    memcpy(piece->variable[v].of, gather->variable[v].coefficient, sizeof piece->variable[v].of);
  }
}

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

static bool piece_new(Session *session, RegisterType real, const Tile *tile, ViewOf view_of, void *context,
                      Piece *piece) {
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

/* ---- lanes that move by several ---------------------------------------------------------------------------------- */

/* Where an index of the lanes moves a coordinate by s > 1, the summed index k is taken apart: k = m*t + r with m = s /
   gcd(s, e). For each r all that is read lies s apart, so that a stage holds it side by side. Returns m. */
static int64_t lane_modulus(Session *session, const Piece *piece, int lane, int *index) {
  Leaves leaves = leaves_of(session, piece->item->value);
  for (int l = 0; l < leaves.count; l++) {
    if (leaves.items[l]->op != OP_READ) continue;
    for (int d = 0; d < leaves.items[l]->access->rank; d++) {
      Form form = coordinate_form(piece, &leaves.items[l]->access->coordinates[d]);
      int64_t s = form.of[lane] < 0 ? -form.of[lane] : form.of[lane];
      for (int i = BOX_LIMIT; i < LOOP_LIMIT && s > 1; i++) {
        if (form.of[i] == 0 || piece->extent[i] == 1) continue;
        *index = i;
        return s / greatest_divisor(s, form.of[i]);
      }
    }
  }
  return 1;
}

static void split_index(Piece *piece, int index, int64_t modulus, int64_t rest) {
  piece->extent[index] = (piece->extent[index] - rest + modulus - 1) / modulus;
  for (int v = 0; v < piece->item->box_rank; v++) {
    piece->variable[v].constant += piece->variable[v].of[index] * rest;
    piece->variable[v].of[index] *= modulus;
  }
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

int64_t part_stride(const Tile *tile, const Part *part, int index) {
  return part->loops[index].step * tile->view->stride[part->loops[index].axis];
}

static bool same_class(const Part *part, const ResidueClass *class, const Tile *tile) {
  if (class->loop_count != tile->loop_count) return false;
  for (int d = 0; d < tile->view->rank; d++)
    if (part->offset[d] != class->offset[d]) return false;
  for (int l = 0; l < tile->loop_count; l++)
    if (part->loops[l].axis != class->loops[l].axis || part->loops[l].step != class->loops[l].step ||
        part->loops[l].count != class->loops[l].count)
      return false;
  return true;
}

enum { SPLIT_LIMIT = 4 };

/* The piece, or those that it is taken apart into: by the index of the lanes, then by the one that is joined to it. */
static bool split_pieces(Session *session, RegisterType real, const Tile *tile, ViewOf view_of, void *context,
                         const Piece *whole, int turn, Part *part) {
  int lanes[2] = {tile->lane, tile->joined}, index = 0;
  if (turn == 2) {
    part->pieces[part->piece_count] = *whole;
    return piece_new(session, real, tile, view_of, context, &part->pieces[part->piece_count++]);
  }
  int64_t modulus = lanes[turn] < 0 ? 1 : lane_modulus(session, whole, lanes[turn], &index);
  if (modulus > SPLIT_LIMIT) return false;
  for (int64_t rest = 0; rest < modulus && (modulus == 1 || rest < whole->extent[index]); rest++) {
    Piece piece = *whole;
    if (modulus > 1) split_index(&piece, index, modulus, rest);
    if (!split_pieces(session, real, tile, view_of, context, &piece, turn + 1, part)) return false;
  }
  return true;
}

static bool part_new(Session *session, RegisterType real, int count, Item *const *items, Residue *const *residues,
                     int number, ViewOf view_of, void *context, const Tile *tile, Part *part) {
  const ResidueClass *first = &residues[0]->classes[number];
  int pieces = 0;
  memcpy(part->offset, first->offset, sizeof part->offset);
  memcpy(part->loops, first->loops, sizeof part->loops);
  for (int k = 0; k < count; k++) {
    if (!same_class(part, &residues[k]->classes[number], tile)) return false;
    pieces += residues[k]->classes[number].gather_count;
  }
  part->pieces = session_allocate(session, (size_t)(SPLIT_LIMIT * SPLIT_LIMIT * pieces + 1) * sizeof *part->pieces);
  for (int k = 0; k < count; k++)
    for (int g = 0; g < residues[k]->classes[number].gather_count; g++) {
      Piece whole = {.item = items[k], .gather = &residues[k]->classes[number].gathers[g], .blocked = -1};
      piece_indices(&whole, part, tile->loop_count);
      if (!split_pieces(session, real, tile, view_of, context, &whole, 0, part)) return false;
    }
  return true;
}

/* ---- rows of several indices ------------------------------------------------------------------------------------- */

static bool piece_goes_on(const Piece *piece, int row, int outer) {
  for (int b = 0; b < piece->bound_count; b++)
    if (piece->bounds[b].form.of[row] != 0 || piece->bounds[b].form.of[outer] != 0) return false;
  return piece->a.plain && (piece->a.indices >> outer & 1) != 0 && (piece->b.indices >> outer & 1) == 0 &&
         piece->a.stride[outer] == piece->a.stride[row] * piece->extent[row];
}

/* Do rows go on into the next value of the other index, in the output and in every factor? */
static bool rows_go_on(const Tile *tile, int outer) {
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    const ClassLoop *rows = &part->loops[tile->row];
    if (part->loops[outer].count < 2 || rows->count != tile->parts[0].loops[tile->row].count) return false;
    if (part_stride(tile, part, outer) != part_stride(tile, part, tile->row) * rows->count) return false;
    for (int k = 0; k < part->piece_count; k++)
      if (!piece_goes_on(&part->pieces[k], tile->row, outer)) return false;
  }
  return true;
}

static void join_rows(Tile *tile, int outer) {
  int row = tile->row;
  for (int p = 0; p < tile->part_count; p++) {
    Part *part = &tile->parts[p];
    if (part->digit_count == 0) part->digits[0] = row, part->digit_values[0] = part->loops[row].count;
    if (part->digit_count == 0) part->digit_count = 1;
    part->digits[part->digit_count] = outer, part->digit_values[part->digit_count++] = part->loops[outer].count;
    part->loops[row].count *= part->loops[outer].count;
    part->loops[outer].count = 1;
    for (int k = 0; k < part->piece_count; k++) {
      Piece *piece = &part->pieces[k];
      piece->extent[row] *= piece->extent[outer], piece->extent[outer] = 1;
      piece->a.stride[outer] = 0, piece->a.indices &= ~(UINT64_C(1) << outer);
      piece->a.copies = false;
    }
  }
}

/* ---- lanes of two indices ---------------------------------------------------------------------------------------- */

/* Few lanes may go on into the next value of another index: where the output does. */
static int joined_index(const Tile *tile, const ResidueClass *class) {
  enum { FEW_LANES = 32 };
  const ClassLoop *lanes = &class->loops[tile->lane];
  if (lanes->count >= FEW_LANES || lanes->step * tile->view->stride[lanes->axis] != 1) return -1;
  for (int l = 0; l < class->loop_count; l++) {
    const ClassLoop *loop = &class->loops[l];
    if (l != tile->row && l != tile->lane && loop->count > 1 &&
        loop->step * tile->view->stride[loop->axis] == lanes->count)
      return l;
  }
  return -1;
}

static void join_lanes(Tile *tile) {
  for (int p = 0; p < tile->part_count && tile->joined >= 0; p++) {
    Part *part = &tile->parts[p];
    part->loops[tile->lane].count *= part->loops[tile->joined].count;
    part->loops[tile->joined].count = 1;
  }
}

static bool split_parts(Session *session, const ScheduleOptions *options, int count, Item *const *items, bool whole,
                        bool join, int row, int lane, ViewOf view_of, void *context, Tile *tile) {
  enum { PART_LIMIT = 16, ITEM_LIMIT = 8 };
  Residue *residues[ITEM_LIMIT] = {NULL};
  if (count < 1 || count > ITEM_LIMIT) return false;
  *tile = (Tile){.view = &items[0]->view, .row = row, .lane = lane, .joined = -1};
  for (int k = 0; k < count; k++) {
    residues[k] = residue_split(session, items[k], whole);
    if (residues[k] == NULL || residues[k]->class_count > PART_LIMIT || items[k]->view.rank != tile->view->rank ||
        residues[k]->class_count != residues[0]->class_count)
      return false;
  }
  tile->loop_count = residues[0]->classes[0].loop_count;
  if (row >= tile->loop_count || lane >= tile->loop_count) return false;
  tile->part_count = residues[0]->class_count;
  if (join) tile->joined = joined_index(tile, &residues[0]->classes[0]);
  if (join && (tile->joined < 0 || tile->part_count > 1)) return false;
  tile->lane_own = residues[0]->classes[0].loops[lane].count;
  tile->parts = session_allocate(session, (size_t)tile->part_count * sizeof *tile->parts);
  for (int p = 0; p < tile->part_count; p++) {
    Part *part = &tile->parts[p];
    if (!part_new(session, options->real, count, items, residues, p, view_of, context, tile, part)) return false;
  }
  join_lanes(tile);
  for (int l = tile->loop_count - 1; l >= 0; l--)
    if (l != row && l != lane && rows_go_on(tile, l)) join_rows(tile, l), l = tile->loop_count;
  for (int p = 0; p < tile->part_count; p++) {
    const Part *part = &tile->parts[p];
    if (part->loops[row].count > tile->rows) tile->rows = part->loops[row].count;
    if (part->loops[lane].count > tile->lanes) tile->lanes = part->loops[lane].count;
  }
  return true;
}

bool contraction_parts(Session *session, const ScheduleOptions *options, int count, Item *const *items, int row,
                       int lane, ViewOf view_of, void *context, Tile *tile) {
  for (int turn = 0; turn < 4; turn++) /* joined lanes before others, whole axes before parts */
    if (split_parts(session, options, count, items, turn % 2 == 0, turn < 2, row, lane, view_of, context, tile))
      return true;
  return false;
}
