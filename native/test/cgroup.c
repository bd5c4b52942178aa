#include "../launchd/cgroup.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static bool says(const char *events)
{
  struct leaf leaf = LEAF_CLOSED;
  leaf.memory = memfd_create("memory.events", MFD_CLOEXEC);
  bool written = write(leaf.memory, events, strlen(events)) == (ssize_t)strlen(events);
  CHECK(written);
  bool out = leaf_out_of_memory(&leaf);
  close(leaf.memory);
  return out;
}

void test_cgroup(void)
{
  /* As the kernel lays memory.events out (memory_events_show, mm/memcontrol.c). */
  CHECK(!says("low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\noom_group_kill 0\n"));
  CHECK(says("low 0\nhigh 0\nmax 12\noom 1\noom_kill 4\noom_group_kill 1\n"));
  CHECK(!says("low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n"));
  CHECK(!says(""));
  struct leaf none = LEAF_CLOSED;
  CHECK(!leaf_out_of_memory(&none));
}
