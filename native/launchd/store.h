/*
 * The store: copies of large subjects, so that they are not copied and hashed again at each run. Each copy is a file of root's in a directory
 * that only root may enter. What an entry contains is known because this very process had it written and hashed, by a descriptor that
 * nobody else had, and holds what the file system said of it afterwards (change time included). Nothing of an earlier run
 * of the launcher is believed, so nothing of it is kept: what a crash leaves is thrown away at the next start.
 *
 * A hint says that a source with a certain fingerprint (source.h) was copied into an entry. It finds the entry and no more: what runs is the
 * entry's bytes, whose digest is the entry's, whatever the source contains by then.
 */
#ifndef WRIT_STORE_H
#define WRIT_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "../shared/wire.h"
#include "config.h"

#define STORE_ENTRIES_MAX 1024
#define STORE_HINTS_MAX 2048
#define STORE_NAME_SIZE 24
#define STORE_RUN_SIZE (CONFIG_PATH_MAX + STORE_NAME_SIZE + 1)
#define STORE_PATH_SIZE (STORE_RUN_SIZE + STORE_NAME_SIZE + 1)
#define STORE_NONE UINT32_MAX
#define FINGERPRINT_SIZE 32

/* What the file system says of an entry, and would say otherwise after any change through it. Of a directory only the top is looked at. */
struct stored_identity {
  dev_t device;
  ino_t inode;
  uint64_t size;
  struct timespec modified;
  struct timespec changed;
};

struct store_entry {
  bool taken;
  uint32_t pins;   /* executions that have it */
  uint64_t number; /* its name, never used twice */
  uint64_t bytes;
  uint64_t used; /* turn of the last use */
  struct stored_identity identity;
  struct wire_staged result; /* digest, size, format (of a directory FORMAT_TREE), interpreter */
};

struct store_hint {
  uint8_t fingerprint[FINGERPRINT_SIZE];
  uint64_t number; /* of the entry; 0: free */
};

struct store {
  int root;  /* locked; -1: there is no store */
  int files; /* this run's directory in it */
  char path[STORE_RUN_SIZE]; /* of that */
  uint64_t most;
  uint64_t min_bytes;
  uint64_t held;     /* bytes of the entries */
  uint64_t reserved; /* bytes that are being filled */
  uint64_t next_number;
  uint64_t turn;
  uint32_t next_hint;
  struct store_entry *entries; /* owned; STORE_ENTRIES_MAX */
  struct store_hint *hints;    /* owned; STORE_HINTS_MAX */
};

/* Makes and locks the directory, empties it, and tries whether this file system can vouch for an entry. False with errno. */
bool store_open(const struct config *config, struct store *store);
bool store_is_open(const struct store *store);

/* The entry that the hint leads to, if it is as it was left; it is then pinned. STORE_NONE otherwise. */
uint32_t store_find(struct store *store, const uint8_t fingerprint[FINGERPRINT_SIZE]);

/*
 * Room for `bytes` more, at the cost of what was not used for longest. False when too much is in use, or the file system is nearly
 * full. The room is given back by store_commit or store_release.
 */
bool store_reserve(struct store *store, uint64_t bytes);
void store_release(struct store *store, uint64_t bytes);

/* A new file without a name, open for writing, and in *reading for reading only. -1 with errno. */
int store_create(const struct store *store, int *reading);

/*
 * Makes what was written to `reading` an entry, when nobody has it open for writing any more, and pins it. Another entry with
 * that digest takes its place. `fingerprint` may be NULL. STORE_NONE when it cannot be believed.
 */
uint32_t store_commit(struct store *store, int reading, const struct wire_staged *result, const uint8_t *fingerprint);

/* The same for a directory: made empty, and `uid`'s, in *number its name. -1 with errno. */
int store_create_tree(struct store *store, uid_t uid, uint64_t *number);
/* Starts a process that makes it root's; its exit status is 0 when that is done. -1 with errno. */
pid_t store_settle_tree(const struct store *store, uint64_t number);
/* `bytes` is what it takes of the store. */
uint32_t store_commit_tree(struct store *store, uint64_t number, uint64_t bytes, const struct wire_staged *result,
                           const uint8_t *fingerprint);
void store_discard_tree(const struct store *store, uint64_t number);

void store_unpin(struct store *store, uint32_t place);

/* Whether a file or directory is what was put into the store, as far as the file system can tell. */
bool is_stored(const struct stored_identity *identity, const struct stat *status);

/* Path of an entry. */
void store_entry_path(const struct store *store, uint32_t place, char path[STORE_PATH_SIZE]);

/* Whether nobody has the file open for writing now: fcntl(2) gives a read lease only then. `reading` is open for reading only. */
bool nobody_writes(int reading);

#endif
