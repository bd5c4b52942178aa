/* The new mount calls (fsopen(2) and its kin), in the few shapes that are used here. Each gives a descriptor or -1. */
#ifndef WRIT_MOUNT_CALLS_H
#define WRIT_MOUNT_CALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/types.h>

/* What every mount of an execution has: no device of the file system's, no set-user-id. */
#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* A new file system, not attached yet. `options` is a NULL-terminated list of key, value, key, value. */
int new_filesystem(const char *type, const char *const *options, uint64_t attributes);

/* A new tmpfs of at most `bytes`, its root owned by root with `mode` ("0755"). */
int new_tmpfs(uint64_t bytes, const char *mode, uint64_t attributes);

/* Attaches a detached mount over what `target` (O_PATH) stands for. */
bool attach(int mount, int target);
bool attach_path(int mount, const char *target);

/* A detached copy of the one mount (with what is mounted below it when `whole`) that `source` (O_PATH) lies in, from there. */
int copy_of(int source, bool whole);

/* Sets and clears mount attributes (MOUNT_ATTR_*) of one mount, or of it and all below. */
bool change_attributes(int mount, const char *path, bool below, uint64_t set, uint64_t clear);

#endif
