/*
 * Starts a program as a service manager does that listens for it (sd_listen_fds(3)): binds, listens, becomes the user, says what it
 * passes, executes. usage: pass-socket TYPE COUNT MODE UID PATH PROGRAM [ARGUMENT…], TYPE stream, dgram, seqpacket, deaf (a stream
 * socket that does not listen) or file (no socket at all). With METRICS=PATH or METRICS=ADDRESS:PORT (IPv4) in the environment it passes one more
 * socket behind these, named metrics.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
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

/* Listens where METRICS= says; -1 for a failure. */
static int open_metrics(const char *where, uid_t uid)
{
  struct sockaddr_in address = {.sin_family = AF_INET};
  char host[64];
  unsigned port;
  int fd;
  if (where[0] == '/')
    return open_socket("stream", where, 0660, uid);
  if (sscanf(where, "%63[0-9.]:%u", host, &port) != 2 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
    return -1;
  address.sin_port = htons((in_port_t)port);
  fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0)
    return -1;
  return fd;
}

int main(int argc, char **argv)
{
  char pid[16], number[16], names[64];
  const char *metrics = getenv("METRICS");
  if (argc < 7)
    return 2;
  uid_t uid = (uid_t)atoi(argv[4]);
  int fd = open_socket(argv[1], argv[5], (mode_t)strtol(argv[3], NULL, 8), uid);
  if (fd < 0) {
    perror("pass-socket");
    return 1;
  }
  int count = atoi(argv[2]), total = count;
  int low = fcntl(fd, F_DUPFD, 100), second = -1;
  if (metrics != NULL) {
    int opened = open_metrics(metrics, uid);
    if (opened < 0) {
      perror("pass-socket: METRICS");
      return 1;
    }
    second = fcntl(opened, F_DUPFD, 100);
    close(opened);
  }
  close(fd);
  for (int i = 0; i < count; i++)
    dup2(low, 3 + i);
  if (second >= 0)
    dup2(second, 3 + total++);
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  snprintf(number, sizeof number, "%d", total);
  snprintf(names, sizeof names, "%s%s%s", count > 0 ? "writd.socket" : "", count > 1 ? ":other" : "",
           second >= 0 ? (count > 0 ? ":metrics" : "metrics") : "");
  setenv("LISTEN_PID", pid, 1);
  setenv("LISTEN_FDS", number, 1);
  setenv("LISTEN_FDNAMES", names, 1);
  close(low);
  if (second >= 0)
    close(second);
  if (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
    return 1;
  execv(argv[6], argv + 6);
  perror(argv[6]);
  return 127;
}
