/* A static program that tries what the sandbox denies and prints what came of it: "name errno-name", one per line. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/sched.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void result(const char *name, long value)
{
  printf("%s %s\n", name, value >= 0 ? "done" : strerrorname_np(errno));
}

/* In a child: a success would change this process, and some filters kill. */
static void in_child(const char *name, long (*attempt)(void))
{
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    result(name, attempt());
    fflush(stdout);
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    printf("%s SIG%s\n", name, sigabbrev_np(WTERMSIG(status)));
}

static long try_mount(void) { return mount("none", "/tmp", "tmpfs", 0, NULL); }
static long try_umount(void) { return umount2("/tmp", MNT_DETACH); }
static long try_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static long try_clone_namespace(void) { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }
static long try_clone3(void)
{
  struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
  return syscall(SYS_clone3, &arguments, sizeof arguments);
}
static long try_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL); }
static long try_bpf(void) { union bpf_attr attributes = {0}; return syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes); }
static long try_io_uring(void) { char parameters[120] = {0}; return syscall(SYS_io_uring_setup, 1, parameters); }
static long try_keyctl(void) { return syscall(SYS_keyctl, 0, -3, 1); }
static long try_userfaultfd(void) { return syscall(SYS_userfaultfd, 1); }
static long try_perf(void) { char attributes[128] = {0}; return syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0); }
static long try_module(void) { return syscall(SYS_finit_module, 0, "", 0); }
static long try_kexec(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long try_tiocsti(void) { return ioctl(0, TIOCSTI, "x"); }
/* The kernel looks at 32 bits; a filter that looks at 64 could be passed by this. */
static long try_wide_tiocsti(void) { return syscall(SYS_ioctl, 0, (uint64_t)TIOCSTI | UINT64_C(1) << 32, "x"); }
static long try_vsock(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }
static long try_packet(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long try_unix(void) { return socket(AF_UNIX, SOCK_STREAM, 0); }
static long try_setuid(void) { return setuid(0); }
static long try_setgid(void) { return setgid(0); }
static long try_handle(void) { return syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0); }
static long try_signal_init(void) { return kill(1, SIGKILL); }
static long try_init_memory(void) { return open("/proc/1/mem", O_RDWR); }
static long try_init_environment(void) { return open("/proc/1/environ", O_RDONLY); }
static long try_etc(void) { return open("/etc/writ-attempt", O_WRONLY | O_CREAT, 0600); }
static long try_var_tmp(void) { return open("/var/tmp/writ-attempt", O_WRONLY | O_CREAT, 0600); }
static long try_cgroup(void) { return open("/sys/fs/cgroup/cgroup.procs", O_WRONLY); }
static long try_dev(void) { return mknod("/dev/attempt", S_IFCHR | 0666, 1); }
static long try_sysctl(void) { return open("/proc/sys/kernel/hostname", O_WRONLY); }
static long try_tmp(void) { return open("/tmp/attempt", O_WRONLY | O_CREAT, 0700); }
static long try_shm(void) { return open("/dev/shm/attempt", O_WRONLY | O_CREAT, 0700); }
static long try_execute_tmp(void)
{
  char *const none[] = {NULL};
  int fd = open("/tmp/program", O_WRONLY | O_CREAT, 0700);
  if (fd < 0 || write(fd, "#!/bin/sh\n", 10) != 10)
    return -1;
  close(fd);
  return execve("/tmp/program", none, none);
}
#if defined(__x86_64__)
static long try_x32(void) { return syscall(0x40000000 | SYS_getpid); }
static long try_i386(void)
{
  long number = 20; /* getpid, through the 32-bit entry */
  __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
  return number;
}
#endif

/* A path, or the name of an abstract socket. */
static void connect_to(const char *name)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(name);
  memcpy(address.sun_path + (name[0] == '/' ? 0 : 1), name, length);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  char answer[64];
  result("connect", connect(fd, (struct sockaddr *)&address, offsetof(struct sockaddr_un, sun_path) + 1 + length));
  /* Stays until the other end has looked who it is. */
  while (read(fd, answer, sizeof answer) > 0)
    continue;
}

int main(int argc, char **argv)
{
  static const struct {
    const char *name;
    long (*attempt)(void);
  } attempts[] = {
      {"mount", try_mount}, {"umount", try_umount}, {"unshare-user", try_user_namespace},
      {"clone-user", try_clone_namespace}, {"clone3", try_clone3}, {"ptrace", try_ptrace}, {"bpf", try_bpf},
      {"io_uring", try_io_uring}, {"keyctl", try_keyctl}, {"userfaultfd", try_userfaultfd}, {"perf", try_perf},
      {"module", try_module}, {"kexec", try_kexec}, {"tiocsti", try_tiocsti}, {"tiocsti-wide", try_wide_tiocsti},
      {"vsock", try_vsock}, {"packet", try_packet}, {"unix", try_unix}, {"setuid", try_setuid}, {"setgid", try_setgid},
      {"handle", try_handle}, {"signal-init", try_signal_init}, {"init-memory", try_init_memory},
      {"init-environment", try_init_environment}, {"etc", try_etc}, {"var-tmp", try_var_tmp}, {"cgroup", try_cgroup},
      {"mknod", try_dev}, {"sysctl", try_sysctl}, {"tmp", try_tmp}, {"shm", try_shm}, {"execute-tmp", try_execute_tmp},
#if defined(__x86_64__)
      {"x32", try_x32}, {"i386", try_i386},
#endif
  };
  if (argc == 3 && strcmp(argv[1], "connect") == 0) {
    connect_to(argv[2]);
    return 0;
  }
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
    in_child(attempts[i].name, attempts[i].attempt);
  printf("survived\n");
  return 0;
}
