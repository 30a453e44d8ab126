/* Loop programs as pseudo-code for people (`--emit kernels`). Takes a program, writes text; changes nothing and checks
   nothing. */
#include "statements.h"

#include <inttypes.h>
#include <string.h>

/* b2 is bound, w3 lies in the workspace. */
static const char space_letters[SPACE_COUNT] = {[SPACE_GLOBAL] = 'b', [SPACE_WORKSPACE] = 'w'};

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

static void print_register(FILE *out, const Register *reg) {
  fprintf(out, "%s x %d", register_name(reg->type), reg->lanes);
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
  fprintf(out, "%c%d[", space_letters[printer->program->buffers[address->buffer].space], address->buffer);
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

static void print_arguments(const Printer *printer, const Statement *statement, const Field *field) {
  for (int i = 0; i < field_count(statement, field); i++) {
    if (i > 0) fputs(", ", printer->out);
    print_operand(printer, &statement->arguments[i]);
  }
}

static void print_operation(FILE *out, const char *name) {
  for (; *name != 0; name++) fputc(*name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name, out);
}

static void print_field(const Printer *printer, const Statement *statement, const Field *field) {
  FILE *out = printer->out;
  const void *at = field_at(statement, field);
  switch (field->kind) {
  case FIELD_ARGUMENTS: print_arguments(printer, statement, field); break;
  case FIELD_RESULT:
  case FIELD_SQUARE: print_operand(printer, at); break;
  case FIELD_AFFINE: print_affine(out, at); break;
  case FIELD_ADDRESS: print_address(printer, at); break;
  case FIELD_VARIABLE: fprintf(out, "i%" PRId64, field_whole(statement, field)); break;
  case FIELD_WHOLE: fprintf(out, "%" PRId64, field_whole(statement, field)); break;
  case FIELD_LANE_STEP: print_lanes(out, field_whole(statement, field)); break;
  case FIELD_CHOICE: fputs(field->names[field_whole(statement, field)], out); break;
  case FIELD_OPERATION: print_operation(out, operation_rows[field_whole(statement, field)].name); break;
  case FIELD_NUMBER: fprintf(out, "%.17g", *(const double *)at); break;
  case FIELD_STREAM: fprintf(out, "%016" PRIx64, (uint64_t)field_whole(statement, field)); break;
  case FIELD_FLAG:
  case FIELD_BLOCK: break; /* seen by what stands around them */
  }
}

/* Has a part of the text that stands in brackets anything to say? */
static bool is_told(const Statement *statement, const Field *field) {
  if (field->kind == FIELD_FLAG) return field_whole(statement, field) != 0;
  if (field->kind == FIELD_WHOLE) return field_whole(statement, field) != field->usual;
  return field_given(statement, field);
}

/* The field whose name stands behind the next `{`, up to its `}`. */
static const Field *next_field(const Statement *statement, const char *text) {
  const char *name = strchr(text, '{') + 1;
  return statement_field(statement, name, strcspn(name, "}"));
}

static void print_text(const Printer *printer, const Statement *statement, const char *text) {
  for (; *text != 0; text++) {
    if (*text == '[' && !is_told(statement, next_field(statement, text))) text = strchr(text, ']');
    else if (*text == '{') {
      const Field *field = next_field(statement, text);
      text = strchr(text, '}');
      if (field != NULL) print_field(printer, statement, field);
      else print_register(printer->out, &printer->program->registers[statement->result.reg]);
    } else if (*text != '[' && *text != ']') fputc(*text, printer->out);
  }
}

static void indent(const Printer *printer) { fprintf(printer->out, "%*s", 2 + 2 * printer->depth, ""); }

static void print_block(Printer *printer, const Statement *statement) {
  for (; statement != NULL; statement = statement->next) {
    const StatementRow *row = &statement_rows[statement->kind];
    indent(printer);
    print_text(printer, statement, row->text);
    fputc('\n', printer->out);
    for (const Field *field = row->fields; field->name != NULL; field++) {
      const Statement *block = field->kind == FIELD_BLOCK ? *(Statement *const *)field_at(statement, field) : NULL;
      if (block == NULL) continue;
      if (field->heading != NULL) indent(printer), fprintf(printer->out, "%s\n", field->heading);
      printer->depth++;
      print_block(printer, block);
      printer->depth--;
    }
  }
}

void program_print(const Program *program, FILE *out) {
  Printer printer = {program, out, 0};
  fprintf(out,
          "program %d \"%s\": %s, %d lanes of %s, %" PRId64 " chunks i0, workspace %" PRId64
          " bytes, %.4g Mflop, %.4g MB\n",
          program->id, program->title == NULL ? "" : program->title, program->tile ? "tile" : "nest", program->lanes,
          register_name(program->real), program->chunks, program->workspace_bytes, program->flops * 1e-6,
          program->bytes * 1e-6);
  for (int i = 0; i < program->buffer_count; i++) {
    const Buffer *buffer = &program->buffers[i];
    fprintf(out, "  %c%d: %s[%" PRId64 "]%s %s\n", space_letters[buffer->space], i, storage_name(buffer->storage),
            buffer->elements, buffer->written ? " written" : "", buffer->name == NULL ? "" : buffer->name);
  }
  for (int i = 0; i < program->register_count; i++) {
    const Register *reg = &program->registers[i];
    fprintf(out, "  r%d: ", i);
    print_register(out, reg);
    fprintf(out, reg->count == 1 ? "\n" : ", %d of them\n", reg->count);
  }
  print_block(&printer, program->body);
}
