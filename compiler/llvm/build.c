/* Small words of LLVM IR: types by lanes, constants in all lanes, intrinsics. Takes values, appends instructions; knows
   no statements. */
#include "emit.h"

#include <string.h>

void emitter_begin(Emitter *e, Session *session, const Machine *machine, LLVMContextRef context,
                   const char *module_name) {
  *e = (Emitter){.session = session, .machine = machine, .context = context};
  e->module = LLVMModuleCreateWithNameInContext(module_name, context);
  e->builder = LLVMCreateBuilderInContext(context);
  e->bit = LLVMInt1TypeInContext(context);
  e->i8 = LLVMInt8TypeInContext(context);
  e->i16 = LLVMInt16TypeInContext(context);
  e->i32 = LLVMInt32TypeInContext(context);
  e->i64 = LLVMInt64TypeInContext(context);
  e->f32 = LLVMFloatTypeInContext(context);
  e->f64 = LLVMDoubleTypeInContext(context);
  e->pointer = LLVMPointerTypeInContext(context, 0);
}

void emitter_end(Emitter *e) { LLVMDisposeBuilder(e->builder); }

Type emit_element_type(const Emitter *e, RegisterType type) {
  const Type types[REGISTER_COUNT] = {[REGISTER_F32] = e->f32, [REGISTER_F64] = e->f64, [REGISTER_MASK] = e->bit};
  return types[type];
}

Type emit_storage_type(const Emitter *e, StorageType type) {
  const Type types[STORAGE_COUNT] = {[STORAGE_F32] = e->f32, [STORAGE_F64] = e->f64, [STORAGE_BF16] = e->i16};
  return types[type];
}

Type type_of_lanes(Type element, int lanes) { return lanes == 1 ? element : LLVMVectorType(element, (unsigned)lanes); }

Type emit_type(const Emitter *e, RegisterType type, int lanes) {
  return type_of_lanes(emit_element_type(e, type), lanes);
}

int value_lanes(Value value) {
  Type type = LLVMTypeOf(value);
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(type) : 1;
}

static Type element_of(Type type) {
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

bool value_is_double(Value value) { return LLVMGetTypeKind(element_of(LLVMTypeOf(value))) == LLVMDoubleTypeKind; }

Type type_with_element(Value value, Type element) { return type_of_lanes(element, value_lanes(value)); }

Value emit_integer(const Emitter *e, int64_t value) { return LLVMConstInt(e->i64, (uint64_t)value, true); }

Value emit_splat_constant(Value constant, int lanes) {
  Value all[64];
  if (lanes == 1) return constant;
  for (int i = 0; i < lanes; i++) all[i] = constant;
  return LLVMConstVector(all, (unsigned)lanes);
}

Value emit_real(Value like, double value) {
  return emit_splat_constant(LLVMConstReal(element_of(LLVMTypeOf(like)), value), value_lanes(like));
}

Value emit_whole(Value like, int64_t value) {
  return emit_splat_constant(LLVMConstInt(element_of(LLVMTypeOf(like)), (uint64_t)value, true), value_lanes(like));
}

Value emit_iota(Type integer, int lanes, int64_t step) {
  Value all[64];
  for (int i = 0; i < lanes; i++) all[i] = LLVMConstInt(integer, (uint64_t)(i * step), true);
  return lanes == 1 ? all[0] : LLVMConstVector(all, (unsigned)lanes);
}

Value emit_spread(Emitter *e, Value value, int lanes) {
  if (lanes == 1 || value_lanes(value) == lanes) return value;
  if (LLVMIsConstant(value)) return emit_splat_constant(value, lanes);
  Type type = LLVMVectorType(LLVMTypeOf(value), (unsigned)lanes);
  Value first = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type), value, LLVMConstInt(e->i64, 0, false), "");
  return LLVMBuildShuffleVector(e->builder, first, LLVMGetPoison(type),
                                LLVMConstNull(LLVMVectorType(e->i32, (unsigned)lanes)), "");
}

static const Intrinsic *find_intrinsic(Emitter *e, const char *name, int type_count, const Type *types) {
  Type second = type_count > 1 ? types[1] : NULL;
  for (int i = 0; i < e->intrinsic_count; i++) {
    const Intrinsic *known = &e->intrinsics[i];
    if (known->types[0] == types[0] && known->types[1] == second && strcmp(known->name, name) == 0) return known;
  }
  if (e->intrinsic_count == INTRINSIC_LIMIT) e->intrinsic_count = 0; /* only a cache */
  Intrinsic *fresh = &e->intrinsics[e->intrinsic_count++];
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  Type overload[2] = {types[0], second};
  fresh->name = name;
  fresh->types[0] = types[0];
  fresh->types[1] = second;
  fresh->function = LLVMGetIntrinsicDeclaration(e->module, id, overload, (size_t)type_count);
  fresh->type = LLVMIntrinsicGetType(e->context, id, overload, (size_t)type_count);
  return fresh;
}

Value emit_intrinsic(Emitter *e, const char *name, int type_count, const Type *types, int count,
                     const Value *arguments) {
  const Intrinsic *intrinsic = find_intrinsic(e, name, type_count, types);
  Value copy[4];
  for (int i = 0; i < count; i++) copy[i] = arguments[i];
  return LLVMBuildCall2(e->builder, intrinsic->type, intrinsic->function, copy, (unsigned)count, "");
}

Value emit_unary(Emitter *e, const char *name, Value a) {
  Type type = LLVMTypeOf(a);
  return emit_intrinsic(e, name, 1, &type, 1, &a);
}

Value emit_fma(Emitter *e, Value a, Value b, Value c) {
  Type type = LLVMTypeOf(c);
  return emit_intrinsic(e, "llvm.fma", 1, &type, 3, (Value[]){a, b, c});
}

Value emit_not_zero(Emitter *e, Value value) {
  Type type = element_of(LLVMTypeOf(value));
  return type == e->bit ? value : LLVMBuildFCmp(e->builder, LLVMRealUNE, value, LLVMConstNull(LLVMTypeOf(value)), "");
}

Value emit_bits_to_number(Emitter *e, Value bits, Type element) {
  Value like = LLVMConstNull(type_with_element(bits, element));
  return LLVMBuildSelect(e->builder, bits, emit_real(like, 1), like, "");
}

LLVMBasicBlockRef emit_block(Emitter *e) { return LLVMAppendBasicBlockInContext(e->context, e->function, ""); }
