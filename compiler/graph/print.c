/* Graphs as text. Takes effects, nodes, expressions; writes one line a node, operands first. Never changes anything.

       n12: [64, 256] sum over (b<64, i<256, k<100)  n3[b, k] * D.Linear_1.W[i, k]

   Variables print as letters, those over samples as b, b', …; `~` after a shape marks a batch axis; subexpressions used
   twice get names after `where`. */
#include "storage.h"

#include <math.h>
#include <string.h>

typedef struct Printer {
  FILE *out;
  uint32_t batch; /* variables that run over samples */
  Memo names;     /* scalar → itself, if it is printed by name */
} Printer;

static void print_variable(const Printer *printer, int variable) {
  if ((printer->batch >> variable & 1) == 0) {
    fputc("ijklmopqrstuvwxy"[variable], printer -> out);
    return;
  }
  fputc('b', printer->out);
  for (int v = 0; v < variable; v++)
    if ((printer->batch >> v & 1) != 0) fputc('\'', printer->out);
}

static void print_number(FILE *out, double value) {
  if (value == floor(value) && fabs(value) < 1e15) fprintf(out, "%.0f", value);
  else {
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
      snprintf(text, sizeof text, "%.*g", digits, value);
      double back;
      if (sscanf(text, "%lf", &back) == 1 && back == value) break;
    }
    fputs(text, out);
  }
}

static void print_node(FILE *out, const Node *node) {
  if (node->kind == NODE_INPUT) fputs(node->name, out);
  else fprintf(out, "n%d", node->id);
}

static void print_scalar(Printer *printer, const Scalar *scalar, int tightness);

static void print_coordinate(Printer *printer, const Coordinate *c) {
  bool first = true;
  for (int t = 0; t < c->term_count; t++) {
    int64_t k = c->terms[t].coefficient;
    if (k < 0) fputc('-', printer->out);
    else if (!first) fputc('+', printer->out);
    if (k != 1 && k != -1) fprintf(printer->out, "%lld*", (long long)(k < 0 ? -k : k));
    print_variable(printer, c->terms[t].variable);
    first = false;
  }
  if (c->computed != NULL) {
    if (!first) fputc('+', printer->out);
    fputc('{', printer->out);
    print_scalar(printer, c->computed, 0);
    fputc('}', printer->out);
    first = false;
  }
  if (c->constant != 0 || first) fprintf(printer->out, first ? "%lld" : "%+lld", (long long)c->constant);
}

static void print_access(Printer *printer, const Access *access) {
  fputc('[', printer->out);
  for (int d = 0; d < access->rank; d++) {
    if (d > 0) fputs(", ", printer->out);
    print_coordinate(printer, &access->coordinates[d]);
  }
  fputc(']', printer->out);
}

/* How tightly an operator binds; 0 for what is written as a call. */
static int operator_tightness(Operation op) {
  switch (op) {
  case OP_ADD: return 4;
  case OP_MULTIPLY:
  case OP_DIVIDE: return 5;
  case OP_NEGATE: return 6;
  case OP_LESS:
  case OP_LESS_EQUAL:
  case OP_EQUAL: return 3;
  case OP_AND: return 2;
  case OP_OR: return 1;
  default: return 0;
  }
}

static const char *operator_sign(Operation op) {
  switch (op) {
  case OP_MULTIPLY: return " * ";
  case OP_DIVIDE: return " / ";
  case OP_LESS: return " < ";
  case OP_LESS_EQUAL: return " <= ";
  case OP_EQUAL: return " == ";
  case OP_AND: return " and ";
  case OP_OR: return " or ";
  default: internal_error(HERE, "an operator without a sign");
  }
}

static void print_operation(Printer *printer, const Scalar *scalar, int tightness) {
  FILE *out = printer->out;
  int own = operator_tightness(scalar->op);
  if (scalar->op == OP_SELECT) {
    fputs("(if ", out);
    print_scalar(printer, scalar->argument[0], 0);
    fputs(" then ", out);
    print_scalar(printer, scalar->argument[1], 0);
    fputs(" else ", out);
    print_scalar(printer, scalar->argument[2], 0);
    fputc(')', out);
  } else if (own == 0) {
    for (const char *letter = operation_rows[scalar->op].name; *letter != '\0'; letter++)
      fputc(*letter >= 'A' && *letter <= 'Z' ? *letter + 32 : *letter, out);
    fputc('(', out);
    for (int k = 0; k < operation_arity(scalar->op); k++) {
      if (k > 0) fputs(", ", out);
      print_scalar(printer, scalar->argument[k], 0);
    }
    fputc(')', out);
  } else {
    if (own < tightness) fputc('(', out);
    const Scalar *right = scalar->argument[1];
    if (scalar->op == OP_NEGATE) {
      fputc('-', out);
      print_scalar(printer, scalar->argument[0], own);
    } else {
      print_scalar(printer, scalar->argument[0], own);
      bool minus = scalar->op == OP_ADD && right->op == OP_NEGATE && memo_get(&printer->names, right->id) == NULL;
      fputs(scalar->op != OP_ADD ? operator_sign(scalar->op) : minus ? " - " : " + ", out);
      print_scalar(printer, minus ? right->argument[0] : right, own + (minus || scalar->op != OP_ADD));
    }
    if (own < tightness) fputc(')', out);
  }
}

static void print_scalar(Printer *printer, const Scalar *scalar, int tightness) {
  if (tightness >= 0 && memo_get(&printer->names, scalar->id) != NULL) {
    fprintf(printer->out, "t%d", scalar->id);
    return;
  }
  switch (scalar->op) {
  case OP_CONSTANT: print_number(printer->out, scalar->value); break;
  case OP_NOTHING: fputc('0', printer->out); break;
  case OP_INDEX: print_variable(printer, scalar->variable); break;
  case OP_READ:
  case OP_WITHIN:
    if (scalar->op == OP_WITHIN) fputs("within(", printer->out);
    print_node(printer->out, scalar->node);
    print_access(printer, scalar->access);
    if (scalar->op == OP_WITHIN) fputc(')', printer->out);
    break;
  default: print_operation(printer, scalar, tightness);
  }
}

/* Gives names to what is used more than once, so that a shared DAG does not print as an exponential tree. */
static void print_with_names(Printer *printer, const Scalar *root) {
  List order = scalar_order(1, &root, false);
  Memo used = {0};
  for (int i = 0; i < order.count; i++) {
    const Scalar *scalar = order.items[i];
    for (int k = 0; k < 3 && scalar->argument[k] != NULL; k++) {
      const Scalar *argument = scalar->argument[k];
      if (argument->argument[0] == NULL || argument->op == OP_NEGATE) continue;
      memo_put(memo_get(&used, argument->id) == NULL ? &used : &printer->names, argument->id, argument);
    }
  }
  print_scalar(printer, root, 0);
  const char *before = "  where ";
  for (int i = order.count - 1; i >= 0; i--) {
    const Scalar *scalar = order.items[i];
    if (memo_get(&printer->names, scalar->id) == NULL) continue;
    fprintf(printer->out, "%st%d = ", before, scalar->id);
    print_scalar(printer, scalar, -1);
    before = ", ";
  }
  memo_free(&used);
  memo_free(&printer->names);
  printer->names = (Memo){0};
  list_free(&order);
}

void graph_print_value(const Node *node, const Scalar *value, FILE *out) {
  Printer printer = {.out = out, .batch = node->batch_variables};
  const char *before = node->combine == COMBINE_MAXIMUM ? "max over " : "sum over ";
  for (int v = node->rank; v < node->box_rank && node->combine != COMBINE_SET; v++) {
    if (node->box[v] == 1) continue;
    fputs(before, out);
    print_variable(&printer, v);
    before = ", ";
  }
  if (*before == ',') fputs(" of ", out);
  print_with_names(&printer, value);
}

static void print_compute(FILE *out, const Node *node) {
  Printer printer = {.out = out, .batch = node->batch_variables};
  if (node_is_map(node)) fputs(" map", out);
  else fputs(node->combine == COMBINE_SET ? " set" : node->combine == COMBINE_SUM ? " sum" : " max", out);
  const char *before = " over (";
  for (int v = 0; v < node->box_rank; v++) {
    if (node->box[v] == 1) continue;
    fputs(before, out);
    print_variable(&printer, v);
    fprintf(out, "<%lld", (long long)node->box[v]);
    before = ", ";
  }
  if (*before == ',') fputc(')', out);
  bool plain = true; /* the variables that are not on axes are summed, the others write where they say */
  for (int d = 0; d < node->rank; d++) {
    const Coordinate *c = &node->write->coordinates[d];
    plain &= node->shape[d] == 1 ? coordinate_is_constant(c) : coordinate_is_bare(c) && node->box[d] == node->shape[d];
  }
  if (!plain) {
    fputs(" at ", out);
    print_access(&printer, node->write);
  }
  fputs("  ", out);
  print_with_names(&printer, node->value);
}

static void print_line(void *context, Node *node) {
  static const char *const kinds[] = {"input", "random", "compute", "reshape", "constant", "mark", "grad"};
  FILE *out = context;
  print_node(out, node);
  fputs(": [", out);
  for (int d = 0; d < node->rank; d++) fprintf(out, "%s%lld", d == 0 ? "" : ", ", (long long)node->shape[d]);
  fprintf(out, "]%s", node->batch ? "~" : "");
  if (node->kind == NODE_COMPUTE) print_compute(out, node);
  else fprintf(out, " %s", kinds[node->kind]);
  if (node->kind == NODE_RANDOM)
    fprintf(out, " %s of stream %016llx", node->distribution == DISTRIBUTION_UNIFORM ? "uniform" : "normal",
            (unsigned long long)node->stream);
  for (int k = 0; k < 2 && node->operand[k] != NULL; k++) {
    fputs(k == 0 ? " of " : " by ", out);
    print_node(out, node->operand[k]);
  }
  if (node->name != NULL && node->kind != NODE_INPUT) fprintf(out, "  # %s", node->name);
  fputc('\n', out);
}

void graph_print(Graph *graph, const EffectList *effects, FILE *out) {
  graph_walk(graph, effects, print_line, out);
  for (int i = 0; i < effects->count; i++) {
    print_node(out, effects->items[i].target);
    fputs(" <- ", out);
    print_node(out, effects->items[i].value);
    fputc('\n', out);
  }
}
