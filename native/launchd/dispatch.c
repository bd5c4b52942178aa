/* Orders, one function each. What an order may ask for is judged here and in stage.c and prepare.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "../shared/lease_map.h"
#include "launcher.h"
#include "log.h"

static const struct failure OK = {.status = STATUS_OK, .index = WIRE_NONE};

static uint32_t features(const struct launcher *launcher)
{
  return (launcher->interior.device_filter ? FEATURE_DEVICE_FILTER : 0u) | FEATURE_KEEP |
         (access("/proc/sys/vm/memfd_noexec", F_OK) == 0 ? FEATURE_MEMFD_NOEXEC : 0u);
}

/* A greeting with another page than before comes from another writd: what belonged to the earlier one, and is not kept, ends. */
static struct failure hello(struct launcher *launcher, const struct order *order, int fd)
{
  struct stat status;
  if (launcher->connection.greeted)
    return failed(STATUS_BAD_STATE, 0, WIRE_NONE);
  const struct lease_page *page = lease_map(fd);
  if (page == NULL || fstat(fd, &status) != 0)
    return failed(STATUS_BAD_LEASE, errno, WIRE_NONE);
  CLEANUP_FD int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) {
    lease_unmap(page);
    return failed(STATUS_INTERNAL, errno, WIRE_NONE);
  }
  struct {
    struct wire_hello_answer head;
    char devices[WIRE_DEVICES_MAX][WIRE_DEVICE_NAME_SIZE];
  } body = {.head = {.landlock_abi = (uint32_t)landlock_abi(),
                     .controllers = launcher->interior.controllers,
                     .features = features(launcher),
                     .device_count = (uint32_t)launcher->config.devices.count}};
  for (uint32_t i = 0; i < body.head.device_count; i++)
    memcpy(body.devices[i], launcher->config.devices.items[i].name, WIRE_DEVICE_NAME_SIZE);
  if (launcher->page != NULL) {
    if (status.st_dev != launcher->page_device || status.st_ino != launcher->page_inode) {
      uint32_t live = launcher->executions.live;
      end_all(launcher, UINT64_MAX, CAUSE_SUPERSEDED, false);
      body.head.superseded = live - count_kept(launcher);
    }
    lease_unmap(launcher->page);
    close_fd(&launcher->page_fd);
  }
  body.head.kept = count_kept(launcher);
  launcher->page = page;
  launcher->page_fd = steal_fd(&own);
  launcher->page_device = status.st_dev;
  launcher->page_inode = status.st_ino;
  answer(launcher, order->type, order->request, &body, sizeof body.head + body.head.device_count * sizeof *body.devices);
  launcher->connection.greeted = true;
  connection_flush(&launcher->connection);
  return OK;
}

static struct failure open_log(struct launcher *launcher, const struct order *order)
{
  const struct config *config = &launcher->config;
  const char *path = order->open_log.kind == LOG_EVENT       ? config->event_log
                     : order->open_log.kind == LOG_USERSPACE ? config->userspace_log
                                                             : config->ima_log;
  if (path[0] == '\0')
    return failed(STATUS_LOG_UNAVAILABLE, ENOENT, WIRE_NONE);
  int fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    return failed(STATUS_LOG_UNAVAILABLE, errno, WIRE_NONE);
  answer_with(launcher, order->type, order->request, NULL, 0, &fd, 1);
  return OK;
}

bool parent_goes_on(const struct launcher *launcher, const struct execution *execution)
{
  const struct execution *parent =
      execution->has_parent ? executions_find(&launcher->executions, execution->parent) : NULL;
  return !execution->has_parent || (parent != NULL && goes_on(parent));
}

/* A supervisor that takes no orders does not watch either. Of one that is gone, what it said last has still to be read. */
struct failure untold(struct launcher *launcher, struct execution *execution, int error)
{
  if (error == EAGAIN) {
    log_event(EVENT_SUPERVISOR_LOST, execution->id, "a supervisor takes no orders; its execution is ended");
    end_execution(launcher, execution, CAUSE_SUPERVISOR_LOST);
  }
  return failed(STATUS_ENDED, error, WIRE_NONE);
}

static struct failure start(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->start.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (execution->state != EXECUTION_READY)
    return failed(execution->state >= EXECUTION_ENDING ? STATUS_ENDED : STATUS_BAD_STATE, 0, WIRE_NONE);
  if (execution->epoch != order->start.epoch || lease_read(launcher->page).epoch != execution->epoch)
    return failed(STATUS_EPOCH_OVER, 0, WIRE_NONE);
  if (!parent_goes_on(launcher, execution))
    return failed(STATUS_PARENT_ENDED, 0, WIRE_NONE);
  /* The supervisor looks at epoch and deadlines itself before it lets go. */
  if (!send_command(execution, (struct command){.type = COMMAND_START}))
    return untold(launcher, execution, errno);
  execution->state = EXECUTION_STARTING;
  execution->request = order->request;
  return OK;
}

static struct failure thaw(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->thaw.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (execution->state != EXECUTION_HELD || execution->request != 0)
    return failed(execution->state >= EXECUTION_ENDING ? STATUS_ENDED : STATUS_BAD_STATE, 0, WIRE_NONE);
  if (lease_read(launcher->page).epoch != order->thaw.epoch)
    return failed(STATUS_EPOCH_OVER, 0, WIRE_NONE);
  if (!parent_goes_on(launcher, execution))
    return failed(STATUS_PARENT_ENDED, 0, WIRE_NONE);
  /* The supervisor looks at epoch, evidence and deadlines itself before it lets go. */
  if (!send_command(execution, (struct command){.type = COMMAND_THAW, .epoch = order->thaw.epoch}))
    return untold(launcher, execution, errno);
  execution->thaw_epoch = order->thaw.epoch;
  execution->request = order->request;
  return OK;
}

static struct failure kill_one(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->kill.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  end_execution(launcher, execution, (enum wire_cause)order->kill.cause);
  answer(launcher, order->type, order->request, NULL, 0);
  return OK;
}

/* The supervisor's socket has room for more than anybody needs; what comes on top of that is refused, never waited for. */
static struct failure signal_one(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->signal.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  /* One that is held gets it, like any frozen process, when it goes on. */
  if (execution->state != EXECUTION_RUNNING && execution->state != EXECUTION_HELD)
    return failed(execution->state > EXECUTION_HELD ? STATUS_ENDED : STATUS_BAD_STATE, 0, WIRE_NONE);
  if (!send_command(execution, (struct command){.type = COMMAND_SIGNAL, .signal = order->signal.signal}))
    return failed(errno == EAGAIN ? STATUS_CAPACITY : STATUS_ENDED, errno, WIRE_NONE);
  answer(launcher, order->type, order->request, NULL, 0);
  return OK;
}

static struct failure abandon(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->abandon.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (execution->state >= EXECUTION_STARTING && execution->state <= EXECUTION_HELD)
    return failed(STATUS_BAD_STATE, 0, WIRE_NONE);
  end_execution(launcher, execution, CAUSE_ABANDONED);
  answer(launcher, order->type, order->request, NULL, 0);
  return OK;
}

static struct failure list(struct launcher *launcher, const struct order *order)
{
  static struct {
    struct wire_list_answer head;
    struct wire_listed items[WIRE_LIST_MAX];
  } body;
  body.head = (struct wire_list_answer){.total = launcher->executions.live};
  uint32_t seen = 0;
  for (uint32_t i = 0; i < launcher->executions.size && body.head.count < WIRE_LIST_MAX; i++) {
    const struct execution *execution = &launcher->executions.items[i];
    if (execution->state == EXECUTION_FREE || seen++ < order->list.offset)
      continue;
    struct wire_listed *listed = &body.items[body.head.count++];
    *listed = (struct wire_listed){
        .epoch = execution->epoch, .state = is_kept(execution) ? EXECUTION_KEPT : execution->state, .pid = (uint32_t)execution->init};
    memcpy(listed->id, execution->id, WIRE_ID_SIZE);
    memcpy(listed->order, execution->order, WIRE_DIGEST_SIZE);
  }
  answer(launcher, order->type, order->request, &body, sizeof body.head + body.head.count * sizeof *body.items);
  return OK;
}

static struct failure handle(struct launcher *launcher, const struct order *order, const int *fds)
{
  if (launcher->connection.left || (order->type != WIRE_HELLO && !launcher->connection.greeted))
    return failed(STATUS_NOT_GREETED, 0, WIRE_NONE);
  switch (order->type) {
  case WIRE_HELLO:
    return hello(launcher, order, fds[0]);
  case WIRE_OPEN_LOG:
    return open_log(launcher, order);
  case WIRE_STAGE:
    return stage(launcher, order, fds[0]);
  case WIRE_PREPARE:
    return prepare(launcher, order, fds);
  case WIRE_START:
    return start(launcher, order);
  case WIRE_KILL:
    return kill_one(launcher, order);
  case WIRE_LAPSE:
    end_all(launcher, order->lapse.epoch, CAUSE_LAPSE, order->lapse.hold != 0);
    answer(launcher, order->type, order->request, NULL, 0);
    return OK;
  case WIRE_ABANDON:
    return abandon(launcher, order);
  case WIRE_LIST:
    return list(launcher, order);
  case WIRE_THAW:
    return thaw(launcher, order);
  case WIRE_SIGNAL:
    return signal_one(launcher, order);
  case WIRE_CALLER:
    return caller_look(launcher, order, fds[0]);
  case WIRE_KEEP:
    return keep_execution(launcher, order, fds);
  case WIRE_ADOPT:
    return adopt_execution(launcher, order);
  case WIRE_NOTE:
    return note_number(launcher, order);
  case WIRE_LEAVE:
    leave_connection(launcher, order);
    return OK;
  default:
    return failed(STATUS_MALFORMED, 0, WIRE_NONE);
  }
}

void dispatch(struct launcher *launcher, const struct order *order, const int *fds)
{
  struct failure failure = handle(launcher, order, fds);
  if (failure.status != STATUS_OK)
    refuse(launcher, order->type, order->request, failure);
}
