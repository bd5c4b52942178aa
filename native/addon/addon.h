/* What the files of the addon share. Every exported function runs on Node's thread and never blocks it. */
#ifndef WRIT_ADDON_H
#define WRIT_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Leaves the function with a pending JavaScript exception when a Node-API call fails. */
#define NAPI_TRY(env, call)                                                                        \
  do {                                                                                             \
    if ((call) != napi_ok)                                                                         \
      return addon_throw((env), "ERR_WRIT_ARGUMENT", #call);                                       \
  } while (0)

/* Throws an Error with `code`; gives NULL, so that it can be returned. */
napi_value addon_throw(napi_env env, const char *code, const char *message);
/* Throws an Error whose code is the name of `error` (an errno value) and whose message starts with `step`. */
napi_value addon_throw_errno(napi_env env, int error, const char *step);
/* The symbolic name of an errno value, such as "ECONNREFUSED". */
const char *addon_errno_name(int error);

/* Reads exactly `count` arguments; throws and gives false when there are fewer. */
bool addon_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);
bool addon_export(napi_env env, napi_value exports, const char *name, napi_callback function);

napi_value addon_int(napi_env env, int32_t value);
napi_value addon_bool(napi_env env, bool value);
napi_value addon_null(napi_env env);
napi_value addon_undefined(napi_env env);
bool addon_set(napi_env env, napi_value object, const char *name, napi_value value);

bool addon_register_peer(napi_env env, napi_value exports);
bool addon_register_listener(napi_env env, napi_value exports);
bool addon_register_log(napi_env env, napi_value exports);
bool addon_register_lease(napi_env env, napi_value exports);
bool addon_register_memfd(napi_env env, napi_value exports);
bool addon_register_exit(napi_env env, napi_value exports);
bool addon_register_heap(napi_env env, napi_value exports);
bool addon_register_channel(napi_env env, napi_value exports);
bool addon_register_terminal(napi_env env, napi_value exports);
bool addon_register_kernel(napi_env env, napi_value exports);

#endif
