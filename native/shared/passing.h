/* Messages of a fixed size between processes of ours, with a descriptor or without one (SCM_RIGHTS, unix(7)). Neither waits. */
#ifndef WRIT_PASSING_H
#define WRIT_PASSING_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Sends the whole message; `fd` -1: none goes along, else it stays the caller's. False with errno. */
bool pass_message(int socket, const void *message, size_t size, int fd);

/* As recv(2). *fd becomes the caller's: -1 where there was none. More than one, and those of a message that was cut, are closed. */
ssize_t take_message(int socket, void *message, size_t size, int *fd);

#endif
