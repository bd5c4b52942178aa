/* Memory that the C library keeps. */
#include "addon.h"

#include <malloc.h>

/*
 * releaseFreeMemory(): void — gives the kernel back the pages between what is in use (malloc_trim(3)). By itself the C library gives back what is
 * at a heap's end alone, and reading and compiling a program leaves megabytes of holes.
 */
static napi_value release_free_memory(napi_env env, napi_callback_info info)
{
  (void)info;
  malloc_trim(0);
  return addon_undefined(env);
}

bool addon_register_heap(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "releaseFreeMemory", release_free_memory);
}
