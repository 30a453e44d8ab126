/* Random numbers for tests, the same in every run: splitmix64. */
#ifndef RANDOM_NUMBERS_H
#define RANDOM_NUMBERS_H

#include <stdint.h>

typedef struct Random {
  uint64_t state; /* any seed */
} Random;

static inline uint64_t random_bits(Random *random) {
  uint64_t z = random->state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}
static inline double random_between(Random *random, double low, double high) {
  return low + (high - low) * (double)(random_bits(random) >> 11) * 0x1p-53;
}
/* Both ends are among them. */
static inline int64_t random_integer(Random *random, int64_t low, int64_t high) {
  return low + (int64_t)(random_bits(random) % (uint64_t)(high - low + 1));
}

#endif
