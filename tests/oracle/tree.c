/* Trees: making, copying, counting. */
#include <string.h>

#include "oracle.h"

const char *const kind_names[KIND_COUNT] = {
    "number",    "string",   "name",      "unary",  "binary", "if",      "pipe",         "call",      "named",
    "subscript", "member",   "reduction", "list",   "turns",  "turn",    "tuple",        "spread",    "range",
    "type",      "class",    "field",     "fields", "block",  "define",  "increase",     "move",      "data",
    "noise",     "weight",   "state",     "fn",     "layer",  "network", "output",       "objective", "train",
    "draw",      "optimize", "update",    "repeat", "every",  "for",     "if statement", "value"};

static int next_id;

Tree *tree_list(Kind kind, const char *text, int count, Tree *const *items) {
  Tree *tree = arena_allocate(sizeof *tree);
  *tree = (Tree){.kind = kind,
                 .text = text,
                 .count = count,
                 .items = arena_allocate((size_t)(count + 1) * sizeof(Tree *)),
                 .id = ++next_id};
  if (count > 0) memcpy(tree->items, items, (size_t)count * sizeof(Tree *));
  return tree;
}

Tree *tree_new(Kind kind, const char *text, int count, ...) {
  Tree *items[8];
  va_list arguments;
  va_start(arguments, count);
  for (int i = 0; i < count; i++) items[i] = va_arg(arguments, Tree *);
  va_end(arguments);
  return tree_list(kind, text, count, items);
}

Tree *tree_number(double value) {
  Tree *tree = tree_list(T_NUMBER, NULL, 0, NULL);
  tree->number = value;
  return tree;
}

Tree *tree_copy(const Tree *tree) {
  if (tree == NULL) return NULL;
  Tree *copy = tree_list(tree->kind, tree->text, tree->count, tree->items);
  copy->op = tree->op;
  copy->number = tree->number;
  for (int i = 0; i < copy->count; i++) copy->items[i] = tree_copy(copy->items[i]);
  return copy;
}

bool tree_is_name(const Tree *tree, const char *text) {
  return tree != NULL && tree->kind == T_NAME && strcmp(tree->text, text) == 0;
}
