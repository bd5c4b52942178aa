/*
 * Starts a program as a service manager does that listens for it (sd_listen_fds(3)): binds, listens, becomes the user, says what it
 * passes, executes. usage: pass-socket TYPE COUNT MODE UID PATH PROGRAM [ARGUMENT…], TYPE stream, dgram, seqpacket, deaf (a stream
 * socket that does not listen) or file (no socket at all).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int open_socket(const char *type, const char *path, mode_t mode, uid_t uid)
{
  if (strcmp(type, "file") == 0)
    return open("/dev/null", O_RDWR);
  int kind = strcmp(type, "dgram") == 0 ? SOCK_DGRAM : strcmp(type, "seqpacket") == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  int fd = socket(AF_UNIX, kind, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chown(path, uid, uid) != 0 ||
      chmod(path, mode) != 0)
    return -1;
  if (kind != SOCK_DGRAM && strcmp(type, "deaf") != 0 && listen(fd, 64) != 0)
    return -1;
  return fd;
}

int main(int argc, char **argv)
{
  char pid[16];
  if (argc < 7)
    return 2;
  uid_t uid = (uid_t)atoi(argv[4]);
  int fd = open_socket(argv[1], argv[5], (mode_t)strtol(argv[3], NULL, 8), uid);
  if (fd < 0) {
    perror("pass-socket");
    return 1;
  }
  int low = fcntl(fd, F_DUPFD, 100);
  for (int i = 0; i < atoi(argv[2]); i++)
    dup2(low, 3 + i);
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  setenv("LISTEN_PID", pid, 1);
  setenv("LISTEN_FDS", argv[2], 1);
  setenv("LISTEN_FDNAMES", atoi(argv[2]) == 1 ? "writd.socket" : "writd.socket:other", 1);
  close(low);
  if (fd >= 3 + atoi(argv[2]))
    close(fd);
  if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
    return 1;
  execv(argv[6], argv + 6);
  perror(argv[6]);
  return 127;
}
