/* Trainers that were built before: `ganc run` finds them again. Beside them lie the data that trainers have unpacked.
   Takes a compilation whose text is read and whose target is known; returns a path named by all that decides what a
   trainer does. What lies there is executed, so it is found only in a folder, and as a file, that nobody else can
   write, and with the digest that it was given when it was made. */
#include "compiler/compiler.h"
#include "runtime/words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Two FNV-1a sums of 64 bits with different starts: a key of 128. Each piece is followed by its end, so that pieces
   cannot run together. */
typedef struct Key {
  uint64_t first, second;
} Key;

static const Key key_start = {HASH_START, 0x9e3779b97f4a7c15u};
enum { KEY_DIGITS = 2 * (int)sizeof(Key), SEAL_SIZE = (int)sizeof(Key) };

static void key_add(Key *key, const char *text, size_t length) {
  for (size_t at = 0; at <= length; at++) { /* a 0 at its end, too */
    unsigned char byte = at < length ? (unsigned char)text[at] : 0;
    key->first = hash_fnv(key->first, &byte, 1);
    key->second = hash_fnv(key->second, &byte, 1);
    key->second ^= key->second >> 29;
  }
}

static void key_add_text(Key *key, const char *text) { key_add(key, text, strlen(text)); }

static const char *file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* ---- the folder: ganc's own below the user's cache, in it one for trainers alone --------------------------------- */

/* A message with how to mend it; false. */
__attribute__((format(printf, 3, 4))) static bool cache_refused(Session *session, const char *mend, const char *what,
                                                                ...) {
  va_list arguments;
  va_start(arguments, what);
  const char *title = session_format_list(session, what, arguments);
  va_end(arguments);
  Diagnostic *diagnostic = diagnostic_report(session, E5022, (Span){0}, NULL);
  diagnostic_title(diagnostic, "%s", title);
  diagnostic_hint(diagnostic, "%s", mend);
  return false;
}

static const char elsewhere[] = "set XDG_CACHE_HOME, or HOME, to a folder of your own, or use `ganc build`";
static const char clearing[] = "`ganc cache --clear` empties and closes it";

/* NULL after a diagnostic. There is none that is shared with others: what is found there is executed. *root: what is
   the user's own of it, as somebody has said. */
static const char *own_folder(Session *session, const char **root) {
  const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  bool xdg = cache && *cache == '/';
  *root = xdg ? cache : home;
  if (xdg) return session_format(session, "%s/ganc", cache);
  if (home && *home == '/') return session_format(session, "%s/.cache/ganc", home);
  cache_refused(session, elsewhere,
                "there is no folder for trainers: neither XDG_CACHE_HOME nor HOME is set to a path from /");
  return NULL;
}

static const char *trainers_folder(Session *session, const char *own) {
  return session_format(session, "%s/trainers", own);
}

/* Have others put this folder there, or a link in its place? closed: could they exchange what lies in it, too? A group
   of the user's own is not others. */
static bool part_safe(Session *session, const char *part, bool closed) {
  struct stat status;
  for (int followed = 0; followed < 2; followed++) {
    if ((followed ? stat : lstat)(part, &status) != 0) return true; /* what is asked next says why */
    bool link = S_ISLNK(status.st_mode), sticky = status.st_mode & S_ISVTX;
    mode_t others = status.st_gid == getegid() ? 0002 : 0022;
    if (!link && !S_ISDIR(status.st_mode)) return true;
    if (status.st_uid != geteuid() && status.st_uid != 0)
      return cache_refused(session, elsewhere, "%s belongs to another user, whose trainers would be executed", part);
    if (closed && !link && !sticky && status.st_mode & others)
      return cache_refused(session, elsewhere,
                           "others may write to %s (its mode is %04o), and what is below is executed", part,
                           (unsigned)status.st_mode & 07777);
  }
  return true;
}

/* Makes the folder of trainers and those above it, for their owner alone. Each from `root` on must be safe from others;
   ganc's own is closed later. */
static bool folder_make(Session *session, const char *root, const char *own, const char *path) {
  for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
    const char *part = slash ? session_intern(session, path, (size_t)(slash - path)) : path;
    if (slash && (size_t)(slash - path) >= strlen(root) && !part_safe(session, part, strcmp(part, own) != 0))
      return false;
    if (mkdir(part, 0700) != 0 && errno != EEXIST) {
      const char *reason = strerror(errno);
      return cache_refused(session, elsewhere, "cannot make the folder %s: %s", part, reason);
    }
    if (!slash) return true;
  }
}

static bool folder_ours(Session *session, const char *folder, mode_t *mode) {
  struct stat status;
  if (stat(folder, &status) != 0) {
    const char *reason = strerror(errno);
    return cache_refused(session, elsewhere, "cannot look into the folder %s: %s", folder, reason);
  }
  *mode = status.st_mode & 07777;
  if (!S_ISDIR(status.st_mode)) return cache_refused(session, elsewhere, "%s is no folder", folder);
  if (status.st_uid == geteuid()) return true;
  return cache_refused(session, elsewhere, "%s belongs to another user, whose trainers would be executed", folder);
}

static bool folder_close(Session *session, const char *folder) {
  if (chmod(folder, 0700) == 0) return true;
  const char *reason = strerror(errno);
  return cache_refused(session, elsewhere, "cannot close the folder %s to others: %s", folder, reason);
}

/* Nobody else can put anything there, nor could have. What others can read is closed, as is the folder above, where a
   file is never executed; where others could write, what lies there has to go first. */
static bool folders_closed(Session *session, const char *own, const char *trainers) {
  mode_t above, mode;
  if (!folder_ours(session, own, &above) || !folder_ours(session, trainers, &mode)) return false;
  if (mode & 0022) {
    return cache_refused(session, clearing, "others may write to %s (its mode is %04o), and what is there is executed",
                         trainers, (unsigned)mode);
  }
  if (above & 0077 && !folder_close(session, own)) return false;
  return !(mode & 0077) || folder_close(session, trainers);
}

/* ---- one trainer ------------------------------------------------------------------------------------------------- */

const char *cache_path(Compilation *compilation) {
  enum { NAME_LIMIT = 100 };
  const CommandLine *options = compilation->options;
  Session *session = compilation->session;
  const Machine *machine = compilation->backend->machine(compilation->target);
  Key key = key_start;
  key_add_text(&key, build_identity(session)); /* covers what ganc carries: standard library, runtime */
  key_add_text(&key, compilation->source->path);
  key_add(&key, compilation->source->text, compilation->source->length);
  key_add_text(&key, register_name(options->real));
  key_add_text(&key, options->feeds ? "feeds" : "");
  key_add_text(&key, options->no_diagnose ? "no-diagnose" : "");
  key_add_text(&key, options->trace ? "trace" : "");
  key_add_text(&key, compilation->backend->name);
  key_add_text(&key, machine->name);
  key_add_text(&key, machine->features);
  key_add_text(&key, machine->row->name);
  for (int at = 0; at < options->setting_count; at++) key_add_text(&key, options->settings[at]);
  const char *root, *own = own_folder(session, &root), *name = file_name(compilation->source->path);
  if (!own) return NULL;
  const char *trainers = trainers_folder(session, own);
  if (!folder_make(session, root, own, trainers) || !folders_closed(session, own, trainers)) return NULL;
  size_t length = strcspn(name, ".");
  if (length > NAME_LIMIT) length = NAME_LIMIT;
  unsigned long long first = key.first, second = key.second;
  return session_format(session, "%s/%.*s-%016llx%016llx", trainers, (int)length, name, first, second);
}

/* Of a trainer under this name. */
static Key seal_of(const char *path, const char *trainer, size_t size) {
  Key seal = key_start;
  key_add_text(&seal, file_name(path));
  key_add(&seal, trainer, size);
  return seal;
}

/* All of an open file; NULL with errno. */
static char *file_map(int descriptor, size_t *size) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) return NULL;
  *size = (size_t)status.st_size;
  char *bytes = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  return bytes == MAP_FAILED ? NULL : bytes;
}

bool cache_seal(Session *session, int trainer, const char *path) {
  size_t size;
  char *bytes = file_map(trainer, &size);
  bool fine = bytes != NULL;
  if (fine) {
    Key seal = seal_of(path, bytes, size);
    munmap(bytes, size);
    fine = pwrite(trainer, &seal, SEAL_SIZE, (off_t)size) == SEAL_SIZE;
  }
  const char *reason = strerror(errno);
  if (fine) return true;
  diagnostic_title(diagnostic_report(session, E5006, (Span){0}, NULL), "cannot write %s: %s", path, reason);
  return false;
}

static bool sealed(const char *path, int descriptor) {
  size_t size;
  char *bytes = file_map(descriptor, &size);
  if (!bytes) return false;
  bool fine = size > SEAL_SIZE;
  if (fine) {
    Key seal = seal_of(path, bytes, size - SEAL_SIZE);
    fine = memcmp(bytes + size - SEAL_SIZE, &seal, SEAL_SIZE) == 0;
  }
  munmap(bytes, size);
  return fine;
}

/* A file of ours that we can execute and nobody else can write. */
static bool trusted(int descriptor) {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid()) return false;
  return (status.st_mode & 0122) == 0100;
}

int cache_find(const char *path) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor >= 0 && trusted(descriptor) && sealed(path, descriptor)) {
    futimens(descriptor, NULL); /* used now */
    return descriptor;
  }
  unlink(path);
  if (descriptor >= 0) close(descriptor);
  return -1;
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static const int64_t cache_limit = 512 * 1024 * 1024; /* bytes: some three hundred trainers */

typedef struct Entry {
  const char *name;
  int64_t size;
  struct timespec used;
} Entry;
/* ours: is a file of this name one that ganc, or a trainer, has put there? Nothing else is touched. */
typedef struct Listing {
  const char *folder, *one, *several;
  bool (*ours)(const char *name);
  bool exists;
  int count, room;
  Entry *entries;
  int64_t size;
} Listing;

static bool ends_with_digits(const char *name, size_t length, size_t digits) {
  if (length <= digits || name[length - digits - 1] != '-') return false;
  return strspn(name + length - digits, "0123456789abcdef") >= digits;
}

/* A model's name and a key, or a file that was never finished. */
static bool is_trainer(const char *name) {
  return strncmp(name, OUTPUT_ASIDE, strlen(OUTPUT_ASIDE)) == 0 || ends_with_digits(name, strlen(name), KEY_DIGITS);
}

/* data-KEY.npy, as runtime/data/readers.c names it, or one that was never finished: .data-KEY.npy.RANDOM.partial. */
static bool is_unpacked(const char *name) {
  static const char start[] = "data-", end[] = ".npy";
  enum { DIGITS = 16 };
  bool partial = *name == '.';
  size_t length = sizeof start - 1 + DIGITS;
  name += partial;
  if (strncmp(name, start, sizeof start - 1) != 0 || strlen(name) < length || !ends_with_digits(name, length, DIGITS))
    return false;
  return strncmp(name + length, end, partial ? sizeof end - 1 : sizeof end) == 0;
}

static Listing trainers_in(const char *folder) {
  return (Listing){.folder = folder, .one = "trainer", .several = "trainers", .ours = is_trainer};
}

static int entry_order(const void *first, const void *second) { /* the newest use first */
  const Entry *one = first, *other = second;
  if (one->used.tv_sec != other->used.tv_sec) return one->used.tv_sec < other->used.tv_sec ? 1 : -1;
  if (one->used.tv_nsec != other->used.tv_nsec) return one->used.tv_nsec < other->used.tv_nsec ? 1 : -1;
  return strcmp(one->name, other->name);
}

static void listing_add(Session *session, Listing *listing, const char *name, const struct stat *status) {
  Entry entry = {session_string(session, name), status->st_size, status->st_mtim};
  ARRAY_ADD(session, listing->entries, listing->count, listing->room, entry);
  listing->size += status->st_size;
}

/* A folder that does not exist is empty. False with errno. */
static bool listing_make(Session *session, Listing *listing) {
  DIR *stream = opendir(listing->folder);
  if (!stream) return errno == ENOENT;
  listing->exists = true;
  for (struct dirent *item; (item = readdir(stream));) {
    struct stat status;
    if (!listing->ours(item->d_name)) continue;
    if (fstatat(dirfd(stream), item->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISDIR(status.st_mode)) listing_add(session, listing, item->d_name, &status);
  }
  closedir(stream);
  if (listing->count) qsort(listing->entries, (size_t)listing->count, sizeof *listing->entries, entry_order);
  return true;
}

static bool entry_remove(Session *session, const Listing *listing, const Entry *entry) {
  return unlink(session_format(session, "%s/%s", listing->folder, entry->name)) == 0 || errno == ENOENT;
}

/* Somebody may be writing it now. What lies aside for an hour was never finished. */
static bool entry_begun(const Entry *entry) {
  enum { SECONDS = 3600 };
  return *entry->name == '.' && time(NULL) - entry->used.tv_sec < SECONDS;
}

void cache_trim(Session *session, const char *path) {
  Listing listing = trainers_in(session_intern(session, path, (size_t)(file_name(path) - path - 1)));
  if (!listing_make(session, &listing)) return;
  for (int at = listing.count - 1; at >= 0 && listing.size > cache_limit; at--) {
    const Entry *entry = &listing.entries[at];
    if (strcmp(entry->name, file_name(path)) == 0 || entry_begun(entry)) continue;
    if (entry_remove(session, &listing, entry)) listing.size -= entry->size;
  }
}

/* Both kinds of files: of trainers, and of unpacked data in the folder above. False after a diagnostic. */
static bool cache_look(Session *session, Listing listings[2]) {
  const char *root, *own = own_folder(session, &root);
  if (!own) return false;
  if (!part_safe(session, own, false)) return false;
  listings[0] = trainers_in(trainers_folder(session, own));
  listings[1] = (Listing){
      .folder = own, .one = "unpacked file of data", .several = "unpacked files of data", .ours = is_unpacked};
  for (int kind = 0; kind < 2; kind++) {
    Listing *listing = &listings[kind];
    mode_t mode;
    if (!listing_make(session, listing)) {
      const char *reason = strerror(errno);
      return cache_refused(session, elsewhere, "cannot look into the folder %s: %s", listing->folder, reason);
    }
    if (listing->exists && !folder_ours(session, listing->folder, &mode)) return false;
  }
  return true;
}

static const char *amount_text(Session *session, const Listing *listing) {
  double size = (double)listing->size / (1024 * 1024);
  const char *what = listing->count == 1 ? listing->one : listing->several;
  return session_format(session, "%d %s, %.1f MiB", listing->count, what, size);
}

static void listing_print(Session *session, FILE *out, const Listing *listing) {
  fprintf(out, "%s: %s", listing->folder, amount_text(session, listing));
  if (listing->ours == is_trainer) fprintf(out, " of at most %d MiB", (int)(cache_limit / (1024 * 1024)));
  fputc('\n', out);
  for (int at = 0; at < listing->count; at++) {
    const Entry *entry = &listing->entries[at];
    char when[32] = "?";
    struct tm day;
    if (localtime_r(&entry->used.tv_sec, &day)) strftime(when, sizeof when, "%Y-%m-%d %H:%M", &day);
    fprintf(out, "  %8.1f MiB  used %s  %s\n", (double)entry->size / (1024 * 1024), when, entry->name);
  }
}

bool cache_list(Session *session, FILE *out) {
  Listing listings[2];
  if (!cache_look(session, listings)) return false;
  for (int kind = 0; kind < 2; kind++) listing_print(session, out, &listings[kind]);
  return true;
}

static bool listing_clear(Session *session, FILE *out, Listing *listing) {
  int begun = 0;
  for (int at = 0; at < listing->count; at++) {
    const Entry *entry = &listing->entries[at];
    if (entry_begun(entry)) {
      listing->size -= entry->size;
      begun++;
      continue;
    }
    if (entry_remove(session, listing, entry)) continue;
    const char *reason = strerror(errno);
    return cache_refused(session, elsewhere, "cannot remove %s/%s: %s", listing->folder, entry->name, reason);
  }
  if (listing->exists && !folder_close(session, listing->folder)) return false;
  listing->count -= begun;
  fprintf(out, "%s: %s removed\n", listing->folder, amount_text(session, listing));
  return true;
}

bool cache_clear(Session *session, FILE *out) {
  Listing listings[2];
  if (!cache_look(session, listings)) return false;
  return listing_clear(session, out, &listings[0]) && listing_clear(session, out, &listings[1]);
}
