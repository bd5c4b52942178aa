/* cgroup v2, as far as the references need it. */
#ifndef WRIT_BENCH_CGROUP_H
#define WRIT_BENCH_CGROUP_H

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stopwatch.h"

static inline void write_file(int directory, const char *name, const char *text)
{
  int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
  require(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), name);
  close(fd);
}

/* Makes a fresh one and opens its directory. */
static inline int cgroup_make(const char *path)
{
  require(mkdir(path, 0755) == 0, path);
  int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  require(directory >= 0, path);
  return directory;
}

/* The kernel tells of changes of cgroup.events at most every 10 ms, so between them there is a look each millisecond. */
static inline void cgroup_wait_empty(int directory)
{
  char text[128];
  int events = openat(directory, "cgroup.events", O_RDONLY | O_CLOEXEC);
  require(events >= 0, "cgroup.events");
  for (;;) {
    ssize_t length = pread(events, text, sizeof text - 1, 0);
    require(length > 0, "cgroup.events");
    text[length] = '\0';
    if (strstr(text, "populated 0") != NULL)
      break;
    struct pollfd changed = {.fd = events, .events = POLLPRI};
    poll(&changed, 1, 1);
  }
  close(events);
}

#endif
