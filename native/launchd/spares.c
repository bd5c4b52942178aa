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
#include "../shared/passing.h"
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

/* Goes from one new namespace to the next; nobody is in one that is left, and this process does nothing there. */
__attribute__((noreturn)) static void make(int channel, size_t count)
{
  int keep[] = {channel};
  keep_only(keep, 1);
  prctl(PR_SET_NAME, "writ-namespaces");
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (size_t i = 0; i < count; i++) {
    CLEANUP_FD int namespace = unshare(CLONE_NEWNET) != 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (namespace < 0 || !pass_message(channel, "", 1, namespace))
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
  char byte;
  for (;;) {
    CLEANUP_FD int namespace = -1;
    ssize_t length = take_message(spares->maker, &byte, sizeof byte, &namespace);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (length != sizeof byte || namespace < 0 || spares->count == SPARES_MAX)
      break;
    spares->namespaces[spares->count++] = steal_fd(&namespace);
    spares->came = true;
  }
  if (!spares->came)
    spares->not_before = boot_time_ns() + PAUSE_NS;
  close_fd(&spares->maker);
}
