/* The launcher's configuration: what writd can never ask beyond. */
#ifndef WRIT_CONFIG_H
#define WRIT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "devices.h"

#define CONFIG_RANGES_MAX 16
#define CONFIG_PATH_MAX 256
#define CONFIG_USER_MAX 33 /* LOGIN_NAME_MAX of useradd(8), with its NUL */
#define CONFIG_TEXT_MAX 65536

struct id_range {
  uint32_t first;
  uint32_t last;
};

struct id_ranges {
  struct id_range items[CONFIG_RANGES_MAX];
  size_t count;
};

struct config {
  char socket[CONFIG_PATH_MAX];
  char cgroup[CONFIG_PATH_MAX]; /* absolute, or "auto": the launcher's own cgroup */
  char event_log[CONFIG_PATH_MAX];
  char userspace_log[CONFIG_PATH_MAX];
  char ima_log[CONFIG_PATH_MAX];
  char writd_user[CONFIG_USER_MAX]; /* empty, or whom the two below were found by */
  uid_t writd_uid;
  gid_t writd_gid;
  uint32_t min_uid;              /* nothing is ever started below */
  struct id_range uids;          /* for executions that get a uid of their own */
  struct id_ranges shared_uids;  /* uids that an order may name; none by default */
  struct id_ranges groups;       /* groups that an order may name; none by default */
  uint32_t max_executions;
  uint64_t max_staged_bytes;     /* of all executions together */
  uint32_t stage_seconds;        /* how long opening and hashing, and a staged execution, may wait */
  uint64_t max_evidence_age_ns;  /* the longest lease that an order may ask for */
  uint64_t tmp_bytes;            /* of each execution's private /tmp, and of its /dev/shm */
  bool landlock_required;
  char store[CONFIG_PATH_MAX]; /* empty: none; see store.h */
  uint64_t store_bytes;
  uint64_t store_min_bytes;      /* what is smaller is copied into memory at each run */
  struct device_classes devices; /* what an order may name; none by default */
};

/* What is wrong with a configuration, for a person. */
struct config_error {
  unsigned line; /* 0: not about a line */
  char text[160];
};

/* Reads `text` (changed in the process): "key = value" lines, '#' comments. Unknown and repeated keys are errors. */
bool config_parse(char *text, struct config *config, struct config_error *error);

/* Reads a file that only root can have written: a regular file, owned by root, not writable by group or others. */
bool config_load(const char *path, struct config *config, struct config_error *error);

bool id_in_ranges(const struct id_ranges *ranges, uint32_t id);

#endif
