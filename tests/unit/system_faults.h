/* Faults on demand: this file defines the calls of runtime/system.c, which keeps that object out of the test program's
   link, and makes the n-th of any kind fail. To be included by one file of a program. */
#ifndef SYSTEM_FAULTS_H
#define SYSTEM_FAULTS_H

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/io.h"

typedef enum CallKind { CALL_OPEN, CALL_WRITE, CALL_SYNC, CALL_RENAME, CALL_MEMORY, CALL_COUNT } CallKind;

typedef struct Faults {
  atomic_int seen[CALL_COUNT];
  int failing; /* the kind; -1: none */
  int at;      /* from 1 on */
  int error;
  bool partial, die;
} Faults;

static Faults own_faults = {.failing = -1}, *faults = &own_faults;

static bool fails(int kind) {
  bool now = atomic_fetch_add(&faults->seen[kind], 1) + 1 == faults->at && kind == faults->failing;
  if (now) errno = faults->error;
  if (now && faults->die) _exit(77);
  return now;
}

int system_open(const char *path, int flags, int mode) {
  return fails(CALL_OPEN) ? -1 : open(path, flags | O_CLOEXEC, mode);
}
int system_sync(int descriptor) { return fails(CALL_SYNC) ? -1 : fsync(descriptor); }
int system_rename(const char *from, const char *to) { return fails(CALL_RENAME) ? -1 : rename(from, to); }
void *system_allocate(size_t bytes) { return fails(CALL_MEMORY) ? NULL : malloc(bytes); }
void *system_resize(void *memory, size_t bytes) { return fails(CALL_MEMORY) ? NULL : realloc(memory, bytes); }

int64_t system_write(int descriptor, const void *bytes, size_t size) {
  if (fails(CALL_WRITE)) {
    if (faults->partial && size > 1)
      return write(descriptor, bytes, size / 2); /* the next one, not this, reports the full disk */
    return -1;
  }
  if (faults->partial && faults->failing == CALL_WRITE && faults->seen[CALL_WRITE] > faults->at) {
    errno = ENOSPC;
    return -1;
  }
  return write(descriptor, bytes, size);
}

/* From now on calls are counted, and the at-th of the kind fails. */
static void arm(int kind, int at, int error) {
  memset(faults, 0, sizeof *faults);
  faults->failing = kind;
  faults->at = at;
  faults->error = error;
}

/* From now on with the processes that this one starts: it sees what they have reached. */
static inline void faults_share(void) {
  faults = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(faults, MAP_FAILED);
  arm(-1, 0, 0);
}

#endif
