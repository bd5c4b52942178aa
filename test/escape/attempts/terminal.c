/* The terminal of whoever called the launcher: input put into it is typed by that user. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "attempt.h"

static int try_type(char **arguments) { (void)arguments; return ioctl(0, TIOCSTI, "x"); }
/* The kernel looks at 32 bits of the request; a filter that looks at 64 takes this for another. */
static int try_type_wide(char **arguments)
{
  (void)arguments;
  return syscall(SYS_ioctl, 0, (uint64_t)TIOCSTI | UINT64_C(1) << 32, "x") == 0 ? 0 : -1;
}
/* The ordinary one, which it has: what matters is that it may choose. */
static int try_discipline(char **arguments)
{
  int discipline = N_TTY;
  (void)arguments;
  return ioctl(0, TIOCSETD, &discipline);
}
/* TIOCLINUX pastes from the console's selection; subcode 6 only asks for the state of the shift keys. */
static int try_console(char **arguments)
{
  char code = 6;
  int console = open(arguments[0], O_RDWR | O_NOCTTY | O_CLOEXEC);
  return ioctl(console < 0 ? 0 : console, TIOCLINUX, &code) < 0 ? -1 : 0;
}
static int try_controlling(char **arguments) { (void)arguments; return opened(open("/dev/tty", O_RDWR | O_CLOEXEC)); }

const struct attempt TERMINAL_ATTEMPTS[] = {{"type", try_type}, {"type-wide", try_type_wide}, {"line-discipline", try_discipline}, {"console", try_console},
                                            {"controlling-terminal", try_controlling}, {NULL, NULL}};
