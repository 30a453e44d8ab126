/* Shuffling without a list: sample number as a function of (seed, name, pass, place in the pass).
   Takes positions; returns indices, every sample once a pass. A Feistel network over the next power of two, walked
   along its cycle until it lands below count: a permutation of any count in constant memory, from any position. */
#include "runtime/io.h"

enum { ROUNDS = 8 };

static uint64_t mix(uint64_t z) { /* the finalizer of SplitMix64 */
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

typedef struct Shuffle {
  uint64_t keys[ROUNDS];
  int low_bits;
  uint64_t low_mask, high_mask;
  int64_t count;
} Shuffle;

static Shuffle shuffle_start(uint64_t seed, uint64_t name_hash, int64_t count, int64_t pass) {
  Shuffle shuffle = {.count = count};
  int bits = 1;
  while (bits < 62 && (INT64_C(1) << bits) < count) bits++;
  shuffle.low_bits = (bits + 1) / 2;
  shuffle.low_mask = (UINT64_C(1) << shuffle.low_bits) - 1;
  shuffle.high_mask = (UINT64_C(1) << (bits - shuffle.low_bits)) - 1;
  uint64_t key = mix(mix(mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^ name_hash) + (uint64_t)pass);
  for (int i = 0; i < ROUNDS; i++) shuffle.keys[i] = mix(key += UINT64_C(0x9e3779b97f4a7c15));
  return shuffle;
}

static int64_t shuffle_index(const Shuffle *shuffle, int64_t place) {
  uint64_t value = (uint64_t)place;
  do { /* each round is its own inverse, whatever mix does, so the whole is a permutation */
    uint64_t low = value & shuffle->low_mask, high = value >> shuffle->low_bits;
    for (int i = 0; i < ROUNDS; i += 2) {
      low ^= mix(high + shuffle->keys[i]) & shuffle->low_mask;
      high ^= mix(low + shuffle->keys[i + 1]) & shuffle->high_mask;
    }
    value = high << shuffle->low_bits | low;
  } while (value >= (uint64_t)shuffle->count);
  return (int64_t)value;
}

void permutation_indices(uint64_t seed, uint64_t name_hash, int64_t count, int64_t position, int64_t n,
                         int64_t *indices) {
  while (n > 0) { /* pass by pass */
    Shuffle shuffle = shuffle_start(seed, name_hash, count, position / count);
    int64_t place = position % count, now = count - place < n ? count - place : n;
    for (int64_t i = 0; i < now; i++) indices[i] = shuffle_index(&shuffle, place + i);
    indices += now;
    position += now;
    n -= now;
  }
}

int64_t permutation_index(uint64_t seed, uint64_t name_hash, int64_t count, int64_t position) {
  int64_t index;
  permutation_indices(seed, name_hash, count, position, 1, &index);
  return index;
}
