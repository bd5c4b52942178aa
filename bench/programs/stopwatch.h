/* For programs that do something once for every line on standard input, and answer with the nanoseconds that it took. */
#ifndef WRIT_BENCH_STOPWATCH_H
#define WRIT_BENCH_STOPWATCH_H

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__attribute__((format(printf, 1, 2), noreturn)) static inline void fail(const char *format, ...)
{
  int error = errno;
  va_list values;
  va_start(values, format);
  vfprintf(stderr, format, values);
  va_end(values);
  fprintf(stderr, ": %s\n", strerror(error));
  exit(1);
}

static inline void require(int holds, const char *what)
{
  if (!holds)
    fail("%s", what);
}

static inline uint64_t now_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* `once` gives the nanoseconds of one go. */
static inline int serve(uint64_t (*once)(void))
{
  for (int c = getchar(); c != EOF; c = getchar()) {
    printf("%" PRIu64 "\n", once());
    fflush(stdout);
  }
  return 0;
}

#endif
