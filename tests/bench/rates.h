/* What one core of the machine at hand can do, measured: each call is a short run, so that what is compared with it can
   be timed beside it. Written in instructions, so that no compiler decides what is measured. */
#ifndef RATES_H
#define RATES_H

#include <stddef.h>
#include <stdint.h>

/* Of this thread alone: others may share the cores. */
double seconds_spent(void);
double seconds_passed(void);

/* The middle one of `count` numbers, which are sorted. */
double median_of(int count, double *numbers);

/* Zeroed, in huge pages where the system has them, at the start of one. NULL where there is no memory. */
void *pages_allocate(size_t bytes);
void pages_free(void *pages);

/* Does the processor, and the system, have vectors of so many bytes with fused multiply-add? 32 or 64. */
int vector_bytes_here(void);

/* Operations a second of vectors of `vector_bytes` (32 or 64) whose elements have `element_bytes` (4 or 8), from
   registers: a multiply-add counts as two. */
double rate_multiply_add(int vector_bytes, int element_bytes);
/* The same where every one takes a number from memory and spreads it over the lanes: a load beside each. */
double rate_multiply_add_spread(int vector_bytes);
/* Vectors a second through square root and division, one after the other, as an optimizer has them. */
double rate_root_and_divide(int vector_bytes);
/* Products of pairs of bfloat16 added to float32, of vectors of 64 bytes; 0 where the processor has none. */
double rate_bfloat16(void);
/* Cycles a second, estimated by a chain of integer multiplications of three cycles each: what the clock is after the
   loop that ran before. */
double rate_clock(void);
/* A fifth of a second of the same: the clock is then what it will stay. */
void clock_raise(int vector_bytes);
/* Bytes a second that are read or written of so many bytes, over and over. `bytes` is rounded down to a multiple of
   512. */
double rate_read(const void *memory, size_t bytes, int vector_bytes);
double rate_write(void *memory, size_t bytes, int vector_bytes);
/* Read and written in place, as an optimizer does with its states; both count. */
double rate_update(void *memory, size_t bytes, int vector_bytes);

#endif
