/* How a supervisor takes its execution from a lease page that does not move any more to the one of the next writd. */
#include "../shared/clock.h"
#include "../shared/lease_map.h"
#include "looks.h"

/* What a kept execution lives by until then is looked at first: nothing that has run out is made good by a new page. */
static enum wire_status may_go_on(struct supervisor *self)
{
  if (self->phase != RUNNING)
    return self->phase == ENDING ? STATUS_ENDED : STATUS_BAD_STATE;
  switch (looks_take(self)) {
  case CAUSE_NONE:
    return STATUS_OK;
  case CAUSE_EPOCH:
    return STATUS_EPOCH_OVER;
  case CAUSE_LEASE:
    return STATUS_LEASE_OVER;
  default:
    return STATUS_EXPIRED;
  }
}

/* The same look as before a START, on the other page. Whoever gave the first order may have given it more time than was permitted; nobody gives it more now. */
static enum wire_status adopt(struct supervisor *self, const struct command *command, int fd)
{
  enum wire_status status = may_go_on(self);
  if (status != STATUS_OK)
    return status;
  const struct lease_page *page = lease_map(fd);
  if (page == NULL)
    return STATUS_BAD_LEASE;
  struct deadlines renewed = self->deadlines;
  renewed.epoch = command->epoch;
  renewed.expiry_ns = least_of(renewed.expiry_ns, command->expiry_ns);
  renewed.max_evidence_age_ns = least_of(renewed.max_evidence_age_ns, command->max_evidence_age_ns);
  struct lease lease = lease_read(page);
  status = lease_status(lease, &renewed, boot_time_ns());
  if (status != STATUS_OK) {
    lease_unmap(page);
    return status;
  }
  lease_unmap(self->page);
  self->page = page;
  self->deadlines = renewed;
  self->epoch = command->epoch;
  self->lease_until = sum_or_max(lease.instant, renewed.max_evidence_age_ns);
  return STATUS_OK;
}

void supervisor_adopt(struct supervisor *self, const struct command *command, int page)
{
  enum wire_status status = adopt(self, command, page);
  struct report report = {.type = status == STATUS_OK ? REPORT_ADOPTED : REPORT_ADOPT_FAILED,
                          .failure = {.status = status, .index = WIRE_NONE},
                          .attempt = command->attempt};
  supervisor_tell(self->control, &report);
}
