/*
 * A directory as one subject. Its digest is the SHA-256 of a manifest, docs/artifact.md#directories: every name below it, what is there, and
 * for files whether they are executable and the SHA-256 of their bytes. What is neither a file, a directory nor a symbolic link is refused.
 * Symbolic links are part of it by what they say, and are never followed.
 *
 * The names and bytes are controlled by whoever owns the directory, and may change while it is read: the digest is of the copy.
 */
#ifndef WRIT_TREE_H
#define WRIT_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "source.h"

#define TREE_ENTRIES_MAX (1u << 17)
#define TREE_DEPTH_MAX 32
#define TREE_ENTRY_BYTES 4096 /* what each entry takes of the store besides its bytes */

struct tree_result {
  enum wire_status status; /* STATUS_OK, or why the tree cannot be a subject; then errno */
  uint8_t digest[WIRE_DIGEST_SIZE];
  uint64_t bytes; /* of all files */
  uint32_t entries;
};

/*
 * Looks at the whole tree without reading the files: `source` gets the room that a copy takes, one fingerprint for all, and whether
 * every file in it is steady. Every file is opened, so whoever may not read one may not have the tree.
 */
enum wire_status tree_look(int root, struct source *source);

/* Copies the tree into the empty directory `to` as long as it needs no more than `room`, and digests the copy. */
struct tree_result tree_copy(int root, int to, uint64_t room);

/* Makes a copy root's: owner, and modes that let everybody read and enter it and nobody else write. False with errno. */
bool tree_settle(int root);

#endif
