/*
 * Connects to a Unix socket and hands on between it and standard input and output, so that a test speaks through a process that is where the kernel
 * sees it: inside of an execution. `again` does so each time that it is told to. `hidden` does so forked twice and in a session of its own;
 * `as UID` connects from outside as that user, and says whether it is served.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial(const char *path)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("connect");
    exit(3);
  }
  return fd;
}

static int hand_on(int from, int to)
{
  char bytes[65536];
  ssize_t length = read(from, bytes, sizeof bytes);
  for (ssize_t done = 0; done < length;) {
    ssize_t written = write(to, bytes + done, (size_t)(length - done));
    if (written <= 0)
      return 0;
    done += written;
  }
  return length > 0;
}

static void hand_on_both(int fd)
{
  struct pollfd both[] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  while (poll(both, 2, -1) > 0) {
    if (both[1].revents != 0 && !hand_on(fd, 1))
      break;
    if (both[0].revents != 0 && !hand_on(0, fd))
      break;
  }
  close(fd);
}

static void relay(const char *path)
{
  hand_on_both(dial(path));
  exit(0);
}

/* Again each time that `@@@@` comes in, which HTTP/2 does not say. */
static void relay_again(const char *path)
{
  char byte;
  for (int signs = 0; read(0, &byte, 1) == 1;) {
    signs = byte == '@' ? signs + 1 : 0;
    if (signs == 4) {
      int fd = dial(path);
      if (write(1, "@@@@", 4) != 4) /* what came before is of an earlier one */
        exit(3);
      hand_on_both(fd);
      signs = 0;
    }
  }
  exit(0);
}

static void relay_hidden(const char *path)
{
  int life[2];
  char byte;
  if (pipe(life) != 0)
    exit(3);
  if (fork() == 0) {
    setsid();
    if (fork() != 0)
      _exit(0);
    close(life[0]);
    relay(path);
  }
  close(life[1]);
  exit(read(life[0], &byte, 1) < 0 ? 3 : 0);
}

static void knock_as(uid_t uid, const char *path)
{
  static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
  char place[64], answer[9];
  int found = open(path, O_PATH);
  snprintf(place, sizeof place, "/proc/self/fd/%d", found);
  /* What changes its user is nobody's to look into, itself included (proc(5)). */
  if (found < 0 || setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0) {
    perror(path);
    exit(3);
  }
  int fd = dial(place);
  if (write(fd, preface, sizeof preface - 1) < 0 || read(fd, answer, sizeof answer) <= 0)
    puts("closed");
  else
    puts("served");
  exit(0);
}

int main(int argc, char **argv)
{
  signal(SIGPIPE, SIG_IGN); /* who is not wanted is hung up on */
  if (argc == 3 && strcmp(argv[1], "relay") == 0)
    relay(argv[2]);
  if (argc == 3 && strcmp(argv[1], "again") == 0)
    relay_again(argv[2]);
  if (argc == 3 && strcmp(argv[1], "hidden") == 0)
    relay_hidden(argv[2]);
  if (argc == 4 && strcmp(argv[1], "as") == 0)
    knock_as((uid_t)atoi(argv[2]), argv[3]);
  return 2;
}
