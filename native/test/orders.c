#include "../launchd/orders.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

struct message {
  size_t length;
  size_t descriptors;
  unsigned char bytes[1024];
};

static void put(struct message *message, const void *bytes, size_t size)
{
  memcpy(message->bytes + message->length, bytes, size);
  message->length += size;
  struct wire_header *header = (struct wire_header *)(void *)message->bytes;
  header->length = (uint32_t)message->length;
}

static struct message begin(uint16_t type, size_t descriptors)
{
  struct message message = {.descriptors = descriptors};
  struct wire_header header = {WIRE_MAGIC, WIRE_VERSION, type, 7, 0, 0};
  put(&message, &header, sizeof header);
  return message;
}

static struct message valid(uint16_t type)
{
  static const struct wire_stage_item items[2] = {{.max_bytes = 1, .kind = KIND_TREE}, {.max_bytes = 2}};
  static const uint8_t digests[2][WIRE_DIGEST_SIZE];
  struct wire_open_log open_log = {.kind = LOG_IMA};
  struct wire_stage stage = {.count = 2, .program = 1};
  struct wire_prepare prepare = {.argument_count = 1, .subject_count = 2};
  struct wire_start start = {.epoch = 1};
  struct wire_kill kill = {.cause = CAUSE_REVOKED};
  struct wire_lapse lapse = {.epoch = 1};
  struct wire_abandon abandon = {{0}};
  struct wire_list list = {.offset = 0};
  struct wire_thaw thaw = {.epoch = 2};
  struct wire_signal order_signal = {.signal = SIGTERM};
  struct wire_caller caller = {.uid = 1000, .gid = 1000, .pid = 2};
  struct wire_keep keep = {.streams = STDIO_STDIN | STDIO_STDERR, .socket = 1};
  struct wire_adopt adopt = {.epoch = 3};
  struct wire_note note = {.number = 4};
  bool carries = type == WIRE_HELLO || type == WIRE_STAGE || type == WIRE_PREPARE || type == WIRE_CALLER;
  struct message message = begin(type, type == WIRE_KEEP ? 3 : carries ? 1 : 0);
  switch (type) {
  case WIRE_OPEN_LOG:
    put(&message, &open_log, sizeof open_log);
    break;
  case WIRE_STAGE:
    put(&message, &stage, sizeof stage);
    put(&message, items, sizeof items);
    break;
  case WIRE_PREPARE:
    put(&message, &prepare, sizeof prepare);
    put(&message, digests, sizeof digests);
    break;
  case WIRE_START:
    put(&message, &start, sizeof start);
    break;
  case WIRE_KILL:
    put(&message, &kill, sizeof kill);
    break;
  case WIRE_LAPSE:
    put(&message, &lapse, sizeof lapse);
    break;
  case WIRE_ABANDON:
    put(&message, &abandon, sizeof abandon);
    break;
  case WIRE_LIST:
    put(&message, &list, sizeof list);
    break;
  case WIRE_THAW:
    put(&message, &thaw, sizeof thaw);
    break;
  case WIRE_SIGNAL:
    put(&message, &order_signal, sizeof order_signal);
    break;
  case WIRE_CALLER:
    put(&message, &caller, sizeof caller);
    break;
  case WIRE_KEEP:
    put(&message, &keep, sizeof keep);
    break;
  case WIRE_ADOPT:
    put(&message, &adopt, sizeof adopt);
    break;
  case WIRE_NOTE:
    put(&message, &note, sizeof note);
    break;
  default:
    break;
  }
  return message;
}

/* Reads a copy of exactly that length, so that a sanitizer sees a read past the end. */
static bool reads(const struct message *message, struct order *order)
{
  void *copy = malloc(message->length == 0 ? 1 : message->length);
  memcpy(copy, message->bytes, message->length);
  bool good = order_read(copy, message->length, message->descriptors, order);
  free(copy);
  return good;
}

static void test_each_type(void)
{
  static struct order order;
  for (uint16_t type = WIRE_HELLO; type < WIRE_ORDER_END; type++) {
    struct message message = valid(type);
    CHECK(reads(&message, &order) && order.type == type && order.request == 7);

    struct message other = message;
    other.descriptors++;
    CHECK(!reads(&other, &order));
    if (message.descriptors > 0) {
      other.descriptors = message.descriptors - 1;
      CHECK(!reads(&other, &order));
    }

    other = message;
    put(&other, "x", 1);
    CHECK(!reads(&other, &order)); /* trailing bytes */

    for (size_t length = 0; length < message.length; length++) {
      other = message;
      other.length = length;
      CHECK(!reads(&other, &order)); /* cut, as it is */
      if (length >= sizeof(struct wire_header)) {
        put(&other, "", 0);
        CHECK(!reads(&other, &order)); /* cut, and honest about it */
      }
    }
  }
}

#define REFUSED(type, body, field, value)                                                                           \
  do {                                                                                                              \
    static struct order order;                                                                                      \
    struct message message = valid(type);                                                                           \
    struct body changed;                                                                                            \
    memcpy(&changed, message.bytes + sizeof(struct wire_header), sizeof changed);                                   \
    changed.field = (value);                                                                                        \
    memcpy(message.bytes + sizeof(struct wire_header), &changed, sizeof changed);                                   \
    CHECK(!reads(&message, &order));                                                                                \
  } while (0)

static void test_bounds(void)
{
  REFUSED(WIRE_CALLER, wire_caller, uid, UINT32_MAX);
  REFUSED(WIRE_CALLER, wire_caller, gid, UINT32_MAX);
  REFUSED(WIRE_CALLER, wire_caller, pid, 0);
  REFUSED(WIRE_CALLER, wire_caller, pid, UINT32_C(1) << 31);
  REFUSED(WIRE_CALLER, wire_caller, zero, 1);
  REFUSED(WIRE_OPEN_LOG, wire_open_log, kind, 0);
  REFUSED(WIRE_OPEN_LOG, wire_open_log, kind, LOG_IMA + 1);
  REFUSED(WIRE_STAGE, wire_stage, count, 0);
  REFUSED(WIRE_STAGE, wire_stage, count, WIRE_SUBJECTS_MAX + 1);
  REFUSED(WIRE_STAGE, wire_stage, count, UINT32_MAX);
  REFUSED(WIRE_STAGE, wire_stage, program, 2);
  REFUSED(WIRE_STAGE, wire_stage, program, 0); /* a directory */
  REFUSED(WIRE_PREPARE, wire_prepare, argument_count, 0);
  REFUSED(WIRE_PREPARE, wire_prepare, argument_count, UINT32_MAX);
  REFUSED(WIRE_PREPARE, wire_prepare, environment_count, UINT32_MAX);
  REFUSED(WIRE_PREPARE, wire_prepare, writable_count, WIRE_WRITABLE_MAX + 1);
  REFUSED(WIRE_PREPARE, wire_prepare, group_count, WIRE_GROUPS_MAX + 1);
  REFUSED(WIRE_PREPARE, wire_prepare, subject_count, UINT32_MAX);
  REFUSED(WIRE_PREPARE, wire_prepare, network, NETWORK_LOOPBACK + 1);
  REFUSED(WIRE_PREPARE, wire_prepare, stdio, STDIO_TERMINAL | STDIO_STDIN);
  REFUSED(WIRE_PREPARE, wire_prepare, stdio, 2 * STDIO_TERMINAL);
  REFUSED(WIRE_PREPARE, wire_prepare, profile, PROFILE_STRICT + 1);
  REFUSED(WIRE_PREPARE, wire_prepare, device_count, WIRE_DEVICES_MAX + 1);
  REFUSED(WIRE_PREPARE, wire_prepare, children, 2);
  REFUSED(WIRE_PREPARE, wire_prepare, secret_count, WIRE_SECRETS_MAX + 1);
  REFUSED(WIRE_PREPARE, wire_prepare, secrets[0], WIRE_SECRET_FIRST); /* and none is counted */
  REFUSED(WIRE_KILL, wire_kill, cause, CAUSE_EXITED); /* decided in C, not said by writd */
  REFUSED(WIRE_KILL, wire_kill, cause, CAUSE_ORDERED_END);
  REFUSED(WIRE_KEEP, wire_keep, socket, 2);
  REFUSED(WIRE_KEEP, wire_keep, socket, UINT32_MAX);
  REFUSED(WIRE_KEEP, wire_keep, streams, STDIO_TERMINAL | STDIO_STDIN);
  REFUSED(WIRE_KEEP, wire_keep, streams, 2 * STDIO_TERMINAL);
  REFUSED(WIRE_KEEP, wire_keep, streams, UINT32_MAX);
  REFUSED(WIRE_KEEP, wire_keep, streams, STDIO_TERMINAL); /* and a descriptor too many */
  REFUSED(WIRE_LAPSE, wire_lapse, hold, 2);
  REFUSED(WIRE_LAPSE, wire_lapse, zero, 1);
  REFUSED(WIRE_SIGNAL, wire_signal, zero, 1);
  REFUSED(WIRE_SIGNAL, wire_signal, signal, 0);
  REFUSED(WIRE_SIGNAL, wire_signal, signal, SIGKILL); /* KILL says why, and ends all of it */
  REFUSED(WIRE_SIGNAL, wire_signal, signal, SIGSTOP); /* would look like a freeze */
  REFUSED(WIRE_SIGNAL, wire_signal, signal, SIGSEGV); /* is the kernel's to say */
  REFUSED(WIRE_SIGNAL, wire_signal, signal, UINT32_MAX);
}

static void test_header(void)
{
  static struct order order;
  struct message message = valid(WIRE_LIST);
  for (size_t i = 0; i < sizeof(struct wire_header); i++) {
    if (i >= 8 && i < 16)
      continue; /* the request id may be anything but 0 */
    struct message other = message;
    other.bytes[i] ^= 0x40;
    CHECK(!reads(&other, &order));
  }
  struct message none = message;
  memset(none.bytes + 8, 0, 8);
  CHECK(!reads(&none, &order));
}

/* Whatever comes, what is read afterwards is within its bounds. */
static void fuzz(void)
{
  static struct order order;
  uint64_t random = 2;
  unsigned accepted = 0;
  for (int i = 0; i < 200000; i++) {
    struct message message = valid((uint16_t)(WIRE_HELLO + next_random(&random) % (WIRE_ORDER_END - WIRE_HELLO)));
    unsigned changes = next_random(&random) % 4;
    for (unsigned k = 0; k < changes; k++)
      message.bytes[next_random(&random) % message.length] = (unsigned char)next_random(&random);
    if (next_random(&random) % 4 == 0) {
      message.length = next_random(&random) % (message.length + 1);
      if (message.length >= sizeof(struct wire_header))
        put(&message, "", 0);
    }
    message.descriptors = next_random(&random) % 8 == 0 ? next_random(&random) % 6 : message.descriptors;
    if (!reads(&message, &order))
      continue;
    accepted++;
    CHECK(order.type >= WIRE_HELLO && order.type < WIRE_ORDER_END);
    CHECK(order.type != WIRE_STAGE || order.stage.program < order.stage.count);
    CHECK(order.type != WIRE_KEEP || (order.keep.streams <= STDIO_TERMINAL && order.keep.socket <= 1));
    CHECK(order_string_count(&order) <= 2 * WIRE_STRINGS_MAX + WIRE_WRITABLE_MAX + 1);
  }
  CHECK(accepted > 1000);
}

void test_orders(void)
{
  test_each_type();
  test_bounds();
  test_header();
  fuzz();
}
