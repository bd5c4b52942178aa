// The guest's end of the control channel: takes one command after the other from a virtio-serial port and gives back what it wrote and
// how it ended. It runs as root and obeys whoever holds the other end of the port, which is the test. One static program, so that
// it adds one entry to IMA's log and needs nothing of the guest.
//
// Request:  u32 length of the command, u32 length of its input, u32 seconds (little-endian), command, input.
// Answer:   frames of u8 kind, u32 length, bytes: '1' and '2' output and errors, 'X' exit status (u32), which ends the answer.
//           'H', empty, once, when the agent is there.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int port;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void read_all(void *to, size_t length) {
  for (char *at = to; length > 0;) {
    ssize_t n = read(port, at, length);
    if (n < 0 && errno != EINTR) die("read");
    // Nobody is connected at the other end.
    if (n == 0) usleep(20000);
    if (n > 0) at += n, length -= (size_t)n;
  }
}

static void write_all(const void *from, size_t length) {
  for (const char *at = from; length > 0;) {
    ssize_t n = write(port, at, length);
    if (n < 0 && errno != EINTR) die("write");
    if (n > 0) at += n, length -= (size_t)n;
  }
}

static void frame(char kind, const void *bytes, uint32_t length) {
  write_all(&kind, 1);
  write_all(&length, sizeof length);
  write_all(bytes, length);
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Passes on what is there to read. Closes the pipe, and marks it so, at its end.
static void drain(int *fd, char kind) {
  char piece[32768];
  ssize_t n;
  while (*fd >= 0 && (n = read(*fd, piece, sizeof piece)) != 0) {
    if (n < 0) return;
    frame(kind, piece, (uint32_t)n);
  }
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static uint32_t run(const char *command, const char *input, size_t left, uint32_t seconds) {
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) die("pipe");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    setsid();
    dup2(in[0], 0), dup2(out[1], 1), dup2(err[1], 2);
    signal(SIGPIPE, SIG_DFL);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  close(in[0]), close(out[1]), close(err[1]);
  fcntl(in[1], F_SETFL, O_NONBLOCK), fcntl(out[0], F_SETFL, O_NONBLOCK), fcntl(err[0], F_SETFL, O_NONBLOCK);
  int ended = (int)syscall(SYS_pidfd_open, pid, 0);
  if (ended < 0) die("pidfd_open");
  const int64_t deadline = now_ms() + (int64_t)seconds * 1000;
  for (;;) {
    if (left == 0 && in[1] >= 0) close(in[1]), in[1] = -1;
    struct pollfd fds[] = {{ended, POLLIN, 0}, {in[1], POLLOUT, 0}, {out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
    int64_t wait = deadline - now_ms();
    if (wait <= 0) kill(-pid, SIGKILL), wait = 1000;
    if (poll(fds, 4, (int)wait) < 0 && errno != EINTR) die("poll");
    if (fds[1].revents) {
      ssize_t n = write(in[1], input, left);
      if (n > 0) input += n, left -= (size_t)n;
      // It does not read what it is given.
      if (n < 0 && errno != EAGAIN) left = 0;
    }
    // What has ended has written all that it will; what it left in the background may hold the pipes open.
    const int over = fds[0].revents & POLLIN;
    drain(&out[0], '1');
    drain(&err[0], '2');
    if (over) break;
  }
  int status;
  waitpid(pid, &status, 0);
  for (int *fd = (int[]){in[1], out[0], err[0], ended, -2}; *fd != -2; fd++)
    if (*fd >= 0) close(*fd);
  return WIFEXITED(status) ? (uint32_t)WEXITSTATUS(status) : 128u + (uint32_t)WTERMSIG(status);
}

int main(int argc, char **argv) {
  if (argc != 2 || (port = open(argv[1], O_RDWR | O_CLOEXEC)) < 0) die("port");
  signal(SIGPIPE, SIG_IGN);
  frame('H', "", 0);
  for (;;) {
    uint32_t header[3];
    read_all(header, sizeof header);
    char *command = malloc((size_t)header[0] + 1), *input = malloc((size_t)header[1] + 1);
    if (command == NULL || input == NULL) die("malloc");
    read_all(command, header[0]);
    command[header[0]] = 0;
    read_all(input, header[1]);
    const uint32_t status = run(command, input, header[1], header[2]);
    frame('X', &status, sizeof status);
    free(command), free(input);
  }
}
