/*
 * spawn COUNT PROGRAM ARGUMENT...: starts it with posix_spawn(3), COUNT times at once, and waits for all to end. The cheapest way to run another
 * program: what is timed is the program, not who starts it.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "stopwatch.h"

extern char **environ;
static char **command;
static unsigned long at_once;

static uint64_t once(void)
{
  pid_t child;
  int status;
  uint64_t start = now_ns();
  for (unsigned long i = 0; i < at_once; i++) {
    errno = posix_spawn(&child, command[0], NULL, NULL, command, environ);
    require(errno == 0, command[0]);
  }
  for (unsigned long i = 0; i < at_once; i++) {
    require(waitpid(-1, &status, 0) > 0, "waitpid");
    require(status == 0, "it did not exit with 0");
  }
  return now_ns() - start;
}

int main(int argc, char **argv)
{
  require(argc > 2, "spawn COUNT PROGRAM ARGUMENT...");
  at_once = strtoul(argv[1], NULL, 10);
  command = argv + 2;
  return serve(once);
}
