#include "orders.h"

#include <signal.h>
#include <string.h>

/* Copies the next `size` bytes out of the message. */
struct cursor {
  const unsigned char *at;
  size_t left;
};

static bool take(struct cursor *cursor, void *into, size_t size)
{
  if (cursor->left < size)
    return false;
  memcpy(into, cursor->at, size);
  cursor->at += size;
  cursor->left -= size;
  return true;
}

static bool stage_read(struct cursor *cursor, struct order *order)
{
  struct wire_stage *stage = &order->stage;
  if (!take(cursor, stage, sizeof *stage) || stage->count < 1 || stage->count > WIRE_SUBJECTS_MAX ||
      stage->program >= stage->count || !take(cursor, order->items, stage->count * sizeof *order->items))
    return false;
  for (uint32_t i = 0; i < stage->count; i++)
    if (order->items[i].kind > KIND_TREE || order->items[i].zero != 0)
      return false;
  return order->items[stage->program].kind == KIND_FILE;
}

/* Numbers for the program, each once; what is not used is zero. */
static bool secrets_read(const struct wire_prepare *prepare)
{
  if (prepare->secret_count > WIRE_SECRETS_MAX)
    return false;
  for (uint32_t i = 0; i < WIRE_SECRETS_MAX; i++) {
    uint32_t number = prepare->secrets[i];
    if (i >= prepare->secret_count ? number != 0 : number < WIRE_SECRET_FIRST || number > WIRE_SECRET_LAST)
      return false;
    for (uint32_t other = 0; other < i && i < prepare->secret_count; other++)
      if (prepare->secrets[other] == number)
        return false;
  }
  return true;
}

static bool prepare_read(struct cursor *cursor, struct order *order)
{
  struct wire_prepare *prepare = &order->prepare;
  return take(cursor, prepare, sizeof *prepare) && prepare->subject_count >= 1 &&
         prepare->subject_count <= WIRE_SUBJECTS_MAX && prepare->group_count <= WIRE_GROUPS_MAX &&
         prepare->writable_count <= WIRE_WRITABLE_MAX && prepare->argument_count >= 1 &&
         prepare->argument_count <= WIRE_STRINGS_MAX && prepare->environment_count <= WIRE_STRINGS_MAX &&
         prepare->network <= NETWORK_LOOPBACK && prepare->profile <= PROFILE_STRICT &&
         prepare->device_count <= WIRE_DEVICES_MAX && prepare->children <= 1 && secrets_read(prepare) &&
         (prepare->stdio <= STDIO_ALL || prepare->stdio == STDIO_TERMINAL) &&
         take(cursor, order->digests, (size_t)prepare->subject_count * WIRE_DIGEST_SIZE);
}

/*
 * What one may send to a program of one's own to have it act: not SIGKILL (KILL ends the whole execution, and says why), not SIGSTOP
 * (it would look like a freeze that nobody ordered), not the signals by which the kernel reports a fault.
 */
static bool signal_allowed(uint32_t number)
{
  static const uint32_t allowed[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCONT, SIGWINCH};
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
    if (number == allowed[i])
      return true;
  return false;
}

static bool body_read(struct cursor *cursor, struct order *order)
{
  switch (order->type) {
  case WIRE_HELLO:
  case WIRE_LEAVE:
    return true;
  case WIRE_OPEN_LOG:
    return take(cursor, &order->open_log, sizeof order->open_log) && order->open_log.zero == 0 &&
           order->open_log.kind >= LOG_EVENT && order->open_log.kind <= LOG_IMA;
  case WIRE_STAGE:
    return stage_read(cursor, order);
  case WIRE_PREPARE:
    return prepare_read(cursor, order);
  case WIRE_START:
    return take(cursor, &order->start, sizeof order->start);
  case WIRE_KILL:
    return take(cursor, &order->kill, sizeof order->kill) && order->kill.zero == 0 &&
           order->kill.cause >= CAUSE_ORDERED_FIRST && order->kill.cause < CAUSE_ORDERED_END;
  case WIRE_LAPSE:
    return take(cursor, &order->lapse, sizeof order->lapse) && order->lapse.hold <= 1 && order->lapse.zero == 0;
  case WIRE_ABANDON:
    return take(cursor, &order->abandon, sizeof order->abandon);
  case WIRE_LIST:
    return take(cursor, &order->list, sizeof order->list) && order->list.zero == 0;
  case WIRE_THAW:
    return take(cursor, &order->thaw, sizeof order->thaw);
  case WIRE_SIGNAL:
    return take(cursor, &order->signal, sizeof order->signal) && order->signal.zero == 0 &&
           signal_allowed(order->signal.signal);
  case WIRE_CALLER:
    return take(cursor, &order->caller, sizeof order->caller) && order->caller.zero == 0 && order->caller.pid >= 1 &&
           order->caller.pid <= INT32_MAX && order->caller.uid != WIRE_NONE && order->caller.gid != WIRE_NONE;
  case WIRE_KEEP:
    return take(cursor, &order->keep, sizeof order->keep) && order->keep.socket <= 1 &&
           (order->keep.streams <= STDIO_ALL || order->keep.streams == STDIO_TERMINAL);
  case WIRE_ADOPT:
    return take(cursor, &order->adopt, sizeof order->adopt);
  case WIRE_NOTE:
    return take(cursor, &order->note, sizeof order->note);
  default:
    return false;
  }
}

static size_t descriptors_expected(const struct order *order)
{
  if (order->type == WIRE_PREPARE)
    return 1 + (size_t)order->prepare.secret_count;
  if (order->type == WIRE_KEEP)
    return (size_t)__builtin_popcount(order->keep.streams) + order->keep.socket;
  return order->type == WIRE_HELLO || order->type == WIRE_STAGE || order->type == WIRE_CALLER ? 1 : 0;
}

bool order_read(const void *message, size_t length, size_t descriptors, struct order *order)
{
  memset(order, 0, sizeof *order);
  struct cursor cursor = {.at = message, .left = length};
  struct wire_header header;
  if (!take(&cursor, &header, sizeof header) || header.magic != WIRE_MAGIC || header.version != WIRE_VERSION)
    return false;
  order->request = header.request;
  order->type = header.type;
  return header.length == length && header.status == 0 && header.request != 0 &&
         body_read(&cursor, order) && cursor.left == 0 && descriptors == descriptors_expected(order);
}

size_t order_string_count(const struct order *order)
{
  if (order->type == WIRE_STAGE)
    return order->stage.count;
  if (order->type == WIRE_PREPARE)
    return (size_t)order->prepare.argument_count + order->prepare.environment_count +
           order->prepare.writable_count + order->prepare.device_count + 1;
  return 0;
}
