/* Which sums are tiles. Takes an item; returns its variables by role: in the output and one factor, the rows; in the
   output and the other factor, the lanes; in both factors only, summed. A tile needs rows and lanes, enough of both,
   and a factor for each; anything else is a nest. */
#include "lower.h"

enum { TILE_POINTS = 4096, TILE_ROWS = 4, TILE_SUM = 8 };

/* The output axis that each box variable is, or -1; false where the write is more than a list of bare variables that
   covers the output. */
static bool output_axes(const Item *item, int *axis) {
  for (int v = 0; v < item->box_rank; v++) axis[v] = -1;
  for (int d = 0; d < item->write->rank; d++) {
    const Coordinate *c = &item->write->coordinates[d];
    if (coordinate_is_constant(c) && c->constant == 0 && item->view.shape[d] == 1) continue;
    if (!coordinate_is_bare(c) || axis[c->terms[0].variable] >= 0 ||
        item->box[c->terms[0].variable] != item->view.shape[d])
      return false;
    axis[c->terms[0].variable] = d;
  }
  return true;
}

static bool has(const Scalar *scalar, int variable) { return (scalar->variables >> variable & 1) != 0; }

/* The output's contiguous axis has the lanes; the longest other axis of the other factor alone has the rows. */
static bool find_roles(const Item *item, const int *axis, Piece *piece) {
  const Scalar *factors[2] = {item->value->argument[0], item->value->argument[1]};
  piece->lane = piece->row = -1;
  for (int v = 0; v < item->box_rank; v++)
    if (axis[v] >= 0 && item->box[v] > 1 && item->view.stride[axis[v]] == 1) piece->lane = v;
  if (piece->lane < 0 || has(factors[0], piece->lane) == has(factors[1], piece->lane)) return false;
  piece->b = factors[has(factors[1], piece->lane)];
  piece->a = factors[!has(factors[1], piece->lane)];
  for (int v = 0; v < item->box_rank; v++)
    if (axis[v] >= 0 && v != piece->lane && has(piece->a, v) && !has(piece->b, v) &&
        (piece->row < 0 || item->box[v] > item->box[piece->row]))
      piece->row = v;
  return piece->row >= 0;
}

bool piece_roles(const Item *item, Piece *piece) {
  int axis[BOX_LIMIT];
  int64_t summed = 1;
  *piece = (Piece){.item = item};
  if (item->combine != COMBINE_SUM || item->value->op != OP_MULTIPLY || item_points(item) < TILE_POINTS) return false;
  if (!output_axes(item, axis) || !find_roles(item, axis, piece)) return false;
  for (int v = 0; v < item->box_rank; v++)
    if (axis[v] < 0) {
      if (!has(piece->a, v) || !has(piece->b, v)) return false;
      piece->k[piece->k_count++] = v;
      summed *= item->box[v];
    }
  return item->box[piece->row] >= TILE_ROWS && summed >= TILE_SUM && item->box[piece->lane] >= TILE_ROWS;
}

static int axis_of(const Item *item, int variable) {
  for (int d = 0; d < item->write->rank; d++)
    if (item->write->coordinates[d].term_count == 1 && item->write->coordinates[d].terms[0].variable == variable)
      return d;
  return -1;
}

/* Is the factor a read in which the variable is contiguous? */
static bool contiguous(const Scalar *factor, int variable, ViewOf view_of, void *context) {
  if (factor->op != OP_READ) return false;
  View view = view_of(context, factor->node);
  if (view.value == NULL) return false;
  for (int d = 0; d < factor->access->rank; d++) {
    const Coordinate *c = &factor->access->coordinates[d];
    if (view.stride[d] == 1 && coordinate_is_bare(c) && c->terms[0].variable == variable) return true;
  }
  return false;
}

/* All sums of a tile agree about rows and lanes. */
Tile *tile_new(Session *session, const ScheduleOptions *options, int count, Item *const *items, ViewOf view_of,
               void *context) {
  Tile *tile = session_allocate(session, sizeof *tile);
  *tile = (Tile){.piece_count = count, .pieces = session_allocate(session, (size_t)count * sizeof *tile->pieces)};
  for (int i = 0; i < count; i++) {
    Piece *piece = &tile->pieces[i];
    if (!piece_roles(items[i], piece)) return NULL;
    int row = axis_of(items[i], piece->row), lane = axis_of(items[i], piece->lane);
    if (i > 0 && (row != tile->row_axis || lane != tile->lane_axis)) return NULL;
    tile->row_axis = row, tile->lane_axis = lane;
    tile->rows_contiguous |= contiguous(piece->a, piece->row, view_of, context);
    tile->lanes_staged |= !contiguous(piece->b, piece->lane, view_of, context);
    tile->rows = items[i]->box[piece->row], tile->lanes = items[i]->box[piece->lane];
  }
  return tile_size(tile, options) ? tile : NULL;
}
