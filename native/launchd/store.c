#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "sandbox/sandbox.h"
#include "removal.h"
#include "tree.h"

#define RUN_PREFIX "run-"
#define FREE_SHARE 16 /* of the file system stays free */

/* ------------------------------------------------------------------ names and files */

static void entry_name(uint64_t number, char name[STORE_NAME_SIZE])
{
  snprintf(name, STORE_NAME_SIZE, "%016llx", (unsigned long long)number);
}

void store_entry_path(const struct store *store, uint32_t place, char path[STORE_PATH_SIZE])
{
  char name[STORE_NAME_SIZE];
  entry_name(store->entries[place].number, name);
  snprintf(path, STORE_PATH_SIZE, "%s/%s", store->path, name);
}

static struct stored_identity identity_of(const struct stat *status)
{
  return (struct stored_identity){.device = status->st_dev,
                                  .inode = status->st_ino,
                                  .size = (uint64_t)status->st_size,
                                  .modified = status->st_mtim,
                                  .changed = status->st_ctim};
}

static bool same_time(struct timespec a, struct timespec b)
{
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_identity(const struct stored_identity *a, const struct stored_identity *b)
{
  return a->device == b->device && a->inode == b->inode && a->size == b->size && same_time(a->modified, b->modified) &&
         same_time(a->changed, b->changed);
}

bool is_stored(const struct stored_identity *identity, const struct stat *status)
{
  struct stored_identity now = identity_of(status);
  return same_identity(&now, identity);
}

bool nobody_writes(int reading)
{
  return fcntl(reading, F_SETLEASE, F_RDLCK) == 0 && fcntl(reading, F_SETLEASE, F_UNLCK) == 0;
}

int store_create(const struct store *store, int *reading)
{
  char path[32];
  CLEANUP_FD int writing = openat(store->files, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (writing < 0)
    return -1;
  snprintf(path, sizeof path, "/proc/self/fd/%d", writing);
  *reading = open(path, O_RDONLY | O_CLOEXEC);
  return *reading < 0 ? -1 : steal_fd(&writing);
}

/* ------------------------------------------------------------------ entries */

/* Its files go, unless an execution has them mounted: then the last one frees the bytes. */
static void forget(struct store *store, uint32_t place)
{
  char name[STORE_NAME_SIZE];
  struct store_entry *entry = &store->entries[place];
  entry_name(entry->number, name);
  remove_aside(store->files, name);
  store->held -= entry->bytes;
  entry->taken = false;
}

static uint32_t pin(struct store *store, uint32_t place)
{
  store->entries[place].pins++;
  store->entries[place].used = ++store->turn;
  return place;
}

void store_unpin(struct store *store, uint32_t place)
{
  store->entries[place].pins--;
}

/* An entry that anybody has touched is not the one that was made. */
static bool is_as_left(const struct store *store, const struct store_entry *entry)
{
  char name[STORE_NAME_SIZE];
  struct stat status;
  entry_name(entry->number, name);
  return fstatat(store->files, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && is_stored(&entry->identity, &status);
}

/* Gives an entry that can be believed its pin. One that cannot is forgotten, as soon as nobody has it. */
static uint32_t take_entry(struct store *store, uint32_t place)
{
  if (is_as_left(store, &store->entries[place]))
    return pin(store, place);
  if (store->entries[place].pins == 0)
    forget(store, place);
  return STORE_NONE;
}

static uint32_t find_number(const struct store *store, uint64_t number)
{
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX; i++)
    if (store->entries[i].taken && store->entries[i].number == number)
      return i;
  return STORE_NONE;
}

/* Pinned, as all that is taken. */
static uint32_t take_digest(struct store *store, const struct wire_staged *result)
{
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX; i++) {
    const struct store_entry *entry = &store->entries[i];
    /* A file can have the bytes of a directory's manifest, and its digest. */
    bool same_kind = (entry->result.format == FORMAT_TREE) == (result->format == FORMAT_TREE);
    if (entry->taken && same_kind && memcmp(entry->result.digest, result->digest, WIRE_DIGEST_SIZE) == 0 &&
        take_entry(store, i) != STORE_NONE)
      return i;
  }
  return STORE_NONE;
}

static uint32_t free_place(const struct store *store)
{
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX; i++)
    if (!store->entries[i].taken)
      return i;
  return STORE_NONE;
}

/* ------------------------------------------------------------------ hints */

uint32_t store_find(struct store *store, const uint8_t fingerprint[FINGERPRINT_SIZE])
{
  for (uint32_t i = 0; i < STORE_HINTS_MAX; i++) {
    const struct store_hint *hint = &store->hints[i];
    if (hint->number == 0 || memcmp(hint->fingerprint, fingerprint, FINGERPRINT_SIZE) != 0)
      continue;
    uint32_t place = find_number(store, hint->number);
    return place == STORE_NONE ? STORE_NONE : take_entry(store, place);
  }
  return STORE_NONE;
}

/* One hint for a fingerprint: the newest. The oldest of all makes room. */
static void add_hint(struct store *store, const uint8_t fingerprint[FINGERPRINT_SIZE], uint64_t number)
{
  for (uint32_t i = 0; i < STORE_HINTS_MAX; i++)
    if (memcmp(store->hints[i].fingerprint, fingerprint, FINGERPRINT_SIZE) == 0)
      store->hints[i].number = 0;
  struct store_hint *hint = &store->hints[store->next_hint++ % STORE_HINTS_MAX];
  hint->number = number;
  memcpy(hint->fingerprint, fingerprint, FINGERPRINT_SIZE);
}

/* ------------------------------------------------------------------ room */

static bool evict(struct store *store)
{
  uint32_t oldest = STORE_NONE;
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX; i++) {
    const struct store_entry *entry = &store->entries[i];
    if (entry->taken && entry->pins == 0 && (oldest == STORE_NONE || entry->used < store->entries[oldest].used))
      oldest = i;
  }
  if (oldest != STORE_NONE)
    forget(store, oldest);
  return oldest != STORE_NONE;
}

/* What else lies on that file system must not suffer. */
static bool disk_has(const struct store *store, uint64_t bytes)
{
  struct statvfs status;
  if (fstatvfs(store->files, &status) != 0)
    return false;
  uint64_t unit = status.f_frsize, free = status.f_bavail, least = status.f_blocks / FREE_SHARE;
  return free > least && (free - least) >= bytes / unit + 1;
}

bool store_reserve(struct store *store, uint64_t bytes)
{
  if (bytes > store->most || store->reserved > store->most - bytes)
    return false;
  while (store->held > store->most - bytes - store->reserved)
    if (!evict(store))
      return false;
  if (free_place(store) == STORE_NONE && !evict(store))
    return false;
  if (!disk_has(store, bytes))
    return false;
  store->reserved += bytes;
  return true;
}

void store_release(struct store *store, uint64_t bytes)
{
  store->reserved -= bytes;
}

/* ------------------------------------------------------------------ a new entry */

static bool give_name(const struct store *store, int reading, uint64_t number, struct stat *status)
{
  char name[STORE_NAME_SIZE], path[32];
  entry_name(number, name);
  snprintf(path, sizeof path, "/proc/self/fd/%d", reading);
  return fchmod(reading, 0555) == 0 && linkat(AT_FDCWD, path, store->files, name, AT_SYMLINK_FOLLOW) == 0 &&
         fstat(reading, status) == 0;
}

static uint32_t add_entry(struct store *store, uint64_t number, uint64_t bytes, const struct stat *status,
                          const struct wire_staged *result)
{
  uint32_t place = free_place(store);
  if (place == STORE_NONE)
    return STORE_NONE;
  store->entries[place] = (struct store_entry){
      .taken = true, .number = number, .bytes = bytes, .identity = identity_of(status), .result = *result};
  store->held += bytes;
  return pin(store, place);
}

static uint32_t add_file(struct store *store, int reading, const struct wire_staged *result)
{
  struct stat status;
  uint64_t number = ++store->next_number;
  return give_name(store, reading, number, &status) ? add_entry(store, number, result->size, &status, result) : STORE_NONE;
}

uint32_t store_commit(struct store *store, int reading, const struct wire_staged *result, const uint8_t *fingerprint)
{
  struct stat status;
  /* Root's own file, complete, and out of everybody's hands: from here on only root could change it. */
  if (fstat(reading, &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != 0 || status.st_nlink != 0 ||
      (uint64_t)status.st_size != result->size || !nobody_writes(reading))
    return STORE_NONE;
  uint32_t place = take_digest(store, result);
  if (place == STORE_NONE)
    place = add_file(store, reading, result);
  if (place != STORE_NONE && fingerprint != NULL)
    add_hint(store, fingerprint, store->entries[place].number);
  return place;
}

int store_create_tree(struct store *store, uid_t uid, uint64_t *number)
{
  char name[STORE_NAME_SIZE];
  *number = ++store->next_number;
  entry_name(*number, name);
  if (mkdirat(store->files, name, 0700) != 0)
    return -1;
  int directory = openat(store->files, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory >= 0 && fchown(directory, uid, (gid_t)-1) != 0)
    close_fd(&directory);
  if (directory < 0)
    store_discard_tree(store, *number);
  return directory;
}

pid_t store_settle_tree(const struct store *store, uint64_t number)
{
  char name[STORE_NAME_SIZE];
  entry_name(number, name);
  pid_t process = fork();
  if (process != 0)
    return process;
  int keep[] = {store->files};
  keep_only(keep, 1);
  int directory = openat(store->files, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  _exit(directory >= 0 && tree_settle(directory) ? 0 : 1);
}

uint32_t store_commit_tree(struct store *store, uint64_t number, uint64_t bytes, const struct wire_staged *result,
                           const uint8_t *fingerprint)
{
  char name[STORE_NAME_SIZE];
  struct stat status;
  uint32_t place = take_digest(store, result);
  entry_name(number, name);
  if (place == STORE_NONE && fstatat(store->files, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode) && status.st_uid == 0)
    place = add_entry(store, number, bytes, &status, result);
  if (place != STORE_NONE && fingerprint != NULL)
    add_hint(store, fingerprint, store->entries[place].number);
  if (place == STORE_NONE || store->entries[place].number != number)
    store_discard_tree(store, number);
  return place;
}

void store_discard_tree(const struct store *store, uint64_t number)
{
  char name[STORE_NAME_SIZE];
  entry_name(number, name);
  remove_aside(store->files, name);
}

/* ------------------------------------------------------------------ start */

/* What earlier runs left, in a process of its own. */
static void remove_runs(int root, const char *except)
{
  if (fork() != 0)
    return;
  int keep[] = {root};
  keep_only(keep, 1);
  DIR *entries = fdopendir(root);
  for (const struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;)
    if (strncmp(entry->d_name, RUN_PREFIX, strlen(RUN_PREFIX)) == 0 && strcmp(entry->d_name, except) != 0)
      remove_tree(root, entry->d_name, 0);
  _exit(0);
}

bool store_is_open(const struct store *store)
{
  return store->root >= 0;
}

/* Only root can have put something there, and only one launcher works with it. */
static int open_root(const char *path)
{
  struct stat status;
  if (mkdir(path, 0700) != 0 && errno != EEXIST)
    return -1;
  CLEANUP_FD int root = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (root < 0 || fstat(root, &status) != 0)
    return -1;
  errno = EPERM;
  if (status.st_uid != 0 || (status.st_mode & 07777) != 0700)
    return -1;
  return flock(root, LOCK_EX | LOCK_NB) == 0 ? steal_fd(&root) : -1;
}

/* A file that is open for writing has to be told from one that is not, else nothing could be vouched for. */
static bool can_vouch(const struct store *store)
{
  CLEANUP_FD int reading = -1;
  CLEANUP_FD int writing = store_create(store, &reading);
  if (writing < 0)
    return false;
  if (fcntl(reading, F_SETLEASE, F_RDLCK) == 0) {
    errno = EOPNOTSUPP;
    return false;
  }
  close_fd(&writing);
  return nobody_writes(reading);
}

bool store_open(const struct config *config, struct store *store)
{
  *store = (struct store){.root = -1, .files = -1, .most = config->store_bytes, .min_bytes = config->store_min_bytes};
  char name[STORE_NAME_SIZE];
  CLEANUP_FD int root = open_root(config->store);
  if (root < 0)
    return false;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(name, sizeof name, RUN_PREFIX "%08llx%08lx", (unsigned long long)now.tv_sec, now.tv_nsec);
  snprintf(store->path, sizeof store->path, "%s/%s", config->store, name);
  if (mkdirat(root, name, 0700) != 0)
    return false;
  store->files = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  store->entries = calloc(STORE_ENTRIES_MAX, sizeof *store->entries);
  store->hints = calloc(STORE_HINTS_MAX, sizeof *store->hints);
  if (store->files < 0 || store->entries == NULL || store->hints == NULL || !can_vouch(store))
    return false;
  remove_runs(root, name);
  store->root = steal_fd(&root);
  return true;
}
