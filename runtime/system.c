/* The only door from the readers and writers to the kernel and the heap: the calls that can fail at any moment.
   Each function is the call it is named after and nothing else. It is a file of its own so that a test program can
   define these six itself, which keeps this object out of its link, and then make the n-th call of any kind fail; a
   trainer pays nothing for that. */
#include "runtime/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int system_open(const char *path, int flags, int mode) { return open(path, flags | O_CLOEXEC, mode); }
int64_t system_write(int descriptor, const void *bytes, size_t size) { return write(descriptor, bytes, size); }
int system_sync(int descriptor) { return fsync(descriptor); }
int system_rename(const char *from, const char *to) { return rename(from, to); }
void *system_allocate(size_t bytes) { return malloc(bytes); }
void *system_resize(void *memory, size_t bytes) { return realloc(memory, bytes); }
