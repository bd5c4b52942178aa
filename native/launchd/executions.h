/* The table of executions, and the uids they have. Fixed in size; no order can make it grow. */
#ifndef WRIT_EXECUTIONS_H
#define WRIT_EXECUTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "config.h"
#include "sandbox/sandbox.h"
#include "staging.h"
#include "store.h"

/* On the wire in answers to LIST. */
enum execution_state {
  EXECUTION_FREE,
  EXECUTION_STAGING,   /* a stager is at work */
  EXECUTION_STAGED,    /* the sealed subjects wait for a PREPARE */
  EXECUTION_PREPARING, /* init closes itself in */
  EXECUTION_READY,     /* frozen, waits for START */
  EXECUTION_STARTING,
  EXECUTION_RUNNING,
  EXECUTION_HELD,      /* stands still since a lapse, waits for THAW */
  EXECUTION_ENDING,    /* killed, or over; not confirmed dead */
  EXECUTION_DEAD,      /* confirmed; its leaf is still to be removed */
  EXECUTION_KEPT,      /* in answers only: RUNNING, and kept */
};

/* writd's ends of an execution's streams, a terminal in the place of the first; and its own socket. */
enum { OWN_SOCKET = 3, STREAMS };

/* What such an end is, whatever number it has: an inode number is not used again while writd has it open. */
struct made {
  dev_t device;
  ino_t inode; /* 0: there was none */
};

/* What a stager asked for and the launcher has not done with yet. */
struct admission {
  bool waiting; /* for another execution that is filling the store with the same */
  bool filling;
  int reading;  /* the file that is being filled; -1 */
  uint64_t tree; /* or the directory; 0: none */
  pid_t settler; /* the process that makes it root's, not reaped yet; 0 */
  struct stage_filled filled; /* that waits for this */
  struct stage_ask ask;
};

struct execution {
  enum execution_state state;
  uint8_t id[WIRE_ID_SIZE];
  uint8_t parent[WIRE_ID_SIZE];
  bool has_parent;
  uint32_t generation; /* 0: nobody's child */
  uid_t uid;
  gid_t gid;
  bool uid_is_own;
  uint64_t epoch;
  bool may_be_held;
  uint64_t thaw_epoch; /* HELD, with a THAW under way: the epoch that it will belong to */
  uint64_t killed_ns;  /* when its leaf was killed from here; 0: not yet */
  pid_t process; /* stager or supervisor; 0 when there is none */
  pid_t init;
  int channel; /* to that process; -1 when there is none */
  bool has_leaf;
  struct leaf leaf;
  struct staging staging;
  struct admission admission;
  uint32_t *pins; /* owned: places in the store that it has */
  uint32_t pin_count;
  uint64_t request;  /* the order that waits for an answer; 0: none */
  struct failure refusal; /* the answer to a PREPARE that failed, for when nobody is left */
  uint64_t waits_by; /* STAGING, STAGED: boot-clock instant of giving up */
  int pipes[STREAMS]; /* until PREPARE is answered, and again from KEEP on */
  struct made made[STREAMS];
  bool has_terminal;
  uint8_t order[WIRE_DIGEST_SIZE]; /* of what it was made of (order_digest.h); zero before a PREPARE */
  uint64_t max_evidence_age_ns;
  uint64_t noted;       /* by the last NOTE */
  bool to_be_kept;      /* a KEEP came for it */
  bool kept;            /* the writd that ordered it is gone, and none has adopted it */
  uint64_t kept_until;  /* boot-clock instant at which the lease is over that it had then */
  uint32_t adoption;    /* how many ADOPTs were passed on */
  uint64_t adopt_epoch; /* of the last of them */
  uint64_t adopt_max_evidence_age_ns;
  uint64_t adopt_by;    /* when its supervisor has to have said something to that */
  bool announced; /* writd knows of it: its PREPARE was answered, so its end is told by events */
  enum wire_cause cause;
};

static inline bool is_kept(const struct execution *execution)
{
  return execution->state == EXECUTION_RUNNING && execution->kept;
}

/* Runs, and belongs to the writd of now: what is kept can be nobody's parent until it is adopted. */
static inline bool goes_on(const struct execution *execution)
{
  return execution->state == EXECUTION_RUNNING && !execution->kept;
}

struct executions {
  struct execution *items; /* owned; `size` places */
  uint32_t size;
  uint32_t live;
  struct id_range uids;
  uint32_t next_uid;
  struct account account;
  struct store store;
};

bool executions_create(const struct config *config, struct executions *table);

/* A free place, taken for `id`; NULL when the table is full. */
struct execution *executions_take(struct executions *table, const uint8_t id[WIRE_ID_SIZE]);
struct execution *executions_find(const struct executions *table, const uint8_t id[WIRE_ID_SIZE]);
struct execution *executions_of_process(const struct executions *table, pid_t process);
uint32_t executions_index(const struct executions *table, const struct execution *execution);
/* Releases all that the execution still holds, its uid included. Nothing of it may be alive. */
void executions_release(struct executions *table, struct execution *execution);

/* Notes that it has an entry of the store, which has been pinned for it. False without memory. */
bool executions_pin(struct execution *execution, uint32_t place);
/* Gives up what it was filling. */
void executions_stop_filling(struct executions *table, struct execution *execution);

/* The next uid of the range that no live execution has; false when there is none. */
bool executions_own_uid(struct executions *table, uid_t *uid);

#endif
