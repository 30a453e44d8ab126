/* Convolutions and their kin as random text: what generate_convolutions.c and generate_images.c share. A value is
   [channels, extents…]. */
#ifndef ORACLE_GENERATE_CONVOLUTIONS_H
#define ORACLE_GENERATE_CONVOLUTIONS_H

#include "generate.h"

enum { SPACE = 3, INDICES = SPACE + 1 }; /* an index of channels, then one for every axis of space */
enum { PRODUCT_LIMIT = 900 };

typedef struct Names {
  const char *at[INDICES];
} Names;

/* An axis of space: out[i] sees in[stride*i + dilation*k - padding] for k < taps, or the other way about. */
typedef struct Window {
  int in, taps, stride, dilation, padding, out;
} Window;
typedef struct Form {
  bool transposed, gathered; /* gathered: a transposed one that is no `+=` */
  int space, groups, in, out;
  Window windows[SPACE];
  int order[INDICES + 1]; /* of the axes of the weights */
} Form;
/* Wide: so many products that, with a batch beyond a vector, they are worth a tile. Large: more channels than lanes. */
typedef enum Size { SMALL, WIDE, LARGE } Size;
typedef struct Sum { /* of whom the form is one */
  const char *w, *x, *y;
  const char *before; /* what it is added to: "b[%s] + " with the index of the channel, or "" */
  const char *factor; /* of every product, "s[%s]" with the channel that is read, or NULL */
} Sum;

Names new_names(const char *stem, int count);
const char *listed(int count, const char *const *items);
const char *times(int factor, const char *index);
const char *affine(int a, const char *i, int b, const char *k, int c); /* a*i + b*k + c */
int any_divisor(int a, int b);                                         /* of both */

/* Windows that reach the extents `to`, or any small ones where that is NULL. */
bool find_windows(Form *form, const int *from, const int *to);
/* A form for values of one shape; `to`, unless it is NULL, is the shape of the result. */
bool find_form(Form *form, Shape from, const Shape *to, Size size);
Shape form_result(const Form *form);
long form_products(const Form *form); /* that it adds up */
long form_weights(const Form *form);
const char *form_text(const Form *form, const Sum *sum, Shape *weights); /* the statements that give y */
/* The name of a new function of a value and of weights; NULL if none was found. */
const char *convolution_function(Shape from, Size size, Shape *weights, Shape *to, long *products);

#endif
