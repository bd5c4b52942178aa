/* The one clock that leases, expiries and run times use. */
#ifndef WRIT_CLOCK_H
#define WRIT_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* CLOCK_BOOTTIME goes on in suspend and cannot be set (clock_gettime(2)), so a lease does not outlive a sleep. */
static inline uint64_t boot_time_ns(void)
{
  struct timespec now;
  if (clock_gettime(CLOCK_BOOTTIME, &now) != 0)
    return UINT64_MAX; /* no clock: every deadline has passed */
  return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Instants and spans: what would be beyond the end of time does not wrap around. */
static inline uint64_t sum_or_max(uint64_t a, uint64_t b)
{
  uint64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t least_of(uint64_t a, uint64_t b)
{
  return a < b ? a : b;
}

#endif
