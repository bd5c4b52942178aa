/*
 * The execution's view of the file system: the host's, read-only, with its own /tmp, /run, /dev and /proc, the subjects
 * as they were hashed, and the writable paths. Steps run in the order of mounts_build.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "mount_calls.h"
#include "place.h"
#include "sandbox.h"
#include "writable.h"

#define STORE "/run/writ-subjects"
#define OVERHEAD (UINT64_C(4) << 20) /* inodes, directories and rounding to pages */
#define PARENT_DIRECTORY "/run/writ"
#define PARENT_SOCKET PARENT_DIRECTORY "/parent.sock" /* proto/client.ts has it too */
#define RESOLVER "/run/systemd/resolve" /* /etc/resolv.conf often points here */

struct copy {
  dev_t device;
  ino_t inode;
};

struct build {
  const struct plan *plan;
  struct failure *failure;
  struct own_filesystems own;
  struct copy copies[WIRE_SUBJECTS_MAX];
  int stored[WIRE_SUBJECTS_MAX]; /* the store's entries that subjects are, as far as they are */
  struct copy socket;
  int resolver;
};

static bool fail(struct build *build, enum wire_status status, uint32_t index)
{
  *build->failure = (struct failure){.status = status, .error = errno, .index = index};
  return false;
}

static bool step(struct build *build, enum step at, bool done)
{
  return done || fail(build, STATUS_SANDBOX_FAILED, at);
}

/* The entry as the launcher knows it, before anything covers its path. */
static bool open_stored(struct build *build)
{
  const struct staging *staging = &build->plan->staging;
  for (uint32_t i = 0; i < staging->count; i++) {
    struct stat status;
    const struct staged *subject = &staging->subjects[i];
    build->stored[i] = -1;
    if (subject->stored == NULL)
      continue;
    build->stored[i] = open(subject->stored, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (build->stored[i] < 0 || fstat(build->stored[i], &status) != 0)
      return fail(build, STATUS_SUBJECT_HIDDEN, i);
    errno = ESTALE;
    if (!is_stored(&subject->identity, &status))
      return fail(build, STATUS_SUBJECT_HIDDEN, i);
    build->copies[i] = (struct copy){.device = status.st_dev, .inode = status.st_ino};
  }
  return true;
}

/* Mounts of the host keep the host's propagation otherwise: ours would appear there. */
static bool make_private(void)
{
  return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool own_tmpfs(struct build *build, const char *path, uint64_t bytes, const char *mode, uint64_t attributes)
{
  CLEANUP_FD int tmpfs = new_tmpfs(bytes, mode, attributes);
  return tmpfs >= 0 && attach_path(tmpfs, path) && own_add(&build->own, tmpfs);
}

static uint64_t staged_bytes(const struct staging *staging)
{
  uint64_t total = OVERHEAD;
  for (uint32_t i = 0; i < staging->count; i++)
    if (staging->subjects[i].stored == NULL)
      total += staging->subjects[i].result.size + 4096;
  return total;
}

static bool is_placed(const struct staging *staging, uint32_t index)
{
  return index != staging->program || !runs_from_memory(staging);
}

static bool copy_subject(struct build *build, uint32_t index)
{
  const struct staged *subject = &build->plan->staging.subjects[index];
  char name[64];
  struct stat status;
  snprintf(name, sizeof name, STORE "/%u", index);
  CLEANUP_FD int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  off_t from = 0;
  while (file >= 0 && (uint64_t)from < subject->result.size)
    if (sendfile(file, subject->fd, &from, subject->result.size - (uint64_t)from) <= 0)
      return false;
  if (file < 0 || fchmod(file, 0555) != 0 || fstat(file, &status) != 0)
    return false;
  build->copies[index] = (struct copy){.device = status.st_dev, .inode = status.st_ino};
  return true;
}

/* The private /run also keeps the copies, in a directory that only root may enter. */
static bool make_store(struct build *build)
{
  const struct staging *staging = &build->plan->staging;
  build->resolver = build->plan->network == NETWORK_HOST ? open(RESOLVER, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  if (!own_tmpfs(build, "/run", staged_bytes(staging), "0755", SAFE) ||
      !own_tmpfs(build, "/tmp", build->plan->tmp_bytes, "0755", SAFE) || mkdir(STORE, 0700) != 0)
    return false;
  for (uint32_t i = 0; i < staging->count; i++)
    if (is_placed(staging, i) && staging->subjects[i].stored == NULL && !copy_subject(build, i))
      return false;
  return true;
}

/*
 * The execution's own socket, in a directory of the private /run that nobody can change: it is in no other mount namespace, and gone with this one.
 * Only its own user may connect; whoever else has that uid is told apart by writd, by the cgroup.
 */
static bool bind_socket(struct build *build)
{
  const struct plan *plan = build->plan;
  const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = PARENT_SOCKET};
  struct stat status;
  if (plan->socket < 0)
    return true;
  /* Modes before the owner: for what belongs to another there would have to be CAP_FOWNER. */
  if (mkdir(PARENT_DIRECTORY, 0755) != 0 || bind(plan->socket, (const struct sockaddr *)&address, sizeof address) != 0 ||
      chmod(PARENT_SOCKET, 0600) != 0 || chown(PARENT_SOCKET, plan->uid, plan->gid) != 0 ||
      stat(PARENT_SOCKET, &status) != 0 || listen(plan->socket, SOMAXCONN) != 0)
    return false;
  build->socket = (struct copy){.device = status.st_dev, .inode = status.st_ino};
  return true;
}

/* A subject or a writable path may have come to lie over it: then what is signed asks for two things at one place. */
static bool socket_shown(const struct build *build)
{
  struct stat status;
  if (build->plan->socket < 0)
    return true;
  if (lstat(PARENT_SOCKET, &status) != 0)
    return false;
  errno = EEXIST;
  return status.st_dev == build->socket.device && status.st_ino == build->socket.inode;
}

static bool shows_copy(const struct build *build, int fd, uint32_t index)
{
  struct stat status;
  const struct staging *staging = &build->plan->staging;
  if (fstat(fd, &status) != 0)
    return false;
  for (uint32_t i = 0; i < staging->count; i++)
    if (build->copies[i].inode == status.st_ino && build->copies[i].device == status.st_dev)
      return memcmp(staging->subjects[i].result.digest, staging->subjects[index].result.digest, WIRE_DIGEST_SIZE) == 0;
  return false;
}

/* Binds the copy over the subject's path. Two paths may lead to one file (a symbolic link): the first copy serves both. */
static bool place_subject(struct build *build, uint32_t index)
{
  char name[64];
  const struct staged *subject = &build->plan->staging.subjects[index];
  snprintf(name, sizeof name, STORE "/%u", index);
  CLEANUP_FD int target = place_open(subject->path, subject->kind == KIND_TREE, PLACE_COVER, &build->own);
  if (target >= 0 && shows_copy(build, target, index))
    return true;
  CLEANUP_FD int copy = open(name, O_PATH | O_CLOEXEC);
  int file = build->stored[index] >= 0 ? build->stored[index] : copy;
  CLEANUP_FD int bind = file < 0 ? -1 : copy_of(file, false);
  /* What the store's own mount forbids (noexec) does not hold for the subject's path. */
  return target >= 0 && bind >= 0 && change_attributes(bind, "", false, SAFE | MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC) &&
         attach(bind, target);
}

/*
 * Directories first, and of those the shorter path, which the longer one may lie in. A file that is a subject itself then covers the one that
 * a directory has in its place.
 */
static bool place_subjects(struct build *build)
{
  const struct staging *staging = &build->plan->staging;
  uint32_t order[WIRE_SUBJECTS_MAX], count = 0;
  for (uint32_t i = 0; i < staging->count; i++) {
    if (staging->subjects[i].kind != KIND_TREE)
      continue;
    uint32_t at = count++;
    for (; at > 0 && strlen(staging->subjects[order[at - 1]].path) > strlen(staging->subjects[i].path); at--)
      order[at] = order[at - 1];
    order[at] = i;
  }
  for (uint32_t i = 0; i < staging->count; i++)
    if (staging->subjects[i].kind != KIND_TREE && is_placed(staging, i))
      order[count++] = i;
  for (uint32_t i = 0; i < count; i++)
    if (!place_subject(build, order[i]))
      return fail(build, STATUS_SUBJECT_HIDDEN, order[i]);
  return true;
}

static bool place_resolver(struct build *build)
{
  if (build->resolver < 0)
    return true;
  CLEANUP_FD int target = place_open(RESOLVER, true, PLACE_COVER, &build->own);
  CLEANUP_FD int bind = copy_of(build->resolver, false);
  close_fd(&build->resolver);
  return target >= 0 && bind >= 0 && attach(bind, target);
}

/* All mounts there are now; what is mounted after this has attributes of its own. */
static bool make_read_only(void)
{
  return change_attributes(AT_FDCWD, "/", true, MOUNT_ATTR_RDONLY | SAFE, 0) &&
         change_attributes(AT_FDCWD, "/tmp", false, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_RDONLY) && chmod("/tmp", 01777) == 0;
}

static bool make_proc(void)
{
  const char *const options[] = {"hidepid", "invisible", NULL};
  CLEANUP_FD int proc = new_filesystem("proc", options, MOUNT_ATTR_RDONLY | SAFE | MOUNT_ATTR_NOEXEC);
  return proc >= 0 && attach_path(proc, "/proc");
}

/* Looks once more, the way the workload will: every subject's path must show its copy (a writable path could cover it). */
static bool verify_subjects(struct build *build)
{
  const struct staging *staging = &build->plan->staging;
  for (uint32_t i = 0; i < staging->count; i++) {
    if (!is_placed(staging, i))
      continue;
    CLEANUP_FD int shown = open(staging->subjects[i].path, O_PATH | O_CLOEXEC);
    if (shown < 0 || !shows_copy(build, shown, i))
      return fail(build, STATUS_SUBJECT_HIDDEN, i);
  }
  return true;
}

/* What every subject's path has to show, for those who look after the mounts were made. */
static const struct build *built;

/*
 * The kernel takes a mount off a file that is removed, or that another is renamed onto, wherever it is mounted (detach_mounts of fs/namespace.c):
 * when root puts a new version into a directory of root's, the path shows that one. Anywhere else the path lies in a private directory.
 */
uint32_t subject_not_shown(const struct plan *plan)
{
  for (uint32_t i = 0; i < plan->staging.count; i++) {
    if (!is_placed(&plan->staging, i))
      continue;
    CLEANUP_FD int shown = open(plan->staging.subjects[i].path, O_PATH | O_CLOEXEC);
    /* What this uid may not look at was looked at as root, and it can do nothing with it. */
    if (shown < 0 && errno == EACCES)
      continue;
    if (shown < 0 || !shows_copy(built, shown, i))
      return i;
  }
  return WIRE_NONE;
}

/* With the rights of the uid, as for the sources of writable paths. */
static bool enter_directory(struct build *build)
{
  const struct plan *plan = build->plan;
  if (!rights_take(plan->uid, plan->gid, plan->groups, plan->group_count))
    return step(build, STEP_IDENTITY, false);
  bool entered = chdir(plan->directory) == 0;
  rights_return();
  return entered || fail(build, STATUS_CWD_REFUSED, WIRE_NONE);
}

bool mounts_build(const struct plan *plan, struct failure *failure)
{
  static struct build build; /* large, and there is one init per process */
  build.plan = plan;
  build.failure = failure;
  built = &build;
  umask(0);
  return open_stored(&build) && writable_open(plan, failure) && step(&build, STEP_PRIVATE, make_private()) &&
         step(&build, STEP_STORE, make_store(&build)) && step(&build, STEP_SOCKET, bind_socket(&build)) && place_subjects(&build) &&
         writable_place(plan, &build.own, failure) &&
         step(&build, STEP_PLACE, place_resolver(&build)) && step(&build, STEP_READ_ONLY, make_read_only()) &&
         step(&build, STEP_DEVICES, nodes_make(plan)) && step(&build, STEP_PROC, make_proc()) &&
         writable_bind(plan, failure) && verify_subjects(&build) && writable_verify(plan, failure) &&
         step(&build, STEP_SOCKET, socket_shown(&build)) && enter_directory(&build);
}
