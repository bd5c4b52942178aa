/*
 * What runs while one writd goes and the next one comes. The one that goes says what is to be kept, and leaves the streams; the one that comes
 * adopts it. Between the two it lives by the lease that it has, whoever is connected.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "launcher.h"
#include "log.h"

/* How long a supervisor may take to say whether it adopts; one that does not watch has its execution ended. */
#define ADOPT_NS (5 * NS_PER_SECOND)

static const struct failure OK = {.status = STATUS_OK, .index = WIRE_NONE};

/* ------------------------------------------------------------------ KEEP */

void note_made(struct execution *execution)
{
  struct stat status;
  for (int i = 0; i < STREAMS; i++)
    if (execution->pipes[i] >= 0 && fstat(execution->pipes[i], &status) == 0)
      execution->made[i] = (struct made){.device = status.st_dev, .inode = status.st_ino};
}

/*
 * Only what was made here for this execution is held for it, so writd cannot have the launcher hold anything of its own: not its end of this very
 * connection, whose closing would then not be seen, and no file whose closing takes time.
 */
static bool is_made(const struct execution *execution, int place, bool terminal, int fd)
{
  struct stat status;
  int mode = fcntl(fd, F_GETFL);
  int wanted = place == OWN_SOCKET || terminal ? O_RDWR : place == 0 ? O_WRONLY : O_RDONLY;
  const struct made *made = &execution->made[place];
  return mode >= 0 && (mode & O_PATH) == 0 && (mode & O_ACCMODE) == wanted && fstat(fd, &status) == 0 && made->inode != 0 &&
         status.st_dev == made->device && status.st_ino == made->inode;
}

/* Where the descriptors that came along belong: a terminal is in the place of standard input. */
static size_t places_of(const struct wire_keep *order, int places[STREAMS])
{
  size_t count = 0;
  for (int i = 0; i < OWN_SOCKET; i++)
    if (order->streams == STDIO_TERMINAL ? i == 0 : (order->streams & 1u << i) != 0)
      places[count++] = i;
  if (order->socket != 0)
    places[count++] = OWN_SOCKET;
  return count;
}

struct failure keep_execution(struct launcher *launcher, const struct order *order, const int *fds)
{
  struct execution *execution = executions_find(&launcher->executions, order->keep.id);
  int places[STREAMS], held[STREAMS] = {-1, -1, -1, -1};
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (!goes_on(execution))
    return failed(execution->state >= EXECUTION_ENDING ? STATUS_ENDED : STATUS_BAD_STATE, 0, WIRE_NONE);
  size_t count = places_of(&order->keep, places);
  for (size_t i = 0; i < count; i++)
    if (!is_made(execution, places[i], order->keep.streams == STDIO_TERMINAL, fds[i]))
      return failed(STATUS_STREAM_REFUSED, 0, (uint32_t)i);
  struct failure failure = OK;
  for (size_t i = 0; i < count && failure.status == STATUS_OK; i++)
    if ((held[places[i]] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0)) < 0)
      failure = failed(STATUS_CAPACITY, errno, (uint32_t)i);
  if (failure.status != STATUS_OK) {
    for (int i = 0; i < STREAMS; i++)
      close_fd(&held[i]);
    return failure;
  }
  for (int i = 0; i < STREAMS; i++) {
    close_fd(&execution->pipes[i]);
    execution->pipes[i] = held[i];
  }
  execution->to_be_kept = true;
  answer(launcher, order->type, order->request, NULL, 0);
  return OK;
}

struct failure note_number(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->note.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (!goes_on(execution))
    return failed(execution->state >= EXECUTION_ENDING ? STATUS_ENDED : STATUS_BAD_STATE, 0, WIRE_NONE);
  execution->noted = order->note.number;
  answer(launcher, order->type, order->request, NULL, 0);
  return OK;
}

/* What it can live by without a writd. Its supervisor looks at the same, and acts first. */
static uint64_t lease_end(const struct launcher *launcher, const struct execution *execution)
{
  struct lease lease = lease_read(launcher->page);
  if (lease.epoch != execution->epoch)
    return 0;
  return sum_or_max(least_of(lease.instant, boot_time_ns()), execution->max_evidence_age_ns);
}

void keep_what_runs(struct launcher *launcher)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *execution = &launcher->executions.items[i];
    if (!goes_on(execution) || !execution->to_be_kept)
      continue;
    execution->kept = true;
    execution->kept_until = lease_end(launcher, execution);
    count++;
  }
  if (count > 0)
    log_line("%u executions are kept for the next writd, each until its lease is over", count);
}

uint32_t count_kept(const struct launcher *launcher)
{
  uint32_t count = 0;
  for (uint32_t i = 0; i < launcher->executions.size; i++)
    count += is_kept(&launcher->executions.items[i]) ? 1 : 0;
  return count;
}

/* What is being adopted stays kept as well: whoever asked for it is going. */
static void forget_adoptions(struct launcher *launcher)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *execution = &launcher->executions.items[i];
    if (!is_kept(execution))
      continue;
    refuse(launcher, WIRE_ADOPT, execution->request, failed(STATUS_BAD_STATE, 0, WIRE_NONE));
    execution->request = 0;
  }
}

void leave_connection(struct launcher *launcher, const struct order *order)
{
  forget_adoptions(launcher);
  keep_what_runs(launcher);
  answer(launcher, order->type, order->request, NULL, 0);
  launcher->connection.left = true;
}

/* ------------------------------------------------------------------ ADOPT */

struct failure adopt_execution(struct launcher *launcher, const struct order *order)
{
  struct execution *execution = executions_find(&launcher->executions, order->adopt.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (!is_kept(execution) || execution->request != 0)
    return failed(execution->state >= EXECUTION_ENDING ? STATUS_ENDED : STATUS_BAD_STATE, 0, WIRE_NONE);
  if (lease_read(launcher->page).epoch != order->adopt.epoch)
    return failed(STATUS_EPOCH_OVER, 0, WIRE_NONE);
  if (!parent_goes_on(launcher, execution))
    return failed(STATUS_PARENT_ENDED, 0, WIRE_NONE);
  /* The supervisor looks at the old lease, at the new one and at its deadlines itself. */
  struct command command = {.type = COMMAND_ADOPT,
                            .epoch = order->adopt.epoch,
                            .attempt = execution->adoption + 1,
                            .expiry_ns = order->adopt.expiry_ns,
                            .max_evidence_age_ns = order->adopt.max_evidence_age_ns};
  if (!send_command_with(execution, command, launcher->page_fd))
    return untold(launcher, execution, errno);
  execution->adoption++;
  execution->adopt_epoch = order->adopt.epoch;
  execution->adopt_max_evidence_age_ns = order->adopt.max_evidence_age_ns;
  execution->adopt_by = boot_time_ns() + ADOPT_NS;
  execution->request = order->request;
  return OK;
}

/* Of an order that the writd of now gave: one that has gone since cannot have what it asked for, and it stays kept for the next. */
static bool is_awaited(const struct execution *execution, const struct report *report)
{
  return is_kept(execution) && execution->request != 0 && report->attempt == execution->adoption;
}

void on_adopted(struct launcher *launcher, struct execution *execution, const struct report *report)
{
  if (!is_awaited(execution, report))
    return;
  struct wire_adopted_answer body = {.pid = (uint32_t)execution->init, .uid = execution->uid, .noted = execution->noted};
  int fds[STREAMS];
  size_t count = 0;
  write_cgroup(launcher, execution, body.cgroup);
  body.socket = execution->pipes[OWN_SOCKET] >= 0;
  body.streams = streams_held(execution);
  for (int i = 0; i < STREAMS; i++)
    if (execution->pipes[i] >= 0)
      fds[count++] = steal_fd(&execution->pipes[i]);
  execution->kept = false;
  execution->to_be_kept = false;
  execution->epoch = execution->adopt_epoch;
  execution->max_evidence_age_ns = least_of(execution->max_evidence_age_ns, execution->adopt_max_evidence_age_ns);
  answer_with(launcher, WIRE_ADOPT, execution->request, &body, sizeof body, fds, count);
  execution->request = 0;
}

void on_adopt_failed(struct launcher *launcher, struct execution *execution, const struct report *report)
{
  if (!is_awaited(execution, report))
    return;
  refuse(launcher, WIRE_ADOPT, execution->request, report->failure);
  execution->request = 0;
}

/* ------------------------------------------------------------------ the end */

void tend_kept(struct launcher *launcher, struct execution *execution, uint64_t now)
{
  if (execution->request != 0 && now >= execution->adopt_by) {
    log_event(EVENT_SUPERVISOR_LOST, execution->id, "a supervisor does not answer; its execution is ended");
    end_execution(launcher, execution, CAUSE_SUPERVISOR_LOST);
  } else if (now >= execution->kept_until) {
    end_execution(launcher, execution, CAUSE_LEASE); /* its supervisor, which should have, may hang */
  }
}

uint32_t streams_held(const struct execution *execution)
{
  uint32_t streams = 0;
  for (int i = 0; i < OWN_SOCKET; i++)
    if (execution->pipes[i] >= 0)
      streams |= 1u << i;
  return execution->has_terminal && streams != 0 ? STDIO_TERMINAL : streams;
}

uint32_t take_last_output(struct execution *execution, int fds[STREAMS], size_t *count)
{
  *count = 0;
  if (!execution->kept)
    return 0;
  if (!execution->has_terminal)
    close_fd(&execution->pipes[0]);
  uint32_t streams = streams_held(execution);
  for (int i = 0; i < OWN_SOCKET; i++)
    if (execution->pipes[i] >= 0)
      fds[(*count)++] = steal_fd(&execution->pipes[i]);
  return streams;
}
