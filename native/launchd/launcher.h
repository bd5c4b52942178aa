/* The launcher as a whole, and the parts that orders and reports are handled by. One thread; nothing in it waits. */
#ifndef WRIT_LAUNCHER_H
#define WRIT_LAUNCHER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/lease_page.h"
#include "callers.h"
#include "cgroup.h"
#include "config.h"
#include "connection.h"
#include "executions.h"
#include "orders.h"
#include "spares.h"
#include "supervisor.h"

struct launcher {
  struct config config;
  struct interior interior;
  struct executions executions;
  struct connection connection;
  struct spares spares;
  struct callers callers;
  bool broken; /* the connection is to be closed once the message at hand is done with */
  const struct lease_page *page; /* NULL before the first HELLO */
  int page_fd; /* of the same, for supervisors that adopt */
  dev_t page_device;
  ino_t page_inode;
  int epoll;
  int listener;
  int signals;
  bool stopping;
};

/* answers.c: to an order, and events. */
void answer(struct launcher *launcher, uint16_t order, uint64_t request, const void *body, size_t size);
void answer_with(struct launcher *launcher, uint16_t order, uint64_t request, const void *body, size_t size, int *fds,
                 size_t count);
void refuse(struct launcher *launcher, uint16_t order, uint64_t request, struct failure failure);
void announce(struct launcher *launcher, uint16_t event, const void *body, size_t size);
void announce_with(struct launcher *launcher, uint16_t event, const void *body, size_t size, int *fds, size_t count);

/* dispatch.c: handles one order; `fds` stay the caller's. */
void dispatch(struct launcher *launcher, const struct order *order, const int *fds);
/* Whether a child may start, or go on: only under a parent that does. */
bool parent_goes_on(const struct launcher *launcher, const struct execution *execution);
/* For an order that could not be passed on to a supervisor, with `error`. */
struct failure untold(struct launcher *launcher, struct execution *execution, int error);

/* stage.c and prepare.c: the two orders that make processes. They give STATUS_OK when the answer comes later. */
struct failure stage(struct launcher *launcher, const struct order *order, int table);
/* Gives an execution a uid that an order names, where the configuration allows it. */
struct failure take_shared_identity(const struct launcher *launcher, struct execution *execution, uid_t uid, gid_t gid);
void on_stager(struct launcher *launcher, struct execution *execution);
struct failure prepare(struct launcher *launcher, const struct order *order, const int *fds);

/* hand_over.c: KEEP, NOTE, LEAVE and ADOPT. */
/* Notes what writd's ends of the streams are, once they have been made. */
void note_made(struct execution *execution);
struct failure keep_execution(struct launcher *launcher, const struct order *order, const int *fds);
struct failure note_number(struct launcher *launcher, const struct order *order);
void leave_connection(struct launcher *launcher, const struct order *order);
/* Nobody is there any more who ordered it: what was to be kept is kept from now on. */
void keep_what_runs(struct launcher *launcher);
uint32_t count_kept(const struct launcher *launcher);
struct failure adopt_execution(struct launcher *launcher, const struct order *order);
void on_adopted(struct launcher *launcher, struct execution *execution, const struct report *report);
void on_adopt_failed(struct launcher *launcher, struct execution *execution, const struct report *report);
void tend_kept(struct launcher *launcher, struct execution *execution, uint64_t now);
/* wire_stdio of the streams that are held for it. */
uint32_t streams_held(const struct execution *execution);
/* Of one that was kept and has ended: what its output can still be read from. The caller has them then; gives wire_stdio. */
uint32_t take_last_output(struct execution *execution, int fds[STREAMS], size_t *count);

/* admission.c: what a stager says about the store. */
void stager_asks(struct launcher *launcher, struct execution *execution, const struct stage_ask *ask);
void stager_asks_again(struct launcher *launcher, struct execution *execution);
void stager_filled(struct launcher *launcher, struct execution *execution, const struct stage_filled *filled);
/* Whether it was one of the processes that make directories root's. */
bool on_settler_exited(struct launcher *launcher, pid_t process, int status);

/* callers.c: CALLER, which is answered when the process that looks has ended, or has taken too long. */
struct failure caller_look(struct launcher *launcher, const struct order *order, int pidfd);
bool on_caller_look_exited(struct launcher *launcher, pid_t process);
bool callers_need_tending(const struct launcher *launcher);
void callers_tend(struct launcher *launcher);
/* Nobody waits for an answer any more. */
void callers_end(struct launcher *launcher);

/* ending.c */
/* Ends an execution in whatever state it is; the kill is written before anything is said. */
void end_execution(struct launcher *launcher, struct execution *execution, enum wire_cause cause);
/* Notes that an execution is being ended: event, pending answer, children. For whoever has just written the kill. */
void note_ending(struct launcher *launcher, struct execution *execution, enum wire_cause cause, uint64_t boot_ns);
/*
 * Ends all of `up_to_epoch` and earlier ones (UINT64_MAX: really all) and what is kept, which is of an earlier page, unless another page is the cause;
 * with `hold`, what may be held is held instead.
 */
void end_all(struct launcher *launcher, uint64_t up_to_epoch, enum wire_cause cause, bool hold);
/* Notes that an execution stands still: event, children. For whoever has frozen it, or heard of that. */
void note_held(struct launcher *launcher, struct execution *execution, enum wire_cause cause, uint64_t boot_ns);
void release_execution(struct launcher *launcher, struct execution *execution);
/* Tries again to remove leaves that were not empty enough and to watch ends, and gives up what was staged and never prepared. */
void tend(struct launcher *launcher);

/* reports.c: what stagers and supervisors say, and their deaths. */
void write_cgroup(const struct launcher *launcher, const struct execution *execution, char path[WIRE_CGROUP_SIZE]);
void on_channel(struct launcher *launcher, struct execution *execution);
void on_child_exited(struct launcher *launcher, pid_t process);
/* Makes a process that tells when nobody is left of an execution that is ending and has lost its own. False without one. */
bool watch_end(struct launcher *launcher, struct execution *execution);

/* Forks. In the child, `channel` is the other end of the execution's new channel; gives the pid, 0 in the child, or -1. */
pid_t fork_with_channel(struct launcher *launcher, struct execution *execution, int *channel);

/* To a supervisor. Never waits for it: false, with errno, when it is gone or has not read for so long that no more fits in. */
bool send_command(const struct execution *execution, struct command command);
/* With a descriptor, which stays the caller's. */
bool send_command_with(const struct execution *execution, struct command command, int fd);

static inline struct failure failed(enum wire_status status, int error, uint32_t index)
{
  return (struct failure){.status = status, .error = error, .index = index};
}

#endif
