/*
 * naive [uid=N] [terminal] [empty] [writable=PATH] PROGRAM [ARGUMENT …]: what a launcher does that was written in a quarter of an hour. It forks, becomes the user
 * that was asked for, and executes; descriptors, environment, groups and working directory are as they happen to be. The
 * attempts have to succeed under it, or their failure elsewhere would show nothing.
 */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void take_terminal(int slave)
{
  setsid();
  if (ioctl(slave, TIOCSCTTY, 0) != 0)
    _exit(126);
  dup2(slave, 0);
}

/* Looks whether it is a directory, and hands it over: what it is may have changed in between. */
static void give_to(const char *path, uid_t user)
{
  struct stat status;
  if (lstat(path, &status) != 0 || !S_ISDIR(status.st_mode))
    _exit(125);
  poll(NULL, 0, 1); /* whatever else it has to do */
  if (chown(path, user, user) != 0)
    _exit(125);
}

int main(int argc, char **argv)
{
  int at = 1, slave = -1, empty = 0;
  uid_t user = 0;
  for (; at < argc && argv[at][0] != '/'; at++) {
    if (strncmp(argv[at], "uid=", 4) == 0)
      user = (uid_t)strtoul(argv[at] + 4, NULL, 10);
    if (strncmp(argv[at], "writable=", 9) == 0)
      give_to(argv[at] + 9, user);
    if (strcmp(argv[at], "empty") == 0)
      empty = 1;
    if (strcmp(argv[at], "terminal") == 0) {
      int master = posix_openpt(O_RDWR | O_NOCTTY);
      if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        return 126;
      slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    }
  }
  /* As the login has it that started the launcher. */
  const gid_t groups[] = {0};
  if (at >= argc || setgroups(1, groups) != 0)
    return 126;
  pid_t child = fork();
  if (child == 0) {
    if (slave >= 0)
      take_terminal(slave);
    if (user != 0 && (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0))
      _exit(126);
    char *nothing[] = {NULL};
    execv(argv[at], empty ? nothing : argv + at);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
