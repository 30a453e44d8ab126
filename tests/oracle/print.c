/* Trees to text, with no more parentheses than the grammar of the reference needs. */
#include <math.h>
#include <string.h>

#include "oracle.h"

/* How tightly things bind, loosest first. */
enum { CHOICE, APPLIED, EITHER, BOTH, INVERTED, RELATED, RANGED, ADDED, MULTIPLIED, SIGNED, RAISED, POSTFIXED };

typedef struct Text {
  char *at;
  int length, capacity;
} Text;

static void put(Text *text, const char *string) {
  int more = (int)strlen(string);
  while (text->length + more + 1 > text->capacity) text->at = grow(text->at, &text->capacity, 1, (size_t)text->length);
  memcpy(text->at + text->length, string, (size_t)more + 1);
  text->length += more;
}

static void put_number(Text *text, double value) {
  char digits[40];
  if (value == floor(value) && fabs(value) < 1e15) {
    snprintf(digits, sizeof digits, "%.0f", value);
    put(text, digits);
    return;
  }
  for (int precision = 1; precision <= 17; precision++) {
    snprintf(digits, sizeof digits, "%.*g", precision, value);
    double back = 0;
    sscanf(digits, "%lf", &back);
    if (back == value) break;
  }
  put(text, digits);
}

static bool reduces(const Tree *tree) { /* a reduction, or minus one: reaches over * and / to its right */
  return tree->kind == T_REDUCTION || (tree->kind == T_UNARY && *tree->text == '-' && reduces(tree->items[0]));
}

static int binary_level(const char *op) {
  static const struct {
    const char *ops;
    int level;
  } rows[] = {{" or ", EITHER},           {" and ", BOTH}, {" < > <= >= == != in ", RELATED}, {" + - ", ADDED},
              {" * / // % ", MULTIPLIED}, {" ^ ", RAISED}};
  char padded[16];
  snprintf(padded, sizeof padded, " %s ", op);
  for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
    if (strstr(rows[k].ops, padded) != NULL) return rows[k].level;
  return CHOICE;
}

static int level_of(const Tree *tree) {
  if (reduces(tree)) return MULTIPLIED;
  switch (tree->kind) {
  case T_IF: return CHOICE;
  case T_PIPE: return APPLIED;
  case T_RANGE: return RANGED;
  case T_BINARY: return binary_level(tree->text);
  case T_UNARY: return strcmp(tree->text, "not") == 0 ? INVERTED : SIGNED;
  case T_NUMBER: return tree->number < 0 ? SIGNED : POSTFIXED;
  default: return POSTFIXED;
  }
}

static void put_expression(Text *text, const Tree *tree);

static void put_at(Text *text, const Tree *tree, int level) {
  bool closed = level_of(tree) >= level;
  if (!closed) put(text, "(");
  put_expression(text, tree);
  if (!closed) put(text, ")");
}

static void put_list(Text *text, const Tree *tree, int from) {
  for (int i = from; i < tree->count; i++) {
    if (i > from) put(text, ", ");
    put_expression(text, tree->items[i]);
  }
}

/* The right side of * may be a reduction, which then ends the term; its left side may not be one. */
static void put_binary(Text *text, const Tree *tree) {
  int level = binary_level(tree->text);
  const Tree *left = tree->items[0], *right = tree->items[1];
  if (level == RAISED) {
    put_at(text, left, POSTFIXED);
    put(text, "^");
    if (right->kind == T_UNARY && *right->text == '-' && !reduces(right)) put(text, "-"), right = right->items[0];
    put_at(text, right, RAISED);
    return;
  }
  bool ends_early =
      level == MULTIPLIED &&
      (reduces(left) || (left->kind == T_BINARY && level_of(left) == MULTIPLIED && reduces(left->items[1])));
  put_at(text, left, ends_early ? POSTFIXED : level == RELATED ? RANGED : level);
  put(text, " ");
  put(text, tree->text);
  put(text, " ");
  put_at(text, right, level == MULTIPLIED && reduces(right) ? MULTIPLIED : level == RELATED ? RANGED : level + 1);
}

static void put_type(Text *text, const Tree *type) {
  if (type->kind == T_CLASS) {
    put(text, type->text);
    put(text, "[");
    put_expression(text, type->items[0]);
    put(text, "]");
    return;
  }
  put_expression(text, type->items[0]);
  if (type->count > 1) {
    put(text, " in ");
    put_expression(text, type->items[1]);
  }
}

static void put_field(Text *text, const Tree *field) {
  put(text, field->text);
  if (field->items[0] != NULL) put(text, ": "), put_type(text, field->items[0]);
  if (field->items[1] != NULL) put(text, " = "), put_expression(text, field->items[1]);
}

static void put_fields(Text *text, const Tree *fields) {
  put(text, "(");
  for (int i = 0; i < fields->count; i++) {
    if (i > 0) put(text, ", ");
    put_field(text, fields->items[i]);
  }
  put(text, ")");
}

static void put_expression(Text *text, const Tree *tree) {
  switch (tree->kind) {
  case T_NUMBER: put_number(text, tree->number); break;
  case T_STRING:
  case T_NAME: put(text, tree->text); break;
  case T_UNARY: {
    bool word = *tree->text != '-';
    put(text, tree->text);
    if (word) put(text, " ");
    put_at(text, tree->items[0], reduces(tree) ? MULTIPLIED : strcmp(tree->text, "not") == 0 ? INVERTED : SIGNED);
    break;
  }
  case T_BINARY: put_binary(text, tree); break;
  case T_IF:
    put(text, "if ");
    put_expression(text, tree->items[0]);
    put(text, " then ");
    put_expression(text, tree->items[1]);
    put(text, " else ");
    put_expression(text, tree->items[2]);
    break;
  case T_PIPE:
    put_at(text, tree->items[0], APPLIED);
    put(text, " |> ");
    put_at(text, tree->items[1], EITHER);
    break;
  case T_CALL:
    put_at(text, tree->items[0], POSTFIXED);
    put(text, "(");
    put_list(text, tree, 1);
    put(text, ")");
    break;
  case T_NAMED:
    put(text, tree->text);
    put(text, " = ");
    put_expression(text, tree->items[0]);
    break;
  case T_SUBSCRIPT:
    put_at(text, tree->items[0], POSTFIXED);
    put(text, "[");
    put_list(text, tree, 1);
    put(text, "]");
    break;
  case T_MEMBER:
    put_at(text, tree->items[0], POSTFIXED);
    put(text, ".");
    put(text, tree->text);
    break;
  case T_REDUCTION:
    put(text, tree->text);
    put(text, "[");
    put_list(text, tree, 1);
    put(text, "] ");
    put_at(text, tree->items[0], MULTIPLIED);
    break;
  case T_LIST:
    put(text, "[");
    put_list(text, tree, 0);
    put(text, "]");
    break;
  case T_TURNS:
    put(text, "[");
    put_expression(text, tree->items[0]);
    for (int i = 1; i < tree->count; i++) {
      put(text, " for ");
      put_at(text, tree->items[i]->items[0], RELATED);
      if (tree->items[i]->count > 1) put(text, " if "), put_expression(text, tree->items[i]->items[1]);
    }
    put(text, "]");
    break;
  case T_TUPLE:
    put(text, "(");
    put_list(text, tree, 0);
    put(text, ")");
    break;
  case T_SPREAD:
    put(text, "...");
    put_at(text, tree->items[0], SIGNED);
    break;
  case T_RANGE:
    put_at(text, tree->items[0], ADDED);
    put(text, "..");
    put_at(text, tree->items[1], ADDED);
    break;
  default: fail("a %s is no expression", kind_names[tree->kind]);
  }
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static void put_statement(Text *text, const Tree *tree, int indent);

static void put_block(Text *text, const Tree *block, int indent) {
  put(text, "{\n");
  for (int i = 0; i < block->count; i++) put_statement(text, block->items[i], indent + 1);
  for (int i = 0; i < indent; i++) put(text, "  ");
  put(text, "}");
}

static void put_names(Text *text, const Tree *names) { put_list(text, names, 0); }

static void put_choice(Text *text, const Tree *tree, int indent) {
  put(text, "if ");
  put_expression(text, tree->items[0]);
  put(text, " ");
  put_block(text, tree->items[1], indent);
  if (tree->items[2] == NULL) return;
  put(text, " else ");
  if (tree->items[2]->kind == S_IF) put_choice(text, tree->items[2], indent);
  else put_block(text, tree->items[2], indent);
}

static void put_assignment(Text *text, const Tree *tree, const char *sign) {
  put_expression(text, tree->items[0]);
  put(text, sign);
  put_expression(text, tree->items[1]);
}

static void put_headed(Text *text, const char *head, const Tree *value, const Tree *block, int indent) {
  put(text, head);
  put_expression(text, value);
  put(text, " ");
  put_block(text, block, indent);
}

static void put_definition(Text *text, const char *head, const Tree *tree, int indent) {
  put(text, head);
  put(text, tree->text);
  if (tree->items[0] != NULL) put_fields(text, tree->items[0]);
  if (tree->items[1] != NULL) put_fields(text, tree->items[1]);
  const Tree *gives = tree->items[2], *body = tree->items[3];
  if (gives != NULL) {
    put(text, " -> ");
    if (gives->kind == T_FIELDS) put_fields(text, gives);
    else if (gives->kind == T_FIELD) put_field(text, gives);
    else put_type(text, gives);
  }
  put(text, body->kind == T_BLOCK ? " " : " = ");
  if (body->kind == T_BLOCK) put_block(text, body, indent);
  else put_expression(text, body);
}

static void put_variable(Text *text, const char *head, const Tree *tree, const char *sign) {
  put(text, head);
  put(text, tree->text);
  if (tree->items[0] != NULL) put(text, ": "), put_type(text, tree->items[0]);
  if (tree->items[1] != NULL) put(text, sign), put_expression(text, tree->items[1]);
}

static void put_statement(Text *text, const Tree *tree, int indent) {
  for (int i = 0; i < indent; i++) put(text, "  ");
  switch (tree->kind) {
  case S_DEFINE: put_assignment(text, tree, " = "); break;
  case S_INCREASE: put_assignment(text, tree, " += "); break;
  case S_MOVE: put_assignment(text, tree, " <- "); break;
  case S_DATA: put_variable(text, "data ", tree, " from "); break;
  case S_NOISE: put_variable(text, "noise ", tree, " ~ "); break;
  case S_WEIGHT: put_variable(text, "weight ", tree, tree->op == '~' ? " ~ " : " = "); break;
  case S_STATE: put_variable(text, "state ", tree, tree->op == '~' ? " ~ " : " = "); break;
  case S_FN: put_definition(text, "fn ", tree, indent); break;
  case S_LAYER: put_definition(text, "layer ", tree, indent); break;
  case S_NETWORK: put_definition(text, "network ", tree, indent); break;
  case S_OUTPUT:
    put(text, "output ");
    put(text, tree->text);
    put(text, " = ");
    put_expression(text, tree->items[0]);
    break;
  case S_OBJECTIVE:
    if (tree->text != NULL) put(text, tree->text), put(text, ": ");
    put_names(text, tree->items[0]);
    put(text, tree->op == 'm' ? " minimizes " : " maximizes ");
    put_expression(text, tree->items[1]);
    break;
  case S_TRAIN:
    put(text, "train ");
    if (tree->items[0] != NULL) {
      put(text, "for ");
      put_expression(text, tree->items[0]);
      put(text, " ");
      put(text, tree->text);
      put(text, " ");
    }
    put_block(text, tree->items[1], indent);
    break;
  case S_DRAW:
    put(text, "draw ");
    put_block(text, tree->items[0], indent);
    break;
  case S_OPTIMIZE:
  case S_UPDATE:
    put(text, tree->kind == S_OPTIMIZE ? "optimize " : "update ");
    put_names(text, tree->items[0]);
    if (tree->items[1] != NULL) put(text, " by "), put_expression(text, tree->items[1]);
    break;
  case S_REPEAT: put_headed(text, "repeat ", tree->items[0], tree->items[1], indent); break;
  case S_EVERY: put_headed(text, "every ", tree->items[0], tree->items[1], indent); break;
  case S_FOR: put_headed(text, "for ", tree->items[0], tree->items[1], indent); break;
  case S_IF: put_choice(text, tree, indent); break;
  case S_VALUE: put_expression(text, tree->items[0]); break;
  default: fail("a %s is no statement", kind_names[tree->kind]);
  }
  put(text, "\n");
}

char *print(const Tree *tree) {
  Text text = {0};
  put(&text, "");
  for (int i = 0; i < tree->count; i++) put_statement(&text, tree->items[i], 0);
  return text.at;
}
