/* Loop programs under construction: registers, buffers, loops that are open, statements at the end of any of them.
   What a program is about, and what its buffers are bound to, is known to the context alone, which the builder only
   carries. */
#ifndef PROGRAM_BUILDER_H
#define PROGRAM_BUILDER_H

#include "compiler/program/program.h"

typedef struct Builder Builder;

Builder *builder_new(Session *session, RegisterType real, int lanes, const char *title, Span span, void *context);
void *builder_context(const Builder *builder);
Session *builder_session(Builder *builder);
int builder_lanes(const Builder *builder);
RegisterType builder_real(const Builder *builder);
/* Buffers; what memory they are, and where in the workspace the latter lies, is the caller's and the builder's. */
int builder_bound(Builder *builder, StorageType storage, int64_t elements, const char *name);
int builder_workspace(Builder *builder, StorageType storage, int64_t elements);
/* What has been asked for since `mark` may lie where others lie: its users run in other tasks. */
int64_t builder_workspace_mark(const Builder *builder);
void builder_workspace_release(Builder *builder, int64_t mark);
void builder_mark_written(Builder *builder, int buffer);
int builder_register(Builder *builder, RegisterType type, int lanes, int count);
Register builder_register_type(const Builder *builder, Operand operand);
Operand operand_single(int reg);
Operand operand_at(int reg, Affine index);
void builder_chunks(Builder *builder, int64_t chunks);
void builder_tile(Builder *builder);
void builder_count(Builder *builder, double flops, double bytes);

/* Levels: the body of the program is level 0; every open loop or branch is one more. */
int builder_level(const Builder *builder);
bool builder_level_open(const Builder *builder, int level, int serial);
int builder_level_serial(const Builder *builder, int level);
int builder_variable_level(const Builder *builder, int variable);
int affine_level(const Builder *builder, Affine affine);
int builder_for(Builder *builder, Affine from, Affine to, int64_t step); /* opens; returns the loop's variable */
int builder_for_limit(Builder *builder, Affine from, Affine to, Affine limit, int64_t step);
int builder_unrolled(Builder *builder, int64_t count);
int builder_let(Builder *builder, Affine value, int64_t divisor, int64_t modulus);
/* value // divisor, but at least 0 and at most `most` > 0 */
int builder_clamp(Builder *builder, Affine value, int64_t divisor, int64_t most);
void builder_if(Builder *builder, Affine condition); /* opens the body: condition >= 0 */
void builder_else(Builder *builder);
void builder_close(Builder *builder);
Statement *builder_append(Builder *builder, StatementKind kind); /* at the innermost open level */
Statement *builder_append_at(Builder *builder, int level, StatementKind kind);
Operand builder_set(Builder *builder, RegisterType type, int lanes, double value);
void builder_assign(Builder *builder, Operand result, double value);
Operand builder_operate(Builder *builder, int level, Operation op, RegisterType type, Operand a, Operand b, Operand c);
void builder_operate_into(Builder *builder, Operand result, Operation op, Operand a, Operand b, Operand c);
void builder_fma_into(Builder *builder, Operand result, Operand a, Operand b, Operand c);
/* `a` itself where nothing changes */
Operand builder_convert(Builder *builder, int level, Operand a, RegisterType type, int lanes);
Operand builder_load(Builder *builder, int level, RegisterType type, int lanes, Address address);
void builder_store(Builder *builder, Address address, Operand value, bool accumulate);
Program *builder_finish(Builder *builder); /* closes what is open */

#endif
