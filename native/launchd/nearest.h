/* What somebody may have meant who wrote a name that nobody knows. */
#ifndef WRIT_NEAREST_H
#define WRIT_NEAREST_H

#include <stddef.h>

/*
 * The known name with the least edit distance to `name`, the first of several; NULL if a third of it or more would have to
 * be changed. The same rule as configuration/nearest.ts. Looks at no more than 64 bytes of `name`.
 */
const char *nearest_name(const char *name, const char *const *known, size_t count);

#endif
