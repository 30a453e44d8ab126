/* From graph to graph: derivatives made explicit, expressions made cheap and stable. Every pass takes effects and
   returns new effects that give the same numbers; none touches a node or reports anything. */
#ifndef TRANSFORM_H
#define TRANSFORM_H

#include "compiler/graph/graph.h"

/* Products of three or more factors over different index sets become pairwise sums, cheapest first. Before
   differentiate. */
EffectList transform_normalise(Graph *graph, EffectList effects);
/* Replaces every NODE_GRAD, innermost first, then drops marks and constants. A grad without a path is 0. */
EffectList transform_differentiate(Graph *graph, EffectList effects);
/* The same, but constants stay, for transform_freeze. */
EffectList transform_resolve(Graph *graph, EffectList effects);
/* Rewrites to a fixed point; merges what has become equal; closes nothing (0). */
EffectList transform_simplify(Graph *graph, EffectList effects);

/* `//` and `%` by static numbers in subscripts become axes. The last pass over graphs. */
EffectList transform_axes(Graph *graph, EffectList effects);

/* What is known about sums (sum_rules.def): rules that every pass follows, unless they are switched off. */
typedef enum SumRule {
#define SUM_RULE(name, title) SUM_RULE_##name,
#include "sum_rules.def"
#undef SUM_RULE
  SUM_RULE_COUNT
} SumRule;
typedef struct SumRuleRow {
  const char *name, *title;
} SumRuleRow;
extern const SumRuleRow sum_rule_rows[SUM_RULE_COUNT];
void transform_without(Graph *graph, SumRule rule);
/* Every sum once more, by the rules. The first pass: nobody asked what pays while the model was expanded. */
EffectList transform_sums(Graph *graph, EffectList effects);

/* The adjoints of `of` ([] or [batch], seeded with 1) at each of `at`; NULL where no path leads from it. Used by
   differentiate and by tests. */
void transform_adjoint(Graph *graph, Node *of, int count, Node *const *at, Node **adjoints);
/* d(value)/d(argument k) of one operation as an expression of its arguments, or nothing. */
const Scalar *scalar_derivative(Graph *graph, const Scalar *scalar, int argument);
/* Is the value of `node` possibly dependent on `on` along a differentiable path? (constants do not count) */
bool transform_reaches(Graph *graph, Node *on, Node *node);
/* The same by a path that does not go through `past`. */
bool transform_reaches_past(Graph *graph, Node *on, Node *past, Node *node);
/* The same, to be asked about many: what `node` depends on, by one walk. */
typedef struct Sources {
  int count;
  const bool *reached;
} Sources; /* by the id of the node */
Sources transform_sources(Graph *graph, Node *node);
bool sources_hold(const Sources *sources, const Node *on);
/* Does a path from v to e cross a sum over samples? Returns the node that couples, or NULL. */
Node *transform_couples(Graph *graph, Node *e, Node *v);

/* All numbers that the expression can be lie in here; what is not a number does not count. For warnings. */
typedef struct Range {
  double low, high;
} Range;
Range scalar_range(Graph *graph, const Scalar *scalar);

/* For diagnose: every comparison, floor, maximum and constant in the effects replaced by a read of an input that holds
   it as it is at the base point. */
typedef struct Frozen {
  EffectList effects;
  EffectList decisions;
} Frozen; /* decisions: what computes those inputs */
Frozen transform_freeze(Graph *graph, EffectList effects);

/* cut.c, for the schedule: the node's expression, with costly parts of few indices read from maps of their own. */
const Scalar *scalar_cut(Graph *graph, const Node *node);
/* The same with --trace: one operation is left, every other is a map of its own. */
const Scalar *scalar_separate(Graph *graph, const Node *node);

/* Tests only: the derivative of this operation is made wrong (OP_COUNT: none). */
void transform_break_derivative(Graph *graph, Operation op);

#endif
