/* Making random models: what the parts of the generator share. Everything is text; scope says which names stand for
   what. */
#ifndef ORACLE_GENERATE_H
#define ORACLE_GENERATE_H

#include "oracle.h"

enum { THING_LIMIT = 40 };

/* A name that an expression may use. */
typedef struct Thing {
  const char *text;
  Shape shape;
  bool random;
  int classes;
  bool plain;
} Thing; /* plain: a bare name */
typedef struct Things {
  int count;
  Thing at[THING_LIMIT];
} Things;

typedef struct Maker { /* the model in the making */
  bool wide;           /* sizes that reach tiles and vectors */
  bool fed;
  const char *definitions; /* text of functions and layers, in front of what uses them */
  int next;                /* number of the next name */
  int functions, budget;   /* how much may still be made */
  int sizes[4];            /* extents that this model likes */
} Maker;

extern Maker *maker;

const char *new_name(const char *stem);
void define(const char *text); /* adds a definition to the file */
void add_thing(Things *things, const char *text, Shape shape, bool random, int classes);
const Thing *any_thing(const Things *things); /* NULL if there is none */
const Thing *thing_of_shape(const Things *things, Shape shape);
int any_size(void);
Shape any_shape(int rank_limit);
const char *shape_text(Shape shape);
const char *any_number(void);
const char *chosen(int count, const char *const *from);
#define CHOSEN(...) \
  chosen((int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)), (const char *const[]){__VA_ARGS__})

/* generate_expressions.c: an expression of the shape over the names in scope. */
const char *expression(const Things *scope, Shape shape, int depth);
const char *condition(const Things *scope, Shape shape, int depth);
const char *pointwise(const char *a);

/* generate_indices.c: index notation. */
const char *function_of(const Things *scope, Shape shape,
                        bool *random); /* a call of a new function, giving the shape */
const char *statements_for(Things *scope, const char *result,
                           Shape shape);           /* statements of a body whose last ones define `result` */
const char *inline_reduction(const Things *scope); /* sum[…] and its kin, giving one number */

/* generate_layers.c: what a body of a layer or network is made of: the text so far, the value that flows through it. */
typedef struct Flow {
  const char *text, *value;
  Shape shape;
  bool noisy;
  long weights, products; /* counted by generate_images.c: numbers of weights, products that are added up */
} Flow;
void becomes(Flow *flow, Shape shape, const char *right);
const char *noisy_layer(void); /* the name of a new one, [...s] -> [...s] */
const char *network_body(const char *input, Shape from, Shape to, bool noisy); /* statements and a last expression */

/* generate_images.c */
typedef struct Work { /* of one sample */
  long weights, products;
} Work;
Shape image_shape(void);
const char *convolutions_to_number(const char *input, Shape from, Work *work); /* bodies of networks */
const char *convolutions_to_image(const char *input, Shape from, Shape to, Work *work);
/* A batch for which training them is not too much work for the oracle; is there room for derivatives by pixels? */
int batch_of_convolutions(Work of_g, Work of_d, int pixels, int least, bool *is_affordable);
void convolution_statements(Shape from, const char **head, const char **train);

#endif
