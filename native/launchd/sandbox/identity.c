/* Who the workload is, and what it can never become again. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"

/* A root user gains nothing by being root, nobody can change that back, and no ambient capability can be raised. */
#define SECUREBITS                                                                                                  \
  (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |                  \
   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* The kernel's overflow uid (DEFAULT_OVERFLOWUID, include/linux/highuid.h), "nobody" on every distribution. */
#define NOBODY 65534

/* Until the kernel knows no further capability (EINVAL): a newer kernel may have more than these headers. */
static bool empty_bounding_set(void)
{
  for (unsigned long capability = 0; capability < 64; capability++)
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0)
      return errno == EINVAL && capability > CAP_AUDIT_READ;
  return true;
}

/* All but `keep`, and that only if it is there. */
static bool drop_capabilities(uint32_t keep)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct now[2] = {{0}}, left[2] = {{0}};
  if (keep != 0 && syscall(SYS_capget, &header, now) != 0)
    return false;
  left[0].permitted = left[0].effective = now[0].permitted & keep;
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 && syscall(SYS_capset, &header, left) == 0;
}

/* Looks again: a set*id call that failed without saying so would leave root behind. */
static bool verify(uid_t reader, uid_t uid, gid_t gid)
{
  uid_t real, effective, saved;
  gid_t real_gid, effective_gid, saved_gid;
  if (getresuid(&real, &effective, &saved) != 0 || getresgid(&real_gid, &effective_gid, &saved_gid) != 0)
    return false;
  errno = EPERM;
  return uid != 0 && reader != 0 && real == reader && effective == uid && saved == uid && real_gid == gid && effective_gid == gid &&
         saved_gid == gid && setuid(0) != 0;
}

static bool take(uid_t real, uid_t uid, gid_t gid, const gid_t *groups, size_t group_count, uint32_t keep)
{
  /* Without the fixup the change of uid leaves the capabilities alone, until all but `keep` are dropped. */
  unsigned long bits = SECUREBITS | (keep == 0 ? 0 : SECBIT_NO_SETUID_FIXUP);
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && empty_bounding_set() &&
         prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) == 0 && setgroups(group_count, groups) == 0 &&
         setresgid(gid, gid, gid) == 0 && setresuid(real, uid, uid) == 0 && drop_capabilities(keep) && verify(real, uid, gid);
}

bool identity_take(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
  return take(uid, uid, gid, groups, group_count, 0);
}

bool identity_read(uid_t uid, gid_t gid, bool own)
{
  return take(own ? NOBODY : uid, uid, gid, NULL, 0, 1u << CAP_LEASE);
}

bool rights_take(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
  if (setgroups(group_count, groups) != 0)
    return false;
  setfsgid(gid);
  setfsuid(uid);
  /* They say nothing of having failed; asked for nobody's id they give the present one (setfsuid(2)). */
  bool taken = (uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid;
  if (!taken) {
    rights_return();
    errno = EPERM;
  }
  return taken;
}

void rights_return(void)
{
  int error = errno;
  setfsuid(0);
  setfsgid(0);
  setgroups(0, NULL);
  errno = error;
}

static int ascending(const void *left, const void *right)
{
  const int *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

void keep_only(int *keep, size_t count)
{
  qsort(keep, count, sizeof *keep, ascending);
  unsigned from = 0;
  for (size_t i = 0; i < count; i++) {
    if (keep[i] < 0)
      continue;
    unsigned kept = (unsigned)keep[i];
    if (kept > from)
      close_range(from, kept - 1, 0);
    from = kept + 1;
  }
  close_range(from, ~0U, 0);
}
