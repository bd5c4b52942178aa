/*
 * launch CGROUP UID: runs /bin/true closed in as an execution is, and waits for its end, in the most direct way that one C
 * program can: no other process to ask, nobody to watch over it, nothing that could be stopped half-way.
 *
 * The same as the launcher gives: the bytes copied, hashed, sealed, compared with a digest and bound over the path in a
 * private mount namespace that is read-only but for its own /tmp, /run, /dev and /proc; PID, mount, IPC, UTS, cgroup and
 * network namespaces with an init and loopback; a fresh cgroup; pipes; an own uid, no capabilities, no_new_privs; Landlock
 * and the same seccomp filter.
 */
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* The very same hash function and filter: nothing could be more alike. */
#include "../../native/launchd/sandbox/seccomp.c"
#include "../../native/launchd/sha256.c"
#include "cgroup.h"

#define PROGRAM "/bin/true"

static const char *parent_cgroup;
static uid_t uid;
static uint8_t expected[32];

/* ------------------------------------------------------------------ bytes */

static int copy_and_hash(uint8_t digest[32])
{
  static char chunk[256 << 10];
  struct sha256 hash;
  int from = open(PROGRAM, O_RDONLY | O_CLOEXEC);
  int to = memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  require(from >= 0 && to >= 0, PROGRAM);
  sha256_start(&hash);
  for (ssize_t length; (length = read(from, chunk, sizeof chunk)) != 0;) {
    require(length > 0 && write(to, chunk, (size_t)length) == length, "copy");
    sha256_add(&hash, chunk, (size_t)length);
  }
  sha256_finish(&hash, digest);
  require(fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0, "seal");
  close(from);
  return to;
}

/* ------------------------------------------------------------------ walls */

static void mount_tmpfs(const char *path, const char *options, unsigned long flags)
{
  require(mount("tmpfs", path, "tmpfs", flags, options) == 0, path);
}

static void make_devices(void)
{
  static const struct { const char *path; unsigned minor; } devices[] = {
      {"/dev/null", 3}, {"/dev/zero", 5}, {"/dev/full", 7}, {"/dev/random", 8}, {"/dev/urandom", 9}};
  mount_tmpfs("/dev", "mode=0755,size=1m", MS_NOSUID | MS_NOEXEC);
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
    require(mknod(devices[i].path, S_IFCHR | 0666, makedev(1, devices[i].minor)) == 0, "mknod");
  require(symlink("/proc/self/fd", "/dev/fd") == 0 && symlink("/proc/self/fd/0", "/dev/stdin") == 0 &&
              symlink("/proc/self/fd/1", "/dev/stdout") == 0 && symlink("/proc/self/fd/2", "/dev/stderr") == 0 &&
              mkdir("/dev/shm", 0755) == 0,
          "/dev");
  mount_tmpfs("/dev/shm", "mode=1777,size=64m", MS_NOSUID | MS_NODEV | MS_NOEXEC);
}

static void make_root(int program)
{
  struct stat status;
  off_t from = 0;
  struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  struct mount_attr writable = {.attr_set = MOUNT_ATTR_NOEXEC, .attr_clr = MOUNT_ATTR_RDONLY};
  umask(0);
  require(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private");
  mount_tmpfs("/run", "mode=0755,size=8m", MS_NOSUID | MS_NODEV);
  mount_tmpfs("/tmp", "mode=1777,size=64m", MS_NOSUID | MS_NODEV);
  require(mkdir("/run/subjects", 0700) == 0, "/run/subjects");
  int copy = open("/run/subjects/0", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  require(copy >= 0 && fstat(program, &status) == 0, "copy");
  require(sendfile(copy, program, &from, (size_t)status.st_size) == status.st_size && fchmod(copy, 0555) == 0, "copy");
  close(copy);
  require(mount("/run/subjects/0", PROGRAM, NULL, MS_BIND, NULL) == 0, "bind");
  require(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &read_only, sizeof read_only) == 0, "read-only");
  require(mount_setattr(AT_FDCWD, "/tmp", 0, &writable, sizeof writable) == 0, "/tmp");
  make_devices();
  require(mount("proc", "/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=invisible") == 0, "/proc");
  require(chdir("/") == 0, "/");
}

static void raise_loopback(void)
{
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  require(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0, "loopback");
  close(fd);
}

static void drop_identity(void)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
    ;
  require(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0, "identity");
  require(syscall(SYS_capset, &header, none) == 0, "capset");
}

static void allow(int ruleset, const char *path, uint64_t access)
{
  struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = open(path, O_PATH | O_CLOEXEC)};
  require(rule.parent_fd >= 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0, path);
  close(rule.parent_fd);
}

static void landlock(void)
{
  const uint64_t changes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                           LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
                           LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                           LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
  uint64_t handled = changes;
  int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
  require(ruleset >= 0, "landlock");
  allow(ruleset, "/tmp", changes);
  allow(ruleset, "/dev/shm", changes);
  allow(ruleset, "/dev", LANDLOCK_ACCESS_FS_WRITE_FILE);
  require(syscall(SYS_landlock_restrict_self, ruleset, 0) == 0, "landlock");
  close(ruleset);
}

/* ------------------------------------------------------------------ running */

__attribute__((noreturn)) static void workload(const int stdio[3])
{
  static char *arguments[] = {PROGRAM, NULL}, *environment[] = {NULL};
  struct rlimit no_core = {0, 0};
  setsid();
  for (int i = 0; i < 3; i++)
    require(dup2(stdio[i], i) == i, "dup2");
  require(close_range(3, ~0U, 0) == 0 && setrlimit(RLIMIT_CORE, &no_core) == 0, "limits");
  execve(PROGRAM, arguments, environment);
  fail(PROGRAM);
}

__attribute__((noreturn)) static void init(int program, const int stdio[3])
{
  int status = 1;
  make_root(program);
  require(sethostname("writ", 4) == 0, "host name");
  raise_loopback();
  drop_identity();
  landlock();
  require(seccomp_install(), "seccomp");
  pid_t child = fork();
  if (child == 0)
    workload(stdio);
  require(child > 0 && waitpid(child, &status, 0) == child, "workload");
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Reads a stream to its end. */
static void drain(int fd)
{
  char bytes[4096];
  while (read(fd, bytes, sizeof bytes) > 0)
    ;
  close(fd);
}

static uint64_t once(void)
{
  static unsigned count;
  char path[512];
  uint8_t digest[32];
  int in[2], out[2], err[2], status;
  uint64_t start = now_ns();
  int program = copy_and_hash(digest);
  require(memcmp(digest, expected, sizeof digest) == 0, "another digest");
  snprintf(path, sizeof path, "%s/%u", parent_cgroup, count++);
  int cgroup = cgroup_make(path);
  require(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0, "pipes");
  struct clone_args arguments = {.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
                                          CLONE_NEWNET | CLONE_INTO_CGROUP,
                                 .exit_signal = SIGCHLD,
                                 .cgroup = (uint64_t)cgroup};
  pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  require(child >= 0, "clone3");
  if (child == 0)
    init(program, (int[]){in[0], out[1], err[1]});
  close(program);
  close(in[0]), close(out[1]), close(err[1]), close(in[1]);
  drain(out[0]);
  drain(err[0]);
  require(waitpid(child, &status, 0) == child, "waitpid");
  cgroup_wait_empty(cgroup);
  close(cgroup);
  require(rmdir(path) == 0, "rmdir");
  uint64_t took = now_ns() - start;
  require(status == 0, "it did not exit with 0");
  return took;
}

int main(int argc, char **argv)
{
  require(argc == 3, "launch CGROUP UID");
  parent_cgroup = argv[1];
  uid = (uid_t)strtoul(argv[2], NULL, 10);
  close(copy_and_hash(expected));
  return serve(once);
}
