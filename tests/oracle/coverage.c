/* Which constructs of the language a model holds. */
#include <string.h>

#include "coverage.h"

static const char *const titles[] = {
#define CONSTRUCT(name, title) title,
#include "constructs.def"
#undef CONSTRUCT
};

_Static_assert((int)C_COUNT <= (int)CONSTRUCT_LIMIT, "more constructs than there is room for");

/* Where a tree stands. */
typedef struct Place {
  bool in_index, in_layer, in_train, in_function, in_reduction, defined;
  int grads;
  const char *definition;
} Place;

static bool found[C_COUNT];
static const Tree *whole;

static bool calls(const Tree *tree, const char *name) {
  return tree->kind == T_CALL && tree_is_name(tree->items[0], name);
}

static bool holds(const Tree *tree, bool (*is)(const Tree *)) {
  if (tree == NULL) return false;
  if (is(tree)) return true;
  for (int k = 0; k < tree->count; k++)
    if (holds(tree->items[k], is)) return true;
  return false;
}

static bool is_number(const Tree *tree) { return tree->kind == T_NUMBER; }
static bool is_subscripted(const Tree *tree) { return tree->kind == T_SUBSCRIPT; }
static bool is_grad(const Tree *tree) { return calls(tree, "grad"); }
static bool is_mean(const Tree *tree) { return tree->kind == T_SUBSCRIPT && tree_is_name(tree->items[0], "E"); }

static bool is_log_of_name(const Tree *tree) { return calls(tree, "log") && tree->items[1]->kind == T_NAME; }

static const Tree *definition_of(const char *name) {
  for (int k = 0; k < whole->count; k++)
    if ((whole->items[k]->kind == S_FN || whole->items[k]->kind == S_LAYER) && strcmp(whole->items[k]->text, name) == 0)
      return whole->items[k];
  return NULL;
}

static int count_names(const Tree *tree) {
  if (tree == NULL) return 0;
  int count = tree->kind == T_NAME;
  for (int k = 0; k < tree->count; k++) count += count_names(tree->items[k]);
  return count;
}

static void look_at_subscript(const Tree *item) {
  found[C_SLICE] |= item->kind == T_RANGE;
  if (item->kind == T_CALL) found[C_COMPUTED_SUBSCRIPT] = true;
  if (item->kind != T_BINARY) return;
  const Tree *left = item->items[0], *right = item->items[1];
  found[C_STRIDE] |= (left->kind == T_BINARY && *left->text == '*' && is_number(left->items[0])) ||
                     (*item->text == '*' && is_number(left));
  found[C_BACKWARDS] |= *item->text == '-' && right->kind != T_NUMBER;
  found[C_OFFSET] |= (*item->text == '+' || *item->text == '-') && (is_number(left) || is_number(right));
  found[C_SUBSCRIPT_QUOTIENT] |= strcmp(item->text, "//") == 0;
  found[C_SUBSCRIPT_REMAINDER] |= *item->text == '%';
  found[C_TWO_INDICES] |= count_names(item) > 1;
}

static int factors(const Tree *tree) {
  if (tree->kind == T_BINARY && (*tree->text == '*' || strcmp(tree->text, "/") == 0))
    return factors(tree->items[0]) + factors(tree->items[1]);
  return is_number(tree) ? 0 : 1;
}

static void look_at_reduction(const Tree *tree) {
  static const struct {
    const char *op;
    Construct construct;
  } ops[] = {{"sum", C_SUM}, {"mean", C_MEAN}, {"max", C_MAX}, {"min", C_MIN}};
  for (int k = 0; k < 4; k++) found[ops[k].construct] |= strcmp(tree->text, ops[k].op) == 0;
  int indices = 0, count = factors(tree->items[0]);
  for (int k = 1; k < tree->count; k++) {
    const Tree *item = tree->items[k];
    bool binary = item->kind == T_BINARY,
         index = binary && item->items[0]->kind == T_NAME && item->items[0]->text[0] == 'k';
    bool bound = index && (*item->text == '<' && item->text[1] == 0) && is_number(item->items[1]),
         range = index && strcmp(item->text, "in") == 0;
    indices += item->kind == T_NAME || bound || range;
    found[C_BOUND] |= bound;
    found[C_RANGE] |= range;
    if (item->kind == T_NAME || bound || range) continue;
    bool of_value =
        holds(item, is_subscripted) || (binary && item->items[0]->kind == T_NAME && item->items[0]->text[0] != 'k');
    found[of_value ? C_VALUE_CONDITION : C_INDEX_CONDITION] = true;
    found[C_OVER_NOTHING] |= index && *item->text == '>' && is_number(item->items[1]);
  }
  found[C_SEVERAL_INDICES] |= indices > 1;
  if (count >= 2) found[count >= 5 ? C_FIVE_FACTORS : C_TWO_FACTORS + count - 2] = true;
  found[C_MEAN_AS_FACTOR] |= count > 1 && holds(tree->items[0], is_mean);
}

static void look_at_call(const Tree *tree, const Place *place) {
  if (tree->items[0]->kind != T_NAME) return;
  const char *name = tree->items[0]->text;
  static const struct {
    const char *name;
    int arguments;
    Construct construct;
  } rows[] = {{"sum", 1, C_TOTAL},
              {"mean", 1, C_TOTAL},
              {"sumsq", 1, C_TOTAL},
              {"max", 1, C_EXTREME},
              {"min", 1, C_EXTREME},
              {"max", 2, C_POINTWISE_EXTREME},
              {"min", 2, C_POINTWISE_EXTREME},
              {"concat", 2, C_CONCAT},
              {"reshape", 2, C_RESHAPE},
              {"flatten", 1, C_RESHAPE},
              {"floor", 1, C_FLOOR},
              {"ceil", 1, C_FLOOR},
              {"round", 1, C_FLOOR},
              {"sign", 1, C_FLOOR},
              {"constant", 1, C_CONSTANT},
              {"softplus", 1, C_STABLE},
              {"BatchStandard", 2, C_NORMALISATION}};
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
    if (strcmp(rows[k].name, name) == 0 && tree->count - 1 == rows[k].arguments) found[rows[k].construct] = true;
  found[C_STABLE] |= calls(tree, "log") && (calls(tree->items[1], "sigmoid") || tree->items[1]->kind == T_BINARY);
  found[C_NOT_A_NUMBER] |=
      (strcmp(name, "max") == 0 || strcmp(name, "min") == 0) &&
      (holds(tree->items[1], is_log_of_name) || (tree->count > 2 && holds(tree->items[2], is_log_of_name)));
  found[C_RECURSION] |= place->definition != NULL && strcmp(name, place->definition) == 0;
  bool subscripted = false;
  for (int k = 1; k < tree->count; k++)
    subscripted |= tree->items[k]->kind == T_SUBSCRIPT && tree->items[k]->items[0]->kind == T_NAME && place->in_index;
  const Tree *definition = definition_of(name);
  found[C_FUNCTION_PER_INDEX] |= subscripted && definition != NULL;
  found[C_GRAD_PER_INDEX] |=
      (subscripted && definition != NULL && holds(definition, is_grad)) || (is_grad(tree) && place->in_index);
}

static void look(const Tree *tree, Place place) {
  if (tree == NULL) return;
  switch (tree->kind) {
  case T_NUMBER: break;
  case T_NAME:
    found[C_NORMALISATION] |= strcmp(tree->text, "BatchNorm") == 0 || strcmp(tree->text, "LayerNorm") == 0 ||
                              strcmp(tree->text, "BatchStandard") == 0;
    found[C_ALL_GRADIENTS] |= strcmp(tree->text, "clipped") == 0;
    found[C_LAYER_NOISE] |= strcmp(tree->text, "Dropout") == 0;
    break;
  case T_UNARY:
    found[C_FRESH] |= strcmp(tree->text, "fresh") == 0;
    found[C_LOGIC] |= strcmp(tree->text, "not") == 0;
    break;
  case T_BINARY:
    found[C_LOGIC] |= strcmp(tree->text, "and") == 0 || strcmp(tree->text, "or") == 0;
    found[C_QUOTIENT] |= strcmp(tree->text, "//") == 0 && !place.in_index;
    found[C_REMAINDER] |= *tree->text == '%' && !place.in_index;
    found[C_POWER] |= *tree->text == '^' && !is_number(tree->items[1]);
    break;
  case T_IF:
    found[holds(tree->items[0], is_subscripted) || count_names(tree->items[0]) > 0 ? C_CHOICE : C_STATIC_CHOICE] = true;
    break;
  case T_PIPE:
    found[C_LAYER_PER_INDEX] |= place.in_index && place.in_layer && tree->items[0]->kind == T_SUBSCRIPT;
    break;
  case T_CALL: look_at_call(tree, &place); break;
  case T_SUBSCRIPT:
    if (is_mean(tree)) {
      found[C_INNER_MEAN] |= place.in_function || place.in_index || place.in_reduction;
      break;
    }
    for (int k = 1; k < tree->count; k++) {
      look_at_subscript(tree->items[k]);
      const Tree *item = tree->items[k];
      if (item->kind == T_NAME && item->text[0] != 'i' && item->text[0] != 'k') found[C_LABEL_SUBSCRIPT] = true;
    }
    break;
  case T_REDUCTION:
    look_at_reduction(tree);
    place.in_reduction = true;
    break;
  case T_LIST: found[C_LIST] |= tree->count > 1 && !place.defined; break;
  case T_SPREAD: found[C_SPREAD] = true; break;
  case T_TURNS: found[C_TURNS] = true; break;
  case S_DEFINE:
    if (tree->items[0]->kind == T_SUBSCRIPT) {
      found[C_INDEX_DEFINITION] = place.in_index = true;
      for (int k = 1; k < tree->items[0]->count; k++) found[C_LEFT_BOUND] |= tree->items[0]->items[k]->kind == T_BINARY;
      found[C_WHOLE_AXES] |= tree->items[1]->kind == T_CALL && tree->items[0]->count == 2;
    }
    found[C_ALIAS] |= tree->items[0]->kind == T_NAME && tree->items[1]->kind == T_NAME;
    found[C_TRAIN_NAME] |= place.in_train && !tree_is_name(tree->items[0], "batch");
    found[C_SHARED_INSTANCE] |=
        place.in_layer && tree->items[1]->kind == T_CALL && tree_is_name(tree->items[1]->items[0], "Linear");
    break;
  case S_INCREASE: {
    place.in_index = true;
    const Tree *left = tree->items[0];
    bool computed = false;
    for (int k = 1; left->kind == T_SUBSCRIPT && k < left->count; k++)
      computed |= left->items[k]->kind == T_CALL || (left->items[k]->kind == T_NAME && left->items[k]->text[0] == 'p');
    found[computed ? C_SCATTER_COMPUTED : C_SCATTER] = true;
    found[C_SCATTER_BOUND] |= left->kind == T_SUBSCRIPT && left->items[1]->kind == T_BINARY &&
                              (left->items[1]->text[0] == '<' || strcmp(left->items[1]->text, "in") == 0);
    found[C_SCATTER_AGAIN] |= left->kind == T_SUBSCRIPT && left->items[0]->text[0] == 'h';
    break;
  }
  case S_MOVE:
    found[place.in_train ? C_WEIGHT_MOVE : C_LAYER_STATE] |= !place.in_train || tree->items[0]->text[0] == 'w';
    break;
  case S_NOISE:
    found[C_LABEL] |= tree->items[0] != NULL && tree->items[0]->kind == T_CLASS;
    found[C_LAYER_NOISE] |= place.in_layer;
    break;
  case S_LAYER:
    found[C_RECORD] |= tree->items[2] != NULL && tree->items[2]->kind == T_FIELDS;
    found[C_OWN_OPTIMIZER] |= strncmp(tree->text, "opt", 3) == 0;
    found[C_ALL_GRADIENTS] |= tree->items[1]->count == 3;
    found[C_LAYER_OF_WEIGHT] |= tree->text[0] == 'S';
    place = (Place){.in_layer = true, .in_function = true, .definition = tree->text};
    break;
  case S_FN: place = (Place){.in_function = true, .definition = tree->text}; break;
  case S_NETWORK:
    place = (Place){.in_layer = true, .in_function = true};
    found[C_TRUNK] |= strcmp(tree->text, "Trunk") == 0;
    break;
  case S_FOR: found[C_STATIC_LOOP] = true; break;
  case S_TRAIN: {
    int batches = 0;
    for (int k = 0; k < tree->items[1]->count; k++)
      batches +=
          tree->items[1]->items[k]->kind == S_DEFINE && tree_is_name(tree->items[1]->items[k]->items[0], "batch");
    found[C_OTHER_BATCH] |= batches > 1;
    place.in_train = true;
    break;
  }
  case S_DRAW: found[C_DRAW] = true; break;
  case S_REPEAT: found[C_REPEAT] = true; break;
  case S_EVERY: found[C_EVERY] = true; break;
  case S_IF: found[C_TRAIN_CHOICE] |= place.in_train; break;
  case S_UPDATE:
    found[C_JOINT_UPDATE] |= tree->items[0]->count > 1;
    found[C_LABELLED_OBJECTIVE] |= tree->items[1] != NULL;
    break;
  case S_OUTPUT: found[C_OUTPUT] = true; break;
  default: break;
  }
  if (is_grad(tree)) {
    place.grads++;
    if (place.grads <= 3) found[C_GRAD + place.grads - 1] = true;
    found[C_GRAD_LIST] |= tree->count == 3 && (tree_is_name(tree->items[2], "D") || tree->items[2]->kind == T_LIST);
  }
  for (int k = 0; k < tree->count; k++) {
    place.defined = tree->kind == T_TYPE || tree->kind == T_CALL;
    look(tree->items[k], place);
  }
}

static void look_at_extents(const Tree *tree) {
  if (tree == NULL) return;
  for (int k = 0; tree->kind == T_LIST && k < tree->count; k++) {
    if (!is_number(tree->items[k])) continue;
    double n = tree->items[k]->number;
    found[C_EXTENT_ONE] |= n == 1;
    found[C_EXTENT_PRIME] |= n == 3 || n == 5 || n == 7 || n == 17;
    found[C_EXTENT_WIDE] |= n > 16;
  }
  for (int k = 0; k < tree->count; k++) look_at_extents(tree->items[k]);
}

int construct_count(void) { return C_COUNT; }

void coverage_add(Coverage *coverage, const Tree *file, const Plan *plan) {
  memset(found, 0, sizeof found);
  whole = file;
  look(file, (Place){0});
  look_for_convolutions(file, found);
  for (int k = 0; k < file->count; k++)
    for (int j = 0; j < file->items[k]->count && file->items[k]->kind != S_TRAIN; j++)
      if (file->items[k]->items[j] != NULL && file->items[k]->items[j]->kind == T_TYPE)
        look_at_extents(file->items[k]->items[j]);
  found[plan->fed ? C_FED : C_UNFED] = true;
  found[plan->narrow ? C_FLOAT32 : C_FLOAT64] = true;
  for (int k = 0; k < C_COUNT; k++) coverage->count[k] += found[k];
}

int coverage_print(const Coverage *coverage, long models, FILE *out) {
  int missing = 0;
  fprintf(out, "%-44s %8s of %ld\n", "construct", "models", models);
  for (int k = 0; k < C_COUNT; k++) {
    missing += coverage->count[k] == 0;
    fprintf(out, "%-44s %8ld%s\n", titles[k], coverage->count[k],
            coverage->count[k] * 100 < models ? "   fewer than one in a hundred" : "");
  }
  return missing;
}
