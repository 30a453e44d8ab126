/* A folder of its own for a test. Each test runs in a process of its own (Check forks), so it may change into it. */
#ifndef TEMPORARY_FOLDER_H
#define TEMPORARY_FOLDER_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDER_BYTES = 32 };

static inline int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *place) {
  (void)facts, (void)kind, (void)place;
  return remove(path);
}

static inline void remove_folder(const char *path) { nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

/* path: room for FOLDER_BYTES */
static inline void make_folder(char *path) {
  strcpy(path, "/tmp/ganc-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(path));
}

static inline void enter_folder(char *path) {
  make_folder(path);
  ck_assert_int_eq(chdir(path), 0);
}

static inline void leave_folder(const char *path) {
  ck_assert_int_eq(chdir("/"), 0);
  remove_folder(path);
}

/* The same around every test of a program: .enter and .leave of CHECK_MAIN. What goes is what was made, wherever the
   test has gone since. */
static char own_folder[FOLDER_BYTES];
static inline void enter_own_folder(void) { enter_folder(own_folder); }
static inline void leave_own_folder(void) { leave_folder(own_folder); }

#endif
