/*
 * What a subject's file looks like from outside: by that a copy of it can be found again without reading it.
 *
 * The fingerprint is of (mount, device, inode, size, modification time, change time). Its owner can set all of it but the change time, which the
 * kernel moves at every change of bytes, names or attributes, on the file systems that are listed here. So a copy that was made while the
 * source was steady has the bytes that the source has as long as its fingerprint is the same, unless root meddles (sets the clock back,
 * writes to the disk past the file system). Nothing that runs depends on that: see store.h.
 */
#ifndef WRIT_SOURCE_H
#define WRIT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

struct source {
  uint64_t bytes;
  bool has_fingerprint; /* false: this file system's change times say nothing */
  /*
   * Nobody had it open for writing when it was looked at, and its last change was long before: a change from then on shows in the change time.
   * A write that has begun sets the change time when it begins, and may be held up for as long as its caller likes (its source can
   * be a page of a FUSE file), so the look comes before the reading.
   */
  bool steady;
  uint8_t fingerprint[FINGERPRINT_SIZE];
};

/* Looks at an open file. False with errno when it cannot be looked at. */
bool source_look(int fd, struct source *source);
/* The same of a directory, whose change time moves with its names. That of what is below it is not in it. */
bool source_look_at_directory(int fd, struct source *source);
bool source_is_same(const struct source *before, const struct source *after);

#endif
