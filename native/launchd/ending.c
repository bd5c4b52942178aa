/* How executions end, as far as the launcher does it: kill first, speak afterwards. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../shared/clock.h"
#include "launcher.h"

void release_execution(struct launcher *launcher, struct execution *execution)
{
  /* Explicitly: a child that was just forked may hold a copy, which would keep the registration alive (epoll(7)). */
  if (execution->channel >= 0)
    epoll_ctl(launcher->epoll, EPOLL_CTL_DEL, execution->channel, NULL);
  if (execution->has_leaf) {
    char name[LEAF_NAME_SIZE];
    leaf_name(execution->id, name);
    if (!leaf_remove(&launcher->interior, name)) {
      execution->state = EXECUTION_DEAD; /* tend() tries again */
      return;
    }
  }
  executions_release(&launcher->executions, execution);
}

/* An order that waits for an answer gets one; afterwards only events speak of the execution. */
static void answer_pending(struct launcher *launcher, struct execution *execution, uint16_t order)
{
  if (execution->request == 0)
    return;
  refuse(launcher, order, execution->request, failed(STATUS_ENDED, 0, WIRE_NONE));
  execution->request = 0;
}

static void end_children(struct launcher *launcher, const struct execution *parent)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *child = &launcher->executions.items[i];
    if (child->state != EXECUTION_FREE && child->has_parent && memcmp(child->parent, parent->id, WIRE_ID_SIZE) == 0)
      end_execution(launcher, child, CAUSE_PARENT);
  }
}

void note_ending(struct launcher *launcher, struct execution *execution, enum wire_cause cause, uint64_t boot_ns)
{
  uint16_t order = execution->state == EXECUTION_PREPARING ? WIRE_PREPARE : WIRE_START;
  execution->state = EXECUTION_ENDING;
  execution->cause = cause;
  if (execution->announced && cause != CAUSE_EXITED) {
    struct wire_kill_sent body = {.boot_ns = boot_ns, .cause = cause};
    memcpy(body.id, execution->id, WIRE_ID_SIZE);
    announce(launcher, WIRE_KILL_SENT, &body, sizeof body);
  }
  answer_pending(launcher, execution, order);
  end_children(launcher, execution);
}

void end_execution(struct launcher *launcher, struct execution *execution, enum wire_cause cause)
{
  struct command command = {.type = COMMAND_END, .cause = cause};
  switch (execution->state) {
  case EXECUTION_STAGING:
    answer_pending(launcher, execution, WIRE_STAGE);
    kill(execution->process, SIGKILL); /* our child, not reaped: the number is still its own */
    release_execution(launcher, execution);
    break;
  case EXECUTION_STAGED:
    release_execution(launcher, execution);
    break;
  case EXECUTION_PREPARING:
  case EXECUTION_READY:
  case EXECUTION_STARTING:
  case EXECUTION_RUNNING:
    leaf_freeze(&execution->leaf, true);
    leaf_kill(&execution->leaf);
    note_ending(launcher, execution, cause, boot_time_ns());
    if (write(execution->channel, &command, sizeof command) < 0 && errno != EPIPE && errno != EAGAIN)
      leaf_kill(&execution->leaf); /* it sees the kill in any case, by the end of its init */
    break;
  default:
    break; /* ending already */
  }
}

/* What is only staged belongs to no epoch yet. */
static bool is_meant(const struct execution *execution, uint64_t up_to_epoch)
{
  if (execution->state == EXECUTION_FREE)
    return false;
  return up_to_epoch == UINT64_MAX || (execution->state >= EXECUTION_PREPARING && execution->epoch <= up_to_epoch);
}

/* All stand still before the first is killed: none gets to act on the end of another. */
void end_all(struct launcher *launcher, uint64_t up_to_epoch, enum wire_cause cause)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    const struct execution *execution = &launcher->executions.items[i];
    if (is_meant(execution, up_to_epoch) && execution->has_leaf)
      leaf_freeze(&execution->leaf, true);
  }
  for (uint32_t i = 0; i < launcher->executions.size; i++)
    if (is_meant(&launcher->executions.items[i], up_to_epoch))
      end_execution(launcher, &launcher->executions.items[i], cause);
}

void tend(struct launcher *launcher)
{
  uint64_t now = boot_time_ns();
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *execution = &launcher->executions.items[i];
    if (execution->state == EXECUTION_DEAD) {
      release_execution(launcher, execution);
    } else if (execution->state == EXECUTION_STAGING && now >= execution->waits_by) {
      refuse(launcher, WIRE_STAGE, execution->request, failed(STATUS_STAGE_TIMEOUT, 0, WIRE_NONE));
      execution->request = 0;
      end_execution(launcher, execution, CAUSE_ABANDONED);
    } else if (execution->state == EXECUTION_STAGED && now >= execution->waits_by) {
      end_execution(launcher, execution, CAUSE_ABANDONED);
    }
  }
}
