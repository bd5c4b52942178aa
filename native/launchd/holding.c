/* How a supervisor holds an execution over a lapse, and lets go of it again. */
#include <errno.h>

#include "../shared/clock.h"
#include "looks.h"

bool supervisor_hold(struct supervisor *self, enum wire_cause cause)
{
  if (self->phase == HELD)
    return true;
  if (self->phase != RUNNING || self->deadlines.grace_ns == 0 || !leaf_freeze(self->leaf, true))
    return false;
  uint64_t now = boot_time_ns();
  self->phase = HELD;
  /* Counted from where the lease ended: a look that came late gives no more time. */
  self->held_until = sum_or_max(least_of(now, self->lease_until), self->deadlines.grace_ns);
  /* Evidence that was late may come within its epoch; an epoch that was ended stays that. */
  self->thaw_from = cause == CAUSE_LEASE || cause == CAUSE_PARENT ? self->epoch : sum_or_max(self->epoch, 1);
  struct report report = {.type = REPORT_HELD, .cause = cause, .boot_ns = now};
  supervisor_tell(self->control, &report);
  return true;
}

/* The same look as before a START, in the epoch that the order names. */
static enum wire_status may_thaw(const struct supervisor *self, struct lease lease, uint64_t epoch, uint64_t now)
{
  struct deadlines renewed = self->deadlines;
  renewed.epoch = epoch;
  if (epoch < self->thaw_from)
    return STATUS_EPOCH_OVER;
  if (now >= self->held_until || now >= self->run_until)
    return STATUS_EXPIRED;
  return lease_status(lease, &renewed, now);
}

void supervisor_thaw(struct supervisor *self, uint64_t epoch)
{
  struct lease lease = lease_read(self->page);
  enum wire_status status = may_thaw(self, lease, epoch, boot_time_ns());
  if (status == STATUS_OK && !leaf_freeze(self->leaf, false))
    status = STATUS_INTERNAL;
  struct report report = {.type = status == STATUS_OK ? REPORT_THAWED : REPORT_THAW_FAILED,
                          .failure = {.status = status, .index = WIRE_NONE}};
  if (status == STATUS_OK) {
    self->phase = RUNNING;
    self->epoch = epoch;
    self->lease_until = sum_or_max(lease.instant, self->deadlines.max_evidence_age_ns);
  }
  supervisor_tell(self->control, &report);
  /* What lapsed between that look and the thaw. */
  if (status == STATUS_OK && lease_read(self->page).epoch != epoch)
    supervisor_hold(self, CAUSE_EPOCH);
}
