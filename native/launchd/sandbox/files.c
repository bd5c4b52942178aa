/* How many files the launcher may have open, and how many that leaves a workload. */
#include <sys/resource.h>

#include "sandbox.h"

static struct rlimit given;

bool files_raise(void)
{
  if (getrlimit(RLIMIT_NOFILE, &given) != 0)
    return false;
  struct rlimit raised = {.rlim_cur = given.rlim_max, .rlim_max = given.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &raised) == 0;
}

bool files_restore(void)
{
  return setrlimit(RLIMIT_NOFILE, &given) == 0;
}
