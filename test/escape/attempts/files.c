/* Files, descriptors, devices and the kernel's files. Paths are given by the test. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <signal.h>
#include <unistd.h>

#include "attempt.h"

static int written(int fd, const char *text)
{
  if (fd < 0)
    return -1;
  ssize_t length = write(fd, text, strlen(text));
  int error = errno;
  close(fd);
  errno = error;
  return length == (ssize_t)strlen(text) ? 0 : -1;
}

static int try_read(char **arguments) { return opened(open(arguments[0], O_RDONLY | O_CLOEXEC)); }
static int try_create(char **arguments) { return written(open(arguments[0], O_WRONLY | O_CREAT, 0600), "escaped"); }
static int try_overwrite(char **arguments) { return written(open(arguments[0], O_WRONLY | O_TRUNC), "escaped"); }
static int try_open_to_write(char **arguments) { return opened(open(arguments[0], O_WRONLY | O_NOCTTY | O_NONBLOCK)); }
static int try_remove(char **arguments) { return unlink(arguments[0]); }
static int try_symlink(char **arguments)
{
  const char *name = fresh_name(arguments[0]);
  return symlink("/proc/sysrq-trigger", name) == 0 ? unlink(name) : -1;
}
static int try_directory(char **arguments)
{
  const char *name = fresh_name(arguments[0]);
  return mkdir(name, 0700) == 0 ? rmdir(name) : -1;
}
/* A value of the kernel's is written back as it was read. */
static int try_rewrite(char **arguments)
{
  char value[256] = "";
  int fd = open(arguments[0], O_RDWR);
  ssize_t length = fd < 0 ? -1 : read(fd, value, sizeof value - 1);
  if (fd < 0)
    return -1;
  if (length <= 0 || lseek(fd, 0, SEEK_SET) != 0)
    unprepared("read");
  return written(fd, value);
}
static int try_write_text(char **arguments) { return written(open(arguments[0], O_WRONLY), arguments[1]); }

static int try_make_device(char **arguments)
{
  char byte;
  (void)arguments;
  const char *name = fresh_name("/tmp");
  if (mknod(name, S_IFCHR | 0600, makedev(1, 5)) != 0)
    return -1;
  int fd = open(name, O_RDONLY | O_CLOEXEC);
  int result = fd >= 0 && read(fd, &byte, 1) == 1 ? 0 : -1;
  int error = errno;
  unlink(name);
  errno = error;
  return result;
}

/* Whatever the launcher left open. */
static int try_leaked_directory(char **arguments)
{
  (void)arguments;
  for (int fd = 3; fd < 256; fd++) {
    int secret = openat(fd, "secret", O_RDONLY | O_CLOEXEC);
    if (secret >= 0)
      return close(secret);
  }
  errno = EBADF;
  return -1;
}
static int try_leaked_file(char **arguments)
{
  (void)arguments;
  for (int fd = 3; fd < 256; fd++)
    if (write(fd, "escaped", 7) == 7)
      return 0;
  errno = EBADF;
  return -1;
}
static int try_leaked_place(char **arguments)
{
  (void)arguments;
  return opened(open("secret", O_RDONLY | O_CLOEXEC));
}
static int try_environment(char **arguments)
{
  errno = ENOENT;
  return getenv(arguments[0]) == NULL ? -1 : 0;
}

/* Limits: each takes more than was signed. */
static int try_open_files(char **arguments)
{
  for (int count = atoi(arguments[0]); count > 0; count--)
    if (dup(0) < 0)
      return -1;
  return 0;
}
static int try_file_size(char **arguments)
{
  static char bytes[1 << 16];
  signal(SIGXFSZ, SIG_IGN);
  const char *name = fresh_name("/tmp");
  int fd = open(name, O_WRONLY | O_CREAT, 0600);
  if (fd < 0)
    unprepared("open");
  unlink(name);
  for (long left = atol(arguments[0]); left > 0;) {
    ssize_t length = write(fd, bytes, sizeof bytes);
    if (length < 0)
      return -1;
    left -= length;
  }
  return 0;
}
static int try_memory(char **arguments)
{
  size_t size = (size_t)atol(arguments[0]);
  return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED ? -1 : 0;
}
static int try_core(char **arguments)
{
  (void)arguments;
  struct rlimit size = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
  return setrlimit(RLIMIT_CORE, &size);
}

/* No attempt: exchanges two names for each other until it is killed. */
static int exchange(char **arguments)
{
  while (renameat2(AT_FDCWD, arguments[0], AT_FDCWD, arguments[1], RENAME_EXCHANGE) == 0)
    usleep(200);
  return -1;
}

const struct attempt FILE_ATTEMPTS[] = {
    {"read", try_read}, {"create", try_create}, {"overwrite", try_overwrite}, {"open-to-write", try_open_to_write},
    {"remove", try_remove}, {"symlink", try_symlink}, {"directory", try_directory}, {"rewrite", try_rewrite},
    {"write-text", try_write_text}, {"make-device", try_make_device}, {"leaked-directory", try_leaked_directory},
    {"leaked-file", try_leaked_file}, {"leaked-place", try_leaked_place}, {"environment", try_environment},
    {"open-files", try_open_files}, {"file-size", try_file_size}, {"memory", try_memory}, {"core", try_core}, {"exchange", exchange}, {NULL, NULL}};
