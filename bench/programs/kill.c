/*
 * kill CGROUP COUNT SCRIPT: has a shell make COUNT processes (itself included) in a fresh cgroup, and takes the time of the bare
 * end: from the write to cgroup.kill until the kernel says that nobody is left.
 */
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cgroup.h"

static const char *parent_cgroup, *script;
static unsigned wanted;

static unsigned count_processes(int cgroup)
{
  static char text[1 << 16];
  unsigned lines = 0;
  int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  require(fd >= 0, "cgroup.procs");
  for (ssize_t length; (length = read(fd, text, sizeof text)) > 0;)
    for (ssize_t i = 0; i < length; i++)
      lines += text[i] == '\n';
  close(fd);
  return lines;
}

static uint64_t once(void)
{
  static unsigned number;
  char path[512];
  snprintf(path, sizeof path, "%s/%u", parent_cgroup, number++);
  int cgroup = cgroup_make(path);
  struct clone_args arguments = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)cgroup};
  pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
  require(child >= 0, "clone3");
  if (child == 0) {
    close_range(0, ~0U, 0);
    execl("/bin/sh", "/bin/sh", "-c", script, NULL);
    _exit(127);
  }
  while (count_processes(cgroup) < wanted)
    usleep(5000);
  usleep(100000);
  uint64_t start = now_ns();
  write_file(cgroup, "cgroup.kill", "1");
  cgroup_wait_empty(cgroup);
  uint64_t took = now_ns() - start;
  while (waitpid(-1, NULL, 0) > 0)
    ;
  close(cgroup);
  require(rmdir(path) == 0, "rmdir");
  return took;
}

int main(int argc, char **argv)
{
  require(argc == 4, "kill CGROUP COUNT SCRIPT");
  parent_cgroup = argv[1];
  wanted = (unsigned)strtoul(argv[2], NULL, 10);
  script = argv[3];
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  return serve(once);
}
