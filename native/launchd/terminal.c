#include "terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "sandbox/mount_calls.h"

/*
 * Every mount of devpts is an instance of its own since Linux 4.7 (Documentation/filesystems/devpts.rst). The kernel's limit
 * of terminals counts all instances, so each gets few; the host's own keep their reserve (kernel.pty.reserve).
 */
static int new_devpts(uid_t uid, gid_t gid)
{
  char user[16], group[16];
  snprintf(user, sizeof user, "%u", uid);
  snprintf(group, sizeof group, "%u", gid);
  const char *const options[] = {"uid", user, "gid", group, "mode", "0600", "ptmxmode", "0666", "max", "16", NULL};
  return new_filesystem("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
}

bool terminal_make(uid_t uid, gid_t gid, struct terminal *terminal)
{
  int locked = 0;
  CLEANUP_FD int mount = new_devpts(uid, gid);
  CLEANUP_FD int master = mount < 0 ? -1 : openat(mount, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (master < 0 || ioctl(master, TIOCSPTLCK, &locked) != 0)
    return false;
  /* By the master and not by a name: there is no path to it yet (TIOCGPTPEER, ioctl_tty(2)). */
  CLEANUP_FD int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0)
    return false;
  *terminal = (struct terminal){.mount = steal_fd(&mount), .master = steal_fd(&master), .slave = steal_fd(&slave)};
  return true;
}
