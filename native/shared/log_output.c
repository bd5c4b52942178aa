#include "log_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"

/* https://systemd.io/JOURNAL_NATIVE_PROTOCOL/. Nothing in the environment can name another one. */
static const struct sockaddr_un JOURNAL = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};

bool stderr_is_journal(void)
{
  unsigned long long device, inode;
  struct stat status;
  char rest;
  const char *stream = getenv("JOURNAL_STREAM");
  return stream != NULL && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 &&
         fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

int journal_send(const void *entry, size_t length)
{
  /* One per entry: forked processes close what they do not know, and a number of theirs must not be taken for this. */
  CLEANUP_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -1;
  if (sendto(fd, entry, length, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&JOURNAL, sizeof JOURNAL) >= 0)
    return 1;
  return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
}

/*
 * O_NONBLOCK would be set on the open file, which others share (a terminal, a pipe of a shell). A socket has a flag per call;
 * a pipe that is writable takes PIPE_BUF bytes without waiting (pipe(7)).
 */
bool write_at_once(int fd, const void *bytes, size_t length)
{
  const char *from = bytes;
  while (length > 0) {
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0)
      return false;
    size_t piece = length < PIPE_BUF ? length : PIPE_BUF;
    ssize_t written = send(fd, from, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (written < 0 && errno == ENOTSOCK)
      written = write(fd, from, piece);
    if (written <= 0)
      return false;
    from += written;
    length -= (size_t)written;
  }
  return true;
}
