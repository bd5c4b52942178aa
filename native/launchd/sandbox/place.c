#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "mount_calls.h"

#define LINKS_MAX 40 /* MAXSYMLINKS, include/linux/namei.h */
#define COVER_BYTES (UINT64_C(1) << 20) /* directories and empty files only */

struct walk {
  struct own_filesystems *own;
  int at; /* the directory reached */
  char rest[PATH_MAX];
  int links;
};

bool own_add(struct own_filesystems *own, int fd)
{
  struct stat status;
  if (own->count == OWN_MAX || fstat(fd, &status) != 0) {
    errno = ENOSPC;
    return false;
  }
  own->devices[own->count++] = status.st_dev;
  return true;
}

bool own_has(const struct own_filesystems *own, int fd)
{
  struct stat status;
  if (fstat(fd, &status) != 0)
    return false;
  for (int i = 0; i < own->count; i++)
    if (own->devices[i] == status.st_dev)
      return true;
  return false;
}

/* Only root can change it. A FUSE server, which any user may be, can say what it likes about owners. */
static bool is_roots(int fd)
{
  struct stat status;
  struct statfs filesystem;
  return fstat(fd, &status) == 0 && fstatfs(fd, &filesystem) == 0 && filesystem.f_type != FUSE_SUPER_MAGIC &&
         status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Mounts an empty private directory over the one reached, and goes there. */
static bool cover(struct walk *walk)
{
  CLEANUP_FD int mount = new_tmpfs(COVER_BYTES, "0755", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (mount < 0 || !attach(mount, walk->at) || !own_add(walk->own, mount))
    return false;
  close_fd(&walk->at);
  walk->at = steal_fd(&mount);
  return true;
}

static bool to_root(struct walk *walk)
{
  close_fd(&walk->at);
  walk->at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return walk->at >= 0;
}

/* Puts a symbolic link's target before the rest of the way. Links of procfs mean something else to each process, or are no paths at all. */
static bool follow(struct walk *walk, int link)
{
  char target[PATH_MAX], joined[2 * PATH_MAX];
  struct statfs filesystem;
  errno = ELOOP;
  if (fstatfs(link, &filesystem) != 0 || filesystem.f_type == PROC_SUPER_MAGIC)
    return false;
  ssize_t length = readlinkat(link, "", target, sizeof target - 1);
  if (length <= 0 || ++walk->links > LINKS_MAX) {
    errno = ELOOP;
    return false;
  }
  target[length] = '\0';
  int size = snprintf(joined, sizeof joined, "%s%s%s", target, walk->rest[0] == '\0' ? "" : "/", walk->rest);
  if (size >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(walk->rest, joined, (size_t)size + 1);
  return target[0] != '/' || to_root(walk);
}

/* Takes the next name off the rest; false at the end. */
static bool next_name(struct walk *walk, char name[NAME_MAX + 1])
{
  char *from = walk->rest + strspn(walk->rest, "/");
  size_t length = strcspn(from, "/");
  if (length == 0 || length > NAME_MAX)
    return false;
  memcpy(name, from, length);
  name[length] = '\0';
  from += length;
  from += strspn(from, "/");
  memmove(walk->rest, from, strlen(from) + 1);
  return true;
}

static bool create(struct walk *walk, const char *name, bool directory)
{
  if (!own_has(walk->own, walk->at)) {
    errno = ENOENT;
    return false;
  }
  return directory ? mkdirat(walk->at, name, 0755) == 0 : mknodat(walk->at, name, S_IFREG | 0444, 0) == 0;
}

/* The last stretch of PLACE_WITHIN: one atomic look-up that crosses no link, whatever others do meanwhile. */
static int open_within(const struct walk *walk)
{
  struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH};
  return (int)syscall(SYS_openat2, walk->at, walk->rest, &how, sizeof how);
}

static bool start(struct walk *walk, const char *path, struct own_filesystems *own)
{
  *walk = (struct walk){.own = own, .at = -1};
  size_t length = strlen(path);
  if (length >= sizeof walk->rest) {
    errno = ENAMETOOLONG;
    return false;
  }
  memcpy(walk->rest, path, length + 1);
  return to_root(walk);
}

static int walk_on(struct walk *walk, bool directory, enum place_rule rule)
{
  char name[NAME_MAX + 1];
  for (;;) {
    if (!is_roots(walk->at)) {
      if (rule == PLACE_WITHIN)
        return open_within(walk);
      if (!cover(walk))
        return -1;
    }
    if (!next_name(walk, name)) {
      errno = EINVAL;
      return -1;
    }
    CLEANUP_FD int found = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (found < 0 && errno == ENOENT && create(walk, name, walk->rest[0] != '\0' || directory))
      found = openat(walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (found < 0 || fstat(found, &status) != 0)
      return -1;
    if (S_ISLNK(status.st_mode)) {
      if (!follow(walk, found))
        return -1;
      continue;
    }
    if (walk->rest[0] == '\0')
      return steal_fd(&found);
    if (!S_ISDIR(status.st_mode)) {
      errno = ENOTDIR;
      return -1;
    }
    close_fd(&walk->at);
    walk->at = steal_fd(&found);
  }
}

int place_open(const char *path, bool directory, enum place_rule rule, struct own_filesystems *own)
{
  struct walk walk;
  if (!start(&walk, path, own))
    return -1;
  int found = walk_on(&walk, directory, rule);
  close_fd(&walk.at);
  return found;
}
