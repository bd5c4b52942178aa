/* CALLER: who may be looked at, and the places of the processes that do. */
#include "callers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "launcher.h"

/* Nobody looks with the rights of root or of writd: these are not known. */
static bool may_look_as(const struct config *config, uid_t uid, gid_t gid)
{
  return uid != 0 && uid != config->writd_uid && gid != 0 && gid != config->writd_gid;
}

/* NULL when too many are at work, or too many of this user's. */
static struct caller_place *free_place(struct callers *callers, uid_t uid)
{
  struct caller_place *found = NULL;
  unsigned same = 0;
  for (size_t i = 0; i < CALLERS_MAX; i++) {
    struct caller_place *place = &callers->places[i];
    if (place->process == 0)
      found = place;
    else if (place->uid == uid)
      same++;
  }
  return same < CALLERS_OF_ONE_UID ? found : NULL;
}

struct failure caller_look(struct launcher *launcher, const struct order *order, int pidfd)
{
  const struct config *config = &launcher->config;
  struct caller caller = {.uid = order->caller.uid,
                          .gid = order->caller.gid,
                          .own = order->caller.uid >= config->uids.first && order->caller.uid <= config->uids.last,
                          .pid = (pid_t)order->caller.pid,
                          .pidfd = pidfd};
  if (!may_look_as(config, caller.uid, caller.gid))
    return failed(STATUS_CALLER_UNKNOWN, EPERM, WIRE_NONE);
  struct caller_place *place = free_place(&launcher->callers, caller.uid);
  if (place == NULL)
    return failed(STATUS_CAPACITY, 0, WIRE_NONE);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
    return failed(STATUS_INTERNAL, errno, WIRE_NONE);
  pid_t parent = getpid();
  pid_t process = fork();
  if (process == 0) {
    int keep[] = {ends[1], pidfd, STDERR_FILENO};
    keep_only(keep, sizeof keep / sizeof *keep);
    caller_describe(&caller, parent, ends[1]);
  }
  close(ends[1]);
  if (process < 0) {
    close(ends[0]);
    return failed(STATUS_INTERNAL, errno, WIRE_NONE);
  }
  *place = (struct caller_place){.process = process,
                                 .uid = caller.uid,
                                 .report = ends[0],
                                 .request = order->request,
                                 .waits_by = boot_time_ns() + config->stage_seconds * NS_PER_SECOND};
  return failed(STATUS_OK, 0, WIRE_NONE);
}

/* One that says nothing was ended: its user may do that. */
static void answer_look(struct launcher *launcher, const struct caller_place *place)
{
  struct wire_staged said;
  if (read(place->report, &said, sizeof said) != sizeof said) {
    refuse(launcher, WIRE_CALLER, place->request, failed(STATUS_CALLER_UNKNOWN, 0, WIRE_NONE));
  } else if (said.status != STATUS_OK) {
    refuse(launcher, WIRE_CALLER, place->request, failed((enum wire_status)said.status, said.error, WIRE_NONE));
  } else {
    struct wire_caller_answer body = {.size = said.size};
    memcpy(body.digest, said.digest, sizeof body.digest);
    answer(launcher, WIRE_CALLER, place->request, &body, sizeof body);
  }
}

/* Answered only now: who has the answer has the place. */
bool on_caller_look_exited(struct launcher *launcher, pid_t process)
{
  for (size_t i = 0; i < CALLERS_MAX; i++) {
    struct caller_place *place = &launcher->callers.places[i];
    if (place->process != process)
      continue;
    place->process = 0;
    if (place->report >= 0)
      answer_look(launcher, place);
    close_fd(&place->report);
    return true;
  }
  return false;
}

bool callers_need_tending(const struct launcher *launcher)
{
  for (size_t i = 0; i < CALLERS_MAX; i++)
    if (launcher->callers.places[i].process != 0 && launcher->callers.places[i].report >= 0)
      return true;
  return false;
}

/* What a file system keeps in the kernel ends when that lets it go. */
static void give_up(struct caller_place *place)
{
  kill(place->process, SIGKILL); /* our child, not reaped: the number is still its own */
  close_fd(&place->report);
}

void callers_tend(struct launcher *launcher)
{
  uint64_t now = boot_time_ns();
  for (size_t i = 0; i < CALLERS_MAX; i++) {
    struct caller_place *place = &launcher->callers.places[i];
    if (place->process == 0 || place->report < 0 || now < place->waits_by)
      continue;
    give_up(place);
    refuse(launcher, WIRE_CALLER, place->request, failed(STATUS_STAGE_TIMEOUT, 0, WIRE_NONE));
  }
}

void callers_end(struct launcher *launcher)
{
  for (size_t i = 0; i < CALLERS_MAX; i++)
    if (launcher->callers.places[i].process != 0 && launcher->callers.places[i].report >= 0)
      give_up(&launcher->callers.places[i]);
}
