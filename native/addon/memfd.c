/* Sealed memory files: how long tables travel to the launcher. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../shared/cleanup.h"

/* sealedMemfd(bytes: Buffer): number — a memfd with these bytes that nobody can change any more */
static napi_value sealed_memfd(napi_env env, napi_callback_info info)
{
  napi_value argument;
  void *bytes = NULL;
  size_t length = 0;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  NAPI_TRY(env, napi_get_buffer_info(env, argument, &bytes, &length));

  CLEANUP_FD int fd = memfd_create("writ-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0)
    return addon_throw_errno(env, errno, "memfd_create");
  for (size_t done = 0; done < length;) {
    /* The offset stays at the beginning, where whoever gets the descriptor reads on. */
    ssize_t written = pwrite(fd, (const char *)bytes + done, length - done, (off_t)done);
    if (written < 0)
      return addon_throw_errno(env, errno, "write to memfd");
    done += (size_t)written;
  }
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return addon_throw_errno(env, errno, "F_ADD_SEALS");
  napi_value result;
  NAPI_TRY(env, napi_create_int32(env, fd, &result));
  steal_fd(&fd);
  return result;
}

bool addon_register_memfd(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "sealedMemfd", sealed_memfd);
}
