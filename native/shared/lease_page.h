/*
 * The lease page: one page of a memfd that writd writes and that writ-launchd and its supervisors only read.
 *
 * `epoch` counts lapses: an execution belongs to the epoch in which it was started and ends when the page shows another.
 * `instant` is the boot-clock instant (ns) just before the evidence behind the current attestation was asked for; 0 means
 * that there is none. The writer stores the epoch before an instant that belongs to it, the reader loads the instant
 * before the epoch: whoever sees an instant of a later epoch also sees that epoch.
 */
#ifndef WRIT_LEASE_PAGE_H
#define WRIT_LEASE_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define LEASE_PAGE_SIZE 4096
#define LEASE_PAGE_MAGIC UINT64_C(0x3145534145545257) /* "WRTEASE1", little-endian */

struct lease_page {
  uint64_t magic;
  _Atomic uint64_t epoch;
  _Atomic uint64_t instant;
};

struct lease {
  uint64_t epoch;
  uint64_t instant;
};

static inline struct lease lease_read(const struct lease_page *page)
{
  struct lease lease;
  lease.instant = atomic_load_explicit(&page->instant, memory_order_acquire);
  lease.epoch = atomic_load_explicit(&page->epoch, memory_order_acquire);
  return lease;
}

#endif
