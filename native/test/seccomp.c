/* The filter, run by an interpreter of the few instructions that it is made of (Linux, Documentation/networking/filter.rst). */
#include <signal.h>

#define seccomp_install seccomp_install_again
#define seccomp_restrict seccomp_restrict_again
#include "../launchd/sandbox/seccomp.c"

#include "check.h"

static unsigned run(const struct program *program, const struct seccomp_data *data)
{
  unsigned accumulator = 0;
  for (unsigned at = 0; at < program->length; at++) {
    const struct sock_filter *code = &program->code[at];
    switch (code->code) {
    case BPF_LD | BPF_W | BPF_ABS:
      memcpy(&accumulator, (const char *)data + code->k, sizeof accumulator);
      break;
    case BPF_RET | BPF_K:
      return code->k;
    case BPF_JMP | BPF_JA:
      at += code->k;
      break;
    case BPF_JMP | BPF_JEQ | BPF_K:
      at += accumulator == code->k ? code->jt : code->jf;
      break;
    case BPF_JMP | BPF_JGE | BPF_K:
      at += accumulator >= code->k ? code->jt : code->jf;
      break;
    case BPF_JMP | BPF_JSET | BPF_K:
      at += (accumulator & code->k) != 0 ? code->jt : code->jf;
      break;
    default:
      return UINT_MAX;
    }
  }
  return UINT_MAX;
}

static unsigned answer(const struct program *program, unsigned number, uint64_t first, uint64_t second)
{
  struct seccomp_data data = {.nr = (int)number, .arch = NATIVE_ARCHITECTURE, .args = {first, second}};
  return run(program, &data);
}

static bool is_denied(unsigned number)
{
  for (size_t i = 0; i < DENIED_COUNT; i++)
    if (DENIED[i] == number)
      return true;
  return false;
}

static bool is_strict(unsigned number)
{
  for (size_t i = 0; i < STRICT_COUNT; i++)
    if (STRICT[i] == number)
      return true;
  return false;
}

/* Calls whose family of sockets is looked at. */
static bool has_family(unsigned number)
{
  return number == __NR_socket || number == __NR_socketpair;
}

static void test_strict(void)
{
  struct program alone = make_strict_filter(false, false), open = make_strict_filter(true, true);
  CHECK(alone.length <= sizeof alone.code / sizeof *alone.code);
  for (unsigned number = 0; number < 2048; number++) {
    unsigned expected = !is_strict(number)       ? DENY(ENOSYS)
                        : has_family(number)    ? DENY(EAFNOSUPPORT)
                        : number == __NR_ioctl  ? DENY(ENOTTY)
                                                : SECCOMP_RET_ALLOW;
    CHECK(answer(&alone, number, has_family(number) ? AF_INET : 0, 0) == expected);
    if (!has_family(number))
      CHECK(answer(&open, number, 0, 0) == (is_strict(number) ? SECCOMP_RET_ALLOW : DENY(ENOSYS)));
    /* Nothing is taken back from the other profile. */
    CHECK(!is_strict(number) || !is_denied(number));
  }
  CHECK(answer(&alone, __NR_socket, AF_UNIX, 0) == SECCOMP_RET_ALLOW);
  CHECK(answer(&open, __NR_socket, AF_INET6, 0) == SECCOMP_RET_ALLOW);
  CHECK(answer(&open, __NR_socketpair, AF_UNIX, 0) == SECCOMP_RET_ALLOW);
  CHECK(answer(&open, __NR_socketpair, AF_INET, 0) == DENY(EAFNOSUPPORT));
  CHECK(answer(&open, __NR_socket, AF_NETLINK, 0) == DENY(EAFNOSUPPORT));
  CHECK(answer(&alone, __NR_ioctl, 0, TCGETS) == SECCOMP_RET_ALLOW);
}

void test_seccomp(void)
{
  test_strict();
  struct program program = make_filter();
  CHECK(program.length <= sizeof program.code / sizeof *program.code);
  for (unsigned number = 0; number < 2048; number++) {
    unsigned expected = is_denied(number)          ? DENY(EPERM)
                        : number == __NR_clone3    ? DENY(ENOSYS)
                        : has_family(number)       ? DENY(EAFNOSUPPORT)
                                                   : SECCOMP_RET_ALLOW;
    CHECK(answer(&program, number, has_family(number) ? AF_VSOCK : 0, 0) == expected);
  }
  CHECK(answer(&program, __NR_clone, CLONE_NEWUSER | SIGCHLD, 0) == DENY(EPERM));
  CHECK(answer(&program, __NR_clone, SIGCHLD, 0) == SECCOMP_RET_ALLOW);
  CHECK(answer(&program, __NR_ioctl, 0, TIOCSTI) == DENY(EPERM));
  CHECK(answer(&program, __NR_ioctl, 0, UINT64_C(1) << 32 | TIOCSTI) == DENY(EPERM));
  CHECK(answer(&program, __NR_ioctl, 0, TIOCSETD) == DENY(EPERM));
  CHECK(answer(&program, __NR_ioctl, 0, TCGETS) == SECCOMP_RET_ALLOW);
  CHECK(answer(&program, __NR_socket, AF_UNIX, 0) == SECCOMP_RET_ALLOW);
  CHECK(answer(&program, __NR_socketpair, AF_UNIX, 0) == SECCOMP_RET_ALLOW);
  struct seccomp_data foreign = {.nr = __NR_read, .arch = NATIVE_ARCHITECTURE + 1};
  CHECK(run(&program, &foreign) == SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
  CHECK(answer(&program, X32_BIT | __NR_read, 0, 0) == SECCOMP_RET_KILL_PROCESS);
#endif
}
