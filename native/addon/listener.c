/* What a descriptor is that a service manager passed as a listening socket. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool option(int fd, int name, int *value)
{
  socklen_t size = sizeof *value;
  return getsockopt(fd, SOL_SOCKET, name, value, &size) == 0;
}

/*
 * listeningSocket(fd): {unix, stream, listening, path} — path is null unless it is bound to one in the file system. The
 * descriptor is closed at an exec from here on.
 */
static napi_value listening_socket(napi_env env, napi_callback_info info)
{
  napi_value argument, result, path;
  int32_t fd;
  int domain, type, listening;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  NAPI_TRY(env, napi_get_value_int32(env, argument, &fd));
  if (!option(fd, SO_DOMAIN, &domain) || !option(fd, SO_TYPE, &type) || !option(fd, SO_ACCEPTCONN, &listening) ||
      fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
    return addon_throw_errno(env, errno, "the passed descriptor");

  struct sockaddr_un address = {0};
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
    return addon_throw_errno(env, errno, "getsockname");
  bool named = domain == AF_UNIX && size > offsetof(struct sockaddr_un, sun_path) && address.sun_path[0] != '\0';
  path = addon_null(env);
  /* A path that fills sun_path has no NUL (unix(7)). */
  if (named)
    NAPI_TRY(env, napi_create_string_utf8(env, address.sun_path,
                                          strnlen(address.sun_path, size - offsetof(struct sockaddr_un, sun_path)), &path));
  NAPI_TRY(env, napi_create_object(env, &result));
  bool complete = addon_set(env, result, "unix", addon_bool(env, domain == AF_UNIX)) &&
                  addon_set(env, result, "stream", addon_bool(env, type == SOCK_STREAM)) &&
                  addon_set(env, result, "listening", addon_bool(env, listening != 0)) &&
                  addon_set(env, result, "path", path);
  return complete ? result : addon_throw(env, "ERR_WRIT_ADDON", "could not make the result");
}

bool addon_register_listener(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "listeningSocket", listening_socket);
}
