/* Scalar operations, one row each: what operations.def computes, as instructions. Takes operands of one type and as
   many lanes; returns a number, or bits where the operation gives a truth value. Functions that need more than a few
   instructions stand in math.c. */
#include "emit.h"
#include "tests/mutants/mutant.h"

static Value greater(Emitter *e, Value a, Value b) { return LLVMBuildFCmp(e->builder, LLVMRealOGT, a, b, ""); }
static Value pick(Emitter *e, Value bits, Value a, Value b) { return LLVMBuildSelect(e->builder, bits, a, b, ""); }
static Value not_a_number(Emitter *e, Value a) { return LLVMBuildFCmp(e->builder, LLVMRealUNO, a, a, ""); }

/* The larger (or smaller); what is not a number wins. `b > a ? b : a` is one instruction, which gives a where one is
   not a number: left is such a b, and of a constant that is known. */
static Value extreme(Emitter *e, LLVMRealPredicate better, Value a, Value b) {
  if (LLVMIsConstant(a)) {
    Value swap = a;
    a = b, b = swap;
  }
  Value chosen = pick(e, LLVMBuildFCmp(e->builder, better, b, a, ""), b, a);
  return MUTANT(nan_hidden) ? chosen : pick(e, not_a_number(e, b), b, chosen);
}

static Value sign(Emitter *e, Value a) {
  Value zero = LLVMConstNull(LLVMTypeOf(a));
  Value below = pick(e, greater(e, zero, a), emit_real(a, -1), a);
  return pick(e, greater(e, a, zero), emit_real(a, 1), below);
}

static Value modulo(Emitter *e, Value a, Value b) {
  Value whole = emit_unary(e, "llvm.floor", LLVMBuildFDiv(e->builder, a, b, ""));
  return LLVMBuildFSub(e->builder, a, LLVMBuildFMul(e->builder, b, whole, ""), "");
}

static Value choose(Emitter *e, Value a, Value b, Value c) { return pick(e, emit_not_zero(e, a), b, c); }

Value emit_operation(Emitter *e, Operation operation, Value a, Value b, Value c) {
  LLVMBuilderRef builder = e->builder;
  switch (operation) {
  case OP_NEGATE: return LLVMBuildFNeg(builder, a, "");
  case OP_ADD: return LLVMBuildFAdd(builder, a, b, "");
  case OP_MULTIPLY: return LLVMBuildFMul(builder, a, b, "");
  case OP_DIVIDE:
    return MUTANT(reciprocal) ? LLVMBuildFMul(builder, a, LLVMBuildFDiv(builder, emit_real(b, 1), b, ""), "")
                              : LLVMBuildFDiv(builder, a, b, "");
  case OP_MAXIMUM: return extreme(e, LLVMRealOGT, a, b);
  case OP_MINIMUM: return extreme(e, LLVMRealOLT, a, b);
  case OP_MODULO: return modulo(e, a, b);
  case OP_SQRT: return emit_unary(e, "llvm.sqrt", a);
  case OP_ABSOLUTE: return emit_unary(e, "llvm.fabs", a);
  case OP_SIGN: return sign(e, a);
  case OP_FLOOR: return emit_unary(e, "llvm.floor", a);
  case OP_CEILING: return emit_unary(e, "llvm.ceil", a);
  case OP_ROUND: return emit_unary(e, "llvm.floor", LLVMBuildFAdd(builder, a, emit_real(a, 0.5), ""));
  case OP_LESS: return LLVMBuildFCmp(builder, LLVMRealOLT, a, b, "");
  case OP_LESS_EQUAL: return LLVMBuildFCmp(builder, LLVMRealOLE, a, b, "");
  case OP_EQUAL: return LLVMBuildFCmp(builder, LLVMRealOEQ, a, b, "");
  case OP_AND:
  case OP_OR:
    a = emit_not_zero(e, a);
    b = emit_not_zero(e, b);
    return operation == OP_AND ? LLVMBuildAnd(builder, a, b, "") : LLVMBuildOr(builder, a, b, "");
  case OP_NOT: return LLVMBuildNot(builder, emit_not_zero(e, a), "");
  case OP_SELECT: return choose(e, a, b, c);
  case OP_POWER:
  case OP_EXP:
  case OP_EXPM1:
  case OP_LOG:
  case OP_LOG1P:
  case OP_SIN:
  case OP_COS:
  case OP_TANH:
  case OP_SIGMOID:
  case OP_SOFTPLUS:
  case OP_ERF: return emit_math(e, operation, a, b);
  case OP_CONSTANT:
  case OP_NOTHING:
  case OP_INDEX:
  case OP_READ:
  case OP_WITHIN: break;
  }
  internal_error(HERE, "a leaf is no operation");
}
