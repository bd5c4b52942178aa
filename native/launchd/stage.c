/* STAGE: who will run it is settled first, because the files are opened with that uid's rights. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../shared/clock.h"
#include "launcher.h"

static bool shared_uid_allowed(const struct config *config, uid_t uid)
{
  bool allocated = uid >= config->uids.first && uid <= config->uids.last;
  return uid >= config->min_uid && uid != config->writd_uid && !allocated && id_in_ranges(&config->shared_uids, uid);
}

/* A group is a right: only the one with the uid's own number, or one that the configuration names. */
static bool group_allowed(const struct config *config, uid_t uid, gid_t gid)
{
  return gid != 0 && gid != config->writd_gid && (gid == uid || id_in_ranges(&config->groups, gid));
}

struct failure take_shared_identity(const struct launcher *launcher, struct execution *execution, uid_t uid, gid_t gid)
{
  if (!shared_uid_allowed(&launcher->config, uid))
    return failed(STATUS_UID_REFUSED, 0, WIRE_NONE);
  if (!group_allowed(&launcher->config, uid, gid))
    return failed(STATUS_GID_REFUSED, 0, WIRE_NONE);
  execution->uid = uid;
  execution->gid = gid;
  execution->uid_is_own = false;
  return failed(STATUS_OK, 0, WIRE_NONE);
}

static struct failure choose_identity(struct launcher *launcher, const struct wire_stage *order, struct execution *execution)
{
  uid_t uid;
  if (order->uid != WIRE_UID_ALLOCATE)
    return take_shared_identity(launcher, execution, order->uid, order->gid);
  if (!executions_own_uid(&launcher->executions, &uid))
    return failed(STATUS_CAPACITY, 0, WIRE_NONE);
  execution->uid = uid;
  execution->gid = uid;
  execution->uid_is_own = true;
  return failed(STATUS_OK, 0, WIRE_NONE);
}

static struct failure start_stager(struct launcher *launcher, const struct order *order, struct execution *execution,
                                   const struct strings *paths)
{
  enum wire_status status =
      staging_create(paths, order->items, order->stage.program, &execution->staging);
  if (status != STATUS_OK)
    return failed(status, 0, WIRE_NONE);
  struct account account = launcher->executions.account;
  account.own = executions_index(&launcher->executions, execution);
  if (store_is_open(&launcher->executions.store))
    execution->staging.store_from = launcher->config.store_min_bytes;
  execution->staging.account = &account; /* for the stager only, which has a copy of this stack */
  int channel;
  pid_t process = fork_with_channel(launcher, execution, &channel);
  if (process == 0) {
    int keep[WIRE_SUBJECTS_MAX + 2] = {channel, STDERR_FILENO};
    for (uint32_t i = 0; i < execution->staging.count; i++)
      keep[i + 2] = execution->staging.subjects[i].fd;
    keep_only(keep, execution->staging.count + 2);
    stager_run(&execution->staging, execution->uid, execution->gid, execution->uid_is_own, channel);
  }
  execution->staging.account = NULL;
  if (process < 0)
    return failed(STATUS_INTERNAL, errno, WIRE_NONE);
  execution->state = EXECUTION_STAGING;
  execution->request = order->request;
  execution->waits_by = boot_time_ns() + launcher->config.stage_seconds * NS_PER_SECOND;
  return failed(STATUS_OK, 0, WIRE_NONE);
}

struct failure stage(struct launcher *launcher, const struct order *order, int table)
{
  struct strings paths;
  if (executions_find(&launcher->executions, order->stage.id) != NULL)
    return failed(STATUS_ID_IN_USE, 0, WIRE_NONE);
  if (!strings_read(table, order_string_count(order), &paths))
    return failed(STATUS_MALFORMED, 0, WIRE_NONE);
  struct execution *execution = executions_take(&launcher->executions, order->stage.id);
  struct failure failure = failed(STATUS_CAPACITY, 0, WIRE_NONE);
  if (execution != NULL) {
    execution->state = EXECUTION_STAGED; /* taken; uids are looked up among the taken places */
    failure = choose_identity(launcher, &order->stage, execution);
    if (failure.status == STATUS_OK)
      failure = start_stager(launcher, order, execution, &paths);
    if (failure.status != STATUS_OK)
      release_execution(launcher, execution);
  }
  strings_free(&paths);
  return failure;
}

static void answer_staged(struct launcher *launcher, const struct execution *execution)
{
  static struct {
    struct wire_staged_answer head;
    struct wire_staged items[WIRE_SUBJECTS_MAX];
  } body;
  uint32_t count = execution->staging.count;
  body.head = (struct wire_staged_answer){.count = count, .uid = execution->uid};
  for (uint32_t i = 0; i < count; i++)
    body.items[i] = execution->staging.subjects[i].result;
  answer(launcher, WIRE_STAGE, execution->request, &body, sizeof body.head + count * sizeof *body.items);
}

static void finish(struct launcher *launcher, struct execution *execution, const struct stage_report *report)
{
  execution->process = 0; /* it exits by itself and is reaped as nobody's */
  if (report == NULL || report->status != STATUS_OK) {
    refuse(launcher, WIRE_STAGE, execution->request,
           failed(STATUS_INTERNAL, report == NULL ? 0 : report->error, WIRE_NONE));
    release_execution(launcher, execution);
    return;
  }
  bool complete = staging_finish(&execution->staging, report);
  answer_staged(launcher, execution);
  execution->request = 0;
  if (!complete) {
    release_execution(launcher, execution);
    return;
  }
  execution->state = EXECUTION_STAGED;
  execution->waits_by = boot_time_ns() + launcher->config.stage_seconds * NS_PER_SECOND;
}

void on_stager(struct launcher *launcher, struct execution *execution)
{
  static union {
    uint32_t message;
    struct stage_ask ask;
    struct stage_filled filled;
    struct stage_report report;
  } said;
  ssize_t length = recv(execution->channel, &said, sizeof said, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  ssize_t report_size = (ssize_t)stage_report_size(execution->staging.count);
  if (length == sizeof said.ask && said.message == STAGE_ASK)
    stager_asks(launcher, execution, &said.ask);
  else if (length == sizeof said.filled && said.message == STAGE_FILLED)
    stager_filled(launcher, execution, &said.filled);
  else
    finish(launcher, execution, length == report_size && said.message == STAGE_REPORT ? &said.report : NULL);
}
