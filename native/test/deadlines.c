#include "../launchd/supervisor.h"
#include "check.h"

void test_deadlines(void)
{
  struct deadlines deadlines = {.epoch = 3, .expiry_ns = 1000, .max_evidence_age_ns = 50};
  struct lease lease = {.epoch = 3, .instant = 100};
  CHECK(lease_status(lease, &deadlines, 149) == STATUS_OK);
  CHECK(lease_status(lease, &deadlines, 150) == STATUS_LEASE_OVER);
  lease.instant = 990;
  CHECK(lease_status(lease, &deadlines, 999) == STATUS_OK);
  CHECK(lease_status(lease, &deadlines, 1000) == STATUS_EXPIRED);
  lease.epoch = 4; /* whatever else holds */
  CHECK(lease_status(lease, &deadlines, 999) == STATUS_EPOCH_OVER);
  lease = (struct lease){.epoch = 3, .instant = 0}; /* no evidence */
  CHECK(lease_status(lease, &deadlines, 1) == STATUS_LEASE_OVER);
  lease = (struct lease){.epoch = 3, .instant = 101}; /* evidence of what is still to come */
  CHECK(lease_status(lease, &deadlines, 100) == STATUS_LEASE_OVER);
  CHECK(lease_status(lease, &deadlines, 101) == STATUS_OK);
  /* An age beyond the end of time does not wrap around to now. */
  deadlines.max_evidence_age_ns = UINT64_MAX;
  lease.instant = 5;
  CHECK(lease_status(lease, &deadlines, 6) == STATUS_OK);
}
