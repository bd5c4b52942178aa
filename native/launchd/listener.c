#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "log.h"

#define BACKLOG 8

/* Others may go through it and not look into it: whom the socket takes is the socket's to say. */
static int open_directory(const char *path)
{
  struct stat status;
  bool made = mkdir(path, 0700) == 0;
  if (!made && errno != EEXIST)
    return -1;
  CLEANUP_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0)
    return -1;
  if (status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    errno = EPERM; /* somebody else could put a socket of theirs in place of ours */
    return -1;
  }
  if (made && (fchown(fd, 0, 0) != 0 || fchmod(fd, 0711) != 0)) /* whatever the umask and the group of the directory above */
    return -1;
  return steal_fd(&fd);
}

/* Held until the process ends. The supervisors, which outlive a crash for a moment, do not inherit it. */
static bool lock(int directory)
{
  int fd = openat(directory, "launchd.lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Not for a group: users who may call writd are put into its group, and have no business here. */
static int bind_socket(int directory, const char *name, uid_t writd)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int length = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", directory, name);
  if (length < 0 || (size_t)length >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  if (unlinkat(directory, name, 0) != 0 && errno != ENOENT)
    return -1;
  CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  mode_t before = umask(0177);
  bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  umask(before);
  /* Only root can change names in this directory, so the name is still our socket. Given away last: who can connect is listened to. */
  if (!bound || listen(fd, BACKLOG) != 0 || fchownat(directory, name, writd, 0, AT_SYMLINK_NOFOLLOW) != 0)
    return -1;
  return steal_fd(&fd);
}

int listener_open(const struct config *config)
{
  char directory_path[CONFIG_PATH_MAX], name[CONFIG_PATH_MAX];
  snprintf(directory_path, sizeof directory_path, "%s", config->socket);
  snprintf(name, sizeof name, "%s", config->socket);
  CLEANUP_FD int directory = open_directory(dirname(directory_path));
  if (directory < 0 || !lock(directory))
    return -1;
  return bind_socket(directory, basename(name), config->writd_uid);
}

int listener_accept(int listener, uid_t writd)
{
  struct ucred peer;
  socklen_t size = sizeof peer;
  CLEANUP_FD int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0)
    return -1;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer || peer.uid != writd) {
    log_line("refused a connection of uid %u", peer.uid);
    return -1;
  }
  return steal_fd(&fd);
}
