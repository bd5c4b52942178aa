/* An empty network namespace has a loopback device that is down; programs expect 127.0.0.1 to work. */
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../../shared/cleanup.h"
#include "sandbox.h"

bool loopback_up(void)
{
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  CLEANUP_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}
