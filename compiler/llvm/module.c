/* Programs to files: kernels are dealt to a fixed number of modules, modules to threads, and what comes out is joined
   in the order of the modules. Takes verified or unverified programs; returns an object, or text, that does not depend
   on the number of threads. */
#include "emit.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Error.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_LIMIT = 8 }; /* modules: each costs about as much as a small kernel */

/* Registers become values, equal computations one, blocks are merged. All else is already as it should be. */
static const char passes[] = "function(mem2reg,early-cse,simplifycfg)";

/* The kernels of one module; what came of them. */
typedef struct Group {
  int count, *programs;
  int64_t size;
  LLVMMemoryBufferRef result;
  const char *error;
} Group;

typedef struct Work {
  Target *target;
  int count;
  Program *const *programs;
  const char **names;
  const void *descriptor;
  size_t descriptor_size;
  EmitKind kind;
  int group_count;
  Group groups[GROUP_LIMIT];
  atomic_int next;
} Work;

/* ---- which kernels share a module -------------------------------------------------------------------------------- */

static int64_t block_size(const Statement *statement) {
  int64_t size = 0;
  for (; statement != NULL; statement = statement->next) {
    int64_t turns = 1;
    if (statement->kind == STATEMENT_FOR && statement->loop == LOOP_UNROLLED)
      turns = (statement->to.constant - statement->from.constant) / statement->step;
    size += 1 + (turns < 1 ? 1 : turns) * block_size(statement->body) + block_size(statement->otherwise);
    if (statement->kind == STATEMENT_OPERATE) size += operation_rows[statement->operation].cost;
    if (statement->kind == STATEMENT_RANDOM) size += 100;
  }
  return size;
}

/* The largest first, each to the lightest module. */
static void deal_kernels(Session *session, Work *work) {
  work->group_count = work->count < 1                                          ? 1
                      : work->count < GROUP_LIMIT && work->kind == EMIT_OBJECT ? work->count
                                                                               : GROUP_LIMIT;
  if (work->kind != EMIT_OBJECT) work->group_count = 1; /* text is read as one module */
  int64_t *sizes = session_allocate(session, (size_t)(work->count + 1) * sizeof *sizes);
  bool *dealt = session_allocate(session, (size_t)work->count + 1);
  for (int i = 0; i < work->count; i++) sizes[i] = 20 + block_size(work->programs[i]->body);
  for (int i = 0; i < work->group_count; i++)
    work->groups[i].programs = session_allocate(session, (size_t)(work->count + 1) * sizeof(int));
  for (int turn = 0; turn < work->count; turn++) {
    int largest = -1, lightest = 0;
    for (int i = 0; i < work->count; i++)
      if (!dealt[i] && (largest < 0 || sizes[i] > sizes[largest])) largest = i;
    for (int i = 1; i < work->group_count; i++)
      if (work->groups[i].size < work->groups[lightest].size) lightest = i;
    Group *group = &work->groups[lightest];
    dealt[largest] = true;
    group->programs[group->count++] = largest;
    group->size += sizes[largest];
  }
}

/* "k3_D.Linear_1_y": what profilers show. */
static const char *kernel_name(Session *session, int number, const Program *program) {
  const char *title = program->title == NULL ? "" : program->title;
  char *name = session_allocate(session, strlen(title) + 32), *out = name + snprintf(name, 32, "k%d", number);
  for (bool gap = true; *title != 0; title++) {
    char c = *title;
    bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_';
    if (plain && gap) *out++ = '_';
    if (plain) *out++ = c;
    gap = !plain;
  }
  return name;
}

/* ---- one module -------------------------------------------------------------------------------------------------- */

static void define(Emitter *e, const char *name, Value initializer, unsigned align) {
  Value global = LLVMGetNamedGlobal(e->module, name);
  if (global == NULL) global = LLVMAddGlobal(e->module, LLVMTypeOf(initializer), name);
  LLVMSetInitializer(global, initializer);
  LLVMSetGlobalConstant(global, true);
  LLVMSetAlignment(global, align);
}

/* ganc_kernels, ganc_descriptor, ganc_descriptor_size. */
static void emit_tables(Emitter *e, const Work *work) {
  Value *kernels = session_allocate(e->session, (size_t)(work->count + 1) * sizeof *kernels);
  Type type = LLVMFunctionType(LLVMVoidTypeInContext(e->context), (Type[]){e->pointer, e->i64, e->pointer}, 3, false);
  for (int i = 0; i < work->count; i++) {
    kernels[i] = LLVMGetNamedFunction(e->module, work->names[i]);
    if (kernels[i] != NULL) continue;
    kernels[i] = LLVMAddFunction(e->module, work->names[i], type);
    LLVMSetVisibility(kernels[i], LLVMHiddenVisibility);
  }
  define(e, "ganc_kernels", LLVMConstArray2(e->pointer, kernels, (uint64_t)work->count), 8);
  define(e, "ganc_descriptor",
         LLVMConstStringInContext2(e->context, work->descriptor == NULL ? "" : work->descriptor, work->descriptor_size,
                                   true),
         64);
  define(e, "ganc_descriptor_size", emit_integer(e, (int64_t)work->descriptor_size), 8);
}

static const char *take_message(Session *session, char *message) {
  const char *copy = session_string(session, message == NULL ? "" : message);
  LLVMDisposeMessage(message);
  return copy;
}

static const char *run_passes(Session *session, LLVMModuleRef module, LLVMTargetMachineRef machine) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef error = LLVMRunPasses(module, passes, machine, options);
  LLVMDisposePassBuilderOptions(options);
  if (error == NULL) return NULL;
  char *text = LLVMGetErrorMessage(error);
  const char *message = session_string(session, text);
  LLVMDisposeErrorMessage(text);
  return message;
}

static LLVMMemoryBufferRef print_module(Emitter *e, LLVMTargetMachineRef machine, EmitKind kind, const char **error) {
  LLVMMemoryBufferRef buffer = NULL;
  char *message = NULL;
  if (kind == EMIT_LLVM) {
    char *text = LLVMPrintModuleToString(e->module);
    buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "module");
    LLVMDisposeMessage(text);
  } else if (LLVMTargetMachineEmitToMemoryBuffer(
                 machine, e->module, kind == EMIT_OBJECT ? LLVMObjectFile : LLVMAssemblyFile, &message, &buffer)) {
    *error = take_message(e->session, message);
    buffer = NULL;
  }
  return buffer;
}

static void compile_group(const Work *work, int number, Session *session, LLVMTargetMachineRef machine, Group *group) {
  LLVMContextRef context = LLVMContextCreate();
  Emitter *e = session_allocate(session, sizeof *e);
  emitter_begin(e, session, target_machine(work->target), context, "kernels");
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  char *triple = LLVMGetTargetMachineTriple(machine);
  LLVMSetModuleDataLayout(e->module, layout);
  LLVMSetTarget(e->module, triple);
  LLVMDisposeTargetData(layout);
  LLVMDisposeMessage(triple);
  debug_begin(e, group->count > 0 ? work->programs[group->programs[0]] : NULL);
  for (int i = 0; i < group->count; i++)
    emit_program(e, work->programs[group->programs[i]], work->names[group->programs[i]]);
  if (number == 0) emit_tables(e, work);
  debug_end(e);
  char *message = NULL;
  if (LLVMVerifyModule(e->module, LLVMReturnStatusAction, &message)) group->error = session_string(session, message);
  LLVMDisposeMessage(message);
  if (group->error == NULL) group->error = run_passes(session, e->module, machine);
  if (group->error == NULL) group->result = print_module(e, machine, work->kind, &group->error);
  emitter_end(e);
  LLVMDisposeModule(e->module);
  LLVMContextDispose(context);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

typedef struct Worker {
  Work *work;
  Session *session;
  pthread_t thread;
  bool started;
} Worker;

static void *work_through(void *argument) {
  Worker *worker = argument;
  Work *work = worker->work;
  LLVMTargetMachineRef machine = target_machine_new(work->target);
  for (int i; (i = atomic_fetch_add(&work->next, 1)) < work->group_count;) {
    if (machine == NULL) work->groups[i].error = "LLVM does not know this processor";
    else compile_group(work, i, worker->session, machine, &work->groups[i]);
  }
  if (machine != NULL) LLVMDisposeTargetMachine(machine);
  return NULL;
}

static Bytes collect(Session *session, Work *work) {
  Bytes parts[GROUP_LIMIT], result = {NULL, 0};
  const char *error = NULL;
  for (int i = 0; i < work->group_count; i++) {
    Group *group = &work->groups[i];
    if (group->error != NULL && error == NULL) error = group->error;
    if (group->result != NULL) parts[i] = (Bytes){LLVMGetBufferStart(group->result), LLVMGetBufferSize(group->result)};
  }
  if (error == NULL && work->kind == EMIT_OBJECT) {
    result = object_join(session, work->group_count, parts);
    if (result.data == NULL) error = "an object file has an unexpected form";
  } else if (error == NULL) {
    char *text = session_allocate(session, parts[0].size + 1);
    memcpy(text, parts[0].data, parts[0].size);
    result = (Bytes){text, parts[0].size};
  }
  if (error != NULL) diagnostic_report(session, E5015, (Span){0}, "LLVM says: %s", error);
  for (int i = 0; i < work->group_count; i++)
    if (work->groups[i].result != NULL) LLVMDisposeMemoryBuffer(work->groups[i].result);
  return result;
}

static Bytes compile(Session *session, Work *work, int threads) {
  Worker workers[GROUP_LIMIT] = {{0}};
  for (int i = 0; i < work->count; i++)
    if (!program_verify(session, work->programs[i])) return (Bytes){NULL, 0};
  work->names = session_allocate(session, (size_t)(work->count + 1) * sizeof *work->names);
  for (int i = 0; i < work->count; i++) work->names[i] = kernel_name(session, i, work->programs[i]);
  deal_kernels(session, work);
  if (threads > work->group_count) threads = work->group_count;
  for (int i = 0; i < (threads < 1 ? 1 : threads); i++) {
    workers[i] = (Worker){.work = work, .session = session_new()};
    workers[i].started = i > 0 && pthread_create(&workers[i].thread, NULL, work_through, &workers[i]) == 0;
  }
  work_through(&workers[0]); /* this thread works too, and alone if no other could be had */
  for (int i = 1; i < GROUP_LIMIT; i++)
    if (workers[i].started) pthread_join(workers[i].thread, NULL);
  Bytes result = collect(session, work);
  for (int i = 0; i < GROUP_LIMIT; i++)
    if (workers[i].session != NULL) session_free(workers[i].session);
  return result;
}

Bytes module_compile(Session *session, Target *target, int count, Program *const *programs, const void *descriptor,
                     size_t descriptor_size, EmitKind kind, int threads) {
  Work work = {.target = target,
               .count = count,
               .programs = programs,
               .descriptor = descriptor,
               .descriptor_size = descriptor_size,
               .kind = kind};
  return compile(session, &work, threads);
}

bool llvm_emit(Session *session, Target *target, int count, Program *const *programs, const void *descriptor,
               size_t descriptor_size, EmitKind kind, FILE *out, int threads) {
  Bytes bytes = module_compile(session, target, count, programs, descriptor, descriptor_size, kind, threads);
  if (bytes.data != NULL) fwrite(bytes.data, 1, bytes.size, out);
  return bytes.data != NULL;
}

const Backend cpu_backend = {.name = "cpu",
                             .strategies = "nest turn scatter serial tile direct turned",
                             .target = target_new,
                             .machine = target_machine,
                             .emit = llvm_emit};
