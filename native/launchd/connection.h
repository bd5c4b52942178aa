/* The one connection to writd: messages in, messages out, in order, never blocking. */
#ifndef WRIT_CONNECTION_H
#define WRIT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../shared/wire.h"

struct outgoing; /* a message that waits for room */

struct connection {
  int fd; /* -1: writd is not connected */
  bool greeted;
  bool left;  /* its last order came: events wait for the next connection */
  bool ended; /* nothing is sent any more; what had been received can still be read */
  struct outgoing *first, **last;
  size_t waiting;   /* bytes in the queue */
  unsigned events;  /* events in the queue */
};

void connection_start(struct connection *connection);

/*
 * Sends, or queues when there is no room. Takes over `fds` (closes them). Answers to nobody are dropped; events wait for
 * the next connection, up to a bound. False when the peer lets its answers pile up: the connection is over then.
 */
bool connection_send(struct connection *connection, uint16_t type, uint64_t request, uint32_t status, const void *body,
                     size_t size, int *fds, size_t count);
/* Sends what waits, as far as there is room. */
void connection_flush(struct connection *connection);
/* Whether something waits to be sent. */
bool connection_is_blocked(const struct connection *connection);
/* The peer is gone, or hears nothing: sending does it as well, when it finds that out. */
void connection_end(struct connection *connection);
void connection_close(struct connection *connection);

struct incoming {
  size_t length;
  int fds[WIRE_FDS_MAX];
  size_t count;
  _Alignas(8) char bytes[WIRE_MESSAGE_MAX];
};

enum receive_result { RECEIVE_MESSAGE, RECEIVE_NOTHING, RECEIVE_END };
enum receive_result connection_receive(const struct connection *connection, struct incoming *incoming);

#endif
