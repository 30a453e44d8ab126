/* Draws: Philox 4x32-10 and what graph.h makes of its words, over lanes. Takes a statement; returns the numbers of its
   places, the same as everywhere. A 32-bit word lives in the low half of 64 bits, whatever stands above it: so a
   multiplication is one instruction and nothing is masked. */
#include "emit.h"
#include "tests/mutants/mutant.h"

typedef struct Words {
  Value word[4];
} Words; /* i64, or vectors of them; a scalar is the same in all lanes */

enum { CALL_SEED = 1, CALL_ROUND, CALL_ORDINAL, CALL_FIRST_SAMPLE };

static Value joined(Emitter *e, LLVMOpcode op, Value a, Value b) {
  int lanes = value_lanes(a) > value_lanes(b) ? value_lanes(a) : value_lanes(b);
  a = emit_spread(e, a, lanes);
  b = emit_spread(e, b, lanes);
  return LLVMBuildBinOp(e->builder, op, a, b, "");
}

/* Nothing in the code; without it LLVM looks for known bits through all rounds, which takes most of the time of
   compiling a draw. */
static Value fenced(Emitter *e, Value word) {
  if (value_lanes(word) == 1) return word;
  Value number = LLVMBuildBitCast(e->builder, word, type_with_element(word, e->f64), "");
  return LLVMBuildBitCast(e->builder, emit_unary(e, "llvm.arithmetic.fence", number), LLVMTypeOf(word), "");
}

static Value product(Emitter *e, Value word, uint32_t factor) {
  Value low = LLVMBuildAnd(e->builder, word, emit_whole(word, 0xFFFFFFFF), "");
  return fenced(e, LLVMBuildMul(e->builder, low, emit_whole(word, factor), ""));
}

static Value high_half(Emitter *e, Value value) { return LLVMBuildLShr(e->builder, value, emit_whole(value, 32), ""); }

static Words philox(Emitter *e, Value key, Words counter) {
  Value key0 = key, key1 = high_half(e, key);
  for (int turn = 0; turn < 10; turn++) {
    Value product0 = product(e, counter.word[0], 0xD2511F53u), product1 = product(e, counter.word[2], 0xCD9E8D57u);
    Value word0 = joined(e, LLVMXor, counter.word[1], key0), word2 = joined(e, LLVMXor, counter.word[3], key1);
    word0 = fenced(e, joined(e, LLVMXor, word0, high_half(e, product1)));
    word2 = fenced(e, joined(e, LLVMXor, word2, high_half(e, product0)));
    counter = (Words){{word0, product1, word2, product0}};
    key0 = LLVMBuildAdd(e->builder, key0, emit_integer(e, 0x9E3779B9), "");
    key1 = LLVMBuildAdd(e->builder, key1, emit_integer(e, 0xBB67AE85), "");
  }
  return counter;
}

/* 24 bits as a number in [0, 1). */
static Value uniform(Emitter *e, Value word, Type element) {
  Value bits = LLVMBuildTrunc(e->builder, word, type_with_element(word, e->i32), "");
  bits = LLVMBuildLShr(e->builder, bits, emit_whole(bits, 8), "");
  Value number = LLVMBuildSIToFP(e->builder, bits, type_with_element(word, element), "");
  return LLVMBuildFMul(e->builder, number, emit_real(number, 0x1p-24), "");
}

/* Box-Muller: `even` and `odd` uniforms of a pair give its even element by a cosine, its odd one by a sine. */
static Value radius(Emitter *e, Value even) {
  Value rest = LLVMBuildFSub(e->builder, emit_real(even, 1), even, "");
  Value square = LLVMBuildFMul(e->builder, emit_math(e, OP_LOG, rest, NULL), emit_real(even, -2), "");
  return emit_unary(e, "llvm.sqrt", square);
}

static Value scaled(Emitter *e, Value a, Value b) { return LLVMBuildFMul(e->builder, a, b, ""); }

static Value concatenated(Emitter *e, Value a, Value b, bool alternate) {
  int lanes = value_lanes(a);
  Value order[64];
  if (lanes == 1) {
    Value pair = LLVMGetPoison(LLVMVectorType(LLVMTypeOf(a), 2));
    pair = LLVMBuildInsertElement(e->builder, pair, a, emit_integer(e, 0), "");
    return LLVMBuildInsertElement(e->builder, pair, b, emit_integer(e, 1), "");
  }
  for (int i = 0; i < 2 * lanes; i++)
    order[i] = LLVMConstInt(e->i32, (uint64_t)(alternate ? i % 2 * lanes + i / 2 : i), false);
  return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(order, (unsigned)(2 * lanes)), "");
}

/* Lanes are the elements of consecutive blocks: a, b belong to words 0 and 2 (1 and 3) of each block, so to every
   second pair. */
static Value by_pairs(Emitter *e, Value even, Value odd, int blocks) {
  Value all = concatenated(e, even, odd, true), order[64]; /* pairs 0, 2, 4, ... of all blocks, then 1, 3, 5, ... */
  for (int i = 0; i < 4 * blocks; i++)
    order[i] = LLVMConstInt(e->i32, (uint64_t)(i / 4 * 2 + i / 2 % 2 * 2 * blocks + i % 2), false);
  return LLVMBuildShuffleVector(e->builder, all, LLVMGetPoison(LLVMTypeOf(all)),
                                LLVMConstVector(order, (unsigned)(4 * blocks)), "");
}

static Value consecutive(Emitter *e, const Words *words, Distribution distribution, Type element) {
  Value even = uniform(e, concatenated(e, words->word[0], words->word[2], false), element);
  Value odd = uniform(e, concatenated(e, words->word[1], words->word[3], false), element);
  int blocks = value_lanes(words->word[0]);
  if (distribution == DISTRIBUTION_UNIFORM) return by_pairs(e, even, odd, blocks);
  Value length = radius(e, even), cosine = scaled(e, length, emit_turn(e, odd, false)),
        sine = scaled(e, length, emit_turn(e, odd, true));
  return by_pairs(e, cosine, sine, blocks);
}

static Value has_bit(Emitter *e, Value number, int64_t bit) {
  return LLVMBuildICmp(e->builder, LLVMIntNE, LLVMBuildAnd(e->builder, number, emit_whole(number, bit), ""),
                       LLVMConstNull(LLVMTypeOf(number)), "");
}

static Value pick(Emitter *e, Value bits, Value a, Value b) {
  return LLVMIsConstant(bits) ? LLVMConstIntGetZExtValue(bits) != 0 ? a : b
                              : LLVMBuildSelect(e->builder, bits, a, b, "");
}

/* Every lane has a block of its own, and of it the word that `which` says. */
static Value separate(Emitter *e, Words words, Value which, Distribution distribution, Type element, int lanes) {
  if (!LLVMIsConstant(which)) which = emit_spread(e, which, lanes);
  for (int i = 0; i < 4; i++) words.word[i] = emit_spread(e, words.word[i], lanes);
  Value odd = has_bit(e, which, 1), second = has_bit(e, which, 2);
  Value a = pick(e, second, words.word[2], words.word[0]), b = pick(e, second, words.word[3], words.word[1]);
  if (distribution == DISTRIBUTION_UNIFORM) return uniform(e, pick(e, odd, b, a), element);
  Value angle = uniform(e, b, element);
  bool known = LLVMIsConstant(odd);
  Value side = emit_turn(e, angle, !known || LLVMConstIntGetZExtValue(odd) != 0);
  if (!known) side = LLVMBuildSelect(e->builder, odd, side, emit_turn(e, angle, false), "");
  return scaled(e, radius(e, uniform(e, a, element)), side);
}

/* sum + step * lane */
static Value along_lanes(Emitter *e, Value first, int64_t step, int lanes) {
  return step == 0 || lanes == 1
             ? first
             : LLVMBuildAdd(e->builder, emit_spread(e, first, lanes), emit_iota(e->i64, lanes, step), "");
}

Value emit_random(Emitter *e, const Statement *statement, RegisterType type, int lanes) {
  LLVMBuilderRef b = e->builder;
  Sum sample = sum_of(e, &statement->sample), element = sum_of(e, &statement->element), block = element;
  Value key = LLVMBuildMul(b, emit_call_word(e, CALL_SEED), emit_integer(e, (int64_t)0x9E3779B97F4A7C15u), "");
  key = LLVMBuildXor(b, key, emit_integer(e, (int64_t)statement->stream), "");
  Value samples = sum_value(e, &sample);
  samples = LLVMBuildAdd(b, samples, emit_call_word(e, CALL_FIRST_SAMPLE), "");
  Words counter = {{NULL, along_lanes(e, samples, statement->sample_step, lanes)}};
  counter.word[2] = emit_call_word(e, CALL_ORDINAL);
  counter.word[3] = emit_call_word(e, CALL_ROUND);
  bool aligned = element.constant >= 0; /* is the word within its block known? */
  for (int i = 0; i < element.count; i++) {
    aligned = aligned && element.terms[i].coefficient % 4 == 0;
    block.terms[i].coefficient /= 4;
  }
  block.constant /= 4;
  Type number = emit_element_type(e, type);
  bool still = statement->element_step == 0 || lanes == 1;
  if (aligned && statement->element_step == 1 && statement->sample_step == 0 && lanes % 4 == 0 &&
      element.constant % 4 == 0) {
    counter.word[0] = along_lanes(e, sum_value(e, &block), 1, lanes / 4);
    Words words = philox(e, key, counter);
    for (int i = 0; i < 4; i++) words.word[i] = emit_spread(e, words.word[i], lanes / 4);
    return consecutive(e, &words, statement->distribution, number);
  }
  Value which = emit_integer(e, element.constant % 4), elements = NULL;
  if (aligned && still) counter.word[0] = sum_value(e, &block);
  else {
    elements = along_lanes(e, sum_value(e, &element), statement->element_step, lanes);
    which = LLVMBuildAnd(b, elements, emit_whole(elements, 3), "");
    counter.word[0] = LLVMBuildLShr(b, elements, emit_whole(elements, MUTANT(draw_counter) ? 1 : 2), "");
  }
  return separate(e, philox(e, key, counter), which, statement->distribution, number, lanes);
}
