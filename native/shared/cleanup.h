/* Cleanup attributes: a descriptor or an allocation is released where its variable's scope ends. */
#ifndef WRIT_CLEANUP_H
#define WRIT_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes *fd when it is a descriptor, and keeps errno, so that it can run between a failure and its report. */
static inline void close_fd(int *fd)
{
  if (*fd >= 0) {
    int saved = errno;
    close(*fd);
    *fd = -1;
    errno = saved;
  }
}

static inline int steal_fd(int *fd)
{
  int stolen = *fd;
  *fd = -1;
  return stolen;
}

static inline void free_pointer(void *pointer)
{
  void **slot = pointer;
  free(*slot);
  *slot = NULL;
}

static inline void close_file(FILE **file)
{
  if (*file != NULL) {
    fclose(*file);
    *file = NULL;
  }
}

#define CLEANUP_FD __attribute__((cleanup(close_fd)))
#define CLEANUP_FREE __attribute__((cleanup(free_pointer)))
#define CLEANUP_FILE __attribute__((cleanup(close_file)))

#endif
