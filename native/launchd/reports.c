/* What stagers and supervisors say, and what happens when one of them dies. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "../shared/passing.h"
#include "launcher.h"
#include "log.h"

pid_t fork_with_channel(struct launcher *launcher, struct execution *execution, int *channel)
{
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
    return -1;
  /* Before the fork: a process that nobody would hear is not made. */
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = executions_index(&launcher->executions, execution)};
  bool heard = epoll_ctl(launcher->epoll, EPOLL_CTL_ADD, sockets[0], &event) == 0;
  pid_t process = heard ? fork() : -1;
  if (process == 0) {
    close(sockets[0]);
    *channel = sockets[1];
    return 0;
  }
  close(sockets[1]);
  if (process < 0) {
    if (heard)
      epoll_ctl(launcher->epoll, EPOLL_CTL_DEL, sockets[0], NULL);
    close_fd(&sockets[0]);
    return -1;
  }
  if (execution->channel >= 0) {
    epoll_ctl(launcher->epoll, EPOLL_CTL_DEL, execution->channel, NULL);
    close_fd(&execution->channel);
  }
  execution->channel = sockets[0];
  execution->process = process;
  return process;
}

bool send_command(const struct execution *execution, struct command command)
{
  return send_command_with(execution, command, -1);
}

bool send_command_with(const struct execution *execution, struct command command, int fd)
{
  return pass_message(execution->channel, &command, sizeof command, fd);
}

/* ------------------------------------------------------------------ reports */

/* As /proc/PID/cgroup shows it: the interior, one cgroup for each generation, and the leaf of one that may be a parent. */
void write_cgroup(const struct launcher *launcher, const struct execution *execution, char path[WIRE_CGROUP_SIZE])
{
  const struct execution *line[WIRE_GENERATIONS_MAX + 1];
  size_t count = 0;
  /* None is released before those below it (leaf_remove); their number was bounded when each was made. */
  for (const struct execution *at = execution; at != NULL && count <= WIRE_GENERATIONS_MAX;
       at = at->has_parent ? executions_find(&launcher->executions, at->parent) : NULL)
    line[count++] = at;
  int length = snprintf(path, WIRE_CGROUP_SIZE, "%s", launcher->interior.path);
  for (size_t i = count; i > 0; i--) {
    char name[LEAF_NAME_SIZE];
    leaf_name(line[i - 1]->id, name);
    length += snprintf(path + length, WIRE_CGROUP_SIZE - (size_t)length, "/%s", name);
  }
  if (execution->leaf.below >= 0)
    snprintf(path + length, WIRE_CGROUP_SIZE - (size_t)length, "/" OWN_LEAF);
}

static void on_ready(struct launcher *launcher, struct execution *execution, const struct report *report)
{
  struct wire_prepared_answer body = {.pid = report->pid, .uid = execution->uid};
  int fds[STREAMS];
  size_t count = 0;
  if (execution->state != EXECUTION_PREPARING)
    return;
  write_cgroup(launcher, execution, body.cgroup);
  for (int i = 0; i < STREAMS; i++)
    if (execution->pipes[i] >= 0)
      fds[count++] = steal_fd(&execution->pipes[i]);
  execution->state = EXECUTION_READY;
  execution->init = (pid_t)report->pid;
  execution->announced = true;
  staging_free(&execution->staging); /* init has what it needs */
  answer_with(launcher, WIRE_PREPARE, execution->request, &body, sizeof body, fds, count);
  execution->request = 0;
}

static void on_failed(struct launcher *launcher, struct execution *execution, uint16_t order, struct failure failure)
{
  if (order == WIRE_PREPARE) {
    execution->refusal = failure;
    return;
  }
  refuse(launcher, order, execution->request, failure);
  execution->request = 0;
}

static void on_started(struct launcher *launcher, struct execution *execution)
{
  if (execution->state != EXECUTION_STARTING)
    return;
  execution->state = EXECUTION_RUNNING;
  answer(launcher, WIRE_START, execution->request, NULL, 0);
  execution->request = 0;
}

static void on_thawed(struct launcher *launcher, struct execution *execution)
{
  if (execution->state != EXECUTION_HELD)
    return;
  execution->state = EXECUTION_RUNNING;
  execution->epoch = execution->thaw_epoch;
  answer(launcher, WIRE_THAW, execution->request, NULL, 0);
  execution->request = 0;
}

static void on_ended(struct launcher *launcher, struct execution *execution, const struct report *report)
{
  struct wire_ended body = {.boot_ns = report->boot_ns,
                            .cause = execution->cause,
                            .exit_code = -1,
                            .user_us = report->user_us,
                            .system_us = report->system_us,
                            .max_rss_kib = report->max_rss_kib};
  memcpy(body.id, execution->id, WIRE_ID_SIZE);
  if (report->exited && WIFEXITED(report->wait_status))
    body.exit_code = WEXITSTATUS(report->wait_status);
  else
    body.signal = report->exited ? (uint32_t)WTERMSIG(report->wait_status) : SIGKILL;
  bool announced = execution->announced;
  uint64_t request = execution->request;
  struct failure refusal =
      execution->refusal.status != STATUS_OK ? execution->refusal : failed(STATUS_ENDED, 0, WIRE_NONE);
  execution->request = 0;
  int fds[STREAMS];
  size_t count;
  body.streams = take_last_output(execution, fds, &count);
  release_execution(launcher, execution); /* first: who hears of the end finds the cgroup gone and the room free */
  if (announced)
    announce_with(launcher, WIRE_ENDED, &body, sizeof body, fds, count);
  else
    refuse(launcher, WIRE_PREPARE, request, refusal);
}

static void on_report(struct launcher *launcher, struct execution *execution, const struct report *report)
{
  switch (report->type) {
  case REPORT_READY:
    on_ready(launcher, execution, report);
    break;
  case REPORT_FAILED:
    on_failed(launcher, execution, WIRE_PREPARE, report->failure);
    break;
  case REPORT_STARTED:
    on_started(launcher, execution);
    break;
  case REPORT_START_FAILED:
    on_failed(launcher, execution, WIRE_START, report->failure);
    break;
  case REPORT_HELD:
    note_held(launcher, execution, (enum wire_cause)report->cause, report->boot_ns);
    break;
  case REPORT_THAWED:
    on_thawed(launcher, execution);
    break;
  case REPORT_THAW_FAILED:
    on_failed(launcher, execution, WIRE_THAW, report->failure);
    break;
  case REPORT_ADOPTED:
    on_adopted(launcher, execution, report);
    break;
  case REPORT_ADOPT_FAILED:
    on_adopt_failed(launcher, execution, report);
    break;
  case REPORT_ENDING:
    if (execution->state < EXECUTION_ENDING)
      note_ending(launcher, execution, (enum wire_cause)report->cause, report->boot_ns);
    break;
  case REPORT_ENDED:
    if (execution->state < EXECUTION_ENDING)
      note_ending(launcher, execution, (enum wire_cause)report->cause, report->boot_ns);
    on_ended(launcher, execution, report);
    break;
  default:
    break;
  }
}

void on_channel(struct launcher *launcher, struct execution *execution)
{
  if (execution->state == EXECUTION_STAGING) {
    on_stager(launcher, execution);
    return;
  }
  struct report report;
  while (execution->state != EXECUTION_FREE && execution->channel >= 0) {
    ssize_t length = recv(execution->channel, &report, sizeof report, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
      return;
    if (length != sizeof report) { /* the process is gone; on_child_exited has the rest */
      epoll_ctl(launcher->epoll, EPOLL_CTL_DEL, execution->channel, NULL);
      close_fd(&execution->channel);
      return;
    }
    on_report(launcher, execution, &report);
  }
}

/* ------------------------------------------------------------------ deaths */

bool watch_end(struct launcher *launcher, struct execution *execution)
{
  int channel;
  pid_t process = fork_with_channel(launcher, execution, &channel);
  if (process == 0)
    supervisor_finish(&execution->leaf, channel, execution->cause);
  return process > 0;
}

/* A supervisor was killed: its execution cannot be watched any more, so it ends; another process sees to that. */
static void on_supervisor_lost(struct launcher *launcher, struct execution *execution)
{
  leaf_freeze(&execution->leaf, true);
  leaf_kill(&execution->leaf);
  if (execution->state < EXECUTION_ENDING) {
    log_event(EVENT_SUPERVISOR_LOST, execution->id, "a supervisor was lost; its execution is ended");
    note_ending(launcher, execution, CAUSE_SUPERVISOR_LOST, boot_time_ns());
  }
  if (!watch_end(launcher, execution)) /* tend() tries again */
    log_line("cannot watch an execution die: %s", strerror(errno));
}

void on_child_exited(struct launcher *launcher, pid_t process)
{
  struct execution *execution = executions_of_process(&launcher->executions, process);
  if (execution == NULL)
    return;
  on_channel(launcher, execution); /* what it said before it died */
  if (execution->process != process || execution->state == EXECUTION_FREE)
    return;
  execution->process = 0;
  if (execution->state >= EXECUTION_PREPARING && execution->state < EXECUTION_DEAD)
    on_supervisor_lost(launcher, execution);
}
