#include "passing.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"

union space {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

bool pass_message(int socket, const void *message, size_t size, int fd)
{
  union space control;
  struct iovec vector;
  memset(&control, 0, sizeof control);
  memset(&vector, 0, sizeof vector);
  memcpy(&vector.iov_base, &message, sizeof message); /* which sendmsg(2) only reads */
  vector.iov_len = size;
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  if (fd >= 0) {
    header.msg_control = &control;
    header.msg_controllen = sizeof control;
    struct cmsghdr *c = (struct cmsghdr *)(void *)control.bytes; /* the first: the space is as large as it takes */
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

ssize_t take_message(int socket, void *message, size_t size, int *fd)
{
  union space control;
  struct iovec vector = {.iov_base = message, .iov_len = size};
  struct msghdr header = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  *fd = -1;
  ssize_t length = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0)
    return length;
  const struct cmsghdr *c = CMSG_FIRSTHDR(&header);
  if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len >= CMSG_LEN(sizeof *fd))
    memcpy(fd, CMSG_DATA(c), sizeof *fd);
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    close_fd(fd);
  return length;
}
