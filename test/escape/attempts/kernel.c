/* System calls that reach the kernel itself, its namespaces and its mounts. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

static int mounted(const char *source, const char *type, unsigned long flags)
{
  const char *at = fresh_name("/tmp");
  if (mkdir(at, 0700) != 0)
    unprepared("mkdir");
  int result = mount(source, at, type, flags, NULL);
  int error = errno;
  if (result == 0)
    umount2(at, MNT_DETACH);
  rmdir(at);
  errno = error;
  return result;
}

static int try_mount(char **arguments) { (void)arguments; return mounted("none", "tmpfs", 0); }
static int try_bind_mount(char **arguments) { (void)arguments; return mounted("/etc", NULL, MS_BIND); }
static int try_fsopen(char **arguments) { (void)arguments; return opened((int)syscall(SYS_fsopen, "tmpfs", 0)); }
static int try_open_tree(char **arguments)
{
  (void)arguments;
  return opened(open_tree(AT_FDCWD, "/etc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}
static int child_chroot(void) { return chroot("/tmp"); }
static int try_chroot(char **arguments) { (void)arguments; return in_child(child_chroot); }

static int child_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static int try_user_namespace(char **arguments) { (void)arguments; return in_child(child_user_namespace); }
static int child_mount_namespace(void) { return unshare(CLONE_NEWNS); }
static int try_mount_namespace(char **arguments) { (void)arguments; return in_child(child_mount_namespace); }
static int waited(long child)
{
  if (child == 0)
    _exit(0);
  return child < 0 || waitpid((pid_t)child, NULL, 0) != child ? -1 : 0;
}
static int try_clone(char **arguments)
{
  (void)arguments;
  return waited(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
}
static int try_clone3(char **arguments)
{
  (void)arguments;
  struct clone_args how = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  return waited(syscall(SYS_clone3, &how, sizeof how));
}
static int child_setns(void)
{
  int own = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
  if (own < 0)
    unprepared("/proc/self/ns/uts");
  return setns(own, CLONE_NEWUTS);
}
static int try_setns(char **arguments) { (void)arguments; return in_child(child_setns); }

/* Shocker: a file handle names what no path leads to. */
static int try_handle(char **arguments)
{
  (void)arguments;
  struct {
    struct file_handle head;
    char bytes[MAX_HANDLE_SZ];
  } handle = {.head.handle_bytes = MAX_HANDLE_SZ};
  int mount_id, root = open("/", O_RDONLY | O_DIRECTORY);
  if (name_to_handle_at(AT_FDCWD, "/etc/passwd", &handle.head, &mount_id, 0) != 0)
    return -1;
  return opened(open_by_handle_at(root, &handle.head, O_RDONLY));
}

static int try_bpf(char **arguments)
{
  (void)arguments;
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  return opened((int)syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
}
static int try_io_uring(char **arguments)
{
  (void)arguments;
  char parameters[120] = {0};
  return opened((int)syscall(SYS_io_uring_setup, 1, parameters));
}
static int try_userfaultfd(char **arguments) { (void)arguments; return opened((int)syscall(SYS_userfaultfd, O_CLOEXEC)); }
static int try_perf(char **arguments)
{
  (void)arguments;
  struct perf_event_attr what = {.type = PERF_TYPE_SOFTWARE, .size = sizeof what, .config = PERF_COUNT_SW_CPU_CLOCK};
  return opened((int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0));
}
static int try_add_key(char **arguments)
{
  (void)arguments;
  return syscall(SYS_add_key, "user", "writ-escape", "x", 1, -2 /* KEY_SPEC_PROCESS_KEYRING */) < 0 ? -1 : 0;
}
static int try_session_keyring(char **arguments)
{
  (void)arguments;
  return syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* KEY_SPEC_SESSION_KEYRING */, 1) < 0 ? -1 : 0;
}
static int try_kernel_log(char **arguments)
{
  (void)arguments;
  static char text[4096];
  return klogctl(3 /* SYSLOG_ACTION_READ_ALL */, text, sizeof text) < 0 ? -1 : 0;
}
/* By nothing: it takes the right to set the clock all the same. */
static int try_clock(char **arguments)
{
  (void)arguments;
  struct timex nothing = {.modes = ADJ_SETOFFSET};
  return adjtimex(&nothing) < 0 ? -1 : 0;
}
/* Not a reboot: whether Ctrl-Alt-Del makes one. It has to be allowed to make one. */
static int try_reboot(char **arguments)
{
  (void)arguments;
  return reboot(RB_DISABLE_CAD) == 0 ? 0 : -1;
}
static int try_host_name(char **arguments)
{
  (void)arguments;
  char name[256];
  if (gethostname(name, sizeof name) != 0)
    unprepared("gethostname");
  return sethostname(name, strlen(name));
}
static int try_personality(char **arguments) { (void)arguments; return personality(ADDR_NO_RANDOMIZE) < 0 ? -1 : 0; }
static int try_fanotify(char **arguments)
{
  (void)arguments;
  return opened(fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY));
}
static int try_priority(char **arguments) { (void)arguments; return setpriority(PRIO_PROCESS, 0, -5); }

/* Another entry to the kernel has other numbers, which a filter of this one's numbers does not mean. */
static int try_other_entry(char **arguments)
{
  (void)arguments;
#if defined(__x86_64__)
  long number = 20; /* getpid of the 32-bit table */
  __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
  errno = ENOSYS;
  return number == getpid() ? 0 : -1;
#else
  unprepared("no second table on this architecture");
#endif
}

const struct attempt KERNEL_ATTEMPTS[] = {
    {"mount", try_mount}, {"bind-mount", try_bind_mount}, {"fsopen", try_fsopen}, {"open-tree", try_open_tree},
    {"chroot", try_chroot}, {"user-namespace", try_user_namespace}, {"mount-namespace", try_mount_namespace},
    {"clone", try_clone}, {"clone3", try_clone3}, {"setns", try_setns}, {"file-handle", try_handle}, {"bpf", try_bpf},
    {"io-uring", try_io_uring}, {"userfaultfd", try_userfaultfd}, {"perf", try_perf}, {"add-key", try_add_key},
    {"session-keyring", try_session_keyring}, {"kernel-log", try_kernel_log}, {"clock", try_clock},
    {"reboot", try_reboot}, {"host-name", try_host_name}, {"personality", try_personality}, {"fanotify", try_fanotify},
    {"priority", try_priority}, {"other-entry", try_other_entry}, {NULL, NULL}};
