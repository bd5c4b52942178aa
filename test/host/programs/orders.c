// Runs a program through writ-launchd, as writd does: orders SOCKET UID [LIMIT=NUMBER…] [device=NAME] -- PROGRAM [ARGUMENT…]
// LIMIT is memory, pids, cpu (percent of a processor) or network (as in wire.h). Prints what the program writes, then `cause N, exit N, signal N`.
// Where an order is refused it prints `refused: order N, status N` and ends with 1. The launcher listens to UID alone, and to one at a time.
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../../native/shared/clock.h"
#include "../../../native/shared/lease_page.h"
#include "../../../native/shared/wire.h"

#define AN_HOUR_NS (3600 * NS_PER_SECOND)

struct message {
  struct wire_header header;
  _Alignas(8) char body[8192];
};

struct prepare {
  struct wire_prepare head;
  uint8_t digest[WIRE_DIGEST_SIZE];
};

static int launcher;
static uint64_t requests;

static void require(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(2);
}

// The launcher takes nothing that its sender could still change.
static int sealed(const void *bytes, size_t length) {
  int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  require(fd >= 0 && write(fd, bytes, length) == (ssize_t)length, "memfd");
  require(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0, "seal");
  return fd;
}

// Sends one order; takes over `fd` (-1: none).
static void order(uint16_t type, const void *body, size_t size, int fd) {
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
    *CMSG_FIRSTHDR(&message) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof fd);
  }
  require(sendmsg(launcher, &message, MSG_NOSIGNAL) == (ssize_t)header.length, "send");
  if (fd >= 0) close(fd);
}

// Receives messages until one of a type comes, with up to three descriptors.
static void receive(uint16_t type, struct message *into, int fds[3]) {
  union {
    char space[CMSG_SPACE(3 * sizeof(int))];
    struct cmsghdr align;
  } control;
  do {
    struct iovec part = {into, sizeof *into};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    require(recvmsg(launcher, &message, MSG_CMSG_CLOEXEC) >= (ssize_t)sizeof into->header, "recv");
    if (into->header.status != STATUS_OK) {
      printf("refused: order %u, status %u\n", into->header.type & ~WIRE_ANSWER, into->header.status);
      exit(1);
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c != NULL && fds != NULL) memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
  } while (into->header.type != type);
}

static void pass_on(int fd) {
  char bytes[4096];
  for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;) fwrite(bytes, 1, (size_t)n, stdout);
  fflush(stdout);
  close(fd);
}

// A page of evidence that is fresh for an hour, and the greeting that hands it over.
static void greet(void) {
  static struct message message;
  int fd = memfd_create("lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  require(fd >= 0 && ftruncate(fd, LEASE_PAGE_SIZE) == 0, "memfd");
  struct lease_page *page = mmap(NULL, LEASE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  require(page != MAP_FAILED, "mmap");
  page->magic = LEASE_PAGE_MAGIC;
  atomic_store(&page->epoch, 1);
  atomic_store(&page->instant, boot_time_ns());
  require(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0, "seal");
  order(WIRE_HELLO, NULL, 0, fd);
  receive(WIRE_HELLO | WIRE_ANSWER, &message, NULL);
}

static void run(struct prepare *prepare, const char *device, char **arguments) {
  static struct message message;
  static char strings[4096];
  size_t length = 0;
  int fds[3] = {-1, -1, -1};
  struct {
    struct wire_stage head;
    struct wire_stage_item item;
  } stage = {.head = {.uid = WIRE_UID_ALLOCATE, .count = 1}, .item = {.max_bytes = 1 << 30}};
  pid_t pid = getpid(); // an id is never used twice
  memcpy(stage.head.id, &pid, sizeof pid);
  order(WIRE_STAGE, &stage, sizeof stage, sealed(arguments[0], strlen(arguments[0]) + 1));
  receive(WIRE_STAGE | WIRE_ANSWER, &message, NULL);
  struct wire_staged staged;
  memcpy(&staged, message.body + sizeof(struct wire_staged_answer), sizeof staged);
  memcpy(prepare->digest, staged.digest, WIRE_DIGEST_SIZE);
  memcpy(prepare->head.id, stage.head.id, WIRE_ID_SIZE);
  // Arguments, devices, working directory.
  for (char **one = arguments; *one != NULL; one++, prepare->head.argument_count++)
    length += (size_t)sprintf(strings + length, "%s", *one) + 1;
  if (device != NULL) length += (size_t)sprintf(strings + length, "%s", device) + 1;
  prepare->head.device_count = device != NULL;
  strings[length] = '/';
  order(WIRE_PREPARE, prepare, sizeof *prepare, sealed(strings, length + 2));
  receive(WIRE_PREPARE | WIRE_ANSWER, &message, fds);
  struct wire_start start = {.epoch = 1};
  memcpy(start.id, stage.head.id, WIRE_ID_SIZE);
  order(WIRE_START, &start, sizeof start, -1);
  receive(WIRE_START | WIRE_ANSWER, &message, NULL);
  close(fds[0]);
  pass_on(fds[1]);
  pass_on(fds[2]);
  receive(WIRE_ENDED, &message, NULL);
  struct wire_ended ended;
  memcpy(&ended, message.body, sizeof ended);
  printf("cause %u, exit %d, signal %u\n", ended.cause, ended.exit_code, ended.signal);
}

int main(int argc, char **argv) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct prepare prepare = {.head = {.epoch = 1, .expiry_ns = boot_time_ns() + AN_HOUR_NS, .max_evidence_age_ns = AN_HOUR_NS,
                                     .network = NETWORK_NONE, .stdio = STDIO_ALL, .subject_count = 1,
                                     .uid = WIRE_UID_ALLOCATE, .gid = WIRE_UID_ALLOCATE}};
  const char *device = NULL;
  int at = 3;
  for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
    const char *value = strchr(argv[at], '=');
    require(value != NULL, "LIMIT=NUMBER");
    unsigned long long number = strtoull(++value, NULL, 10);
    if (strncmp(argv[at], "memory=", 7) == 0) prepare.head.memory_bytes = number;
    else if (strncmp(argv[at], "pids=", 5) == 0) prepare.head.pids = (uint32_t)number;
    else if (strncmp(argv[at], "cpu=", 4) == 0) prepare.head.cpu_percent = (uint32_t)number;
    else if (strncmp(argv[at], "network=", 8) == 0) prepare.head.network = (uint32_t)number;
    else device = value;
  }
  require(at + 1 < argc, "orders SOCKET UID [LIMIT=NUMBER...] [device=NAME] -- PROGRAM [ARGUMENT...]");
  uid_t uid = (uid_t)strtoul(argv[2], NULL, 10);
  require(snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]) < (int)sizeof address.sun_path, argv[1]);
  require(setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0, "identity");
  launcher = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  require(launcher >= 0 && connect(launcher, (struct sockaddr *)&address, sizeof address) == 0, argv[1]);
  greet();
  run(&prepare, device, argv + at + 1);
  return 0;
}
