/* Random numbers and permutations, written from "The numbers of a draw" in lang/README.md. */
#include <math.h>

#include "oracle.h"

uint64_t hash_name(const char *name) { /* FNV-1a */
  uint64_t hash = UINT64_C(14695981039346656037);
  for (; *name != 0; name++) hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
  return hash;
}

static uint32_t philox(uint64_t key, const uint32_t counter[4], int word) {
  uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
  for (int turn = 0; turn < 10; turn++) {
    uint64_t p = (uint64_t)c[0] * 3528531795u, q = (uint64_t)c[2] * 3449720151u;
    uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k0, (uint32_t)q, (uint32_t)(p >> 32) ^ c[3] ^ k1, (uint32_t)p};
    for (int i = 0; i < 4; i++) c[i] = next[i];
    k0 += 2654435769u;
    k1 += 3144134277u;
  }
  return c[word];
}

double draw_uniform(uint64_t seed, const char *name, int element, int sample, int ordinal, int round) {
  uint64_t key = hash_name(name) ^ seed * UINT64_C(11400714819323198485);
  uint32_t counter[4] = {(uint32_t)element / 4, (uint32_t)sample, (uint32_t)ordinal, (uint32_t)round};
  return (philox(key, counter, element % 4) >> 8) / 16777216.0;
}

double draw_normal(uint64_t seed, const char *name, int element, int sample, int ordinal, int round, bool narrow) {
  int even = element / 2 * 2;
  double u = draw_uniform(seed, name, even, sample, ordinal, round),
         v = draw_uniform(seed, name, even + 1, sample, ordinal, round), turn = 2 * acos(-1.0) * v;
  double value = sqrt(-2 * log(1 - u)) * (element == even ? cos(turn) : sin(turn));
  return narrow ? (double)(float)value : value;
}

/* ---- which sample stands at a place of a walk -------------------------------------------------------------------- */

static uint64_t mixed(uint64_t z) {
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* One pass: eight rounds exclusive-or each half of the place's binary digits with a function of the other half, until
   the result is a sample. */
int permuted(uint64_t seed, const char *walk, int count, int64_t position) {
  const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
  uint64_t pass = (uint64_t)(position / count), value = (uint64_t)(position % count), keys[8];
  int digits = 1;
  while (1 << digits < count) digits++;
  int low_digits = digits - digits / 2;
  uint64_t low_most = (UINT64_C(1) << low_digits) - 1, high_most = (UINT64_C(1) << (digits - low_digits)) - 1;
  uint64_t key = mixed(mixed(mixed(seed + golden) ^ hash_name(walk)) + pass);
  for (int k = 0; k < 8; k++) keys[k] = mixed(key += golden);
  do {
    uint64_t low = value & low_most, high = value >> low_digits;
    for (int k = 0; k < 8; k++) {
      if (k % 2 == 0) low ^= mixed(high + keys[k]) & low_most;
      else high ^= mixed(low + keys[k]) & high_most;
    }
    value = high << low_digits | low;
  } while (value >= (uint64_t)count);
  return (int)value;
}
