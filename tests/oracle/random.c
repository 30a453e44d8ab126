/* The generator's own numbers (SplitMix64): they have nothing to do with those of a model. */
#include <math.h>

#include "oracle.h"

static uint64_t state;

void random_start(uint64_t seed) {
  state = seed * UINT64_C(0xD1342543DE82EF95) + 1;
  for (int i = 0; i < 4; i++) random_bits();
}

uint64_t random_bits(void) {
  uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
  return z ^ (z >> 31);
}

int random_below(int n) { return (int)((random_bits() >> 33) % (uint64_t)(n > 0 ? n : 1)); }

bool one_in(int n) { return random_below(n) == 0; }

/* Rounded to float32, so that both kinds of trainers take the same number. */
double random_normal(void) {
  double u = ((double)(random_bits() >> 11) + 1) / 9007199254740993.0,
         v = (double)(random_bits() >> 11) / 9007199254740992.0;
  return (double)(float)(sqrt(-2 * log(u)) * cos(2 * acos(-1.0) * v));
}
