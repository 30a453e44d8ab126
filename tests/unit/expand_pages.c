/* The examples of `ganc explain`: a wrong one fails with its page's code and a right one compiles, without that code.
   They are parts of models; what they leave out is added here: what they mention, a batch, optimizers, objectives of
   their networks. A page whose example needs more than that has a row below. */
#include "expand_check.h"

enum { NAME_LIMIT = 64 };

/* ---- pages that need more ---------------------------------------------------------------------------------------- */

enum { NO_BATCH = 1, NO_OPTIMIZE = 2, NO_TRAIN = 4, NO_UPDATE = 8, NO_OBJECTIVE = 16, NO_CALL = 32, TOP = 64 };

/* bad, good: flags of what is not added to the wrong and the right example; more: text that belongs to both. */
static const struct {
  DiagnosticCode code;
  int bad, good;
  const char *more;
} rows[] = {
    {E2044, TOP, 0, ""},
    {E3015, NO_OPTIMIZE, 0, ""},
    {E3018, 0, 0,
     "data x: [2]\nnetwork D(x: [2]) -> [] = x |> Linear(1) |> scalar\nD minimizes E[D(x)^2]\ntrain { batch = 4; "
     "optimize D by descent(0.1); update D }\n"},
    {E3019, NO_OBJECTIVE, 0, ""},
    {E3020, NO_OBJECTIVE, NO_OBJECTIVE, ""},
    {E3022, NO_TRAIN, 0, ""},
    {E3024, NO_BATCH, 0, ""},
    {E3045, NO_UPDATE, 0, ""},
    {W6008, NO_CALL, 0, ""},
};

/* ---- names ------------------------------------------------------------------------------------------------------- */

typedef struct Names {
  int count;
  const char *items[NAME_LIMIT];
} Names;

static bool names_have(const Names *names, const char *name) {
  for (int k = 0; k < names->count; k++)
    if (strcmp(names->items[k], name) == 0) return true;
  return false;
}

static void names_add(Names *names, const char *name) {
  if (names_have(names, name)) return;
  ck_assert_int_lt(names->count, NAME_LIMIT);
  names->items[names->count++] = name;
}

typedef struct Page {
  Session *session;
  const Syntax *file;
  Names defined, mentioned, players, updated, optimized;
  const char *x, *z; /* shapes of data and noise */
  const char *text;  /* what was added */
  int flags;
} Page;

static void page_add(Page *page, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  page->text =
      session_format(page->session, "%s%s\n", page->text, session_format_list(page->session, format, arguments));
  va_end(arguments);
}

static void mention(void *context, Syntax *syntax) {
  Page *page = context;
  if (syntax->kind == SYNTAX_NAME) names_add(&page->mentioned, syntax->name);
  if (syntax->kind == SYNTAX_UPDATE || syntax->kind == SYNTAX_OPTIMIZE)
    for (int k = 0; k < syntax->players.names.count; k++)
      names_add(syntax->kind == SYNTAX_UPDATE ? &page->updated : &page->optimized,
                syntax->players.names.items[k]->name);
  if (syntax->kind == SYNTAX_OBJECTIVE)
    for (int k = 0; k < syntax->objective.players.count; k++)
      names_add(&page->players, syntax->objective.players.items[k]->name);
  syntax_children(syntax, mention, page);
}

/* The shape with a number for every size: what a name or an expression in it stands for is free. */
static const char *shape_numbers(Session *session, const Syntax *type) {
  if (type == NULL || type->type.shape == NULL) return "[]";
  const char *text = "[";
  const SyntaxList *items = &type->type.shape->items;
  for (int k = 0; k < items->count; k++) {
    const Syntax *item = items->items[k];
    text = session_format(session, "%s%s%s", text, k == 0 ? "" : ", ",
                          item->kind == SYNTAX_NUMBER ? item->number.text
                          : item->kind == SYNTAX_NAME ? "4"
                                                      : "8");
  }
  return session_format(session, "%s]", text);
}

static const Syntax *definition_of(const Syntax *syntax) {
  if (syntax->kind == SYNTAX_FN || syntax->kind == SYNTAX_LAYER) return syntax;
  return syntax->kind == SYNTAX_NETWORK ? syntax->network.definition : NULL;
}

static void define(Page *page, const Syntax *syntax) {
  const Syntax *definition = definition_of(syntax);
  switch (syntax->kind) {
  case SYNTAX_FN:
  case SYNTAX_LAYER: names_add(&page->defined, syntax->definition.name); break;
  case SYNTAX_NETWORK: names_add(&page->defined, syntax->network.name); break;
  case SYNTAX_NOISE:
    names_add(&page->defined, syntax->noise.field->field.name);
    if (strcmp(syntax->noise.field->field.name, "z") == 0)
      page->z = shape_numbers(page->session, syntax->noise.field->field.type);
    break;
  case SYNTAX_STATE: names_add(&page->defined, syntax->variable.field->field.name); break;
  case SYNTAX_PHASE: names_add(&page->defined, syntax->named.name); break;
  case SYNTAX_DATA:
    for (int k = 0; k < syntax->data.fields.count; k++)
      names_add(&page->defined, syntax->data.fields.items[k]->field.name);
    page->x = shape_numbers(page->session, syntax->data.fields.items[0]->field.type);
    break;
  case SYNTAX_ASSIGN:
    if (syntax->assign.target->kind == SYNTAX_NAME) names_add(&page->defined, syntax->assign.target->name);
    break;
  default: break;
  }
  if (definition == NULL || definition->definition.parameters.count == 0 || syntax->kind != SYNTAX_NETWORK) return;
  const Syntax *first = definition->definition.parameters.items[0]->parameter.field;
  if (first->field.type == NULL || page->file == NULL) return;
  if (strcmp(first->field.name, "x") == 0) page->x = shape_numbers(page->session, first->field.type);
  if (strcmp(first->field.name, "z") == 0) page->z = shape_numbers(page->session, first->field.type);
}

/* ---- what is left out -------------------------------------------------------------------------------------------- */

/* Arguments of the parameters' types, as noise that is declared for them. */
static const char *arguments_for(Page *page, const Syntax *definition) {
  const char *text = "";
  const SyntaxList *parameters = &definition->definition.parameters;
  for (int k = 0; k < parameters->count; k++) {
    const Syntax *type = parameters->items[k]->parameter.field->field.type;
    const char *name = session_format(page->session, "%s_%d", definition->definition.name, k);
    if (type != NULL && type->type.classes != NULL)
      page_add(page, "noise %s: class[%s] ~ uniform", name,
               type->type.classes->kind == SYNTAX_NUMBER ? type->type.classes->number.text : "4");
    else page_add(page, "noise %s: %s ~ normal", name, type == NULL ? "[4]" : shape_numbers(page->session, type));
    text = session_format(page->session, "%s%s%s", text, k == 0 ? "" : ", ", name);
  }
  return text;
}

/* Functions and layers that the example defines and does not apply are applied, in a network. */
static void apply_definition(Page *page, const Syntax *syntax) {
  const char *name = syntax->definition.name, *parameters = "", *arguments = "", *settings = "";
  if (names_have(&page->mentioned, name)) return;
  for (int k = 0; k < syntax->definition.parameters.count; k++) {
    const Syntax *type = syntax->definition.parameters.items[k]->parameter.field->field.type;
    const char *shape = type == NULL                 ? "[4]"
                        : type->type.classes != NULL ? span_text(page->session, type->span)
                                                     : shape_numbers(page->session, type);
    parameters = session_format(page->session, "%s%sp%d: %s", parameters, k == 0 ? "" : ", ", k, shape);
    arguments = session_format(page->session, "%s%sp%d", arguments, k == 0 ? "" : ", ", k);
  }
  if (syntax->definition.has_settings) settings = "()";
  page_add(page, "network Use%s(%s) = %s%s(%s)", name, parameters, name, settings, arguments);
  page_add(page, "output seen%s = Use%s(%s)", name, name, arguments_for(page, syntax));
}

/* Who is who in the examples. */
static void add_mentioned(Page *page) {
  static const struct {
    const char *name, *text;
  } cast[] = {
      {"against", "fn against(d) = E[d(G(z))]"},
      {"level", "level = 2"},
      {"Features", "layer Features(x: [n]) = x |> Linear(8)"},
      {"Avg", ""},
      {"D", "network D(x: $X) -> [] = x |> flatten |> Linear(1) |> scalar"},
      {"Generator", "layer Generator(z: $Z) -> $X = z |> Linear(2) |> BatchNorm"},
      {"G", "network G(z: $Z) -> $X = z |> flatten |> Linear(len(fill(0, $X) |> flatten)) |> reshape($X)"},
      {"Trunk", "network Trunk(x: $X) -> [8] = x |> flatten |> Linear(8)"},
      {"Q", "network Q(x: [8]) -> [] = x |> Linear(1) |> scalar"},
      {"x", "data x: $X"},
      {"z", "noise z: $Z ~ normal"},
      {"t", "noise t: $Z ~ normal"},
  };
  for (size_t k = 0; k < LENGTH(cast); k++) {
    if (!names_have(&page->mentioned, cast[k].name) || names_have(&page->defined, cast[k].name)) continue;
    const char *text = "", *from = cast[k].text;
    if (strcmp(cast[k].name, "G") == 0 && names_have(&page->mentioned, "Generator")) from = "network G = Generator";
    if (strcmp(cast[k].name, "D") == 0 && names_have(&page->mentioned, "Trunk"))
      from = "network D(x: [8]) -> [] = x |> Linear(1) |> scalar";
    for (const char *at; (at = strchr(from, '$')) != NULL; from = at + 2)
      text = session_format(page->session, "%s%.*s%s", text, (int)(at - from), from, at[1] == 'X' ? page->x : page->z);
    text = session_format(page->session, "%s%s", text, from);
    page_add(page, "%s", text);
    names_add(&page->defined, cast[k].name);
    Session *own = page->session;
    const Syntax *more = syntax_parse(own, source_from_text(own, "cast.gan", text, strlen(text)));
    const Syntax *file = page->file;
    page->file = NULL; /* types of the cast say nothing about the example */
    for (int s = 0; more != NULL && s < more->items.count; s++) mention(page, more->items.items[s]);
    page->file = file;
  }
}

static void add_objectives(Page *page) {
  for (int k = 0; k < page->file->items.count; k++) {
    const Syntax *syntax = page->file->items.items[k], *definition = definition_of(syntax);
    if (syntax->kind != SYNTAX_NETWORK || definition == NULL || names_have(&page->players, syntax->network.name))
      continue;
    if (definition->definition.result != NULL && definition->definition.result->result.fields.count > 0) continue;
    page_add(page, "%s minimizes E[sumsq(%s(%s))]", syntax->network.name, syntax->network.name,
             arguments_for(page, definition));
    names_add(&page->players, syntax->network.name);
  }
  static const char *const players[][2] = {
      {"G", "G minimizes E[sumsq(G(z))]"}, {"D", "D minimizes E[D(x)^2]"}, {"Q", "Q minimizes E[Q(Trunk(x))]"}};
  for (size_t k = 0; k < LENGTH(players); k++) {
    bool used = names_have(&page->updated, players[k][0]) || (k == 1 && page->players.count == 0);
    if (!used || names_have(&page->players, players[k][0]) || (page->flags & NO_OBJECTIVE)) continue;
    page_add(page, "%s", players[k][1]);
    names_add(&page->players, players[k][0]);
    names_add(&page->mentioned, players[k][0]);
    names_add(&page->mentioned, k == 0 ? "z" : "x");
    if (k == 2) names_add(&page->mentioned, "Trunk");
  }
}

static const char *list_of(Session *session, const Names *names, const Names *without) {
  const char *text = "";
  for (int k = 0; k < names->count; k++)
    if (without == NULL || !names_have(without, names->items[k]))
      text = session_format(session, "%s%s%s", text, *text == '\0' ? "" : ", ", names->items[k]);
  return text;
}

static bool sets_batch(const Syntax *block) {
  for (int k = 0; k < block->items.count; k++) {
    const Syntax *syntax = block->items.items[k];
    if (syntax->kind == SYNTAX_ASSIGN && syntax->assign.target->kind == SYNTAX_NAME &&
        strcmp(syntax->assign.target->name, "batch") == 0)
      return true;
  }
  return false;
}

static const char *train_head(Page *page, bool batch) {
  const char *head = batch || (page->flags & NO_BATCH) ? "" : " batch = 4;";
  const char *missing = list_of(page->session, &page->updated, &page->optimized);
  return *missing == '\0' || (page->flags & NO_OPTIMIZE)
             ? head
             : session_format(page->session, "%s optimize %s by sgd(lr = 0.1);", head, missing);
}

/* The example as a whole model. */
static const char *complete(Session *session, const Source *block, int flags, const char *more) {
  Page page = {.session = session, .x = "[2]", .z = "[4]", .text = "", .flags = flags};
  const Syntax *file = syntax_parse(session, block), *train = NULL;
  if (file == NULL) return NULL;
  page.file = file;
  const char *own = "", *moved = "";
  for (int k = 0; k < file->items.count; k++) {
    Syntax *syntax = file->items.items[k];
    bool of_train = syntax->kind == SYNTAX_OPTIMIZE || syntax->kind == SYNTAX_UPDATE || syntax->kind == SYNTAX_DRAW;
    if (syntax->kind == SYNTAX_TRAIN && train == NULL) train = syntax;
    define(&page, syntax);
    mention(&page, syntax);
    if (of_train && !(flags & TOP)) moved = session_format(session, "%s %s;", moved, span_text(session, syntax->span));
  }
  for (int k = 0; k < file->items.count; k++)
    if (*more == '\0' && !(flags & NO_CALL) &&
        (file->items.items[k]->kind == SYNTAX_FN || file->items.items[k]->kind == SYNTAX_LAYER))
      apply_definition(&page, file->items.items[k]);
  if (*more == '\0') add_objectives(&page);
  for (int k = 0; k < file->items.count; k++) {
    const Syntax *syntax = file->items.items[k];
    if (syntax->kind == SYNTAX_NOISE && !names_have(&page.mentioned, syntax->noise.field->field.name))
      page_add(&page, "output seen_%s = %s", syntax->noise.field->field.name, syntax->noise.field->field.name);
  }
  add_mentioned(&page);
  add_mentioned(&page); /* what the cast mentions */
  if (*moved != '\0' || (train == NULL && !(flags & NO_TRAIN) && strstr(more, "train") == NULL)) {
    Names all = page.players;
    for (int k = 0; k < all.count; k++) names_add(&page.updated, all.items[k]);
    const char *update = flags & NO_UPDATE ? "" : list_of(session, &page.updated, NULL);
    page_add(&page, "train {%s%s%s%s }", train_head(&page, false), moved, *update == '\0' ? "" : " update ", update);
  }
  uint32_t at = 0;
  for (int k = 0; k < file->items.count; k++) { /* the example's own statements, but those that went into `train` */
    const Syntax *syntax = file->items.items[k];
    bool of_train = syntax->kind == SYNTAX_OPTIMIZE || syntax->kind == SYNTAX_UPDATE || syntax->kind == SYNTAX_DRAW;
    uint32_t to = syntax->span.to;
    if (syntax == train) {
      uint32_t brace = syntax->train.block->span.from + 1;
      const char *head = train_head(&page, sets_batch(syntax->train.block));
      own = session_format(session, "%s%.*s%s%.*s", own, (int)(brace - at), block->text + at, head, (int)(to - brace),
                           block->text + brace);
    } else if (of_train && !(flags & TOP))
      own = session_format(session, "%s%.*s", own, (int)(syntax->span.from - at), block->text + at);
    else own = session_format(session, "%s%.*s", own, (int)(to - at), block->text + at);
    at = to;
  }
  return session_format(session, "%s\n%s%s", own, page.text, more);
}

/* ---- the pages --------------------------------------------------------------------------------------------------- */

static const Source *next_block(Session *session, const char *fence, const char **at) {
  const char *begin = strstr(*at, fence);
  if (!begin) return NULL;
  begin += strlen(fence);
  const char *end = strstr(begin, "\n```\n");
  *at = end + 4;
  return source_from_text(session, "page.gan", begin, (size_t)(end + 1 - begin));
}

/* The messages about the text, from malloc. */
static char *messages_of(const char *text, int *errors) {
  Session *session = session_new();
  Model *model = model_expand(session, "page.gan", text, strlen(text), false);
  if (model != NULL) model_pass(model, transform_normalise, "normalise");
  char *messages = messages_text(session);
  *errors = diagnostic_error_count(session);
  session_free(session);
  return messages;
}

static int checked, failed;

static void example_check(Session *session, DiagnosticCode code, const Source *block, bool bad) {
  int flags = 0, errors;
  const char *more = "";
  for (size_t k = 0; k < LENGTH(rows); k++)
    if (rows[k].code == code) flags = bad ? rows[k].bad : rows[k].good, more = rows[k].more;
  const char *name = diagnostic_code_name(code), *text = complete(session, block, flags, more),
             *mark = session_format(session, "[%s]", name);
  if (text == NULL) { /* unit/lang_pages looks at these */
    ck_assert_msg(bad, "the right example of %s does not parse", name);
    return;
  }
  char *messages = messages_of(text, &errors);
  bool says = strstr(messages, mark) != NULL, fine = bad ? says : !says && errors == 0;
  checked++;
  if (!fine)
    failed++, fprintf(stderr, "%s, the %s example:\n%s--- says\n%s\n", name, bad ? "wrong" : "right", text, messages);
  free(messages);
}

START_TEST(pages_say_what_happens) {
  for (int code = 0; code < DIAGNOSTIC_CODE_COUNT; code++) {
    Session *session = session_new();
    const Source *page = source_read(session, session_format(session, "%s/../lang/explain/%s.md", TEST_DIRECTORY,
                                                             diagnostic_code_name((DiagnosticCode)code)));
    ck_assert_ptr_nonnull(page);
    if (code != E3042 && strncmp(diagnostic_code_name((DiagnosticCode)code), "E5", 2) != 0) {
      const char *at = page->text;
      for (const Source *block; (block = next_block(session, "```gan bad\n", &at));)
        example_check(session, (DiagnosticCode)code, block, true);
      at = page->text;
      for (const Source *block; (block = next_block(session, "```gan\n", &at));)
        example_check(session, (DiagnosticCode)code, block, false);
    }
    session_free(session);
  }
  ck_assert_msg(failed == 0, "%d of %d examples are not as their pages say", failed, checked);
  ck_assert_int_gt(checked, 200);
}
END_TEST

CHECK_MAIN(.tests = {pages_say_what_happens})
