/* Log output that never waits (shared/log_output.h). */
#include "addon.h"

#include <errno.h>
#include <unistd.h>

#include "../shared/log_output.h"

static bool bytes_of(napi_env env, napi_callback_info info, void **bytes, size_t *length)
{
  napi_value argument;
  return addon_arguments(env, info, 1, &argument) && napi_get_buffer_info(env, argument, bytes, length) == napi_ok;
}

/* stderrIsJournal(): boolean */
static napi_value stderr_is_journal_call(napi_env env, napi_callback_info info)
{
  (void)info;
  return addon_bool(env, stderr_is_journal());
}

/* journalSend(entry: Buffer): boolean — false when the journal takes nothing now, or there is none */
static napi_value journal_send_call(napi_env env, napi_callback_info info)
{
  void *bytes = NULL;
  size_t length = 0;
  if (!bytes_of(env, info, &bytes, &length))
    return addon_throw(env, "ERR_WRIT_ARGUMENT", "a buffer is needed");
  return addon_bool(env, journal_send(bytes, length) == 1);
}

/* stderrWrite(line: Buffer): boolean — false when not all of it was taken at once */
static napi_value stderr_write_call(napi_env env, napi_callback_info info)
{
  void *bytes = NULL;
  size_t length = 0;
  if (!bytes_of(env, info, &bytes, &length))
    return addon_throw(env, "ERR_WRIT_ARGUMENT", "a buffer is needed");
  return addon_bool(env, write_at_once(STDERR_FILENO, bytes, length));
}

bool addon_register_log(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "stderrIsJournal", stderr_is_journal_call) &&
         addon_export(env, exports, "journalSend", journal_send_call) &&
         addon_export(env, exports, "stderrWrite", stderr_write_call);
}
