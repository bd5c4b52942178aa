/* Copying a subject, and what it is. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format.h"
#include "sha256.h"
#include "staging.h"

#define CHUNK (256u << 10)

static bool write_all(int fd, const char *bytes, size_t length)
{
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return false;
    bytes += written;
    length -= (size_t)written;
  }
  return true;
}

enum wire_status copy_bytes(const struct account *account, int from, int to, uint64_t max, struct wire_staged *result)
{
  static char chunk[CHUNK];
  struct sha256 hash;
  sha256_start(&hash);
  for (;;) {
    ssize_t length = read(from, chunk, sizeof chunk);
    if (length < 0 && errno == EINTR)
      continue;
    if (length < 0)
      return STATUS_SUBJECT_READ;
    if (length == 0)
      break;
    if ((uint64_t)length > max - result->size) {
      errno = 0;
      return STATUS_SUBJECT_TOO_LARGE;
    }
    if (account != NULL && !account_add(account, (uint64_t)length))
      return STATUS_CAPACITY;
    if (to >= 0 && !write_all(to, chunk, (size_t)length))
      return STATUS_SUBJECT_READ;
    sha256_add(&hash, chunk, (size_t)length);
    result->size += (uint64_t)length;
  }
  sha256_finish(&hash, result->digest);
  return STATUS_OK;
}

static enum wire_status judge_format(int fd, struct wire_staged *result)
{
  if (result->size == 0)
    return STATUS_OK;
  void *bytes = mmap(NULL, result->size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED)
    return STATUS_SUBJECT_READ;
  result->format = format_of(bytes, result->size, result->interpreter);
  munmap(bytes, result->size);
  return STATUS_OK;
}

enum wire_status copy_subject_bytes(const struct account *account, int from, int to, uint64_t max, struct wire_staged *result)
{
  enum wire_status status = copy_bytes(account, from, to, max, result);
  return status == STATUS_OK ? judge_format(to, result) : status;
}
