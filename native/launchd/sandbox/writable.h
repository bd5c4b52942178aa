/*
 * The writable paths, as steps of mounts_build. What a path stands for is looked up once, on the host and with the rights of the execution's user; that
 * object, and no other that the path may show later, is what the mount is of, and what Landlock's rule is for.
 */
#ifndef WRIT_WRITABLE_H
#define WRIT_WRITABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "place.h"
#include "sandbox.h"

/* Opens what they stand for, before anything covers it. These all fill *failure where they give false: STATUS_WRITABLE_REFUSED and which. */
bool writable_open(const struct plan *plan, struct failure *failure);

/* Finds where they go, in the new root. */
bool writable_place(const struct plan *plan, struct own_filesystems *own, struct failure *failure);

/* Binds them there. What can be written cannot be executed. */
bool writable_bind(const struct plan *plan, struct failure *failure);

/* Looks once more, when all mounts are made, whether each path shows what was opened for it. */
bool writable_verify(const struct plan *plan, struct failure *failure);

/* What was opened (O_PATH) for the path of that index. After writable_open, in the same process. */
int writable_source(uint32_t index);

#endif
