/* A supervisor's state, and its looks at the lease page, the clock and the CPU time. */
#ifndef WRIT_LOOKS_H
#define WRIT_LOOKS_H

#include "supervisor.h"

enum phase { PREPARING, READY, STARTING, RUNNING, HELD, ENDING };

struct supervisor {
  const struct plan *plan;
  struct deadlines deadlines;
  const struct leaf *leaf;
  const struct lease_page *page; /* the plan's, until it was adopted into another */
  int control;  /* to the launcher */
  int init;     /* to init */
  int executed; /* end of file: the workload has been executed */
  int timer;
  pid_t init_pid;
  enum phase phase;
  uint64_t prepared_by; /* PREPARING: when to give up */
  uint64_t epoch;       /* that it belongs to: the one that it was prepared, thawed or adopted in */
  uint64_t run_until;   /* from START; UINT64_MAX: no limit */
  uint64_t lease_until; /* what the evidence seen so far covers */
  uint64_t held_until;  /* HELD: the end of the grace */
  uint64_t thaw_from;   /* HELD: the first epoch that may thaw it */
  uint64_t cpu_look;    /* when the CPU time can have run out at the earliest */
  long processors;
  struct report end;
};

/* Why the execution has to end, or to be held, now; CAUSE_NONE if it may go on as it is. */
enum wire_cause looks_take(struct supervisor *self);

/* Arms the timer for the next look: the next deadline, and half of what is left of the lease, so that each renewal is seen. */
void looks_arm(struct supervisor *self);

/* supervisor.c: to the launcher. */
void supervisor_tell(int control, const struct report *report);

/* holding.c */
/* Has what runs stand still instead of ending. False for one that may not be held, or is not running: it has to end. */
bool supervisor_hold(struct supervisor *self, enum wire_cause cause);
/* Lets go of what is held, if the lease page shows `epoch` with evidence that covers it now; tells what came of it. */
void supervisor_thaw(struct supervisor *self, uint64_t epoch);

/*
 * adoption.c: goes over to another lease page, if what runs may still run by the one that it has, and the other shows the epoch of the order with evidence
 * that covers it now; tells what came of it. Its own deadlines become those of the order where these are earlier. The caller looks again afterwards: the epoch may have moved in between.
 */
void supervisor_adopt(struct supervisor *self, const struct command *command, int page);

#endif
