/* An end that nothing can hold up. */
#include "addon.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

struct last_resort {
  int32_t status;
  uint32_t patience_ms;
};

static struct last_resort last_resort;

static void *wait_and_exit(void *unused)
{
  (void)unused;
  struct timespec patience = {.tv_sec = last_resort.patience_ms / 1000,
                              .tv_nsec = (long)(last_resort.patience_ms % 1000) * 1000000};
  while (nanosleep(&patience, &patience) != 0)
    ;
  _exit(last_resort.status);
}

/*
 * exitAtTheLatest(status: number, patienceMs: number): void — once. Node's own exit joins its threads, and one that is in a system call
 * for a device that never answers is never done.
 */
static napi_value exit_at_the_latest(napi_env env, napi_callback_info info)
{
  napi_value arguments[2];
  pthread_t thread;
  if (!addon_arguments(env, info, 2, arguments))
    return NULL;
  NAPI_TRY(env, napi_get_value_int32(env, arguments[0], &last_resort.status));
  NAPI_TRY(env, napi_get_value_uint32(env, arguments[1], &last_resort.patience_ms));
  int error = pthread_create(&thread, NULL, wait_and_exit, NULL);
  if (error != 0)
    return addon_throw_errno(env, error, "pthread_create");
  pthread_detach(thread);
  return addon_undefined(env);
}

bool addon_register_exit(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "exitAtTheLatest", exit_at_the_latest);
}
