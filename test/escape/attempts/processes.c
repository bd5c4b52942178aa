/* Other processes: the launcher, the caller's, other executions', and more of one's own than was signed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

static const char *of_parent(const char *file)
{
  static char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)getppid(), file);
  return path;
}

static int child_trace_me(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? -1 : 0; }
static int try_trace_me(char **arguments) { (void)arguments; return in_child(child_trace_me); }
static int seized(pid_t process)
{
  return ptrace(PTRACE_SEIZE, process, NULL, NULL) < 0 ? -1 : 0; /* let go of when this process exits */
}
static int try_trace_parent(char **arguments) { (void)arguments; return seized(getppid()); }
static int try_trace(char **arguments) { return seized(atoi(arguments[0])); }
static int try_signal(char **arguments) { return kill(atoi(arguments[0]), SIGCONT); }

static int try_parent_memory(char **arguments) { (void)arguments; return opened(open(of_parent("mem"), O_RDWR | O_CLOEXEC)); }
static int try_parent_environment(char **arguments)
{
  char text[16];
  (void)arguments;
  int fd = open(of_parent("environ"), O_RDONLY | O_CLOEXEC);
  return fd < 0 || read(fd, text, sizeof text) < 0 ? -1 : close(fd);
}
static int try_parent_root(char **arguments)
{
  (void)arguments;
  return opened(open(of_parent("root/etc/passwd"), O_RDONLY | O_CLOEXEC));
}
static int try_process_memory(char **arguments)
{
  (void)arguments;
  unsigned long at = 0x400000;
  FILE *maps = fopen(of_parent("maps"), "re");
  if (maps != NULL && fscanf(maps, "%lx", &at) != 1)
    unprepared("maps");
  char byte;
  struct iovec here = {&byte, 1}, there = {(void *)at, 1};
  return process_vm_readv(getppid(), &here, 1, &there, 1, 0) == 1 ? 0 : -1;
}
static int try_steal_descriptor(char **arguments)
{
  (void)arguments;
  int process = (int)syscall(SYS_pidfd_open, getppid(), 0);
  if (process < 0)
    return -1;
  return opened((int)syscall(SYS_pidfd_getfd, process, 1, 0));
}

/*
 * CVE-2019-5736: hold the launcher's executable open through /proc, let the launcher end, and write to it through the
 * descriptor, since a file that is executed cannot be written. The same byte goes back.
 */
static int try_launcher_executable(char **arguments)
{
  char magic[4], again[64];
  (void)arguments;
  pid_t parent = getppid();
  int held = open(of_parent("exe"), O_RDONLY | O_CLOEXEC);
  if (held < 0 || read(held, magic, sizeof magic) != sizeof magic)
    return -1;
  snprintf(again, sizeof again, "/proc/self/fd/%d", held);
  if (kill(parent, SIGKILL) != 0)
    return -1;
  for (int left = 200; left > 0; left--) {
    int fd = open(again, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
      return pwrite(fd, magic, 1, 0) == 1 ? 0 : -1;
    if (errno != ETXTBSY)
      return -1;
    poll(NULL, 0, 5);
  }
  return -1;
}
static int try_own_executable(char **arguments) { (void)arguments; return opened(open("/proc/self/exe", O_RDWR | O_CLOEXEC)); }

/* As many at once as asked for. */
static int try_processes(char **arguments)
{
  int most = atoi(arguments[0]), made = 0, error = 0;
  pid_t children[256];
  for (; made < most && made < 256 && error == 0; made++) {
    children[made] = fork();
    if (children[made] == 0) {
      pause();
      _exit(0);
    }
    if (children[made] < 0)
      error = errno;
  }
  for (int i = 0; i < made; i++)
    if (children[i] > 0)
      kill(children[i], SIGKILL);
  errno = error;
  return error == 0 ? 0 : -1;
}

/* A grandchild in a session of its own, deaf to signals, that is still there when its parents are gone. */
static int try_outlive(char **arguments)
{
  (void)arguments;
  fflush(stdout);
  if (fork() == 0) {
    setsid();
    for (int number = 1; number < NSIG; number++)
      signal(number, SIG_IGN);
    if (fork() == 0) {
      poll(NULL, 0, 300);
      puts("done");
      fflush(stdout);
    }
    _exit(0);
  }
  wait(NULL);
  errno = ECHILD;
  return -1; /* this one has not: who is asked is the grandchild */
}

static int try_shared_memory(char **arguments)
{
  return shmat(atoi(arguments[0]), NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0;
}

const struct attempt PROCESS_ATTEMPTS[] = {
    {"trace-me", try_trace_me}, {"trace-parent", try_trace_parent}, {"trace", try_trace}, {"signal", try_signal},
    {"parent-memory", try_parent_memory}, {"parent-environment", try_parent_environment}, {"parent-root", try_parent_root},
    {"process-memory", try_process_memory}, {"steal-descriptor", try_steal_descriptor},
    {"launcher-executable", try_launcher_executable}, {"own-executable", try_own_executable},
    {"processes", try_processes}, {"outlive", try_outlive}, {"shared-memory", try_shared_memory}, {NULL, NULL}};
