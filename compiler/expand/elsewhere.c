/* What people write who know other libraries, and what they are told (the rows of elsewhere.def).
   Takes a name that nothing here has, and the call that it stands in; gives the message a hint and the text that mends
   it. */
#include "evaluator.h"

#include <string.h>

typedef enum Keeping { KEEP, DROP, SIZED, MEMBER } Keeping;

static const char *const modules[] = {
#define MODULE(name) name,
#define NAME(there, here, arguments, hint)
#define PARAMETER(there, here, hint)
#include "elsewhere.def"
#undef MODULE
#undef NAME
#undef PARAMETER
};

typedef struct ForeignName {
  const char *there, *here;
  Keeping arguments;
  const char *hint;
} ForeignName;
static const ForeignName names[] = {
#define MODULE(name)
#define NAME(there, here, arguments, hint) {there, here, arguments, hint},
#define PARAMETER(there, here, hint)
#include "elsewhere.def"
#undef MODULE
#undef NAME
#undef PARAMETER
};

static const struct {
  const char *there, *here, *hint;
} parameters[] = {
#define MODULE(name)
#define NAME(there, here, arguments, hint)
#define PARAMETER(there, here, hint) {there, here, hint},
#include "elsewhere.def"
#undef MODULE
#undef NAME
#undef PARAMETER
};

static bool is_module(const char *name) {
  for (size_t k = 0; k < sizeof modules / sizeof *modules; k++)
    if (strcmp(modules[k], name) == 0) return true;
  return false;
}

static const ForeignName *foreign_name(const char *name, bool member) {
  for (size_t k = 0; k < sizeof names / sizeof *names; k++)
    if ((names[k].arguments == MEMBER) == member && strcmp(names[k].there, name) == 0) return &names[k];
  return NULL;
}

/* The call whose function stands at the span, or NULL. */
static const Syntax *call_of(const Evaluator *e, Span function) {
  bool here = e->call != NULL && e->call->call.function->span.source == function.source &&
              e->call->call.function->span.from == function.from && e->call->call.function->span.to == function.to;
  return here ? e->call : NULL;
}

/* The first of at least so many arguments is the size of the input where another follows: that of the result stays. */
static void mend_sizes(Diagnostic *diagnostic, const Syntax *call, int least) {
  const SyntaxList *arguments = &call->call.arguments;
  if (arguments->count >= least && arguments->items[0]->kind == SYNTAX_NUMBER &&
      arguments->items[1]->kind == SYNTAX_NUMBER)
    diagnostic_mend(diagnostic,
                    (Span){call->span.source, arguments->items[0]->span.from, arguments->items[1]->span.from}, "%s",
                    "");
}

static void name_explain(Evaluator *e, Diagnostic *diagnostic, const ForeignName *row, Span span) {
  const Syntax *call = call_of(e, span);
  if (row->hint != NULL) diagnostic_hint(diagnostic, "%s", row->hint);
  if (row->here == NULL) return;
  diagnostic_mend(diagnostic, row->arguments == DROP && call != NULL ? call->span : span, "%s", row->here);
  if (call == NULL) return;
  if (row->arguments == SIZED) mend_sizes(diagnostic, call, 3);
  else if (row->arguments == KEEP && strcmp(row->here, "Linear") == 0) mend_sizes(diagnostic, call, 2);
}

bool elsewhere_name(Evaluator *e, Diagnostic *diagnostic, const char *name, Span span) {
  const ForeignName *row = foreign_name(name, false);
  if (row != NULL) name_explain(e, diagnostic, row, span);
  else if (is_module(name)) diagnostic_hint(diagnostic, "names stand by themselves here: no `%s.` before them", name);
  else return false;
  return true;
}

/* `nn.Linear`, `torch.nn.functional.relu`: is all before the last name a way to modules that nothing here is called
   like? */
static bool leads_to_module(Evaluator *e, Frame *frame, const Syntax *operand) {
  if (operand->kind == SYNTAX_NAME)
    return is_module(operand->name) && name_find(e, frame, operand->name, operand->span) == NULL;
  return operand->kind == SYNTAX_MEMBER && is_module(operand->member.name) &&
         leads_to_module(e, frame, operand->member.operand);
}

bool elsewhere_member(Evaluator *e, Frame *frame, const Syntax *member) {
  const char *name = member->member.name;
  if (!leads_to_module(e, frame, member->member.operand)) return false;
  Diagnostic *diagnostic = evaluator_report(e, E2001, member->span, "names stand by themselves here");
  const ForeignName *row = foreign_name(name, false);
  if (row != NULL) name_explain(e, diagnostic, row, member->span);
  else if (name_find(e, frame, name, member->name_span) != NULL) {
    const Syntax *call = call_of(e, member->span);
    diagnostic_mend(diagnostic, member->span, "%s", name);
    if (call != NULL && strcmp(name, "Linear") == 0) mend_sizes(diagnostic, call, 2);
  }
  return true;
}

/* An optimizer is not given what it moves: `optimize D by adam(…)` says it. */
typedef struct OptimizeSearch {
  Span span;
  bool found;
} OptimizeSearch;

static void search_optimize(void *context, Syntax *syntax) {
  OptimizeSearch *search = context;
  bool around = syntax->span.source == search->span.source && syntax->span.from <= search->span.from &&
                syntax->span.to >= search->span.to;
  search->found |= around && syntax->kind == SYNTAX_OPTIMIZE;
  if (around || syntax->kind == SYNTAX_BLOCK) syntax_children(syntax, search_optimize, search);
}

static bool lies_in_optimize(const Evaluator *e, Span span) {
  OptimizeSearch search = {span, false};
  syntax_children(e->file.syntax, search_optimize, &search);
  return search.found;
}

bool elsewhere_method(Evaluator *e, Diagnostic *diagnostic, const Syntax *member) {
  const ForeignName *row = foreign_name(member->member.name, true);
  if (row == NULL) return false;
  if (lies_in_optimize(e, member->span)) {
    diagnostic_hint(diagnostic, "`optimize` says whose weights move: `optimize D by adam(lr = 2e-4)`");
    return true;
  }
  if (row->hint != NULL) diagnostic_hint(diagnostic, "%s", row->hint);
  if (row->here == NULL) return true;
  const Syntax *call = call_of(e, member->span);
  const char *operand = span_text(e->session, member->member.operand->span), *place = strchr(row->here, '$');
  diagnostic_mend(diagnostic, call != NULL ? call->span : member->span, "%.*s%s%s", (int)(place - row->here), row->here,
                  operand, place + 1);
  return true;
}

/* `argument` is the whole of `name = value`, which is to go where nothing stands for it: with a comma before it, if it
   is not the first. */
static Span argument_with_comma(const Evaluator *e, Span argument) {
  const SyntaxList *list = e->call == NULL ? NULL : &e->call->call.arguments;
  for (int k = 0; list != NULL && k < list->count; k++) {
    const Span here = list->items[k]->span;
    if (here.source != argument.source || here.from > argument.from || here.to < argument.to) continue;
    if (k > 0) return (Span){here.source, list->items[k - 1]->span.to, here.to};
    return (Span){here.source, here.from, list->count > 1 ? list->items[1]->span.from : here.to};
  }
  return argument;
}

bool elsewhere_parameter(Evaluator *e, Diagnostic *diagnostic, const char *name, Span argument, int count,
                         const char *const *known) {
  for (size_t k = 0; k < sizeof parameters / sizeof *parameters; k++) {
    if (strcmp(parameters[k].there, name) != 0) continue;
    const char *here = parameters[k].here;
    bool fits = here == NULL;
    for (int j = 0; j < count && !fits; j++) fits = strcmp(known[j], here) == 0;
    if (!fits) continue;
    if (parameters[k].hint != NULL) diagnostic_hint(diagnostic, "%s", parameters[k].hint);
    if (here != NULL)
      diagnostic_mend(diagnostic, (Span){argument.source, argument.from, argument.from + (uint32_t)strlen(name)}, "%s",
                      here);
    else if (strcmp(name, "betas") != 0) diagnostic_mend(diagnostic, argument_with_comma(e, argument), "%s", "");
    return true;
  }
  return false;
}
