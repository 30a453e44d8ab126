/* Files in memory, for tests: arrays, gzip members, zip archives. */
#ifndef IO_PACKED_H
#define IO_PACKED_H

#include <stdint.h>
#include <zlib.h>

#include "tests/unit/io_common.h"

static inline size_t npy_with(uint8_t *bytes, int major, const char *header, size_t data) {
  size_t length = strlen(header), prefix = major == 1 ? 10 : 12;
  memcpy(bytes, "\x93NUMPY", 6);
  bytes[6] = (uint8_t)major, bytes[7] = 0;
  for (size_t i = 8; i < prefix; i++) bytes[i] = (uint8_t)(length >> (8 * (i - 8)));
  memcpy(bytes + prefix, header, length);
  memset(bytes + prefix + length, 1, data);
  return prefix + length + data;
}

static inline size_t compress_with(int window_bits, const void *bytes, size_t size, uint8_t *out, size_t room) {
  z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)room};
  ck_assert_int_eq(deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  deflateEnd(&stream);
  return stream.total_out;
}

static inline size_t compress_gzip(const void *bytes, size_t size, uint8_t *out, size_t room) {
  return compress_with(16 + MAX_WBITS, bytes, size, out, room);
}

/* An archive as NumPy writes it; `wide` gives entries and directory their 64-bit forms, as for files over 4 GiB. */
typedef struct ZipMember {
  const char *name;
  const void *bytes;
  size_t size;
  bool deflated;
} ZipMember;

static inline void zip_put(uint8_t **at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) *(*at)++ = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
}

static inline size_t zip_with(uint8_t *bytes, size_t room, const ZipMember *members, size_t count, bool wide) {
  uint8_t *at = bytes;
  struct {
    uint64_t offset, packed;
    uint32_t checksum;
  } facts[8];
  for (size_t i = 0; i < count; i++) {
    const ZipMember *member = &members[i];
    facts[i].offset = (uint64_t)(at - bytes), facts[i].checksum = (uint32_t)crc32_z(0, member->bytes, member->size);
    zip_put(&at, 0x04034b50, 4), zip_put(&at, 45, 2), zip_put(&at, 0, 2), zip_put(&at, member->deflated ? 8 : 0, 2),
        zip_put(&at, 0, 4);
    uint8_t *sizes = at;
    zip_put(&at, 0, 12), zip_put(&at, strlen(member->name), 2), zip_put(&at, 20, 2);
    memcpy(at, member->name, strlen(member->name)), at += strlen(member->name);
    zip_put(&at, 1, 2), zip_put(&at, 16, 2); /* NumPy always leaves room for 64-bit sizes here */
    uint8_t *widened = at;
    zip_put(&at, 0, 16);
    if (member->deflated)
      facts[i].packed = compress_with(-MAX_WBITS, member->bytes, member->size, at, room - (size_t)(at - bytes));
    else memcpy(at, member->bytes, facts[i].packed = member->size);
    at += facts[i].packed;
    zip_put(&sizes, facts[i].checksum, 4), zip_put(&sizes, UINT32_MAX, 4), zip_put(&sizes, UINT32_MAX, 4);
    zip_put(&widened, member->size, 8), zip_put(&widened, facts[i].packed, 8);
  }
  uint64_t directory = (uint64_t)(at - bytes);
  for (size_t i = 0; i < count; i++) {
    const ZipMember *member = &members[i];
    zip_put(&at, 0x02014b50, 4), zip_put(&at, 45, 2), zip_put(&at, 45, 2), zip_put(&at, 0, 2),
        zip_put(&at, member->deflated ? 8 : 0, 2), zip_put(&at, 0, 4);
    zip_put(&at, facts[i].checksum, 4), zip_put(&at, wide ? UINT32_MAX : facts[i].packed, 4),
        zip_put(&at, wide ? UINT32_MAX : member->size, 4);
    zip_put(&at, strlen(member->name), 2), zip_put(&at, wide ? 28 : 0, 2), zip_put(&at, 0, 10),
        zip_put(&at, wide ? UINT32_MAX : facts[i].offset, 4);
    memcpy(at, member->name, strlen(member->name)), at += strlen(member->name);
    if (wide)
      zip_put(&at, 1, 2), zip_put(&at, 24, 2), zip_put(&at, member->size, 8), zip_put(&at, facts[i].packed, 8),
          zip_put(&at, facts[i].offset, 8);
  }
  uint64_t end = (uint64_t)(at - bytes);
  if (wide) {
    zip_put(&at, 0x06064b50, 4), zip_put(&at, 44, 8), zip_put(&at, 45, 2), zip_put(&at, 45, 2), zip_put(&at, 0, 8);
    zip_put(&at, count, 8), zip_put(&at, count, 8), zip_put(&at, end - directory, 8), zip_put(&at, directory, 8);
    zip_put(&at, 0x07064b50, 4), zip_put(&at, 0, 4), zip_put(&at, end, 8), zip_put(&at, 1, 4);
  }
  zip_put(&at, 0x06054b50, 4), zip_put(&at, 0, 4), zip_put(&at, wide ? 0xffff : count, 2),
      zip_put(&at, wide ? 0xffff : count, 2);
  zip_put(&at, wide ? UINT32_MAX : end - directory, 4), zip_put(&at, wide ? UINT32_MAX : directory, 4),
      zip_put(&at, 0, 2);
  ck_assert_uint_le((size_t)(at - bytes), room);
  return (size_t)(at - bytes);
}

#endif
