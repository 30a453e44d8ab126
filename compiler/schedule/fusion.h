/* What fusion decides, for fuse.c, order.c and schedule.c. */
#ifndef FUSION_H
#define FUSION_H

#include "lower.h"

typedef enum Residence {
  RESIDES_NOWHERE, /* not needed by this routine */
  RESIDES_INPUT,   /* in an input's memory */
  RESIDES_STORED,  /* made by a group; in memory if somebody outside of it reads it */
  RESIDES_INLINE,  /* a map written into its readers */
  RESIDES_VIEW,    /* a reshape of what resides */
  RESIDES_DRAWN    /* random, drawn where it is read */
} Residence;

typedef struct Group Group;
typedef struct Strategy Strategy; /* strategy.h */
typedef struct Decision Decision;
typedef struct Fact { /* what is known of a node; of what the routine does not need, that it RESIDES_NOWHERE */
  Node *node;
  int position; /* operands first */
  Residence residence;
  const Node *way; /* COMPUTE: what is computed for it; itself, or the sum of parts that have a place of their own */
  const Scalar *value; /* COMPUTE: of that, without what was cut out */
  StoredValue *stored;
  View view;
  Group *group;      /* that makes it */
  struct Move *move; /* INPUT: the effect that overwrites it */
  int group_count, group_capacity;
  Group **groups;        /* INPUT: that read it */
  bool told;             /* only statistics need it: not computed in every round */
  int readers;           /* nodes that read it; effects and views count twice */
  struct Fact *reader;   /* that of them whose item came last, itself left out */
  const Node *drawn_for; /* RANDOM: the last of these that was seen */
  Decision *sums;        /* of a map that adds sums up: how they are computed together, once that was weighed */
  Item *item;
} Fact;

typedef enum GroupKind {
  GROUP_NEST,   /* one phase, in chunks */
  GROUP_SERIAL, /* many small phases in turn */
  GROUP_TILE    /* one phase: what the pieces add up to, and what follows */
} GroupKind;
struct Group {
  GroupKind kind;
  int phase_count, phase_capacity;
  Phase *phases;
  bool told;        /* of what only statistics need, and nothing else */
  int order, mark;  /* of a walk or the sort */
  const Tile *tile; /* GROUP_TILE */
  int piece_count;
  Item **pieces; /* of a tile, where several add up */
  int after_count, after_capacity;
  Group **after; /* groups that must have run before this one */
};

typedef struct Move {
  Node *target;
  Fact *value;
  bool in_place;
  Group *copy;
  Span span;
} Move; /* an effect: where its value goes */

struct Fusion {
  Session *session;
  Graph *graph;
  EffectList effects;
  const ScheduleOptions *options;
  Map *facts; /* by node */
  int order_count, order_capacity;
  Node **order; /* needed nodes, operands first */
  int group_count, group_capacity;
  Group **groups; /* in the order of execution, once fused */
  int move_count;
  Move *moves;
  int value_count, value_capacity;
  StoredValue **values;
  int fusions, walks;
};

Fact *fusion_fact(const Fusion *fusion, const Node *node);
StoredValue *fusion_value(Fusion *fusion, Node *node);
Item *fusion_item(Fusion *fusion, Node *node, const View *view, const Scalar *value);
void item_reads(Session *session, Item *item);    /* lists what its value and write read */
View fusion_view(void *fusion, const Node *node); /* a ViewOf */
/* From now on the node is computed in this way; new nodes that it reads have facts and items then. */
void fusion_change(Fusion *fusion, Fact *fact, const Node *way);
/* split.c: a sum or maximum as one of partial ones, with this value; NULL: it stays whole. */
Node *sum_split(Graph *graph, const ScheduleOptions *options, const Node *node, const Scalar *value);
/* A group as it was decided, with its first phase. */
Group *fusion_group(Fusion *fusion, const Decision *decision, Item *item);
void group_phase(Fusion *fusion, Group *group, const Decision *decision, Item *item);
void phase_add(Fusion *fusion, const Group *group, Phase *phase, Item *item);
/* join.c: every item into a group. */
void fusion_join(Fusion *fusion);
/* Is the old value of `target` read by the item only where it writes? */
bool reads_in_place(const Fusion *fusion, const Item *item, const StoredValue *target);
const Fact *fusion_behind(const Fusion *fusion, const Fact *fact); /* what a view looks at */
/* Sorts the groups: operands first, readers of what came in before what overwrites it. Moves that no order allows
   become copies. */
void fusion_order(Fusion *fusion);

#endif
