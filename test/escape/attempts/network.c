/* Networks and sockets of the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "attempt.h"

static int try_tcp(char **arguments)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || inet_pton(AF_INET, arguments[0], &address.sin_addr) != 1)
    unprepared("socket");
  return connect(fd, (struct sockaddr *)&address, sizeof address);
}

/* A path, or "@" and the name of an abstract socket. */
static int try_unix(char **arguments)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(arguments[0]);
  memcpy(address.sun_path, arguments[0], length);
  if (address.sun_path[0] == '@')
    address.sun_path[0] = '\0';
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    unprepared("socket");
  return connect(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static int try_packet(char **arguments)
{
  (void)arguments;
  return opened(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
}
static int try_raw(char **arguments) { (void)arguments; return opened(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP)); }
static int try_vsock(char **arguments) { (void)arguments; return opened(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
/* The family has no pairs; who says so is its own code. */
static int try_vsock_pair(char **arguments)
{
  (void)arguments;
  int pair[2];
  return socketpair(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 || errno == EOPNOTSUPP ? 0 : -1;
}

/* The flags that the device has, set again. */
static int try_configure(char **arguments)
{
  (void)arguments;
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) != 0)
    unprepared("SIOCGIFFLAGS");
  return ioctl(fd, SIOCSIFFLAGS, &request);
}

const struct attempt NETWORK_ATTEMPTS[] = {{"tcp", try_tcp}, {"unix", try_unix}, {"packet", try_packet}, {"raw", try_raw},
                                           {"vsock", try_vsock}, {"vsock-pair", try_vsock_pair}, {"configure", try_configure}, {NULL, NULL}};
