/*
 * What program a caller of writd executes: SHA-256 of its executable, as /proc/PID/exe has it. A process of its own looks, with the caller's
 * uid and gid, so that the kernel lets it see what the caller could see itself (ptrace(2), access mode checking), and a slow or hostile file
 * system delays nobody else. It keeps nothing and copies nothing.
 */
#ifndef WRIT_CALLERS_H
#define WRIT_CALLERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/wire.h"

/*
 * At one time, counted until a process has been reaped: one that a file system keeps in the kernel keeps its place. No user has all of them.
 * daemon/caller-programs.ts asks for no more.
 */
#define CALLERS_MAX 8
#define CALLERS_OF_ONE_UID 2
/* Larger executables are not looked at. */
#define CALLER_BYTES_MAX (512u << 20)

struct caller_place {
  pid_t process;     /* 0: the place is free */
  uid_t uid;         /* of the caller */
  int report;        /* end of its pipe; -1: nobody waits for it any more */
  uint64_t request;  /* the order that waits */
  uint64_t waits_by; /* boot-clock instant of giving up */
};

struct callers {
  struct caller_place places[CALLERS_MAX];
};

/* Who is looked at. */
struct caller {
  uid_t uid;
  gid_t gid;
  bool own; /* the uid is of the range that only executions have */
  pid_t pid;
  int pidfd;
};

/*
 * Runs in the process that looks, a child of `parent`: gives up root for the caller's rights, writes a wire_staged with status, digest and size
 * to `report`, exits.
 */
__attribute__((noreturn)) void caller_describe(const struct caller *caller, pid_t parent, int report);

#endif
