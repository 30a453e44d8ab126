/* What fusion decided, for people: a line per group and per node in it. Takes a fusion; prints. */
#include "contraction.h"
#include "fusion.h"

#include <inttypes.h>

static const char *const residence_names[] = {"nowhere", "input", "stored", "inline", "view", "drawn"};

static void print_node(const Fusion *fusion, const Node *node, FILE *out) {
  fprintf(out, "%%%d", node->id);
  if (node->name != NULL) fprintf(out, " %s", node->name);
  fputs(" [", out);
  for (int d = 0; d < node->rank; d++) fprintf(out, "%s%" PRId64, d > 0 ? ", " : "", node->shape[d]);
  fputs("]", out);
  if (node->span.source != NULL) fprintf(out, "  line %zu", source_place(node->span.source, node->span.from).line);
  (void)fusion;
}

static void print_item(const Fusion *fusion, const Item *item, FILE *out) {
  static const char *const combines[] = {"map", "sum", "max"};
  fprintf(out, "    %s ", combines[item->combine]);
  print_node(fusion, item->node, out);
  if (item->stored)
    fprintf(out, "  %" PRId64 " bytes", item->view.value->elements * storage_bytes(item->view.value->storage));
  else fputs("  not stored", out);
  if (item->view.value->node != item->node)
    fprintf(out, "  in %s", item->view.value->node->name != NULL ? item->view.value->node->name : "place");
  fputs("\n", out);
}

void fusion_print(const Fusion *fusion, FILE *out) {
  for (int g = 0; g < fusion->group_count; g++) {
    const Group *group = fusion->groups[g];
    fprintf(out, "%s %d\n",
            group->kind == GROUP_TILE     ? "tile"
            : group->kind == GROUP_SERIAL ? "serial nest"
                                          : "nest",
            g);
    if (group->kind == GROUP_TILE) tile_print(group->tile, out);
    for (int p = 0; p < group->piece_count; p++) print_item(fusion, group->pieces[p], out);
    for (int p = 0; p < group->phase_count; p++) {
      if (group->phase_count > 1) fprintf(out, "  phase %d\n", p);
      for (int i = 0; i < group->phases[p].count; i++) print_item(fusion, group->phases[p].items[i], out);
    }
  }
  for (int n = 0; n < fusion->order_count; n++) {
    const Fact *fact = fusion_fact(fusion, fusion->order[n]);
    if (fact->residence == RESIDES_STORED || fact->residence == RESIDES_INPUT) continue;
    fprintf(out, "%s ", residence_names[fact->residence]);
    print_node(fusion, fact->node, out);
    fputs("\n", out);
  }
}
