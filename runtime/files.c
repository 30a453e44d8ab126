/* Files as wholes: read, mapped, written aside.
   Takes paths; returns bytes or a Problem. Never leaves a half-written file under its final name, and never retries what the disk refused. */
#include "runtime/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- reading --------------------------------------------------------------------------------------------------------- */

/* An open descriptor of a regular file, and its size; -1 after a problem. */
static int file_open(const char *path, size_t *size, Problem *problem) {
  int descriptor = system_open(path, O_RDONLY, 0);
  struct stat facts;
  if (descriptor < 0) {
    problem_set_errno(problem, errno, "cannot open %s", path);
    return -1;
  }
  if (fstat(descriptor, &facts) < 0)
    problem_set_errno(problem, errno, "cannot ask for the size of %s", path);
  else if (S_ISDIR(facts.st_mode))
    problem_set(problem, "%s is a folder, expected a file", path);
  else if (!S_ISREG(facts.st_mode))
    problem_set(problem, "%s is not a regular file; copy its contents to one first", path);
  else {
    *size = (size_t)facts.st_size;
    return descriptor;
  }
  close(descriptor);
  return -1;
}

bool file_read(const char *path, size_t limit, FileBytes *bytes, Problem *problem) {
  *bytes = (FileBytes){0};
  size_t size = 0, done = 0;
  int descriptor = file_open(path, &size, problem);
  if (descriptor < 0) return false;
  if (size > limit) {
    close(descriptor);
    return problem_set(problem, "%s has %zu bytes, more than the %zu that such a file may have", path, size, limit);
  }
  uint8_t *memory = system_allocate(size + 1);
  if (!memory) {
    close(descriptor);
    return problem_out_of_memory(problem, path, size + 1);
  }
  while (done < size) {
    ssize_t got = read(descriptor, memory + done, size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (got < 0) problem_set_errno(problem, errno, "cannot read %s at byte %zu", path, done);
      else problem_set(problem, "%s became shorter while it was read: %zu of %zu bytes", path, done, size);
      free(memory);
      close(descriptor);
      return false;
    }
    done += (size_t)got;
  }
  close(descriptor);
  memory[size] = 0;                                        /* so that texts are terminated */
  *bytes = (FileBytes){ memory, size, false };
  return true;
}

bool file_map(const char *path, FileBytes *bytes, Problem *problem) {
  *bytes = (FileBytes){0};
  size_t size = 0;
  int descriptor = file_open(path, &size, problem);
  if (descriptor < 0) return false;
  if (size == 0) {                                         /* mmap refuses empty files */
    close(descriptor);
    return file_read(path, 0, bytes, problem);
  }
  void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  int error = errno;
  close(descriptor);
  if (memory == MAP_FAILED) return problem_set_errno(problem, error, "cannot map %s (%zu bytes)", path, size);
  *bytes = (FileBytes){ memory, size, true };
  return true;
}

void file_release(FileBytes *bytes) {
  if (bytes->mapped) munmap((void *)bytes->data, bytes->size);
  else free((void *)bytes->data);
  *bytes = (FileBytes){0};
}

bool file_exists(const char *path) {
  struct stat facts;
  return stat(path, &facts) == 0 && S_ISREG(facts.st_mode);
}

bool directory_exists(const char *path) {
  struct stat facts;
  return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool directory_create(const char *path, Problem *problem) {
  if (directory_exists(path)) return true;
  char *copy = text_format("%s", path);
  if (!copy) return problem_out_of_memory(problem, path, strlen(path));
  bool fine = true;
  for (char *end = copy + 1; fine && *copy; end++) {       /* at each slash and at the end: this much of the path */
    if (*end != '/' && *end != 0) continue;
    char kept = *end;
    *end = 0;
    if (mkdir(copy, 0777) < 0 && !directory_exists(copy)) fine = problem_set_errno(problem, errno, "cannot create the folder %s", copy);
    *end = kept;
    if (!kept) break;
  }
  free(copy);
  return fine;
}

char *text_format(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  char *text = length < 0 ? NULL : system_allocate((size_t)length + 1);
  if (!text) return NULL;
  va_start(arguments, format);
  vsnprintf(text, (size_t)length + 1, format, arguments);
  va_end(arguments);
  return text;
}

/* ---- writing aside ----------------------------------------------------------------------------------------------------- */

enum { WRITER_BUFFER = 1 << 16 };

struct FileWriter {
  char *path, *aside;                                      /* FOLDER/.NAME.PID.partial until the rename */
  int descriptor;
  size_t filled;
  uint8_t buffer[WRITER_BUFFER];
};

static void writer_free(FileWriter *writer) {
  if (writer->descriptor >= 0) close(writer->descriptor);
  free(writer->path);
  free(writer->aside);
  free(writer);
}

void file_writer_abandon(FileWriter *writer) {
  if (!writer) return;
  if (writer->descriptor >= 0) unlink(writer->aside);
  writer_free(writer);
}

FileWriter *file_writer_open(const char *path, Problem *problem) {
  FileWriter *writer = system_allocate(sizeof *writer);
  if (!writer) {
    problem_out_of_memory(problem, path, sizeof *writer);
    return NULL;
  }
  const char *slash = strrchr(path, '/');
  int folder = slash ? (int)(slash - path) + 1 : 0;
  writer->descriptor = -1;
  writer->filled = 0;
  writer->path = text_format("%s", path);
  writer->aside = text_format("%.*s.%s.%ld.partial", folder, path, path + folder, (long)getpid());
  if (!writer->path || !writer->aside) {
    problem_out_of_memory(problem, path, strlen(path));
    writer_free(writer);
    return NULL;
  }
  writer->descriptor = system_open(writer->aside, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (writer->descriptor < 0) {
    problem_set_errno(problem, errno, "cannot write %s", path);
    writer_free(writer);
    return NULL;
  }
  return writer;
}

/* All of it, through interrupted and short writes. */
static bool descriptor_write(int descriptor, const char *path, const uint8_t *bytes, size_t size, Problem *problem) {
  while (size > 0) {
    int64_t put = system_write(descriptor, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return problem_set_errno(problem, put < 0 ? errno : ENOSPC, "cannot write %s", path);
    bytes += put;
    size -= (size_t)put;
  }
  return true;
}

bool file_writer_write(FileWriter *writer, const void *bytes, size_t size, Problem *problem) {
  if (writer->filled + size > WRITER_BUFFER) {
    if (!descriptor_write(writer->descriptor, writer->path, writer->buffer, writer->filled, problem)) return false;
    writer->filled = 0;
  }
  if (size > WRITER_BUFFER) return descriptor_write(writer->descriptor, writer->path, bytes, size, problem);
  if (size) memcpy(writer->buffer + writer->filled, bytes, size);
  writer->filled += size;
  return true;
}

/* A rename is kept by a crash only once its folder is on the disk. */
static bool folder_sync(const char *path, Problem *problem) {
  const char *slash = strrchr(path, '/');
  char *folder = slash ? text_format("%.*s", slash == path ? 1 : (int)(slash - path), path) : text_format(".");
  if (!folder) return problem_out_of_memory(problem, path, strlen(path));
  int descriptor = system_open(folder, O_RDONLY | O_DIRECTORY, 0);
  int error = errno;
  free(folder);
  if (descriptor < 0) return problem_set_errno(problem, error, "cannot open the folder of %s", path);
  bool fine = system_sync(descriptor) == 0 || errno == EINVAL;            /* some file systems have nothing to sync in a folder */
  error = errno;
  close(descriptor);
  return fine || problem_set_errno(problem, error, "cannot sync the folder of %s", path);
}

bool file_writer_commit(FileWriter *writer, Problem *problem) {
  if (!descriptor_write(writer->descriptor, writer->path, writer->buffer, writer->filled, problem)) {
    file_writer_abandon(writer);
    return false;
  }
  if (system_sync(writer->descriptor) < 0) {
    problem_set_errno(problem, errno, "cannot sync %s", writer->path);
    file_writer_abandon(writer);
    return false;
  }
  int closed = close(writer->descriptor);
  int error = errno;
  writer->descriptor = -1;
  bool fine = closed == 0 || problem_set_errno(problem, error, "cannot close %s", writer->path);
  if (fine && system_rename(writer->aside, writer->path) < 0) fine = problem_set_errno(problem, errno, "cannot rename %s to %s", writer->aside, writer->path);
  if (!fine) unlink(writer->aside);
  fine = fine && folder_sync(writer->path, problem);
  writer_free(writer);
  return fine;
}

bool file_replace(const char *path, const void *bytes, size_t size, Problem *problem) {
  FileWriter *writer = file_writer_open(path, problem);
  if (!writer) return false;
  if (!file_writer_write(writer, bytes, size, problem)) {
    file_writer_abandon(writer);
    return false;
  }
  return file_writer_commit(writer, problem);
}

/* ---- hashes ------------------------------------------------------------------------------------------------------------------ */

uint64_t hash_fnv(uint64_t start, const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  for (size_t i = 0; i < size; i++) start = (start ^ byte[i]) * UINT64_C(0x100000001b3);
  return start;
}

uint64_t hash_text(const char *text) { return hash_fnv(UINT64_C(0xcbf29ce484222325), text, strlen(text)); }

uint32_t checksum_crc32(uint32_t start, const void *bytes, size_t size) { return (uint32_t)crc32_z(start, bytes, size); }
