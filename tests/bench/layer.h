/* Layers as graphs, as real models have them after every transform, and the program that a schedule makes of each
   direction, in this process: for layers.c. */
#ifndef LAYER_H
#define LAYER_H

#include "compiler/llvm/llvm.h"
#include "compiler/schedule/schedule.h"
#include "compiler/transform/transform.h"

typedef enum LayerKind { LAYER_DENSE, LAYER_CONVOLUTION, LAYER_TRANSPOSED } LayerKind;
typedef enum Direction { DIRECTION_FORWARD, DIRECTION_DATA, DIRECTION_WEIGHT, DIRECTION_COUNT } Direction;

/* y[b, o, p, q] = sum over (k, u, v) of x[b, o // m * n + k, stride*p + dilation*u - padding, …] * W[o, k, u, v] with
   n = in / groups, m = out / groups; a transposed one adds x[b, c, p, q] * W[c, o, u, v] up in
   y[b, o, stride*p + dilation*u - padding, …] instead. A dense layer has neither pixels nor windows. */
typedef struct Layer {
  const char *name;
  LayerKind kind;
  int64_t batch, in, out;                /* channels */
  int64_t size, kernel, stride, padding; /* of x, along both axes */
  int64_t dilation, groups;              /* 0 is 1 */
  bool adam;                             /* the weight gradient moves the weights */
} Layer;

int64_t layer_size_out(const Layer *layer);
/* Of the direct sum, taps outside the image left out: the same in every direction. */
double layer_flops(const Layer *layer);

/* A direction as a graph after all transforms. */
typedef struct LayerGraph {
  Graph *graph;
  Node *x, *weights, *adjoint; /* x[B, C, H, W], W[O, C, U, V], dy[B, O, P, Q] */
  Node *result;                /* the input that is y, dx, dW, or Adam's first moment */
  EffectList effects;
} LayerGraph;
LayerGraph layer_graph(Session *session, const Layer *layer, Direction direction);

/* Elements of a tensor that lies somewhere: of x, of the weights, of dy. */
typedef double (*ElementOf)(void *context, const Node *input, const int64_t *index);
/* The direct sum at one element of the result, and the sum of its terms' magnitudes. */
double layer_element(const Layer *layer, Direction direction, const LayerGraph *graph, const int64_t *index,
                     ElementOf element, void *context, double *magnitude);

/* What has been compiled and has its memory, laid out densely as in a trainer. */
typedef struct LayerRun LayerRun;
/* strategy: its number, forced wherever it fits; -1: the cheapest. NULL after diagnostics. */
LayerRun *layer_run_new(Session *session, Target *target, RegisterType real, int strategy, const Layer *layer,
                        Direction direction);
void layer_run_free(LayerRun *run);
const Schedule *layer_run_schedule(const LayerRun *run);
const Fusion *layer_run_fusion(const LayerRun *run);
double layer_run_compiled(const LayerRun *run, double *emitted); /* seconds to schedule; to emit and load */
double layer_run_bytes(const LayerRun *run, bool written);       /* of tensors that come in, that go out */
void layer_run_once(LayerRun *run);                              /* every chunk of every step, in order */
void layer_run_steps(LayerRun *run, double *seconds);            /* the same, seconds by step added up */
/* After the first run: the worst of some elements, as a share of the sum of its terms' magnitudes. */
double layer_run_error(LayerRun *run);

#endif
