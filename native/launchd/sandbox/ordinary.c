/*
 * What a process inherits without asking and exec leaves alone, set back to what it is for an ordinary process: how the launcher was started, by a
 * service manager or from somebody's shell, is not to be seen in a workload. All of it is inherited once more by the workload, and by what it forks.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "sandbox.h"

#define TIMER_SLACK_NS 50000 /* of the first process of a host (INIT_TASK, init/init_task.c) */
#define COREDUMP_FILTER "0x33" /* MMF_DUMP_FILTER_DEFAULT, include/linux/mm_types.h */
#define STACK_BYTES (UINT64_C(8) << 20) /* _STK_LIM, include/uapi/linux/resource.h */
#define KERNEL_SIGNALS 64

bool write_setting(const char *path, const char *value)
{
  CLEANUP_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
  ssize_t length = (ssize_t)strlen(value);
  return fd >= 0 && write(fd, value, (size_t)length) == length;
}

/*
 * Real-time, deadline and a better nice value than 0 are taken away from whoever has them, without any right. The way up needs CAP_SYS_NICE, which
 * the launcher has no other use for: a host that starts it as idle, as batch or with a worse nice value has workloads that are that too.
 */
static bool ordinary_priority(void)
{
  struct sched_param none = {.sched_priority = 0};
  int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
  bool above = policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE;
  if (sched_setscheduler(0, SCHED_OTHER, &none) != 0 && above)
    return false;
  errno = 0;
  int nice_value = getpriority(PRIO_PROCESS, 0);
  if (errno != 0 || (setpriority(PRIO_PROCESS, 0, 0) != 0 && nice_value < 0))
    return false;
  return syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_NONE, 0)) == 0;
}

/* A hard limit of the launcher's own holds for workloads too, except for the rights to a better priority, which nobody gets. */
static bool ordinary_limits(void)
{
  struct rlimit none = {0}, stack;
  if (setrlimit(RLIMIT_NICE, &none) != 0 || setrlimit(RLIMIT_RTPRIO, &none) != 0 || getrlimit(RLIMIT_STACK, &stack) != 0)
    return false;
  stack.rlim_cur = stack.rlim_max < STACK_BYTES ? stack.rlim_max : STACK_BYTES;
  return setrlimit(RLIMIT_STACK, &stack) == 0;
}

/*
 * The launcher's session keyring, and what is linked into it, is not the workload's: it gets an empty one of root's. (The workload cannot name it
 * either: seccomp.c denies keyctl.) Made as root, since other users may have 200 keys at a time.
 */
static bool own_keyring(void)
{
  return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0 || errno == ENOSYS;
}

bool be_ordinary(void)
{
  prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0); /* a kernel that does not know it has nothing to set back */
  /* A worse score than that, given by who may, is for who may to take away (CAP_SYS_RESOURCE). */
  return (write_setting("/proc/self/oom_score_adj", "0") || errno == EACCES) &&
         (write_setting("/proc/self/coredump_filter", COREDUMP_FILTER) || errno == ENOENT) && personality(PER_LINUX) != -1 &&
         prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0) == 0 && ordinary_priority() && ordinary_limits() && own_keyring();
}

/* The kernel's own call: the C library keeps two signals to itself, and would leave them as they are. */
void default_signals(void)
{
  struct {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
  } ordinary = {.handler = SIG_DFL};
  uint64_t none = 0;
  for (int number = 1; number <= KERNEL_SIGNALS; number++)
    syscall(SYS_rt_sigaction, number, &ordinary, NULL, sizeof ordinary.mask);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}
