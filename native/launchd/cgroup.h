/* The launcher's cgroups: one interior cgroup, under it one fresh leaf per execution. cgroup v2 only. */
#ifndef WRIT_CGROUP_H
#define WRIT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/wire.h"

struct interior {
  int dir;              /* the directory under which the leaves are made */
  uint32_t controllers; /* wire_controller: what leaves can be limited by */
  bool device_filter;   /* the kernel asks a program of ours when a device is opened */
  char path[WIRE_CGROUP_SIZE - 40]; /* as /proc/PID/cgroup shows it */
};

/* Open files of a leaf, so that freezing and killing need no path and no memory. */
struct leaf {
  int dir;
  int freeze;
  int kill;
  int events;
  int cpu;
  int memory; /* -1 where no memory controller is */
};

#define LEAF_CLOSED {-1, -1, -1, -1, -1, -1}

#define LEAF_NAME_SIZE (2 * WIRE_ID_SIZE + 1)

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

/* Makes a leaf that did not exist before. Limits of 0 are none. */
bool leaf_create(const struct interior *interior, const char *name, const struct leaf_limits *limits, struct leaf *leaf);
void leaf_name(const uint8_t id[WIRE_ID_SIZE], char name[LEAF_NAME_SIZE]);
void leaf_close(struct leaf *leaf);
bool leaf_freeze(const struct leaf *leaf, bool frozen);
/* Kills every process of the leaf, also those that are just being forked (cgroup.kill, Linux 5.14). */
bool leaf_kill(const struct leaf *leaf);
/* Whether processes are left; true when that cannot be read, so that nobody is called dead by mistake. A leaf that was removed had none. */
bool leaf_populated(const struct leaf *leaf);
/* Whether the kernel ended all of it for want of memory. */
bool leaf_out_of_memory(const struct leaf *leaf);
bool leaf_usage(const struct leaf *leaf, struct leaf_usage *usage);
/* Removes the leaf's directory. False (EBUSY) while something is left in it. */
bool leaf_remove(const struct interior *interior, const char *name);

#endif
