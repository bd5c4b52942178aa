#include "removal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

#define REMOVE_DEPTH 64

static void remove_all_in(int directory, unsigned depth)
{
  DIR *entries = fdopendir(directory);
  if (entries == NULL) {
    close(directory);
    return;
  }
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      remove_tree(dirfd(entries), entry->d_name, depth);
  closedir(entries);
}

void remove_tree(int directory, const char *name, unsigned depth)
{
  if (unlinkat(directory, name, 0) == 0 || errno == ENOENT || depth >= REMOVE_DEPTH)
    return;
  int below = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (below < 0)
    return;
  /* What a crash left may still be a reader's own, and only its owner may change it. */
  if (fchown(below, 0, 0) == 0 && fchmod(below, 0700) == 0)
    remove_all_in(below, depth + 1);
  else
    close(below);
  unlinkat(directory, name, AT_REMOVEDIR);
}

/* Large files take their time to go; the launcher does not wait. Without a process they stay until the next start. */
void remove_aside(int directory, const char *name)
{
  if (fork() != 0)
    return;
  int keep[] = {directory};
  keep_only(keep, 1);
  remove_tree(directory, name, 0);
  _exit(0);
}
