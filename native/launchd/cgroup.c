#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "device_filter.h"
#include "log.h"

#define CGROUP2_SUPER_MAGIC 0x63677270 /* include/uapi/linux/magic.h */

static const char *const MOUNTS[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

static bool write_file(int dir, const char *name, const char *text)
{
  CLEANUP_FD int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
  return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool read_file(int fd, char *text, size_t size)
{
  ssize_t length = pread(fd, text, size - 1, 0);
  if (length < 0)
    return false;
  text[length] = '\0';
  return true;
}

/* Where the v2 hierarchy is mounted: alone, or beside v1 ("hybrid"). */
static const char *hierarchy(void)
{
  struct statfs status;
  for (size_t i = 0; i < sizeof MOUNTS / sizeof *MOUNTS; i++)
    if (statfs(MOUNTS[i], &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC)
      return MOUNTS[i];
  errno = ENOSYS;
  return NULL;
}

bool cgroups_present(void)
{
  return hierarchy() != NULL;
}

/* The launcher's own cgroup, below the hierarchy's mount; "/writ" when it lives in the root cgroup. */
static bool own_cgroup(char *path, size_t size)
{
  char line[4096];
  CLEANUP_FILE FILE *file = fopen("/proc/self/cgroup", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "0::/", 4) != 0)
      continue;
    return (size_t)snprintf(path, size, "%s", line[4] == '\0' ? "/writ" : line + 3) < size;
  }
  errno = ENOENT;
  return false;
}

/*
 * A cgroup with processes of its own cannot hand controllers to its children (no internal processes, cgroups(7)): in a
 * delegated cgroup the launcher first moves itself into a child.
 */
static bool leave_base(int base, const char *base_path)
{
  char own[4096], pid[16];
  if (!own_cgroup(own, sizeof own) || strcmp(own, base_path) != 0)
    return true;
  if (mkdirat(base, "launchd", 0755) != 0 && errno != EEXIST)
    return false;
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  return write_file(base, "launchd/cgroup.procs", pid);
}

static const struct {
  const char *enable;
  uint32_t bit;
} CONTROLLERS[] = {{"+memory", CONTROLLER_MEMORY}, {"+pids", CONTROLLER_PIDS}, {"+cpu", CONTROLLER_CPU}};

#define CONTROLLERS_COUNT (sizeof CONTROLLERS / sizeof *CONTROLLERS)

static uint32_t enable_controllers(int base, int executions)
{
  uint32_t enabled = 0;
  for (size_t i = 0; i < CONTROLLERS_COUNT; i++)
    if (write_file(base, "cgroup.subtree_control", CONTROLLERS[i].enable) &&
        write_file(executions, "cgroup.subtree_control", CONTROLLERS[i].enable))
      enabled |= CONTROLLERS[i].bit;
  return enabled;
}

/* What leaves can be limited by, children's can be too. */
static bool hand_down_controllers(const struct interior *interior, int below)
{
  for (size_t i = 0; i < CONTROLLERS_COUNT; i++)
    if ((interior->controllers & CONTROLLERS[i].bit) != 0 &&
        !write_file(below, "cgroup.subtree_control", CONTROLLERS[i].enable))
      return false;
  return true;
}

bool interior_open(const char *configured, struct interior *interior)
{
  const char *mount = hierarchy();
  if (mount == NULL)
    return false;
  size_t prefix = strlen(mount);
  char below[4096], base_path[4200];
  if (strcmp(configured, "auto") == 0) {
    if (!own_cgroup(below, sizeof below))
      return false;
  } else if (strncmp(configured, mount, prefix) == 0 && configured[prefix] == '/') {
    snprintf(below, sizeof below, "%s", configured + prefix);
  } else {
    errno = EXDEV;
    return false;
  }
  snprintf(base_path, sizeof base_path, "%s%s", mount, below);
  if (mkdir(base_path, 0755) != 0 && errno != EEXIST)
    return false;
  CLEANUP_FD int base = open(base_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (base < 0 || !leave_base(base, below) || (mkdirat(base, "executions", 0755) != 0 && errno != EEXIST))
    return false;
  CLEANUP_FD int executions = openat(base, "executions", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (executions < 0)
    return false;
  /* Another launcher here would take this one's executions for leftovers. Supervisors do not keep the lock. */
  if (flock(executions, LOCK_EX | LOCK_NB) != 0)
    return false;
  interior->controllers = enable_controllers(base, executions);
  interior->device_filter = device_filter_base(executions);
  if ((size_t)snprintf(interior->path, sizeof interior->path, "%s/executions", below) >= sizeof interior->path) {
    errno = ENAMETOOLONG;
    return false;
  }
  interior->dir = steal_fd(&executions);
  return true;
}

static bool leaf_open(int above, const char *name, struct leaf *leaf)
{
  *leaf = (struct leaf)LEAF_CLOSED;
  leaf->above = fcntl(above, F_DUPFD_CLOEXEC, 0);
  leaf->dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (leaf->above >= 0 && leaf->dir >= 0) {
    leaf->freeze = openat(leaf->dir, "cgroup.freeze", O_RDWR | O_CLOEXEC);
    leaf->kill = openat(leaf->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
    leaf->events = openat(leaf->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
    leaf->cpu = openat(leaf->dir, "cpu.stat", O_RDONLY | O_CLOEXEC);
    leaf->memory = openat(leaf->dir, "memory.events", O_RDONLY | O_CLOEXEC);
  }
  if (leaf->freeze >= 0 && leaf->kill >= 0 && leaf->events >= 0 && leaf->cpu >= 0)
    return true;
  leaf_close(leaf);
  return false;
}

static bool set_limits(const struct leaf *leaf, const struct leaf_limits *limits)
{
  char value[48];
  /* Half a tree is nobody's: whoever runs out of memory, its own or the host's, takes all of it along. */
  if (leaf->memory >= 0 && !write_file(leaf->dir, "memory.oom.group", "1"))
    return false;
  if (limits->memory != 0) {
    snprintf(value, sizeof value, "%llu", (unsigned long long)limits->memory);
    /* Swap would only move the excess elsewhere; a host without swap accounting has no such file. */
    if (!write_file(leaf->dir, "memory.max", value) ||
        (!write_file(leaf->dir, "memory.swap.max", "0") && errno != ENOENT))
      return false;
  }
  if (limits->pids != 0) {
    snprintf(value, sizeof value, "%u", limits->pids + 1); /* the execution's init counts as well */
    if (!write_file(leaf->dir, "pids.max", value))
      return false;
  }
  if (limits->cpu_percent != 0) {
    /* Microseconds in each tenth of a second (cgroup-v2.rst, cpu.max): "150000 100000" is one processor and a half. */
    snprintf(value, sizeof value, "%llu 100000", (unsigned long long)limits->cpu_percent * 1000);
    if (!write_file(leaf->dir, "cpu.max", value))
      return false;
  }
  return true;
}

/* No cgroup has both processes and controllers for those below it (no internal processes, cgroups(7)). */
static bool make_parent(const struct interior *interior, struct leaf *leaf)
{
  if (mkdirat(leaf->dir, OWN_LEAF, 0755) != 0)
    return false;
  leaf->below = leaf->dir;
  leaf->dir = openat(leaf->below, OWN_LEAF, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return leaf->dir >= 0 && hand_down_controllers(interior, leaf->below);
}

static bool remove_at(int above, const char *name)
{
  char own[LEAF_NAME_SIZE + sizeof OWN_LEAF];
  snprintf(own, sizeof own, "%s/" OWN_LEAF, name);
  if (unlinkat(above, own, AT_REMOVEDIR) != 0 && errno != ENOENT)
    return false;
  return unlinkat(above, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

bool leaf_create(const struct interior *interior, const struct leaf *parent, const char *name,
                 const struct leaf_limits *limits, bool children, struct leaf *leaf)
{
  int above = parent == NULL ? interior->dir : parent->below;
  *leaf = (struct leaf)LEAF_CLOSED;
  if (mkdirat(above, name, 0755) != 0) /* EEXIST too: a leaf is never used twice */
    return false;
  /* The limits first: they are those of the cgroup that has its children in it as well. */
  if (leaf_open(above, name, leaf) && set_limits(leaf, limits) && (!children || make_parent(interior, leaf)))
    return true;
  int saved = errno;
  leaf_close(leaf);
  remove_at(above, name);
  errno = saved;
  return false;
}

void leaf_name(const uint8_t id[WIRE_ID_SIZE], char name[LEAF_NAME_SIZE])
{
  for (size_t i = 0; i < WIRE_ID_SIZE; i++)
    snprintf(name + 2 * i, 3, "%02x", id[i]);
}

void leaf_close(struct leaf *leaf)
{
  close_fd(&leaf->dir);
  close_fd(&leaf->above);
  close_fd(&leaf->below);
  close_fd(&leaf->freeze);
  close_fd(&leaf->kill);
  close_fd(&leaf->events);
  close_fd(&leaf->cpu);
  close_fd(&leaf->memory);
}

bool leaf_freeze(const struct leaf *leaf, bool frozen)
{
  return pwrite(leaf->freeze, frozen ? "1" : "0", 1, 0) == 1;
}

bool leaf_is_frozen(const struct leaf *leaf)
{
  char text[8];
  return read_file(leaf->freeze, text, sizeof text) && text[0] == '1';
}

bool leaf_kill(const struct leaf *leaf)
{
  return pwrite(leaf->kill, "1", 1, 0) == 1;
}

bool leaf_populated(const struct leaf *leaf)
{
  char text[128];
  if (read_file(leaf->events, text, sizeof text))
    return strstr(text, "populated 0") == NULL;
  /* Removed, and only what is empty can be (cgroup_rmdir, cgroup_destroy_locked: kernel/cgroup/cgroup.c). */
  return errno != ENODEV;
}

static uint64_t stat_value(const char *text, const char *name)
{
  const char *found = strstr(text, name);
  return found == NULL ? 0 : strtoull(found + strlen(name), NULL, 10);
}

bool leaf_usage(const struct leaf *leaf, struct leaf_usage *usage)
{
  char text[1024];
  if (!read_file(leaf->cpu, text, sizeof text))
    return false;
  usage->user_us = stat_value(text, "user_usec ");
  usage->system_us = stat_value(text, "system_usec ");
  return true;
}

/* Of the group alone: a single victim would be an end like any other (cgroup-v2.rst, memory.events: oom_group_kill, Linux 5.17). */
bool leaf_out_of_memory(const struct leaf *leaf)
{
  char text[512];
  return leaf->memory >= 0 && read_file(leaf->memory, text, sizeof text) && stat_value(text, "oom_group_kill ") > 0;
}

bool leaf_remove(const struct leaf *leaf, const char *name)
{
  return remove_at(leaf->above, name);
}

/* Removes a cgroup in which nobody is left, with all below it. */
static bool remove_all(int above, const char *name)
{
  int dir = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = dir < 0 ? NULL : fdopendir(dir);
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;)
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      remove_all(dirfd(directory), entry->d_name);
  if (directory != NULL)
    closedir(directory);
  return unlinkat(above, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* Kills what an earlier run has in one of its cgroups, children included, and waits for its end; `budget_ms` is shared by all. */
static bool sweep_leaf(const struct interior *interior, const char *name, unsigned *budget_ms)
{
  struct leaf leaf;
  if (!leaf_open(interior->dir, name, &leaf))
    return errno == ENOENT;
  leaf_kill(&leaf);
  while (leaf_populated(&leaf) && *budget_ms > 0) {
    poll(NULL, 0, 1);
    *budget_ms -= 1;
  }
  bool dead = !leaf_populated(&leaf);
  leaf_close(&leaf);
  log_line(dead ? "ended what an earlier run left in %s" : "what an earlier run left in %s does not end", name);
  return dead && remove_all(interior->dir, name);
}

bool interior_sweep(const struct interior *interior, unsigned timeout_ms)
{
  int copy = openat(interior->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy < 0 ? NULL : fdopendir(copy);
  if (directory == NULL)
    return false;
  bool swept = true;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      swept = sweep_leaf(interior, entry->d_name, &timeout_ms) && swept;
  closedir(directory);
  return swept;
}
