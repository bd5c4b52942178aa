/*
 * spawn PROGRAM ARGUMENT...: starts it with posix_spawn(3) and waits for its end. The cheapest way to run another program:
 * what is timed is the program, not who starts it.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "stopwatch.h"

extern char **environ;
static char **command;

static uint64_t once(void)
{
  pid_t child;
  int status;
  uint64_t start = now_ns();
  errno = posix_spawn(&child, command[0], NULL, NULL, command, environ);
  require(errno == 0, command[0]);
  require(waitpid(child, &status, 0) == child, "waitpid");
  uint64_t took = now_ns() - start;
  require(status == 0, "it did not exit with 0");
  return took;
}

int main(int argc, char **argv)
{
  require(argc > 1, "spawn PROGRAM ARGUMENT...");
  command = argv + 1;
  return serve(once);
}
