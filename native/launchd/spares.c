#include "spares.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "sandbox/sandbox.h"

/* So many are left when more are made: half, so that a process is worth it. */
#define FEW (SPARES_MAX / 2)
#define PAUSE_NS NS_PER_SECOND

void spares_start(struct spares *spares)
{
  *spares = (struct spares){.maker = -1};
}

int spares_take(struct spares *spares)
{
  return spares->count == 0 ? -1 : spares->namespaces[--spares->count];
}

static bool send_namespace(int channel, int namespace)
{
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  memset(&control, 0, sizeof control);
  char byte = 0;
  struct iovec vector = {.iov_base = &byte, .iov_len = sizeof byte};
  struct msghdr header = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *c = (struct cmsghdr *)(void *)control.space;
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof namespace);
  memcpy(CMSG_DATA(c), &namespace, sizeof namespace);
  return sendmsg(channel, &header, MSG_NOSIGNAL) == sizeof byte;
}

/* Goes from one new namespace to the next; nobody is in one that is left, and this process does nothing there. */
__attribute__((noreturn)) static void make(int channel, size_t count)
{
  int keep[] = {channel};
  keep_only(keep, 1);
  prctl(PR_SET_NAME, "writ-namespaces");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (size_t i = 0; i < count; i++) {
    CLEANUP_FD int namespace = unshare(CLONE_NEWNET) != 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || !send_namespace(channel, namespace))
      break;
  }
  _exit(0);
}

bool spares_wanted(const struct spares *spares)
{
  return spares->maker < 0 && spares->count <= FEW && boot_time_ns() >= spares->not_before;
}

bool spares_order(struct spares *spares)
{
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return false;
  pid_t process = fork();
  if (process == 0)
    make(sockets[1], SPARES_MAX - spares->count);
  close(sockets[1]);
  if (process < 0) {
    close(sockets[0]);
    return false;
  }
  spares->maker = sockets[0];
  spares->came = false;
  return true;
}

void spares_receive(struct spares *spares)
{
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  char byte;
  struct iovec vector = {.iov_base = &byte, .iov_len = sizeof byte};
  for (;;) {
    struct msghdr header = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(spares->maker, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    const struct cmsghdr *c = length == sizeof byte ? CMSG_FIRSTHDR(&header) : NULL;
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || spares->count == SPARES_MAX)
      break;
    memcpy(&spares->namespaces[spares->count++], CMSG_DATA(c), sizeof(int));
    spares->came = true;
  }
  if (!spares->came)
    spares->not_before = boot_time_ns() + PAUSE_NS;
  close_fd(&spares->maker);
}
