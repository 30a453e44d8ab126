/* Sums as parts and pieces. Takes items and two indices of the output, for the rows and for the lanes; returns a part
   for each residue class of the output, and in it a piece for each way to reach its points; takes pieces apart, or
   joins indices, where lanes would lie apart or be few, or rows go on. Never looks at what factors read. */
#include "contraction.h"

#include <string.h>

/* ---- pieces -------------------------------------------------------------------------------------------------------
 */

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
