/* Who is at the other end of a Unix socket, as the kernel recorded it at connect(2). */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../shared/cleanup.h"

/* include/uapi/asm-generic/socket.h, since Linux 6.5. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define CGROUP_MAX 4096

/* A pidfd is readable from the moment its process has ended (pidfd_open(2)). */
static bool process_alive(int pidfd)
{
  struct pollfd poll_set = {.fd = pidfd, .events = POLLIN};
  return poll(&poll_set, 1, 0) == 0;
}

/*
 * The cgroup v2 path of `pid`: the line "0::/path" of /proc/PID/cgroup (cgroups(7)). It counts only when the process
 * behind `pidfd` is still alive after the read: then the number cannot have gone to another process.
 */
static bool cgroup_of(pid_t pid, int pidfd, char path[CGROUP_MAX])
{
  /* Longer than any line the kernel prints (PATH_MAX and a list of controllers), so that no line is read in parts. */
  char name[64], line[2 * CGROUP_MAX];
  snprintf(name, sizeof name, "/proc/%d/cgroup", (int)pid);
  CLEANUP_FILE FILE *file = fopen(name, "re");
  if (file == NULL)
    return false;
  bool found = false;
  while (!found && fgets(line, sizeof line, file) != NULL) {
    size_t length = strcspn(line, "\n");
    if (strncmp(line, "0::/", 4) != 0 || line[length] != '\n')
      continue;
    line[length] = '\0';
    found = length - 3 < CGROUP_MAX;
    if (found)
      memcpy(path, line + 3, length - 2);
  }
  return found && process_alive(pidfd);
}

static napi_value cgroup_value(napi_env env, pid_t pid, int pidfd)
{
  char path[CGROUP_MAX];
  napi_value result = NULL;
  if (pidfd < 0 || !cgroup_of(pid, pidfd, path))
    return addon_null(env);
  napi_create_string_utf8(env, path, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* peerCredentials(fd): {pid, uid, gid, pidfd, bound, cgroup} */
static napi_value peer_credentials(napi_env env, napi_callback_info info)
{
  napi_value argument, result;
  int32_t socket_fd;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  NAPI_TRY(env, napi_get_value_int32(env, argument, &socket_fd));

  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return addon_throw_errno(env, errno, "SO_PEERCRED");
  /* An unconnected socket answers pid 0, uid -1; a peer outside our pid namespace answers pid 0: neither is known. */
  if (size != sizeof peer || peer.pid <= 0 || peer.uid == (uid_t)-1)
    return addon_throw(env, "ENOTCONN", "SO_PEERCRED: the peer is not known");

  int from_socket = -1;
  size = sizeof from_socket;
  bool bound = getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &from_socket, &size) == 0;
  CLEANUP_FD int pidfd = bound ? from_socket : -1;
  if (!bound) /* before Linux 6.5, or the peer has ended */
    pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);

  napi_value cgroup = cgroup_value(env, peer.pid, pidfd);
  NAPI_TRY(env, napi_create_object(env, &result));
  bool complete = addon_set(env, result, "pid", addon_int(env, peer.pid)) &&
                  addon_set(env, result, "cgroup", cgroup) &&
                  addon_set(env, result, "bound", addon_bool(env, bound));
  napi_value uid, gid;
  NAPI_TRY(env, napi_create_uint32(env, peer.uid, &uid));
  NAPI_TRY(env, napi_create_uint32(env, peer.gid, &gid));
  complete = complete && addon_set(env, result, "uid", uid) && addon_set(env, result, "gid", gid) &&
             addon_set(env, result, "pidfd", pidfd < 0 ? addon_null(env) : addon_int(env, pidfd));
  if (!complete)
    return addon_throw(env, "ERR_WRIT_ADDON", "could not make the result");
  steal_fd(&pidfd);
  return result;
}

/* processAlive(pidfd): boolean */
static napi_value process_alive_call(napi_env env, napi_callback_info info)
{
  napi_value argument;
  int32_t pidfd;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  NAPI_TRY(env, napi_get_value_int32(env, argument, &pidfd));
  if (fcntl(pidfd, F_GETFD) < 0)
    return addon_throw_errno(env, errno, "pidfd");
  return addon_bool(env, process_alive(pidfd));
}

/* cgroupOf(pid, pidfd): string | null */
static napi_value cgroup_of_call(napi_env env, napi_callback_info info)
{
  napi_value arguments[2];
  int32_t pid, pidfd;
  if (!addon_arguments(env, info, 2, arguments))
    return NULL;
  NAPI_TRY(env, napi_get_value_int32(env, arguments[0], &pid));
  NAPI_TRY(env, napi_get_value_int32(env, arguments[1], &pidfd));
  return cgroup_value(env, pid, pidfd);
}

bool addon_register_peer(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "peerCredentials", peer_credentials) &&
         addon_export(env, exports, "processAlive", process_alive_call) &&
         addon_export(env, exports, "cgroupOf", cgroup_of_call);
}
