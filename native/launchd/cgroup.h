/*
 * The launcher's cgroups: one interior cgroup, under it one fresh cgroup per execution. cgroup v2 only. An execution that may be a parent has its
 * processes in a leaf of its cgroup, beside the cgroups of its children: its limits hold for all of them together, and it is frozen, killed and
 * seen to be empty with them, by one write or look.
 */
#ifndef WRIT_CGROUP_H
#define WRIT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/wire.h"

#define LEAF_NAME_SIZE (2 * WIRE_ID_SIZE + 1)

struct interior {
  int dir;              /* the directory under which the leaves are made */
  uint32_t controllers; /* wire_controller: what leaves can be limited by */
  bool device_filter;   /* the kernel asks a program of ours when a device is opened */
  char path[WIRE_CGROUP_SIZE - (WIRE_GENERATIONS_MAX + 1) * LEAF_NAME_SIZE - 8]; /* as /proc/PID/cgroup shows it */
};

/* Open files of an execution's cgroup, so that freezing and killing need no path and no memory. */
struct leaf {
  int dir;    /* where its own processes are */
  int above;  /* the directory that its cgroup is in */
  int below;  /* its cgroup, where its children's are made; -1: it has none */
  int freeze; /* these of its cgroup, with all that is below */
  int kill;
  int events;
  int cpu;
  int memory; /* -1 where no memory controller is */
};

#define LEAF_CLOSED {-1, -1, -1, -1, -1, -1, -1, -1}

#define OWN_LEAF "own" /* of one that may be a parent: no execution's name */

struct leaf_limits {
  uint64_t memory; /* bytes */
  uint32_t pids;
  uint32_t cpu_percent; /* of one processor */
};

struct leaf_usage {
  uint64_t user_us;
  uint64_t system_us;
};

/* Whether this host has a v2 hierarchy where it belongs: alone, or beside v1 ("hybrid"). Nothing can be held or ended without. */
bool cgroups_present(void);

/*
 * Opens or makes the interior cgroup at `configured` (a path, or "auto" for the launcher's own cgroup, which the service
 * manager has delegated), and enables the controllers that the host offers. Fails with EWOULDBLOCK when another launcher
 * works there.
 */
bool interior_open(const char *configured, struct interior *interior);

/* Kills and removes the leaves of an earlier run. False when some did not die in `timeout_ms`. */
bool interior_sweep(const struct interior *interior, unsigned timeout_ms);

/*
 * Makes a cgroup that did not exist before, for an execution below `parent` or, without one, in the interior. Limits of 0 are none.
 * `children`: it may be a parent.
 */
bool leaf_create(const struct interior *interior, const struct leaf *parent, const char *name,
                 const struct leaf_limits *limits, bool children, struct leaf *leaf);
void leaf_name(const uint8_t id[WIRE_ID_SIZE], char name[LEAF_NAME_SIZE]);
void leaf_close(struct leaf *leaf);
bool leaf_freeze(const struct leaf *leaf, bool frozen);
/* Whether that was ordered last. */
bool leaf_is_frozen(const struct leaf *leaf);
/* Kills every process of the leaf, also those that are just being forked (cgroup.kill, Linux 5.14). */
bool leaf_kill(const struct leaf *leaf);
/* Whether processes are left; true when that cannot be read, so that nobody is called dead by mistake. A leaf that was removed had none. */
bool leaf_populated(const struct leaf *leaf);
/* Whether the kernel ended all of it for want of memory. */
bool leaf_out_of_memory(const struct leaf *leaf);
bool leaf_usage(const struct leaf *leaf, struct leaf_usage *usage);
/* Removes the directories. False (EBUSY) while something is left in them, a child's cgroup among it. */
bool leaf_remove(const struct leaf *leaf, const char *name);

#endif
