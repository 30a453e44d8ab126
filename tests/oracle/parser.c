/* Text to trees, by recursive descent along the grammar of the reference. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

typedef enum TokenKind { END_OF_FILE, END_OF_STATEMENT, WORD, NUMERAL, TEXT, SIGN } TokenKind;
typedef struct Token {
  TokenKind kind;
  const char *text;
  double number;
  int line;
  bool tight;
} Token; /* tight: no blank before it */

static Token *tokens;
static int at;
static const char *file_name;

static const char *const signs[] = {"...", "|>", "->", "<-", "<=", ">=", "==", "!=", "..", "//", "+=", NULL};

static bool is_any(const char *text, const char *words) { /* words: blank-separated, blanks at both ends */
  char padded[80];
  snprintf(padded, sizeof padded, " %s ", text);
  return strstr(words, padded) != NULL;
}

/* Does a line that ends with this token go on? */
static bool goes_on(const Token *token) {
  if (token->kind == SIGN) return !is_any(token->text, " ) ] } ");
  return token->kind == WORD && is_any(token->text, " then else and or not in by from if for fresh ");
}

static bool begins_continuation(const Token *token, char behind) {
  if (token->kind == WORD) return is_any(token->text, " then else ");
  if (token->kind != SIGN) return false;
  return is_any(token->text, " |> -> + ") || (strcmp(token->text, "-") == 0 && behind == ' ');
}

static void scan(const char *text) {
  int count = 0, capacity = 0, depth = 0, line = 1, nesting[64], levels = 0;
  bool tight = false;
  tokens = NULL;
  while (*text != 0) {
    Token token = {.line = line, .tight = tight};
    const char *start = text;
    tight = true;
    if (*text == '#') {
      while (*text != 0 && *text != '\n') text++;
      continue;
    }
    if (*text == ' ' || *text == '\t' || *text == '\r') {
      text++;
      tight = false;
      continue;
    }
    if (*text == '\n' || *text == ';') {
      line += *text == '\n';
      tight = false;
      text++;
      if (depth > 0 || count == 0 || tokens[count - 1].kind == END_OF_STATEMENT) continue;
      if (start[0] == '\n' && goes_on(&tokens[count - 1])) continue;
      if (tokens[count - 1].kind == SIGN && strcmp(tokens[count - 1].text, "{") == 0) continue;
      token.kind = END_OF_STATEMENT;
    } else if (isalpha((unsigned char)*text) || *text == '_' || (unsigned char)*text >= 128) {
      while (isalnum((unsigned char)*text) || *text == '_' || (unsigned char)*text >= 128) text++;
      while (*text == '\'') text++;
      token.kind = WORD;
    } else if (isdigit((unsigned char)*text)) {
      char digits[64];
      int length = 0;
      while (isdigit((unsigned char)*text) || *text == '_' || (*text == '.' && isdigit((unsigned char)text[1])) ||
             ((*text == 'e' || *text == 'E') &&
              (isdigit((unsigned char)text[1]) ||
               ((text[1] == '-' || text[1] == '+') && isdigit((unsigned char)text[2])))) ||
             ((*text == '-' || *text == '+') && (text[-1] == 'e' || text[-1] == 'E'))) {
        if (*text != '_' && length < 63) digits[length++] = *text;
        text++;
      }
      digits[length] = 0;
      token.kind = NUMERAL;
      token.number = strtod(digits, NULL);
    } else if (*text == '"') {
      text++;
      while (*text != 0 && *text != '"') text++;
      text += *text == '"';
      token.kind = TEXT;
    } else {
      int k = 0;
      while (signs[k] != NULL && strncmp(text, signs[k], strlen(signs[k])) != 0) k++;
      text += signs[k] != NULL ? strlen(signs[k]) : 1;
      token.kind = SIGN;
    }
    token.text = arena_format("%.*s", (int)(text - start), start);
    if (token.kind == SIGN && strchr("([{", *token.text) != NULL && levels < 64) {
      nesting[levels++] = depth;
      depth = *token.text == '{' ? 0 : depth + 1;
    } else if (token.kind == SIGN && strchr(")]}", *token.text) != NULL && levels > 0) depth = nesting[--levels];
    bool joins = count > 0 && tokens[count - 1].kind == END_OF_STATEMENT && *tokens[count - 1].text == '\n' &&
                 begins_continuation(&token, *text);
    count -= joins;
    ROOM(tokens, count, capacity);
    tokens[count++] = token;
  }
  ROOM(tokens, count, capacity);
  tokens[count] = (Token){.kind = END_OF_FILE, .text = "the end", .line = line};
  at = 0;
}

static bool here(const char *text) {
  return (tokens[at].kind == SIGN || tokens[at].kind == WORD) && strcmp(tokens[at].text, text) == 0;
}

static bool accept(const char *text) {
  if (!here(text)) return false;
  at++;
  return true;
}

static void expect(const char *text) {
  if (!accept(text)) fail("%s:%d: expected %s, found %s", file_name, tokens[at].line, text, tokens[at].text);
}

static const char *word(void) {
  if (tokens[at].kind != WORD) fail("%s:%d: expected a name, found %s", file_name, tokens[at].line, tokens[at].text);
  return tokens[at++].text;
}

/* ---- collecting children ----------------------------------------------------------------------------------------- */

typedef struct Items {
  Tree **items;
  int count, capacity;
} Items;

static void add(Items *list, Tree *tree) {
  ROOM(list->items, list->count, list->capacity);
  list->items[list->count++] = tree;
}

static Tree *made(Kind kind, const char *text, const Items *list) {
  return tree_list(kind, text, list->count, list->items);
}

/* ---- expressions ------------------------------------------------------------------------------------------------- */

static Tree *expression(void);
static Tree *unary(void);
static Tree *term(void);
static Tree *block(void);
static Tree *relation(void);

static Tree *item(void) { return accept("...") ? tree_new(T_SPREAD, NULL, 1, unary()) : expression(); }

static void items_until(Items *list, const char *close) {
  while (!accept(close)) {
    add(list, item());
    if (!here(close)) expect(",");
  }
}

static Tree *list_literal(void) { /* behind [ */
  Items list = {0};
  if (accept("]")) return made(T_LIST, NULL, &list);
  add(&list, item());
  if (here("for")) {
    while (accept("for")) {
      Tree *over = relation();
      add(&list, accept("if") ? tree_new(T_TURN, NULL, 2, over, expression()) : tree_new(T_TURN, NULL, 1, over));
    }
    expect("]");
    return made(T_TURNS, NULL, &list);
  }
  if (!here("]")) expect(",");
  items_until(&list, "]");
  return made(T_LIST, NULL, &list);
}

static Tree *atom(void) {
  Token token = tokens[at];
  if (token.kind == NUMERAL) return at++, tree_number(token.number);
  if (token.kind == TEXT) return at++, tree_new(T_STRING, token.text, 0);
  if (accept("[")) return list_literal();
  if (accept("(")) {
    Tree *first = expression();
    if (accept(")")) return first;
    Items list = {0};
    add(&list, first);
    expect(",");
    items_until(&list, ")");
    return made(T_TUPLE, NULL, &list);
  }
  return tree_new(T_NAME, word(), 0);
}

static Tree *postfix(void) {
  Tree *tree = atom();
  for (;;) {
    Items list = {0};
    add(&list, tree);
    if (tokens[at].kind == SIGN && here("(")) {
      at++;
      while (!accept(")")) {
        bool named = tokens[at].kind == WORD && strcmp(tokens[at + 1].text, "=") == 0 && tokens[at + 1].kind == SIGN;
        const char *name = named ? word() : NULL;
        if (named) expect("=");
        Tree *value = expression();
        add(&list, named ? tree_new(T_NAMED, name, 1, value) : value);
        if (!here(")")) expect(",");
      }
      tree = made(T_CALL, NULL, &list);
    } else if (here("[")) {
      at++;
      items_until(&list, "]");
      tree = made(T_SUBSCRIPT, NULL, &list);
    } else if (accept(".")) tree = tree_new(T_MEMBER, word(), 1, tree);
    else return tree;
  }
}

static Tree *power(void) {
  Tree *base = postfix();
  if (!accept("^")) return base;
  int minus = 0;
  while (accept("-")) minus++;
  Tree *exponent = power();
  while (minus-- > 0) exponent = tree_new(T_UNARY, "-", 1, exponent);
  return tree_new(T_BINARY, "^", 2, base, exponent);
}

static Tree *unary(void) {
  if (accept("-")) return tree_new(T_UNARY, "-", 1, unary());
  if (accept("fresh")) return tree_new(T_UNARY, "fresh", 1, unary());
  return power();
}

static bool reduction_ahead(int from) {
  while (tokens[from].kind == SIGN && strcmp(tokens[from].text, "-") == 0) from++;
  return tokens[from].kind == WORD && is_any(tokens[from].text, " sum mean max min ") &&
         strcmp(tokens[from + 1].text, "[") == 0 && tokens[from + 1].tight;
}

static Tree *reduction(void) {
  if (accept("-")) return tree_new(T_UNARY, "-", 1, reduction());
  const char *name = word();
  Items list = {0}, all = {0};
  expect("[");
  items_until(&list, "]");
  add(&all, term());
  for (int i = 0; i < list.count; i++) add(&all, list.items[i]);
  return made(T_REDUCTION, name, &all);
}

static Tree *term(void) {
  if (reduction_ahead(at)) return reduction();
  Tree *left = unary();
  while (here("*") || here("/") || here("//") || here("%")) {
    const char *op = tokens[at++].text;
    bool last = reduction_ahead(at);
    left = tree_new(T_BINARY, op, 2, left, last ? reduction() : unary());
    if (last) break;
  }
  return left;
}

static Tree *sum(void) {
  Tree *left = term();
  while (here("+") || here("-")) {
    const char *op = tokens[at++].text;
    left = tree_new(T_BINARY, op, 2, left, term());
  }
  return left;
}

static Tree *range(void) {
  Tree *low = sum();
  return accept("..") ? tree_new(T_RANGE, NULL, 2, low, sum()) : low;
}

static Tree *relation(void) {
  Tree *left = range();
  if (!is_any(tokens[at].text, " < > <= >= == != in ") || tokens[at].kind == TEXT) return left;
  const char *op = tokens[at++].text;
  return tree_new(T_BINARY, op, 2, left, range());
}

static Tree *negation(void) { return accept("not") ? tree_new(T_UNARY, "not", 1, negation()) : relation(); }

static Tree *conjunction(void) {
  Tree *left = negation();
  while (accept("and")) left = tree_new(T_BINARY, "and", 2, left, negation());
  return left;
}

static Tree *disjunction(void) {
  Tree *left = conjunction();
  while (accept("or")) left = tree_new(T_BINARY, "or", 2, left, conjunction());
  return left;
}

static Tree *expression(void) {
  if (accept("if")) {
    Tree *condition = expression();
    expect("then");
    Tree *yes = expression();
    expect("else");
    return tree_new(T_IF, NULL, 3, condition, yes, expression());
  }
  Tree *left = disjunction();
  while (accept("|>")) left = tree_new(T_PIPE, NULL, 2, left, disjunction());
  return left;
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static Tree *type(void) {
  if (accept("[")) {
    Tree *list = list_literal();
    return accept("in") ? tree_new(T_TYPE, NULL, 2, list, range()) : tree_new(T_TYPE, NULL, 1, list);
  }
  const char *name = word();
  expect("[");
  Tree *size = expression();
  expect("]");
  return tree_new(T_CLASS, name, 1, size);
}

static Tree *field(void) {
  const char *name = word();
  Tree *shape = accept(":") ? type() : NULL;
  return tree_new(T_FIELD, name, 2, shape, accept("=") ? expression() : NULL);
}

static Tree *fields(void) { /* behind ( */
  Items list = {0};
  while (!accept(")")) {
    add(&list, field());
    if (!here(")")) expect(",");
  }
  return made(T_FIELDS, NULL, &list);
}

static Tree *result(void) {
  if (accept("(")) return fields();
  if (here("[") || strcmp(tokens[at + 1].text, "[") == 0) return type();
  return field();
}

static Tree *body(void) { return accept("=") ? expression() : block(); }

static Tree *definition(Kind kind) {
  const char *name = word();
  Tree *settings = NULL, *parameters = accept("(") ? fields() : NULL;
  if (parameters != NULL && accept("(")) settings = parameters, parameters = fields();
  Tree *gives = accept("->") ? result() : NULL;
  return tree_new(kind, name, 4, settings, parameters, gives, body());
}

static Tree *names(void) {
  Items list = {0};
  do add(&list, tree_new(T_NAME, word(), 0));
  while (accept(","));
  return made(T_TUPLE, NULL, &list);
}

static Tree *choice(void) {
  Tree *condition = expression(), *yes = block();
  Tree *no = accept("else") ? accept("if") ? choice() : block() : NULL;
  return tree_new(S_IF, NULL, 3, condition, yes, no);
}

/* Is this the beginning of an objective: [label:] name {, name} minimizes? */
static bool objective_ahead(void) {
  int k = at;
  if (tokens[k].kind == WORD && strcmp(tokens[k + 1].text, ":") == 0) k += 2;
  while (tokens[k].kind == WORD && strcmp(tokens[k + 1].text, ",") == 0) k += 2;
  return tokens[k].kind == WORD && tokens[k + 1].kind == WORD &&
         is_any(tokens[k + 1].text, " minimizes minimize maximizes maximize ");
}

static Tree *objective(void) {
  const char *label = NULL;
  if (strcmp(tokens[at + 1].text, ":") == 0) label = word(), expect(":");
  Tree *players = names();
  int op = tokens[at++].text[1] == 'i' ? 'm' : 'M';
  Tree *tree = tree_new(S_OBJECTIVE, label, 2, players, expression());
  tree->op = op;
  return tree;
}

static Tree *initial(Kind kind) {
  const char *name = word();
  Tree *shape = accept(":") ? type() : NULL;
  int op = accept("~") ? '~' : '=';
  if (op == '=') expect("=");
  Tree *tree = tree_new(kind, name, 2, shape, expression());
  tree->op = op;
  return tree;
}

static Tree *statement(void) {
  if (objective_ahead()) return objective();
  if (accept("data")) {
    Tree *what = field();
    return tree_new(S_DATA, what->text, 2, what->items[0], accept("from") ? expression() : NULL);
  }
  if (accept("noise")) {
    const char *name = word();
    Tree *shape = accept(":") ? type() : NULL;
    expect("~");
    return tree_new(S_NOISE, name, 2, shape, expression());
  }
  if (accept("weight")) return initial(S_WEIGHT);
  if (accept("state")) return initial(S_STATE);
  if (accept("fn")) return definition(S_FN);
  if (accept("layer")) return definition(S_LAYER);
  if (accept("network")) return definition(S_NETWORK);
  if (accept("output")) {
    const char *name = word();
    expect("=");
    return tree_new(S_OUTPUT, name, 1, expression());
  }
  if (accept("train")) {
    Tree *length = NULL;
    const char *unit = NULL;
    if (accept("for")) length = expression(), unit = word();
    return tree_new(S_TRAIN, unit, 2, length, block());
  }
  if (here("draw") && strcmp(tokens[at + 1].text, "{") == 0) return at++, tree_new(S_DRAW, NULL, 1, block());
  if (accept("optimize")) {
    Tree *players = names();
    expect("by");
    return tree_new(S_OPTIMIZE, NULL, 2, players, expression());
  }
  if (accept("update")) {
    Tree *players = names();
    return tree_new(S_UPDATE, NULL, 2, players, accept("by") ? expression() : NULL);
  }
  if (here("repeat") || here("every")) {
    Kind kind = here("repeat") ? S_REPEAT : S_EVERY;
    at++;
    Tree *count = expression();
    return tree_new(kind, NULL, 2, count, block());
  }
  if (accept("for")) {
    Tree *over = relation();
    return tree_new(S_FOR, NULL, 2, over, block());
  }
  if (here("if")) {
    int start = at++; /* a choice of values, or of statements? */
    Tree *condition = expression();
    (void)condition;
    bool values = here("then");
    at = start;
    if (!values) return at++, choice();
  }
  Tree *left = expression();
  if (accept("=")) return tree_new(S_DEFINE, NULL, 2, left, expression());
  if (accept("+=")) return tree_new(S_INCREASE, NULL, 2, left, expression());
  if (accept("<-")) return tree_new(S_MOVE, NULL, 2, left, expression());
  return tree_new(S_VALUE, NULL, 1, left);
}

static Tree *statements(const char *close) {
  Items list = {0};
  for (;;) {
    while (tokens[at].kind == END_OF_STATEMENT) at++;
    if (close != NULL ? accept(close) : tokens[at].kind == END_OF_FILE) return made(T_BLOCK, NULL, &list);
    add(&list, statement());
    bool ends = tokens[at].kind == END_OF_STATEMENT || tokens[at].kind == END_OF_FILE || (close != NULL && here(close));
    if (!ends) fail("%s:%d: expected the end of a statement, found %s", file_name, tokens[at].line, tokens[at].text);
  }
}

static Tree *block(void) {
  expect("{");
  return statements("}");
}

Tree *parse(const char *text, const char *name) {
  file_name = name;
  scan(text);
  return statements(NULL);
}
