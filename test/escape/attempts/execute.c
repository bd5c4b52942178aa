/* Executing what was never hashed. A copy of this program stands for any other; it says "done" itself when it runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attempt.h"

static char *const AS_SURVIVOR[] = {"escape", "survivor", NULL};
static char *const NOTHING[] = {NULL};

static void copy_into(const char *from, int to)
{
  struct stat status;
  int source = open(from, O_RDONLY | O_CLOEXEC);
  if (source < 0 || fstat(source, &status) != 0)
    unprepared(from);
  for (off_t left = status.st_size; left > 0;) {
    ssize_t length = sendfile(to, source, NULL, (size_t)left);
    if (length <= 0)
      unprepared("sendfile");
    left -= length;
  }
  close(source);
}

static const char *copy_to(const char *directory, const char *program)
{
  const char *name = fresh_name(directory);
  int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0700);
  if (fd < 0)
    unprepared(name);
  copy_into(program, fd);
  close(fd);
  return name;
}

static int try_written(char **arguments)
{
  execve(copy_to(arguments[0], "/proc/self/exe"), AS_SURVIVOR, NOTHING);
  return -1;
}

/* The loader maps a file that may not be executed, and runs it. */
static int try_loader(char **arguments)
{
  char *const loader[] = {arguments[0], (char *)copy_to("/tmp", arguments[1]), "done", NULL};
  fflush(stdout);
  execve(arguments[0], loader, NOTHING);
  return -1;
}

static int try_memfd(char **arguments)
{
  (void)arguments;
  int fd = memfd_create("escape", 0);
  if (fd < 0)
    return -1;
  copy_into("/proc/self/exe", fd);
  fexecve(fd, AS_SURVIVOR, NOTHING);
  return -1;
}

static int try_shared_object(char **arguments)
{
  int fd = open(copy_to(arguments[0], "/proc/self/exe"), O_RDONLY | O_CLOEXEC);
  return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0;
}

/* A program with a set-user-id bit, or with file capabilities, that makes the attempt which is named after it. */
static int try_privileged(char **arguments)
{
  char *const program[] = {"escape", arguments[1], arguments[1] == NULL ? NULL : arguments[2], NULL};
  fflush(stdout);
  execve(arguments[0], program, NOTHING);
  return -1;
}

static int try_survivor(char **arguments) { (void)arguments; return 0; }

const struct attempt EXECUTE_ATTEMPTS[] = {
    {"execute-written", try_written}, {"execute-by-loader", try_loader}, {"execute-memfd", try_memfd},
    {"map-written", try_shared_object}, {"privileged", try_privileged}, {"survivor", try_survivor}, {NULL, NULL}};
