/*
 * A Unix datagram socket for tests, as a service manager or a journal has one. usage: datagrams read|full PATH
 * read: writes each datagram to standard output, as hexadecimal on a line. full: fills its queue and never reads.
 * "ready" on standard output says that it can be sent to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
  static unsigned char bytes[1 << 18];
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 3)
    return 2;
  snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[2]);
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  if (fd < 0 || sender < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || chmod(argv[2], 0666) != 0) {
    perror("datagrams");
    return 1;
  }
  if (strcmp(argv[1], "full") == 0) {
    while (sendto(sender, "x", 1, 0, (struct sockaddr *)&address, sizeof address) == 1)
      continue;
    printf("ready\n");
    fflush(stdout);
    for (;;)
      pause();
  }
  printf("ready\n");
  fflush(stdout);
  for (ssize_t length; (length = recv(fd, bytes, sizeof bytes, 0)) >= 0;) {
    for (ssize_t i = 0; i < length; i++)
      printf("%02x", bytes[i]);
    printf("\n");
    fflush(stdout);
  }
  return 0;
}
