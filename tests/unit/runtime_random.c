/* Draws against the definition in compiler/graph/graph.h, written once more here, plainly: every layout, type and
   number of threads; the published vectors of Philox. */

#include "tests/unit/check_main.h"
#include "tests/unit/runtime_model.h"

static void philox(uint32_t counter[4], uint32_t key0, uint32_t key1) {
  for (int turn = 0; turn < 10; turn++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
    uint64_t a = (uint64_t)0xD2511F53u * counter[0], b = (uint64_t)0xCD9E8D57u * counter[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ counter[1] ^ key0, (uint32_t)b, (uint32_t)(a >> 32) ^ counter[3] ^ key1,
                        (uint32_t)a};
    memcpy(counter, next, sizeof next);
  }
}

static double expected(const Draw *draw, int64_t sample, int64_t element) {
  uint64_t key = draw->stream ^ draw->seed * 0x9E3779B97F4A7C15u;
  uint32_t words[4] = {(uint32_t)(element / 4), (uint32_t)sample, (uint32_t)draw->ordinal, (uint32_t)draw->round};
  philox(words, (uint32_t)key, (uint32_t)(key >> 32));
  double uniform[4];
  for (int k = 0; k < 4; k++) uniform[k] = (words[k] >> 8) * 0x1p-24;
  double standard = uniform[element % 4];
  if (draw->distribution == DISTRIBUTION_KIND_NORMAL) {
    int first = (int)(element % 4) & ~1;
    double radius = sqrt(-2 * log(1 - uniform[first])), angle = 2 * 3.14159265358979323846 * uniform[first + 1];
    standard = radius * (element % 2 ? sin(angle) : cos(angle));
  }
  return draw->center + draw->spread * standard;
}

START_TEST(test_published_vectors) {
  uint32_t zeros[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};
  philox(zeros, 0, 0);
  philox(ones, ~0u, ~0u);
  ck_assert_uint_eq(zeros[0], 0x6627e8d5u);
  ck_assert_uint_eq(ones[0], 0x408f276du);
}
END_TEST

typedef struct Layout {
  bool batch;
  int64_t rank, shape[3], stride[3];
} Layout;
static const Layout layouts[] = {
    {true, 2, {64, 100}, {1, 64}}, /* batch innermost, as programs like it */
    {true, 2, {64, 100}, {100, 1}},
    {true, 3, {5, 3, 7}, {21, 7, 1}},    /* fewer samples than lanes, odd sizes */
    {true, 3, {17, 3, 7}, {1, 119, 17}}, /* axes in another order */
    {true, 1, {33}, {1}},
    {false, 2, {13, 11}, {11, 1}},
    {false, 1, {5001}, {1}},
    {false, 0, {0}, {0}},
};

START_TEST(test_every_layout) {
  Problem problem;
  for (size_t each = 0; each < LENGTH(layouts); each++)
    for (int variant = 0; variant < 16; variant++) {
      const Layout *layout = &layouts[each];
      TensorRecord tensor = {
          .rank = layout->rank, .batch = layout->batch, .type = variant & 1 ? STORAGE_F64 : STORAGE_F32};
      memcpy(tensor.shape, layout->shape, sizeof layout->shape);
      memcpy(tensor.stride, layout->stride, sizeof layout->stride);
      Draw draw = {.seed = 12345,
                   .stream = 0xABCDEF0123456789u,
                   .round = 7,
                   .ordinal = 2,
                   .first_sample = layout->batch ? 128 : 0,
                   .distribution = variant & 2 ? DISTRIBUTION_KIND_NORMAL : DISTRIBUTION_KIND_UNIFORM,
                   .center = -0.5,
                   .spread = 3,
                   .classes = variant & 8 ? 5 : 0};
      Pool *pool = pool_create(variant & 4 ? 3 : 1, false, &problem);
      double *data = calloc(8192, sizeof *data);
      draw_fill(&tensor, data, &draw, pool);
      int64_t samples = layout->batch ? tensor.shape[0] : 1, elements = tensor_sample_size(&tensor);
      for (int64_t s = 0; s < samples; s++)
        for (int64_t e = 0; e < elements; e++) {
          int64_t at = layout->batch ? s * tensor.stride[0] : 0, rest = e;
          for (int axis = (int)tensor.rank - 1; axis >= layout->batch; axis--) {
            at += rest % tensor.shape[axis] * tensor.stride[axis];
            rest /= tensor.shape[axis];
          }
          double found = variant & 1 ? data[at] : (double)((float *)data)[at],
                 wanted = expected(&draw, layout->batch ? 128 + s : 0, e);
          if (variant & 8 && fabs(5 * wanted - round(5 * wanted)) < 1e-5) continue; /* rounding decides */
          if (variant & 8) wanted = floor(5 * wanted);
          ck_assert_msg(fabs(found - wanted) <= (variant & 1 ? 1e-12 : 5e-7 * fmax(3, fabs(wanted))),
                        "layout %zu variant %d sample %lld element %lld: %g, not %g", each, variant, (long long)s,
                        (long long)e, found, wanted);
        }
      free(data);
      pool_free(pool);
    }
}
END_TEST

START_TEST(test_moments) {
  Problem problem;
  enum { COUNT = 100000 };
  TensorRecord tensor = {.rank = 1, .shape = {COUNT}, .stride = {1}, .type = STORAGE_F64};
  Draw draw = {.seed = 1, .stream = 2, .distribution = DISTRIBUTION_KIND_NORMAL, .spread = 1};
  double *data = malloc(COUNT * sizeof *data), mean = 0, variance = 0;
  Pool *pool = pool_create(1, false, &problem);
  draw_fill(&tensor, data, &draw, pool);
  for (int k = 0; k < COUNT; k++) mean += data[k] / COUNT, variance += data[k] * data[k] / COUNT;
  ck_assert_double_eq_tol(mean, 0, 0.015);
  ck_assert_double_eq_tol(variance, 1, 0.02);
  free(data);
  pool_free(pool);
}
END_TEST

CHECK_MAIN(.tests = {test_published_vectors, test_every_layout, test_moments})
