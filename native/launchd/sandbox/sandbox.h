/*
 * What an execution is closed into, from the inside: these functions run in its init (PID 1 of its PID namespace), which
 * gives up one right after another and in the end forks the workload. Whatever fails ends the execution before it began.
 */
#ifndef WRIT_SANDBOX_H
#define WRIT_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../shared/lease_page.h"
#include "../../shared/wire.h"
#include "../devices.h"
#include "../staging.h"

struct limits {
  uint64_t cpu_time_ns; /* all: 0 means none */
  uint64_t address_space_bytes;
  uint64_t file_bytes;
  uint32_t processes; /* by RLIMIT_NPROC: only where the uid is this execution's alone */
  uint32_t open_files;
};

struct plan {
  struct staging staging;
  char **arguments;   /* NULL-terminated */
  char **environment; /* NULL-terminated */
  char **writable;
  uint32_t writable_count;
  const char *directory;
  uid_t uid;
  gid_t gid;
  gid_t groups[WIRE_GROUPS_MAX];
  uint32_t group_count;
  uint32_t network; /* wire_network */
  int own_network;  /* a network namespace that nobody was ever in, and that is this execution's; -1: it makes its own */
  uint32_t profile; /* wire_profile */
  struct device_nodes devices;
  int stdio[3];  /* the workload's ends; -1 for /dev/null */
  int socket;    /* on which it may ask for children, to be bound; -1: it may not */
  struct secret {
    int fd;
    uint32_t number; /* that the program finds it under */
  } secrets[WIRE_SECRETS_MAX];
  uint32_t secret_count;
  int terminal;  /* the devpts that all three are in; -1: they are no terminal */
  struct limits limits;
  uint64_t tmp_bytes;
  bool landlock_required;
  const struct lease_page *page;
  uint64_t epoch;
};

/* Why preparing failed; goes to writd as it is. */
struct failure {
  uint32_t status; /* wire_status */
  int32_t error;
  uint32_t index; /* of a subject, a writable path, or a step */
};

/* Steps, for STATUS_SANDBOX_FAILED; daemon/launcher/error.ts names them. */
enum step { STEP_CLONE, STEP_PRIVATE, STEP_STORE, STEP_PLACE, STEP_READ_ONLY, STEP_DEVICES, STEP_PROC, STEP_NETWORK,
            STEP_IDENTITY, STEP_LANDLOCK, STEP_SECCOMP, STEP_FILES, STEP_TIMEOUT, STEP_SOCKET };

/* identity.c */
/* Becomes uid, gid and groups for good, with no capability left, none to be gained, and no_new_privs. */
bool identity_take(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);
/*
 * The same for who only reads with the rights of `uid`. Where that is an execution's `own`, the real uid is nobody's: an IMA policy that measures
 * what executions read goes by the real uid (ima_match_rules), and what is read before anything is permitted must not fail the host for its being
 * asked for. A shared uid is no execution's own, and FUSE wants all three uids alike. One capability is kept, if it is there: CAP_LEASE, with which
 * it sees whether others have a file open for writing (source.h). It gives no access to anything.
 */
bool identity_read(uid_t uid, gid_t gid, bool own);

/*
 * Opens files with the rights of uid, gid and groups alone, until they are given back: the change of fsuid takes the file capabilities too, and gives
 * them back (capabilities(7)). False with errno when that cannot be had. rights_return leaves root without groups, as the launcher is, and errno alone.
 */
bool rights_take(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);
void rights_return(void);

/* mounts.c: the private root. Fills *failure. */
bool mounts_build(const struct plan *plan, struct failure *failure);

/* The first subject whose path does not show its copy any more; WIRE_NONE when all do. After mounts_build, in the same process or a child. */
uint32_t subject_not_shown(const struct plan *plan);

/* nodes.c: the private /dev, as a step of mounts_build. */
bool nodes_make(const struct plan *plan);

/* landlock.c */
int landlock_abi(void); /* 0: none */
/* No writes outside /tmp, /dev and the writable paths; no abstract sockets and signals to the outside (ABI 6). */
bool landlock_restrict(const struct plan *plan);

/* seccomp.c */
bool seccomp_install(void);
/* The strict profile, on top of the other: for the workload alone, right before it is executed. */
bool seccomp_restrict(const struct plan *plan);

/* ordinary.c: priorities, limits, personality, keyring and their kind as an ordinary process has them. As root; false with errno. */
bool be_ordinary(void);
/* Writes a file of /proc; false with errno. */
bool write_setting(const char *path, const char *value);
/* Every signal unblocked, and none ignored. */
void default_signals(void);

/* network.c */
bool loopback_up(void);

/* init.c: runs in the new namespaces; `control` is the supervisor's socket, `executed` closes at a good exec. */
__attribute__((noreturn)) void init_run(const struct plan *plan, int control, int executed);

/* What comes through `executed` instead of an errno when a subject's path shows something else by now. */
#define EXECUTED_HIDDEN(index) (-1 - (int)(index))

/* What init and supervisor say to each other, one message each. */
enum init_message { INIT_READY = 1, INIT_FAILED, INIT_EXITED, INIT_GO, INIT_SIGNAL };
struct init_report {
  uint32_t message;
  int32_t wait_status; /* INIT_EXITED: as from wait(2) */
  uint32_t signal;     /* INIT_SIGNAL */
  struct failure failure;
};

/* Closes every descriptor that is not named; -1 entries are skipped, `keep` is sorted in place. */
void keep_only(int *keep, size_t count);

/*
 * files.c: an execution takes some ten descriptors of the launcher, more than the usual soft limit of 1024 has for all. The launcher raises its own
 * as far as it may, and a workload without a limit of its own gets back what the launcher was started with.
 */
bool files_raise(void);
bool files_restore(void);

#endif
