/* What llvm_emit writes: the same bytes for any number of threads, three tables, no symbol that libc's string functions
   do not give, lines of the model; and that a linker and a process accept it. Processors that are refused. */
#include "llvm_builder.h"
#include "check_main.h"
#include "printed_text.h"
#include "temporary_folder.h"

#include <dlfcn.h>
#include <elf.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { PROGRAMS = 23, ELEMENTS = 40 };

static const char model[] = "x = 1\ny = exp(x)\n\nz = y + 1\n";

/* out[i] = exp(x[i]) + number */
static Program *small_program(Session *session, const Machine *machine, const Source *source, int number) {
  int lanes = machine->vector_bytes / 4;
  Build *b = build_new(session, session_format(session, "D.Layer_%d: y", number), REGISTER_F32, lanes);
  int x = build_buffer(b, STORAGE_F32, ELEMENTS, false), out = build_buffer(b, STORAGE_F32, ELEMENTS, true),
      v = build_register(b, REGISTER_F32, lanes, 2);
  int i = build_variable(b);
  b->program.id = number;
  b->program.span = (Span){source, 6, 16};
  build_set(b, at(v, constant(1)), number);
  build_for(b, i, constant(0), constant(ELEMENTS), lanes, LOOP_SERIAL);
  Address from = address(x, variable(i, 1), 1), to = address(out, variable(i, 1), 1);
  from.has_valid = to.has_valid = true;
  from.valid = to.valid = sum(constant(ELEMENTS), variable(i, -1));
  build_load(b, one(v), from)->span = b->program.span;
  build_operate(b, OP_EXP, one(v), one(v), one(v), one(v));
  for (int k = 0; k <= number % 5; k++) build_operate(b, OP_TANH, one(v), one(v), one(v), one(v));
  build_operate(b, OP_ADD, one(v), one(v), at(v, constant(1)), one(v));
  build_store(b, to, one(v), false)->span = (Span){source, 18, 27};
  build_end(b);
  return &b->program;
}

static char *read_whole(const char *path, size_t *size) {
  FILE *in = fopen(path, "rb");
  ck_assert_ptr_nonnull(in);
  char *bytes = malloc(1 << 20);
  *size = fread(bytes, 1, 1 << 20, in);
  fclose(in);
  return bytes;
}

typedef struct Emitted {
  char folder[FOLDER_BYTES];
  const char *path[3];
} Emitted;

static Emitted emit_all(Session *session) {
  Emitted emitted;
  make_folder(emitted.folder);
  const Source *source = source_from_text(session, "model.gan", model, sizeof model - 1);
  Target *target = target_new(session, "native");
  Program *programs[PROGRAMS];
  for (int i = 0; i < PROGRAMS; i++) programs[i] = small_program(session, target_machine(target), source, i);
  const int threads[] = {1, 2, 7};
  for (int i = 0; i < 3; i++) {
    emitted.path[i] = session_format(session, "%s/%d.o", emitted.folder, i);
    FILE *out = fopen(emitted.path[i], "wb");
    ck_assert_ptr_nonnull(out);
    bool done = llvm_emit(session, target, PROGRAMS, programs, "descriptor", 10, EMIT_OBJECT, out, threads[i]);
    ck_assert_int_eq(fclose(out), 0);
    if (!done) diagnostic_print_all(session, stderr);
    ck_assert(done);
  }
  return emitted;
}

static void forget(const Emitted *emitted) { remove_folder(emitted->folder); }

START_TEST(threads_change_nothing) {
  Session *session = session_new();
  Emitted emitted = emit_all(session);
  size_t sizes[3];
  char *bytes[3];
  for (int i = 0; i < 3; i++) bytes[i] = read_whole(emitted.path[i], &sizes[i]);
  for (int i = 1; i < 3; i++) {
    ck_assert_uint_eq(sizes[i], sizes[0]);
    ck_assert(memcmp(bytes[i], bytes[0], sizes[0]) == 0);
  }
  for (int i = 0; i < 3; i++) free(bytes[i]);
  forget(&emitted);
  session_free(session);
}
END_TEST

START_TEST(symbols_and_lines) {
  Session *session = session_new();
  Emitted emitted = emit_all(session);
  size_t size;
  char *bytes = read_whole(emitted.path[0], &size);
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)bytes;
  const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(bytes + header->e_shoff);
  int found = 0, kernels = 0, line_tables = 0;
  for (int s = 0; s < header->e_shnum; s++) {
    if (strcmp(bytes + sections[header->e_shstrndx].sh_offset + sections[s].sh_name, ".debug_line") == 0) line_tables++;
    if (sections[s].sh_type != SHT_SYMTAB) continue;
    const Elf64_Sym *symbols = (const Elf64_Sym *)(const void *)(bytes + sections[s].sh_offset);
    const char *names = bytes + sections[sections[s].sh_link].sh_offset;
    for (size_t i = 1; i < sections[s].sh_size / sizeof *symbols; i++) {
      const char *name = names + symbols[i].st_name;
      if (symbols[i].st_shndx == SHN_UNDEF)
        ck_assert_msg(strcmp(name, "memcpy") == 0 || strcmp(name, "memset") == 0, "%s is undefined", name);
      found += strcmp(name, "ganc_kernels") == 0 || strcmp(name, "ganc_descriptor") == 0 ||
               strcmp(name, "ganc_descriptor_size") == 0;
      kernels += strncmp(name, "k", 1) == 0 && strstr(name, "D.Layer_") != NULL;
    }
  }
  ck_assert_int_eq(found, 3);
  ck_assert_int_eq(kernels, PROGRAMS);
  ck_assert_int_gt(line_tables, 0);
  ck_assert_ptr_nonnull(memmem(bytes, size, "model.gan", sizeof "model.gan"));
  free(bytes);
  forget(&emitted);
  session_free(session);
}
END_TEST

static double expected(double x, int number) {
  x = exp(x);
  for (int k = 0; k <= number % 5; k++) x = tanh(x);
  return x + number;
}

START_TEST(linked_and_run) {
  Session *session = session_new();
  Emitted emitted = emit_all(session);
  const char *library = session_format(session, "%s/all.so", emitted.folder);
  ck_assert_int_eq(system(session_format(session, "ld -shared -o %s %s", library, emitted.path[1])), 0);
  void *handle = dlopen(library, RTLD_NOW);
  ck_assert_msg(handle != NULL, "%s", dlerror());
  const Kernel *kernels = dlsym(handle, "ganc_kernels");
  const uint64_t *size = dlsym(handle, "ganc_descriptor_size");
  const char *descriptor = dlsym(handle, "ganc_descriptor");
  ck_assert_uint_eq(*size, 10);
  ck_assert_mem_eq(descriptor, "descriptor", 10);
  ck_assert_uint_eq((uintptr_t)descriptor % 8, 0);
  float x[ELEMENTS], y[ELEMENTS];
  for (int i = 0; i < ELEMENTS; i++) x[i] = (float)i * 0.1f - 2;
  for (int k = 0; k < PROGRAMS; k++) {
    kernels[k](&(Call){.buffers = (void *[]){x, y}}, 0, NULL);
    for (int i = 0; i < ELEMENTS; i++) ck_assert_double_eq_tol(y[i], expected(x[i], k), 1e-5);
  }
  dlclose(handle);
  unlink(library);
  forget(&emitted);
  session_free(session);
}
END_TEST

START_TEST(text_of_kernels) {
  Session *session = session_new();
  Target *target = target_new(session, "x86-64-v4");
  Program *program = small_program(session, target_machine(target), NULL, 3);
  static const struct {
    EmitKind kind;
    const char *holds;
  } rows[] = {{EMIT_LLVM, "define hidden void @k0_D.Layer_3_y"}, {EMIT_ASSEMBLY, "%zmm"}};
  for (size_t k = 0; k < LENGTH(rows); k++) {
    Printed printed;
    ck_assert(llvm_emit(session, target, 1, &program, "", 0, rows[k].kind, printed_begin(&printed), 2));
    char *text = printed_end(&printed);
    ck_assert_ptr_nonnull(strstr(text, rows[k].holds));
    free(text);
  }
  session_free(session);
}
END_TEST

START_TEST(processors) {
  Session *session = session_new();
  Target *wide = target_new(session, "x86-64-v4"), *half = target_new(session, "haswell");
  ck_assert_int_eq(target_machine(wide)->vector_bytes, 64);
  ck_assert_int_eq(target_machine(wide)->vector_registers, 32);
  ck_assert_int_eq(target_machine(half)->vector_bytes, 32);
  ck_assert_int_eq(target_machine(half)->vector_registers, 16);
  ck_assert_ptr_nonnull(strstr(target_machine(half)->features, "fma"));
  ck_assert_ptr_null(strstr(target_machine(half)->features, "avx512"));
  ck_assert_int_eq(diagnostic_error_count(session), 0);
  ck_assert_ptr_null(target_new(session, "nehalem"));
  ck_assert_ptr_null(target_new(session, "haswel"));
  ck_assert_int_eq(diagnostic_error_count(session), 2);
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {threads_change_nothing, symbols_and_lines, linked_and_run, text_of_kernels, processors})
