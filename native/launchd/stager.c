/* The process that reads subjects. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "sandbox/sandbox.h"
#include "source.h"
#include "staging.h"
#include "tree.h"

/* Opens a file, or a directory (`kind`), as the uid would; no magic links (a /proc/PID/fd would be somebody else's open file). */
static int open_subject(const char *path, unsigned kind, enum wire_status *status)
{
  struct open_how how = {.flags = kind | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
  struct stat file;
  CLEANUP_FD int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
  if (fd < 0 || fstat(fd, &file) != 0) {
    *status = STATUS_SUBJECT_OPEN;
    return -1;
  }
  if (kind == 0 && !S_ISREG(file.st_mode)) {
    errno = 0;
    *status = STATUS_SUBJECT_NOT_REGULAR;
    return -1;
  }
  return steal_fd(&fd);
}

/* The launcher's answer, and with it the file to fill; else -1. */
static bool receive_answer(int channel, struct stage_answer *answer, int *to)
{
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec vector = {.iov_base = answer, .iov_len = sizeof *answer};
  struct msghdr header = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *to = -1;
  if (recvmsg(channel, &header, MSG_CMSG_CLOEXEC) != sizeof *answer)
    return false;
  const struct cmsghdr *c = CMSG_FIRSTHDR(&header);
  if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
    memcpy(to, CMSG_DATA(c), sizeof *to);
  return (answer->room == ROOM_FILL) == (*to >= 0);
}

/* Sealed memory: nobody, not even root, can change it from here on. */
static enum wire_status stage_in_memory(const struct staging *staging, int from, int to, uint64_t max, struct wire_staged *result)
{
  enum wire_status status = copy_subject_bytes(staging->account, from, to, max, result);
  if (status == STATUS_OK && fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    status = STATUS_SUBJECT_READ;
  return status;
}

/* A disk that fails to keep what was written says so here, if it says so at all: a fill is nothing without it. */
static bool reaches_disk(int fd)
{
  int result;
  do
    result = fsync(fd);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

/* Fills the file that the launcher made in its store, and lets go of it before saying so. What cannot be kept there is no fault. */
static bool fill(int channel, int from, int to, uint64_t bytes, const struct source *source, struct wire_staged *result)
{
  struct stage_filled filled = {.message = STAGE_FILLED};
  *result = (struct wire_staged){0};
  filled.complete = copy_subject_bytes(NULL, from, to, bytes, result) == STATUS_OK && reaches_disk(to);
  close(to);
  struct source after;
  filled.steady = source->steady && source_look(from, &after) && source_is_same(source, &after);
  filled.result = *result;
  return send(channel, &filled, sizeof filled, MSG_NOSIGNAL) == sizeof filled && filled.complete;
}

/* Asks for room; in *to is what there is to fill, else -1. */
static struct stage_answer ask_for_room(int channel, uint32_t index, const struct source *source, int *to)
{
  struct stage_answer answer;
  struct stage_ask ask = {.message = STAGE_ASK,
                          .index = index,
                          .bytes = source->bytes,
                          .has_fingerprint = source->has_fingerprint,
                          .steady = source->steady};
  memcpy(ask.fingerprint, source->fingerprint, sizeof ask.fingerprint);
  if (send(channel, &ask, sizeof ask, MSG_NOSIGNAL) != sizeof ask || !receive_answer(channel, &answer, to))
    _exit(0);
  return answer;
}

/* True when the store has it, before or from now on. */
static bool stage_in_store(int channel, uint32_t index, int from, uint64_t max, struct wire_staged *result)
{
  struct source source;
  int to;
  if (!source_look(from, &source) || source.bytes > max)
    return false;
  struct stage_answer answer = ask_for_room(channel, index, &source, &to);
  if (answer.room == ROOM_KEPT)
    *result = answer.result;
  if (answer.room != ROOM_FILL)
    return answer.room == ROOM_KEPT;
  return fill(channel, from, to, source.bytes, &source, result);
}

/* Everything that was written has reached the disk, as far as it says so (syncfs(2) tells of earlier errors too). */
static void fill_tree(int from, int to, const struct source *source, struct stage_filled *filled, struct tree_result *copy)
{
  struct source after;
  *copy = tree_copy(from, to, source->bytes);
  if (copy->status == STATUS_OK && syncfs(to) != 0)
    copy->status = STATUS_SUBJECT_READ;
  filled->complete = copy->status == STATUS_OK;
  filled->steady = source->steady && tree_look(from, &after) == STATUS_OK && source_is_same(source, &after);
  filled->result = (struct wire_staged){.size = copy->bytes, .format = FORMAT_TREE};
  memcpy(filled->result.digest, copy->digest, sizeof copy->digest);
}

/* A directory is only ever in the store: without one, or room in it, there is none to be had. */
static enum wire_status stage_tree(const struct staging *staging, int channel, uint32_t index, struct wire_staged *result)
{
  const struct staged *subject = &staging->subjects[index];
  struct stage_filled filled = {.message = STAGE_FILLED};
  struct tree_result copy;
  struct source source;
  CLEANUP_FD int to = -1;
  enum wire_status status;
  CLEANUP_FD int from = open_subject(subject->path, O_DIRECTORY, &status);
  if (from < 0)
    return status;
  status = tree_look(from, &source);
  if (status != STATUS_OK)
    return status;
  if (staging->store_from == UINT64_MAX || source.bytes > subject->max_bytes)
    return STATUS_CAPACITY;
  struct stage_answer answer = ask_for_room(channel, index, &source, &to);
  if (answer.room == ROOM_KEPT)
    *result = answer.result;
  if (answer.room != ROOM_FILL)
    return answer.room == ROOM_KEPT ? STATUS_OK : STATUS_CAPACITY;
  fill_tree(from, to, &source, &filled, &copy);
  int error = errno;
  close_fd(&to);
  *result = filled.result;
  if (send(channel, &filled, sizeof filled, MSG_NOSIGNAL) != sizeof filled)
    _exit(0);
  /* It becomes root's before it is an entry. */
  if (!receive_answer(channel, &answer, &to))
    _exit(0);
  errno = error;
  return copy.status == STATUS_OK && answer.room != ROOM_KEPT ? STATUS_SUBJECT_READ : copy.status;
}

static bool belongs_in_store(const struct staging *staging, int from)
{
  struct stat file;
  return fstat(from, &file) == 0 && (uint64_t)file.st_size >= staging->store_from;
}

static enum wire_status stage_one(const struct staging *staging, int channel, uint32_t index, struct wire_staged *result)
{
  const struct staged *subject = &staging->subjects[index];
  enum wire_status status;
  if (subject->kind == KIND_TREE)
    return stage_tree(staging, channel, index, result);
  CLEANUP_FD int from = open_subject(subject->path, 0, &status);
  if (from < 0)
    return status;
  if (belongs_in_store(staging, from)) {
    if (stage_in_store(channel, index, from, subject->max_bytes, result))
      return STATUS_OK;
    *result = (struct wire_staged){0};
    if (lseek(from, 0, SEEK_SET) != 0)
      return STATUS_SUBJECT_READ;
  }
  return stage_in_memory(staging, from, subject->fd, subject->max_bytes, result);
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

static void stage_all(const struct staging *staging, int channel, struct stage_report *report)
{
  for (uint32_t i = 0; i < staging->count; i++) {
    struct wire_staged *result = &report->results[i];
    errno = 0;
    enum wire_status status = stage_one(staging, channel, i, result);
    result->status = status;
    result->error = status == STATUS_OK ? 0 : errno;
  }
  if (!interpreter_is_good(staging, report))
    report->results[staging->program].status = STATUS_INTERPRETER_REFUSED;
}

void stager_run(const struct staging *staging, uid_t uid, gid_t gid, bool own, int channel)
{
  static struct stage_report report = {.message = STAGE_REPORT};
  /* In this order: a change of credentials clears the parent-death signal (prctl(2)). */
  if (identity_read(uid, gid, own) && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0) {
    stage_all(staging, channel, &report);
  } else {
    report.status = STATUS_INTERNAL;
    report.error = errno;
  }
  send(channel, &report, stage_report_size(staging->count), MSG_NOSIGNAL);
  _exit(0);
}
