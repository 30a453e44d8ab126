/* Files that appear whole or not at all: written aside, then renamed.
   Takes paths; returns open files; never leaves half a file under the name that was asked for. */
#include "compiler/compiler.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool write_failed(Session *session, const char *path) {
  int reason = errno;
  diagnostic_title(diagnostic_report(session, E5006, (Span){ 0 }, NULL), "cannot write %s: %s", path, strerror(reason));
  return false;
}

const char *output_aside(Session *session, const char *path) { return session_format(session, "%s.%ld.new", path, (long)getpid()); }

bool output_rename(Session *session, const char *aside, const char *path) {
  if (rename(aside, path) == 0) return true;
  write_failed(session, path);
  unlink(aside);
  return false;
}

bool output_open(Session *session, const char *path, OutputFile *file) {
  bool standard_output = strcmp(path, "-") == 0;
  *file = (OutputFile){ path, standard_output ? NULL : output_aside(session, path), NULL };
  file->stream = standard_output ? stdout : fopen(file->aside, "wb");
  return file->stream ? true : write_failed(session, path);
}

bool output_close(Session *session, OutputFile *file, bool keep) {
  bool written = fflush(file->stream) == 0 && !ferror(file->stream);
  if (!file->aside) return written ? true : write_failed(session, "standard output");
  written = fclose(file->stream) == 0 && written;
  if (keep && written) return output_rename(session, file->aside, file->path);
  if (keep) write_failed(session, file->path);
  unlink(file->aside);
  return !keep;
}

const char *file_descriptor_path(Session *session, int descriptor) { return session_format(session, "/proc/self/fd/%d", descriptor); }

int file_anonymous(Session *session, const char *name) {
  int descriptor = memfd_create(name, 0);                  /* stays open in children: the linker reads it */
  if (descriptor < 0) write_failed(session, name);
  return descriptor;
}
