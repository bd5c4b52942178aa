/* The socket on which writd connects. */
#ifndef WRIT_LISTENER_H
#define WRIT_LISTENER_H

#include "config.h"

/*
 * Binds the socket. Its directory is root's and enterable by writd's group only; it is that from its creation on. Fails
 * when another launcher holds the directory's lock.
 */
int listener_open(const struct config *config);

/* Accepts one connection; -1 when it is nobody's or not exactly writd's uid (SO_PEERCRED), which is then closed. */
int listener_accept(int listener, uid_t writd);

#endif
