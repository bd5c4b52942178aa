#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "sha256.h"
#include "staging.h"

/* The manifest's first field; another form would get another one. */
#define MANIFEST_FORM "writ-tree-v1"

struct walk {
  bool copying;
  struct sha256 hash; /* of the manifest, or of the fingerprints */
  uint64_t room;
  uint64_t bytes;
  uint32_t entries;
  bool has_fingerprint;
  bool steady;
  char path[PATH_MAX]; /* of the entry at hand, from the root on */
  size_t length;
  enum wire_status status;
};

struct names {
  char **items; /* owned, and what they point to */
  size_t count;
};

static bool refuse(struct walk *walk, enum wire_status status, int error)
{
  if (walk->status == STATUS_OK) {
    walk->status = status;
    errno = error;
  }
  return false;
}

/* ------------------------------------------------------------------ names */

static void names_free(struct names *names)
{
  for (size_t i = 0; i < names->count; i++)
    free(names->items[i]);
  free(names->items);
  *names = (struct names){0};
}

static bool names_add(struct names *names, const char *name)
{
  if ((names->count & (names->count - 1)) == 0) { /* a power of two: full */
    char **items = realloc(names->items, (names->count == 0 ? 1 : 2 * names->count) * sizeof *items);
    if (items == NULL)
      return false;
    names->items = items;
  }
  names->items[names->count] = strdup(name);
  return names->items[names->count] != NULL && ++names->count > 0;
}

static int by_bytes(const void *left, const void *right)
{
  return strcmp(*(char *const *)left, *(char *const *)right); /* as unsigned bytes (C17 7.24.4) */
}

/* All names in a directory, in the order of their bytes; bounded by what the tree may still have. */
static bool names_read(struct walk *walk, int directory, struct names *names)
{
  int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = copy < 0 ? NULL : fdopendir(copy);
  if (stream == NULL) {
    int error = errno;
    close_fd(&copy);
    return refuse(walk, STATUS_SUBJECT_OPEN, error);
  }
  bool good = true;
  for (const struct dirent *entry; good && (entry = readdir(stream)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    if (names->count + walk->entries >= TREE_ENTRIES_MAX)
      good = refuse(walk, STATUS_SUBJECT_TOO_LARGE, E2BIG);
    else if (!names_add(names, entry->d_name))
      good = refuse(walk, STATUS_SUBJECT_READ, ENOMEM);
  }
  closedir(stream);
  if (good)
    qsort(names->items, names->count, sizeof *names->items, by_bytes);
  return good;
}

/* ------------------------------------------------------------------ entries */

static void add_field(struct walk *walk, const char *text)
{
  sha256_add(&walk->hash, text, strlen(text) + 1);
}

/* One entry of the manifest: kind, what it holds (not of a directory), path; each ended by a NUL, which none can contain. */
static void add_entry(struct walk *walk, const char *kind, const char *value)
{
  add_field(walk, kind);
  if (value != NULL)
    add_field(walk, value);
  add_field(walk, walk->path);
}

static void add_look(struct walk *walk, const struct source *source)
{
  walk->has_fingerprint = walk->has_fingerprint && source->has_fingerprint;
  walk->steady = walk->steady && source->steady;
  sha256_add(&walk->hash, source->fingerprint, sizeof source->fingerprint);
}

static bool take_bytes(struct walk *walk, uint64_t bytes)
{
  if (bytes > walk->room - walk->bytes)
    return refuse(walk, STATUS_SUBJECT_TOO_LARGE, EFBIG);
  walk->bytes += bytes;
  return true;
}

static void to_hex(const uint8_t digest[WIRE_DIGEST_SIZE], char text[2 * WIRE_DIGEST_SIZE + 1])
{
  for (size_t i = 0; i < WIRE_DIGEST_SIZE; i++)
    snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

static bool copy_file(struct walk *walk, int from, int to, const char *name, bool executable)
{
  char hex[2 * WIRE_DIGEST_SIZE + 1];
  struct wire_staged copied = {0};
  CLEANUP_FD int file = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (file < 0)
    return refuse(walk, STATUS_SUBJECT_READ, errno);
  enum wire_status status = copy_bytes(NULL, from, file, walk->room - walk->bytes, &copied);
  if (status != STATUS_OK || fchmod(file, executable ? 0555 : 0444) != 0)
    return refuse(walk, status == STATUS_OK ? STATUS_SUBJECT_READ : status, errno);
  to_hex(copied.digest, hex);
  add_entry(walk, executable ? "x" : "f", hex);
  return take_bytes(walk, copied.size);
}

static bool walk_file(struct walk *walk, int directory, const char *name, int to)
{
  struct stat status;
  struct source source;
  CLEANUP_FD int file = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0 || fstat(file, &status) != 0)
    return refuse(walk, STATUS_SUBJECT_OPEN, errno);
  if (!S_ISREG(status.st_mode))
    return refuse(walk, STATUS_SUBJECT_NOT_REGULAR, 0);
  if (walk->copying)
    return copy_file(walk, file, to, name, (status.st_mode & S_IXUSR) != 0);
  if (!source_look(file, &source))
    return refuse(walk, STATUS_SUBJECT_OPEN, errno);
  add_entry(walk, "f", NULL);
  add_look(walk, &source);
  return take_bytes(walk, source.bytes);
}

static bool walk_link(struct walk *walk, int directory, const char *name, int to)
{
  char target[PATH_MAX];
  ssize_t length = readlinkat(directory, name, target, sizeof target);
  if (length < 0 || length == (ssize_t)sizeof target)
    return refuse(walk, STATUS_SUBJECT_OPEN, length < 0 ? errno : ENAMETOOLONG);
  target[length] = '\0';
  add_entry(walk, "l", target);
  return !walk->copying || symlinkat(target, to, name) == 0 || refuse(walk, STATUS_SUBJECT_READ, errno);
}

static bool walk_entries(struct walk *walk, int directory, int to, unsigned depth);

static bool walk_directory(struct walk *walk, int directory, const char *name, int to, unsigned depth)
{
  struct source source;
  CLEANUP_FD int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (below < 0)
    return refuse(walk, STATUS_SUBJECT_OPEN, errno);
  if (depth >= TREE_DEPTH_MAX)
    return refuse(walk, STATUS_SUBJECT_TOO_LARGE, ELOOP);
  add_entry(walk, "d", NULL);
  if (!walk->copying)
    return source_look_at_directory(below, &source) ? (add_look(walk, &source), walk_entries(walk, below, -1, depth + 1))
                                                    : refuse(walk, STATUS_SUBJECT_OPEN, errno);
  if (mkdirat(to, name, 0700) != 0)
    return refuse(walk, STATUS_SUBJECT_READ, errno);
  CLEANUP_FD int copy = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return copy >= 0 ? walk_entries(walk, below, copy, depth + 1) : refuse(walk, STATUS_SUBJECT_READ, errno);
}

static bool walk_entry(struct walk *walk, int directory, const char *name, int to, unsigned depth)
{
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return refuse(walk, STATUS_SUBJECT_OPEN, errno);
  walk->entries++;
  if (!take_bytes(walk, TREE_ENTRY_BYTES))
    return false;
  if (S_ISDIR(status.st_mode))
    return walk_directory(walk, directory, name, to, depth);
  if (S_ISLNK(status.st_mode))
    return walk_link(walk, directory, name, to);
  /* Else opened and looked at again: a FIFO or a device is refused there. */
  return walk_file(walk, directory, name, to);
}

static bool walk_entries(struct walk *walk, int directory, int to, unsigned depth)
{
  struct names names = {0};
  size_t length = walk->length;
  bool good = names_read(walk, directory, &names);
  for (size_t i = 0; good && i < names.count; i++) {
    int added = snprintf(walk->path + length, sizeof walk->path - length, "%s%s", length == 0 ? "" : "/", names.items[i]);
    if ((size_t)added >= sizeof walk->path - length) {
      good = refuse(walk, STATUS_SUBJECT_TOO_LARGE, ENAMETOOLONG);
      break;
    }
    walk->length = length + (size_t)added;
    good = walk_entry(walk, directory, names.items[i], to, depth);
  }
  walk->length = length;
  walk->path[length] = '\0';
  int error = errno;
  names_free(&names);
  errno = error;
  return good;
}

/* ------------------------------------------------------------------ the whole */

static void begin(struct walk *walk, bool copying, uint64_t room)
{
  memset(walk, 0, sizeof *walk);
  walk->copying = copying;
  walk->room = room;
  walk->has_fingerprint = walk->steady = true;
  sha256_start(&walk->hash);
  add_field(walk, MANIFEST_FORM);
}

enum wire_status tree_look(int root, struct source *source)
{
  static struct walk walk;
  struct source top;
  begin(&walk, false, UINT64_MAX);
  if (!source_look_at_directory(root, &top))
    return STATUS_SUBJECT_OPEN;
  add_look(&walk, &top);
  walk_entries(&walk, root, -1, 0);
  *source = (struct source){.bytes = walk.bytes, .has_fingerprint = walk.has_fingerprint, .steady = walk.steady};
  sha256_finish(&walk.hash, source->fingerprint);
  return walk.status;
}

struct tree_result tree_copy(int root, int to, uint64_t room)
{
  static struct walk walk;
  struct tree_result result = {0};
  begin(&walk, true, room);
  walk_entries(&walk, root, to, 0);
  result.status = walk.status;
  result.entries = walk.entries;
  result.bytes = walk.bytes - (uint64_t)walk.entries * TREE_ENTRY_BYTES;
  sha256_finish(&walk.hash, result.digest);
  return result;
}

static bool settle(int directory, unsigned depth);

static bool settle_entries(DIR *stream, unsigned depth)
{
  for (const struct dirent *entry; (entry = readdir(stream)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    /* Else a link or a file, whose mode is right already. */
    int below = openat(dirfd(stream), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below < 0 && errno != ENOTDIR && errno != ELOOP)
      return false;
    if (below < 0 ? fchownat(dirfd(stream), entry->d_name, 0, 0, AT_SYMLINK_NOFOLLOW) != 0 : !settle(below, depth + 1))
      return false;
  }
  return true;
}

static bool settle(int directory, unsigned depth)
{
  DIR *stream = depth > TREE_DEPTH_MAX || fchown(directory, 0, 0) != 0 || fchmod(directory, 0755) != 0 ? NULL : fdopendir(directory);
  if (stream == NULL) {
    close(directory);
    return false;
  }
  bool good = settle_entries(stream, depth);
  closedir(stream);
  return good;
}

bool tree_settle(int root)
{
  int top = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return top >= 0 && settle(top, 0);
}
