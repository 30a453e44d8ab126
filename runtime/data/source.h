/* Inside runtime/data: the layers that a file of data goes through. Bytes come as they are or are inflated (stream.c);
   a reader is chosen by the first of them (readers.c); it fills type, shape, count and rows of a Dataset whose name is
   set. */
#ifndef SOURCE_H
#define SOURCE_H

#include <zlib.h>

#include "runtime/io.h"

/* ---- stream.c: bytes of a file, plain, of gzip or deflated ------------------------------------------------------- */

typedef enum Packing { PACKING_NONE, PACKING_GZIP, PACKING_DEFLATE } Packing;

typedef struct Stream {
  const char *name; /* what messages call it */
  Packing packing;
  const uint8_t *bytes; /* those that are there */
  size_t size;
  bool whole; /* there are no more */
  z_stream inflater;
  bool started;
  const uint8_t *packed; /* what the inflater was not given yet */
  size_t packed_size;
  uint8_t *buffer; /* of inflated ones: where `bytes` lie */
  size_t room;
} Stream;

bool gzip_recognise(const uint8_t *bytes, size_t size);
/* `bytes` outlive it. Close it in any case. */
bool stream_open(Stream *stream, const char *name, Packing packing, const uint8_t *bytes, size_t size,
                 Problem *problem);
/* Makes so many bytes be there, from the first on, or all there are; `bytes` may move. Damage that is met on the way is
   a problem. */
bool stream_need(Stream *stream, uint64_t wanted, Problem *problem);
/* what `bytes` lie in, to be freed; NULL where they are the caller's own */
uint8_t *stream_take(Stream *stream);
void stream_close(Stream *stream);

/* ---- zip.c: what is in an archive -------------------------------------------------------------------------------- */

typedef struct ZipEntry {
  const char *name; /* not terminated */
  int name_length;
  Packing packing;
  const uint8_t *packed;
  uint64_t packed_size, size;
  uint32_t checksum;
} ZipEntry;

typedef struct Zip {
  const char *name;
  const uint8_t *bytes;
  uint64_t size, at, end, left;
} Zip;

bool zip_recognise(const uint8_t *bytes, size_t size);
/* finds the directory, at the end of the file */
bool zip_open(Zip *zip, const char *name, const uint8_t *bytes, size_t size, Problem *problem);
/* The next entry; *there is false behind the last one. */
bool zip_next(Zip *zip, ZipEntry *entry, bool *there, Problem *problem);
bool zip_entry_ends(const ZipEntry *entry, const char *ending);
/* All bytes of an entry, whose checksum holds. Close the stream in any case. */
bool zip_read(const ZipEntry *entry, const char *name, Stream *stream, Problem *problem);

/* ---- readers.c: formats as rows ---------------------------------------------------------------------------------- */

typedef struct DataReader {
  const char *name;
  bool (*recognise)(const uint8_t *bytes, size_t size); /* by the first bytes of a file */
  /* `rows` point into the stream's bytes, or into dataset->owned. */
  bool (*open)(Dataset *dataset, Stream *stream, Problem *problem);
  bool archive; /* of arrays, of which dataset->member chooses one */
} DataReader;

/* From bytes that outlive it. Where rows lie in dataset->owned, the bytes are not needed any more. */
bool dataset_decode(Dataset *dataset, const uint8_t *bytes, size_t size, Problem *problem);
/* A file of any format that is read, or FILE.npz:NAME. */
Dataset *dataset_open_file(const char *path, Problem *problem);
/* The same into a data set without a name. */
bool dataset_read_file(Dataset *dataset, const char *path, Problem *problem);

bool npy_recognise(const uint8_t *bytes, size_t size);
enum { NPY_HEADER_LIMIT = 512 };
/* Its length; 0: .npy has no such type or shape. */
size_t npy_header(uint8_t header[NPY_HEADER_LIMIT], ElementType type, int64_t rank, const int64_t *shape);
bool npy_read(Stream *stream, NpyArray *array, Problem *problem);
bool npy_dataset(Dataset *dataset, Stream *stream, Problem *problem);
bool npz_dataset(Dataset *dataset, Stream *stream, Problem *problem);
bool idx_recognise(const uint8_t *bytes, size_t size);
bool idx_dataset(Dataset *dataset, Stream *stream, Problem *problem);

/* ---- unpacked.c: what was unpacked before ------------------------------------------------------------------------ */

/* The rows of the file of this stamp, if they lie there and can be believed. (dataset_keep puts them there.) */
bool unpacked_load(Dataset *dataset, const FileStamp *original);

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

/* `ring`, `grid(side=5, sigma=0.05)` … False with an empty problem text if the spec starts with no mixture's name; so
   `problem` must be there. */
bool mixture_generate(Dataset *dataset, const char *spec, DataPart part, DataColumn column, Problem *problem);

/* Axis 0 of an array becomes the samples. */
bool dataset_set_rows(Dataset *dataset, ElementType type, int64_t rank, const int64_t *shape, const void *rows,
                      Problem *problem);

/* Bytes of an array; false if there are 2^62 or more, or an extent is negative. */
bool shape_bytes(ElementType type, int64_t rank, const int64_t *shape, uint64_t *bytes);
/* Are there as many bytes of numbers as the header says? `found` of them are there, which is all or at least so
   many. */
bool shape_agrees(const Stream *stream, ElementType type, int64_t rank, const int64_t *shape, uint64_t wanted,
                  uint64_t found, Problem *problem);

#endif
