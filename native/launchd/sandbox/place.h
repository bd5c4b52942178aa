/*
 * Finding the place for a mount. A path names bytes only as long as nobody can turn it elsewhere: every directory on the
 * way must be one that only root can change. For a subject, the first directory that somebody else can change is covered
 * with a private one, which then holds nothing but the subject: the rest of its path cannot be moved away under it.
 */
#ifndef WRIT_PLACE_H
#define WRIT_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "../staging.h"

/* File systems that this execution's init has made itself; their root-owned directories can be written to. */
#define OWN_MAX (WIRE_SUBJECTS_MAX + 8)
struct own_filesystems {
  dev_t devices[OWN_MAX];
  int count;
};

enum place_rule {
  PLACE_COVER,  /* cover a directory that others can change */
  PLACE_WITHIN, /* go into it, but follow no symbolic link from there on */
};

/*
 * Opens (O_PATH) what `path` stands for in the new root, walking name by name. In the init's own file systems missing
 * directories are made, and at the end an empty directory (`directory`) or file. -1 with errno otherwise.
 */
int place_open(const char *path, bool directory, enum place_rule rule, struct own_filesystems *own);
bool own_add(struct own_filesystems *own, int fd);
/* Whether what `fd` stands for lies in one of them. */
bool own_has(const struct own_filesystems *own, int fd);

#endif
