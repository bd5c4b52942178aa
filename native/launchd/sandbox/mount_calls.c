#include "mount_calls.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../../shared/cleanup.h"

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000 /* include/uapi/linux/fcntl.h */
#endif

int new_filesystem(const char *type, const char *const *options, uint64_t attributes)
{
  CLEANUP_FD int context = fsopen(type, FSOPEN_CLOEXEC);
  if (context < 0)
    return -1;
  for (; options[0] != NULL; options += 2)
    if (fsconfig(context, FSCONFIG_SET_STRING, options[0], options[1], 0) != 0)
      return -1;
  if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0)
    return -1;
  return fsmount(context, FSMOUNT_CLOEXEC, (unsigned)attributes);
}

int new_tmpfs(uint64_t bytes, const char *mode, uint64_t attributes)
{
  char size[24];
  snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
  const char *const options[] = {"mode", mode, "size", size, NULL};
  return new_filesystem("tmpfs", options, attributes);
}

bool attach(int mount, int target)
{
  return move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0;
}

bool attach_path(int mount, const char *target)
{
  return move_mount(mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) == 0;
}

int copy_of(int source, bool whole)
{
  return open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (whole ? AT_RECURSIVE : 0u));
}

bool change_attributes(int mount, const char *path, bool below, uint64_t set, uint64_t clear)
{
  struct mount_attr attributes = {.attr_set = set, .attr_clr = clear};
  unsigned flags = (path[0] == '\0' ? AT_EMPTY_PATH : 0u) | (below ? AT_RECURSIVE : 0u);
  return mount_setattr(mount, path, flags, &attributes, sizeof attributes) == 0;
}
