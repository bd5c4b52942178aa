#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../launchd/looks.h"
#include "../shared/clock.h"
#include "../shared/lease_map.h"
#include "../shared/passing.h"
#include "check.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* linux/fcntl.h, Linux 5.1 */
#endif
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
#define AGE (10 * NS_PER_SECOND)

/* A page as writd makes it. */
struct made_page {
  struct lease_page *page;
  int fd;
};

static struct made_page make_page(uint64_t epoch, uint64_t instant, int seals)
{
  struct made_page made = {.fd = memfd_create("lease", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  CHECK(ftruncate(made.fd, LEASE_PAGE_SIZE) == 0);
  made.page = mmap(NULL, LEASE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, made.fd, 0);
  CHECK(made.page != MAP_FAILED && fcntl(made.fd, F_ADD_SEALS, seals) == 0);
  made.page->magic = LEASE_PAGE_MAGIC;
  made.page->epoch = epoch;
  made.page->instant = instant;
  return made;
}

static void drop_page(struct made_page *made)
{
  munmap(made->page, LEASE_PAGE_SIZE);
  close(made->fd);
}

/* Everything that a supervisor looks at for an ADOPT, with what a test changes. */
struct scene {
  enum phase phase;
  uint64_t old_epoch, old_instant, lease_until, expiry, run_until;
  uint64_t epoch, new_epoch, new_instant, new_expiry, most_age;
  int seals;
};

static struct scene good(uint64_t now)
{
  return (struct scene){.phase = RUNNING, .old_epoch = 3, .old_instant = now - AGE / 2, .lease_until = now + AGE / 2,
                        .expiry = UINT64_MAX, .run_until = UINT64_MAX,
                        .epoch = 1, .new_epoch = 1, .new_instant = now - AGE / 4,
                        .new_expiry = UINT64_MAX, .most_age = UINT64_MAX, .seals = SEALS};
}

/* What the supervisor says to an ADOPT. It has gone over to the other page only with OK, and else nothing has changed. */
static enum wire_status adopted(struct scene scene)
{
  static const struct plan plan;
  struct made_page old = make_page(scene.old_epoch, scene.old_instant, SEALS);
  struct made_page new = make_page(scene.new_epoch, scene.new_instant, scene.seals);
  struct deadlines deadlines = {.epoch = 3, .expiry_ns = scene.expiry, .max_evidence_age_ns = AGE};
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0);
  const struct lease_page *before = lease_map(old.fd);
  struct supervisor self = {.plan = &plan, .deadlines = deadlines, .page = before, .control = sockets[0], .phase = scene.phase,
                            .epoch = 3, .run_until = scene.run_until, .lease_until = scene.lease_until};
  struct command command = {.type = COMMAND_ADOPT, .epoch = scene.epoch, .attempt = 8, .expiry_ns = scene.new_expiry,
                            .max_evidence_age_ns = scene.most_age};
  supervisor_adopt(&self, &command, new.fd);

  struct report report = {0};
  CHECK(recv(sockets[1], &report, sizeof report, MSG_DONTWAIT) == sizeof report && report.attempt == 8);
  bool went = self.page != before;
  CHECK(report.type == (went ? REPORT_ADOPTED : REPORT_ADOPT_FAILED) && (report.failure.status == STATUS_OK) == went);
  CHECK(self.epoch == (went ? scene.epoch : 3) && self.phase == scene.phase);
  /* It has gained nothing by it, and lost what the order did not give. */
  uint64_t age = went && scene.most_age < AGE ? scene.most_age : AGE;
  CHECK(self.deadlines.expiry_ns == (went && scene.new_expiry < scene.expiry ? scene.new_expiry : scene.expiry));
  CHECK(self.deadlines.max_evidence_age_ns == age);
  if (went) {
    CHECK(self.lease_until == scene.new_instant + age && looks_take(&self) == CAUSE_NONE);
    new.page->epoch++; /* it is this page that it looks at from now on */
    CHECK(looks_take(&self) == CAUSE_EPOCH);
  }
  lease_unmap(self.page);
  close(sockets[0]);
  close(sockets[1]);
  drop_page(&old);
  drop_page(&new);
  return report.failure.status;
}

#define WITH(field, value, expected)     \
  do {                                   \
    uint64_t now = boot_time_ns();       \
    struct scene scene = good(now);      \
    scene.field = (value);               \
    CHECK(adopted(scene) == (expected)); \
  } while (0)

static void test_decisions(void)
{
  WITH(phase, RUNNING, STATUS_OK);
  /* What it has lived by until now is over: whatever the new page says. */
  WITH(old_epoch, 4, STATUS_EPOCH_OVER);
  WITH(old_instant, now - AGE, STATUS_LEASE_OVER);
  WITH(old_instant, 0, STATUS_LEASE_OVER);
  WITH(lease_until, now - AGE / 2 - 1, STATUS_LEASE_OVER); /* evidence came after a time without any */
  WITH(expiry, now, STATUS_EXPIRED);
  WITH(run_until, now, STATUS_EXPIRED);
  /* What it would live by makes no lease. */
  WITH(new_epoch, 2, STATUS_EPOCH_OVER);
  WITH(epoch, 2, STATUS_EPOCH_OVER);
  WITH(new_instant, 0, STATUS_LEASE_OVER);
  WITH(new_instant, now - AGE, STATUS_LEASE_OVER);
  WITH(new_instant, now + AGE, STATUS_LEASE_OVER);
  /* The order takes time away, and gives none. */
  WITH(new_expiry, now + AGE, STATUS_OK);
  WITH(new_expiry, now, STATUS_EXPIRED);
  WITH(most_age, AGE / 2, STATUS_OK);
  WITH(most_age, AGE / 4, STATUS_LEASE_OVER);
  WITH(most_age, 0, STATUS_LEASE_OVER);
  WITH(expiry, now + AGE, STATUS_OK);
  /* A page that writd could take away, or write to in another way. */
  WITH(seals, SEALS & ~F_SEAL_SHRINK, STATUS_BAD_LEASE);
  WITH(seals, SEALS & ~F_SEAL_SEAL, STATUS_BAD_LEASE);
  WITH(seals, SEALS & ~F_SEAL_FUTURE_WRITE, STATUS_BAD_LEASE);
  /* What does not run. */
  WITH(phase, READY, STATUS_BAD_STATE);
  WITH(phase, STARTING, STATUS_BAD_STATE);
  WITH(phase, HELD, STATUS_BAD_STATE);
}

static void test_messages(void)
{
  int sockets[2], fd = 0;
  char byte = 'a';
  CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0);
  CHECK(take_message(sockets[1], &byte, 1, &fd) == -1 && fd == -1); /* nothing is there */
  CHECK(pass_message(sockets[0], &byte, 1, -1) && take_message(sockets[1], &byte, 1, &fd) == 1 && fd == -1);
  CHECK(pass_message(sockets[0], &byte, 1, sockets[0]) && take_message(sockets[1], &byte, 1, &fd) == 1 && fd >= 0);
  close(fd);
  /* Cut: its descriptor is nobody's. */
  CHECK(pass_message(sockets[0], "ab", 2, sockets[0]) && take_message(sockets[1], &byte, 1, &fd) == 1 && fd == -1);
  close(sockets[0]);
  CHECK(!pass_message(sockets[1], &byte, 1, -1) && take_message(sockets[1], &byte, 1, &fd) == 0 && fd == -1);
  close(sockets[1]);
}

void test_adoption(void)
{
  test_decisions();
  test_messages();
}
