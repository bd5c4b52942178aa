/*
 * Subjects: opened, hashed while copied, and sealed, in a process of their own that has the rights of the uid that will
 * run them, so that a slow or hostile file system delays nobody else and nothing is read that this uid could not read.
 */
#ifndef WRIT_STAGING_H
#define WRIT_STAGING_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/wire.h"
#include "strings.h"

struct staged {
  char *path; /* owned */
  int fd;     /* memfd; sealed once the stager has reported */
  uint64_t max_bytes;
  struct wire_staged result;
};

/*
 * How many bytes all executions hold, in memory shared with the stagers: each adds to its own place while it copies, so
 * that the configured most holds across those at work at the same time.
 */
struct account {
  uint64_t most;
  uint32_t count;
  uint32_t own; /* the place of the execution at hand */
  _Atomic uint64_t *held;
};

bool account_create(uint64_t most, uint32_t count, struct account *account);
/* Adds to the own place; false, and nothing added, when that would be too much. */
bool account_add(const struct account *account, uint64_t bytes);
void account_release(const struct account *account, uint32_t place);

struct staging {
  struct staged *subjects; /* owned; `count` of them */
  uint32_t count;
  uint32_t program;
  const struct account *account;
};

/* What a stager says at the end, in one message. Each subject's failure is its own. */
struct stage_report {
  uint32_t status; /* of the stager itself */
  int32_t error;
  struct wire_staged results[WIRE_SUBJECTS_MAX];
};

/* Makes the places and the memfds for `paths`, which must be plain and different. The paths are copied. */
enum wire_status staging_create(const struct strings *paths, const uint64_t *max_bytes, uint32_t program,
                                struct staging *staging);
void staging_free(struct staging *staging);

/*
 * Runs in the stager process: gives up root for the rights of `uid`, fills the memfds, writes a stage_report to `report`,
 * exits. `own`: the uid is of the range that only executions have.
 */
__attribute__((noreturn)) void stager_run(const struct staging *staging, uid_t uid, gid_t gid, bool own, int report);

/*
 * Takes over a stager's report, and looks itself whether the memfds are sealed and as large as it says. True when every
 * subject can be used.
 */
bool staging_finish(struct staging *staging, const struct stage_report *report);

#endif
