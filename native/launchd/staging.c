#include "staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../shared/cleanup.h"

/* include/uapi/linux/memfd.h, Linux 6.3: says that it will be executed, where the host's default is that none are. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define SEALED (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)

bool account_create(uint64_t most, uint32_t count, struct account *account)
{
  void *held = mmap(NULL, count * sizeof *account->held, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  *account = (struct account){.most = most, .count = count, .held = held == MAP_FAILED ? NULL : held};
  return account->held != NULL;
}

bool account_add(const struct account *account, uint64_t bytes)
{
  /* First added, then summed: of two that would pass together at least one sees both. */
  atomic_fetch_add(&account->held[account->own], bytes);
  uint64_t left = account->most;
  for (uint32_t i = 0; i < account->count; i++) {
    uint64_t held = atomic_load(&account->held[i]);
    if (held > left) {
      atomic_fetch_sub(&account->held[account->own], bytes);
      return false;
    }
    left -= held;
  }
  return true;
}

void account_release(const struct account *account, uint32_t place)
{
  atomic_store(&account->held[place], 0);
}

/* A host can forbid memory that is executed (vm.memfd_noexec=2): then even a static program gets a copy at its path. */
static int create_memfd(bool *executes)
{
  int fd = memfd_create("writ-subject", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  *executes = !(fd < 0 && errno == EACCES);
  if (!*executes)
    fd = memfd_create("writ-subject", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL)
    fd = memfd_create("writ-subject", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return fd;
}

static bool unique(const struct strings *paths)
{
  for (size_t i = 0; i < paths->count; i++)
    for (size_t j = 0; j < i; j++)
      if (strcmp(paths->items[i], paths->items[j]) == 0)
        return false;
  return true;
}

enum wire_status staging_create(const struct strings *paths, const struct wire_stage_item *items, uint32_t program,
                                struct staging *staging)
{
  *staging = (struct staging){.program = program, .store_from = UINT64_MAX};
  for (size_t i = 0; i < paths->count; i++)
    if (!path_is_plain(paths->items[i]))
      return STATUS_MALFORMED;
  if (!unique(paths))
    return STATUS_MALFORMED;
  staging->subjects = calloc(paths->count, sizeof *staging->subjects);
  if (staging->subjects == NULL)
    return STATUS_INTERNAL;
  staging->count = (uint32_t)paths->count;
  for (size_t i = 0; i < paths->count; i++)
    staging->subjects[i].fd = -1;
  for (size_t i = 0; i < paths->count; i++) {
    struct staged *subject = &staging->subjects[i];
    subject->kind = items[i].kind;
    subject->fd = subject->kind == KIND_TREE ? -1 : create_memfd(&subject->executes);
    subject->path = strdup(paths->items[i]);
    subject->max_bytes = items[i].max_bytes;
    if ((subject->fd < 0 && subject->kind != KIND_TREE) || subject->path == NULL) {
      staging_free(staging);
      return STATUS_INTERNAL;
    }
  }
  return STATUS_OK;
}

void staging_free(struct staging *staging)
{
  for (uint32_t i = 0; i < staging->count; i++) {
    close_fd(&staging->subjects[i].fd);
    free(staging->subjects[i].path);
    free(staging->subjects[i].stored);
  }
  free(staging->subjects);
  *staging = (struct staging){0};
}

static bool is_sealed(int fd)
{
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & SEALED) == SEALED;
}

bool staging_finish(struct staging *staging, const struct stage_report *report)
{
  bool complete = true;
  for (uint32_t i = 0; i < staging->count; i++) {
    struct staged *subject = &staging->subjects[i];
    /* What is in the store was told when it came there; of it only a refusal is new. */
    if (subject->stored == NULL || report->results[i].status != STATUS_OK)
      subject->result = report->results[i];
    if (subject->stored == NULL && subject->result.status == STATUS_OK &&
        (!is_sealed(subject->fd) || lseek(subject->fd, 0, SEEK_END) != (off_t)subject->result.size))
      subject->result.status = STATUS_INTERNAL;
    complete = complete && subject->result.status == STATUS_OK;
  }
  return complete;
}
