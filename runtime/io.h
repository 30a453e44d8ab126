/* The input and output half of the runtime: readers, samplers, checkpoints, run folders, pictures, metrics.
   Takes paths, bytes and tensors; returns false or NULL with a Problem that names the file, the place, what was
   expected, what was found and how to mend it; never prints, never exits, keeps nothing in globals. Sizes are in
   elements unless a name says bytes. One header for the folder's half. */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "runtime/abi.h"
#include "runtime/limits.h"
#include "runtime/words.h"

/* ---- problem.c: why something did not work ----------------------------------------------------------------------- */

typedef struct Problem {
  char text[1024];
} Problem; /* a sentence or two, without "error:" and without a newline at the end */

/* Always false, so that a reader can say `return problem_set(…)`. `problem` may be NULL. */
bool problem_set(Problem *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with ": " and the text of `error` (an errno) at the end. */
bool problem_set_errno(Problem *problem, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool problem_out_of_memory(Problem *problem, const char *what, size_t bytes);

/* ---- system.c: the only door to the kernel and the heap. A test program that defines these itself replaces the file
   at link time, and can fail any call. */

int system_open(const char *path, int flags, int mode);
int64_t system_write(int descriptor, const void *bytes, size_t size); /* as write(2) */
int system_sync(int descriptor);                                      /* as fsync(2) */
int system_rename(const char *from, const char *to);                  /* as rename(2) */
void *system_allocate(size_t bytes);                                  /* as malloc(3); free with free(3) */
void *system_resize(void *memory, size_t bytes);                      /* as realloc(3) */

/* ---- files.c ----------------------------------------------------------------------------------------------------- */

typedef struct FileBytes {
  const uint8_t *data;
  size_t size;
  bool mapped;
} FileBytes;

bool file_read(const char *path, size_t limit, FileBytes *bytes,
               Problem *problem); /* into memory; more than `limit` bytes are an error */
bool file_map(const char *path, FileBytes *bytes, Problem *problem); /* read-only mapping: may be larger than memory */
void file_release(FileBytes *bytes);                                 /* safe on zeroed ones */
/* A descriptor for reading, and the size; -1 with a problem, which says what it is if it is no regular file. Never
   waits, as for a pipe's writer. */
int file_open(const char *path, size_t *size, Problem *problem);
bool file_exists(const char *path);   /* a regular one */
const char *file_kind(unsigned mode); /* of one that is not, by st_mode: "a pipe" */
bool directory_exists(const char *path);
bool directory_create(const char *path, Problem *problem);         /* with its parents; one that exists is fine */
bool directory_create_private(const char *path, Problem *problem); /* the same; those that are made, for their owner */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* on the heap; NULL without memory */

/* What tells a file from itself after a change. Inode 0: no file. */
typedef struct FileStamp {
  uint64_t inode;
  int64_t size, seconds, nanoseconds;
} FileStamp;
bool file_stamp(const char *path, FileStamp *stamp); /* false: there is nothing of that name */
bool file_stamp_equal(const FileStamp *a, const FileStamp *b);

bool file_same(const char *first, const char *second); /* one regular file, by whatever path */

/* A file written aside: readers see the old file or the whole new one, whatever happens in between. Links are
   followed and permissions kept; what is no regular file (a terminal, a pipe) is written in place. */
typedef struct FileWriter FileWriter;
FileWriter *file_writer_open(const char *path, Problem *problem);
FileWriter *file_writer_open_private(const char *path, Problem *problem); /* for its owner alone, whatever was there */
bool file_writer_write(FileWriter *writer, const void *bytes, size_t size, Problem *problem);
bool file_writer_commit(FileWriter *writer,
                        Problem *problem);    /* flush, sync, rename, sync the folder; frees the writer in any case */
void file_writer_abandon(FileWriter *writer); /* removes what was written; NULL is fine */
bool file_replace(const char *path, const void *bytes, size_t size, Problem *problem); /* the four in one */

uint32_t checksum_crc32(uint32_t start, const void *bytes, size_t size); /* zlib's polynomial; start with 0 */

/* ---- lines.c: lists and texts that grow -------------------------------------------------------------------------- */

/* The list, moved where it must be, with room for so many elements: at least twice as many as there was room for
   before. NULL: no memory, and the list is where it was. */
void *list_grow(void *list, size_t *capacity, size_t needed, size_t element_bytes);

/* starts zeroed; failed: memory ran out */
typedef struct Lines {
  char *text;
  size_t length, capacity;
  bool failed;
} Lines;
void lines_put(Lines *lines, const char *bytes, size_t length); /* at the end */
/* the same; frees the line, of which NULL is one that failed */
void lines_add(Lines *lines, char *line);

/* The same text, with blanks for its line ends: names of files that others made begin no lines. NULL is fine. */
char *text_one_line(char *text);

typedef struct NameList {
  Lines lines;
  size_t more;
} NameList; /* starts zeroed */
void name_list_add(NameList *list, const char *name, const char *detail);
char *name_list_end(NameList *list); /* "a [2], b [3] and 7 more", on the heap; NULL without memory */

/* ---- rename.c: names of a file as a model spells them ------------------------------------------------------------ */

/* OLD is one or more whole parts of a name, wherever they stand; NEW takes their place, or nothing does. An empty OLD
   puts NEW in front. */
typedef struct RenameRule {
  const char *old, *put;
  int old_length, put_length;
} RenameRule;
/* OLD=NEW at *at, which moves on to the next one or the end */
bool rename_rule_read(const char **at, RenameRule *rule, Problem *problem);
/* on the heap; found is set if the rule speaks of this name */
char *rename_rule_apply(const RenameRule *rule, const char *name, bool *found);

/* ---- json.c: a strict reader and a small writer ------------------------------------------------------------------ */

typedef enum JsonKind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT } JsonKind;

typedef struct Json Json;
struct Json {
  JsonKind kind;
  bool truth;    /* BOOL */
  bool whole;    /* NUMBER: written as an integer that `integer` holds */
  double number; /* NUMBER */
  int64_t integer;
  const char *text; /* TEXT: UTF-8, terminated; may hold zero bytes before `length` only if escaped so */
  size_t length;
  const char *key; /* of an object's member */
  size_t count;    /* ARRAY, OBJECT: children */
  Json *first, *next;
};

/* `name` is what messages call the text. Refused: anything after the value, depth over 64, duplicate keys, invalid
   UTF-8, lone surrogates, leading zeros, NaN. */
Json *json_parse(const char *name, const char *text, size_t length, Problem *problem);
void json_free(Json *root);
const Json *json_find(const Json *object, const char *key); /* NULL: not there, or not an object */

/* Builds one value. key: NULL inside arrays and at the top. Failure of memory is remembered, json_writer_text then
   returns NULL. */
typedef struct JsonWriter JsonWriter;
JsonWriter *json_writer_new(bool indented); /* false: one line, for .jsonl; NULL without memory */
void json_open_object(JsonWriter *writer, const char *key);
void json_open_array(JsonWriter *writer, const char *key);
void json_close(JsonWriter *writer);
void json_put_text(JsonWriter *writer, const char *key, const char *text); /* invalid UTF-8 becomes U+FFFD */
void json_put_number(JsonWriter *writer, const char *key,
                     double number); /* shortest form that reads back equal; NaN and infinities: null */
void json_put_integer(JsonWriter *writer, const char *key, int64_t integer);
void json_put_bool(JsonWriter *writer, const char *key, bool truth);
void json_put_null(JsonWriter *writer, const char *key);
const char *json_writer_text(JsonWriter *writer); /* ends with a newline; valid until the writer is freed */
void json_writer_free(JsonWriter *writer);
bool json_writer_print(JsonWriter *writer, FILE *out, Problem *problem); /* its text; then it is freed */

/* ---- data/elements.c: stored numbers ----------------------------------------------------------------------------- */

typedef enum ElementType {
  ELEMENT_U8,
  ELEMENT_I8,
  ELEMENT_I16,
  ELEMENT_I32,
  ELEMENT_I64,
  ELEMENT_F16,
  ELEMENT_BF16,
  ELEMENT_F32,
  ELEMENT_F64,
  ELEMENT_TYPE_COUNT,
  ELEMENT_UNREAD = ELEMENT_TYPE_COUNT /* of a file's tensor: a type that is none of these */
} ElementType;

size_t element_bytes(ElementType type);
const char *element_name(ElementType type); /* "u8", "f32", … */
bool element_is_integer(ElementType type);
double element_read(ElementType type, const void *array, int64_t index); /* no alignment asked for */
/* "[3, 64, 64]" for messages; `text` holds 160 bytes; returns it. */
char *element_shape_text(int64_t rank, const int64_t *shape, char text[160]);

/* A tensor in memory. Strides in elements. */
typedef struct TensorView {
  const char *name;
  StorageType type;
  int64_t rank;
  int64_t shape[8];
  int64_t stride[8];
  void *data;
} TensorView;

TensorView tensor_view(const TensorRecord *record,
                       void *block);              /* block: start of the block that record->offset counts in */
int64_t tensor_view_size(const TensorView *view); /* elements */
/* "D.Linear_1.W[3, 0]": an element by its row-major number, for messages; on the heap. */
char *tensor_view_place(const TensorView *view, int64_t element);
const char *number_word(double value); /* of what is no finite number: "not a number", "infinite", "minus infinity" */

/* ---- safetensors.c ----------------------------------------------------------------------------------------------- */

typedef struct StoredTensor {
  const char *name, *dtype; /* dtype: as the file spells it */
  char *renamed;            /* what `name` is where it was renamed, else NULL */
  /* ELEMENT_UNREAD: its numbers cannot be had, and only its span of bytes is known */
  ElementType type;
  int64_t rank, shape[8]; /* of more than 8 axes: how many, and the first 8 */
  uint64_t offset, bytes;
} StoredTensor;
typedef struct TextPair {
  const char *key, *value;
} TextPair;
typedef struct SafeTensors SafeTensors;

SafeTensors *safetensors_open(const char *path,
                              Problem *problem); /* reads and checks the header; data stay in the file */
SafeTensors *safetensors_parse(const char *name, const uint8_t *bytes, size_t size,
                               Problem *problem); /* the same from memory that outlives it */
void safetensors_close(SafeTensors *file);        /* NULL is fine */
const char *safetensors_path(const SafeTensors *file);
size_t safetensors_count(const SafeTensors *file);
const StoredTensor *safetensors_tensor(const SafeTensors *file, size_t index);   /* in the order of names */
const StoredTensor *safetensors_find(const SafeTensors *file, const char *name); /* or NULL */
/* Rules "OLD=NEW,…", one after the other; see rename.c. One that no name follows is a problem, and so are two names
   that become one. */
bool safetensors_rename(SafeTensors *file, const char *rules, Problem *problem);
char *stored_shape_text(const StoredTensor *tensor, char text[160]);        /* as element_shape_text */
const char *safetensors_metadata(const SafeTensors *file, const char *key); /* or NULL */
const Json *safetensors_metadata_all(const SafeTensors *file);              /* an object of texts, or NULL */
/* The tensor's numbers, converted, into the view. The number of elements must agree. */
bool safetensors_read(SafeTensors *file, const StoredTensor *tensor, const TensorView *view, Problem *problem);
/* The row-major number of the first element that is NaN or infinite, and its value; -1: none is. */
int64_t tensor_view_not_finite(const TensorView *view, double *value);
/* Written aside, synced, renamed. The key "checksum" is added to the metadata: crc32 of the whole file with its eight
   digits as 0. */
bool safetensors_write(const char *path, const TensorView *views, size_t count, const TextPair *metadata,
                       size_t metadata_count, Problem *problem);
/* Compares the checksum; a file without one passes. Reads all of the file. */
bool safetensors_verify(SafeTensors *file, Problem *problem);

/* ---- checkpoint.c: weights, states and optimizer states under their names, and where the run stands -------------- */

typedef struct NamedCount {
  const char *name;
  int64_t value;
} NamedCount;

typedef struct CheckpointState {
  int64_t step, image;
  uint64_t seed;
  const char *model, *source_hash;
  const NamedCount *counts; /* whatever else must go on: positions of data, ordinals of outputs … */
  size_t count_count;
} CheckpointState;

typedef struct Checkpoint Checkpoint;

/* What loading by name met. */
typedef struct LoadReport {
  size_t loaded, missing, left_over,
      different; /* missing: not in the file; left_over: only there; different: another shape, or integers */
  char *text;    /* a line for each that was not loaded, "" if all is well */
} LoadReport;

/* Are all of them finite numbers? Else the first that is not is named: "D.b[3] is not a number". */
bool tensors_are_finite(const TensorView *views, size_t count, Problem *problem);
/* `views`: the tensors whose role is WEIGHT, STATE or OPTIMIZER_STATE. Not finite ones are a problem, before anything
   is written. */
bool checkpoint_write(const char *path, const CheckpointState *state, const TensorView *views, size_t count,
                      Problem *problem);
/* Any safetensors file. Its checksum, where it has one, is compared. */
Checkpoint *checkpoint_open(const char *path, Problem *problem);
void checkpoint_close(Checkpoint *checkpoint);
const char *checkpoint_path(const Checkpoint *checkpoint);
const StoredTensor *checkpoint_find(const Checkpoint *checkpoint, const char *name); /* or NULL */
bool checkpoint_rename(Checkpoint *checkpoint, const char *rules, Problem *problem); /* as safetensors_rename */
/* Does a file's tensor have a weight's shape, in floating-point numbers of any width? NULL does not. */
bool stored_fits(const StoredTensor *stored, const TensorView *view);
/* Its tensors with their shapes, on the heap: those that `names` (sorted) lacks, without optimizer states, which are
   named by a weight. */
char *checkpoint_list(const Checkpoint *checkpoint, const char *const *names, size_t count);
/* NULL with a Problem: the file holds weights only (no position to go on from). Lives as long as the checkpoint. */
const CheckpointState *checkpoint_state(const Checkpoint *checkpoint, Problem *problem);
/* Has the file every view that is `needed`, under its name, with its shape, as floating-point numbers of any width?
   Else a problem that says what is wanting, for `what` it is needed and what the file has instead. */
bool checkpoint_require(const Checkpoint *checkpoint, const TensorView *views, size_t count, const bool *needed,
                        const char *what, Problem *problem);
/* Loads every view that fits in the same sense. whole: unless all agree (left over ones included), touches nothing and
   returns false. What is not finite, in the file or in the view's type, is a problem that names tensor and element; the
   views then hold anything. report may be NULL; else release it in any case. */
bool checkpoint_load(Checkpoint *checkpoint, const TensorView *views, size_t count, bool whole, LoadReport *report,
                     Problem *problem);
void load_report_release(LoadReport *report);

/* ---- run_folder.c: DIR/config.json, stats.jsonl, checkpoints/, samples/, eval/ ----------------------------------- */

typedef struct RunFolder RunFolder;

/* What creating or resuming would refuse, asked without writing anything. */
bool run_folder_ready(const char *directory, bool resume, Problem *problem);
/* directory NULL: runs/<model>-<n> with the first free n. Refuses a folder that holds a run already, and one that
   another trainer has locked. A run is what has a checkpoint: what one without has left is removed. */
RunFolder *run_folder_create(const char *directory, const char *model, Problem *problem);
RunFolder *run_folder_resume(const char *directory, Problem *problem); /* the same lock; the folder must hold a run */
void run_folder_close(RunFolder *folder);                              /* unlocks; NULL is fine */
const char *run_folder_path(const RunFolder *folder);
/* Is it still where it was? What is appended or saved asks that by itself. */
bool run_folder_stays(RunFolder *folder, Problem *problem);
bool run_folder_is_lost(const RunFolder *folder); /* was it no more, the last time? */
/* Instead of one that is lost: the same one where it was moved to, or, of one that was removed, a new one beside it,
   DIR-saved-<n>, without a config (fresh). The old one stays where that fails. */
bool run_folder_recover(RunFolder **folder, bool *fresh, Problem *problem);
/* Of the last checkpoint that was written here; -1: none. */
int64_t run_folder_saved_step(const RunFolder *folder);
Json *run_config_read(const char *directory, Problem *problem); /* its config.json */
bool run_folder_write_config(RunFolder *folder, const char *json, Problem *problem);
/* Appends a line (ending in a newline), whole or not at all. */
bool run_folder_append_stats(RunFolder *folder, const char *line, Problem *problem);
/* After resuming at `step`: removes a torn last line and lines whose "step" is beyond it. seconds: what the lines
   that stay tell of the time to that step. */
bool run_folder_trim_stats(RunFolder *folder, int64_t step, double *seconds, Problem *problem);
/* samples/<name>-<step>.<ending>; creates the folder; on the heap, NULL with a problem. */
char *run_folder_sample_path(RunFolder *folder, const char *name, int64_t step, const char *ending, Problem *problem);
/* eval/<output>-against-<data>-<step>.json, without the step if it is negative; creates the folder; on the heap, NULL
   with a problem. Needs no lock. */
char *run_folder_evaluation_path(const char *directory, const char *output, const char *data, int64_t step,
                                 Problem *problem);

/* ---- run_steps.c: DIR/checkpoints/step-000500.safetensors, samples/fakes-000500.png ------------------------------ */

/* Of the pictures of that name and ending, one every `period` steps up to `newest`, at most `keep` stay, as far
   apart as need be; the newest always. */
bool run_folder_thin_samples(const RunFolder *folder, const char *name, const char *ending, int64_t newest,
                             int64_t period, int64_t keep, Problem *problem);
char *run_folder_checkpoint_path(const char *directory,
                                 int64_t step); /* DIR/checkpoints/step-<step>.safetensors, on the heap */
/* Writes that file; then removes all but the newest `keep` that are sound (0: keeps all). A failure leaves the
   earlier ones as they are. */
bool run_folder_save_checkpoint(RunFolder *folder, const CheckpointState *state, const TensorView *views, size_t count,
                                int keep, Problem *problem);
/* The newest checkpoint of a run's directory that passes its checks. `notes`, on the heap, has a line for each damaged
   one that was passed over ("" if none); may be NULL. Needs no lock. */
Checkpoint *run_folder_newest_checkpoint(const char *directory, char **notes, Problem *problem);
/* The run's folder that this file lies in, as DIR/checkpoints/FILE beside DIR/config.json; on the heap, NULL if it does
   not. */
char *run_folder_of_checkpoint(const char *path);
/* Of the runs of this model under runs/ that whose newest checkpoint was written last (for commands without --run),
   on the heap; NULL with a problem. */
char *run_folder_find_latest(const char *model, Problem *problem);

/* ---- data/npy.c -------------------------------------------------------------------------------------------------- */

typedef struct NpyArray {
  ElementType type;
  int64_t rank;
  int64_t shape[8];
  const void *data;
  FileBytes file;
} NpyArray; /* row-major */

bool npy_open(const char *path, NpyArray *array, Problem *problem);
bool npy_parse(const char *name, const uint8_t *bytes, size_t size, NpyArray *array,
               Problem *problem); /* from memory that outlives it */
void npy_close(NpyArray *array);
bool npy_write(const char *path, ElementType type, int64_t rank, const int64_t *shape, const void *data,
               Problem *problem); /* written aside */

/* ---- data/foreign.c: files that are not read --------------------------------------------------------------------- */

/* Is it of another format that is known? Then the problem says of which, and how Python makes one of it that is
   read. */
bool foreign_weights(const char *path, const uint8_t *bytes, size_t size, Problem *problem);
bool foreign_data(const char *path, const uint8_t *bytes, size_t size, Problem *problem);

/* ---- data/source.c, readers.c, mixtures.c, fill.c: data sets ----------------------------------------------------- */

/* CHOSEN: the held-out part of what has one, else all there is: what somebody has named to compare with. */
typedef enum DataPart { DATA_TRAIN, DATA_HELD_OUT, DATA_CHOSEN } DataPart;
typedef enum DataColumn { COLUMN_SAMPLES, COLUMN_LABELS } DataColumn;

/* A mixture of equal Gaussians in the plane. */
typedef struct Mixture {
  int modes;
  double sigma;
  double center[MIXTURE_LIMIT][2];
} Mixture;

typedef struct Dataset {
  char *name; /* what messages call it */
  char *path; /* of the file, NULL for what is built in */
  /* which array of an .npz was asked for, or NULL; in `name` */
  const char *member;
  ElementType type;
  int64_t rank, shape[8]; /* of one sample */
  int64_t size;           /* elements of one sample */
  int64_t count;          /* samples */
  const void *rows;       /* [count, shape], row-major */
  bool divided;           /* one of two parts, as of what is built in; else all of a file */
  const Mixture *mixture; /* of built-in mixtures, else NULL */
  FileBytes file;         /* what `rows` lies in, if it is a file */
  void *owned;            /* what `rows` lies in, if it is memory */
  FileStamp unpacked;     /* of the file that was unpacked for it just now; else there is none */
} Dataset;

/* SPEC: `fashion-mnist`, `ring`, `ring(modes=8, radius=1, sigma=0.01, count=65536)`, `grid(side=5, spacing=0.5,
   sigma=0.01, count=65536)`, or a path to .npy, .npz or IDX, plain or compressed by gzip; FILE.npz:NAME is one array of
   several. Only fashion-mnist and mixtures have a held-out part; asked of a file, that is a problem. A file is its own
   column of labels. */
Dataset *dataset_open(const char *spec, DataPart part, DataColumn column, Problem *problem);
void dataset_close(Dataset *dataset); /* NULL is fine */
/* Where rows were unpacked, they are kept for the next start; where that is not possible, nothing happens. NULL is
   fine. */
void dataset_keep(const Dataset *dataset);
char *dataset_file(const char *path); /* the FILE of FILE or FILE.npz:NAME, on the heap; NULL without memory */
/* The path from / of what `path` names, FILE or FILE.npz:NAME, on the heap; NULL: there is no such file. */
char *dataset_absolute(const char *path);
/* May this tensor be filled from it? Same number of elements, compatible shapes; labels whole and below
   record->classes. */
bool dataset_fits(const Dataset *dataset, const TensorRecord *record, Problem *problem);
/* Reads every number: finite, and within record->low..high where the record is bounded. Integers wider than a byte need
   such a range. fed: the numbers are not scaled, whatever their type. */
bool dataset_check(const Dataset *dataset, const TensorRecord *record, bool fed, Problem *problem);
/* What a run remembers of a file: path, size, time and inode, as text on the heap; NULL: there is no file. */
char *dataset_mark(const Dataset *dataset);
/* The same and the range that its numbers were checked for. Another mark, another check. */
char *dataset_checked_mark(const Dataset *dataset, const TensorRecord *record);
/* Is it the file of this mark, of either kind, unchanged? */
bool dataset_has_mark(const Dataset *dataset, const char *known);
/* Samples `indices` (each in 0..count-1) to batch places 0..n-1 of the tensor, by the record's strides and type.
   `data`: the tensor's first element. A tensor without batch axis takes n = 1. Bytes that are no labels are scaled from
   their type's range to record->low..high, unless low = high; all else is taken as it is. */
void dataset_fill(const Dataset *dataset, const int64_t *indices, int64_t n, const TensorRecord *record, void *data);
/* The same numbers, row-major float32 [n, size]: for metrics. */
void dataset_rows(const Dataset *dataset, const int64_t *indices, int64_t n, double low, double high, float *rows);

/* ---- data/sampler.c: position → sample, through a permutation that is a function of (seed, name, pass) ----------- */

/* Sample number at a position ≥ 0 of the endless walk. O(1) memory; a pass is count positions long. */
int64_t permutation_index(uint64_t seed, uint64_t name_hash, int64_t count, int64_t position);
/* The n samples from `position` on. */
void permutation_indices(uint64_t seed, uint64_t name_hash, int64_t count, int64_t position, int64_t n,
                         int64_t *indices);

/* ---- data/supply.c: where the values of data and of fed tensors come from ---------------------------------------- */

typedef struct Supply Supply;

/* `tensors` outlives it. */
Supply *supply_new(const TensorRecord *tensors, int64_t tensor_count, uint64_t seed, Problem *problem);
void supply_free(Supply *supply); /* NULL is fine */
/* The data that a ROLE_DATA tensor draws from: for all tensors of these data, fresh ones too. Labels (record->classes >
   0) ask for the data set's labels. Tensors of one group must agree in their number of samples (checked by
   supply_check). */
bool supply_add_data(Supply *supply, int64_t tensor, const char *spec, DataPart part, Problem *problem);
/* The variable of any data or noise tensor: an evaluation that mentions it, under whatever batch, takes the file's next
   `batch` rows (one for a tensor without batch axis). */
bool supply_add_feed(Supply *supply, int64_t tensor, const char *path, Problem *problem);
/* Data that are sampled together agree in their number of samples. (That data have a source is asked where they are
   read.) */
bool supply_check(const Supply *supply, Problem *problem);
void supply_keep(const Supply *supply); /* dataset_keep of all data and feeds */
/* Have the files of data and feeds their size and time still? supply_fill asks at the end of each pass. */
bool supply_check_files(const Supply *supply, Problem *problem);
bool supply_is_fed(const Supply *supply, int64_t tensor);
const Dataset *supply_feed(const Supply *supply, int64_t tensor); /* of data or noise; NULL: none was added */
int64_t supply_fed(const Supply *supply, int64_t tensor);         /* its rows that the train block has taken */
int64_t supply_sample_count(const Supply *supply,
                            int64_t tensor); /* of what serves the train block: what `epoch` divides by; 0: none */
const Dataset *supply_dataset(const Supply *supply, int64_t tensor); /* of a data tensor; NULL: none was added */
/* Which rows an evaluation takes. apart NULL: the next ones of the train block, which moves on; else an output's name:
   from row `first` on of walks of its own
   (`x@fakes`) and of feeds, and nothing moves. fed: at most so many rows of a feed, which are repeated to fill the
   batch; 0: feeds are left alone. */
typedef struct Rows {
  const char *apart;
  int64_t first, fed;
} Rows;

/* One evaluation: fills tensors (data or noise) at buffers[i] (first element) where it has something for them, and
   says so in filled[i]. Each walk that is mentioned advances by the batch, once, so that tensors of a group stay
   aligned. Feeds that run out make it fail, and files that have changed. */
bool supply_fill(Supply *supply, const int64_t *tensors, void *const *buffers, int64_t count, Rows rows, bool *filled,
                 Problem *problem);
/* All positions of the train block, for checkpoints: names as "x", "x.fresh_1", "feed z". Valid until the next call. */
const NamedCount *supply_positions(Supply *supply, size_t *count);
/* Which row of which data or feed the train block's last evaluation has put at a sample of the tensor; -1: it was
   drawn. */
int64_t supply_last_row(const Supply *supply, int64_t tensor, int64_t sample, const Dataset **of);
/* Goes on from one of these; other names (of data that the model no longer has) are passed over. */
bool supply_seek(Supply *supply, const char *name, int64_t position, Problem *problem);

/* ---- image_grid.c ------------------------------------------------------------------------------------------------ */

/* values: row-major [n, sample shape] with values in low..high. [h, w], [1, h, w] and [3, h, w] become a PNG grid, [2]
   a scatter plot with fitted axes; any other shape is a problem whose hint is .npy. Written aside. */
bool picture_write(const char *path, const float *values, int64_t n, int64_t rank, const int64_t *shape, double low,
                   double high, Problem *problem);
bool picture_possible(int64_t rank, const int64_t *shape); /* of one sample */

/* ---- progress.c -------------------------------------------------------------------------------------------------- */

typedef struct Progress {
  int64_t first, total; /* steps; total 0: unknown */
  double images_per_step;
  int width;        /* of the terminal; 0: not one */
  int64_t left_out; /* objectives that have no place in the line */
  int64_t step;
  int time_count;
  double milliseconds[64]; /* of the last steps, as a ring */
} Progress;
typedef struct ProgressValue {
  const char *name;
  double value;
} ProgressValue;

int terminal_width(int descriptor); /* 0: not a terminal */
Progress progress_start(int width, int64_t first, int64_t total, double images_per_step);
void progress_note(Progress *progress, int64_t step,
                   double milliseconds);          /* a step has ended; images_per_step may be set anew any time */
double progress_median(const Progress *progress); /* milliseconds a step, of the last 64 */
/* "step 500/7000  D 1.234  G 0.876  4.9 ms/step  13,061 images/s  0:32 left". On a terminal it starts with "\r", is cut
   to the width, clears the rest and has no newline. */
size_t progress_format(const Progress *progress, const ProgressValue *values, size_t count, char *line, size_t size);

/* ---- metrics/ ---------------------------------------------------------------------------------------------------- */

/* Sliced Wasserstein-1 distance of two sets of n points, row-major [n, size]: mean over `directions` random unit
   directions. Same bits for any number of threads. */
bool metric_sliced_wasserstein(const float *a, const float *b, int64_t n, int64_t size, int directions, uint64_t seed,
                               int threads, double *distance, Problem *problem);
/* Mean Euclidean distance of pairs of different points, over all pairs of up to 724 points, else over 2^18 seeded
   ones. */
double metric_mean_pair_distance(const float *points, int64_t n, int64_t size, uint64_t seed);

typedef struct ModeReport {
  int modes;
  int covered;               /* modes with at least one high-quality sample */
  double high_quality;       /* share of samples within 3 sigma of a center */
  double reverse_divergence; /* KL(samples' nearest modes || equal shares), in nats */
} ModeReport;
ModeReport metric_modes(const Mixture *mixture, const float *points, int64_t n); /* points: [n, 2] */

#endif
