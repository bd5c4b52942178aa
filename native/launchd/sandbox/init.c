/*
 * PID 1 of an execution: closes itself in, says that it is ready, waits for GO, forks the workload, reaps, and passes on
 * how the workload ended. When it exits, the kernel kills what is left in its PID namespace.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../shared/cleanup.h"
#include "../../shared/clock.h"
#include "sandbox.h"

#define ABOVE_SECRETS (WIRE_SECRET_LAST + 1)

__attribute__((noreturn)) static void give_up(int control, struct failure failure)
{
  struct init_report report = {.message = INIT_FAILED, .failure = failure};
  send(control, &report, sizeof report, MSG_NOSIGNAL);
  _exit(1);
}

static void require(int control, enum step step, bool done)
{
  if (!done)
    give_up(control, (struct failure){.status = STATUS_SANDBOX_FAILED, .error = errno, .index = step});
}

/*
 * What can be written cannot be executed, and a memfd is no way round that: in this PID namespace none can be made that execve takes
 * (pid_mfd_noexec_dointvec_minmax, kernel/pid_sysctl.h: Linux 6.3). Mapping one as code, as compilers at run time do, stays possible.
 */
static bool execute_no_memfd(void)
{
  errno = EPERM; /* else it would be the host's own setting that is changed here */
  return getpid() == 1 && (write_setting("/proc/sys/vm/memfd_noexec", "2") || errno == ENOENT);
}

/* Gives up what it is, in the one order that works; then nothing here has rights any more. */
static void close_in(const struct plan *plan, int control)
{
  struct failure failure;
  /* Before anything is looked at that differs between networks. */
  require(control, STEP_NETWORK, plan->own_network < 0 || setns(plan->own_network, CLONE_NEWNET) == 0);
  require(control, STEP_FILES, be_ordinary() && execute_no_memfd());
  if (!mounts_build(plan, &failure))
    give_up(control, failure);
  require(control, STEP_NETWORK, sethostname("writ", 4) == 0 && (plan->network != NETWORK_LOOPBACK || loopback_up()));
  require(control, STEP_IDENTITY, identity_take(plan->uid, plan->gid, plan->groups, plan->group_count));
  /* After the identity: a change of credentials resets both (prctl(2)). Nobody of the same uid may look into init. */
  require(control, STEP_IDENTITY, prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0);
  require(control, STEP_LANDLOCK, landlock_restrict(plan));
  require(control, STEP_SECCOMP, seccomp_install());
}

static bool limit(__rlimit_resource_t resource, uint64_t value)
{
  struct rlimit both = {.rlim_cur = value, .rlim_max = value};
  return setrlimit(resource, &both) == 0;
}

static bool set_limits(const struct limits *limits)
{
  uint64_t cpu_seconds = (limits->cpu_time_ns + NS_PER_SECOND - 1) / NS_PER_SECOND;
  return limit(RLIMIT_CORE, 0) &&
         (limits->open_files == 0 ? files_restore() : limit(RLIMIT_NOFILE, limits->open_files)) &&
         (limits->file_bytes == 0 || limit(RLIMIT_FSIZE, limits->file_bytes)) &&
         (limits->cpu_time_ns == 0 || limit(RLIMIT_CPU, cpu_seconds)) &&
         /* One more: init counts as well. */
         (limits->processes == 0 || limit(RLIMIT_NPROC, (uint64_t)limits->processes + 1)) &&
         (limits->address_space_bytes == 0 || limit(RLIMIT_AS, limits->address_space_bytes));
}

/*
 * Puts the workload's ends where programs expect them. 0, 1 and 2 may be free here, and an end may lie at one of them: so
 * all move up first. dup2 of a descriptor onto itself would leave it to be closed by exec.
 */
static bool set_stdio(const int ends[3])
{
  int moved[3];
  for (int i = 0; i < 3; i++) {
    int end = ends[i] >= 0 ? ends[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
    moved[i] = end < 0 ? -1 : fcntl(end, F_DUPFD_CLOEXEC, 3);
    if (moved[i] < 0)
      return false;
  }
  for (int i = 0; i < 3; i++)
    if (dup2(moved[i], i) < 0)
      return false;
  return true;
}

/*
 * Puts each secret under its number, for the program to find it there. Whatever else is still needed has been moved out of the way (ABOVE_SECRETS);
 * so are the secrets themselves first, since one may lie at the number of another.
 */
static bool set_secrets(const struct plan *plan)
{
  int moved[WIRE_SECRETS_MAX];
  for (uint32_t i = 0; i < plan->secret_count; i++)
    if ((moved[i] = fcntl(plan->secrets[i].fd, F_DUPFD_CLOEXEC, ABOVE_SECRETS)) < 0)
      return false;
  for (uint32_t i = 0; i < plan->secret_count; i++)
    if (dup2(moved[i], (int)plan->secrets[i].number) < 0)
      return false;
  return true;
}

/* The first process leads its session; Ctrl-C, job control and hang-up need the terminal to be that session's. */
static bool take_terminal(const struct plan *plan)
{
  return plan->terminal < 0 || ioctl(plan->stdio[0], TIOCSCTTY, 0) == 0;
}

static void execute(const struct plan *plan, int sealed)
{
  const struct staged *program = &plan->staging.subjects[plan->staging.program];
  /* A static program runs from the sealed bytes; otherwise its path shows a copy that nobody can change (place.h). */
  if (runs_from_memory(&plan->staging))
    syscall(SYS_execveat, sealed, "", plan->arguments, plan->environment, AT_EMPTY_PATH);
  else
    execve(program->path, plan->arguments, plan->environment);
}

/* The workload's process, up to its first instruction. The pipe `executed` is closed by a good exec, else gets errno. */
__attribute__((noreturn)) static void workload_run(const struct plan *plan, int executed)
{
  errno = 0;
  /* The program's sealed bytes, if it runs from them; both would else be where a secret belongs. */
  int sealed = plan->staging.subjects[plan->staging.program].fd;
  if (plan->secret_count > 0) {
    int out = fcntl(executed, F_DUPFD_CLOEXEC, ABOVE_SECRETS);
    executed = out < 0 ? executed : out;
    sealed = runs_from_memory(&plan->staging) ? fcntl(sealed, F_DUPFD_CLOEXEC, ABOVE_SECRETS) : -1;
  }
  setsid();
  umask(022);
  default_signals();
  /* Before the limits, which may leave no room for a look. */
  uint32_t hidden = subject_not_shown(plan);
  errno = 0;
  if (hidden == WIRE_NONE && take_terminal(plan) && set_stdio(plan->stdio) && close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0 && set_secrets(plan) && set_limits(&plan->limits) &&
      (plan->profile != PROFILE_STRICT || seccomp_restrict(plan))) {
    /* The last look: what lapsed since GO was sent never runs an instruction. */
    errno = ESTALE;
    if (lease_read(plan->page).epoch == plan->epoch)
      execute(plan, sealed);
  }
  int error = hidden == WIRE_NONE ? errno : EXECUTED_HIDDEN(hidden);
  ssize_t ignored = write(executed, &error, sizeof error);
  (void)ignored;
  _exit(127);
}

/* Reaps what has ended; true once the workload itself has, with its wait status. */
static bool reap(pid_t workload, int *status)
{
  for (;;) {
    pid_t ended = waitpid(-1, status, WNOHANG);
    if (ended == workload)
      return true;
    if (ended == 0 || (ended < 0 && errno != EINTR))
      return false;
  }
}

/* The workload is not reaped yet: its number is its own. */
static void pass_on(int *control, pid_t workload)
{
  struct init_report order;
  ssize_t length = recv(*control, &order, sizeof order, MSG_DONTWAIT);
  if (length == sizeof order && order.message == INIT_SIGNAL)
    kill(workload, (int)order.signal);
  else if (length == 0)
    *control = -1; /* the supervisor is gone, and with it this process in a moment */
}

/* Passes signals on and reaps whatever ends up here until the workload itself has ended; gives its wait status. */
static int attend(int control, int children, pid_t workload)
{
  int status;
  struct signalfd_siginfo ignored;
  while (!reap(workload, &status)) {
    struct pollfd waiting[] = {{.fd = children, .events = POLLIN}, {.fd = control, .events = POLLIN}};
    if (poll(waiting, 2, -1) < 0)
      continue;
    if (waiting[0].revents != 0 && read(children, &ignored, sizeof ignored) < 0)
      continue;
    if (waiting[1].revents != 0)
      pass_on(&control, workload);
  }
  return status;
}

/* Readable when a child has ended. Blocked, so that it waits for the look; the workload unblocks all signals for itself. */
static int watch_children(void)
{
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  return sigprocmask(SIG_BLOCK, &child, NULL) == 0 ? signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
}

void init_run(const struct plan *plan, int control, int executed)
{
  const struct staged *program = &plan->staging.subjects[plan->staging.program];
  setsid();
  close_in(plan, control);
  /* The copies are made; of the sealed bytes only those that will be executed from are still needed. */
  int keep[6 + WIRE_SECRETS_MAX] = {control, executed, plan->stdio[0], plan->stdio[1], plan->stdio[2],
                                    runs_from_memory(&plan->staging) ? program->fd : -1};
  for (uint32_t i = 0; i < plan->secret_count; i++)
    keep[6 + i] = plan->secrets[i].fd;
  keep_only(keep, 6 + plan->secret_count);

  struct init_report report = {.message = INIT_READY};
  if (send(control, &report, sizeof report, MSG_NOSIGNAL) != sizeof report)
    _exit(1);
  /* End of file: the supervisor died before the parent-death signal was set. */
  if (recv(control, &report, sizeof report, 0) != sizeof report || report.message != INIT_GO)
    _exit(1);

  int children = watch_children();
  pid_t workload = children < 0 ? -1 : fork();
  if (workload < 0)
    give_up(control, (struct failure){.status = STATUS_EXEC_FAILED, .error = errno, .index = WIRE_NONE});
  if (workload == 0)
    workload_run(plan, executed);
  int left[] = {control, children};
  keep_only(left, 2);
  report = (struct init_report){.message = INIT_EXITED, .wait_status = attend(control, children, workload)};
  send(control, &report, sizeof report, MSG_NOSIGNAL);
  _exit(0);
}
