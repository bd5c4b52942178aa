/*
 * Subjects: opened, hashed while copied, and sealed, in a process of their own that has the rights of the uid that will
 * run them, so that a slow or hostile file system delays nobody else and nothing is read that this uid could not read.
 */
#ifndef WRIT_STAGING_H
#define WRIT_STAGING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/wire.h"
#include "store.h"
#include "strings.h"

struct staged {
  char *path; /* owned */
  int fd;     /* memfd, sealed once the stager has reported; -1 when the store has it */
  bool executes; /* the host lets that be executed */
  uint32_t kind; /* wire_kind */
  uint64_t max_bytes;
  struct wire_staged result;
  char *stored;                    /* owned: path of the store's entry that it is; NULL when there is a memfd */
  struct stored_identity identity; /* of that */
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
  uint64_t store_from; /* bytes from which on a subject is kept in the store; UINT64_MAX: there is none */
};

/*
 * A stager and the launcher speak about one subject at a time: is there room for it in the store? It is there already, here is a file or an
 * empty directory to fill, or there is none. What was filled is told with its digest, before the next question; of a directory the answer is then
 * ROOM_KEPT or ROOM_NONE.
 */
enum stage_message { STAGE_ASK = 1, STAGE_FILLED, STAGE_REPORT };
enum stage_room { ROOM_NONE, ROOM_FILL /* + the file */, ROOM_KEPT };

struct stage_ask {
  uint32_t message;
  uint32_t index;
  uint32_t zero;
  uint64_t bytes; /* most that it takes of the store */
  uint8_t has_fingerprint;
  uint8_t steady; /* as source.h has it */
  uint8_t fingerprint[FINGERPRINT_SIZE];
};

struct stage_answer {
  uint32_t room;
  struct wire_staged result; /* ROOM_KEPT */
};

struct stage_filled {
  uint32_t message;
  uint8_t complete; /* else it is to be forgotten */
  uint8_t steady;   /* the source was the same before and after, so that its fingerprint can stand for it */
  struct wire_staged result;
};

/* What a stager says at the end, in one message. Each subject's failure is its own. */
struct stage_report {
  uint32_t message;
  uint32_t status; /* of the stager itself */
  int32_t error;
  struct wire_staged results[WIRE_SUBJECTS_MAX]; /* as many as there are subjects */
};

static inline size_t stage_report_size(uint32_t count)
{
  return offsetof(struct stage_report, results) + count * sizeof(struct wire_staged);
}

/* Makes the places and the memfds for `paths`, which must be plain and different. The paths are copied. */
enum wire_status staging_create(const struct strings *paths, const struct wire_stage_item *items, uint32_t program,
                                struct staging *staging);
void staging_free(struct staging *staging);

/*
 * Runs in the stager process: gives up root for the rights of `uid`, fills the memfds and what else it is given on `channel`, writes a
 * stage_report there, exits. `own`: the uid is of the range that only executions have.
 */
__attribute__((noreturn)) void stager_run(const struct staging *staging, uid_t uid, gid_t gid, bool own, int channel);

/* copying.c, in the stager */
/*
 * Copies at most `max` bytes and hashes what it copies: the digest is of the copy, whatever happens to the file. `account` is NULL where
 * the room was given already; with -1 as `to` it only hashes. Digest and size go into the result, which was zero.
 */
enum wire_status copy_bytes(const struct account *account, int from, int to, uint64_t max, struct wire_staged *result);
/* Then also says what the copy is, as execve(2) would see it. */
enum wire_status copy_subject_bytes(const struct account *account, int from, int to, uint64_t max, struct wire_staged *result);

/*
 * Takes over a stager's report, and looks itself whether the memfds are sealed and as large as it says. True when every
 * subject can be used.
 */
bool staging_finish(struct staging *staging, const struct stage_report *report);

/* A program that is static runs from its sealed memory; everything else is found by its path. */
static inline bool runs_from_memory(const struct staging *staging)
{
  const struct staged *program = &staging->subjects[staging->program];
  return program->result.format == FORMAT_ELF_STATIC && program->stored == NULL && program->executes;
}

#endif
