/* Programs into this process, for tests: the object that llvm_emit would write, linked in memory. Takes programs;
   returns addresses of kernels. */
#include "emit.h"

#include <llvm-c/LLJIT.h>

struct LoadedPrograms {
  LLVMOrcLLJITRef linker;
  void *const *kernels;
};

static LoadedPrograms *refuse(Session *session, LoadedPrograms *loaded, LLVMErrorRef error) {
  char *message = LLVMGetErrorMessage(error);
  diagnostic_report(session, E5015, (Span){0}, "LLVM cannot load it: %s", message);
  LLVMDisposeErrorMessage(message);
  llvm_unload(loaded);
  return NULL;
}

/* memcpy and memset come from this process. */
static LLVMErrorRef link_object(LLVMOrcLLJITRef linker, Bytes object) {
  LLVMOrcJITDylibRef library = LLVMOrcLLJITGetMainJITDylib(linker);
  LLVMOrcDefinitionGeneratorRef process = NULL;
  LLVMErrorRef error =
      LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&process, LLVMOrcLLJITGetGlobalPrefix(linker), NULL, NULL);
  if (error != NULL) return error;
  LLVMOrcJITDylibAddGenerator(library, process);
  return LLVMOrcLLJITAddObjectFile(linker, library,
                                   LLVMCreateMemoryBufferWithMemoryRangeCopy(object.data, object.size, "kernels"));
}

LoadedPrograms *llvm_load(Session *session, Target *target, int count, Program *const *programs) {
  Bytes object = module_compile(session, target, count, programs, NULL, 0, EMIT_OBJECT, 2);
  if (object.data == NULL) return NULL;
  LoadedPrograms *loaded = session_allocate(session, sizeof *loaded);
  LLVMErrorRef error = LLVMOrcCreateLLJIT(&loaded->linker, NULL);
  if (error == NULL) error = link_object(loaded->linker, object);
  LLVMOrcExecutorAddress table = 0;
  if (error == NULL) error = LLVMOrcLLJITLookup(loaded->linker, &table, "ganc_kernels");
  if (error != NULL) return refuse(session, loaded, error);
  loaded->kernels = (void *const *)(uintptr_t)table;
  return loaded;
}

void *llvm_kernel(LoadedPrograms *loaded, int program) { return loaded->kernels[program]; }

void llvm_unload(LoadedPrograms *loaded) {
  if (loaded->linker == NULL) return;
  LLVMErrorRef error = LLVMOrcDisposeLLJIT(loaded->linker);
  if (error != NULL) LLVMConsumeError(error);
  loaded->linker = NULL;
}
