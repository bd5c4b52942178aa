#include "lease_map.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* linux/fcntl.h, Linux 5.1 */
#endif

const struct lease_page *lease_map(int fd)
{
  /* Shrunk, a read would fault. */
  const int sealed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;
  struct stat status;
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & sealed) != sealed || fstat(fd, &status) != 0 || status.st_size != LEASE_PAGE_SIZE)
    return NULL;
  const struct lease_page *page = mmap(NULL, LEASE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED)
    return NULL;
  if (page->magic == LEASE_PAGE_MAGIC)
    return page;
  lease_unmap(page);
  return NULL;
}

void lease_unmap(const struct lease_page *page)
{
  munmap((void *)(uintptr_t)page, LEASE_PAGE_SIZE);
}
