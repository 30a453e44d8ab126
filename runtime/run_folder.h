/* What the two files about a run's folder share: what is known of it while somebody trains there. */
#ifndef RUN_FOLDER_H
#define RUN_FOLDER_H

#include "runtime/io.h"

typedef struct SoundFile {
  int64_t step;
  FileStamp stamp;
} SoundFile;

struct RunFolder {
  char *path;
  int lock, stats;    /* descriptors; -1: none */
  bool lost;          /* it is not where it was any more */
  int64_t saved_step; /* of the last checkpoint that was written here; -1: none */
  SoundFile *sound;   /* checkpoints that were written or read here, and are whole */
  size_t sound_count, sound_capacity;
};

/* run_steps.c */
/* Is there something to go on from, whatever state it is in? False with a problem where nobody can tell. */
bool folder_holds_run(const char *directory, bool *holds, Problem *problem);

/* run_folder.c */
/* What a run writes under this name is a regular file there, or nothing yet. Whoever made the folder may have put
   anything there: a link would be written through, a pipe waited for. */
bool own_file_check(const char *path, Problem *problem);

#endif
