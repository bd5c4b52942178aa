/*
 * Network namespaces that were made ahead. Making one takes longer than all the rest of what closes an execution in, and an empty one has nothing
 * of whoever will be in it: so a few that nobody was ever in are kept. Each is given away once; when there is none, the execution makes its own.
 */
#ifndef WRIT_SPARES_H
#define WRIT_SPARES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPARES_MAX 8

struct spares {
  int namespaces[SPARES_MAX]; /* owned; `count` of them */
  size_t count;
  int maker; /* socket of the process that makes more; -1: none is at work */
  bool came; /* something came from it */
  uint64_t not_before; /* boot-clock instant of the next try, after a maker that could make none */
};

void spares_start(struct spares *spares);

/* One that nobody was ever in, which is the caller's from then on; -1: there is none. */
int spares_take(struct spares *spares);

/* Whether few are left and nobody makes more. */
bool spares_wanted(const struct spares *spares);

/*
 * Has more of them made, by a process of its own: the launcher itself never leaves the host's network. True when `spares->maker` is
 * a new socket to be watched. Without a process there are none, which is no fault.
 */
bool spares_order(struct spares *spares);

/* Takes what the maker sends. Its end is the end of the socket. */
void spares_receive(struct spares *spares);

#endif
