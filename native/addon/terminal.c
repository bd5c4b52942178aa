/* The size of a pseudo-terminal whose master the daemon holds. */
#include "addon.h"

#include <errno.h>
#include <sys/ioctl.h>

/* terminalResize(fd: number, rows: number, columns: number): void — what runs there is told by SIGWINCH */
static napi_value terminal_resize(napi_env env, napi_callback_info info)
{
  napi_value arguments[3];
  int32_t fd;
  uint32_t rows, columns;
  if (!addon_arguments(env, info, 3, arguments))
    return NULL;
  NAPI_TRY(env, napi_get_value_int32(env, arguments[0], &fd));
  NAPI_TRY(env, napi_get_value_uint32(env, arguments[1], &rows));
  NAPI_TRY(env, napi_get_value_uint32(env, arguments[2], &columns));
  if (rows > UINT16_MAX || columns > UINT16_MAX)
    return addon_throw(env, "ERR_WRIT_ARGUMENT", "a terminal has at most 65535 rows and columns");
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  if (ioctl(fd, TIOCSWINSZ, &size) != 0)
    return addon_throw_errno(env, errno, "TIOCSWINSZ");
  return addon_undefined(env);
}

bool addon_register_terminal(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "terminalResize", terminal_resize);
}
