/* Files as wholes: read, mapped, written aside.
   Takes paths; returns bytes or a Problem. Never leaves a half-written file under its final name, and never retries
   what the disk refused. */
#include "runtime/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zlib.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

const char *file_kind(unsigned mode) {
  static const struct {
    unsigned mode;
    const char *name;
  } kinds[] = {
      {S_IFDIR, "a folder"}, {S_IFIFO, "a pipe"},   {S_IFSOCK, "a socket"},
      {S_IFCHR, "a device"}, {S_IFBLK, "a device"}, {S_IFLNK, "a link"},
  };
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
    if ((mode & S_IFMT) == kinds[k].mode) return kinds[k].name;
  return "something else";
}

static bool check_regular(const char *path, const struct stat *facts, Problem *problem) {
  if (S_ISREG(facts->st_mode)) return true;
  const char *hint = S_ISDIR(facts->st_mode) ? "name a file in it" : "write what comes out of it to a file, name that";
  return problem_set(problem, "%s is %s, expected a regular file: %s", path, file_kind(facts->st_mode), hint);
}

/* Asked before opening, which has effects on some devices, and after, as the path may mean something else by then. */
int file_open(const char *path, size_t *size, Problem *problem) {
  struct stat facts;
  int descriptor = -1;
  if (stat(path, &facts) < 0) problem_set_errno(problem, errno, "cannot open %s", path);
  else if (check_regular(path, &facts, problem)) {
    descriptor = system_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (descriptor < 0) problem_set_errno(problem, errno, "cannot open %s", path);
    else if (fstat(descriptor, &facts) < 0) problem_set_errno(problem, errno, "cannot ask for the size of %s", path);
    else if (check_regular(path, &facts, problem)) {
      *size = (size_t)facts.st_size;
      return descriptor;
    }
  }
  if (descriptor >= 0) close(descriptor);
  return -1;
}

bool file_stamp(const char *path, FileStamp *stamp) {
  struct stat facts;
  *stamp = (FileStamp){0};
  if (stat(path, &facts) < 0) return false;
  *stamp = (FileStamp){(uint64_t)facts.st_ino, facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec};
  return true;
}

bool file_stamp_equal(const FileStamp *a, const FileStamp *b) {
  return a->inode == b->inode && a->size == b->size && a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

bool file_same(const char *first, const char *second) {
  struct stat one, other;
  return stat(first, &one) == 0 && stat(second, &other) == 0 && S_ISREG(one.st_mode) && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
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
  memory[size] = 0; /* so that texts are terminated */
  *bytes = (FileBytes){memory, size, false};
  return true;
}

bool file_map(const char *path, FileBytes *bytes, Problem *problem) {
  *bytes = (FileBytes){0};
  size_t size = 0;
  int descriptor = file_open(path, &size, problem);
  if (descriptor < 0) return false;
  if (size == 0) { /* mmap refuses empty files */
    close(descriptor);
    return file_read(path, 0, bytes, problem);
  }
  void *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  int error = errno;
  close(descriptor);
  if (memory == MAP_FAILED) return problem_set_errno(problem, error, "cannot map %s (%zu bytes)", path, size);
  *bytes = (FileBytes){memory, size, true};
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

/* A folder cannot be made where a link leads nowhere: then the link is what is in the way. */
static bool set_no_directory(const char *path, Problem *problem) {
  int error = errno;
  char target[512];
  ssize_t length = readlink(path, target, sizeof target);
  if (length < 0) return problem_set_errno(problem, error, "cannot create the folder %s", path);
  return problem_set(problem, "cannot create the folder %s: %s is a link to %.*s, where nothing is", path, path,
                     (int)length, target);
}

static bool folders_create(const char *path, mode_t mode, Problem *problem) {
  if (directory_exists(path)) return true;
  char *copy = text_format("%s", path);
  if (!copy) return problem_out_of_memory(problem, path, strlen(path));
  bool fine = true;
  for (char *end = copy + 1; fine && *copy; end++) { /* at each slash and at the end: this much of the path */
    if (*end != '/' && *end != 0) continue;
    char kept = *end;
    *end = 0;
    if (mkdir(copy, mode) < 0 && !directory_exists(copy)) fine = set_no_directory(copy, problem);
    *end = kept;
    if (!kept) break;
  }
  free(copy);
  return fine;
}

bool directory_create(const char *path, Problem *problem) { return folders_create(path, 0777, problem); }
bool directory_create_private(const char *path, Problem *problem) { return folders_create(path, 0700, problem); }

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

/* ---- writing aside ----------------------------------------------------------------------------------------------- */

enum { WRITER_BUFFER = 1 << 16 };

struct FileWriter {
  char *path, *aside; /* aside: FOLDER/.NAME.RANDOM.partial; NULL: in place */
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
  if (writer->descriptor >= 0 && writer->aside) unlink(writer->aside);
  writer_free(writer);
}

/* Where a path leads through links of its last part, also one that leads nowhere yet: what they point to is written,
   they stay. *there: is there anything? Then `facts` are its own. Links that the system would not follow for us (of
   others, in shared folders) stop the first stat. On the heap; NULL with a problem. */
static char *follow_links(const char *path, bool *there, struct stat *facts, Problem *problem) {
  enum { LINK_LIMIT = 40 };
  *there = stat(path, facts) == 0;
  if (!*there && errno != ENOENT) {
    problem_set_errno(problem, errno, "cannot write %s", path);
    return NULL;
  }
  char *current = text_format("%s", path), target[4096];
  for (int k = 0; current && k <= LINK_LIMIT; k++) {
    ssize_t length = readlink(current, target, sizeof target - 1);
    if (length < 0) return current;
    target[length] = 0;
    const char *slash = strrchr(current, '/');
    int folder = slash && *target != '/' ? (int)(slash - current) + 1 : 0;
    char *next = text_format("%.*s%s", folder, current, target);
    free(current);
    current = next;
  }
  if (current) problem_set_errno(problem, ELOOP, "cannot write %s", path);
  else problem_out_of_memory(problem, path, strlen(path));
  free(current);
  return NULL;
}

/* What a file that is replaced allows, and to whom: its mode, its group where the system lets us, and its list of
   rights, if it has one. Where that list cannot be kept, the group's bits are only the most that it gave to anybody:
   nobody gets them then. */
static bool permissions_keep(int descriptor, const char *path, const struct stat *replaced) {
  static const char list_name[] = "system.posix_acl_access";
  char list[4096];
  mode_t kept = replaced->st_mode & 0777;
  ssize_t size = getxattr(path, list_name, list, sizeof list);
  bool grouped = replaced->st_gid == getegid() || fchown(descriptor, (uid_t)-1, replaced->st_gid) == 0;
  bool listed = size >= 0 ? fsetxattr(descriptor, list_name, list, (size_t)size, 0) == 0 : errno != ERANGE;
  if (!listed || !grouped) kept &= ~(mode_t)070;
  return fchmod(descriptor, kept) == 0;
}

/* A new file, under a name that nobody could guess: shared folders hold links planted by others. replaced: what was
   there before, or NULL. */
static bool open_aside(FileWriter *writer, bool private, const struct stat *replaced, Problem *problem) {
  enum { TRIES = 8, NAME_PART = 200 }; /* of a name, so that the longer one is none too long */
  const char *slash = strrchr(writer->path, '/');
  int folder = slash ? (int)(slash - writer->path) + 1 : 0, mode = private || replaced ? 0600 : 0666;
  for (int k = 0; k < TRIES; k++) {
    uint64_t random;
    if (getentropy(&random, sizeof random) < 0)
      return problem_set_errno(problem, errno, "cannot write %s: no random name", writer->path);
    free(writer->aside);
    writer->aside =
        text_format("%.*s.%.*s.%016" PRIx64 ".partial", folder, writer->path, NAME_PART, writer->path + folder, random);
    if (!writer->aside) return problem_out_of_memory(problem, writer->path, strlen(writer->path));
    writer->descriptor = system_open(writer->aside, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (writer->descriptor >= 0 || errno != EEXIST) break;
  }
  if (writer->descriptor < 0) return problem_set_errno(problem, errno, "cannot write %s", writer->path);
  if (!private && replaced && !permissions_keep(writer->descriptor, writer->path, replaced)) {
    problem_set_errno(problem, errno, "cannot give the new %s the permissions of the old one", writer->path);
    unlink(writer->aside);
    return false;
  }
  return true;
}

static FileWriter *writer_open(const char *path, bool private, Problem *problem) {
  FileWriter *writer = system_allocate(sizeof *writer);
  if (!writer) {
    problem_out_of_memory(problem, path, sizeof *writer);
    return NULL;
  }
  struct stat facts;
  bool there = false;
  writer->descriptor = -1;
  writer->filled = 0;
  writer->aside = NULL;
  writer->path = follow_links(path, &there, &facts, problem);
  bool fine = writer->path != NULL;
  if (fine && there && S_ISDIR(facts.st_mode)) fine = problem_set(problem, "cannot write %s: it is a folder", path);
  else if (fine && there && !S_ISREG(facts.st_mode)) { /* a terminal or a pipe is written to, never replaced */
    writer->descriptor = system_open(writer->path, O_WRONLY | O_NOCTTY, 0);
    if (writer->descriptor < 0) fine = problem_set_errno(problem, errno, "cannot write %s", path);
  } else if (fine && there && faccessat(AT_FDCWD, writer->path, W_OK, AT_EACCESS) < 0)
    fine = problem_set_errno(problem, errno, "cannot write %s", path);
  else if (fine) fine = open_aside(writer, private, there ? &facts : NULL, problem);
  if (fine) return writer;
  writer_free(writer);
  return NULL;
}

FileWriter *file_writer_open(const char *path, Problem *problem) { return writer_open(path, false, problem); }
FileWriter *file_writer_open_private(const char *path, Problem *problem) { return writer_open(path, true, problem); }

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
  bool fine = system_sync(descriptor) == 0 || errno == EINVAL; /* some file systems have nothing to sync in a folder */
  error = errno;
  close(descriptor);
  return fine || problem_set_errno(problem, error, "cannot sync the folder of %s", path);
}

bool file_writer_commit(FileWriter *writer, Problem *problem) {
  if (!descriptor_write(writer->descriptor, writer->path, writer->buffer, writer->filled, problem)) {
    file_writer_abandon(writer);
    return false;
  }
  if (writer->aside && system_sync(writer->descriptor) < 0) {
    problem_set_errno(problem, errno, "cannot sync %s", writer->path);
    file_writer_abandon(writer);
    return false;
  }
  int closed = close(writer->descriptor);
  int error = errno;
  writer->descriptor = -1;
  bool fine = closed == 0 || problem_set_errno(problem, error, "cannot close %s", writer->path);
  if (writer->aside) {
    if (fine && system_rename(writer->aside, writer->path) < 0)
      fine = problem_set_errno(problem, errno, "cannot rename %s to %s", writer->aside, writer->path);
    if (!fine) unlink(writer->aside);
    fine = fine && folder_sync(writer->path, problem);
  }
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

/* ---- checksums --------------------------------------------------------------------------------------------------- */

uint32_t checksum_crc32(uint32_t start, const void *bytes, size_t size) {
  return (uint32_t)crc32_z(start, bytes, size);
}
