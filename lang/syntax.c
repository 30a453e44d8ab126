/* The tree: one constructor, one table of what every kind of node holds, and what follows from the table: children,
   depth, the printer. Takes nodes; returns nodes and printed trees; never looks at what names mean. */
#include "lang/parser.h"

#include <string.h>

/* ---- what each kind of node holds, in the order of the text ------------------------------------------------------ */

typedef enum Form { NOTHING, TEXT, QUOTED, OPERATION, FLAG, NODE, LIST } Form;

typedef struct Member {
  Form form;
  const char *role;
  size_t offset;
} Member;

#define HOLDS(...) \
  (const Member[]) { __VA_ARGS__, {NOTHING, NULL, 0} }
#define MEMBER(form, role, field) {form, role, offsetof(Syntax, field)}
#define DEFINITION \
  HOLDS(MEMBER(TEXT, "", definition.name), MEMBER(LIST, "setting", definition.settings), \
        MEMBER(LIST, "", definition.parameters), MEMBER(NODE, "", definition.result), \
        MEMBER(NODE, "body", definition.body))
#define VARIABLE \
  HOLDS(MEMBER(FLAG, "drawn", variable.drawn), MEMBER(NODE, "", variable.field), MEMBER(NODE, "", variable.start))
#define LOOP HOLDS(MEMBER(NODE, "", loop.count), MEMBER(NODE, "", loop.block))
#define PLAYERS HOLDS(MEMBER(LIST, "player", players.names), MEMBER(NODE, "by", players.by))
#define CHOICE \
  HOLDS(MEMBER(NODE, "if", choice.condition), MEMBER(NODE, "then", choice.then), MEMBER(NODE, "else", choice.otherwise))
#define NAMED HOLDS(MEMBER(TEXT, "", named.name), MEMBER(NODE, "", named.value))
#define ITEMS HOLDS(MEMBER(LIST, "", items))
#define OPERAND HOLDS(MEMBER(NODE, "", operand))

static const Member *const held[] = {
    [SYNTAX_NUMBER] = HOLDS(MEMBER(TEXT, "", number.text)),
    [SYNTAX_STRING] = HOLDS(MEMBER(QUOTED, "", text)),
    [SYNTAX_NAME] = HOLDS(MEMBER(TEXT, "", name)),
    [SYNTAX_LIST] = ITEMS,
    [SYNTAX_TUPLE] = ITEMS,
    [SYNTAX_COMPREHENSION] = HOLDS(MEMBER(NODE, "", comprehension.element), MEMBER(LIST, "", comprehension.turns)),
    [SYNTAX_TURN] = HOLDS(MEMBER(NODE, "", turn.binding), MEMBER(NODE, "if", turn.condition)),
    [SYNTAX_SPREAD] = OPERAND,
    [SYNTAX_UNARY] = HOLDS(MEMBER(OPERATION, "", unary.op), MEMBER(NODE, "", unary.operand)),
    [SYNTAX_BINARY] =
        HOLDS(MEMBER(OPERATION, "", binary.op), MEMBER(NODE, "", binary.left), MEMBER(NODE, "", binary.right)),
    [SYNTAX_CONDITIONAL] = CHOICE,
    [SYNTAX_PIPE] = HOLDS(MEMBER(NODE, "", pipe.left), MEMBER(NODE, "", pipe.right)),
    [SYNTAX_REDUCTION] = HOLDS(MEMBER(OPERATION, "", reduction.op), MEMBER(LIST, "over", reduction.items),
                               MEMBER(NODE, "", reduction.operand)),
    [SYNTAX_CALL] = HOLDS(MEMBER(NODE, "function", call.function), MEMBER(LIST, "", call.arguments)),
    [SYNTAX_ARGUMENT] = HOLDS(MEMBER(TEXT, "", argument.name), MEMBER(NODE, "", argument.value)),
    [SYNTAX_SUBSCRIPT] = HOLDS(MEMBER(NODE, "", subscript.operand), MEMBER(LIST, "at", subscript.items)),
    [SYNTAX_MEMBER] = HOLDS(MEMBER(NODE, "", member.operand), MEMBER(TEXT, "", member.name)),
    [SYNTAX_AT] = HOLDS(MEMBER(NODE, "", at.operand), MEMBER(NODE, "sample", at.sample)),
    [SYNTAX_AFTER] = HOLDS(MEMBER(NODE, "", after.operand), MEMBER(NODE, "", after.block)),
    [SYNTAX_BLOCK] = ITEMS,
    [SYNTAX_ASSIGN] =
        HOLDS(MEMBER(OPERATION, "", assign.op), MEMBER(NODE, "", assign.target), MEMBER(NODE, "", assign.value)),
    [SYNTAX_FIELD] = HOLDS(MEMBER(TEXT, "", field.name), MEMBER(NODE, "", field.type)),
    [SYNTAX_TYPE] =
        HOLDS(MEMBER(NODE, "shape", type.shape), MEMBER(NODE, "in", type.domain), MEMBER(NODE, "class", type.classes)),
    [SYNTAX_PARAMETER] = HOLDS(MEMBER(NODE, "", parameter.field), MEMBER(NODE, "standard", parameter.standard)),
    [SYNTAX_RESULT] =
        HOLDS(MEMBER(TEXT, "", result.name), MEMBER(NODE, "", result.type), MEMBER(LIST, "", result.fields)),
    [SYNTAX_DATA] =
        HOLDS(MEMBER(FLAG, "together", data.together), MEMBER(LIST, "", data.fields), MEMBER(NODE, "from", data.from)),
    [SYNTAX_NOISE] = HOLDS(MEMBER(NODE, "", noise.field), MEMBER(NODE, "", noise.distribution)),
    [SYNTAX_WEIGHT] = VARIABLE,
    [SYNTAX_STATE] = VARIABLE,
    [SYNTAX_FN] = DEFINITION,
    [SYNTAX_LAYER] = DEFINITION,
    [SYNTAX_NETWORK] = HOLDS(MEMBER(TEXT, "", network.name), MEMBER(NODE, "", network.definition),
                             MEMBER(NODE, "", network.value), MEMBER(NODE, "from", network.from)),
    [SYNTAX_OUTPUT] = NAMED,
    [SYNTAX_PHASE] = NAMED,
    [SYNTAX_OBJECTIVE] = HOLDS(MEMBER(TEXT, "", objective.label), MEMBER(FLAG, "maximize", objective.maximize),
                               MEMBER(LIST, "player", objective.players), MEMBER(NODE, "", objective.value)),
    [SYNTAX_USE] = HOLDS(MEMBER(QUOTED, "", text)),
    [SYNTAX_TRAIN] =
        HOLDS(MEMBER(TEXT, "", train.unit), MEMBER(NODE, "for", train.length), MEMBER(NODE, "", train.block)),
    [SYNTAX_DRAW] = OPERAND,
    [SYNTAX_OPTIMIZE] = PLAYERS,
    [SYNTAX_UPDATE] = PLAYERS,
    [SYNTAX_REPEAT] = LOOP,
    [SYNTAX_EVERY] = LOOP,
    [SYNTAX_FOR] = HOLDS(MEMBER(NODE, "", turns.binding), MEMBER(NODE, "", turns.block)),
    [SYNTAX_IF] = CHOICE,
};

static const void *member_of(const Syntax *tree, const Member *member) { return (const char *)tree + member->offset; }
static Syntax *member_node(const Syntax *tree, const Member *member) {
  return *(Syntax *const *)member_of(tree, member);
}
static const char *member_text(const Syntax *tree, const Member *member) {
  return *(const char *const *)member_of(tree, member);
}

void syntax_children(const Syntax *tree, void (*visit)(void *context, Syntax *child), void *context) {
  for (const Member *member = held[tree->kind]; member->form != NOTHING; member++) {
    if (member->form == NODE && member_node(tree, member)) visit(context, member_node(tree, member));
    if (member->form != LIST) continue;
    const SyntaxList *list = member_of(tree, member);
    for (int at = 0; at < list->count; at++) visit(context, list->items[at]);
  }
}

/* ---- construction ------------------------------------------------------------------------------------------------ */

/* A node as it lies in the arena; whoever walks a tree may count on a depth of at most TREE_LIMIT. */
typedef struct DeepSyntax {
  Syntax syntax;
  int depth;
} DeepSyntax;

static void depth_visit(void *context, Syntax *child) {
  int *depth = context, below = ((const DeepSyntax *)child)->depth;
  if (below > *depth) *depth = below;
}

Syntax *syntax_make(Reader *reader, Syntax node) {
  DeepSyntax *made = session_allocate(reader->session, sizeof *made);
  made->syntax = node;
  syntax_children(&node, depth_visit, &made->depth);
  if (++made->depth > TREE_LIMIT) slip_depth(reader, node.span);
  return &made->syntax;
}

/* The room of a list is the next power of two, as session_grow makes it: so it needs no member of its own. */
SyntaxList syntax_append(Reader *reader, SyntaxList list, Syntax *item) {
  if (!item) return list;
  bool full = list.count == 0 || (list.count >= 4 && (list.count & (list.count - 1)) == 0);
  int room = list.count + !full;
  ARRAY_ADD(reader->session, list.items, list.count, room, item);
  return list;
}

SyntaxList syntax_prepend(Reader *reader, Syntax *item, SyntaxList list) {
  SyntaxList result = syntax_append(reader, (SyntaxList){0}, item);
  for (int at = 0; at < list.count; at++) result = syntax_append(reader, result, list.items[at]);
  return result;
}

static bool name_is_class(const char *name) { return strcmp(name, "class") == 0; }

Syntax *syntax_make_classes(Reader *reader, Span span, const char *name, Syntax *classes) {
  if (!name_is_class(name)) {
    Diagnostic *diagnostic = diagnostic_report(reader->session, E2063, span, "a type is a shape, or `class[n]`");
    diagnostic_hint(diagnostic, "`[3, 64, 64]` is a shape, `[]` one number, `class[10]` a label from 0 to 9");
  }
  return syntax_make(reader, (Syntax){.kind = SYNTAX_TYPE, .span = span, .type = {NULL, NULL, classes}});
}

/* `[77] in class[10]` reads as a range at first; it is labels. */
Syntax *syntax_make_type(Reader *reader, Span span, Syntax *shape, Syntax *domain) {
  Syntax *classes = NULL;
  if (domain && domain->kind == SYNTAX_SUBSCRIPT && domain->subscript.operand->kind == SYNTAX_NAME &&
      name_is_class(domain->subscript.operand->name) && domain->subscript.items.count == 1) {
    classes = domain->subscript.items.items[0];
    domain = NULL;
  }
  return syntax_make(reader, (Syntax){.kind = SYNTAX_TYPE, .span = span, .type = {shape, domain, classes}});
}

static bool binds_names(const Syntax *target) {
  if (target->kind == SYNTAX_NAME) return true;
  if (target->kind != SYNTAX_TUPLE) return false;
  for (int at = 0; at < target->items.count; at++) {
    if (!binds_names(target->items.items[at])) return false;
  }
  return true;
}

Syntax *syntax_make_turn(Reader *reader, Syntax node, Syntax *binding) {
  bool counts = binding->kind == SYNTAX_BINARY && binding->binary.op == OPERATOR_LESS &&
                binding->binary.left->kind == SYNTAX_NAME;
  bool walks = binding->kind == SYNTAX_BINARY && binding->binary.op == OPERATOR_IN && binds_names(binding->binary.left);
  if (!counts && !walks) {
    Diagnostic *diagnostic =
        diagnostic_report(reader->session, E1008, binding->span, "a loop runs over `i < n` or `x in list`");
    diagnostic_hint(diagnostic, "`for i < 3`, `for i in 1..3`, `for w in D`, `for (a, b) in zip(x, y)`");
  }
  return syntax_make(reader, node);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static const struct {
  const char *name;
  SyntaxPlace place;
} kind_rows[] = {
#define SYNTAX(kind, name, place) {name, PLACE_##place},
#include "lang/syntax.def"
#undef SYNTAX
};

static const char *const operator_spellings[] = {
#define OPERATOR(name, spelling, precedence) spelling,
#include "lang/operators.def"
#undef OPERATOR
};

const char *syntax_kind_name(SyntaxKind kind) { return kind_rows[kind].name; }
SyntaxPlace syntax_kind_place(SyntaxKind kind) { return kind_rows[kind].place; }
const char *operator_spelling(SyntaxOperator op) { return operator_spellings[op]; }

static void quoted_print(FILE *out, const char *text) {
  fputs(" \"", out);
  for (; *text; text++) {
    if (*text == '\n') fputs("\\n", out);
    else if (*text == '\t') fputs("\\t", out);
    else if (*text == '"' || *text == '\\') fprintf(out, "\\%c", *text);
    else fputc(*text, out);
  }
  fputc('"', out);
}

static void attribute_print(FILE *out, const Syntax *tree, const Member *member) {
  if (member->form == TEXT && member_text(tree, member)) fprintf(out, " %s", member_text(tree, member));
  if (member->form == QUOTED) quoted_print(out, member_text(tree, member));
  if (member->form == OPERATION)
    fprintf(out, " %s", operator_spelling(*(const SyntaxOperator *)member_of(tree, member)));
  if (member->form == FLAG && *(const bool *)member_of(tree, member)) fprintf(out, " %s", member->role);
}

static void tree_print(FILE *out, const Syntax *tree, const char *role, int indentation) {
  fprintf(out, "%*s%s%s%s", indentation, "", role, *role ? ": " : "", syntax_kind_name(tree->kind));
  for (const Member *member = held[tree->kind]; member->form != NOTHING; member++) attribute_print(out, tree, member);
  fputc('\n', out);
  if (tree->documentation) {
    fprintf(out, "%*sdocumentation:", indentation + 2, "");
    quoted_print(out, tree->documentation);
    fputc('\n', out);
  }
  for (const Member *member = held[tree->kind]; member->form != NOTHING; member++) {
    if (member->form == NODE && member_node(tree, member))
      tree_print(out, member_node(tree, member), member->role, indentation + 2);
    if (member->form != LIST) continue;
    const SyntaxList *list = member_of(tree, member);
    for (int at = 0; at < list->count; at++) tree_print(out, list->items[at], member->role, indentation + 2);
  }
}

void syntax_print(FILE *out, const Syntax *tree) { tree_print(out, tree, "", 0); }
