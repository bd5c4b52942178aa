/* The addon's entry, and the small things every file of it needs. */
#include "addon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../shared/clock.h"
#include "../shared/notify.h"

napi_value addon_throw(napi_env env, const char *code, const char *message)
{
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
    return NULL;
  napi_throw_error(env, code, message);
  return NULL;
}

const char *addon_errno_name(int error)
{
  const char *name = strerrorname_np(error);
  return name == NULL ? "EUNKNOWN" : name;
}

napi_value addon_throw_errno(napi_env env, int error, const char *step)
{
  char message[160];
  snprintf(message, sizeof message, "%s: %s", step, strerrordesc_np(error));
  return addon_throw(env, addon_errno_name(error), message);
}

bool addon_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, values, NULL, NULL) == napi_ok && given >= count)
    return true;
  addon_throw(env, "ERR_WRIT_ARGUMENT", "too few arguments");
  return false;
}

bool addon_export(napi_env env, napi_value exports, const char *name, napi_callback function)
{
  napi_value value;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

napi_value addon_int(napi_env env, int32_t value)
{
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

napi_value addon_bool(napi_env env, bool value)
{
  napi_value result = NULL;
  napi_get_boolean(env, value, &result);
  return result;
}

napi_value addon_null(napi_env env)
{
  napi_value result = NULL;
  napi_get_null(env, &result);
  return result;
}

napi_value addon_undefined(napi_env env)
{
  napi_value result = NULL;
  napi_get_undefined(env, &result);
  return result;
}

bool addon_set(napi_env env, napi_value object, const char *name, napi_value value)
{
  return value != NULL && napi_set_named_property(env, object, name, value) == napi_ok;
}

/* bootTimeNs(): bigint */
static napi_value boot_time(napi_env env, napi_callback_info info)
{
  (void)info;
  napi_value result;
  NAPI_TRY(env, napi_create_bigint_uint64(env, boot_time_ns(), &result));
  return result;
}

/* sdNotify(state: string): boolean — false when no service manager asked for it */
static napi_value sd_notify_state(napi_env env, napi_callback_info info)
{
  napi_value argument;
  char state[1024];
  size_t length = 0;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  NAPI_TRY(env, napi_get_value_string_utf8(env, argument, state, sizeof state, &length));
  if (length == sizeof state - 1)
    return addon_throw(env, "ERR_WRIT_ARGUMENT", "the state is too long");
  int sent = notify_manager(state);
  if (sent < 0)
    return addon_throw_errno(env, errno, "sd_notify");
  return addon_bool(env, sent == 1);
}

NAPI_MODULE_INIT()
{
  bool registered = addon_export(env, exports, "bootTimeNs", boot_time) &&
                    addon_export(env, exports, "sdNotify", sd_notify_state) &&
                    addon_register_peer(env, exports) && addon_register_listener(env, exports) &&
                    addon_register_log(env, exports) &&
                    addon_register_lease(env, exports) &&
                    addon_register_memfd(env, exports) && addon_register_exit(env, exports) &&
                    addon_register_heap(env, exports) &&
                    addon_register_channel(env, exports) &&
                    addon_register_terminal(env, exports) && addon_register_kernel(env, exports);
  if (!registered)
    return addon_throw(env, "ERR_WRIT_ADDON", "the addon could not register its functions");
  return exports;
}
