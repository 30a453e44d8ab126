/* Writing a file whole, where each call that can fail does so, and where a signal comes in between: what was there
   before stays, nothing lies beside it, and the message has the cause. The calls are defined here, so that these are
   met in place of the system's. */
#include "compiler/compiler.h"
#include "check_main.h"
#include "access_list.h"
#include "printed_text.h"
#include "temporary_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum Door { DOOR_NONE, DOOR_WRITE, DOOR_SYNC, DOOR_RENAME, DOOR_RANDOM, DOOR_MODE, DOOR_COUNT } Door;

/* What fails, and why, or which signal comes; how much a write takes at most, if not all. */
static struct {
  Door door;
  int reason, signal;
  size_t piece;
} fault;

static bool meets(Door door) {
  if (fault.door != door) return false;
  if (fault.signal) raise(fault.signal);
  if (fault.reason) errno = fault.reason;
  return fault.reason != 0;
}

ssize_t write(int descriptor, const void *bytes, size_t size) {
  if (meets(DOOR_WRITE)) return -1;
  if (fault.piece && size > fault.piece) size = fault.piece;
  return syscall(SYS_write, descriptor, bytes, size);
}

int fsync(int descriptor) { return meets(DOOR_SYNC) ? -1 : (int)syscall(SYS_fsync, descriptor); }
int rename(const char *from, const char *to) { return meets(DOOR_RENAME) ? -1 : (int)syscall(SYS_rename, from, to); }
int fchmod(int descriptor, mode_t mode) { return meets(DOOR_MODE) ? -1 : (int)syscall(SYS_fchmod, descriptor, mode); }
ssize_t getrandom(void *bytes, size_t size, unsigned flags) {
  return meets(DOOR_RANDOM) ? -1 : syscall(SYS_getrandom, bytes, size, flags);
}

/* ---- a folder with one file -------------------------------------------------------------------------------------- */

typedef struct Folder {
  char path[FOLDER_BYTES];
  const char *file;
} Folder;

static Folder folder_new(Session *session) {
  Folder folder;
  make_folder(folder.path);
  folder.file = session_format(session, "%s/file", folder.path);
  ck_assert(output_write(session, folder.file, "old", 3, 0666));
  return folder;
}

static void folder_holds(const Folder *folder, const char *text) {
  char found[64] = "";
  FILE *in = fopen(folder->file, "rb");
  ck_assert_ptr_nonnull(in);
  found[fread(found, 1, sizeof found - 1, in)] = '\0';
  fclose(in);
  ck_assert_str_eq(found, text);
  ck_assert_int_eq(unlink(folder->file), 0);
  ck_assert_msg(rmdir(folder->path) == 0, "something lies beside the file: %s", strerror(errno));
}

static void says(Session *session, const char *text) {
  char *messages = messages_text(session);
  ck_assert_msg(strstr(messages, text) != NULL, "\"%s\" is not in:\n%s", text, messages);
  free(messages);
}

START_TEST(test_each_call_fails) {
  static const int reasons[] = {ENOSPC, EIO, EDQUOT, EFBIG};
  for (Door door = DOOR_WRITE; door < DOOR_COUNT; door++) {
    for (size_t at = 0; at < LENGTH(reasons); at++) {
      Session *session = session_new();
      Folder folder = folder_new(session);
      fault.door = door, fault.reason = reasons[at];
      bool written = output_write(session, folder.file, "new text", 8, 0666);
      fault.door = DOOR_NONE, fault.reason = 0;
      ck_assert(!written);
      says(session, strerror(reasons[at]));
      says(session, folder.file);
      folder_holds(&folder, "old");
      session_free(session);
    }
  }
}
END_TEST

START_TEST(test_short_writes) {
  Session *session = session_new();
  Folder folder = folder_new(session);
  fault.piece = 3;
  bool written = output_write(session, folder.file, "new text", 8, 0666);
  fault.piece = 0;
  ck_assert(written);
  folder_holds(&folder, "new text");
  session_free(session);
}
END_TEST

/* The process ends by the signal, but not before the file is whole. */
START_TEST(test_signals_leave_nothing_aside) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  for (Door door = DOOR_WRITE; door <= DOOR_RENAME; door++) {
    for (size_t at = 0; at < LENGTH(signals); at++) {
      Session *session = session_new();
      Folder folder = folder_new(session);
      pid_t child = fork();
      if (child == 0) {
        for (size_t each = 0; each < LENGTH(signals); each++) signal(signals[each], SIG_DFL);
        fault.door = door, fault.signal = signals[at];
        output_write(session, folder.file, "new text", 8, 0666);
        _exit(0);
      }
      int status;
      ck_assert_int_eq(waitpid(child, &status, 0), child);
      ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == signals[at]);
      folder_holds(&folder, "new text");
      session_free(session);
    }
  }
}
END_TEST

START_TEST(test_streams_are_written_when_closed) {
  Session *session = session_new();
  Folder folder = folder_new(session);
  OutputFile out;
  ck_assert(output_open(session, folder.file, &out));
  fputs("new", out.stream);
  ck_assert(output_close(session, &out));
  folder_holds(&folder, "new");
  session_free(session);
}
END_TEST

START_TEST(test_same_files) {
  Session *session = session_new();
  Folder folder = folder_new(session);
  const char *link_path = session_format(session, "%s/link", folder.path);
  const char *hard = session_format(session, "%s/hard", folder.path);
  ck_assert(symlink("file", link_path) == 0 && link(folder.file, hard) == 0);
  ck_assert(output_is_input(folder.file, link_path) && output_is_input(hard, folder.file));
  ck_assert(!output_is_input(folder.file, session_format(session, "%s/none", folder.path)));
  ck_assert(!output_is_input("/dev/null", "/dev/null")); /* read from and written to, in place */
  ck_assert(!output_is_input("/nowhere/at/all", folder.file));
  unlink(link_path);
  unlink(hard);
  folder_holds(&folder, "old");
  session_free(session);
}
END_TEST

/* Of a file with a list of rights, the mode's group bits are the most that the list gives to anybody: without the list
   they would be the group's own. */
START_TEST(test_lists_of_rights_stay) {
  static const AccessList list = ACCESS_LIST;
  Session *session = session_new();
  Folder folder = folder_new(session);
  if (setxattr(folder.file, ACCESS_LIST_NAME, &list, sizeof list, 0) == 0) { /* else the file system has none */
    AccessList found;
    struct stat status;
    ck_assert(output_write(session, folder.file, "new", 3, 0666));
    ck_assert_int_eq(getxattr(folder.file, ACCESS_LIST_NAME, &found, sizeof found), sizeof found);
    ck_assert_mem_eq(&found, &list, sizeof list);
    ck_assert(stat(folder.file, &status) == 0 && (status.st_mode & 0777) == 0660);
    folder_holds(&folder, "new");
  } else folder_holds(&folder, "old");
  session_free(session);
}
END_TEST

CHECK_MAIN(.tests = {test_each_call_fails, test_short_writes, test_signals_leave_nothing_aside,
                     test_streams_are_written_when_closed, test_same_files, test_lists_of_rights_stay})
