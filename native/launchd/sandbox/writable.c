#include "writable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "mount_calls.h"

#define CONFIGFS_MAGIC 0x62656570 /* fs/configfs/mount.c */

/* There is one init per process. */
static int sources[WIRE_WRITABLE_MAX]; /* what the paths stand for on the host */
static int targets[WIRE_WRITABLE_MAX]; /* where they go */

static bool refuse(struct failure *failure, uint32_t index)
{
  *failure = (struct failure){.status = STATUS_WRITABLE_REFUSED, .error = errno, .index = index};
  return false;
}

/* What is written there is no file's content but an order to the kernel, and what is read there is the host's. */
static bool is_interface(const struct statfs *filesystem)
{
  switch ((uint32_t)filesystem->f_type) {
  case PROC_SUPER_MAGIC:
  case SYSFS_MAGIC:
  case CGROUP_SUPER_MAGIC:
  case CGROUP2_SUPER_MAGIC:
  case DEVPTS_SUPER_MAGIC:
  case DEBUGFS_MAGIC:
  case TRACEFS_MAGIC:
  case SECURITYFS_MAGIC:
  case SELINUX_MAGIC:
  case SMACK_MAGIC:
  case BPF_FS_MAGIC:
  case CONFIGFS_MAGIC:
  case EFIVARFS_MAGIC:
  case PSTOREFS_MAGIC:
  case BINFMTFS_MAGIC:
  case RDTGROUP_SUPER_MAGIC:
    return true;
  default:
    return false;
  }
}

/* The file system of the host's devices. devtmpfs calls itself a tmpfs in statfs(2), but all its mounts have one device number. */
static bool is_of_devices(const struct stat *status)
{
  struct stat devices, root;
  if (stat("/dev", &devices) != 0 || stat("/", &root) != 0)
    return true;
  bool same = devices.st_dev == status->st_dev;
  return same && (devices.st_dev != root.st_dev || devices.st_ino == status->st_ino);
}

/* A mount that the host made read-only stays that. Looked at before all mounts become read-only here. */
static bool is_writable_mount(int fd)
{
  struct statvfs status;
  return fstatvfs(fd, &status) == 0 && (status.f_flag & ST_RDONLY) == 0;
}

/* Whether what was opened may be bound at all; errno says why not. */
static bool may_be_written(int fd)
{
  struct stat status;
  struct statfs filesystem;
  if (fstat(fd, &status) != 0 || fstatfs(fd, &filesystem) != 0)
    return false;
  errno = EINVAL;
  if (!S_ISDIR(status.st_mode) && !S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode))
    return false;
  if (is_interface(&filesystem) || is_of_devices(&status))
    return false;
  errno = EROFS;
  return S_ISSOCK(status.st_mode) || is_writable_mount(fd);
}

/*
 * The same walk as for the target: from the first directory on that somebody else than root can change, no link is followed, since that one would say
 * what a signed path means. Each name by itself sets off no automount (openat(2), O_PATH): the whole path before it does.
 */
static int open_source(const char *path)
{
  struct own_filesystems none = {.count = 0};
  CLEANUP_FD int automount = open(path, O_PATH | O_CLOEXEC);
  (void)automount;
  return place_open(path, false, PLACE_WITHIN, &none);
}

/* With the rights of the uid and its groups: a directory that it cannot reach on the host is not handed to it here. */
bool writable_open(const struct plan *plan, struct failure *failure)
{
  bool opened = true;
  if (plan->writable_count == 0)
    return true;
  if (!rights_take(plan->uid, plan->gid, plan->groups, plan->group_count)) {
    *failure = (struct failure){.status = STATUS_SANDBOX_FAILED, .error = errno, .index = STEP_IDENTITY};
    return false;
  }
  for (uint32_t i = 0; opened && i < plan->writable_count; i++) {
    sources[i] = open_source(plan->writable[i]);
    opened = (sources[i] >= 0 && may_be_written(sources[i])) || refuse(failure, i);
  }
  rights_return();
  return opened;
}

static bool same_file(int left, int right)
{
  struct stat a, b;
  return fstat(left, &a) == 0 && fstat(right, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static uint64_t mount_of(int fd)
{
  struct statx status;
  return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 ? status.stx_mnt_id : 0;
}

/* What lies in a directory that is a subject is what was signed: nothing of the host's is mounted there. */
static bool lies_in_subject(const struct staging *staging, int target)
{
  for (uint32_t i = 0; i < staging->count; i++) {
    if (staging->subjects[i].kind != KIND_TREE)
      continue;
    CLEANUP_FD int top = open(staging->subjects[i].path, O_PATH | O_CLOEXEC);
    if (top < 0 || mount_of(top) == mount_of(target))
      return true;
  }
  return false;
}

/* In a directory that was made for this execution there is a place made for it too. Anywhere else the path still has to show what was opened. */
bool writable_place(const struct plan *plan, struct own_filesystems *own, struct failure *failure)
{
  struct stat status;
  for (uint32_t i = 0; i < plan->writable_count; i++) {
    if (fstat(sources[i], &status) != 0)
      return refuse(failure, i);
    targets[i] = place_open(plan->writable[i], S_ISDIR(status.st_mode), PLACE_WITHIN, own);
    if (targets[i] < 0)
      return refuse(failure, i);
    errno = EROFS;
    if (lies_in_subject(&plan->staging, targets[i]))
      return refuse(failure, i);
    errno = ESTALE;
    if (!own_has(own, targets[i]) && !same_file(sources[i], targets[i]))
      return refuse(failure, i);
  }
  return true;
}

bool writable_bind(const struct plan *plan, struct failure *failure)
{
  for (uint32_t i = 0; i < plan->writable_count; i++) {
    CLEANUP_FD int bind = copy_of(sources[i], false);
    if (bind < 0 || !change_attributes(bind, "", false, SAFE | MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY) || !attach(bind, targets[i]))
      return refuse(failure, i);
    close_fd(&targets[i]);
  }
  return true;
}

/* The execution's own /dev and /proc were mounted since, and each writable path may lie below another. */
bool writable_verify(const struct plan *plan, struct failure *failure)
{
  struct own_filesystems none = {.count = 0};
  for (uint32_t i = 0; i < plan->writable_count; i++) {
    CLEANUP_FD int shown = place_open(plan->writable[i], false, PLACE_WITHIN, &none);
    errno = ESTALE;
    if (shown < 0 || !same_file(shown, sources[i]))
      return refuse(failure, i);
  }
  return true;
}

int writable_source(uint32_t index)
{
  return sources[index];
}
