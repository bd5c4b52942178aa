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
};

/* What a stager asked for and the launcher has not done with yet. */
struct keeping {
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
  struct keeping keeping;
  uint32_t *pins; /* owned: places in the store that it has */
  uint32_t pin_count;
  uint64_t request;  /* the order that waits for an answer; 0: none */
  struct failure refusal; /* the answer to a PREPARE that failed, for when nobody is left */
  uint64_t waits_by; /* STAGING, STAGED: boot-clock instant of giving up */
  int pipes[4];      /* writd's ends, until PREPARE is answered; the last is its own socket */
  bool announced; /* writd knows of it: its PREPARE was answered, so its end is told by events */
  enum wire_cause cause;
};

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
