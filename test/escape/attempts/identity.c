/* Being somebody else, or having rights again. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "attempt.h"

static int try_be_root(char **arguments)
{
  (void)arguments;
  errno = EPERM;
  return geteuid() == 0 || getegid() == 0 ? 0 : -1;
}
static int child_become_root(void) { return setresuid(0, 0, 0); }
static int try_become_root(char **arguments) { (void)arguments; return in_child(child_become_root); }
static int child_become_other(void) { return setresuid(64400, 64400, 64400); }
static int try_become_other(char **arguments) { (void)arguments; return in_child(child_become_other); }
static int child_groups(void)
{
  gid_t group = 0;
  return setgroups(1, &group);
}
static int try_groups(char **arguments) { (void)arguments; return in_child(child_groups); }
/* Inheritable and ambient capabilities survive exec. */
static int child_ambient(void)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[2];
  if (syscall(SYS_capget, &header, sets) != 0)
    unprepared("capget");
  sets[0].inheritable = 1u << CAP_KILL;
  sets[0].permitted |= 1u << CAP_KILL;
  if (syscall(SYS_capset, &header, sets) != 0)
    return -1;
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0);
}
static int try_ambient(char **arguments) { (void)arguments; return in_child(child_ambient); }
static int child_keep(void) { return prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0); }
static int try_secure_bits(char **arguments) { (void)arguments; return in_child(child_keep); }
/* CVE-2021-4034: programs that take argv[1] for granted read beyond an empty vector. */
static int try_without_a_name(char **arguments) { (void)arguments; return 0; }

/* No attempt: gives a file of root's the capability to read everything, as setcap(8) does. */
static int give_capability(char **arguments)
{
  struct vfs_cap_data set = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
                             .data[0].permitted = 1u << CAP_DAC_READ_SEARCH};
  return setxattr(arguments[0], "security.capability", &set, sizeof set, 0);
}

const struct attempt IDENTITY_ATTEMPTS[] = {
    {"be-root", try_be_root}, {"become-root", try_become_root}, {"become-other", try_become_other},
    {"groups", try_groups}, {"ambient", try_ambient}, {"secure-bits", try_secure_bits},
    {"without-a-name", try_without_a_name}, {"give-capability", give_capability}, {NULL, NULL}};
