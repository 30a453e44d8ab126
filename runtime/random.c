/* Random numbers as functions of what they are for: Philox 4x32-10 with the key and counters that compiler/graph/graph.h defines. Takes a tensor's record and a draw; writes
   every element, in the tensor's own strides and type, sixteen lanes at a time. Keeps no state, so any number of threads leaves the same bits. */
#include "runtime/runtime.h"

#include <math.h>
#include <stdlib.h>

enum { LANES = 16, ROUNDS = 10, BLOCKS_A_CHUNK = 256 };

/* One output word of each of the four, for each lane. */
typedef struct Words { uint32_t word[4][LANES]; } Words;

static uint64_t philox_key(const Draw *draw) { return draw->stream ^ draw->seed * 0x9E3779B97F4A7C15u; }

static inline __attribute__((always_inline)) void philox_body(Words *restrict w, uint64_t key) {
  uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
  for (int turn = 0; turn < ROUNDS; turn++) {
    for (int lane = 0; lane < LANES; lane++) {
      uint64_t product0 = (uint64_t)0xD2511F53u * w->word[0][lane], product1 = (uint64_t)0xCD9E8D57u * w->word[2][lane];
      uint32_t word1 = w->word[1][lane], word3 = w->word[3][lane];
      w->word[0][lane] = (uint32_t)(product1 >> 32) ^ word1 ^ key0;
      w->word[1][lane] = (uint32_t)product1;
      w->word[2][lane] = (uint32_t)(product0 >> 32) ^ word3 ^ key1;
      w->word[3][lane] = (uint32_t)product0;
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

/* The same text for three widths: integers, so the width changes no bit. */
static void philox_plain(Words *w, uint64_t key) { philox_body(w, key); }
__attribute__((target("avx2"))) static void philox_256(Words *w, uint64_t key) { philox_body(w, key); }
__attribute__((target("avx512f,avx512dq"))) static void philox_512(Words *w, uint64_t key) { philox_body(w, key); }
typedef void (*Philox)(Words *, uint64_t);

/* ---- from words to numbers: pairs of elements share the words 2k and 2k + 1 ------------------------------------------------ */

static double uniform_of(uint32_t word) { return (word >> 8) * 0x1p-24; }

typedef struct Pair { double even, odd; } Pair;

static Pair pair_of(const Draw *draw, uint32_t first, uint32_t second) {
  double u = uniform_of(first), v = uniform_of(second);
  if (draw->distribution == DISTRIBUTION_KIND_UNIFORM) return (Pair){draw->center + draw->spread * u, draw->center + draw->spread * v};
  const double two_pi = 6.283185307179586476925286766559;
  double radius = draw->spread * sqrt(-2 * log(1 - u)), sine, cosine;
  sincos(two_pi * v, &sine, &cosine);
  return (Pair){draw->center + radius * cosine, draw->center + radius * sine};
}

/* ---- where the numbers go -------------------------------------------------------------------------------------------------------- */

typedef struct Fill {
  const TensorRecord *tensor;
  void *data;
  const Draw *draw;
  Philox philox;
  int64_t samples, elements, blocks;                       /* elements of one sample; blocks of four of them */
  int first_axis;                                          /* 1 behind a batch axis */
  int64_t unit;                                            /* distance of neighbouring elements, or 0: to be found axis by axis */
  bool across_samples;                                     /* lanes run over samples; else over blocks of one sample */
} Fill;

static int64_t element_offset(const Fill *fill, int64_t element) {
  if (fill->unit) return element * fill->unit;
  int64_t offset = 0;
  for (int axis = (int)fill->tensor->rank - 1; axis >= fill->first_axis; axis--) {
    offset += element % fill->tensor->shape[axis] * fill->tensor->stride[axis];
    element /= fill->tensor->shape[axis];
  }
  return offset;
}

static int64_t even_unit(const TensorRecord *tensor, int first_axis) {
  int64_t unit = tensor->rank > first_axis ? tensor->stride[tensor->rank - 1] : 1, expected = unit;
  for (int axis = (int)tensor->rank - 1; axis >= first_axis; expected *= tensor->shape[axis--])
    if (tensor->shape[axis] > 1 && tensor->stride[axis] != expected) return 0;
  return unit;
}

static void put(const Fill *fill, int64_t at, double value) {
  if (fill->tensor->type == STORAGE_F64) ((double *)fill->data)[at] = value;
  else ((float *)fill->data)[at] = (float)value;
}

/* Sixteen blocks: lane l is block `block` (+ l) of sample `sample` (+ l). */
static void fill_lanes(const Fill *fill, int64_t sample, int64_t block) {
  Words words;
  for (int lane = 0; lane < LANES; lane++) {
    words.word[0][lane] = (uint32_t)(fill->across_samples ? block : block + lane);
    words.word[1][lane] = (uint32_t)(fill->tensor->batch ? fill->draw->first_sample + (fill->across_samples ? sample + lane : sample) : 0);
    words.word[2][lane] = (uint32_t)fill->draw->ordinal;
    words.word[3][lane] = (uint32_t)fill->draw->round;
  }
  fill->philox(&words, philox_key(fill->draw));
  int64_t sample_stride = fill->tensor->batch ? fill->tensor->stride[0] : 0;
  for (int half = 0; half < 4; half += 2)
    for (int lane = 0; lane < LANES; lane++) {
      int64_t s = fill->across_samples ? sample + lane : sample, element = 4 * (fill->across_samples ? block : block + lane) + half;
      if (s >= fill->samples || element >= fill->elements) continue;
      Pair pair = pair_of(fill->draw, words.word[half][lane], words.word[half + 1][lane]);
      put(fill, s * sample_stride + element_offset(fill, element), pair.even);
      if (element + 1 < fill->elements) put(fill, s * sample_stride + element_offset(fill, element + 1), pair.odd);
    }
}

static int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

static int64_t fill_chunks(const Fill *fill) {
  return fill->across_samples ? ceiling(fill->samples, LANES) * ceiling(fill->blocks, BLOCKS_A_CHUNK / LANES) : fill->samples * ceiling(fill->blocks, BLOCKS_A_CHUNK);
}

static void fill_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const Fill *fill = context;
  if (fill->across_samples) {
    int64_t groups = ceiling(fill->samples, LANES), first = chunk / groups * (BLOCKS_A_CHUNK / LANES);
    for (int64_t block = first; block < first + BLOCKS_A_CHUNK / LANES && block < fill->blocks; block++) fill_lanes(fill, chunk % groups * LANES, block);
  } else {
    int64_t parts = ceiling(fill->blocks, BLOCKS_A_CHUNK), first = chunk % parts * BLOCKS_A_CHUNK;
    for (int64_t block = first; block < first + BLOCKS_A_CHUNK && block < fill->blocks; block += LANES) fill_lanes(fill, chunk / parts, block);
  }
}

void draw_fill(const TensorRecord *tensor, void *data, const Draw *draw, Pool *pool) {
  Fill fill = {.tensor = tensor, .data = data, .draw = draw, .first_axis = tensor->batch ? 1 : 0, .samples = tensor->batch ? tensor->shape[0] : 1};
  fill.elements = tensor_sample_size(tensor);
  fill.blocks = ceiling(fill.elements, 4);
  fill.unit = even_unit(tensor, fill.first_axis);
  fill.across_samples = tensor->batch && fill.samples >= LANES;
  fill.philox = pool_vector_bytes(pool) == 64 ? philox_512 : pool_vector_bytes(pool) == 32 ? philox_256 : philox_plain;
  pool_run(pool, fill_chunk, &fill, fill_chunks(&fill));
}
