/* Data that were unpacked, kept so that the next start maps them: $XDG_CACHE_HOME/ganc/data-HASH.npy, by path, size and
   time of the original. Takes a data set whose path is known; returns its rows, or nothing: what lies there is believed
   only where folder and file are ours and closed to others, and the file ends in a seal of its bytes and of the very
   file that is read. Never fails because a cache cannot be used. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/data/source.h"

/* Behind the array, where readers of .npy do not look. */
typedef struct Seal {
  uint64_t name; /* hash of path and member */
  FileStamp original;
  uint64_t checksum; /* of all that stands before */
} Seal;

_Static_assert(sizeof(Seal) == 6 * sizeof(uint64_t), "a seal has no bytes that nobody sets");

typedef struct Place {
  char *folder, *file;
  uint64_t name;
} Place;

static void place_free(Place *place) {
  free(place->folder);
  free(place->file);
}

/* False: there is none. To be freed in any case. */
static bool place_find(const Dataset *dataset, const FileStamp *original, Place *place) {
  const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
  bool xdg = base && *base == '/';
  *place = (Place){0};
  char *real = xdg || (home && *home == '/') ? realpath(dataset->path, NULL) : NULL;
  if (!real) return false;
  int64_t key[3] = {original->size, original->seconds, original->nanoseconds};
  place->name = hash_fnv(hash_text(real), dataset->member, dataset->member ? strlen(dataset->member) : 0);
  place->folder = text_format("%s%s/ganc", xdg ? base : home, xdg ? "" : "/.cache");
  if (place->folder)
    place->file = text_format("%s/data-%016" PRIx64 ".npy", place->folder, hash_fnv(place->name, key, sizeof key));
  free(real);
  return place->file != NULL;
}

static bool ours_alone(const struct stat *facts) { return facts->st_uid == geteuid() && !(facts->st_mode & 0022); }

static bool folder_is_ours(const char *folder) {
  struct stat facts;
  return stat(folder, &facts) == 0 && S_ISDIR(facts.st_mode) && ours_alone(&facts);
}

/* Of a file that nobody else can write, all bytes; opening follows no link and waits for no pipe. */
static bool map_ours(const char *path, FileBytes *bytes) {
  struct stat facts;
  int descriptor = system_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
  if (descriptor < 0) return false;
  void *memory = MAP_FAILED;
  if (fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode) && ours_alone(&facts) && facts.st_size > 0)
    memory = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  close(descriptor);
  if (memory == MAP_FAILED) return false;
  *bytes = (FileBytes){memory, (size_t)facts.st_size, true};
  return true;
}

static Seal seal_of(const Place *place, const FileStamp *original) {
  return (Seal){.name = place->name, .original = *original};
}

static uint64_t checksum_end(uint32_t array, const Seal *seal) {
  return checksum_crc32(array, seal, offsetof(Seal, checksum));
}

static bool seal_holds(const FileBytes *bytes, const Place *place, const FileStamp *original) {
  Seal wanted = seal_of(place, original), found;
  if (bytes->size < sizeof found) return false;
  size_t size = bytes->size - sizeof found;
  memcpy(&found, bytes->data + size, sizeof found);
  if (memcmp(&found, &wanted, offsetof(Seal, checksum)) != 0) return false;
  return found.checksum == checksum_end(checksum_crc32(0, bytes->data, size), &found);
}

bool unpacked_load(Dataset *dataset, const FileStamp *original) {
  Place place;
  FileBytes bytes;
  NpyArray array;
  bool there = place_find(dataset, original, &place) && folder_is_ours(place.folder) && map_ours(place.file, &bytes);
  bool fine = there && seal_holds(&bytes, &place, original) &&
              npy_parse(place.file, bytes.data, bytes.size - sizeof(Seal), &array, NULL) &&
              dataset_set_rows(dataset, array.type, array.rank, array.shape, array.data, NULL);
  if (fine) dataset->file = bytes; /* the rows lie in it */
  else if (there) file_release(&bytes);
  place_free(&place);
  return fine;
}

static bool unpacked_write(FileWriter *writer, const Dataset *dataset, Seal *seal) {
  uint8_t header[NPY_HEADER_LIMIT];
  int64_t shape[IO_RANK_LIMIT] = {dataset->count};
  memcpy(shape + 1, dataset->shape, (size_t)dataset->rank * sizeof *shape);
  size_t length = npy_header(header, dataset->type, dataset->rank + 1, shape),
         bytes = (size_t)(dataset->count * dataset->size) * element_bytes(dataset->type);
  seal->checksum = checksum_end(checksum_crc32(checksum_crc32(0, header, length), dataset->rows, bytes), seal);
  return length && file_writer_write(writer, header, length, NULL) &&
         file_writer_write(writer, dataset->rows, bytes, NULL) && file_writer_write(writer, seal, sizeof *seal, NULL);
}

/* What lay there was not believed, whatever it was: it goes. What cannot be kept is unpacked again next time. */
void dataset_keep(const Dataset *dataset) {
  Place place;
  if (!dataset || !dataset->unpacked.inode || dataset->rank >= IO_RANK_LIMIT) return;
  if (place_find(dataset, &dataset->unpacked, &place) && directory_create_private(place.folder, NULL) &&
      folder_is_ours(place.folder)) {
    unlink(place.file);
    FileWriter *writer = file_writer_open_private(place.file, NULL);
    Seal seal = seal_of(&place, &dataset->unpacked);
    if (writer && unpacked_write(writer, dataset, &seal)) file_writer_commit(writer, NULL);
    else file_writer_abandon(writer);
  }
  place_free(&place);
}
