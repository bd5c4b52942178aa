/* The process that reads subjects. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "format.h"
#include "sandbox/sandbox.h"
#include "sha256.h"
#include "staging.h"

#define CHUNK (256u << 10)

/* Opens a regular file as the uid would; no magic links (a /proc/PID/fd would be somebody else's open file). */
static int open_subject(const char *path, enum wire_status *status)
{
  struct open_how how = {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
  struct stat file;
  CLEANUP_FD int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (fd < 0 || fstat(fd, &file) != 0) {
    *status = STATUS_SUBJECT_OPEN;
    return -1;
  }
  if (!S_ISREG(file.st_mode)) {
    errno = 0;
    *status = STATUS_SUBJECT_NOT_REGULAR;
    return -1;
  }
  return steal_fd(&fd);
}

static bool write_all(int fd, const char *bytes, size_t length)
{
  while (length > 0) {
    ssize_t written = write(fd, bytes, length);
    if (written < 0)
      return false;
    bytes += written;
    length -= (size_t)written;
  }
  return true;
}

/* Copies at most `max` bytes and hashes what it copies: the digest is of the copy, whatever happens to the file. */
static enum wire_status copy_and_hash(const struct staging *staging, int from, int to, uint64_t max,
                                      struct wire_staged *result)
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
    if (!account_add(staging->account, (uint64_t)length))
      return STATUS_CAPACITY;
    if (!write_all(to, chunk, (size_t)length))
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

static enum wire_status stage_one(const struct staging *staging, const char *path, int to, uint64_t max, struct wire_staged *result)
{
  enum wire_status status;
  CLEANUP_FD int from = open_subject(path, &status);
  if (from < 0)
    return status;
  status = copy_and_hash(staging, from, to, max, result);
  if (status != STATUS_OK)
    return status;
  if (fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return STATUS_SUBJECT_READ;
  return judge_format(to, result);
}

static const struct wire_staged *find(const struct staging *staging, const struct stage_report *report, const char *path)
{
  for (uint32_t i = 0; i < staging->count; i++)
    if (strcmp(staging->subjects[i].path, path) == 0)
      return &report->results[i];
  return NULL;
}

/* A script's interpreter has to be a subject too, under the very path that the script names, and a program itself. */
static bool interpreter_is_good(const struct staging *staging, const struct stage_report *report)
{
  const struct wire_staged *program = &report->results[staging->program];
  if (program->status != STATUS_OK || program->format != FORMAT_SCRIPT)
    return true;
  const struct wire_staged *interpreter = find(staging, report, program->interpreter);
  return interpreter != NULL && (interpreter->status != STATUS_OK || interpreter->format == FORMAT_ELF_STATIC ||
                                 interpreter->format == FORMAT_ELF_DYNAMIC);
}

static void stage_all(const struct staging *staging, struct stage_report *report)
{
  for (uint32_t i = 0; i < staging->count; i++) {
    const struct staged *subject = &staging->subjects[i];
    struct wire_staged *result = &report->results[i];
    errno = 0;
    result->status = stage_one(staging, subject->path, subject->fd, subject->max_bytes, result);
    result->error = result->status == STATUS_OK ? 0 : errno;
  }
  if (!interpreter_is_good(staging, report))
    report->results[staging->program].status = STATUS_INTERPRETER_REFUSED;
}

/* A shared uid is no execution's own: IMA is not told of it by its number, and FUSE wants all three uids alike. */
static bool become_reader(uid_t uid, gid_t gid, bool own)
{
  return own ? identity_read_as(uid, gid) : identity_take(uid, gid, NULL, 0);
}

void stager_run(const struct staging *staging, uid_t uid, gid_t gid, bool own, int report_fd)
{
  static struct stage_report report;
  /* In this order: a change of credentials clears the parent-death signal (prctl(2)). */
  if (become_reader(uid, gid, own) && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
    stage_all(staging, &report);
  } else {
    report.status = STATUS_INTERNAL;
    report.error = errno;
  }
  send(report_fd, &report, sizeof report, MSG_NOSIGNAL);
  _exit(0);
}
