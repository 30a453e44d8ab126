/* Lines of the model in the machine code, so that debuggers and profilers show them. Takes spans; writes DWARF line
   tables through LLVM, and nothing where a program comes from no file. */
#include "emit.h"

#include <string.h>

enum { FILE_LIMIT = sizeof((Debug *)0)->files / sizeof(DebugFile) };

static LLVMMetadataRef file_of(Emitter *e, const Source *source) {
  return LLVMDIBuilderCreateFile(e->debug.builder, source->path, strlen(source->path), ".", 1);
}

void debug_begin(Emitter *e, const Program *first) {
  if (first == NULL || first->span.source == NULL) return;
  Debug *debug = &e->debug;
  debug->builder = LLVMCreateDIBuilder(e->module);
  debug->unit = LLVMDIBuilderCreateCompileUnit(debug->builder, LLVMDWARFSourceLanguageC, file_of(e, first->span.source),
                                               "ganc", 4, false, "", 0, 0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0,
                                               false, false, "", 0, "", 0);
  debug->type =
      LLVMDIBuilderCreateSubroutineType(debug->builder, file_of(e, first->span.source), NULL, 0, LLVMDIFlagZero);
  const char *flag = "Debug Info Version";
  Value version = LLVMConstInt(e->i32, LLVMDebugMetadataVersion(), false);
  LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorWarning, flag, strlen(flag), LLVMValueAsMetadata(version));
}

void debug_function(Emitter *e, Value function, const char *name, const Program *program) {
  Debug *debug = &e->debug;
  debug->function = NULL;
  debug->file_count = 0;
  debug->last = (Span){0};
  debug->location = NULL;
  LLVMSetCurrentDebugLocation2(e->builder, NULL);
  if (debug->builder == NULL || program->span.source == NULL) return;
  LLVMMetadataRef file = file_of(e, program->span.source);
  unsigned line = (unsigned)source_place(program->span.source, program->span.from).line;
  debug->function = LLVMDIBuilderCreateFunction(debug->builder, file, name, strlen(name), name, strlen(name), file,
                                                line, debug->type, false, true, line, LLVMDIFlagZero, true);
  LLVMSetSubprogram(function, debug->function);
  debug->files[debug->file_count++] = (DebugFile){program->span.source, file, debug->function};
  debug_location(e, program->span);
}

/* The function, as far as it comes from this file: layers of the standard library are written in place. */
static LLVMMetadataRef scope_of(Emitter *e, const Source *source) {
  Debug *debug = &e->debug;
  for (int i = 0; i < debug->file_count; i++)
    if (debug->files[i].source == source) return debug->files[i].scope;
  if (debug->file_count == FILE_LIMIT) return NULL;
  LLVMMetadataRef file = file_of(e, source),
                  scope = LLVMDIBuilderCreateLexicalBlockFile(debug->builder, debug->function, file, 0);
  debug->files[debug->file_count++] = (DebugFile){source, file, scope};
  return scope;
}

void debug_location(Emitter *e, Span span) {
  Debug *debug = &e->debug;
  if (debug->function == NULL || span.source == NULL ||
      (span.source == debug->last.source && span.from == debug->last.from))
    return;
  LLVMMetadataRef scope = scope_of(e, span.source);
  if (scope == NULL) return;
  Place place = source_place(span.source, span.from);
  debug->location =
      LLVMDIBuilderCreateDebugLocation(e->context, (unsigned)place.line, (unsigned)place.column, scope, NULL);
  LLVMSetCurrentDebugLocation2(e->builder, debug->location);
  debug->last = span;
}

void debug_end(Emitter *e) {
  if (e->debug.builder == NULL) return;
  LLVMDIBuilderFinalize(e->debug.builder);
  LLVMDisposeDIBuilder(e->debug.builder);
  e->debug.builder = NULL;
}
