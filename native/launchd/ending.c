/* How executions end, as far as the launcher does it: kill first, speak afterwards. */
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

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
    if (!leaf_remove(&execution->leaf, name)) {
      execution->state = EXECUTION_DEAD; /* tend() tries again */
      return;
    }
  }
  struct execution *parent =
      execution->has_parent ? executions_find(&launcher->executions, execution->parent) : NULL;
  executions_release(&launcher->executions, execution);
  /* Its own cgroup may have been the last that was in the way of its parent's. */
  if (parent != NULL && parent->state == EXECUTION_DEAD)
    release_execution(launcher, parent);
}

/* An order that waits for an answer gets one; afterwards only events speak of the execution. */
static void answer_pending(struct launcher *launcher, struct execution *execution, uint16_t order)
{
  if (execution->request == 0)
    return;
  refuse(launcher, order, execution->request, failed(STATUS_ENDED, 0, WIRE_NONE));
  execution->request = 0;
}

static bool is_child_of(const struct execution *child, const struct execution *parent)
{
  return child->state != EXECUTION_FREE && child->has_parent && memcmp(child->parent, parent->id, WIRE_ID_SIZE) == 0;
}

static void end_children(struct launcher *launcher, const struct execution *parent)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *child = &launcher->executions.items[i];
    if (is_child_of(child, parent))
      end_execution(launcher, child, CAUSE_PARENT);
  }
}

/*
 * Whether it was killed with one above it: whoever ends an execution freezes it first, with all below it. The supervisors speak of it each for
 * itself, and the one of a child may be the first.
 */
static bool was_taken_along(const struct launcher *launcher, const struct execution *execution)
{
  while (execution->has_parent) {
    execution = executions_find(&launcher->executions, execution->parent);
    if (execution == NULL || execution->state >= EXECUTION_ENDING)
      return true;
    if ((execution->state != EXECUTION_HELD && leaf_is_frozen(&execution->leaf)) || leaf_out_of_memory(&execution->leaf))
      return true;
  }
  return false;
}

void note_ending(struct launcher *launcher, struct execution *execution, enum wire_cause cause, uint64_t boot_ns)
{
  if (cause == CAUSE_INIT_LOST && was_taken_along(launcher, execution))
    cause = CAUSE_PARENT;
  uint16_t order = execution->state == EXECUTION_PREPARING ? WIRE_PREPARE
                   : execution->state == EXECUTION_HELD    ? WIRE_THAW
                   : is_kept(execution)                    ? WIRE_ADOPT
                                                           : WIRE_START;
  execution->state = EXECUTION_ENDING;
  execution->cause = cause;
  if (execution->announced && cause != CAUSE_EXITED) {
    struct wire_kill_sent body = {.boot_ns = boot_ns, .cause = cause};
    memcpy(body.id, execution->id, WIRE_ID_SIZE);
    announce(launcher, WIRE_KILL_SENT, &body, sizeof body);
  }
  /* A PREPARE is answered when nobody is left (on_ended): who is told that it failed believes that there is nothing. */
  if (order != WIRE_PREPARE)
    answer_pending(launcher, execution, order);
  end_children(launcher, execution);
}

/* Nothing forks on in what is frozen. A second write would only go through all its processes again. */
static void kill_execution(struct execution *execution)
{
  if (execution->killed_ns != 0)
    return;
  leaf_freeze(&execution->leaf, true);
  leaf_kill(&execution->leaf);
  execution->killed_ns = boot_time_ns();
}

void end_execution(struct launcher *launcher, struct execution *execution, enum wire_cause cause)
{
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
  case EXECUTION_HELD:
    kill_execution(execution);
    note_ending(launcher, execution, cause, execution->killed_ns);
    /* One that cannot be told sees the kill all the same, by the end of its init. */
    send_command(execution, (struct command){.type = COMMAND_END, .cause = cause});
    break;
  default:
    break; /* ending already */
  }
}

/* What is only staged belongs to no epoch yet; what is kept, to none of this page. */
static bool is_meant(const struct execution *execution, uint64_t up_to_epoch, enum wire_cause cause)
{
  if (execution->state == EXECUTION_FREE)
    return false;
  if (is_kept(execution))
    return cause != CAUSE_SUPERSEDED;
  return up_to_epoch == UINT64_MAX || (execution->state >= EXECUTION_PREPARING && execution->epoch <= up_to_epoch);
}

/* Only what has been let run can be held; its supervisor watches the grace. What is kept could not be thawed: no page shows its epoch any more. */
static bool can_be_held(const struct execution *execution)
{
  return execution->may_be_held && (goes_on(execution) || execution->state == EXECUTION_HELD);
}

/* Its leaf is frozen first, from here; a supervisor that cannot be told is not there to watch. */
static void hold_execution(struct launcher *launcher, struct execution *execution, enum wire_cause cause)
{
  leaf_freeze(&execution->leaf, true);
  if (send_command(execution, (struct command){.type = COMMAND_HOLD, .cause = cause}))
    note_held(launcher, execution, cause, boot_time_ns());
  else
    end_execution(launcher, execution, cause);
}

/* What may not be held under a parent that is, ends as if that had ended. */
static void hold_children(struct launcher *launcher, const struct execution *parent)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *child = &launcher->executions.items[i];
    if (is_child_of(child, parent) && can_be_held(child))
      hold_execution(launcher, child, CAUSE_PARENT);
    else if (is_child_of(child, parent))
      end_execution(launcher, child, CAUSE_PARENT);
  }
}

void note_held(struct launcher *launcher, struct execution *execution, enum wire_cause cause, uint64_t boot_ns)
{
  if (execution->state != EXECUTION_RUNNING)
    return;
  bool kept = execution->kept;
  execution->state = EXECUTION_HELD;
  if (launcher->connection.fd < 0 || kept) { /* nobody is there who could thaw it */
    end_execution(launcher, execution, cause);
    return;
  }
  struct wire_held body = {.boot_ns = boot_ns, .cause = cause};
  memcpy(body.id, execution->id, WIRE_ID_SIZE);
  announce(launcher, WIRE_HELD, &body, sizeof body);
  hold_children(launcher, execution);
}

/*
 * All stand still before the first is killed: none gets to act on the end of another. All are killed before the first is
 * spoken of.
 */
void end_all(struct launcher *launcher, uint64_t up_to_epoch, enum wire_cause cause, bool hold)
{
  const struct executions *table = &launcher->executions;
  for (uint32_t i = 0; i < table->size; i++)
    if (is_meant(&table->items[i], up_to_epoch, cause) && table->items[i].has_leaf)
      leaf_freeze(&table->items[i].leaf, true);
  for (uint32_t i = 0; i < table->size; i++) {
    struct execution *execution = &table->items[i];
    bool held = hold && can_be_held(execution);
    if (is_meant(execution, up_to_epoch, cause) && execution->has_leaf && execution->state < EXECUTION_ENDING && !held)
      kill_execution(execution);
  }
  for (uint32_t i = 0; i < table->size; i++) {
    struct execution *execution = &table->items[i];
    if (!is_meant(execution, up_to_epoch, cause))
      continue;
    if (hold && can_be_held(execution) && execution->killed_ns == 0)
      hold_execution(launcher, execution, cause);
    else
      end_execution(launcher, execution, cause);
  }
}

void tend(struct launcher *launcher)
{
  uint64_t now = boot_time_ns();
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *execution = &launcher->executions.items[i];
    if (is_kept(execution)) {
      tend_kept(launcher, execution, now);
    } else if (execution->state == EXECUTION_DEAD) {
      release_execution(launcher, execution);
    } else if (execution->state == EXECUTION_ENDING && execution->process == 0) {
      watch_end(launcher, execution);
    } else if (execution->state == EXECUTION_STAGING && now >= execution->waits_by) {
      refuse(launcher, WIRE_STAGE, execution->request, failed(STATUS_STAGE_TIMEOUT, 0, WIRE_NONE));
      execution->request = 0;
      end_execution(launcher, execution, CAUSE_ABANDONED);
    } else if (execution->state == EXECUTION_STAGING) {
      stager_asks_again(launcher, execution);
    } else if (execution->state == EXECUTION_STAGED && now >= execution->waits_by) {
      end_execution(launcher, execution, CAUSE_ABANDONED);
    }
  }
}
