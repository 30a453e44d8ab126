/* Vectors and memory: loads and stores of the forms that processors have, folds, transposes. Takes addresses and
   values. Never touches an element whose guard fails: such lanes are masked, and a load that may not happen at all
   reads a few zeros of our own instead. */
#include "emit.h"
#include "tests/mutants/mutant.h"

enum { ZERO_BYTES = 64 * 8 };

static unsigned align_of(const Emitter *e, Type element) { return element == e->f64 ? 8 : element == e->i16 ? 2 : 4; }

static Value zeros(Emitter *e) {
  if (e->zeros != NULL) return e->zeros;
  Type type = LLVMArrayType2(e->i8, ZERO_BYTES);
  e->zeros = LLVMAddGlobal(e->module, type, "zeros");
  LLVMSetInitializer(e->zeros, LLVMConstNull(type));
  LLVMSetGlobalConstant(e->zeros, true);
  LLVMSetLinkage(e->zeros, LLVMPrivateLinkage);
  LLVMSetAlignment(e->zeros, 64);
  return e->zeros;
}

static Value load(Emitter *e, Type type, Type element, Value pointer) {
  Value value = LLVMBuildLoad2(e->builder, type, pointer, "");
  LLVMSetAlignment(value, align_of(e, element));
  return value;
}

static void store(Emitter *e, Value value, Type element, Value pointer) {
  LLVMSetAlignment(LLVMBuildStore(e->builder, value, pointer), align_of(e, element));
}

static Value element_pointer(Emitter *e, Type element, Value pointer, int64_t offset) {
  Value index = emit_integer(e, offset);
  return offset == 0 ? pointer : LLVMBuildGEP2(e->builder, element, pointer, &index, 1, "");
}

static Value lane_of(Emitter *e, Value vector, int lane) {
  return LLVMBuildExtractElement(e->builder, vector, emit_integer(e, lane), "");
}

static Value any_lane(Emitter *e, Value mask) {
  Type type = LLVMTypeOf(mask);
  return emit_intrinsic(e, "llvm.vector.reduce.or", 1, &type, 1, &mask);
}

/* ---- loads ------------------------------------------------------------------------------------------------------- */

static Value lane_pointers(Emitter *e, const AddressPlace *place, int lanes) {
  Value offsets = place->offsets != NULL ? place->offsets : emit_iota(e->i32, lanes, place->lane_stride);
  return LLVMBuildGEP2(e->builder, place->element, place->pointer, &offsets, 1, "");
}

static Value load_masked(Emitter *e, const AddressPlace *place, Type type, bool gathered) {
  int lanes = (int)LLVMGetVectorSize(type);
  Value pointer = gathered ? lane_pointers(e, place, lanes) : place->pointer;
  Value align = LLVMConstInt(e->i32, align_of(e, place->element), false), mask = place->mask;
  if (mask == NULL) mask = emit_splat_constant(LLVMConstInt(e->bit, 1, false), lanes);
  return emit_intrinsic(e, gathered ? "llvm.masked.gather" : "llvm.masked.load", 2, (Type[]){type, LLVMTypeOf(pointer)},
                        4, (Value[]){pointer, align, mask, LLVMConstNull(type)});
}

/* Lane by lane: faster than a gather where no lane is masked. */
static Value load_strided(Emitter *e, const AddressPlace *place, Type type) {
  Value value = LLVMGetPoison(type);
  for (int lane = 0; lane < (int)LLVMGetVectorSize(type); lane++) {
    int from = lane - (MUTANT(strided_lane) && lane + 1 == (int)LLVMGetVectorSize(type));
    Value one = load(e, place->element, place->element,
                     element_pointer(e, place->element, place->pointer, from * place->lane_stride));
    value = LLVMBuildInsertElement(e->builder, value, one, emit_integer(e, lane), "");
  }
  return value;
}

static Value load_place(Emitter *e, AddressPlace place, int lanes) {
  Type type = type_of_lanes(place.element, lanes);
  bool regular = place.offsets == NULL, same = regular && place.lane_stride == 0 && lanes > 1;
  if (place.never) return LLVMConstNull(type);
  if (same && place.mask != NULL) { /* one element for all: read it where any lane may */
    Value any = any_lane(e, place.mask);
    place.allowed = place.allowed == NULL ? any : LLVMBuildAnd(e->builder, place.allowed, any, "");
  }
  if (place.allowed != NULL) {
    if (!regular || place.lane_stride < 0 ||
        place.lane_stride > 1) { /* lanes that spread out cannot read our zeros: they are masked */
      Value all = emit_spread(e, place.allowed, lanes);
      place.mask = place.mask == NULL ? all : LLVMBuildAnd(e->builder, place.mask, all, "");
    }
    if (regular || lanes == 1) place.pointer = LLVMBuildSelect(e->builder, place.allowed, place.pointer, zeros(e), "");
  }
  if (lanes == 1) return load(e, type, place.element, place.pointer);
  if (same) {
    Value value = emit_spread(e, load(e, place.element, place.element, place.pointer), lanes);
    return place.mask == NULL ? value : LLVMBuildSelect(e->builder, place.mask, value, LLVMConstNull(type), "");
  }
  if (regular && place.lane_stride == 1)
    return place.mask == NULL ? load(e, type, place.element, place.pointer) : load_masked(e, &place, type, false);
  if (regular && place.mask == NULL) return load_strided(e, &place, type);
  return load_masked(e, &place, type, true);
}

/* ---- between what is stored and what is computed in ----------------------------------------------------------------
 */

static Value convert(Emitter *e, Value value, Type element) {
  bool wide = value_is_double(value);
  if (wide == (element == e->f64)) return value;
  Type type = type_with_element(value, element);
  return wide ? LLVMBuildFPTrunc(e->builder, value, type, "") : LLVMBuildFPExt(e->builder, value, type, "");
}

/* BF16 is the upper half of a float32. */
static Value widen(Emitter *e, Value bits) {
  Value whole = LLVMBuildZExt(e->builder, bits, type_with_element(bits, e->i32), "");
  whole = LLVMBuildShl(e->builder, whole, emit_whole(whole, 16), "");
  return LLVMBuildBitCast(e->builder, whole, type_with_element(bits, e->f32), "");
}

/* To the nearest, of two the even one: the lower half carries where it is more than a half, or a half and the upper
   one is odd. What is not a number stays none. */
static Value narrow(Emitter *e, Value number) {
  LLVMBuilderRef b = e->builder;
  Value whole = LLVMBuildBitCast(b, number, type_with_element(number, e->i32), "");
  Value odd = LLVMBuildAnd(b, LLVMBuildLShr(b, whole, emit_whole(whole, 16), ""), emit_whole(whole, 1), "");
  Value carried = LLVMBuildAdd(b, LLVMBuildAdd(b, whole, emit_whole(whole, 0x7fff), ""), odd, "");
  Value none = LLVMBuildOr(b, whole, emit_whole(whole, 0x400000), "");
  Value unordered = LLVMBuildFCmp(b, LLVMRealUNO, number, number, "");
  whole = LLVMBuildLShr(b, LLVMBuildSelect(b, unordered, none, carried, ""), emit_whole(whole, 16), "");
  return LLVMBuildTrunc(b, whole, type_with_element(number, e->i16), "");
}

static Value of_storage(Emitter *e, StorageType storage, Value stored) {
  return storage == STORAGE_BF16 ? widen(e, stored) : stored;
}

static Value to_storage(Emitter *e, StorageType storage, Value number) {
  return storage == STORAGE_BF16 ? narrow(e, number) : number;
}

/* What is stored, and the number on top. */
static Value add_stored(Emitter *e, StorageType storage, Value stored, Value number) {
  return LLVMBuildFAdd(e->builder, of_storage(e, storage, stored), number, "");
}

Value emit_load(Emitter *e, const Address *address, RegisterType type, int lanes) {
  AddressPlace place = emit_address(e, address, lanes);
  return convert(e, of_storage(e, place.storage, load_place(e, place, lanes)), emit_element_type(e, type));
}

/* ---- stores ------------------------------------------------------------------------------------------------------ */

/* Code up to the returned block runs only where `condition` holds. */
static LLVMBasicBlockRef begin_if(Emitter *e, Value condition) {
  LLVMBasicBlockRef then = emit_block(e), join = emit_block(e);
  LLVMBuildCondBr(e->builder, condition, then, join);
  LLVMPositionBuilderAtEnd(e->builder, then);
  return join;
}

static void end_if(Emitter *e, LLVMBasicBlockRef join) {
  LLVMBuildBr(e->builder, join);
  LLVMPositionBuilderAtEnd(e->builder, join);
}

static void store_one(Emitter *e, const AddressPlace *place, Value pointer, Value value, bool accumulate) {
  Type element = place->element;
  if (accumulate) value = add_stored(e, place->storage, load(e, element, element, pointer), value);
  store(e, to_storage(e, place->storage, value), element, pointer);
}

/* One lane after the other: right even where lanes meet in one element. */
static void store_lanes(Emitter *e, const AddressPlace *place, Value value, bool accumulate) {
  for (int lane = 0; lane < value_lanes(value); lane++) {
    LLVMBasicBlockRef join = place->mask == NULL ? NULL : begin_if(e, lane_of(e, place->mask, lane));
    Value pointer = place->pointer;
    if (place->offsets != NULL) {
      Value offset = lane_of(e, place->offsets, lane);
      pointer = LLVMBuildGEP2(e->builder, place->element, pointer, &offset, 1, "");
    } else pointer = element_pointer(e, place->element, pointer, lane * place->lane_stride);
    store_one(e, place, pointer, lane_of(e, value, lane), accumulate);
    if (join != NULL) end_if(e, join);
  }
}

static void store_contiguous(Emitter *e, const AddressPlace *place, Value value, bool accumulate) {
  Type type = type_with_element(value, place->element);
  if (accumulate) {
    Value old =
        place->mask == NULL ? load(e, type, place->element, place->pointer) : load_masked(e, place, type, false);
    value = add_stored(e, place->storage, old, value);
  }
  value = to_storage(e, place->storage, value);
  if (place->mask == NULL) {
    store(e, value, place->element, place->pointer);
    return;
  }
  Value align = LLVMConstInt(e->i32, align_of(e, place->element), false);
  emit_intrinsic(e, "llvm.masked.store", 2, (Type[]){type, e->pointer}, 4,
                 (Value[]){value, place->pointer, align, place->mask});
}

void emit_store(Emitter *e, const Address *address, Value value, bool accumulate) {
  int lanes = value_lanes(value);
  AddressPlace place = emit_address(e, address, lanes);
  if (place.never) return;
  value = convert(e, value, emit_element_type(e, register_of(place.storage)));
  LLVMBasicBlockRef join = place.allowed == NULL ? NULL : begin_if(e, place.allowed);
  if (lanes == 1) store_one(e, &place, place.pointer, value, accumulate);
  else if (place.offsets == NULL && place.lane_stride == 1) store_contiguous(e, &place, value, accumulate);
  else store_lanes(e, &place, value, accumulate);
  if (join != NULL) end_if(e, join);
}

/* ---- across lanes ------------------------------------------------------------------------------------------------ */

/* The upper half joins the lower half, until one lane is left: the same tree everywhere. */
Value emit_fold(Emitter *e, Operation operation, Value value) {
  int half = value_lanes(value) / 2;
  for (; half > 1; half /= 2) {
    Value low[64], high[64], undefined = LLVMGetPoison(LLVMTypeOf(value));
    for (int i = 0; i < half; i++) {
      low[i] = LLVMConstInt(e->i32, (uint64_t)i, false);
      high[i] = LLVMConstInt(e->i32, (uint64_t)(half + i), false);
    }
    Value a = LLVMBuildShuffleVector(e->builder, value, undefined, LLVMConstVector(low, (unsigned)half), "");
    Value b = LLVMBuildShuffleVector(e->builder, value, undefined, LLVMConstVector(high, (unsigned)half), "");
    value = emit_operation(e, operation, a, b, NULL);
  }
  if (half == 0) return value;
  Value first = lane_of(e, value, 0), second = lane_of(e, value, 1);
  return emit_operation(e, operation, first, second, NULL);
}

typedef enum Pick { PICK_LOW, PICK_HIGH, PICK_EVEN, PICK_ODD } Pick;

/* Elements of `block` lanes; `inside` of them fill the 128 bits that shuffles work on. LOW, HIGH: within each such
   chunk the low (high) half of a's elements and of b's in turn. EVEN, ODD: of all chunks of a, then of b, every second.
   Processors have exactly these, and the fence, which is no instruction, keeps LLVM from searching for better ones
   across stages: that took most of the time of compiling. */
static Value shuffle(Emitter *e, Value a, Value b, Pick pick, int block, int inside) {
  Value order[64];
  int lanes = value_lanes(a), count = lanes / block, chunks = count / inside;
  for (int i = 0; i < count; i++) {
    int chunk = i / inside, place = i % inside, second = place % 2,
        from = chunk * inside + place / 2 + (pick == PICK_HIGH ? inside / 2 : 0);
    if (pick == PICK_EVEN || pick == PICK_ODD) {
      int source = 2 * chunk + (pick == PICK_ODD);
      second = source / chunks;
      from = source % chunks * inside + place;
    }
    for (int k = 0; k < block; k++)
      order[i * block + k] = LLVMConstInt(e->i32, (uint64_t)((second * count + from) * block + k), false);
  }
  return emit_unary(e, "llvm.arithmetic.fence",
                    LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(order, (unsigned)lanes), ""));
}

/* First the squares within 128 bits, by interleaving lanes and then pairs of lanes; then the chunks, by sorting even
   from odd ones until all are in place. */
void emit_transpose(Emitter *e, Value *rows, int count) {
  Value next[64];
  int inside = value_is_double(rows[0]) ? 2 : 4;
  if (inside > count) inside = count;
  for (int block = 1; block < inside; block *= 2) {
    for (int i = 0; i < count / 2; i++) {
      int group = 2 * i / inside * inside, pair = i % (inside / 2), first = group + (block == 1 ? 2 * pair : pair);
      next[group + 2 * pair] = shuffle(e, rows[first], rows[first + block], PICK_LOW, block, inside / block);
      next[group + 2 * pair + 1] = shuffle(e, rows[first], rows[first + block], PICK_HIGH, block, inside / block);
    }
    for (int i = 0; i < count; i++) rows[i] = next[i];
  }
  for (int sorted = inside; sorted < count; sorted *= 2) {
    for (int i = 0; i < count / 2; i++) { /* row j of two neighbouring groups */
      int group = i / inside, j = i % inside, first = 2 * group * inside + j;
      next[group * inside + j] = shuffle(e, rows[first], rows[first + inside], PICK_EVEN, 1, inside);
      next[group * inside + j + count / 2] = shuffle(e, rows[first], rows[first + inside], PICK_ODD, 1, inside);
    }
    for (int i = 0; i < count; i++) rows[i] = next[i];
  }
}
