/* Loop variables, addresses and guards. Every integer is computed in the first block of the outermost loop that binds
   all it needs, and only once: so no pass has to move or merge them. Takes affine expressions and addresses; touches no
   memory of the model. */
#include "emit.h"

enum {
  MEMO_TERM,
  MEMO_ADD,
  MEMO_POINTER,
  MEMO_DIVIDE,
  MEMO_MODULUS,
  MEMO_BOUND,
  MEMO_CLAMP,
  MEMO_LOW,
  MEMO_HIGH,
  MEMO_CALL
};

/* ---- values that are made once, further out ---------------------------------------------------------------------- */

static size_t hash_key(MemoKey key) {
  uint64_t hash = (uint64_t)key.kind;
  hash = (hash ^ (uint64_t)(uintptr_t)key.a) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ (hash >> 31) ^ (uint64_t)(uintptr_t)key.b) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ (hash >> 31) ^ (uint64_t)key.c) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 31);
}

static MemoEntry *memo_slot(const Memo *memo, MemoKey key) {
  for (size_t i = hash_key(key);; i++) {
    MemoEntry *entry = &memo->entries[i & (memo->size - 1)];
    MemoKey known = entry->key;
    if (entry->value == NULL || (known.kind == key.kind && known.a == key.a && known.b == key.b && known.c == key.c))
      return entry;
  }
}

/* The entry of the key; its value is NULL if it is new and must then be set. A key names LLVM values, so an entry is
   found only where these are in scope, and there what was made of them is too. */
static MemoEntry *memo_entry(Emitter *e, MemoKey key) {
  Memo *memo = &e->memo;
  if (2 * memo->count >= memo->size) {
    Memo grown = {.size = memo->size == 0 ? 256 : 2 * memo->size, .count = memo->count};
    grown.entries = session_allocate(e->session, grown.size * sizeof *grown.entries);
    for (size_t i = 0; i < memo->size; i++)
      if (memo->entries[i].value != NULL) *memo_slot(&grown, memo->entries[i].key) = memo->entries[i];
    *memo = grown;
  }
  MemoEntry *entry = memo_slot(memo, key);
  if (entry->value == NULL) {
    entry->key = key;
    memo->count++;
  }
  return entry;
}

static LLVMBasicBlockRef hoist(Emitter *e, int depth) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(e->builder);
  LLVMPositionBuilderBefore(e->builder, e->anchors[depth]);
  return here;
}

static Value settle(Emitter *e, LLVMBasicBlockRef here, Value value) {
  LLVMPositionBuilderAtEnd(e->builder, here);
  LLVMSetCurrentDebugLocation2(e->builder, e->debug.location); /* LLVM took that of the anchor */
  return value;
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

static int64_t times(int64_t a, int64_t b) { /* ranges saturate */
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? (a < 0) == (b < 0) ? INT64_MAX / 4 : INT64_MIN / 4 : product;
}

static int64_t plus(int64_t a, int64_t b) {
  int64_t sum, limit = INT64_MAX / 4;
  if (__builtin_add_overflow(a, b, &sum)) return a < 0 ? -limit : limit;
  return sum > limit ? limit : sum < -limit ? -limit : sum;
}

Sum sum_of(const Emitter *e, const Affine *affine) {
  Sum sum = {.constant = affine->constant, .low = affine->constant, .high = affine->constant};
  for (int i = 0; i < affine->term_count; i++) {
    const Variable *variable = &e->variables[affine->terms[i].variable];
    int64_t coefficient = affine->terms[i].coefficient;
    sum.low = plus(sum.low, times(coefficient, coefficient > 0 ? variable->low : variable->high));
    sum.high = plus(sum.high, times(coefficient, coefficient > 0 ? variable->high : variable->low));
    if (variable->constant) {
      sum.constant += coefficient * variable->low;
      continue;
    }
    int at = sum.count++;
    for (; at > 0 && sum.terms[at - 1].depth > variable->depth; at--) sum.terms[at] = sum.terms[at - 1];
    sum.terms[at] = (SumTerm){variable->value, coefficient, variable->depth};
  }
  return sum;
}

int sum_depth(const Sum *sum) { return sum->count == 0 ? 0 : sum->terms[sum->count - 1].depth; }

static Value term_value(Emitter *e, const SumTerm *term) {
  if (term->coefficient == 1) return term->value;
  MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_TERM, term->value, NULL, term->coefficient});
  if (entry->value != NULL) return entry->value;
  LLVMBasicBlockRef here = hoist(e, term->depth);
  return entry->value =
             settle(e, here, LLVMBuildNSWMul(e->builder, term->value, emit_integer(e, term->coefficient), ""));
}

static Value add_at(Emitter *e, int depth, Value a, Value b) {
  MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_ADD, a, b, 0});
  if (entry->value != NULL) return entry->value;
  LLVMBasicBlockRef here = hoist(e, depth);
  return entry->value = settle(e, here, LLVMBuildNSWAdd(e->builder, a, b, ""));
}

Value sum_value(Emitter *e, const Sum *sum) {
  if (sum->count == 0) return emit_integer(e, sum->constant);
  Value value = NULL;
  for (int i = 0; i < sum->count; i++) {
    Value term = term_value(e, &sum->terms[i]);
    value = value == NULL ? term : add_at(e, sum->terms[i].depth, value, term);
  }
  return sum->constant == 0 ? value : add_at(e, sum_depth(sum), value, emit_integer(e, sum->constant));
}

/* A pointer that moves with each loop, by what that loop adds; the constant part is left for the instruction's own
   offset. */
static Value sum_pointer(Emitter *e, Value base, Type element, const Sum *sum) {
  for (int i = 0; i < sum->count; i++) {
    Value term = term_value(e, &sum->terms[i]);
    MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_POINTER, base, term, (int64_t)(intptr_t)element});
    if (entry->value == NULL) {
      LLVMBasicBlockRef here = hoist(e, sum->terms[i].depth);
      entry->value = settle(e, here, LLVMBuildGEP2(e->builder, element, base, &term, 1, ""));
    }
    base = entry->value;
  }
  Value constant = emit_integer(e, sum->constant);
  return sum->constant == 0 ? base : LLVMBuildGEP2(e->builder, element, base, &constant, 1, "");
}

/* Rounds down for negative values too. */
static Value divide_floor(Emitter *e, Value value, int64_t divisor, bool negative, bool remainder) {
  Value by = emit_integer(e, divisor);
  if (!negative) return remainder ? LLVMBuildURem(e->builder, value, by, "") : LLVMBuildUDiv(e->builder, value, by, "");
  Value rest = LLVMBuildSRem(e->builder, value, by, ""),
        below = LLVMBuildICmp(e->builder, LLVMIntSLT, rest, emit_integer(e, 0), "");
  if (remainder) return LLVMBuildSelect(e->builder, below, LLVMBuildAdd(e->builder, rest, by, ""), rest, "");
  Value quotient = LLVMBuildSDiv(e->builder, value, by, "");
  return LLVMBuildSub(e->builder, quotient, LLVMBuildZExt(e->builder, below, e->i64, ""), "");
}

Value sum_hoist_divide(Emitter *e, const Sum *sum, int64_t divisor, int64_t modulus, int *depth) {
  Value value = sum_value(e, sum);
  bool negative = sum->low < 0;
  *depth = sum_depth(sum);
  if (divisor > 1) {
    MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_DIVIDE, value, NULL, divisor});
    if (entry->value == NULL) {
      LLVMBasicBlockRef here = hoist(e, *depth);
      entry->value = settle(e, here, divide_floor(e, value, divisor, negative, false));
    }
    value = entry->value;
  }
  if (modulus > 0) {
    MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_MODULUS, value, NULL, modulus});
    if (entry->value == NULL) {
      LLVMBasicBlockRef here = hoist(e, *depth);
      entry->value = settle(e, here, divide_floor(e, value, modulus, negative, true));
    }
    value = entry->value;
  }
  return value;
}

/* ---- guards ------------------------------------------------------------------------------------------------------ */

static Value both(Emitter *e, Value a, Value b) { return a == NULL ? b : LLVMBuildAnd(e->builder, a, b, ""); }

/* 0 <= sum < bound, one bit, in the outermost loop that knows it. */
static Value below(Emitter *e, const Sum *sum, int64_t bound) {
  Value value = sum_value(e, sum);
  MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_BOUND, value, NULL, bound});
  if (entry->value != NULL) return entry->value;
  LLVMBasicBlockRef here = hoist(e, sum_depth(sum));
  return entry->value = settle(e, here, LLVMBuildICmp(e->builder, LLVMIntULT, value, emit_integer(e, bound), ""));
}

static Value hoisted_bound(Emitter *e, int kind, const char *intrinsic, Value value, int64_t bound, int depth) {
  MemoEntry *entry = memo_entry(e, (MemoKey){kind, value, NULL, bound});
  if (entry->value != NULL) return entry->value;
  LLVMBasicBlockRef here = hoist(e, depth);
  return entry->value =
             settle(e, here, emit_intrinsic(e, intrinsic, 1, &e->i64, 2, (Value[]){value, emit_integer(e, bound)}));
}

Value emit_hoisted_clamp(Emitter *e, Value value, int64_t low, int64_t high, int depth) {
  value = hoisted_bound(e, MEMO_LOW, "llvm.smax", value, low, depth);
  return hoisted_bound(e, MEMO_HIGH, "llvm.smin", value, high, depth);
}

/* The sum brought into [-limit, limit], as 32 bits. */
static Value clamp(Emitter *e, const Sum *sum, int64_t limit) {
  Value value = sum_value(e, sum);
  MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_CLAMP, value, NULL, limit});
  if (entry->value != NULL) return entry->value;
  LLVMBasicBlockRef here = hoist(e, sum_depth(sum));
  if (sum->high > limit)
    value = emit_intrinsic(e, "llvm.smin", 1, &e->i64, 2, (Value[]){value, emit_integer(e, limit)});
  if (sum->low < -limit)
    value = emit_intrinsic(e, "llvm.smax", 1, &e->i64, 2, (Value[]){value, emit_integer(e, -limit)});
  return entry->value = settle(e, here, LLVMBuildTrunc(e->builder, value, e->i32, ""));
}

/* Lanes where 0 <= sum + step * lane < bound. */
static Value lanes_below(Emitter *e, const Sum *sum, int64_t step, int64_t bound, int lanes) {
  const int64_t limit = (int64_t)1 << 30, room = (int64_t)1 << 20;
  bool small = bound <= limit - room && step * lanes <= room && -step * lanes <= room;
  Type type = small ? e->i32 : e->i64;
  Value first = small ? clamp(e, sum, limit) : sum_value(e, sum);
  Value all = LLVMBuildAdd(e->builder, emit_spread(e, first, lanes), emit_iota(type, lanes, step), "");
  return LLVMBuildICmp(e->builder, LLVMIntULT, all, emit_whole(all, bound), "");
}

static void add_guard(Emitter *e, AddressPlace *place, Sum sum, int64_t step, int64_t low, int64_t high, int lanes) {
  sum.constant -= low;
  sum.low -= low;
  sum.high -= low;
  int64_t bound = high - low, reach = step * (lanes - 1);
  int64_t least = plus(sum.low, reach < 0 ? reach : 0), most = plus(sum.high, reach > 0 ? reach : 0);
  if (least >= 0 && most < bound) return;
  if (most < 0 || least >= bound || bound <= 0) place->never = true;
  else if (reach == 0) place->allowed = both(e, place->allowed, below(e, &sum, bound));
  else place->mask = both(e, place->mask, lanes_below(e, &sum, step, bound, lanes));
}

/* Lanes below `valid` may. */
static void add_valid(Emitter *e, AddressPlace *place, const Affine *valid, int lanes) {
  Sum sum = sum_of(e, valid);
  if (sum.low >= lanes) return;
  if (sum.high <= 0) place->never = true;
  else if (lanes == 1) {
    Sum last = sum;
    last.constant -= 1;
    place->allowed = both(e, place->allowed, below(e, &last, INT64_MAX));
  } else {
    Value count = emit_spread(e, clamp(e, &sum, lanes), lanes);
    place->mask = both(e, place->mask, LLVMBuildICmp(e->builder, LLVMIntSLT, emit_iota(e->i32, lanes, 1), count, ""));
  }
}

/* An index that is data: rounded, compared with its bounds, and where it is outside 0. */
static void add_computed(Emitter *e, AddressPlace *place, const ComputedIndex *computed, int lanes) {
  const int64_t exact = (int64_t)1 << 24, narrow = (int64_t)1 << 30;
  LLVMBuilderRef b = e->builder;
  Value value = emit_read(e, &computed->value);
  int64_t largest = computed->high > -computed->low ? computed->high : -computed->low;
  if (!value_is_double(value) && largest > exact)
    value = LLVMBuildFPExt(b, value, type_with_element(value, e->f64), "");
  value = emit_unary(e, "llvm.roundeven", value);
  Value above = LLVMBuildFCmp(b, LLVMRealOGE, value, emit_real(value, (double)computed->low), "");
  Value below = LLVMBuildFCmp(b, LLVMRealOLT, value, emit_real(value, (double)computed->high), ""),
        inside = LLVMBuildAnd(b, above, below, "");
  value = LLVMBuildSelect(b, inside, value, LLVMConstNull(LLVMTypeOf(value)), "");
  int64_t stride = computed->stride < 0 ? -computed->stride : computed->stride;
  bool one = value_lanes(value) == 1, small = !one && stride < narrow && largest < narrow && largest * stride < narrow;
  Value index = LLVMBuildFPToSI(b, value, type_with_element(value, small ? e->i32 : e->i64), "");
  index = LLVMBuildMul(b, index, emit_whole(index, computed->stride), "");
  if (one) {
    place->pointer = LLVMBuildGEP2(b, place->element, place->pointer, &index, 1, "");
    place->allowed = both(e, place->allowed, inside);
    return;
  }
  if (place->offsets == NULL) place->offsets = emit_iota(e->i32, lanes, place->lane_stride);
  if (LLVMTypeOf(index) != LLVMTypeOf(place->offsets)) { /* one of both is wide */
    Type wide = LLVMVectorType(e->i64, (unsigned)lanes);
    index = LLVMBuildSExtOrBitCast(b, index, wide, "");
    place->offsets = LLVMBuildSExtOrBitCast(b, place->offsets, wide, "");
  }
  place->offsets = LLVMBuildAdd(b, place->offsets, index, "");
  place->mask = both(e, place->mask, inside);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

/* What addresses in the buffer go on from: for all of the workspace the same. */
static Value buffer_pointer(Emitter *e, int number) {
  const Buffer *buffer = &e->program->buffers[number];
  if (buffer->space == SPACE_WORKSPACE) return e->workspace;
  if (e->buffers[number] != NULL) return e->buffers[number];
  LLVMBasicBlockRef here = hoist(e, 0);
  Value list = LLVMBuildLoad2(e->builder, e->pointer, e->call, ""), index = emit_integer(e, buffer->place);
  Value slot = LLVMBuildGEP2(e->builder, e->pointer, list, &index, 1, "");
  return e->buffers[number] = settle(e, here, LLVMBuildLoad2(e->builder, e->pointer, slot, ""));
}

Value emit_call_word(Emitter *e, int word) {
  MemoEntry *entry = memo_entry(e, (MemoKey){MEMO_CALL, e->call, NULL, word});
  if (entry->value != NULL) return entry->value;
  LLVMBasicBlockRef here = hoist(e, 0);
  Value index = emit_integer(e, word), place = LLVMBuildGEP2(e->builder, e->i64, e->call, &index, 1, "");
  return entry->value = settle(e, here, LLVMBuildLoad2(e->builder, e->i64, place, ""));
}

AddressPlace emit_address(Emitter *e, const Address *address, int lanes) {
  const Buffer *buffer = &e->program->buffers[address->buffer];
  AddressPlace place = {.element = emit_storage_type(e, buffer->storage),
                        .storage = buffer->storage,
                        .lane_stride = address->lane_stride};
  for (int i = 0; i < address->guard_count; i++) {
    const Guard *guard = &address->guards[i];
    add_guard(e, &place, sum_of(e, &guard->value), guard->lane_step, guard->low, guard->high, lanes);
  }
  if (address->has_valid) add_valid(e, &place, &address->valid, lanes);
  if (place.never) return place;
  Sum offset = sum_of(e, &address->offset);
  if (buffer->space == SPACE_WORKSPACE) offset.constant += buffer->place / storage_bytes(buffer->storage);
  place.pointer = sum_pointer(e, buffer_pointer(e, address->buffer), place.element, &offset);
  for (int i = 0; i < address->computed_count; i++) add_computed(e, &place, &address->computed[i], lanes);
  return place;
}
