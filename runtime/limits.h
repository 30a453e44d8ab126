/* Every limit that a trainer, its files or its command line can meet; beyond each stands a message. (LENGTH_LIMIT and
   REPEAT_LIMIT, which the compiler shares, stand in abi.h; limits of the language in lang/limits.h.) */
#ifndef RUNTIME_LIMITS_H
#define RUNTIME_LIMITS_H

enum {
  /* the command line */
  THREAD_LIMIT = 256,     /* --threads; more processors than that are left idle */
  ASSIGNMENT_LIMIT = 256, /* times that --data, --set and --feed are given each */

  /* files */
  IO_RANK_LIMIT = 8,       /* axes of a tensor in a file */
  HEADER_LIMIT = 16 << 20, /* bytes of a safetensors header */
  JSON_DEPTH_LIMIT = 64,   /* brackets within brackets */
  CONFIG_LIMIT = 64 << 20, /* bytes of a run's config.json */

  /* mixtures and pictures */
  MIXTURE_LIMIT = 1024,  /* modes of a mixture */
  COUNT_LIMIT = 1 << 24, /* samples of a mixture */
  SIDE_LIMIT = 32768     /* pixels along a side */
};

#endif
