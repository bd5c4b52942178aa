/* escape NAME [ARGUMENT …]: makes one attempt. Prints "done" or "refused ERRNO"; exits with 0 when it was done, 1 when it was refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attempt.h"

void unprepared(const char *what)
{
  printf("unprepared: %s: %s\n", what, strerror(errno));
  fflush(stdout);
  _exit(2);
}

int opened(int fd)
{
  return fd < 0 ? -1 : close(fd);
}

const char *fresh_name(const char *directory)
{
  static char name[256];
  snprintf(name, sizeof name, "%s/writ-escape-%d", directory, (int)getpid());
  return name;
}

int in_child(int (*attempt)(void))
{
  int status, error;
  fflush(stdout);
  pid_t child = fork();
  if (child < 0)
    unprepared("fork");
  if (child == 0)
    _exit(attempt() == 0 ? 0 : errno);
  if (waitpid(child, &status, 0) != child)
    unprepared("waitpid");
  if (WIFSIGNALED(status))
    raise(WTERMSIG(status)); /* a filter that kills */
  error = WEXITSTATUS(status);
  errno = error;
  return error == 0 ? 0 : -1;
}

static const struct attempt *find(const char *name)
{
  const struct attempt *const groups[] = {KERNEL_ATTEMPTS,  FILE_ATTEMPTS,     EXECUTE_ATTEMPTS, PROCESS_ATTEMPTS,
                                          NETWORK_ATTEMPTS, TERMINAL_ATTEMPTS, IDENTITY_ATTEMPTS};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    for (const struct attempt *at = groups[i]; at->name != NULL; at++)
      if (strcmp(at->name, name) == 0)
        return at;
  return NULL;
}

int main(int argc, char **argv)
{
  const struct attempt *attempt = find(argc > 1 ? argv[1] : "without-a-name");
  if (attempt == NULL)
    unprepared("no such attempt");
  if (attempt->run(argv + (argc > 1 ? 2 : 1)) == 0) {
    puts("done");
    return 0;
  }
  printf("refused %s\n", strerrorname_np(errno));
  return 1;
}
