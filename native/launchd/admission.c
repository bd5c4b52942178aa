/* The launcher's side of a subject's way into the store: what stagers ask, and what they filled. Nothing here waits. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "launcher.h"

static void tell_stager(const struct execution *execution, const struct stage_answer *answer, int file)
{
  union {
    char space[CMSG_SPACE(sizeof file)];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec vector = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof *answer};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  if (file >= 0) {
    header.msg_control = &control;
    header.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(c), &file, sizeof file);
  }
  /* One that cannot be told has died, and the end of its channel follows, or hangs, until its time is over. */
  sendmsg(execution->channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The subject is this entry, which is pinned, from now on. */
static bool keep(struct launcher *launcher, struct execution *execution, uint32_t index, uint32_t place)
{
  const struct store *store = &launcher->executions.store;
  struct staged *subject = &execution->staging.subjects[index];
  char path[STORE_PATH_SIZE];
  if (!executions_pin(execution, place)) {
    store_unpin(&launcher->executions.store, place);
    return false;
  }
  store_entry_path(store, place, path);
  free(subject->stored);
  subject->stored = strdup(path);
  subject->identity = store->entries[place].identity;
  subject->result = store->entries[place].result;
  close_fd(&subject->fd);
  return subject->stored != NULL;
}

/* Several that start with the same large file at once have it copied once. */
static bool is_being_filled(const struct executions *table, const struct stage_ask *ask)
{
  for (uint32_t i = 0; i < table->size; i++) {
    const struct execution *other = &table->items[i];
    if (other->state == EXECUTION_STAGING && other->admission.filling && other->admission.ask.steady &&
        memcmp(other->admission.ask.fingerprint, ask->fingerprint, FINGERPRINT_SIZE) == 0)
      return true;
  }
  return false;
}

static int make_room(struct store *store, struct execution *execution)
{
  struct admission *admission = &execution->admission;
  bool tree = execution->staging.subjects[admission->ask.index].kind == KIND_TREE;
  if (!store_reserve(store, admission->ask.bytes))
    return -1;
  int file = tree ? store_create_tree(store, execution->uid, &admission->tree) : store_create(store, &admission->reading);
  if (file < 0)
    admission->tree = 0;
  admission->filling = file >= 0;
  if (file < 0)
    store_release(store, admission->ask.bytes);
  return file;
}

static void answer_ask(struct launcher *launcher, struct execution *execution)
{
  struct store *store = &launcher->executions.store;
  struct admission *admission = &execution->admission;
  struct stage_answer answer = {.room = ROOM_NONE};
  uint32_t index = admission->ask.index;
  uint32_t place = admission->ask.has_fingerprint ? store_find(store, admission->ask.fingerprint) : STORE_NONE;
  admission->waiting = false;
  if (place != STORE_NONE && keep(launcher, execution, index, place)) {
    answer = (struct stage_answer){.room = ROOM_KEPT, .result = execution->staging.subjects[index].result};
    tell_stager(execution, &answer, -1);
    return;
  }
  if (admission->ask.steady && is_being_filled(&launcher->executions, &admission->ask)) {
    admission->waiting = true; /* tend() comes back to it */
    return;
  }
  CLEANUP_FD int file = make_room(store, execution);
  if (file >= 0)
    answer.room = ROOM_FILL;
  tell_stager(execution, &answer, file);
}

void stager_asks(struct launcher *launcher, struct execution *execution, const struct stage_ask *ask)
{
  if (!store_is_open(&launcher->executions.store) || ask->index >= execution->staging.count || execution->admission.filling)
    return;
  execution->admission.ask = *ask;
  answer_ask(launcher, execution);
}

void stager_asks_again(struct launcher *launcher, struct execution *execution)
{
  if (execution->admission.waiting)
    answer_ask(launcher, execution);
}

static void tell_kept(const struct execution *execution, bool kept)
{
  struct stage_answer answer = {.room = kept ? ROOM_KEPT : ROOM_NONE};
  tell_stager(execution, &answer, -1);
}

/* Its reader owns what it filled. It goes on when all of that is root's. */
static void settle_tree(struct launcher *launcher, struct execution *execution, const struct stage_filled *filled)
{
  struct admission *admission = &execution->admission;
  admission->filled = *filled;
  if (filled->complete)
    admission->settler = store_settle_tree(&launcher->executions.store, admission->tree);
  if (admission->settler > 0)
    return;
  admission->settler = 0;
  executions_stop_filling(&launcher->executions, execution);
  tell_kept(execution, false);
}

bool on_settler_exited(struct launcher *launcher, pid_t process, int status)
{
  struct execution *execution = NULL;
  for (uint32_t i = 0; i < launcher->executions.size && execution == NULL; i++)
    if (launcher->executions.items[i].state == EXECUTION_STAGING && launcher->executions.items[i].admission.settler == process)
      execution = &launcher->executions.items[i];
  if (execution == NULL)
    return false;
  struct admission *admission = &execution->admission;
  struct store *store = &launcher->executions.store;
  uint32_t place = STORE_NONE;
  admission->settler = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    const uint8_t *fingerprint = admission->filled.steady && admission->ask.has_fingerprint ? admission->ask.fingerprint : NULL;
    place = store_commit_tree(store, admission->tree, admission->ask.bytes, &admission->filled.result, fingerprint);
    admission->tree = 0;
  }
  bool kept = place != STORE_NONE && keep(launcher, execution, admission->ask.index, place);
  executions_stop_filling(&launcher->executions, execution);
  tell_kept(execution, kept);
  return true;
}

void stager_filled(struct launcher *launcher, struct execution *execution, const struct stage_filled *filled)
{
  struct admission *admission = &execution->admission;
  if (admission->tree != 0) {
    settle_tree(launcher, execution, filled);
    return;
  }
  if (admission->filling && filled->complete && filled->result.size <= admission->ask.bytes) {
    const uint8_t *fingerprint = filled->steady && admission->ask.has_fingerprint ? admission->ask.fingerprint : NULL;
    uint32_t place = store_commit(&launcher->executions.store, admission->reading, &filled->result, fingerprint);
    /* Without an entry the subject has nothing: staging_finish refuses it. */
    if (place != STORE_NONE)
      keep(launcher, execution, admission->ask.index, place);
  }
  executions_stop_filling(&launcher->executions, execution);
}
