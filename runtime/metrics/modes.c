/* How well points cover a mixture whose modes are known, and how far apart points are.
   Takes points and the mixture; returns counts and shares. Never fits anything: the centers are the data's own. */
#include <math.h>
#include <stdlib.h>

#include "runtime/io.h"

ModeReport metric_modes(const Mixture *mixture, const float *points, int64_t n) {
  int64_t near[MIXTURE_LIMIT] = {0}, close[MIXTURE_LIMIT] = {0}, finite = 0, good = 0;
  double reach = 3 * mixture->sigma;
  for (int64_t i = 0; i < n; i++) {
    double best = INFINITY;
    int nearest = -1;
    for (int mode = 0; mode < mixture->modes; mode++) {
      double dx = points[2 * i] - mixture->center[mode][0], dy = points[2 * i + 1] - mixture->center[mode][1],
             square = dx * dx + dy * dy;
      if (!(square < best)) continue; /* nor is NaN near anything */
      best = square;
      nearest = mode;
    }
    if (nearest < 0) continue; /* not finite: near nothing, and of no quality */
    finite++;
    near[nearest]++;
    if (best > reach * reach) continue;
    good++;
    close[nearest]++;
  }
  ModeReport report = {.modes = mixture->modes, .high_quality = n ? (double)good / (double)n : 0};
  for (int mode = 0; mode < mixture->modes; mode++) {
    report.covered += close[mode] > 0;
    if (near[mode])
      report.reverse_divergence +=
          (double)near[mode] / (double)finite * log((double)near[mode] / (double)finite * mixture->modes);
  }
  if (finite == 0) report.reverse_divergence = INFINITY;
  return report;
}

static double pair_distance(const float *a, const float *b, int64_t size) {
  double sums[4] = {0};
  int64_t i = 0;
  for (; i + 4 <= size; i += 4)
    for (int k = 0; k < 4; k++) {
      double difference = (double)a[i + k] - b[i + k];
      sums[k] += difference * difference;
    }
  for (; i < size; i++) sums[0] += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
  return sqrt((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

double metric_mean_pair_distance(const float *points, int64_t n, int64_t size, uint64_t seed) {
  enum { PAIR_LIMIT = 1 << 18, ALL_LIMIT = 724 }; /* so many points have fewer pairs than that */
  uint64_t hash = hash_text("mean pair distance");
  double sum = 0;
  if (n < 2) return 0;
  if (n <= ALL_LIMIT) {
    for (int64_t i = 0; i < n; i++)
      for (int64_t k = i + 1; k < n; k++) sum += pair_distance(points + i * size, points + k * size, size);
    return sum / (double)(n * (n - 1) / 2);
  }
  for (int64_t i = 0; i < PAIR_LIMIT; i++) { /* a point and one of the n - 1 others */
    int64_t first = permutation_index(seed, hash, n, i), other = permutation_index(seed, hash + 1, n - 1, i);
    sum += pair_distance(points + first * size, points + (other + (other >= first)) * size, size);
  }
  return sum / PAIR_LIMIT;
}
