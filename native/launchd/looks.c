#include "looks.h"

#include <sys/timerfd.h>

#include "../shared/clock.h"

#define SHORTEST_LOOK_NS (10 * NS_PER_MS)

/* Evidence is of the past. An instant that is still to come would be a lease without an end. */
static bool is_evidence(struct lease lease, uint64_t now)
{
  return lease.instant != 0 && lease.instant <= now;
}

enum wire_status lease_status(struct lease lease, const struct deadlines *deadlines, uint64_t now)
{
  if (lease.epoch != deadlines->epoch)
    return STATUS_EPOCH_OVER;
  if (!is_evidence(lease, now) || now >= sum_or_max(lease.instant, deadlines->max_evidence_age_ns))
    return STATUS_LEASE_OVER;
  return now >= deadlines->expiry_ns ? STATUS_EXPIRED : STATUS_OK;
}

/*
 * Looks at the lease page. Evidence newer than what the last deadline covered means that there was a time without any:
 * then the execution ends, even if this look came too late to see it happen.
 */
static enum wire_cause look_at_lease(struct supervisor *self, uint64_t now)
{
  struct lease lease = lease_read(self->page);
  if (lease.epoch != self->epoch)
    return CAUSE_EPOCH;
  uint64_t until = sum_or_max(lease.instant, self->deadlines.max_evidence_age_ns);
  if (!is_evidence(lease, now) || lease.instant > self->lease_until || now >= until)
    return CAUSE_LEASE;
  self->lease_until = until;
  return CAUSE_NONE;
}

static enum wire_cause look_at_cpu(struct supervisor *self, uint64_t now)
{
  uint64_t most = self->plan->limits.cpu_time_ns;
  struct leaf_usage usage;
  if (most == 0 || now < self->cpu_look)
    return CAUSE_NONE;
  if (!leaf_usage(self->leaf, &usage))
    return CAUSE_CPU_TIME;
  uint64_t used = (usage.user_us + usage.system_us) * 1000;
  if (used >= most)
    return CAUSE_CPU_TIME;
  /* Not before all processors together could have used the rest. */
  uint64_t earliest = (most - used) / (uint64_t)self->processors;
  self->cpu_look = now + (earliest < SHORTEST_LOOK_NS ? SHORTEST_LOOK_NS : earliest);
  return CAUSE_NONE;
}

enum wire_cause looks_take(struct supervisor *self)
{
  uint64_t now = boot_time_ns();
  /* What is held waits for a new lease, not longer than its grace; everything else ends it as ever. */
  enum wire_cause cause = self->phase == HELD ? CAUSE_NONE : look_at_lease(self, now);
  if (cause == CAUSE_NONE && now >= self->deadlines.expiry_ns)
    cause = CAUSE_EXPIRY;
  if (cause == CAUSE_NONE && now >= self->run_until)
    cause = CAUSE_RUN_TIME;
  if (cause == CAUSE_NONE && self->phase == HELD)
    return now >= self->held_until ? CAUSE_GRACE : CAUSE_NONE;
  return cause == CAUSE_NONE ? look_at_cpu(self, now) : cause;
}

static uint64_t next_look_at_lease(const struct supervisor *self)
{
  uint64_t now = boot_time_ns();
  uint64_t left = self->lease_until > now ? self->lease_until - now : 0;
  return least_of(self->lease_until, now + (left / 2 < SHORTEST_LOOK_NS ? SHORTEST_LOOK_NS : left / 2));
}

void looks_arm(struct supervisor *self)
{
  uint64_t at = self->phase == HELD ? self->held_until : next_look_at_lease(self);
  at = least_of(at, least_of(self->deadlines.expiry_ns, self->run_until));
  if (self->plan->limits.cpu_time_ns != 0 && self->phase != HELD)
    at = least_of(at, self->cpu_look);
  if (self->phase == PREPARING)
    at = least_of(at, self->prepared_by);
  struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / NS_PER_SECOND), .tv_nsec = (long)(at % NS_PER_SECOND)}};
  if (at == 0)
    when.it_value.tv_nsec = 1; /* zero would disarm */
  timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &when, NULL);
}
