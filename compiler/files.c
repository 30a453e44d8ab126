/* Files that appear whole or not at all: gathered in memory, written aside, synced, renamed.
   Takes bytes and paths; returns whether the bytes lie there, after a message if not; never leaves half a file, or one
   beside it. What is no regular file is written in place, links lead where they lead, and a file that is replaced keeps
   its permissions. */
#include "compiler/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static bool write_failed(Session *session, const char *path) {
  int reason = errno;
  Diagnostic *diagnostic = diagnostic_report(session, E5006, (Span){0}, NULL);
  diagnostic_title(diagnostic, "cannot write %s: %s", path, strerror(reason));
  struct rlimit limit;
  if (reason == EFBIG && getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    diagnostic_hint(diagnostic,
                    "a limit holds here: no file, nor one in memory, may have more than %llu bytes (ulimit -f)",
                    (unsigned long long)limit.rlim_cur);
  return false;
}

/* ---- where a path leads ------------------------------------------------------------------------------------------ */

typedef struct Destination {
  const char *path; /* behind links at its end; there need be nothing yet */
  int descriptor;   /* of this process, if the path names one (/dev/stdout); or -1 */
  bool exists;
  struct stat status; /* where it exists */
} Destination;

static const char *folder_of(Session *session, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash) return ".";
  return slash == path ? "/" : session_intern(session, path, (size_t)(slash - path));
}

static bool status_same(const struct stat *one, const struct stat *other) {
  return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* The last part of the path as a descriptor's number, if its folder is that of this process's descriptors; or -1. */
static int descriptor_named(Session *session, const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  struct stat folder, own;
  if (!*name || name[strspn(name, "0123456789")]) return -1;
  if (stat(folder_of(session, path), &folder) != 0 || stat("/proc/self/fd", &own) != 0) return -1;
  return status_same(&folder, &own) ? atoi(name) : -1;
}

/* False with errno. Links that the system would not follow for us (of others, in shared folders) stop the first
   stat. */
static bool destination_find(Session *session, const char *path, Destination *found) {
  enum { LINK_LIMIT = 40 };
  char target[4096];
  *found = (Destination){.path = path, .descriptor = -1};
  found->exists = stat(path, &found->status) == 0;
  if (!found->exists && errno != ENOENT) return false;
  for (int links = 0; links < LINK_LIMIT; links++) {
    found->descriptor = descriptor_named(session, found->path);
    ssize_t length = found->descriptor < 0 ? readlink(found->path, target, sizeof target - 1) : -1;
    if (length < 0) return true;
    target[length] = '\0';
    found->path = target[0] == '/' ? session_string(session, target)
                                   : session_format(session, "%s/%s", folder_of(session, found->path), target);
  }
  errno = ELOOP;
  return false;
}

static int status_of(const char *path, int standard, struct stat *status) {
  return strcmp(path, "-") == 0 ? fstat(standard, status) : stat(path, status);
}

bool output_is_input(const char *output, const char *input) {
  struct stat one, other;
  if (status_of(output, STDOUT_FILENO, &one) != 0 || status_of(input, STDIN_FILENO, &other) != 0) return false;
  return S_ISREG(one.st_mode) && status_same(&one, &other);
}

/* ---- bytes into descriptors -------------------------------------------------------------------------------------- */

/* False with errno. A stream of somebody else's that does not block is waited for. */
static bool bytes_write(int descriptor, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = write(descriptor, bytes, size);
    if (count < 0 && errno == EAGAIN) poll(&(struct pollfd){.fd = descriptor, .events = POLLOUT}, 1, -1);
    else if (count < 0 && errno != EINTR) return false;
    if (count < 0) continue;
    bytes += count;
    size -= (size_t)count;
  }
  return true;
}

static bool write_in_place(const char *path, const char *bytes, size_t size) {
  int descriptor = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (descriptor < 0) return false;
  bool fine = bytes_write(descriptor, bytes, size);
  int reason = errno;
  bool closed = close(descriptor) == 0;
  if (!fine) errno = reason;
  return fine && closed;
}

/* ---- aside, then renamed ----------------------------------------------------------------------------------------- */

/* While a file lies aside, what ends the process has to wait: the time of a write and of a sync. */
static void endings_hold(sigset_t *before) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  sigset_t held;
  sigemptyset(&held);
  for (size_t at = 0; at < sizeof signals / sizeof *signals; at++) sigaddset(&held, signals[at]);
  pthread_sigmask(SIG_BLOCK, &held, before);
}

/* Permissions of what is replaced: its mode, its owner and group where the system lets us, and its list of rights, if
   it has one. Where that list cannot be kept, the group's bits are only the most that it gave to anybody: nobody gets
   them then. A program can be executed by whoever may read it. */
static bool permissions_keep(int descriptor, const Destination *to, mode_t mode) {
  static const char list_name[] = "system.posix_acl_access";
  char list[4096];
  mode_t kept = to->status.st_mode & 0777;
  ssize_t size = getxattr(to->path, list_name, list, sizeof list);
  bool grouped = fchown(descriptor, to->status.st_uid, to->status.st_gid) == 0 || to->status.st_gid == getegid() ||
                 fchown(descriptor, (uid_t)-1, to->status.st_gid) == 0;
  bool listed = size >= 0 ? fsetxattr(descriptor, list_name, list, (size_t)size, 0) == 0 : errno != ERANGE;
  if (!listed || !grouped) kept &= ~(mode_t)070;
  if (mode & 0111) kept |= (kept & 0444) >> 2;
  return fchmod(descriptor, kept) == 0;
}

/* A name that nobody can foresee, in the folder of the path; NULL with errno. */
static const char *name_aside(Session *session, const char *path) {
  uint64_t number;
  if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number) return NULL;
  return session_format(session, "%s/" OUTPUT_ASIDE "%016llx", folder_of(session, path), (unsigned long long)number);
}

/* False with errno. */
static bool replace(Session *session, const Destination *to, const char *bytes, size_t size, mode_t mode) {
  const char *aside = name_aside(session, to->path);
  if (!aside) return false;
  sigset_t before;
  endings_hold(&before);
  int descriptor = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, to->exists ? 0600 : mode);
  bool fine = descriptor >= 0 && (!to->exists || permissions_keep(descriptor, to, mode)) &&
              bytes_write(descriptor, bytes, size) && fsync(descriptor) == 0 && rename(aside, to->path) == 0;
  int reason = errno;
  if (!fine && descriptor >= 0) unlink(aside);
  if (descriptor >= 0) close(descriptor); /* synced: nothing can fail any more */
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = reason;
  return fine;
}

static bool read_only(Session *session, const char *path, mode_t mode) {
  Diagnostic *diagnostic = diagnostic_report(session, E5006, (Span){0}, NULL);
  diagnostic_title(diagnostic, "cannot write %s: it is read-only (its mode is %04o)", path, (unsigned)mode & 07777);
  diagnostic_hint(diagnostic, "chmod u+w %s", path);
  return false;
}

bool output_write(Session *session, const char *path, const void *bytes, size_t size, mode_t mode) {
  bool standard_output = strcmp(path, "-") == 0;
  if (standard_output) return bytes_write(STDOUT_FILENO, bytes, size) || write_failed(session, "standard output");
  Destination to;
  if (!destination_find(session, path, &to)) return write_failed(session, path);
  bool fine;
  if (to.descriptor >= 0) fine = bytes_write(to.descriptor, bytes, size);
  else if (to.exists && !S_ISREG(to.status.st_mode)) fine = write_in_place(path, bytes, size);
  else if (to.exists && !(to.status.st_mode & 0222)) return read_only(session, path, to.status.st_mode);
  else if (to.exists && faccessat(AT_FDCWD, to.path, W_OK, AT_EACCESS) != 0) fine = false;
  else fine = replace(session, &to, bytes, size, mode);
  return fine || write_failed(session, path);
}

bool output_copy(Session *session, int descriptor, const char *path, mode_t mode) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return write_failed(session, path);
  size_t size = (size_t)status.st_size;
  void *bytes = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : NULL;
  if (bytes == MAP_FAILED) return write_failed(session, path);
  bool fine = output_write(session, path, bytes, size, mode);
  if (size) munmap(bytes, size);
  return fine;
}

/* ---- streams into memory ----------------------------------------------------------------------------------------- */

bool output_open(Session *session, const char *path, OutputFile *file) {
  *file = (OutputFile){.path = path};
  file->stream = open_memstream(&file->bytes, &file->size);
  return file->stream || write_failed(session, path);
}

bool output_end(Session *session, OutputFile *file) {
  return fclose(file->stream) == 0 || write_failed(session, file->path);
}

bool output_close(Session *session, OutputFile *file) {
  bool fine = output_end(session, file) && output_write(session, file->path, file->bytes, file->size, 0666);
  free(file->bytes);
  return fine;
}

/* ---- files in memory --------------------------------------------------------------------------------------------- */

const char *file_descriptor_path(Session *session, int descriptor) {
  return session_format(session, "/proc/self/fd/%d", descriptor);
}

int file_anonymous(Session *session, const char *name, const void *bytes, size_t size) {
  int descriptor = memfd_create(name, 0); /* stays open in children: the linker reads and writes it */
  if (descriptor >= 0 && bytes_write(descriptor, bytes, size)) return descriptor;
  write_failed(session, name);
  if (descriptor >= 0) close(descriptor);
  return -1;
}
