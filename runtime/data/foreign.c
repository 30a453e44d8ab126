/* Files that are not read: what they are, by their content and not by their names, and the lines of Python that make
   one that is read. Takes a file's bytes; returns whether it is one of these, with a problem that says so. Reads no
   further than it takes to tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/data/source.h"

/* Is there an entry whose name ends so? Of a damaged archive, as far as its directory goes. */
static bool zip_has(const uint8_t *bytes, size_t size, const char *ending) {
  Zip zip;
  ZipEntry entry;
  bool there = zip_recognise(bytes, size) && zip_open(&zip, "", bytes, size, NULL);
  while (there && zip_next(&zip, &entry, &there, NULL) && there)
    if (zip_entry_ends(&entry, ending)) return true;
  return false;
}

static bool is_torch(const uint8_t *bytes, size_t size) {
  return zip_has(bytes, size, "data.pkl") || zip_has(bytes, size, "constants.pkl");
}
static bool is_npz(const uint8_t *bytes, size_t size) { return zip_has(bytes, size, ".npy"); }

static bool is_old_torch(const uint8_t *bytes, size_t size) {
  static const uint8_t magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                  0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};
  return size >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

/* Protocols 2 to 5, which end in a dot. */
static bool is_pickle(const uint8_t *bytes, size_t size) {
  return size >= 3 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && bytes[size - 1] == '.';
}

static bool is_hdf5(const uint8_t *bytes, size_t size) {
  static const char magic[8] = "\x89HDF\r\n\x1a\n";
  for (size_t at = 0; at < size && size - at >= sizeof magic; at = at ? 2 * at : 512) /* behind a block of the user's */
    if (memcmp(bytes + at, magic, sizeof magic) == 0) return true;
  return false;
}

static const char torch_weights[] = "import torch; from safetensors.torch import save_file; w = torch.load(\"@\", "
                                    "map_location=\"cpu\", weights_only=True)\n"
                                    "  save_file({k: v.clone().contiguous() for k, v in w.get(\"state_dict\", "
                                    "w).items() if torch.is_tensor(v)}, \"&\")";
static const char torch_array[] =
    "import numpy, torch; numpy.save(\"&\", torch.load(\"@\", weights_only=True).numpy())";

/* @: the file; &: the one to be made. Two lines of Python for weights, one for data; NULL: no foreign format there. */
static const struct {
  const char *what;
  bool (*recognise)(const uint8_t *bytes, size_t size);
  const char *weights, *data;
} rows[] = {
    {"a PyTorch file", is_torch, torch_weights, torch_array},
    {"a PyTorch file of the old format", is_old_torch, torch_weights, torch_array},
    {"a Python pickle", is_pickle, torch_weights, torch_array},
    {"an HDF5 file", is_hdf5,
     "import h5py, numpy; from safetensors.numpy import save_file; w = {}; file = h5py.File(\"@\", \"r\")\n  "
     "file.visititems(lambda n, v: w.update({n.replace(\"/\", \".\"): numpy.array(v)}) if hasattr(v, \"dtype\") and "
     "v.dtype.kind in \"fiu\" else None); save_file(w, \"&\")",
     "import h5py, numpy; numpy.save(\"&\", h5py.File(\"@\", \"r\")[\"NAME\"][()])"},
    {"a NumPy archive (.npz)", is_npz,
     "import numpy; from safetensors.numpy import save_file\n  save_file(dict(numpy.load(\"@\")), \"&\")", NULL},
    {"a NumPy array (.npy)", npy_recognise,
     "import numpy; from safetensors.numpy import save_file\n  save_file({\"G.Linear_1.W\": numpy.load(\"@\")}, \"&\")",
     NULL},
    {"a gzip file", gzip_recognise, "import gzip, shutil\n  shutil.copyfileobj(gzip.open(\"@\"), open(\"&\", \"wb\"))",
     NULL},
};

/* What stands between quotes in Python. */
static void add_quoted(Lines *lines, const char *text, int length) {
  for (int i = 0; i < length; i++)
    lines_add(lines, text_format("%s%c", text[i] == '"' || text[i] == '\\' ? "\\" : "", text[i]));
}

/* The lines with the names in them; on the heap. */
static char *fill_in(const char *python, const char *path, const char *ending) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
  int stem = (int)(dot && dot > path && (!slash || dot > slash + 1) ? (size_t)(dot - path) : strlen(path));
  Lines lines = {0};
  for (; *python; python++) {
    if (*python == '@') add_quoted(&lines, path, (int)strlen(path));
    else if (*python != '&') lines_add(&lines, text_format("%c", *python));
    else {
      add_quoted(&lines, path, stem);
      lines_add(&lines, text_format("%s", ending));
    }
  }
  return lines.text;
}

bool foreign_weights(const char *path, const uint8_t *bytes, size_t size, Problem *problem) {
  for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
    if (!rows[row].weights || !rows[row].recognise(bytes, size)) continue;
    char *python = fill_in(rows[row].weights, path, ".safetensors");
    problem_set(problem,
                "%s is %s, and weights are read from safetensors files. Python makes one of it (pip install "
                "safetensors):\n  %s",
                path, rows[row].what, python ? python : "");
    free(python);
    return true;
  }
  return false;
}

bool foreign_data(const char *path, const uint8_t *bytes, size_t size, Problem *problem) {
  for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
    if (!rows[row].data || !rows[row].recognise(bytes, size)) continue;
    char *python = fill_in(rows[row].data, path, ".npy");
    problem_set(problem, "%s is %s, which is not read as data. Python makes an array of it:\n  %s", path,
                rows[row].what, python ? python : "");
    free(python);
    return true;
  }
  return false;
}
