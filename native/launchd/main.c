/*
 * writ-launchd: starts and ends executions for writd, as root, in one thread around one epoll set. Nothing slow happens
 * here: files are read by stagers, executions are made and watched by supervisors, each a process of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "../shared/notify.h"
#include "../shared/watchdog.h"
#include "launcher.h"
#include "listener.h"
#include "log.h"
#include "sandbox/sandbox.h"

#define SWEEP_MS 10000
#define STOP_NS (10 * NS_PER_SECOND)
#define TEND_MS 100
#define EVENTS 64
#define MESSAGES_PER_TURN 32

/* What an epoll event is about; smaller numbers are places in the table of executions. */
enum { ABOUT_LISTENER = INT32_MAX - 3, ABOUT_CONNECTION, ABOUT_SIGNALS, ABOUT_SPARES };

static void watch(struct launcher *launcher, int fd, uint32_t events, uint64_t about, int how)
{
  struct epoll_event event = {.events = events, .data.u64 = about};
  if (epoll_ctl(launcher->epoll, how, fd, &event) != 0)
    die_errno("epoll_ctl");
}

/* ------------------------------------------------------------------ writd */

static void on_disconnect(struct launcher *launcher)
{
  log_line("writd is gone");
  epoll_ctl(launcher->epoll, EPOLL_CTL_DEL, launcher->connection.fd, NULL);
  connection_close(&launcher->connection);
  launcher->broken = false;
  callers_end(launcher);
  /* What runs lives on until its lease ends, or until the next greeting where it is not to be kept; what never began, or is held, has nobody left to let it go on. */
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    struct execution *execution = &launcher->executions.items[i];
    execution->request = 0;
    if (execution->state >= EXECUTION_STAGING && execution->state <= EXECUTION_READY)
      end_execution(launcher, execution, CAUSE_ABANDONED);
    else if (execution->state == EXECUTION_HELD)
      end_execution(launcher, execution, CAUSE_LAPSE);
  }
  keep_what_runs(launcher);
}

static void on_message(struct launcher *launcher, const struct incoming *incoming)
{
  static struct order order;
  if (order_read(incoming->bytes, incoming->length, incoming->count, &order))
    dispatch(launcher, &order, incoming->fds);
  else if (order.request != 0)
    refuse(launcher, order.type, order.request, failed(STATUS_MALFORMED, 0, WIRE_NONE));
  else
    launcher->broken = true; /* not our protocol at all */
}

static void on_connection(struct launcher *launcher, uint32_t events)
{
  static struct incoming incoming;
  /* Also to find out that nobody is there any more who reads. */
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
    connection_flush(&launcher->connection);
  for (int i = 0; i < MESSAGES_PER_TURN && !launcher->broken; i++) {
    if (connection_is_blocked(&launcher->connection))
      break; /* no new orders while answers wait */
    enum receive_result result = connection_receive(&launcher->connection, &incoming);
    if (result == RECEIVE_NOTHING)
      break;
    if (result == RECEIVE_END) {
      launcher->broken = true;
      break;
    }
    on_message(launcher, &incoming);
    for (size_t k = 0; k < incoming.count; k++)
      close_fd(&incoming.fds[k]);
  }
}

/*
 * A writd that comes back at once can be seen before the end of its earlier connection is. What that one still ordered
 * is carried out first.
 */
static void finish_ended_connection(struct launcher *launcher)
{
  struct pollfd peer = {.fd = launcher->connection.fd, .events = POLLRDHUP};
  if (peer.fd < 0 || poll(&peer, 1, 0) != 1 || (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0)
    return;
  connection_end(&launcher->connection);
  while (!launcher->broken)
    on_connection(launcher, EPOLLIN);
  on_disconnect(launcher);
}

static void on_listener(struct launcher *launcher)
{
  CLEANUP_FD int fd = listener_accept(launcher->listener, launcher->config.writd_uid);
  if (fd < 0)
    return;
  finish_ended_connection(launcher);
  if (launcher->connection.fd >= 0) {
    log_line("refused a second connection of writd");
    return;
  }
  launcher->connection.fd = steal_fd(&fd);
  watch(launcher, launcher->connection.fd, EPOLLIN, ABOUT_CONNECTION, EPOLL_CTL_ADD);
}

/* Reading stops while something waits to be written, and the other way round. */
static void settle_connection(struct launcher *launcher)
{
  const struct connection *connection = &launcher->connection;
  if (launcher->broken && connection->fd >= 0)
    on_disconnect(launcher);
  if (connection->fd >= 0)
    watch(launcher, connection->fd, connection_is_blocked(connection) ? EPOLLOUT : EPOLLIN, ABOUT_CONNECTION, EPOLL_CTL_MOD);
}

/* ------------------------------------------------------------------ loop */

static void on_signals(struct launcher *launcher)
{
  struct signalfd_siginfo signals[16];
  ssize_t length = read(launcher->signals, signals, sizeof signals);
  for (size_t i = 0; length > 0 && i < (size_t)length / sizeof *signals; i++) {
    if (signals[i].ssi_signo == SIGHUP)
      log_line("SIGHUP changes nothing: the configuration is read at a start");
    else if (signals[i].ssi_signo != SIGCHLD)
      launcher->stopping = true;
  }
  /* One SIGCHLD may stand for many deaths. Unknown ones are stagers that are done, and orphans of lost supervisors. */
  int status;
  for (pid_t process; (process = waitpid(-1, &status, WNOHANG)) > 0;)
    if (!on_settler_exited(launcher, process, status) && !on_caller_look_exited(launcher, process))
      on_child_exited(launcher, process);
}

static void on_event(struct launcher *launcher, const struct epoll_event *event)
{
  uint64_t about = event->data.u64;
  if (about == ABOUT_LISTENER)
    on_listener(launcher);
  else if (about == ABOUT_CONNECTION && launcher->connection.fd >= 0)
    on_connection(launcher, event->events);
  else if (about == ABOUT_SIGNALS)
    on_signals(launcher);
  else if (about == ABOUT_SPARES && launcher->spares.maker >= 0)
    spares_receive(&launcher->spares);
  else if (about < launcher->executions.size && launcher->executions.items[about].state != EXECUTION_FREE)
    on_channel(launcher, &launcher->executions.items[about]); /* whose place it is now; nothing to read is fine */
}

/* Whether something needs a look without an event. */
static bool needs_tending(const struct launcher *launcher)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    const struct execution *execution = &launcher->executions.items[i];
    enum execution_state state = execution->state;
    if (state == EXECUTION_STAGING || state == EXECUTION_STAGED || state == EXECUTION_DEAD ||
        is_kept(execution) || (state == EXECUTION_ENDING && execution->process == 0))
      return true;
  }
  return callers_need_tending(launcher);
}

static bool is_launching(const struct launcher *launcher)
{
  for (uint32_t i = 0; i < launcher->executions.size; i++) {
    enum execution_state state = launcher->executions.items[i].state;
    if (state >= EXECUTION_STAGING && state <= EXECUTION_STARTING)
      return true;
  }
  return false;
}

/* Between two launches: in the middle of many at once, each makes its own as fast. */
static void order_spares(struct launcher *launcher)
{
  if (spares_wanted(&launcher->spares) && !is_launching(launcher))
    if (spares_order(&launcher->spares))
      watch(launcher, launcher->spares.maker, EPOLLIN, ABOUT_SPARES, EPOLL_CTL_ADD);
}

static void turn(struct launcher *launcher, int timeout_ms)
{
  struct epoll_event events[EVENTS];
  int count = epoll_wait(launcher->epoll, events, EVENTS, timeout_ms);
  if (count < 0 && errno != EINTR)
    die_errno("epoll_wait");
  for (int i = 0; i < count; i++)
    on_event(launcher, &events[i]);
  settle_connection(launcher);
}

/* Told here only, after a turn of the loop in which the table was tended: what this stands for is that executions are ended. */
static void pet(uint64_t interval_ms)
{
  static uint64_t next;
  uint64_t now = boot_time_ns();
  if (interval_ms == 0 || now < next)
    return;
  next = now + interval_ms * NS_PER_MS;
  notify_manager("WATCHDOG=1");
}

static void run(struct launcher *launcher)
{
  uint64_t interval_ms = watchdog_interval_ms();
  int longest = interval_ms == 0 || interval_ms > INT32_MAX ? -1 : (int)interval_ms;
  while (!launcher->stopping) {
    bool tending = needs_tending(launcher) && (longest < 0 || longest > TEND_MS);
    order_spares(launcher);
    turn(launcher, tending ? TEND_MS : longest);
    tend(launcher);
    callers_tend(launcher);
    pet(interval_ms);
  }
}

/* Everything ends with the launcher; the supervisors would see to it, but a stop can also wait for it. */
static void stop(struct launcher *launcher)
{
  uint64_t until = boot_time_ns() + STOP_NS;
  notify_manager("STOPPING=1");
  log_event(EVENT_LAUNCHER_STOP, NULL, "stopping; %u executions are ended", launcher->executions.live);
  callers_end(launcher);
  end_all(launcher, UINT64_MAX, CAUSE_LAUNCHER_STOP, false);
  while (launcher->executions.live > 0 && boot_time_ns() < until) {
    turn(launcher, TEND_MS);
    tend(launcher);
  }
  unlink(launcher->config.socket);
}

/* ------------------------------------------------------------------ start */

static void load_config(struct launcher *launcher, int argc, char **argv)
{
  struct config_error error;
  bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
  bool only_check = argc == 4 && strcmp(argv[3], "--check") == 0;
  if (help || (argc != 3 && !only_check) || strcmp(argv[1], "--config") != 0) {
    fprintf(help ? stdout : stderr, "usage: writ-launchd --config FILE [--check]\n");
    exit(help ? 0 : 2);
  }
  if (geteuid() != 0 && !only_check)
    die("must be started as root");
  if (!config_load(argv[2], &launcher->config, &error)) {
    if (error.line > 0)
      die("%s, line %u: %s", argv[2], error.line, error.text);
    die("%s: %s", argv[2], error.text);
  }
  if (only_check)
    exit(0);
}

/* Two launchers on one socket or one cgroup would end each other's executions. */
static void die_at(const char *what, const char *place)
{
  if (errno == EWOULDBLOCK)
    die("%s %s: another launcher works there", what, place);
  die_errno("%s %s", what, place);
}

/* Nothing from outside shapes what is inherited by executions; whoever started us may have left files open. */
static void settle_process(void)
{
  sigset_t hangup;
  sigemptyset(&hangup);
  sigaddset(&hangup, SIGHUP);
  /* A reload of all units, or a terminal that closes, must not end every execution; see on_signals. */
  if (sigprocmask(SIG_BLOCK, &hangup, NULL) != 0)
    die_errno("sigprocmask");
  /* A lease that is asked for to see who writes may be broken the next moment (F_SETLEASE of fcntl(2)). */
  signal(SIGIO, SIG_IGN);
  umask(022);
  /* Whatever shell started it: root's groups would open to an execution what its user cannot reach (rights_take). */
  if (setgroups(0, NULL) != 0)
    die_errno("setgroups");
  while (fcntl(STDERR_FILENO, F_GETFD) < 0) /* else a socket or pipe of ours would become standard something */
    if (open("/dev/null", O_RDWR) < 0)
      die_errno("/dev/null");
  close_range(3, ~0U, 0);
  if (!files_raise())
    die_errno("RLIMIT_NOFILE");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || chdir("/") != 0)
    die_errno("prctl");
}

/* Without a store everything is copied into memory, as far as that reaches. */
static void open_store(struct launcher *launcher)
{
  const struct config *config = &launcher->config;
  if (config->store[0] == '\0' || store_open(config, &launcher->executions.store))
    return;
  if (errno == EWOULDBLOCK)
    die_at("store", config->store);
  log_line("store %s is not used: %s", config->store, strerror(errno));
}

static int open_signals(void)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
    return -1;
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int main(int argc, char **argv)
{
  static struct launcher launcher;
  load_config(&launcher, argc, argv);
  settle_process();
  connection_start(&launcher.connection);
  spares_start(&launcher.spares);
  if (launcher.config.landlock_required && landlock_abi() == 0)
    die("this kernel has no Landlock (landlock = optional runs without)");
  if (!cgroups_present())
    die("this host has no cgroup v2 hierarchy, neither at /sys/fs/cgroup nor at /sys/fs/cgroup/unified");
  if (!executions_create(&launcher.config, &launcher.executions))
    die_errno("table of executions");
  /* The listener first: its lock says that no other launcher works on these cgroups. */
  if ((launcher.listener = listener_open(&launcher.config)) < 0)
    die_at("socket", launcher.config.socket);
  if (!interior_open(launcher.config.cgroup, &launcher.interior))
    die_at("cgroup", launcher.config.cgroup);
  if (!interior_sweep(&launcher.interior, SWEEP_MS))
    die("what an earlier run left behind does not end");
  open_store(&launcher);
  launcher.epoll = epoll_create1(EPOLL_CLOEXEC);
  launcher.signals = open_signals();
  if (launcher.epoll < 0 || launcher.signals < 0)
    die_errno("epoll");
  watch(&launcher, launcher.listener, EPOLLIN, ABOUT_LISTENER, EPOLL_CTL_ADD);
  watch(&launcher, launcher.signals, EPOLLIN, ABOUT_SIGNALS, EPOLL_CTL_ADD);
  log_event(EVENT_LAUNCHER_READY, NULL, "ready; Landlock ABI %d, controllers%s%s%s, %s device filter, %zu classes of devices", landlock_abi(),
            (launcher.interior.controllers & CONTROLLER_MEMORY) != 0 ? " memory" : "",
            (launcher.interior.controllers & CONTROLLER_PIDS) != 0 ? " pids" : "",
            (launcher.interior.controllers & CONTROLLER_CPU) != 0 ? " cpu" : "",
            launcher.interior.device_filter ? "a" : "no", launcher.config.devices.count);
  notify_manager("READY=1");
  run(&launcher);
  stop(&launcher);
  return 0;
}
