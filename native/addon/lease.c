/* The writer's side of the lease page (shared/lease_page.h). */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/lease_page.h"

/* linux/fcntl.h, since Linux 5.1: later mappings and writes are refused, the one made before stays writable. */
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

struct lease_writer {
  struct lease_page *page;
  int fd;
};

static void lease_free(napi_env env, void *data, void *hint)
{
  (void)env;
  (void)hint;
  struct lease_writer *writer = data;
  munmap(writer->page, LEASE_PAGE_SIZE);
  close(writer->fd);
  free(writer);
}

/* Creates the page: mapped writable first, then sealed, so that only this mapping can ever write. */
static struct lease_writer *lease_open(void)
{
  CLEANUP_FD int fd = memfd_create("writ-lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, LEASE_PAGE_SIZE) != 0)
    return NULL;
  CLEANUP_FREE struct lease_writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL)
    return NULL;
  struct lease_page *page = mmap(NULL, LEASE_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED)
    return NULL;
  page->magic = LEASE_PAGE_MAGIC;
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    munmap(page, LEASE_PAGE_SIZE);
    return NULL;
  }
  writer->page = page;
  writer->fd = steal_fd(&fd);
  struct lease_writer *result = writer;
  writer = NULL;
  return result;
}

/* leaseCreate(epoch: bigint): {handle, fd} — starts in `epoch` with no evidence */
static napi_value lease_create(napi_env env, napi_callback_info info)
{
  napi_value argument, handle, result;
  uint64_t epoch;
  bool lossless;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  NAPI_TRY(env, napi_get_value_bigint_uint64(env, argument, &epoch, &lossless));
  if (!lossless || epoch == 0)
    return addon_throw(env, "ERR_WRIT_ARGUMENT", "the epoch must be between 1 and 2^64-1");
  struct lease_writer *writer = lease_open();
  if (writer == NULL)
    return addon_throw_errno(env, errno, "lease page");
  atomic_store_explicit(&writer->page->epoch, epoch, memory_order_release);
  if (napi_create_external(env, writer, lease_free, NULL, &handle) != napi_ok) {
    lease_free(env, writer, NULL);
    return addon_throw(env, "ERR_WRIT_ADDON", "could not make the handle");
  }
  NAPI_TRY(env, napi_create_object(env, &result));
  addon_set(env, result, "handle", handle);
  addon_set(env, result, "fd", addon_int(env, writer->fd));
  return result;
}

static struct lease_writer *writer_of(napi_env env, napi_value value)
{
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok)
    addon_throw(env, "ERR_WRIT_ARGUMENT", "not a lease page");
  return data;
}

/* leaseRead(handle): {epoch, instantNs} */
static napi_value lease_read_call(napi_env env, napi_callback_info info)
{
  napi_value argument, result, epoch, instant;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  struct lease_writer *writer = writer_of(env, argument);
  if (writer == NULL)
    return NULL;
  struct lease lease = lease_read(writer->page);
  NAPI_TRY(env, napi_create_object(env, &result));
  NAPI_TRY(env, napi_create_bigint_uint64(env, lease.epoch, &epoch));
  NAPI_TRY(env, napi_create_bigint_uint64(env, lease.instant, &instant));
  addon_set(env, result, "epoch", epoch);
  addon_set(env, result, "instantNs", instant);
  return result;
}

/* leaseRenew(handle, epoch, instantNs): one store; throws when the epoch is another or the instant goes back */
static napi_value lease_renew(napi_env env, napi_callback_info info)
{
  napi_value arguments[3];
  uint64_t epoch, instant;
  bool whole_epoch, whole_instant;
  if (!addon_arguments(env, info, 3, arguments))
    return NULL;
  struct lease_writer *writer = writer_of(env, arguments[0]);
  if (writer == NULL)
    return NULL;
  NAPI_TRY(env, napi_get_value_bigint_uint64(env, arguments[1], &epoch, &whole_epoch));
  NAPI_TRY(env, napi_get_value_bigint_uint64(env, arguments[2], &instant, &whole_instant));
  struct lease current = lease_read(writer->page);
  if (!whole_epoch || !whole_instant || epoch != current.epoch)
    return addon_throw(env, "ERR_WRIT_EPOCH", "the page is in another epoch");
  if (instant < current.instant)
    return addon_throw(env, "ERR_WRIT_INSTANT", "the evidence instant never goes back");
  atomic_store_explicit(&writer->page->instant, instant, memory_order_release);
  return addon_undefined(env);
}

/* leaseLapse(handle): bigint — the new epoch; takes the evidence instant away */
static napi_value lease_lapse(napi_env env, napi_callback_info info)
{
  napi_value argument, result;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  struct lease_writer *writer = writer_of(env, argument);
  if (writer == NULL)
    return NULL;
  uint64_t epoch = atomic_fetch_add_explicit(&writer->page->epoch, 1, memory_order_acq_rel) + 1;
  atomic_store_explicit(&writer->page->instant, 0, memory_order_release);
  NAPI_TRY(env, napi_create_bigint_uint64(env, epoch, &result));
  return result;
}

bool addon_register_lease(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "leaseCreate", lease_create) &&
         addon_export(env, exports, "leaseRead", lease_read_call) &&
         addon_export(env, exports, "leaseRenew", lease_renew) &&
         addon_export(env, exports, "leaseLapse", lease_lapse);
}
