/* Random numbers as functions of what they are for: Philox 4x32-10 with the key and counters that
   compiler/graph/graph.h defines. Takes a tensor's record and a draw; writes every element, in the tensor's own strides
   and type, sixteen lanes at a time. Keeps no state, so any number of threads leaves the same bits. */
#include "runtime/runtime.h"

#include <math.h>
#include <string.h>

enum { LANES = 16, ROUNDS = 10, BLOCKS_A_CHUNK = 256 };

/* One output word of each of the four, for each lane. */
typedef struct Words {
  uint32_t word[4][LANES];
} Words;

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

Draw draw_of(const TensorRecord *tensor, uint64_t seed) {
  bool uniform = tensor->initial == INITIAL_UNIFORM;
  return (Draw){.seed = seed,
                .stream = (uint64_t)tensor->stream,
                .distribution = uniform ? DISTRIBUTION_KIND_UNIFORM : DISTRIBUTION_KIND_NORMAL,
                .center = tensor->initial_a,
                .spread = uniform ? tensor->initial_b - tensor->initial_a : tensor->initial_b,
                .classes = tensor->classes};
}

/* ---- from words to numbers: pairs of elements share the words 2k and 2k + 1 -------------------------------------- */

static double uniform_of(uint32_t word) { return (word >> 8) * 0x1p-24; }

/* Float32: lane by lane the same few operations, which compilers turn into vectors; a few units in the last place. */
static inline __attribute__((always_inline)) float log_of_uniform(uint32_t word) {
  float x = 1 - (float)(int32_t)(word >> 8) * 0x1p-24f; /* in (0, 1], exact */
  union {
    float number;
    int32_t bits;
  } parts = {x};
  int32_t exponent = (parts.bits - 0x3f3504f3) >> 23; /* x = 2^exponent * m with m in [sqrt(1/2), sqrt(2)) */
  parts.bits -= exponent * (1 << 23);
  float z = parts.number - 1, e = (float)exponent;
  float y = 7.0376836292e-2f;
  y = y * z - 1.1514610310e-1f, y = y * z + 1.1676998740e-1f, y = y * z - 1.2420140846e-1f,
  y = y * z + 1.4249322787e-1f;
  y = y * z - 1.6668057665e-1f, y = y * z + 2.0000714765e-1f, y = y * z - 2.4999993993e-1f,
  y = y * z + 3.3333331174e-1f;
  y = y * z * z * z - 2.12194440e-4f * e - 0.5f * z * z;
  return z + y + 0.693359375f * e;
}

static inline __attribute__((always_inline)) void normals_of(uint32_t first, uint32_t second, float *even, float *odd) {
  int32_t turns = (int32_t)(second >> 8),
          quarter = (turns + (1 << 21)) >> 22; /* the angle in 2^-24 turns; its nearest quarter */
  float angle = (float)(turns - quarter * (1 << 22)) * (0x1p-24f * 6.28318530717958648f), z = angle * angle;
  float sine = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * angle + angle;
  float cosine =
      ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z - 0.5f * z + 1;
  float radius = sqrtf(-2 * log_of_uniform(first));
  float c = quarter & 1 ? sine : cosine, s = quarter & 1 ? cosine : sine;
  *even = radius * ((quarter + 1) & 2 ? -c : c);
  *odd = radius * (quarter & 2 ? -s : s);
}

typedef struct Numbers {
  float number[4][LANES];
} Numbers;

/* floor(classes * number), for numbers that are no labels too. */
static inline __attribute__((always_inline)) void label_lanes(Numbers *numbers, float classes) {
  for (int k = 0; k < 4; k++)
    for (int lane = 0; lane < LANES; lane++) {
      float scaled = classes * numbers->number[k][lane], whole = (float)(int32_t)scaled;
      numbers->number[k][lane] = whole > scaled ? whole - 1 : whole;
    }
}

static inline __attribute__((always_inline)) void numbers_body(Words *restrict words, const Draw *draw, uint64_t key,
                                                               Numbers *restrict out) {
  float center = (float)draw->center, spread = (float)draw->spread;
  philox_body(words, key);
  if (!out) return;
  if (draw->distribution == DISTRIBUTION_KIND_UNIFORM) {
    for (int k = 0; k < 4; k++)
      for (int lane = 0; lane < LANES; lane++)
        out->number[k][lane] = center + spread * ((float)(int32_t)(words->word[k][lane] >> 8) * 0x1p-24f);
  } else {
    for (int half = 0; half < 4; half += 2)
      for (int lane = 0; lane < LANES; lane++) {
        float even, odd;
        normals_of(words->word[half][lane], words->word[half + 1][lane], &even, &odd);
        out->number[half][lane] = center + spread * even;
        out->number[half + 1][lane] = center + spread * odd;
      }
  }
  if (draw->classes > 0) label_lanes(out, (float)draw->classes);
}

/* The same text for three widths. Nothing is contracted, so the width changes no bit. */
typedef void (*Generator)(Words *, const Draw *, uint64_t key, Numbers *); /* numbers NULL: only the words are wanted */
static void generate_plain(Words *w, const Draw *d, uint64_t key, Numbers *n) { numbers_body(w, d, key, n); }
__attribute__((target("avx2"))) static void generate_256(Words *w, const Draw *d, uint64_t key, Numbers *n) {
  numbers_body(w, d, key, n);
}
__attribute__((target("avx512f"))) static void generate_512(Words *w, const Draw *d, uint64_t key, Numbers *n) {
  numbers_body(w, d, key, n);
}

/* Float64: the C library's functions. */
typedef struct Pair {
  double even, odd;
} Pair;

static Pair standard_pair(const Draw *draw, uint32_t first, uint32_t second) {
  double u = uniform_of(first), v = uniform_of(second);
  if (draw->distribution == DISTRIBUTION_KIND_UNIFORM) return (Pair){u, v};
  const double two_pi = 6.283185307179586476925286766559;
  double radius = sqrt(-2 * log(1 - u)), sine, cosine;
  sincos(two_pi * v, &sine, &cosine);
  return (Pair){radius * cosine, radius * sine};
}

static Pair pair_of(const Draw *draw, uint32_t first, uint32_t second) {
  Pair pair = standard_pair(draw, first, second);
  pair = (Pair){draw->center + draw->spread * pair.even, draw->center + draw->spread * pair.odd};
  return draw->classes > 0 ? (Pair){floor((double)draw->classes * pair.even), floor((double)draw->classes * pair.odd)}
                           : pair;
}

/* ---- where the numbers go ---------------------------------------------------------------------------------------- */

typedef struct Fill {
  const TensorRecord *tensor;
  void *data;
  const Draw *draw;
  Generator generator;
  int64_t samples, elements, blocks; /* elements of one sample; blocks of four of them */
  int64_t sample_stride;             /* 0 without a batch axis */
  int first_axis;                    /* 1 behind a batch axis */
  int64_t unit;                      /* distance of neighbouring elements, or 0: to be found axis by axis */
  bool across_samples;               /* lanes run over samples; else over blocks of one sample */
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

static void store_f64(const Fill *fill, int64_t sample, int64_t element, const Words *words, int lane) {
  double *data = (double *)fill->data + sample * fill->sample_stride;
  for (int half = 0; half < 4 && element + half < fill->elements; half += 2) {
    Pair pair = pair_of(fill->draw, words->word[half][lane], words->word[half + 1][lane]);
    data[element_offset(fill, element + half)] = pair.even;
    if (element + half + 1 < fill->elements) data[element_offset(fill, element + half + 1)] = pair.odd;
  }
}

static void store_f32(const Fill *fill, int64_t sample, int64_t element, const Numbers *numbers, int lane) {
  float *data = (float *)fill->data + sample * fill->sample_stride;
  for (int k = 0; k < 4 && element + k < fill->elements; k++)
    data[element_offset(fill, element + k)] = numbers->number[k][lane];
}

/* Sixteen blocks: lane l is block `block` (+ l) of sample `sample` (+ l). */
static void fill_lanes(const Fill *fill, int64_t sample, int64_t block) {
  Words words;
  Numbers numbers;
  bool single = fill->tensor->type == STORAGE_F32;
  for (int lane = 0; lane < LANES; lane++) {
    words.word[0][lane] = (uint32_t)(fill->across_samples ? block : block + lane);
    words.word[1][lane] =
        (uint32_t)(fill->tensor->batch ? fill->draw->first_sample + (fill->across_samples ? sample + lane : sample)
                                       : 0);
    words.word[2][lane] = (uint32_t)fill->draw->ordinal;
    words.word[3][lane] = (uint32_t)fill->draw->round;
  }
  fill->generator(&words, fill->draw, philox_key(fill->draw), single ? &numbers : NULL);
  int64_t element = 4 * block;
  if (single && fill->across_samples && fill->sample_stride == 1 && sample + LANES <= fill->samples &&
      element + 4 <= fill->elements) {
    for (int k = 0; k < 4; k++)
      memcpy((float *)fill->data + element_offset(fill, element + k) + sample, numbers.number[k],
             sizeof numbers.number[k]);
    return;
  }
  if (single && !fill->across_samples && fill->unit == 1 && element + 4 * LANES <= fill->elements) {
    float *data = (float *)fill->data + sample * fill->sample_stride + element;
    for (int lane = 0; lane < LANES; lane++)
      for (int k = 0; k < 4; k++) data[4 * lane + k] = numbers.number[k][lane];
    return;
  }
  for (int lane = 0; lane < LANES; lane++) {
    int64_t s = fill->across_samples ? sample + lane : sample, first = element + (fill->across_samples ? 0 : 4 * lane);
    if (s >= fill->samples) continue;
    if (single) store_f32(fill, s, first, &numbers, lane);
    else store_f64(fill, s, first, &words, lane);
  }
}

static int64_t ceiling(int64_t a, int64_t b) { return (a + b - 1) / b; }

static int64_t fill_chunks(const Fill *fill) {
  return fill->across_samples ? ceiling(fill->samples, LANES) * ceiling(fill->blocks, BLOCKS_A_CHUNK / LANES)
                              : fill->samples * ceiling(fill->blocks, BLOCKS_A_CHUNK);
}

static void fill_chunk(void *context, int64_t chunk, int worker) {
  (void)worker;
  const Fill *fill = context;
  if (fill->across_samples) {
    int64_t groups = ceiling(fill->samples, LANES), first = chunk / groups * (BLOCKS_A_CHUNK / LANES);
    for (int64_t block = first; block < first + BLOCKS_A_CHUNK / LANES && block < fill->blocks; block++)
      fill_lanes(fill, chunk % groups * LANES, block);
  } else {
    int64_t parts = ceiling(fill->blocks, BLOCKS_A_CHUNK), first = chunk % parts * BLOCKS_A_CHUNK;
    for (int64_t block = first; block < first + BLOCKS_A_CHUNK && block < fill->blocks; block += LANES)
      fill_lanes(fill, chunk / parts, block);
  }
}

void draw_fill(const TensorRecord *tensor, void *data, const Draw *draw, Pool *pool) {
  Fill fill = {.tensor = tensor,
               .data = data,
               .draw = draw,
               .first_axis = tensor->batch ? 1 : 0,
               .samples = tensor->batch ? tensor->shape[0] : 1};
  fill.elements = tensor_sample_size(tensor);
  fill.blocks = ceiling(fill.elements, 4);
  fill.unit = even_unit(tensor, fill.first_axis);
  fill.across_samples = tensor->batch && fill.samples >= LANES;
  fill.sample_stride = tensor->batch ? tensor->stride[0] : 0;
  fill.generator = pool_vector_bytes(pool) == 64   ? generate_512
                   : pool_vector_bytes(pool) == 32 ? generate_256
                                                   : generate_plain;
  pool_run(pool, fill_chunk, &fill, fill_chunks(&fill));
}
