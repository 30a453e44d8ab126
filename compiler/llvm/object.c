/* Several relocatable ELF files as one: sections are laid one after the other as they are, symbols and names are
   numbered anew, and a name that one file defines and others use becomes one symbol. Takes what LLVM writes for x86-64;
   returns bytes that depend on nothing else; resolves and relocates nothing. */
#include "emit.h"

#include <elf.h>
#include <string.h>

typedef struct Part {
  const char *data;
  const Elf64_Shdr *sections;
  int section_count;
  const Elf64_Sym *symbols;
  int symbol_count;
  const char *names;
  size_t names_size, names_at; /* where its names lie among all names */
  int *section_map, *symbol_map;
} Part;

typedef struct Joiner {
  Session *session;
  int count;
  Part *parts;
  Elf64_Shdr *sections;
  const char **contents;
  int section_count;
  Elf64_Sym *symbols;
  const char **symbol_names;
  int symbol_count, local_count;
  size_t names_size;
} Joiner;

static const Elf64_Shdr *find_section(const Part *part, uint32_t type) {
  for (int i = 0; i < part->section_count; i++)
    if (part->sections[i].sh_type == type) return &part->sections[i];
  return NULL;
}

static bool open_part(Part *part, Bytes object) {
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)object.data;
  if (object.size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64)
    return false;
  if (header->e_type != ET_REL || header->e_machine != EM_X86_64 ||
      header->e_shoff + header->e_shnum * sizeof(Elf64_Shdr) > object.size)
    return false;
  part->data = object.data;
  part->sections = (const Elf64_Shdr *)(const void *)(object.data + header->e_shoff);
  part->section_count = header->e_shnum;
  const Elf64_Shdr *symbols = find_section(part, SHT_SYMTAB);
  if (symbols == NULL || symbols->sh_link != header->e_shstrndx) return false; /* LLVM keeps all names in one table */
  part->symbols = (const Elf64_Sym *)(const void *)(object.data + symbols->sh_offset);
  part->symbol_count = (int)(symbols->sh_size / sizeof(Elf64_Sym));
  part->names = object.data + part->sections[symbols->sh_link].sh_offset;
  part->names_size = part->sections[symbols->sh_link].sh_size;
  return true;
}

static bool is_copied(const Elf64_Shdr *section) {
  return section->sh_type != SHT_NULL && section->sh_type != SHT_SYMTAB && section->sh_type != SHT_STRTAB;
}

static void copy_sections(Joiner *j, Part *part) {
  for (int i = 0; i < part->section_count; i++) {
    if (!is_copied(&part->sections[i])) continue;
    part->section_map[i] = j->section_count;
    j->sections[j->section_count] = part->sections[i];
    j->sections[j->section_count].sh_name += (uint32_t)part->names_at;
    j->contents[j->section_count++] = part->data + part->sections[i].sh_offset;
  }
}

static Elf64_Sym moved_symbol(const Part *part, int i) {
  Elf64_Sym symbol = part->symbols[i];
  symbol.st_name += symbol.st_name == 0 ? 0 : (uint32_t)part->names_at;
  if (symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE)
    symbol.st_shndx = (uint16_t)part->section_map[symbol.st_shndx];
  return symbol;
}

static void copy_symbols(Joiner *j, Part *part, bool local) {
  for (int i = 1; i < part->symbol_count; i++) {
    if ((ELF64_ST_BIND(part->symbols[i].st_info) == STB_LOCAL) != local) continue;
    const char *name = part->names + part->symbols[i].st_name;
    int at = j->symbol_count;
    for (int k = j->local_count; !local && k < j->symbol_count && at == j->symbol_count; k++)
      if (strcmp(j->symbol_names[k], name) == 0) at = k;
    if (at == j->symbol_count || j->symbols[at].st_shndx == SHN_UNDEF) j->symbols[at] = moved_symbol(part, i);
    j->symbol_names[at] = name;
    if (at == j->symbol_count) j->symbol_count++;
    part->symbol_map[i] = at;
  }
}

/* Relocations name symbols and the section that they change. */
static void renumber(Joiner *j, Part *part, int symbols_at) {
  for (int i = 0; i < part->section_count; i++) {
    if (part->sections[i].sh_type != SHT_RELA) continue;
    Elf64_Shdr *section = &j->sections[part->section_map[i]];
    section->sh_link = (uint32_t)symbols_at;
    section->sh_info = (uint32_t)part->section_map[section->sh_info];
    Elf64_Rela *entries = session_allocate(j->session, section->sh_size);
    memcpy(entries, part->data + part->sections[i].sh_offset, section->sh_size);
    for (size_t k = 0; k < section->sh_size / sizeof *entries; k++)
      entries[k].r_info =
          ELF64_R_INFO((uint64_t)part->symbol_map[ELF64_R_SYM(entries[k].r_info)], ELF64_R_TYPE(entries[k].r_info));
    j->contents[part->section_map[i]] = (const char *)entries;
  }
}

static void add_section(Joiner *j, uint32_t name, uint32_t type, const void *contents, size_t size, size_t align) {
  j->contents[j->section_count] = contents;
  j->sections[j->section_count++] =
      (Elf64_Shdr){.sh_name = name, .sh_type = type, .sh_size = size, .sh_addralign = align};
}

static Bytes write_file(Joiner *j) {
  size_t size = sizeof(Elf64_Ehdr);
  for (int i = 1; i < j->section_count; i++) {
    Elf64_Shdr *section = &j->sections[i];
    size_t align = section->sh_addralign > 1 ? section->sh_addralign : 1;
    section->sh_offset = size = (size + align - 1) / align * align;
    if (section->sh_type != SHT_NOBITS) size += section->sh_size;
  }
  size = (size + 7) / 8 * 8;
  size_t table = size;
  size += (size_t)j->section_count * sizeof(Elf64_Shdr);
  char *file = session_allocate(j->session, size);
  Elf64_Ehdr header = *(const Elf64_Ehdr *)(const void *)j->parts[0].data;
  header.e_shoff = table;
  header.e_shnum = (uint16_t)j->section_count;
  header.e_shstrndx = (uint16_t)(j->section_count - 1);
  memcpy(file, &header, sizeof header);
  for (int i = 1; i < j->section_count; i++)
    if (j->sections[i].sh_type != SHT_NOBITS && j->sections[i].sh_size > 0)
      memcpy(file + j->sections[i].sh_offset, j->contents[i], j->sections[i].sh_size);
  memcpy(file + table, j->sections, (size_t)j->section_count * sizeof(Elf64_Shdr));
  return (Bytes){file, size};
}

Bytes object_join(Session *session, int count, const Bytes *objects) {
  static const char own_names[] = "\0.symtab\0.strtab";
  Joiner j = {
      .session = session, .count = count, .section_count = 1, .symbol_count = 1, .names_size = sizeof own_names};
  int sections = 3, symbols = 1;
  j.parts = session_allocate(session, (size_t)count * sizeof *j.parts);
  for (int i = 0; i < count; i++) {
    Part *part = &j.parts[i];
    if (!open_part(part, objects[i])) return (Bytes){NULL, 0};
    part->names_at = j.names_size;
    part->section_map = session_allocate(session, (size_t)part->section_count * sizeof *part->section_map);
    part->symbol_map = session_allocate(session, (size_t)part->symbol_count * sizeof *part->symbol_map);
    j.names_size += part->names_size;
    sections += part->section_count;
    symbols += part->symbol_count;
  }
  j.sections = session_allocate(session, (size_t)sections * sizeof *j.sections);
  j.contents = session_allocate(session, (size_t)sections * sizeof *j.contents);
  j.symbols = session_allocate(session, (size_t)symbols * sizeof *j.symbols);
  j.symbol_names = session_allocate(session, (size_t)symbols * sizeof *j.symbol_names);
  char *names = session_allocate(session, j.names_size);
  memcpy(names, own_names, sizeof own_names);
  for (int i = 0; i < count; i++) {
    memcpy(names + j.parts[i].names_at, j.parts[i].names, j.parts[i].names_size);
    copy_sections(&j, &j.parts[i]);
  }
  for (int i = 0; i < count; i++) copy_symbols(&j, &j.parts[i], true);
  j.local_count = j.symbol_count;
  for (int i = 0; i < count; i++) copy_symbols(&j, &j.parts[i], false);
  for (int i = 0; i < count; i++) renumber(&j, &j.parts[i], j.section_count);
  add_section(&j, 1, SHT_SYMTAB, j.symbols, (size_t)j.symbol_count * sizeof *j.symbols, 8);
  j.sections[j.section_count - 1].sh_link = (uint32_t)j.section_count;
  j.sections[j.section_count - 1].sh_info = (uint32_t)j.local_count;
  j.sections[j.section_count - 1].sh_entsize = sizeof *j.symbols;
  add_section(&j, 9, SHT_STRTAB, names, j.names_size, 1);
  return write_file(&j);
}
