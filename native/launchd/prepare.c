/* PREPARE: judged against the configuration and against what was hashed, then handed to a supervisor. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "device_filter.h"
#include "launcher.h"
#include "order_digest.h"
#include "terminal.h"

/* Ten thousand processors; more would not fit into cpu.max (MAX_BW_USEC, kernel/sched/core.c). */
#define CPU_PERCENT_MAX 1000000

static const struct failure OK = {.status = STATUS_OK, .index = WIRE_NONE};
static const uint8_t NO_PARENT[WIRE_ID_SIZE];

/* ------------------------------------------------------------------ checks */

static struct failure check_subjects(const struct execution *execution, const struct order *order)
{
  const struct staging *staging = &execution->staging;
  if (order->prepare.subject_count != staging->count)
    return failed(STATUS_DIGEST_MISMATCH, 0, WIRE_NONE);
  for (uint32_t i = 0; i < staging->count; i++)
    if (memcmp(order->digests[i], staging->subjects[i].result.digest, WIRE_DIGEST_SIZE) != 0)
      return failed(STATUS_DIGEST_MISMATCH, 0, i);
  if (staging->subjects[staging->program].result.format == FORMAT_DATA)
    return failed(STATUS_PROGRAM_REFUSED, 0, staging->program);
  return OK;
}

/* Files may have been read with an own uid and run with a shared one, never the other way round: that had more rights. */
static struct failure check_user(const struct launcher *launcher, struct execution *execution,
                                 const struct wire_prepare *order)
{
  if (order->uid == WIRE_UID_ALLOCATE)
    return execution->uid_is_own ? OK : failed(STATUS_UID_REFUSED, 0, WIRE_NONE);
  if (!execution->uid_is_own && execution->uid != order->uid)
    return failed(STATUS_UID_REFUSED, 0, WIRE_NONE);
  return take_shared_identity(launcher, execution, order->uid, order->gid);
}

static struct failure check_groups(const struct config *config, const struct wire_prepare *order)
{
  for (uint32_t i = 0; i < order->group_count; i++)
    if (order->groups[i] == 0 || order->groups[i] == config->writd_gid || !id_in_ranges(&config->groups, order->groups[i]))
      return failed(STATUS_GID_REFUSED, 0, i);
  return OK;
}

static bool within_hard_limit(__rlimit_resource_t resource, uint64_t value)
{
  struct rlimit limit;
  return value == 0 || (getrlimit(resource, &limit) == 0 && value <= limit.rlim_max);
}

/* What this host cannot hold, or does not, is refused and not forgotten. */
static struct failure check_limits(const struct launcher *launcher, const struct execution *execution,
                                   const struct wire_prepare *order)
{
  uint32_t controllers = launcher->interior.controllers;
  bool cpu = order->cpu_percent == 0 || ((controllers & CONTROLLER_CPU) != 0 && order->cpu_percent <= CPU_PERCENT_MAX);
  bool memory = order->memory_bytes == 0 || (controllers & CONTROLLER_MEMORY) != 0;
  bool pids = order->pids == 0 || (controllers & CONTROLLER_PIDS) != 0 || execution->uid_is_own;
  bool rlimits = within_hard_limit(RLIMIT_NOFILE, order->open_files) &&
                 within_hard_limit(RLIMIT_FSIZE, order->file_bytes) &&
                 within_hard_limit(RLIMIT_AS, order->address_space_bytes) &&
                 within_hard_limit(RLIMIT_NPROC, (uint64_t)order->pids + (order->pids != 0));
  bool lease = order->max_evidence_age_ns <= launcher->config.max_evidence_age_ns;
  return lease && cpu && memory && pids && rlimits && order->pids < UINT32_MAX ? OK : failed(STATUS_LIMIT_UNENFORCEABLE, 0, WIRE_NONE);
}

static const struct execution *parent_of(const struct launcher *launcher, const struct wire_prepare *order)
{
  return memcmp(order->parent, NO_PARENT, WIRE_ID_SIZE) == 0 ? NULL : executions_find(&launcher->executions, order->parent);
}

/* One that runs, was made to be a parent, and is not the last of so many generations that their cgroups would have no name. */
static struct failure check_parent(const struct launcher *launcher, const struct wire_prepare *order)
{
  if (memcmp(order->parent, NO_PARENT, WIRE_ID_SIZE) == 0)
    return OK;
  const struct execution *parent = parent_of(launcher, order);
  if (parent == NULL || !goes_on(parent))
    return failed(STATUS_PARENT_ENDED, 0, WIRE_NONE);
  return parent->leaf.below >= 0 && parent->generation < WIRE_GENERATIONS_MAX
             ? OK
             : failed(STATUS_CHILDREN_REFUSED, 0, WIRE_NONE);
}

static struct failure check_paths(const struct wire_prepare *order, const struct strings *strings)
{
  size_t first = (size_t)order->argument_count + order->environment_count;
  for (uint32_t i = 0; i < order->writable_count; i++)
    if (!path_is_plain(strings->items[first + i]))
      return failed(STATUS_WRITABLE_REFUSED, EINVAL, i);
  const char *directory = strings->items[strings->count - 1];
  return path_is_plain(directory) || strcmp(directory, "/") == 0 ? OK : failed(STATUS_CWD_REFUSED, EINVAL, WIRE_NONE);
}

/* A device goes on computing for a process that stands still, so nobody with one is held over a lapse. */
static struct failure check_devices(const struct launcher *launcher, const struct wire_prepare *order,
                                    const struct strings *strings, struct device_nodes *nodes)
{
  size_t first = (size_t)order->argument_count + order->environment_count + order->writable_count;
  if (order->device_count > 0 && order->grace_ns != 0)
    return failed(STATUS_DEVICE_REFUSED, EBUSY, WIRE_NONE);
  for (uint32_t i = 0; i < order->device_count; i++)
    if (!device_class_resolve(&launcher->config.devices, strings->items[first + i], nodes))
      return failed(STATUS_DEVICE_REFUSED, errno, i);
  return OK;
}

static struct failure check(const struct launcher *launcher, struct execution *execution, const struct order *order,
                            const struct deadlines *deadlines)
{
  struct failure failure = check_subjects(execution, order);
  if (failure.status == STATUS_OK)
    failure = check_user(launcher, execution, &order->prepare);
  if (failure.status == STATUS_OK)
    failure = check_groups(&launcher->config, &order->prepare);
  if (failure.status == STATUS_OK)
    failure = check_limits(launcher, execution, &order->prepare);
  if (failure.status == STATUS_OK)
    failure = check_parent(launcher, &order->prepare);
  if (failure.status == STATUS_OK)
    failure = failed(lease_status(lease_read(launcher->page), deadlines, boot_time_ns()), 0, WIRE_NONE);
  return failure;
}

/*
 * Only bytes that nobody can change any more go into an execution: whoever orders cannot pass it a file, a directory or a socket of the host's
 * this way. The descriptors stay the caller's.
 */
static struct failure take_secrets(const struct wire_prepare *order, const int *fds, struct plan *plan)
{
  const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  for (uint32_t i = 0; i < order->secret_count; i++) {
    int found = fcntl(fds[i], F_GET_SEALS);
    if (found < 0 || (found & seals) != seals)
      return failed(STATUS_SECRET_REFUSED, found < 0 ? errno : 0, i);
    plan->secrets[i] = (struct secret){.fd = fds[i], .number = order->secrets[i]};
  }
  plan->secret_count = order->secret_count;
  return OK;
}

/* ------------------------------------------------------------------ making */

/* One pipe per stream that is asked for. The workload's end belongs to its uid, so that it can open /dev/stdout. */
static bool make_pipes(const struct execution *execution, uint32_t wanted, int ours[3], int theirs[3])
{
  for (int i = 0; i < 3; i++) {
    int ends[2];
    if ((wanted & 1u << i) == 0)
      continue;
    if (pipe2(ends, O_CLOEXEC) != 0)
      return false;
    ours[i] = ends[i == 0 ? 1 : 0];
    theirs[i] = ends[i == 0 ? 0 : 1];
    if (fchown(theirs[i], execution->uid, execution->gid) != 0)
      return false;
  }
  return true;
}

/* One terminal for all three streams. Of it writd gets the master; the slave lives on in the workload alone. */
static bool make_terminal(const struct execution *execution, int ours[3], struct plan *plan)
{
  struct terminal terminal;
  if (!terminal_make(execution->uid, execution->gid, &terminal))
    return false;
  ours[0] = terminal.master;
  plan->terminal = terminal.mount;
  plan->stdio[0] = terminal.slave;
  plan->stdio[1] = fcntl(terminal.slave, F_DUPFD_CLOEXEC, 0);
  plan->stdio[2] = fcntl(terminal.slave, F_DUPFD_CLOEXEC, 0);
  return plan->stdio[1] >= 0 && plan->stdio[2] >= 0;
}

static bool make_streams(struct execution *execution, uint32_t wanted, struct plan *plan)
{
  return wanted == STDIO_TERMINAL ? make_terminal(execution, execution->pipes, plan)
                                  : make_pipes(execution, wanted, execution->pipes, plan->stdio);
}

/* Here, so that writd can be given it; where the execution finds it, it is bound by init (mounts.c). */
static bool make_socket(const struct wire_prepare *order, struct execution *execution, struct plan *plan)
{
  if (order->children == 0)
    return true;
  execution->pipes[3] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  plan->socket = execution->pipes[3] < 0 ? -1 : fcntl(execution->pipes[3], F_DUPFD_CLOEXEC, 0);
  return plan->socket >= 0;
}

/* argv and the environment need a NULL each, which the table has no place for. */
static bool make_vectors(const struct wire_prepare *order, const struct strings *strings, struct plan *plan)
{
  plan->arguments = calloc((size_t)order->argument_count + 1, sizeof(char *));
  plan->environment = calloc((size_t)order->environment_count + 1, sizeof(char *));
  if (plan->arguments == NULL || plan->environment == NULL)
    return false;
  memcpy(plan->arguments, strings->items, order->argument_count * sizeof(char *));
  char **rest = strings->items + order->argument_count;
  memcpy(plan->environment, rest, order->environment_count * sizeof(char *));
  plan->writable = rest + order->environment_count;
  plan->writable_count = order->writable_count;
  plan->directory = strings->items[strings->count - 1];
  return true;
}

static void fill_plan(const struct launcher *launcher, const struct execution *execution, const struct wire_prepare *order,
                      struct plan *plan)
{
  bool by_cgroup = (launcher->interior.controllers & CONTROLLER_PIDS) != 0;
  plan->staging = execution->staging;
  plan->uid = execution->uid;
  plan->gid = execution->gid;
  memcpy(plan->groups, order->groups, sizeof plan->groups);
  plan->group_count = order->group_count;
  plan->network = order->network;
  plan->profile = order->profile;
  plan->limits = (struct limits){.cpu_time_ns = order->cpu_time_ns,
                                 .address_space_bytes = order->address_space_bytes,
                                 .file_bytes = order->file_bytes,
                                 .processes = by_cgroup ? 0 : order->pids,
                                 .open_files = order->open_files};
  plan->tmp_bytes = launcher->config.tmp_bytes;
  plan->landlock_required = launcher->config.landlock_required;
  plan->page = launcher->page;
  plan->epoch = order->epoch;
}

static struct failure make_leaf(struct launcher *launcher, struct execution *execution, const struct wire_prepare *order,
                                const struct device_nodes *nodes)
{
  char name[LEAF_NAME_SIZE];
  leaf_name(execution->id, name);
  struct leaf_limits limits = {.memory = order->memory_bytes,
                               .pids = (launcher->interior.controllers & CONTROLLER_PIDS) != 0 ? order->pids : 0,
                               .cpu_percent = order->cpu_percent};
  const struct execution *parent = parent_of(launcher, order);
  execution->has_leaf = leaf_create(&launcher->interior, parent == NULL ? NULL : &parent->leaf, name, &limits,
                                    order->children != 0, &execution->leaf);
  if (!execution->has_leaf)
    return failed(STATUS_INTERNAL, errno, WIRE_NONE);
  bool filtered = nodes->count == 0 || !launcher->interior.device_filter || device_filter_leaf(execution->leaf.dir, nodes);
  return filtered ? OK : failed(STATUS_INTERNAL, errno, WIRE_NONE);
}

static struct failure launch(struct launcher *launcher, struct execution *execution, const struct plan *plan,
                             const struct deadlines *deadlines)
{
  int channel;
  pid_t process = fork_with_channel(launcher, execution, &channel);
  if (process == 0)
    supervisor_run(plan, deadlines, &execution->leaf, channel);
  return process > 0 ? OK : failed(STATUS_INTERNAL, errno, WIRE_NONE);
}

static struct failure prepare_execution(struct launcher *launcher, struct execution *execution, const struct order *order,
                                        const struct strings *strings, const int *secrets)
{
  const struct wire_prepare *body = &order->prepare;
  struct deadlines deadlines = {.epoch = body->epoch,
                                .expiry_ns = body->expiry_ns,
                                .max_evidence_age_ns = body->max_evidence_age_ns,
                                .run_time_ns = body->run_time_ns,
                                .grace_ns = body->grace_ns};
  struct failure failure = check(launcher, execution, order, &deadlines);
  if (failure.status == STATUS_OK)
    failure = check_paths(body, strings);
  struct plan plan = {.own_network = -1, .stdio = {-1, -1, -1}, .terminal = -1, .socket = -1};
  if (failure.status == STATUS_OK)
    failure = check_devices(launcher, body, strings, &plan.devices);
  if (failure.status == STATUS_OK)
    failure = take_secrets(body, secrets, &plan);
  if (failure.status != STATUS_OK)
    return failure;

  fill_plan(launcher, execution, body, &plan);
  if (body->network != NETWORK_HOST)
    plan.own_network = spares_take(&launcher->spares);
  failure = make_leaf(launcher, execution, body, &plan.devices);
  if (failure.status == STATUS_OK && (!make_streams(execution, body->stdio, &plan) || !make_socket(body, execution, &plan) ||
                                      !make_vectors(body, strings, &plan)))
    failure = failed(STATUS_INTERNAL, errno, WIRE_NONE);
  note_made(execution);
  if (failure.status == STATUS_OK)
    failure = launch(launcher, execution, &plan, &deadlines);
  for (int i = 0; i < 3; i++)
    close_fd(&plan.stdio[i]);
  close_fd(&plan.terminal);
  close_fd(&plan.own_network);
  close_fd(&plan.socket);
  free(plan.arguments);
  free(plan.environment);
  if (failure.status != STATUS_OK)
    end_execution(launcher, execution, CAUSE_NOT_STARTED); /* with what was made for it so far */
  return failure;
}

struct failure prepare(struct launcher *launcher, const struct order *order, const int *fds)
{
  struct execution *execution = executions_find(&launcher->executions, order->prepare.id);
  if (execution == NULL)
    return failed(STATUS_UNKNOWN_EXECUTION, 0, WIRE_NONE);
  if (execution->state != EXECUTION_STAGED)
    return failed(STATUS_BAD_STATE, 0, WIRE_NONE);
  struct strings strings;
  if (!strings_read(fds[0], order_string_count(order), &strings))
    return failed(STATUS_MALFORMED, 0, WIRE_NONE);
  struct failure failure = prepare_execution(launcher, execution, order, &strings, fds + 1);
  if (failure.status == STATUS_OK) {
    order_digest(&execution->staging, order, &strings, execution->order);
    execution->state = EXECUTION_PREPARING;
    execution->request = order->request;
    execution->epoch = order->prepare.epoch;
    execution->may_be_held = order->prepare.grace_ns != 0;
    execution->max_evidence_age_ns = order->prepare.max_evidence_age_ns;
    execution->has_terminal = order->prepare.stdio == STDIO_TERMINAL;
    execution->has_parent = memcmp(order->prepare.parent, NO_PARENT, WIRE_ID_SIZE) != 0;
    memcpy(execution->parent, order->prepare.parent, WIRE_ID_SIZE);
    const struct execution *parent = parent_of(launcher, &order->prepare);
    execution->generation = parent == NULL ? 0 : parent->generation + 1;
  }
  strings_free(&strings);
  return failure;
}
