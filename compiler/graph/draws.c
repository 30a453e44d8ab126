/* Random numbers as functions of what they are for. Takes draw counters, a stream, a sample and an element; returns the
   number of that place. Keeps no state, so every thread, rank, vector width and resumed run sees the same draw. The
   rules stand in graph.h; the runtime and the back ends follow them. */
#include "graph.h"

#include <math.h>

typedef struct Block {
  uint32_t word[4];
} Block;

/* Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, 2011). */
static Block philox(uint64_t key, Block counter) {
  uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
  for (int turn = 0; turn < 10; turn++) {
    uint64_t product0 = (uint64_t)0xD2511F53u * counter.word[0], product1 = (uint64_t)0xCD9E8D57u * counter.word[2];
    counter = (Block){{(uint32_t)(product1 >> 32) ^ counter.word[1] ^ key0, (uint32_t)product1,
                       (uint32_t)(product0 >> 32) ^ counter.word[3] ^ key1, (uint32_t)product0}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

uint64_t draw_key(uint64_t seed, uint64_t stream) { return stream ^ seed * 0x9E3779B97F4A7C15u; }

static Block draw_block(DrawCounters counters, uint64_t stream, int64_t sample, int64_t element) {
  Block counter = {{(uint32_t)(element / 4), (uint32_t)sample, (uint32_t)counters.ordinal, (uint32_t)counters.round}};
  return philox(draw_key(counters.seed, stream), counter);
}

static double uniform_of_word(uint32_t word) { return (word >> 8) * 0x1p-24; }

double draw_uniform(DrawCounters counters, uint64_t stream, int64_t sample, int64_t element) {
  return uniform_of_word(draw_block(counters, stream, sample, element).word[element % 4]);
}

double draw_normal(DrawCounters counters, uint64_t stream, int64_t sample, int64_t element) {
  const double two_pi = 6.283185307179586476925286766559;
  Block block = draw_block(counters, stream, sample, element);
  int first = (int)(element % 4) & ~1;
  double radius = sqrt(-2 * log(1 - uniform_of_word(block.word[first]))),
         angle = two_pi * uniform_of_word(block.word[first + 1]);
  return radius * (element % 2 == 0 ? cos(angle) : sin(angle));
}
