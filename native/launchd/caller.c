/* The process that looks at a caller. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "callers.h"
#include "sandbox/sandbox.h"
#include "staging.h"

/* The number behind a pidfd (proc_pid_fdinfo(5)); -1 when it is no pidfd, or its process has been reaped. */
static pid_t pid_of(int pidfd)
{
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (length < 0)
    return -1;
  text[length] = '\0';
  const char *line = strstr(text, "\nPid:\t");
  return line == NULL ? -1 : (pid_t)strtol(line + sizeof "\nPid:\t" - 1, NULL, 10);
}

/* A pidfd can be read, in the sense of poll(2), from the process's end on. */
static bool is_alive(int pidfd)
{
  struct pollfd process = {.fd = pidfd, .events = POLLIN};
  return poll(&process, 1, 0) == 0;
}

static enum wire_status look(const struct caller *caller, struct wire_staged *result)
{
  char path[64];
  struct stat file;
  snprintf(path, sizeof path, "/proc/%d/exe", caller->pid);
  CLEANUP_FD int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0)
    return STATUS_CALLER_UNKNOWN;
  /* Only now: while it lives, nobody else has its number, and so it was its file that was opened. */
  if (!is_alive(caller->pidfd)) {
    errno = ESRCH;
    return STATUS_CALLER_UNKNOWN;
  }
  if (fstat(fd, &file) != 0)
    return STATUS_SUBJECT_READ;
  errno = 0;
  if (!S_ISREG(file.st_mode))
    return STATUS_SUBJECT_NOT_REGULAR;
  if (file.st_size > (off_t)CALLER_BYTES_MAX)
    return STATUS_SUBJECT_TOO_LARGE;
  return copy_bytes(NULL, fd, -1, CALLER_BYTES_MAX, result);
}

static enum wire_status describe(const struct caller *caller, pid_t parent, struct wire_staged *result)
{
  /* Before root is given up: what the kernel says of this process is root's, like the launcher's. */
  if (pid_of(caller->pidfd) != caller->pid) {
    errno = ESRCH;
    return STATUS_CALLER_UNKNOWN;
  }
  /* In this order: a change of credentials clears the parent-death signal (prctl(2)). */
  if (!identity_read(caller->uid, caller->gid, caller->own) || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
    return STATUS_INTERNAL;
  if (getppid() != parent) /* it died before that */
    _exit(0);
  return look(caller, result);
}

void caller_describe(const struct caller *caller, pid_t parent, int report)
{
  struct wire_staged result = {0};
  errno = 0;
  enum wire_status status = describe(caller, parent, &result);
  result.error = status == STATUS_OK ? 0 : errno;
  result.status = status;
  ssize_t written = write(report, &result, sizeof result); /* less than PIPE_BUF: whole, or not at all */
  _exit(written == sizeof result ? 0 : 1);
}
