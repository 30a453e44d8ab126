/* Loop programs as pseudo-code for people (`--emit kernels`). Takes a program, writes text; changes nothing and checks
   nothing. */
#include "program.h"

#include <inttypes.h>

static const char *const type_names[] = {[REGISTER_F32] = "f32", [REGISTER_F64] = "f64", [REGISTER_MASK] = "mask"};

typedef struct Printer {
  const Program *program;
  FILE *out;
  int depth;
} Printer;

static void print_affine(FILE *out, const Affine *affine) {
  bool first = true;
  for (int i = 0; i < affine->term_count; i++) {
    int64_t coefficient = affine->terms[i].coefficient;
    if (coefficient < 0) fputs(first ? "-" : " - ", out);
    else if (!first) fputs(" + ", out);
    if (coefficient != 1 && coefficient != -1)
      fprintf(out, "%" PRId64 "*", coefficient < 0 ? -coefficient : coefficient);
    fprintf(out, "i%d", affine->terms[i].variable);
    first = false;
  }
  int64_t constant = affine->constant;
  if (first) fprintf(out, "%" PRId64, constant);
  else if (constant != 0) fprintf(out, " %c %" PRId64, constant < 0 ? '-' : '+', constant < 0 ? -constant : constant);
}

static void print_lanes(FILE *out, int64_t step) {
  if (step == 1) fputs(" + lane", out);
  else if (step != 0) fprintf(out, " + %" PRId64 "*lane", step);
}

static void print_operand(const Printer *printer, const Operand *operand) {
  fprintf(printer->out, "r%d", operand->reg);
  if (printer->program->registers[operand->reg].count == 1) return;
  fputc('[', printer->out);
  print_affine(printer->out, &operand->index);
  fputc(']', printer->out);
}

static void print_address(const Printer *printer, const Address *address) {
  FILE *out = printer->out;
  if (address->buffer == WORKSPACE) fputs("workspace[", out);
  else fprintf(out, "b%d[", address->buffer);
  print_affine(out, &address->offset);
  print_lanes(out, address->lane_stride);
  for (int i = 0; i < address->computed_count; i++) {
    fprintf(out, " + %" PRId64 "*", address->computed[i].stride);
    print_operand(printer, &address->computed[i].value);
  }
  fputc(']', out);
  if (address->has_valid) {
    fputs(" for lane < ", out);
    print_affine(out, &address->valid);
  }
  for (int i = 0; i < address->guard_count; i++) {
    const Guard *guard = &address->guards[i];
    fprintf(out, " where %" PRId64 " <= ", guard->low);
    print_affine(out, &guard->value);
    print_lanes(out, guard->lane_step);
    fprintf(out, " < %" PRId64, guard->high);
  }
  for (int i = 0; i < address->computed_count; i++) {
    fprintf(out, " where %" PRId64 " <= ", address->computed[i].low);
    print_operand(printer, &address->computed[i].value);
    fprintf(out, " < %" PRId64, address->computed[i].high);
  }
}

static void print_call(const Printer *printer, const char *name, const Statement *statement) {
  fprintf(printer->out, "%s(", name);
  for (int i = 0; i < statement_arity(statement); i++) {
    if (i > 0) fputs(", ", printer->out);
    print_operand(printer, &statement->arguments[i]);
  }
  fputc(')', printer->out);
}

static void print_operation(FILE *out, const char *name) {
  for (; *name != 0; name++) fputc(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name, out);
}

static void print_value(const Printer *printer, const Statement *statement) {
  FILE *out = printer->out;
  switch (statement->kind) {
  case STATEMENT_SET: fprintf(out, "%.17g", statement->constant); break;
  case STATEMENT_OPERATE:
    print_operation(out, operation_rows[statement->operation].name);
    print_call(printer, "", statement);
    break;
  case STATEMENT_FMA: print_call(printer, "fma", statement); break;
  case STATEMENT_CONVERT: {
    const Register *to = &printer->program->registers[statement->result.reg];
    fprintf(out, "%s x %d", type_names[to->type], to->lanes);
    print_call(printer, "", statement);
    break;
  }
  case STATEMENT_NUMBER:
    print_affine(out, &statement->value);
    print_lanes(out, statement->lane_step);
    break;
  case STATEMENT_LOAD: print_address(printer, &statement->address); break;
  case STATEMENT_RANDOM:
    fprintf(out, "%s(stream %016" PRIx64 ", draw %d, sample ",
            statement->distribution == DISTRIBUTION_NORMAL ? "normal" : "uniform", statement->stream, statement->draw);
    print_affine(out, &statement->sample);
    print_lanes(out, statement->sample_step);
    fputs(", element ", out);
    print_affine(out, &statement->element);
    print_lanes(out, statement->element_step);
    fputc(')', out);
    break;
  case STATEMENT_FOLD:
    print_call(printer, statement->operation == OP_MAXIMUM ? "fold maximum" : "fold add", statement);
    break;
  default: fputs(statement_shapes[statement->kind].name, out); break;
  }
}

static void print_block(Printer *printer, const Statement *statement);

static void print_body(Printer *printer, const Statement *body) {
  printer->depth++;
  print_block(printer, body);
  printer->depth--;
}

static void indent(const Printer *printer) { fprintf(printer->out, "%*s", 2 + 2 * printer->depth, ""); }

static void print_statement(Printer *printer, const Statement *statement) {
  FILE *out = printer->out;
  indent(printer);
  switch (statement->kind) {
  case STATEMENT_FOR:
    fprintf(out, "%s i%d from ", statement->unroll ? "unroll" : "for", statement->variable);
    print_affine(out, &statement->from);
    fputs(" to ", out);
    print_affine(out, &statement->to);
    if (statement->has_limit) {
      fputs(" and ", out);
      print_affine(out, &statement->limit);
    }
    if (statement->step != 1) fprintf(out, " by %" PRId64, statement->step);
    fputs("\n", out);
    print_body(printer, statement->body);
    return;
  case STATEMENT_IF:
    fputs("if 0 <= ", out);
    print_affine(out, &statement->value);
    fputs("\n", out);
    print_body(printer, statement->body);
    if (statement->otherwise != NULL) {
      indent(printer);
      fputs("else\n", out);
      print_body(printer, statement->otherwise);
    }
    return;
  case STATEMENT_LET:
    fprintf(out, "i%d = (", statement->variable);
    print_affine(out, &statement->value);
    fputc(')', out);
    if (statement->divisor != 1) fprintf(out, " // %" PRId64, statement->divisor);
    if (statement->modulus != 0) fprintf(out, " %% %" PRId64, statement->modulus);
    break;
  case STATEMENT_STORE:
    print_address(printer, &statement->address);
    fputs(statement->accumulate ? " += " : " = ", out);
    print_operand(printer, &statement->arguments[0]);
    break;
  case STATEMENT_TRANSPOSE: print_call(printer, "transpose", statement); break;
  default:
    print_operand(printer, &statement->result);
    fputs(" = ", out);
    print_value(printer, statement);
    break;
  }
  fputs("\n", out);
}

static void print_block(Printer *printer, const Statement *statement) {
  for (; statement != NULL; statement = statement->next) print_statement(printer, statement);
}

void program_print(const Program *program, FILE *out) {
  Printer printer = {program, out, 0};
  fprintf(out,
          "program %d \"%s\": %s, %d lanes of %s, %" PRId64 " chunks i0, workspace %" PRId64
          " bytes, %.4g Mflop, %.4g MB\n",
          program->id, program->title == NULL ? "" : program->title, program->tile ? "tile" : "nest", program->lanes,
          type_names[program->real], program->chunks, program->workspace_bytes, program->flops * 1e-6,
          program->bytes * 1e-6);
  for (int i = 0; i < program->buffer_count; i++) {
    const Buffer *buffer = &program->buffers[i];
    fprintf(out, "  b%d: %s[%" PRId64 "]%s %s\n", i, type_names[buffer->storage], buffer->elements,
            buffer->written ? " written" : "", buffer->name == NULL ? "" : buffer->name);
  }
  for (int i = 0; i < program->register_count; i++) {
    const Register *reg = &program->registers[i];
    fprintf(out, "  r%d: %s x %d", i, type_names[reg->type], reg->lanes);
    fprintf(out, reg->count == 1 ? "\n" : ", %d of them\n", reg->count);
  }
  print_block(&printer, program->body);
}
