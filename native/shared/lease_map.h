/* The reader's side of the lease page: mapped, if it can be trusted to stay what it is. */
#ifndef WRIT_LEASE_MAP_H
#define WRIT_LEASE_MAP_H

#include "lease_page.h"

/* NULL for anything but a lease page that nobody can shrink under its readers or write through another mapping. `fd` stays the caller's. */
const struct lease_page *lease_map(int fd);
void lease_unmap(const struct lease_page *page);

#endif
