/*
 * Landlock (landlock(7)): a second lock behind the read-only mounts. The workload keeps it whatever it does, also in
 * mounts that it might somehow reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "sandbox.h"
#include "writable.h"

/* include/uapi/linux/landlock.h of Linux 6.12; the build host's headers may be older. */
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* ABI 3 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#endif
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ULL << 1)

struct ruleset_attributes {
  uint64_t handled_access_fs;
  uint64_t handled_access_net; /* ABI 4 */
  uint64_t scoped;             /* ABI 6 */
};

#define CHANGES                                                                                                    \
  (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                 \
   LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                       \
   LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                    \
   LANDLOCK_ACCESS_FS_MAKE_SYM)
/* Rights that a rule for something that is no directory may name (security/landlock/fs.c, ACCESS_FILE). */
#define ON_FILES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV)

int landlock_abi(void)
{
  long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi < 0 ? 0 : (int)abi;
}

static uint64_t handled(int abi)
{
  uint64_t access = CHANGES;
  if (abi >= 2) /* before, moving between directories is always refused */
    access |= LANDLOCK_ACCESS_FS_REFER;
  if (abi >= 3)
    access |= LANDLOCK_ACCESS_FS_TRUNCATE;
  if (abi >= 5)
    access |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
  return access;
}

static bool allow(int ruleset, int fd, uint64_t access)
{
  struct stat status;
  if (fd < 0 || fstat(fd, &status) != 0)
    return false;
  if (S_ISSOCK(status.st_mode)) /* connecting is not Landlock's; and there is nothing to write */
    return true;
  if (!S_ISDIR(status.st_mode))
    access &= ON_FILES;
  struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
  return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

/* For directories of the execution's own, which only root can change. */
static bool allow_path(int ruleset, const char *path, uint64_t access)
{
  CLEANUP_FD int fd = open(path, O_PATH | O_CLOEXEC);
  return allow(ruleset, fd, access);
}

bool landlock_restrict(const struct plan *plan)
{
  int abi = landlock_abi();
  if (abi == 0)
    return !plan->landlock_required;
  uint64_t access = handled(abi);
  struct ruleset_attributes attributes = {
      .handled_access_fs = access, .scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL : 0};
  size_t size = abi >= 6 ? sizeof attributes : sizeof(uint64_t);
  CLEANUP_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
  if (ruleset < 0 || !allow_path(ruleset, "/tmp", access) || !allow_path(ruleset, "/dev/shm", access) ||
      !allow_path(ruleset, "/dev", access & ON_FILES))
    return false;
  for (uint32_t i = 0; i < plan->writable_count; i++)
    if (!allow(ruleset, writable_source(i), access))
      return false;
  return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
}
