#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "../shared/passing.h"
#include "looks.h"

#define PREPARE_TIMEOUT_NS (30 * NS_PER_SECOND)

/* ------------------------------------------------------------------ the end */

void supervisor_tell(int control, const struct report *report)
{
  /* Blocking is right here: what had to be killed has been killed. */
  send(control, report, sizeof *report, MSG_NOSIGNAL);
}

/* Freezes so that nothing forks on, then kills all at once; says so afterwards. Only the first cause counts. */
static void begin_end(struct supervisor *self, enum wire_cause cause)
{
  if (self->phase == ENDING)
    return;
  leaf_freeze(self->leaf, true);
  leaf_kill(self->leaf);
  self->phase = ENDING;
  self->end.cause = cause;
  struct report report = {.type = REPORT_ENDING, .cause = cause, .boot_ns = boot_time_ns()};
  supervisor_tell(self->control, &report);
}

/* A lapse holds what may be held; everything else ends it. */
static void stop(struct supervisor *self, enum wire_cause cause)
{
  bool lapse = cause == CAUSE_EPOCH || cause == CAUSE_LEASE;
  if (!lapse || !supervisor_hold(self, cause))
    begin_end(self, cause);
}

/*
 * Waits, as long as it takes, until nobody is left: a process in an uninterruptible call ends when that call does. The
 * kernel tells of changes of cgroup.events at most every 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV, kernel/cgroup/cgroup.c).
 */
static void wait_until_empty(const struct leaf *leaf)
{
  struct pollfd events = {.fd = leaf->events, .events = POLLPRI};
  while (leaf_populated(leaf)) {
    poll(&events, 1, 100);
    leaf_kill(leaf);
  }
}

__attribute__((noreturn)) static void finish(const struct leaf *leaf, int control, pid_t init, struct report *end)
{
  struct rusage usage;
  struct leaf_usage all;
  /* The kernel lets an init end only after all of its PID namespace, so this is mostly the whole wait. */
  if (init > 0 && wait4(init, NULL, 0, &usage) == init)
    end->max_rss_kib = (uint64_t)usage.ru_maxrss;
  wait_until_empty(leaf);
  end->type = REPORT_ENDED;
  end->boot_ns = boot_time_ns();
  if (leaf_usage(leaf, &all)) {
    end->user_us = all.user_us;
    end->system_us = all.system_us;
  }
  supervisor_tell(control, end);
  _exit(0);
}

void supervisor_finish(const struct leaf *leaf, int control, enum wire_cause cause)
{
  struct report end = {.cause = cause};
  int keep[] = {control, leaf->freeze, leaf->kill, leaf->events, leaf->cpu, leaf->memory, STDERR_FILENO};
  keep_only(keep, sizeof keep / sizeof *keep);
  leaf_kill(leaf);
  finish(leaf, control, 0, &end);
}

/* ------------------------------------------------------------------ what happens */

static void on_ready(struct supervisor *self)
{
  /* Until START nothing moves in the leaf, whatever init might be made to do. */
  leaf_freeze(self->leaf, true);
  self->phase = READY;
  struct report report = {.type = REPORT_READY, .pid = (uint32_t)self->init_pid};
  supervisor_tell(self->control, &report);
}

static void on_failed(struct supervisor *self, struct failure failure)
{
  bool starting = self->phase == STARTING;
  struct report report = {.type = starting ? REPORT_START_FAILED : REPORT_FAILED, .failure = failure};
  supervisor_tell(self->control, &report);
  begin_end(self, CAUSE_NOT_STARTED);
}

static void on_executed(struct supervisor *self)
{
  int error = 0;
  ssize_t length = read(self->executed, &error, sizeof error);
  close_fd(&self->executed);
  if (self->phase != STARTING)
    return;
  if (length == sizeof error) {
    struct failure failure = {.status = STATUS_EXEC_FAILED, .error = error, .index = WIRE_NONE};
    if (error == ESTALE)
      failure.status = STATUS_EPOCH_OVER;
    else if (error < 0)
      failure = (struct failure){.status = STATUS_SUBJECT_HIDDEN, .index = (uint32_t)-(error + 1)};
    on_failed(self, failure);
    return;
  }
  self->phase = RUNNING;
  struct report report = {.type = REPORT_STARTED};
  supervisor_tell(self->control, &report);
}

static void on_init(struct supervisor *self)
{
  struct init_report report;
  ssize_t length = recv(self->init, &report, sizeof report, MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length != sizeof report) {
    close_fd(&self->init);
    if (self->phase == PREPARING || self->phase == READY || self->phase == STARTING)
      on_failed(self, (struct failure){.status = STATUS_ENDED, .index = WIRE_NONE});
    begin_end(self, leaf_out_of_memory(self->leaf) ? CAUSE_OUT_OF_MEMORY : CAUSE_INIT_LOST);
  } else if (report.message == INIT_READY && self->phase == PREPARING) {
    on_ready(self);
  } else if (report.message == INIT_FAILED) {
    on_failed(self, report.failure);
  } else if (report.message == INIT_EXITED) {
    if (self->phase == STARTING) /* poll can see the end of a short program before its beginning */
      on_executed(self);
    self->end.exited = 1;
    self->end.wait_status = report.wait_status;
    /* Init may be the last to be killed, and tell of the others. */
    begin_end(self, leaf_out_of_memory(self->leaf) ? CAUSE_OUT_OF_MEMORY : CAUSE_EXITED);
  }
}

/* START: the lease is looked at again, here, where nothing can come between the look and the thaw but the kernel. */
static void on_start(struct supervisor *self)
{
  uint64_t now = boot_time_ns();
  enum wire_status status = lease_status(lease_read(self->page), &self->deadlines, now);
  struct init_report go = {.message = INIT_GO};
  self->phase = STARTING;
  if (status != STATUS_OK) {
    on_failed(self, (struct failure){.status = status, .index = WIRE_NONE});
    return;
  }
  if (self->deadlines.run_time_ns != 0)
    self->run_until = sum_or_max(now, self->deadlines.run_time_ns);
  if (!leaf_freeze(self->leaf, false) || send(self->init, &go, sizeof go, MSG_NOSIGNAL) != sizeof go)
    on_failed(self, (struct failure){.status = STATUS_INTERNAL, .error = errno, .index = WIRE_NONE});
}

/*
 * Passed on to init, which has the workload's own rights and not one more: the supervisor's CAP_KILL is not to reach where a
 * number that came from below points. An init that takes no more signals misses some; nobody waits for it.
 */
static void on_signal(const struct supervisor *self, uint32_t number)
{
  struct init_report order = {.message = INIT_SIGNAL, .signal = number};
  if (self->phase == RUNNING || self->phase == HELD)
    send(self->init, &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* What has run out, or lapsed, by now. */
static void look(struct supervisor *self)
{
  enum wire_cause cause = looks_take(self);
  if (cause != CAUSE_NONE)
    stop(self, cause);
}

static void on_control(struct supervisor *self)
{
  struct command command;
  CLEANUP_FD int page = -1;
  ssize_t length = take_message(self->control, &command, sizeof command, &page);
  if (length < 0 && (errno == EAGAIN || errno == EINTR))
    return;
  if (length != sizeof command)
    begin_end(self, CAUSE_LAUNCHER_STOP);
  else if (command.type == COMMAND_END)
    begin_end(self, (enum wire_cause)command.cause);
  else if (command.type == COMMAND_START && self->phase == READY)
    on_start(self);
  else if (command.type == COMMAND_THAW && self->phase == HELD)
    supervisor_thaw(self, command.epoch);
  else if (command.type == COMMAND_HOLD && !supervisor_hold(self, (enum wire_cause)command.cause))
    begin_end(self, (enum wire_cause)command.cause);
  else if (command.type == COMMAND_SIGNAL)
    on_signal(self, command.signal);
  else if (command.type == COMMAND_ADOPT) {
    supervisor_adopt(self, &command, page);
    look(self); /* what lapsed between the look at the new page and now */
  }
}

static void on_timer(struct supervisor *self)
{
  uint64_t expirations;
  ssize_t ignored = read(self->timer, &expirations, sizeof expirations);
  (void)ignored;
  if (self->phase == PREPARING && boot_time_ns() >= self->prepared_by)
    on_failed(self, (struct failure){.status = STATUS_SANDBOX_FAILED, .error = ETIMEDOUT, .index = STEP_TIMEOUT});
}

__attribute__((noreturn)) static void loop(struct supervisor *self)
{
  while (self->phase != ENDING) {
    looks_arm(self);
    struct pollfd waiting[] = {{.fd = self->control, .events = POLLIN},
                               {.fd = self->timer, .events = POLLIN},
                               {.fd = self->executed, .events = POLLIN},
                               {.fd = self->init, .events = POLLIN}};
    if (poll(waiting, sizeof waiting / sizeof *waiting, -1) < 0 && errno != EINTR)
      begin_end(self, CAUSE_SUPERVISOR_LOST);
    look(self);
    if (self->phase != ENDING && waiting[0].revents != 0)
      on_control(self);
    if (self->phase != ENDING && waiting[1].revents != 0)
      on_timer(self);
    if (self->phase != ENDING && waiting[2].revents != 0)
      on_executed(self);
    if (self->phase != ENDING && waiting[3].revents != 0)
      on_init(self);
  }
  finish(self->leaf, self->control, self->init_pid, &self->end);
}

/* ------------------------------------------------------------------ the beginning */

static pid_t clone_init(struct supervisor *self)
{
  struct clone_args arguments = {
      .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_INTO_CGROUP |
               (self->plan->network == NETWORK_HOST || self->plan->own_network >= 0 ? 0 : CLONE_NEWNET),
      .exit_signal = SIGCHLD,
      .cgroup = (uint64_t)self->leaf->dir,
  };
  return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

/*
 * The supervisor needs one right: CAP_KILL, with which the kernel sends init its parent-death signal in the supervisor's
 * name (forget_original_parent, kernel/exit.c). Its files are open, and its only child is its own to wait for. A launcher
 * that was not given that right has none to leave: asking for it would leave all the others (capset(2)).
 */
static bool drop_rights(void)
{
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct now[2] = {{0}}, kept[2] = {{0}};
  if (syscall(SYS_capget, &header, now) != 0)
    return false;
  kept[0].effective = kept[0].permitted = now[0].permitted & 1u << CAP_KILL;
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &header, kept) == 0;
}

static bool create_init(struct supervisor *self)
{
  int sockets[2] = {-1, -1}, pipes[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0 || pipe2(pipes, O_CLOEXEC) != 0)
    return false;
  self->init = sockets[0];
  self->executed = pipes[0];
  self->init_pid = clone_init(self);
  if (self->init_pid == 0) {
    close(self->control); /* else nobody would see that the launcher's end is the only one left */
    close(sockets[0]);
    close(pipes[0]);
    init_run(self->plan, sockets[1], pipes[1]);
  }
  close(sockets[1]);
  close(pipes[1]);
  return self->init_pid > 0;
}

/* Closes what came with the fork: other executions' sockets, pipes and cgroups are none of its business. */
static void keep_own(const struct supervisor *self)
{
  const struct plan *plan = self->plan;
  int keep[WIRE_SUBJECTS_MAX + WIRE_SECRETS_MAX + 16];
  size_t count = 0;
  for (uint32_t i = 0; i < plan->staging.count; i++)
    keep[count++] = plan->staging.subjects[i].fd;
  for (int i = 0; i < 3; i++)
    keep[count++] = plan->stdio[i];
  for (uint32_t i = 0; i < plan->secret_count; i++)
    keep[count++] = plan->secrets[i].fd;
  keep[count++] = plan->terminal;
  keep[count++] = plan->own_network;
  keep[count++] = plan->socket;
  const struct leaf *leaf = self->leaf;
  const int others[] = {leaf->dir, leaf->freeze, leaf->kill, leaf->events, leaf->cpu,
                        leaf->memory, self->control, STDERR_FILENO};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    keep[count++] = others[i];
  keep_only(keep, count);
}

/* What only init needs is closed here, so that pipes end when the workload closes them. */
static void release_inits(struct supervisor *self)
{
  int keep[] = {self->control, self->init, self->executed, self->timer, self->leaf->freeze,
                self->leaf->kill, self->leaf->events, self->leaf->cpu, self->leaf->memory, STDERR_FILENO};
  keep_only(keep, sizeof keep / sizeof *keep);
}

void supervisor_run(const struct plan *plan, const struct deadlines *deadlines, const struct leaf *leaf, int control)
{
  struct supervisor self = {
      .plan = plan,
      .deadlines = *deadlines,
      .leaf = leaf,
      .page = plan->page,
      .control = control,
      .init = -1,
      .executed = -1,
      .timer = -1,
      .prepared_by = boot_time_ns() + PREPARE_TIMEOUT_NS,
      .epoch = deadlines->epoch,
      .run_until = UINT64_MAX,
      .lease_until = sum_or_max(lease_read(plan->page).instant, deadlines->max_evidence_age_ns),
      .processors = plan->limits.cpu_time_ns == 0 ? 1 : sysconf(_SC_NPROCESSORS_ONLN), /* it reads a file */
  };
  prctl(PR_SET_NAME, "writ-supervisor");
  if (self.processors < 1)
    self.processors = 1;
  keep_own(&self);
  self.timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (self.timer < 0 || !create_init(&self))
    on_failed(&self, (struct failure){.status = STATUS_SANDBOX_FAILED, .error = errno, .index = STEP_CLONE});
  release_inits(&self);
  if (!drop_rights())
    on_failed(&self, (struct failure){.status = STATUS_SANDBOX_FAILED, .error = errno, .index = STEP_IDENTITY});
  loop(&self);
}
