/* What ganc carries inside: the standard library, the pages of `explain`, the runtime of trainers; and its own
   identity. Takes names; returns bytes; never reads a file. */
#include "compiler/compiler.h"

#include <elf.h>
#include <link.h>
#include <string.h>

const EmbeddedFile *embedded_find(const char *name) {
  for (const EmbeddedFile *file = embedded_files; file->name; file++) {
    if (strcmp(file->name, name) == 0) return file;
  }
  return NULL;
}

const char *build_version(void) { return GANC_VERSION; }

/* ---- identity: the note that the linker leaves, a hash of all that it has linked --------------------------------- */

typedef struct BuildNote {
  const unsigned char *bytes;
  size_t size;
} BuildNote;

static size_t note_aligned(size_t size) { return (size + 3) & ~(size_t)3; }

static void notes_search(const unsigned char *at, size_t size, BuildNote *found) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    memcpy(&note, at, sizeof note);
    size_t name = note_aligned(note.n_namesz), length = sizeof note + name + note_aligned(note.n_descsz);
    if (length > size) return;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(at + sizeof note, "GNU", 4) == 0) {
      *found = (BuildNote){at + sizeof note + name, note.n_descsz};
      return;
    }
    at += length;
    size -= length;
  }
}

/* The first object that is visited is the program itself; a result other than 0 ends the walk. */
static int program_visit(struct dl_phdr_info *info, size_t size, void *context) {
  (void)size;
  for (int at = 0; at < info->dlpi_phnum; at++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[at];
    if (header->p_type == PT_NOTE)
      notes_search((const unsigned char *)(info->dlpi_addr + header->p_vaddr), header->p_memsz, context);
  }
  return 1;
}

const char *build_identity(Session *session) {
  BuildNote note = {NULL, 0};
  dl_iterate_phdr(program_visit, &note);
  const char *text = GANC_VERSION;
  for (size_t at = 0; at < note.size; at++)
    text = session_format(session, at ? "%s%02x" : "%s-%02x", text, note.bytes[at]);
  return text;
}
