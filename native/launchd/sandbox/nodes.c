/* The execution's own /dev: what every program expects there, its terminal, and the devices that were signed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "mount_calls.h"
#include "sandbox.h"

/* Only where there is a terminal: /dev/tty is what the caller's own session leads to (5, 0 in devices.txt). */
static bool make_terminal_nodes(int dev)
{
  return mkdirat(dev, "pts", 0755) == 0 && symlinkat("pts/ptmx", dev, "ptmx") == 0 &&
         mknodat(dev, "tty", S_IFCHR | 0666, makedev(5, 0)) == 0;
}

/* Directories on the way to a node below /dev. */
static bool make_way(int dev, const char *path)
{
  char way[DEVICE_PATH_MAX];
  for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
    snprintf(way, sizeof way, "%.*s", (int)(slash - path), path);
    if (mkdirat(dev, way, 0755) != 0 && errno != EEXIST)
      return false;
  }
  return true;
}

/*
 * The devices that were signed, as nodes of the execution's own: who may open the host's does not matter, and nobody else gains
 * anything. What every execution has is there already.
 */
static bool make_named_devices(const struct plan *plan, int dev)
{
  for (size_t i = 0; i < plan->devices.count; i++) {
    const struct device_node *node = &plan->devices.items[i];
    if (!make_way(dev, node->path))
      return false;
    if (mknodat(dev, node->path, S_IFCHR | 0600, node->number) != 0) {
      if (errno != EEXIST)
        return false;
    } else if (fchownat(dev, node->path, plan->uid, plan->gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return false;
    }
  }
  return true;
}

bool nodes_make(const struct plan *plan)
{
  static const struct {
    const char *name;
    unsigned minor;
  } devices[] = {{"null", 3}, {"zero", 5}, {"full", 7}, {"random", 8}, {"urandom", 9}}; /* major 1, devices.txt */
  static const char *const links[][2] = {
      {"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}};
  CLEANUP_FD int dev = new_tmpfs(1 << 20, "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  CLEANUP_FD int shm = new_tmpfs(plan->tmp_bytes, "1777", SAFE | MOUNT_ATTR_NOEXEC);
  if (dev < 0 || shm < 0)
    return false;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    if (mknodat(dev, devices[i].name, S_IFCHR | 0666, makedev(1, devices[i].minor)) != 0)
      return false;
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (symlinkat(links[i][0], dev, links[i][1]) != 0)
      return false;
  if (plan->terminal >= 0 && !make_terminal_nodes(dev))
    return false;
  return mkdirat(dev, "shm", 0755) == 0 && make_named_devices(plan, dev) &&
         change_attributes(dev, "", false, MOUNT_ATTR_RDONLY, 0) && attach_path(dev, "/dev") && attach_path(shm, "/dev/shm") &&
         (plan->terminal < 0 || attach_path(plan->terminal, "/dev/pts"));
}
