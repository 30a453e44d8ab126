/* A list of rights to a file (POSIX ACL) as the system stores it: the owner's, one other user's to read and write, the
   group's none. */
#ifndef ACCESS_LIST_H
#define ACCESS_LIST_H

#include <stdint.h>
#include <sys/xattr.h>

#define ACCESS_LIST_NAME "system.posix_acl_access"

typedef struct AccessList {
  uint32_t version;
  struct {
    uint16_t tag, rights;
    uint32_t user;
  } entries[5];
} AccessList;

enum { ACCESS_OWNER = 1, ACCESS_USER = 2, ACCESS_GROUP = 4, ACCESS_MASK = 16, ACCESS_OTHER = 32 };

#define ACCESS_LIST \
  { \
    2, { \
      {ACCESS_OWNER, 6, UINT32_MAX}, {ACCESS_USER, 6, 12345}, {ACCESS_GROUP, 0, UINT32_MAX}, \
          {ACCESS_MASK, 6, UINT32_MAX}, {ACCESS_OTHER, 0, UINT32_MAX}, \
    } \
  }

#endif
