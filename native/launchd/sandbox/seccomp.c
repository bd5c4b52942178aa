/*
 * The system call filter, in classic BPF (seccomp(2)). It takes away what no workload needs and what has opened kernels
 * before: mounting, tracing, modules, keyrings, bpf, io_uring, user namespaces, injecting terminal input. A list of what
 * is denied, not of what is allowed: workloads are arbitrary programs, and capabilities are gone already. What signs the strict profile
 * gets a list of what is allowed on top of it (strict_calls.h).
 */
#include <asm/ioctls.h>
#include <asm/unistd.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox.h"
#include "strict_calls.h"

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* x32 calls come under the same architecture with this bit (arch/x86/include/uapi/asm/unistd.h). */
#define X32_BIT 0x40000000u

/* Numbers newer than the build host's headers; the same on every architecture (Linux 5.2 and later). */
enum { NR_mount_setattr = 442, NR_quotactl_fd = 443, NR_memfd_secret = 447, NR_statmount = 457, NR_listmount = 458,
       NR_open_tree_attr = 467, NR_file_setattr = 469 };

static const unsigned DENIED[] = {
    /* mounts and roots */
    __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_open_tree, __NR_move_mount, __NR_fsopen,
    __NR_fsconfig, __NR_fsmount, __NR_fspick, NR_mount_setattr, NR_open_tree_attr, NR_statmount, NR_listmount,
    __NR_swapon, __NR_swapoff, __NR_quotactl, NR_quotactl_fd, __NR_name_to_handle_at, __NR_open_by_handle_at,
    NR_file_setattr,
    /* namespaces; clone's flags are looked at below, clone3's cannot be */
    __NR_unshare, __NR_setns,
    /* the kernel itself */
    __NR_kexec_load, __NR_kexec_file_load, __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_reboot,
    __NR_syslog, __NR_acct, __NR_bpf, __NR_perf_event_open, __NR_userfaultfd, __NR_lookup_dcookie, __NR_fanotify_init,
    __NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register, __NR_nfsservctl, __NR_vhangup, NR_memfd_secret,
    /* other processes */
    __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_process_madvise, __NR_kcmp, __NR_pidfd_getfd,
    __NR_move_pages, __NR_migrate_pages,
    /* keyrings are not in any namespace of ours */
    __NR_add_key, __NR_request_key, __NR_keyctl,
    /* clocks and names */
    __NR_settimeofday, __NR_clock_settime, __NR_adjtimex, __NR_clock_adjtime, __NR_sethostname, __NR_setdomainname,
    /* ways around address space layout; also refused by default elsewhere */
    __NR_personality, __NR_mbind, __NR_set_mempolicy,
#if defined(__x86_64__)
    __NR_iopl, __NR_ioperm, __NR_modify_ldt, __NR_uselib, __NR_ustat, __NR_sysfs, __NR__sysctl, __NR_create_module,
    __NR_get_kernel_syms, __NR_query_module,
#endif
};

/* Socket families with a history and no use in a sandbox; AF_VSOCK reaches the hypervisor from any network namespace. */
static const unsigned ALLOWED_FAMILIES[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

#define FLAGS_DENIED                                                                                               \
  (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

#define DENY(error) (SECCOMP_RET_ERRNO | (error))
#define FIELD(name) ((unsigned)offsetof(struct seccomp_data, name))
/* The low word of an argument: the kernel takes ints, flags and ioctl numbers from there (little-endian). */
#define ARGUMENT(n) (FIELD(args) + 8u * (n))

#define DENIED_COUNT (sizeof DENIED / sizeof *DENIED)
#define LEAF_SIZE 4

#define STRICT_COUNT (sizeof STRICT / sizeof *STRICT)
#define MOST_COUNT (STRICT_COUNT > DENIED_COUNT ? STRICT_COUNT : DENIED_COUNT)

/* A number and its return each, at most as many comparisons and returns of the tree above them, and the rest. */
#define MOST_CODE (4 * MOST_COUNT + 64)
static_assert(MOST_CODE <= BPF_MAXINSNS, "the kernel takes the filter");

struct program {
  struct sock_filter code[MOST_CODE];
  unsigned short length;
};

static void emit(struct program *program, unsigned short code, unsigned value, unsigned char yes, unsigned char no)
{
  program->code[program->length++] = (struct sock_filter)BPF_JUMP(code, value, yes, no);
}

static void load(struct program *program, unsigned offset)
{
  emit(program, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0);
}

static void give(struct program *program, unsigned action)
{
  emit(program, BPF_RET | BPF_K, action, 0, 0);
}

/* if (accumulator == value) return action; */
static void on_equal(struct program *program, unsigned value, unsigned action)
{
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
  give(program, action);
}

static void check_architecture(struct program *program)
{
  load(program, FIELD(arch));
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0);
  give(program, SECCOMP_RET_KILL_PROCESS);
  load(program, FIELD(nr));
#if defined(__x86_64__)
  emit(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
  give(program, SECCOMP_RET_KILL_PROCESS);
#endif
}

static int ascending(const void *left, const void *right)
{
  const unsigned *a = left, *b = right;
  return (*a > *b) - (*a < *b);
}

/*
 * Answers these numbers with `action`, by a binary search. When a filter is installed the kernel runs it once for every system call there is, to
 * know which it always allows (seccomp_cache_prepare_bitmap, kernel/seccomp.c): one comparison after another for each
 * took a tenth of a whole launch. A number that is not among them leaves by the jump at the end of each leaf, which is
 * filled in when the end of all is known.
 */
static void answer_some(struct program *program, const unsigned *numbers, size_t count, unsigned action)
{
  if (count <= LEAF_SIZE) {
    for (size_t i = 0; i < count; i++)
      on_equal(program, numbers[i], action);
    emit(program, BPF_JMP | BPF_JA, UINT_MAX, 0, 0);
    return;
  }
  size_t half = count / 2;
  /* A jump on a condition reaches 255 instructions, one without reaches all. */
  emit(program, BPF_JMP | BPF_JGE | BPF_K, numbers[half], 0, 1);
  unsigned short up = program->length;
  emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
  answer_some(program, numbers, half, action);
  program->code[up].k = program->length - up - 1u;
  answer_some(program, numbers + half, count - half, action);
}

static void answer_numbers(struct program *program, const unsigned *list, size_t count, unsigned action)
{
  unsigned numbers[MOST_COUNT];
  unsigned short from = program->length;
  memcpy(numbers, list, count * sizeof *numbers);
  qsort(numbers, count, sizeof *numbers, ascending);
  answer_some(program, numbers, count, action);
  for (unsigned short i = from; i < program->length; i++)
    if (program->code[i].code == (BPF_JMP | BPF_JA) && program->code[i].k == UINT_MAX)
      program->code[i].k = program->length - i - 1u;
}

/* clone with a namespace flag; clone3 passes flags in memory, where a filter cannot look: libc falls back on ENOSYS. */
static void check_clone(struct program *program)
{
  on_equal(program, __NR_clone3, DENY(ENOSYS));
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 4);
  load(program, ARGUMENT(0));
  emit(program, BPF_JMP | BPF_JSET | BPF_K, FLAGS_DENIED, 0, 1);
  give(program, DENY(EPERM));
  give(program, SECCOMP_RET_ALLOW);
}

/* TIOCSTI and TIOCLINUX put input into a terminal, as if its user had typed it. TIOCSETD has the kernel load a module of the caller's choice. */
static void check_ioctl(struct program *program)
{
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 8);
  load(program, ARGUMENT(1));
  on_equal(program, TIOCSTI, DENY(EPERM));
  on_equal(program, TIOCLINUX, DENY(EPERM));
  on_equal(program, TIOCSETD, DENY(EPERM));
  give(program, SECCOMP_RET_ALLOW);
}

/* One argument of one call has to be among these. */
static void check_argument(struct program *program, unsigned number, unsigned argument, const unsigned *among, unsigned char count, unsigned otherwise)
{
  emit(program, BPF_JMP | BPF_JEQ | BPF_K, number, 0, (unsigned char)(2 * count + 2));
  load(program, ARGUMENT(argument));
  for (unsigned char i = 0; i < count; i++)
    on_equal(program, among[i], SECCOMP_RET_ALLOW);
  give(program, otherwise);
}

/* Pairs are of AF_UNIX. For another family the kernel would load its module and run its code before it found that it has no pairs. */
static void check_socketpair(struct program *program)
{
  static const unsigned unix_only[] = {AF_UNIX};
  check_argument(program, __NR_socketpair, 0, unix_only, 1, DENY(EAFNOSUPPORT));
}

static void check_socket(struct program *program)
{
  check_argument(program, __NR_socket, 0, ALLOWED_FAMILIES, sizeof ALLOWED_FAMILIES / sizeof *ALLOWED_FAMILIES, DENY(EAFNOSUPPORT));
  check_socketpair(program);
}

static struct program make_filter(void)
{
  struct program program = {.length = 0};
  check_architecture(&program);
  answer_numbers(&program, DENIED, DENIED_COUNT, DENY(EPERM));
  check_clone(&program);
  check_ioctl(&program);
  check_socket(&program);
  give(&program, SECCOMP_RET_ALLOW);
  return program;
}

/* Families of a network only for those who have one. Devices of their own are spoken to by ioctls that nobody here knows. */
static struct program make_strict_filter(bool network, bool devices)
{
  static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6};
  static const unsigned requests[] = {TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, TIOCSWINSZ, TIOCGPGRP, TIOCSPGRP, TIOCGSID,
                                      FIONREAD, FIONBIO, FIOCLEX, FIONCLEX};
  struct program program = {.length = 0};
  check_architecture(&program);
  check_argument(&program, __NR_socket, 0, families, network ? 3 : 1, DENY(EAFNOSUPPORT));
  check_socketpair(&program);
  if (!devices)
    check_argument(&program, __NR_ioctl, 1, requests, sizeof requests / sizeof *requests, DENY(ENOTTY));
  answer_numbers(&program, STRICT, STRICT_COUNT, SECCOMP_RET_ALLOW);
  give(&program, DENY(ENOSYS));
  return program;
}

static bool install(const struct program *program)
{
  /* The kernel takes a pointer to what it does not change. */
  struct sock_fprog filter = {.len = program->length, .filter = (struct sock_filter *)(uintptr_t)program->code};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0;
}

bool seccomp_install(void)
{
  struct program program = make_filter();
  return install(&program);
}

bool seccomp_restrict(const struct plan *plan)
{
  struct program program = make_strict_filter(plan->network != NETWORK_NONE, plan->devices.count > 0);
  return install(&program);
}
