/*
 * The supervisor: one small process per execution, forked by the launcher. It makes the execution's init, and from then
 * on ends it, by itself and in C, when its epoch is over, its deadline has come, the launcher says so, or the launcher is
 * gone. It never waits for anybody before it kills. An execution that may be held stands still when its epoch or its lease
 * is over, and ends when nobody has renewed its authorization within the grace.
 */
#ifndef WRIT_SUPERVISOR_H
#define WRIT_SUPERVISOR_H

#include <stdint.h>

#include "cgroup.h"
#include "sandbox/sandbox.h"

struct deadlines {
  uint64_t epoch;
  uint64_t expiry_ns;
  uint64_t max_evidence_age_ns;
  uint64_t run_time_ns; /* counted from START, also while it is held; 0 means none */
  uint64_t grace_ns;    /* how long it may be held; 0: a lapse ends it */
};

/* Launcher to supervisor. */
enum command_type { COMMAND_START = 1, COMMAND_END, COMMAND_HOLD, COMMAND_THAW, COMMAND_SIGNAL, COMMAND_ADOPT /* + lease page */ };
struct command {
  uint32_t type;
  uint32_t cause; /* of END and HOLD */
  uint64_t epoch; /* of THAW and ADOPT */
  uint32_t signal; /* of SIGNAL */
  uint32_t attempt; /* of ADOPT; the report of it has the same */
  uint64_t expiry_ns;           /* of ADOPT: what it may not outlive */
  uint64_t max_evidence_age_ns; /* of ADOPT: nor be older than */
};

/* Supervisor to launcher. */
enum report_type {
  REPORT_READY = 1,
  REPORT_FAILED,
  REPORT_STARTED,
  REPORT_START_FAILED,
  REPORT_HELD,
  REPORT_THAWED,
  REPORT_THAW_FAILED,
  REPORT_ADOPTED,
  REPORT_ADOPT_FAILED,
  REPORT_ENDING,
  REPORT_ENDED,
};
struct report {
  uint32_t type;
  uint32_t pid;           /* READY */
  struct failure failure; /* FAILED, START_FAILED, THAW_FAILED, ADOPT_FAILED */
  uint32_t cause;         /* HELD, ENDING, ENDED */
  uint64_t boot_ns;       /* HELD, ENDING, ENDED */
  int32_t wait_status;    /* ENDED, when `exited` */
  uint32_t exited;
  uint32_t attempt; /* ADOPTED, ADOPT_FAILED */
  uint64_t user_us;
  uint64_t system_us;
  uint64_t max_rss_kib;
};

/* Runs in the forked process. `control` is its end of the launcher's socket. */
__attribute__((noreturn)) void supervisor_run(const struct plan *plan, const struct deadlines *deadlines,
                                              const struct leaf *leaf, int control);

/* Runs in a process forked after a supervisor was lost: ends what is in the leaf and reports that. */
__attribute__((noreturn)) void supervisor_finish(const struct leaf *leaf, int control, enum wire_cause cause);

/* Whether an execution of `deadlines` may live at `now`; otherwise the status that says why not. */
enum wire_status lease_status(struct lease lease, const struct deadlines *deadlines, uint64_t now);

#endif
