#include "source.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "sha256.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000U /* include/uapi/linux/stat.h, Linux 5.8 */
#endif
#define MNT_ID_UNIQUE 0x4000U /* STATX_MNT_ID_UNIQUE, Linux 6.8: never used again, so a file system that was mounted anew is another */
#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* Longer than the coarsest time stamps of these file systems: ext4 with small inodes counts seconds. */
#define STEADY_SECONDS 2

/*
 * File systems on local disks, whose kernel code moves the change time before it changes bytes, through mappings too. tmpfs does not for
 * mappings; what FUSE and network servers say is theirs to say; overlayfs passes on what lies below.
 */
static bool keeps_change_times(int fd)
{
  struct statfs filesystem;
  if (fstatfs(fd, &filesystem) != 0)
    return false;
  return filesystem.f_type == EXT4_SUPER_MAGIC || filesystem.f_type == XFS_SUPER_MAGIC || filesystem.f_type == BTRFS_SUPER_MAGIC;
}

static void add(struct sha256 *hash, uint64_t value)
{
  sha256_add(hash, &value, sizeof value);
}

static void take_fingerprint(const struct statx *status, uint8_t fingerprint[FINGERPRINT_SIZE])
{
  struct sha256 hash;
  sha256_start(&hash);
  add(&hash, status->stx_mnt_id);
  add(&hash, (uint64_t)status->stx_dev_major << 32 | status->stx_dev_minor);
  add(&hash, status->stx_ino);
  add(&hash, status->stx_size);
  add(&hash, (uint64_t)status->stx_mtime.tv_sec);
  add(&hash, status->stx_mtime.tv_nsec);
  add(&hash, (uint64_t)status->stx_ctime.tv_sec);
  add(&hash, status->stx_ctime.tv_nsec);
  sha256_finish(&hash, fingerprint);
}

static bool look(int fd, bool directory, struct source *source)
{
  struct timespec now;
  struct statx status;
  memset(source, 0, sizeof *source);
  bool local = keeps_change_times(fd);
  /* In this order: the clock, who writes, the times. Any write that is not seen here begins later than the clock was read. */
  bool known = clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 && local && (directory || nobody_writes(fd));
  if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID | MNT_ID_UNIQUE, &status) != 0)
    return false;
  source->bytes = status.stx_size;
  source->has_fingerprint = local;
  source->steady = known && status.stx_ctime.tv_sec + STEADY_SECONDS < now.tv_sec;
  if (local)
    take_fingerprint(&status, source->fingerprint);
  return true;
}

bool source_look(int fd, struct source *source)
{
  return look(fd, false, source);
}

bool source_look_at_directory(int fd, struct source *source)
{
  return look(fd, true, source);
}

bool source_is_same(const struct source *before, const struct source *after)
{
  return before->has_fingerprint && after->has_fingerprint &&
         memcmp(before->fingerprint, after->fingerprint, FINGERPRINT_SIZE) == 0;
}
