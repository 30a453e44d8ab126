/* Which convolutions, and what is like them, a model holds: known by their subscripts. Takes a file's tree; sets what
   it found. */
#include <string.h>

#include "coverage.h"

enum { TERMS = 6, NAMES = 12 };

/* A sum of indices with coefficients, and a constant. */
typedef struct Affine {
  int count;
  double constant;
  struct {
    const char *name;
    double coefficient;
  } at[TERMS];
} Affine;

static bool add_affine(const Tree *tree, double factor, Affine *sum) {
  if (tree->kind == T_NUMBER) return sum->constant += factor * tree->number, true;
  if (tree->kind == T_NAME && sum->count < TERMS) {
    sum->at[sum->count].name = tree->text;
    sum->at[sum->count++].coefficient = factor;
    return true;
  }
  if (tree->kind != T_BINARY) return false;
  const Tree *left = tree->items[0], *right = tree->items[1];
  if (*tree->text == '*') return left->kind == T_NUMBER && add_affine(right, factor * left->number, sum);
  if (*tree->text != '+' && *tree->text != '-') return false;
  return add_affine(left, factor, sum) && add_affine(right, *tree->text == '-' ? -factor : factor, sum);
}

static bool holds_operator(const Tree *tree, const char *text) {
  if (tree == NULL) return false;
  bool held = tree->kind == T_BINARY && strcmp(tree->text, text) == 0;
  for (int k = 0; k < tree->count && !held; k++) held = holds_operator(tree->items[k], text);
  return held;
}

typedef struct Names {
  int count;
  const char *at[NAMES];
} Names;

static bool is_known(const Names *names, const char *name) {
  for (int k = 0; k < names->count; k++)
    if (strcmp(names->at[k], name) == 0) return true;
  return false;
}

static bool mentions(const Tree *tree, const Names *names) {
  if (tree == NULL) return false;
  bool said = tree->kind == T_NAME && is_known(names, tree->text);
  for (int k = 0; k < tree->count && !said; k++) said = mentions(tree->items[k], names);
  return said;
}

/* The indices that a reduction sums over: its brackets' bare names and bounds. */
static Names summed_by(const Tree *reduction) {
  Names names = {0};
  for (int k = 1; k < reduction->count; k++) {
    const Tree *item = reduction->items[k];
    if (item->kind == T_BINARY && (strcmp(item->text, "<") == 0 || strcmp(item->text, "in") == 0))
      item = item->items[0];
    if (item->kind == T_NAME && names.count < NAMES) names.at[names.count++] = item->text;
  }
  return names;
}

/* What the subscripts of one value say: how many of them are windows, which mix an index that is summed with one that
   is not. */
typedef struct Windows {
  int count, factors;
  bool stride, dilation, padding, backwards, groups, each;
} Windows;

static void look_at_item(const Tree *item, const Names *summed, Windows *windows) {
  Affine sum = {0};
  bool divided = item->kind == T_BINARY && strcmp(item->text, "//") == 0, inner = false, outer = false;
  if (!add_affine(divided ? item->items[0] : item, 1, &sum)) return;
  for (int t = 0; t < sum.count; t++) *(is_known(summed, sum.at[t].name) ? &inner : &outer) = true;
  if (!inner || !outer) return;
  windows->count++;
  windows->padding |= sum.constant < 0;
  for (int t = 0; t < sum.count; t++) {
    bool is_inner = is_known(summed, sum.at[t].name);
    *(is_inner ? &windows->dilation : &windows->stride) |= sum.at[t].coefficient > 1;
    windows->backwards |= is_inner && sum.at[t].coefficient < 0;
  }
  windows->backwards |= divided;
}

/* All subscripted values below; of those with windows, the one with most. The first axis is that of the channels,
   unless it is the only one. */
static void look_at_values(const Tree *tree, const Names *summed, Windows *most) {
  if (tree == NULL) return;
  if (tree->kind == T_SUBSCRIPT) {
    Windows windows = {0};
    int first = tree->count > 2 ? 2 : 1;
    for (int k = first; k < tree->count; k++) look_at_item(tree->items[k], summed, &windows);
    windows.groups = first == 2 && tree->items[1]->kind != T_NAME;
    windows.each = first == 2 && !mentions(tree->items[1], summed);
    windows.factors = most->factors + 1;
    if (windows.count <= most->count) most->factors++;
    else *most = windows;
  }
  for (int k = 0; k < tree->count; k++) look_at_values(tree->items[k], summed, most);
}

static void look_at_sum(const Tree *tree, bool *found) {
  Names summed = summed_by(tree);
  Windows windows = {0};
  look_at_values(tree->items[0], &summed, &windows);
  if (windows.count == 0) {
    found[C_NORMALISATION_OVER_SPACE] |= strcmp(tree->text, "mean") == 0 && holds_operator(tree->items[0], "^");
    return;
  }
  if (strcmp(tree->text, "sum") != 0) {
    found[strcmp(tree->text, "mean") == 0 ? C_AVERAGE_POOLING : C_EXTREME_POOLING] = true;
    return;
  }
  if (windows.factors < 2) return;
  found[C_CONVOLUTION] = true;
  found[C_CONVOLUTION_IN_THREE] |= windows.count == 3;
  found[C_CONVOLUTION_GROUPS] |= windows.groups;
  found[C_CONVOLUTION_EACH] |= windows.each;
  found[C_CONVOLUTION_SCALED] |= windows.factors > 2;
  if (windows.backwards) {
    found[C_TRANSPOSED_GATHERED] = true;
    return;
  }
  found[C_CONVOLUTION_STRIDE] |= windows.stride;
  found[C_CONVOLUTION_DILATION] |= windows.dilation;
  found[C_CONVOLUTION_PADDING] |= windows.padding;
}

static void look_at_increase(const Tree *left, bool *found) {
  int windows = 0, first = left->count > 2 ? 2 : 1;
  for (int k = first; left->kind == T_SUBSCRIPT && k < left->count; k++) {
    Affine sum = {0};
    windows += add_affine(left->items[k], 1, &sum) && sum.count == 2;
  }
  if (windows == 0) return;
  found[C_TRANSPOSED] = true;
  found[C_CONVOLUTION_IN_THREE] |= windows == 3;
  found[C_CONVOLUTION_GROUPS] |= first == 2 && left->items[1]->kind != T_NAME;
}

/* y[…] = x[…] with whole quotients and remainders of indices. */
static void look_at_moved(const Tree *right, bool *found) {
  if (right->kind == T_BINARY && *right->text == '+') right = right->items[0]; /* between two elements */
  if (right->kind == T_BINARY && *right->text == '*') right = right->items[1];
  if (right->kind != T_SUBSCRIPT) return;
  bool quotient = holds_operator(right, "//"), remainder = holds_operator(right, "%");
  found[C_UPSAMPLING] |= quotient && !remainder;
  found[C_SHUFFLE] |= quotient && remainder;
}

static void look(const Tree *tree, bool *found) {
  if (tree == NULL) return;
  if (tree->kind == T_REDUCTION) look_at_sum(tree, found);
  if (tree->kind == S_INCREASE) look_at_increase(tree->items[0], found);
  if (tree->kind == S_DEFINE && tree->items[0]->kind == T_SUBSCRIPT) look_at_moved(tree->items[1], found);
  for (int k = 0; k < tree->count; k++) look(tree->items[k], found);
}

/* ---- second derivatives ------------------------------------------------------------------------------------------ */

static const Tree *definition(const Tree *file, const char *name) {
  for (int k = 0; k < file->count; k++) {
    Kind kind = file->items[k]->kind;
    if ((kind == S_FN || kind == S_LAYER || kind == S_NETWORK) && strcmp(file->items[k]->text, name) == 0)
      return file->items[k];
  }
  return NULL;
}

static bool is_convolution(const Tree *tree) {
  bool found[C_COUNT] = {false};
  if (tree->kind == T_REDUCTION) look_at_sum(tree, found);
  if (tree->kind == S_INCREASE) look_at_increase(tree->items[0], found);
  return found[C_CONVOLUTION] || found[C_TRANSPOSED];
}

/* Is there a convolution in it, or in what it calls? */
static bool reaches_convolution(const Tree *file, const Tree *tree, int depth) {
  enum { CALLS = 6 };
  if (tree == NULL || depth > CALLS) return false;
  if (is_convolution(tree)) return true;
  const Tree *called = tree->kind == T_NAME ? definition(file, tree->text) : NULL;
  if (called != NULL && reaches_convolution(file, called, depth + 1)) return true;
  for (int k = 0; k < tree->count; k++)
    if (reaches_convolution(file, tree->items[k], depth)) return true;
  return false;
}

static bool calls(const Tree *tree, const char *name) {
  return tree->kind == T_CALL && tree_is_name(tree->items[0], name);
}

/* A gradient within what is differentiated again: within another one, or within an objective. */
static bool differentiates_again(const Tree *file, const Tree *tree, bool within) {
  if (tree == NULL) return false;
  within |= tree->kind == S_OBJECTIVE;
  bool is_gradient = calls(tree, "grad"), has_gradient = calls(tree, "slope") || calls(tree, "gradient_penalty");
  if (within && (is_gradient || has_gradient) && reaches_convolution(file, tree->items[1], 0)) return true;
  for (int k = 0; k < tree->count; k++)
    if (differentiates_again(file, tree->items[k], within || is_gradient)) return true;
  return false;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void look_at_batches(const Tree *tree, bool *found) {
  enum { VECTOR = 16 }; /* the widest: float32 with AVX-512 */
  if (tree == NULL) return;
  if (tree->kind == S_DEFINE && tree_is_name(tree->items[0], "batch") && tree->items[1]->kind == T_NUMBER) {
    found[C_BATCH_ONE] |= tree->items[1]->number == 1;
    found[C_BATCH_WIDE] |= tree->items[1]->number > VECTOR;
  }
  for (int k = 0; k < tree->count; k++) look_at_batches(tree->items[k], found);
}

void look_for_convolutions(const Tree *file, bool *found) {
  look(file, found);
  look_at_batches(file, found);
  found[C_CONVOLUTION_TWICE] |= differentiates_again(file, file, false);
}
