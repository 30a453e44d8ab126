/* Long sums with few outputs, in parts. Takes a node as it is to be computed; returns the node that adds up (or takes
   the maximum of) a fixed number of partial results, each over its share of one summed variable, or nothing where the
   outputs keep all tasks busy. The number follows from the size of the problem, so that any number of threads gives the
   same bits. Is asked about what no tile takes: these divide their sums themselves. */
#include "fusion.h"

#include <stdlib.h>

/* The outputs keep tasks busy if they make one in so many of those that the work is worth: a second program costs, too.
 */
enum { OWN_SHARE = 4 };

/* What reads do when a variable moves by one; those that the whole sum has in common do not count. */
typedef struct Steps {
  const ScheduleOptions *options;
  uint32_t axes;
  int64_t longest[BOX_LIMIT]; /* elements, of the read that moves farthest */
  bool contiguous[BOX_LIMIT]; /* some read moves by one element */
} Steps;

static void note_steps(void *context, const Scalar *read) {
  Steps *steps = context;
  if (read->op != OP_READ || read->node->kind == NODE_RANDOM || (read->variables & ~steps->axes) == 0) return;
  StoredValue value;
  layout_place(steps->options->layout, read->node, &value, steps->options->real);
  int64_t own[BOX_LIMIT] = {0};
  for (int d = 0; d < read->access->rank; d++) {
    const Coordinate *coordinate = &read->access->coordinates[d];
    for (int t = 0; t < coordinate->term_count; t++)
      own[coordinate->terms[t].variable] += coordinate->terms[t].coefficient * value.stride[d];
  }
  for (int v = 0; v < BOX_LIMIT; v++) {
    if (llabs(own[v]) > steps->longest[v]) steps->longest[v] = llabs(own[v]);
    steps->contiguous[v] |= own[v] == 1;
  }
}

/* Every axis has a variable of its own, whole. */
static bool writes_axes(const Node *node) {
  for (int d = 0; d < node->rank; d++) {
    const Coordinate *coordinate = &node->write->coordinates[d];
    bool unit = node->shape[d] == 1 && coordinate_is_constant(coordinate) && coordinate->constant == 0;
    if (!unit && (!coordinate_is_bare(coordinate) || node->box[d] != node->shape[d])) return false;
  }
  return true;
}

/* Tasks that the outputs make, at most: one axis is divided, by vectors where these lie along it. */
static int64_t own_tasks(const Node *node, const Steps *steps) {
  int64_t lanes = steps->options->machine->vector_bytes / register_bytes(steps->options->real), most = 1;
  for (int d = 0; d < node->rank; d++) {
    int64_t tasks = steps->contiguous[d] ? node->shape[d] / lanes : node->shape[d];
    if (tasks > most) most = tasks;
  }
  return most;
}

/* The summed variable whose parts lie farthest apart, of those that have `count` values; else the one of most values.
   -1: there is none. */
static int split_variable(const Node *node, const Steps *steps, int64_t count) {
  int best = -1;
  for (int v = node->rank; v < node->box_rank; v++) {
    if (best < 0) best = v;
    bool enough = node->box[v] >= count, had = node->box[best] >= count;
    if (enough && had ? steps->longest[v] > steps->longest[best] : node->box[v] > node->box[best] && !had) best = v;
  }
  return best;
}

/* Parts of equal length, if such a number of them is near: `count` or up to twice as many. */
static int64_t split_count(int64_t extent, int64_t count) {
  if (extent <= count) return extent;
  for (int64_t parts = count; parts <= 2 * count; parts++)
    if (extent % parts == 0) return parts;
  return count;
}

/* The values of variable `split` from `start` on, `length` for each of `parts`, every part an output of its own: the
   new axis is the last. parts 1: no axis. */
static Node *partial(Graph *graph, const Node *node, const Scalar *value, int split, int64_t start, int64_t parts,
                     int64_t length) {
  Coordinate by[BOX_LIMIT];
  int64_t box[BOX_LIMIT], shape[RANK_LIMIT];
  int rank = node->rank + (parts > 1), count = 0;
  uint32_t batch = 0;
  for (int v = 0; v < BOX_LIMIT; v++) by[v] = coordinate_constant(0);
  for (int v = 0; v < node->box_rank; v++) {
    bool samples = (node->batch_variables >> v & 1) != 0;
    if (v == node->rank && parts > 1) shape[node->rank] = box[count++] = parts;
    int64_t extent = v == split ? length : node->box[v];
    by[v] = extent > 1 ? coordinate_variable(count) : coordinate_constant(0);
    if (v == split) {
      by[v] = coordinate_add(by[v], coordinate_constant(start));
      if (parts > 1) by[v] = coordinate_add(by[v], coordinate_scale(coordinate_variable(node->rank), length));
      if (parts > 1 && samples) batch |= UINT32_C(1) << node->rank;
    }
    if (samples && extent > 1) batch |= UINT32_C(1) << count;
    if (v < node->rank) shape[v] = node->shape[v];
    box[count++] = extent;
  }
  return graph_compute(graph, node->combine, count, box, batch, access_identity(graph, rank), rank, shape, node->batch,
                       scalar_substitute(graph, value, by), node->name, node->span);
}

/* What the parts come to. */
static Node *total(Graph *graph, const Node *node, Node *parts, int64_t count) {
  Coordinate at[RANK_LIMIT];
  int64_t box[BOX_LIMIT];
  for (int d = 0; d <= node->rank; d++) {
    box[d] = d < node->rank ? node->shape[d] : count;
    at[d] = box[d] > 1 ? coordinate_variable(d) : coordinate_constant(0);
  }
  const Scalar *read = scalar_read(graph, parts, access_new(graph, node->rank + 1, at));
  return graph_compute(graph, node->combine, node->rank + 1, box, node->batch ? 1u : 0u,
                       access_identity(graph, node->rank), node->rank, node->shape, node->batch, read, node->name,
                       node->span);
}

static Node *both(Graph *graph, const Node *node, Node *a, Node *b) {
  Coordinate at[RANK_LIMIT];
  for (int d = 0; d < node->rank; d++) at[d] = node->shape[d] > 1 ? coordinate_variable(d) : coordinate_constant(0);
  const Access *access = access_new(graph, node->rank, at);
  Operation op = node->combine == COMBINE_SUM ? OP_ADD : OP_MAXIMUM;
  const Scalar *left = scalar_read(graph, a, access), *right = scalar_read(graph, b, access);
  const Scalar *value = scalar_apply(graph, op, left, right, NULL);
  return graph_map(graph, node->rank, node->shape, node->batch, value, node->span);
}

Node *sum_split(Graph *graph, const ScheduleOptions *options, const Node *node, const Scalar *value) {
  if (node->combine == COMBINE_SET || node->rank == RANK_LIMIT || node->box_rank == BOX_LIMIT) return NULL;
  double points = 1;
  for (int v = 0; v < node->box_rank; v++) points *= (double)node->box[v];
  int64_t wanted = nest_chunks(points * (scalar_cost(value) + 1));
  if (wanted < 2 || !writes_axes(node)) return NULL;
  Steps steps = {.options = options, .axes = (UINT32_C(1) << node->rank) - 1};
  scalar_reads(value, note_steps, &steps);
  int split = split_variable(node, &steps, wanted);
  if (split < 0) return NULL;
  int64_t extent = node->box[split], parts = split_count(extent, wanted), length = extent / parts;
  if (wanted < OWN_SHARE * own_tasks(node, &steps) || parts < 2) return NULL;
  Node *sum = total(graph, node, partial(graph, node, value, split, 0, parts, length), parts);
  int64_t rest = extent - parts * length;
  return rest == 0 ? sum : both(graph, node, sum, partial(graph, node, value, split, parts * length, 1, rest));
}
