/* The grammar of the language, as language.md has it. Tokens to a tree: every action makes a node or a list and does
   nothing else. After an error it goes on at the end of the statement. */
%require "3.8"
%define api.pure full
%define api.prefix {gan_}
%define api.location.type {Span}
%define api.value.type {ParserValue}
%define parse.error custom
%define parse.lac full
%locations
%parse-param { Reader *reader } { void *scanner }
%lex-param { Reader *reader } { void *scanner }

%code requires {
#include "lang/parser.h"
}

%code {
#include "tests/mutants/mutant.h"

#define gan_lex(value, span, reader, scanner) layout_next(value, span, reader, scanner, YYRECOVERING())
#define YYSTACK_USE_ALLOCA 0
#define YYLLOC_DEFAULT(current, right, count) \
  ((current) = (count) ? span_join(YYRHSLOC(right, 1), YYRHSLOC(right, count)) \
                       : (Span){ YYRHSLOC(right, 0).source, YYRHSLOC(right, 0).to, YYRHSLOC(right, 0).to })

#define MAKE(what, where, ...) syntax_make(reader, (Syntax){ .kind = SYNTAX_##what, .span = (where), __VA_ARGS__ })
#define FIRST(item) syntax_append(reader, (SyntaxList){ 0 }, (item))
#define APPEND(list, item) syntax_append(reader, (list), (item))
#define BINARY(where, which, first, second) MAKE(BINARY, (where), .binary = { (which), (first), (second) })

static void gan_error(const Span *span, Reader *reader, void *scanner, const char *message);
}

%token <text> NAME "a name" NUMBER "a number" STRING "a text in quotes"
%token <op> REDUCE "a sum"
%token USE "use" DATA "data" NOISE "noise" WEIGHT "weight" STATE "state" FN "fn" LAYER "layer" NETWORK "network"
%token PHASE "phase"
%token OUTPUT "output" TRAIN "train" FROM "from" IN "in" MINIMIZES "minimizes" MAXIMIZES "maximizes" OPTIMIZE "optimize"
%token UPDATE "update" BY "by" DRAW "draw" REPEAT "repeat" EVERY "every" IF "if" THEN "then" ELSE "else" FOR "for"
%token AND "and" OR "or" NOT "not" FRESH "fresh" AFTER "after"
%token PIPE "|>" ARROW "->" MOVES "<-" ADDS "+=" SPREAD "..." RANGE ".." FLOOR_DIVIDE "//"
%token EQUAL "==" NOT_EQUAL "!=" LESS_EQUAL "<=" GREATER_EQUAL ">="
%token GAN_EOF 0 "the end of the file"
%token END "the end of the statement" NEWLINE SEMICOLON COMMENT  /* the last three never leave layout.c and format.c */

%nterm <list> statements statement_list names field_list parameters parameter_list items arguments argument_list turns
%nterm <node> block statement choice field parameter result body type expression pipe disjunction conjunction
%nterm <node> negation relation
%nterm <node> range sum term product reduction unary power exponent postfix primary atom list turn item argument
%nterm <node> source by
%nterm <op> comparison over
%nterm <flag> verb

%%

file: statements                        { reader->file = MAKE(BLOCK, @$, .items = $1); } ;

block: '{' statements '}'               { $$ = MAKE(BLOCK, @$, .items = $2); } ;

statements
  : %empty                              { $$ = (SyntaxList){ 0 }; }
  | statement_list
  ;
statement_list
  : statement                           { $$ = FIRST($1); }
  | statement_list end statement        { $$ = APPEND($1, $3); }
  ;
end: END                                { yyerrok; } ;

statement
  : expression
  | expression '=' expression           { $$ = MAKE(ASSIGN, @$, .assign = { OPERATOR_DEFINE, $1, $3 }); }
  | expression ADDS expression          { $$ = MAKE(ASSIGN, @$, .assign = { OPERATOR_INCREASE, $1, $3 }); }
  | expression MOVES expression         { $$ = MAKE(ASSIGN, @$, .assign = { OPERATOR_MOVE, $1, $3 }); }
  | DATA field source                   { $$ = MAKE(DATA, @$, .data = { FIRST($2), false, $3 }); }
  | DATA '(' field_list ')' source      { $$ = MAKE(DATA, @$, .data = { $3, true, $5 }); }
  | NOISE field '~' expression          { $$ = MAKE(NOISE, @$, .noise = { $2, $4 }); }
  | WEIGHT field '=' expression         { $$ = MAKE(WEIGHT, @$, .variable = { $2, $4, false }); }
  | WEIGHT field '~' expression         { $$ = MAKE(WEIGHT, @$, .variable = { $2, $4, true }); }
  | STATE field '=' expression          { $$ = MAKE(STATE, @$, .variable = { $2, $4, false }); }
  | STATE field '~' expression          { $$ = MAKE(STATE, @$, .variable = { $2, $4, true }); }
  | FN NAME parameters result body
      { $$ = MAKE(FN, @$, .name_span = @2, .definition = { $2, false, { 0 }, $3, $4, $5 }); }
  | FN NAME parameters parameters result body
      { $$ = MAKE(FN, @$, .name_span = @2, .definition = { $2, true, $3, $4, $5, $6 }); }
  | LAYER NAME parameters result body
      { $$ = MAKE(LAYER, @$, .name_span = @2, .definition = { $2, false, { 0 }, $3, $4, $5 }); }
  | LAYER NAME parameters parameters result body
      { $$ = MAKE(LAYER, @$, .name_span = @2, .definition = { $2, true, $3, $4, $5, $6 }); }
  | NETWORK NAME parameters result body source
      { $$ = MAKE(NETWORK, @$, .name_span = @2, .network = { $2,
               MAKE(LAYER, span_join(@2, @5), .name_span = @2, .definition = { $2, false, { 0 }, $3, $4, $5 }),
               NULL, $6 }); }
  | NETWORK NAME '=' expression source
      { $$ = MAKE(NETWORK, @$, .name_span = @2, .network = { $2, NULL, $4, $5 }); }
  | PHASE NAME IN expression            { $$ = MAKE(PHASE, @$, .name_span = @2, .named = { $2, $4 }); }
  | OUTPUT NAME '=' expression          { $$ = MAKE(OUTPUT, @$, .name_span = @2, .named = { $2, $4 }); }
  | names verb expression               { $$ = MAKE(OBJECTIVE, @$, .objective = { NULL, $1, $2, $3 }); }
  | NAME ':' names verb expression      { $$ = MAKE(OBJECTIVE, @$, .name_span = @1, .objective = { $1, $3, $4, $5 }); }
  | USE STRING                          { $$ = MAKE(USE, @$, .text = $2); }
  | TRAIN block                         { $$ = MAKE(TRAIN, @$, .train = { NULL, NULL, $2 }); }
  | TRAIN FOR expression NAME block     { $$ = MAKE(TRAIN, @$, .name_span = @4, .train = { $3, $4, $5 }); }
  | DRAW block                          { $$ = MAKE(DRAW, @$, .operand = $2); }
  | OPTIMIZE names BY expression        { $$ = MAKE(OPTIMIZE, @$, .players = { $2, $4 }); }
  | UPDATE names by                     { $$ = MAKE(UPDATE, @$, .players = { $2, $3 }); }
  | REPEAT expression block             { $$ = MAKE(REPEAT, @$, .loop = { $2, $3 }); }
  | EVERY expression block              { $$ = MAKE(EVERY, @$, .loop = { $2, $3 }); }
  | FOR relation block
      { $$ = syntax_make_turn(reader, (Syntax){ .kind = SYNTAX_FOR, .span = @$, .turns = { $2, $3 } }, $2); }
  | choice
  | error                               { $$ = NULL; }
  ;
choice
  : IF expression block                 { $$ = MAKE(IF, @$, .choice = { $2, $3, NULL }); }
  | IF expression block ELSE block      { $$ = MAKE(IF, @$, .choice = { $2, $3, $5 }); }
  | IF expression block ELSE choice     { $$ = MAKE(IF, @$, .choice = { $2, $3, $5 }); }
  ;
source
  : %empty                              { $$ = NULL; }
  | FROM expression                     { $$ = $2; }
  ;
by
  : %empty                              { $$ = NULL; }
  | BY expression                       { $$ = $2; }
  ;
verb
  : MINIMIZES                           { $$ = false; }
  | MAXIMIZES                           { $$ = true; }
  ;

names
  : NAME                                { $$ = FIRST(MAKE(NAME, @1, .name_span = @1, .name = $1)); }
  | names ',' NAME                      { $$ = APPEND($1, MAKE(NAME, @3, .name_span = @3, .name = $3)); }
  ;
field
  : NAME                                { $$ = MAKE(FIELD, @$, .name_span = @1, .field = { $1, NULL }); }
  | NAME ':' type                       { $$ = MAKE(FIELD, @$, .name_span = @1, .field = { $1, $3 }); }
  ;
field_list
  : field                               { $$ = FIRST($1); }
  | field_list ',' field                { $$ = APPEND($1, $3); }
  ;
type
  : list                                { $$ = syntax_make_type(reader, @$, $1, NULL); }
  | list IN range                       { $$ = syntax_make_type(reader, @$, $1, $3); }
  | NAME '[' expression ']'             { $$ = syntax_make_classes(reader, @$, $1, $3); }
  ;
parameters
  : '(' ')'                             { $$ = (SyntaxList){ 0 }; }
  | '(' parameter_list ')'              { $$ = $2; }
  ;
parameter_list
  : parameter                           { $$ = FIRST($1); }
  | parameter_list ',' parameter        { $$ = APPEND($1, $3); }
  ;
parameter
  : field
      { $$ = MAKE(PARAMETER, @$, .name_span = $1->name_span, .parameter = { $1, NULL }); }
  | field '=' expression
      { $$ = MAKE(PARAMETER, @$, .name_span = $1->name_span, .parameter = { $1, $3 }); }
  ;
result
  : %empty                              { $$ = NULL; }
  | ARROW type                          { $$ = MAKE(RESULT, @$, .result = { NULL, $2, { 0 } }); }
  | ARROW NAME ':' type                 { $$ = MAKE(RESULT, @$, .name_span = @2, .result = { $2, $4, { 0 } }); }
  | ARROW '(' field_list ')'            { $$ = MAKE(RESULT, @$, .result = { NULL, NULL, $3 }); }
  ;
body
  : block
  | '=' expression                      { $$ = $2; }
  ;

expression
  : pipe
  | IF expression THEN expression ELSE expression
                                        { $$ = MAKE(CONDITIONAL, @$, .choice = { $2, $4, $6 }); }
  ;
pipe
  : disjunction
  | pipe PIPE disjunction               { $$ = MAKE(PIPE, @$, .pipe = { $1, $3 }); }
  ;
disjunction
  : conjunction
  | disjunction OR conjunction          { $$ = BINARY(@$, OPERATOR_OR, $1, $3); }
  ;
conjunction
  : negation
  | conjunction AND negation            { $$ = BINARY(@$, OPERATOR_AND, $1, $3); }
  ;
negation
  : relation
  | NOT negation                        { $$ = MAKE(UNARY, @$, .unary = { OPERATOR_NOT, $2 }); }
  ;
relation
  : range
  | range comparison range              { $$ = BINARY(@$, $2, $1, $3); }
  ;
comparison
  : '<'                                 { $$ = OPERATOR_LESS; }
  | '>'                                 { $$ = OPERATOR_GREATER; }
  | LESS_EQUAL                          { $$ = OPERATOR_LESS_EQUAL; }
  | GREATER_EQUAL                       { $$ = MUTANT(greater_equal) ? OPERATOR_GREATER : OPERATOR_GREATER_EQUAL; }
  | EQUAL                               { $$ = OPERATOR_EQUAL; }
  | NOT_EQUAL                           { $$ = OPERATOR_NOT_EQUAL; }
  | IN                                  { $$ = OPERATOR_IN; }
  ;
range
  : sum
  | sum RANGE sum                       { $$ = BINARY(@$, OPERATOR_RANGE, $1, $3); }
  ;
sum
  : term
  | sum '+' term                        { $$ = BINARY(@$, OPERATOR_ADD, $1, $3); }
  | sum '-' term
      { $$ = BINARY(@$, MUTANT(minus_after) && $1->kind == SYNTAX_BINARY ? OPERATOR_ADD : OPERATOR_SUBTRACT, $1, $3); }
  ;
term
  : product
  | reduction
  | product over reduction              { $$ = BINARY(@$, $2, $1, $3); }
  ;
over
  : '*'                                 { $$ = OPERATOR_MULTIPLY; }
  | '/'                                 { $$ = OPERATOR_DIVIDE; }
  | FLOOR_DIVIDE                        { $$ = OPERATOR_FLOOR_DIVIDE; }
  | '%'                                 { $$ = OPERATOR_MODULO; }
  ;
reduction                                                  /* reaches over * and /, not over + and - */
  : REDUCE '[' items ']' term           { $$ = MAKE(REDUCTION, @$, .reduction = { $1, $3, $5 }); }
  | '-' reduction                       { $$ = MAKE(UNARY, @$, .unary = { OPERATOR_NEGATE, $2 }); }
  ;
product
  : unary
  | product over unary                  { $$ = BINARY(@$, $2, $1, $3); }
  ;
unary
  : power
  | '-' unary                           { $$ = MAKE(UNARY, @$, .unary = { OPERATOR_NEGATE, $2 }); }
  | FRESH unary                         { $$ = MAKE(UNARY, @$, .unary = { OPERATOR_FRESH, $2 }); }
  ;
power
  : postfix
  | postfix '^' exponent                { $$ = BINARY(@$, OPERATOR_POWER, $1, $3); }
  ;
exponent
  : power
  | '-' exponent                        { $$ = MAKE(UNARY, @$, .unary = { OPERATOR_NEGATE, $2 }); }
  ;
postfix
  : primary
  | postfix '(' arguments ')'           { $$ = MAKE(CALL, @$, .call = { $1, $3 }); }
  | postfix '[' items ']'               { $$ = MAKE(SUBSCRIPT, @$, .subscript = { $1, $3 }); }
  | postfix '.' NAME                    { $$ = MAKE(MEMBER, @$, .name_span = @3, .member = { $1, $3 }); }
  | postfix '@' atom                    { $$ = MAKE(AT, @$, .at = { $1, $3 }); }
  | postfix AFTER block                 { $$ = MAKE(AFTER, @$, .after = { $1, $3 }); }
  ;
primary
  : atom
  | STRING                              { $$ = MAKE(STRING, @$, .text = $1); }
  | list
  ;
atom
  : NAME                                { $$ = MAKE(NAME, @$, .name_span = @1, .name = $1); }
  | NUMBER                              { $$ = MAKE(NUMBER, @$, .number = { reader_number(reader, @1, $1), $1 }); }
  | '(' expression ')'                  { $$ = $2; }
  | '(' expression ',' items ')'        { $$ = MAKE(TUPLE, @$, .items = syntax_prepend(reader, $2, $4)); }
  ;
list
  : '[' ']'                             { $$ = MAKE(LIST, @$, .items = { 0 }); }
  | '[' items ']'                       { $$ = MAKE(LIST, @$, .items = $2); }
  | '[' expression turns ']'            { $$ = MAKE(COMPREHENSION, @$, .comprehension = { $2, $3 }); }
  ;
turns
  : turn                                { $$ = FIRST($1); }
  | turns turn                          { $$ = APPEND($1, $2); }
  ;
turn
  : FOR relation
      { $$ = syntax_make_turn(reader, (Syntax){ .kind = SYNTAX_TURN, .span = @$, .turn = { $2, NULL } }, $2); }
  | FOR relation IF expression
      { $$ = syntax_make_turn(reader, (Syntax){ .kind = SYNTAX_TURN, .span = @$, .turn = { $2, $4 } }, $2); }
  ;
items
  : item                                { $$ = FIRST($1); }
  | items ',' item                      { $$ = APPEND($1, $3); }
  ;
item
  : expression
  | SPREAD unary                        { $$ = MAKE(SPREAD, @$, .operand = $2); }
  ;
arguments
  : %empty                              { $$ = (SyntaxList){ 0 }; }
  | argument_list
  ;
argument_list
  : argument                            { $$ = FIRST($1); }
  | argument_list ',' argument          { $$ = APPEND($1, $3); }
  ;
argument
  : expression
  | NAME '=' expression                 { $$ = MAKE(ARGUMENT, @$, .name_span = @1, .argument = { $1, $3 }); }
  ;

%%

enum { EXPECTED_LIMIT = 80 };

static int yyreport_syntax_error(const yypcontext_t *context, Reader *reader, void *scanner) {
  (void)scanner;
  yysymbol_kind_t kinds[EXPECTED_LIMIT];
  const char *expected[EXPECTED_LIMIT];
  int count = yypcontext_expected_tokens(context, kinds, EXPECTED_LIMIT);
  for (int at = 0; at < count; at++) expected[at] = yysymbol_name(kinds[at]);
  slip_syntax(reader, expected, count);
  return 0;
}

/* Bison calls it where its stack is full, and nowhere else: syntax errors go the way above. */
static void gan_error(const Span *span, Reader *reader, void *scanner, const char *message) {
  (void)scanner;
  (void)message;
  slip_depth(reader, *span);
}
