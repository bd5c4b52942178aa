/* A pseudo-terminal for one execution, in a devpts of its own: no other execution, and nothing on the host, can name its ends. */
#ifndef WRIT_TERMINAL_H
#define WRIT_TERMINAL_H

#include <stdbool.h>
#include <sys/types.h>

struct terminal {
  int mount;  /* the devpts, not attached yet */
  int master; /* for writd */
  int slave;  /* the workload's */
};

/* Its ends belong to `uid`, which alone may open them. False with nothing open. */
bool terminal_make(uid_t uid, gid_t gid, struct terminal *terminal);

#endif
