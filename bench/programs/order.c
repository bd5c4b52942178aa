/*
 * order SOCKET UID [COUNT]: runs /bin/true through writ-launchd, as writd does but for the Node: stages it, prepares it with the
 * digest that was found, starts it, and waits for the event that says that nothing of it is left. COUNT of them at once, by default one.
 */
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../native/shared/clock.h"
#include "../../native/shared/lease_page.h"
#include "../../native/shared/wire.h"
#include "stopwatch.h"

#define PROGRAM "/bin/true"

struct message {
  struct wire_header header;
  _Alignas(8) char body[8192];
};

static int launcher;
static struct lease_page *page;
static uint64_t requests;

static int sealed(const void *bytes, size_t length, unsigned seals)
{
  int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && fcntl(fd, F_ADD_SEALS, seals) == 0, "memfd");
  return fd;
}

static int table(const char *strings, size_t length)
{
  return sealed(strings, length, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
}

/* Sends one order; takes over `fd` (-1: none). */
static void order(uint16_t type, const void *body, size_t size, int fd)
{
  struct wire_header header = {WIRE_MAGIC, WIRE_VERSION, type, ++requests, (uint32_t)(sizeof header + size), 0};
  struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)body, size}};
  union {
    char space[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    *CMSG_FIRSTHDR(&message) =
        (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof fd);
  }
  require(sendmsg(launcher, &message, MSG_NOSIGNAL) == (ssize_t)header.length, "send");
  if (fd >= 0)
    close(fd);
}

/* Receives one message that says that all is well, with up to three descriptors. */
static void receive(struct message *into, int fds[3])
{
  union {
    char space[CMSG_SPACE(3 * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec part = {into, sizeof *into};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(launcher, &message, MSG_CMSG_CLOEXEC);
  require(length >= (ssize_t)sizeof into->header, "recv");
  if (into->header.status != STATUS_OK) {
    fprintf(stderr, "message %#x, status %u\n", into->header.type, into->header.status);
    exit(1);
  }
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  if (c != NULL && fds != NULL)
    memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

static void drain(int fd)
{
  char bytes[4096];
  while (read(fd, bytes, sizeof bytes) > 0)
    ;
  close(fd);
}

/* ------------------------------------------------------------------ launches */

#define MOST 1024

struct launch {
  uint8_t id[WIRE_ID_SIZE];
  int fds[3];
};

static unsigned at_once = 1;
static struct launch launches[MOST];
static struct launch *asked[MOST]; /* by the number of the order that waits for an answer */

static void ask(struct launch *launch, uint16_t type, const void *body, size_t size, int fd)
{
  asked[(requests + 1) % MOST] = launch;
  order(type, body, size, fd);
}

static void stage(struct launch *launch)
{
  static uint32_t count;
  struct {
    struct wire_stage head;
    struct wire_stage_item item;
  } body = {.head = {.uid = WIRE_UID_ALLOCATE, .count = 1}, .item = {.max_bytes = 1 << 30}};
  count++;
  memcpy(launch->id, &count, sizeof count);
  memcpy(body.head.id, launch->id, WIRE_ID_SIZE);
  ask(launch, WIRE_STAGE, &body, sizeof body, table(PROGRAM, sizeof PROGRAM));
}

static void prepare(struct launch *launch, const struct message *answer)
{
  struct wire_staged staged;
  memcpy(&staged, answer->body + sizeof(struct wire_staged_answer), sizeof staged);
  struct {
    struct wire_prepare head;
    uint8_t digest[WIRE_DIGEST_SIZE];
  } body = {.head = {.epoch = 1,
                     .expiry_ns = boot_time_ns() + 60 * NS_PER_SECOND,
                     .max_evidence_age_ns = 60 * NS_PER_SECOND,
                     .network = NETWORK_NONE,
                     .stdio = STDIO_ALL,
                     .argument_count = 1,
                     .subject_count = 1,
                     .uid = WIRE_UID_ALLOCATE,
                     .gid = WIRE_UID_ALLOCATE}};
  memcpy(body.head.id, launch->id, WIRE_ID_SIZE);
  memcpy(body.digest, staged.digest, WIRE_DIGEST_SIZE);
  ask(launch, WIRE_PREPARE, &body, sizeof body, table(PROGRAM "\0/", sizeof PROGRAM + 2));
}

static void start(struct launch *launch)
{
  struct wire_start body = {.epoch = 1};
  memcpy(body.id, launch->id, WIRE_ID_SIZE);
  ask(launch, WIRE_START, &body, sizeof body, -1);
}

/* True when it was the end of one of them. */
static bool go_on(const struct message *message, const int fds[3])
{
  if (message->header.type == WIRE_ENDED) {
    struct wire_ended ended;
    memcpy(&ended, message->body, sizeof ended);
    require(ended.exit_code == 0, "it did not exit with 0");
    return true;
  }
  struct launch *launch = asked[message->header.request % MOST];
  if (message->header.type == (WIRE_STAGE | WIRE_ANSWER)) {
    prepare(launch, message);
  } else if (message->header.type == (WIRE_PREPARE | WIRE_ANSWER)) {
    memcpy(launch->fds, fds, sizeof launch->fds);
    start(launch);
  } else if (message->header.type == (WIRE_START | WIRE_ANSWER)) {
    close(launch->fds[0]);
    drain(launch->fds[1]);
    drain(launch->fds[2]);
  }
  return false;
}

static uint64_t once(void)
{
  static struct message message;
  int fds[3] = {-1, -1, -1};
  uint64_t from = now_ns();
  atomic_store(&page->instant, boot_time_ns());
  for (unsigned i = 0; i < at_once; i++)
    stage(&launches[i]);
  for (unsigned ended = 0; ended < at_once;) {
    receive(&message, fds);
    ended += go_on(&message, fds);
  }
  return now_ns() - from;
}

/* A page of fresh evidence, and the greeting that hands it over. */
static void greet(void)
{
  static struct message message;
  int fd = memfd_create("lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  require(fd >= 0 && ftruncate(fd, LEASE_PAGE_SIZE) == 0, "memfd");
  page = mmap(NULL, LEASE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  require(page != MAP_FAILED, "mmap");
  page->magic = LEASE_PAGE_MAGIC;
  atomic_store(&page->epoch, 1);
  atomic_store(&page->instant, boot_time_ns());
  require(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0, "seal");
  order(WIRE_HELLO, NULL, 0, fd);
  receive(&message, NULL);
  require(message.header.type == (WIRE_HELLO | WIRE_ANSWER), "HELLO");
}

int main(int argc, char **argv)
{
  require(argc == 3 || argc == 4, "order SOCKET UID [COUNT]");
  if (argc == 4)
    at_once = (unsigned)strtoul(argv[3], NULL, 10);
  require(at_once > 0 && at_once <= MOST / 2, "COUNT");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  uid_t uid = (uid_t)strtoul(argv[2], NULL, 10);
  require(strlen(argv[1]) < sizeof address.sun_path, "a path that is too long");
  strcpy(address.sun_path, argv[1]);
  require(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0, "identity");
  launcher = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  require(launcher >= 0 && connect(launcher, (struct sockaddr *)&address, sizeof address) == 0, argv[1]);
  greet();
  return serve(once);
}
