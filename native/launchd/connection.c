#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../shared/cleanup.h"

#define WAITING_MAX (4u << 20)
#define EVENTS_MAX 8192

struct outgoing {
  struct outgoing *next;
  size_t length;
  int fds[WIRE_FDS_MAX];
  size_t count;
  char bytes[];
};

void connection_start(struct connection *connection)
{
  *connection = (struct connection){.fd = -1};
  connection->last = &connection->first;
}

static bool is_event(const struct outgoing *message)
{
  struct wire_header header;
  memcpy(&header, message->bytes, sizeof header);
  return header.request == 0;
}

static void outgoing_free(struct outgoing *message)
{
  for (size_t i = 0; i < message->count; i++)
    close_fd(&message->fds[i]);
  free(message);
}

/* Shut down both ways, so that what can still be read has an end, whatever the peer does. */
void connection_end(struct connection *connection)
{
  shutdown(connection->fd, SHUT_RDWR);
  connection->ended = true;
}

/* False when there is no room now, or, `ended`, never will be. */
static bool transmit(struct connection *connection, struct outgoing *message)
{
  union {
    char space[CMSG_SPACE(sizeof message->fds)];
    struct cmsghdr align;
  } control;
  memset(&control, 0, sizeof control);
  struct iovec vector = {.iov_base = message->bytes, .iov_len = message->length};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  if (message->count > 0) {
    header.msg_control = &control;
    header.msg_controllen = CMSG_SPACE(message->count * sizeof(int));
    struct cmsghdr *c = (struct cmsghdr *)(void *)control.space; /* the first: the space is as large as it takes */
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(message->count * sizeof(int));
    memcpy(CMSG_DATA(c), message->fds, message->count * sizeof(int));
  }
  if (sendmsg(connection->fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
    return true;
  if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
    connection_end(connection);
  return false;
}

static void enqueue(struct connection *connection, struct outgoing *message)
{
  *connection->last = message;
  connection->last = &message->next;
  connection->waiting += message->length;
  connection->events += is_event(message) ? 1 : 0;
}

static struct outgoing *dequeue(struct connection *connection)
{
  struct outgoing *message = connection->first;
  connection->first = message->next;
  if (connection->first == NULL)
    connection->last = &connection->first;
  connection->waiting -= message->length;
  connection->events -= is_event(message) ? 1 : 0;
  return message;
}

/* Events go out after HELLO was answered, which is also when the queue is looked at first, and before LEAVE is. */
static bool hears_events(const struct connection *connection)
{
  return connection->greeted && !connection->left;
}

static bool may_send(const struct connection *connection, bool event)
{
  return connection->fd >= 0 && !connection->ended && (hears_events(connection) || !event);
}

bool connection_is_blocked(const struct connection *connection)
{
  return connection->first != NULL && connection->greeted && may_send(connection, is_event(connection->first));
}

bool connection_send(struct connection *connection, uint16_t type, uint64_t request, uint32_t status, const void *body,
                     size_t size, int *fds, size_t count)
{
  size_t length = sizeof(struct wire_header) + size;
  struct outgoing *message = malloc(sizeof *message + length);
  bool nobody = (connection->fd < 0 || connection->ended) && request != 0;
  if (message == NULL || nobody || length > WIRE_MESSAGE_MAX ||
      (request == 0 && connection->events >= EVENTS_MAX)) {
    for (size_t i = 0; i < count; i++)
      close_fd(&fds[i]);
    free(message);
    return nobody;
  }
  struct wire_header header = {WIRE_MAGIC, WIRE_VERSION, type, request, (uint32_t)length, status};
  *message = (struct outgoing){.length = length, .count = count};
  memcpy(message->bytes, &header, sizeof header);
  if (size > 0)
    memcpy(message->bytes + sizeof header, body, size);
  for (size_t i = 0; i < count; i++)
    message->fds[i] = steal_fd(&fds[i]);

  /* Before HELLO is answered the events of an earlier time are still queued: they come after that answer. */
  bool first = connection->first == NULL || !hears_events(connection);
  if (first && may_send(connection, request == 0) && transmit(connection, message)) {
    outgoing_free(message);
    return true;
  }
  enqueue(connection, message);
  return connection->fd < 0 || connection->waiting <= WAITING_MAX;
}

void connection_flush(struct connection *connection)
{
  while (connection_is_blocked(connection) && transmit(connection, connection->first))
    outgoing_free(dequeue(connection));
}

void connection_close(struct connection *connection)
{
  close_fd(&connection->fd);
  connection->greeted = false;
  connection->ended = false;
  connection->left = false;
  struct connection kept;
  connection_start(&kept);
  while (connection->first != NULL) {
    struct outgoing *message = dequeue(connection);
    message->next = NULL;
    if (is_event(message))
      enqueue(&kept, message);
    else
      outgoing_free(message);
  }
  connection->first = kept.first;
  connection->last = kept.first == NULL ? &connection->first : kept.last;
  connection->waiting = kept.waiting;
  connection->events = kept.events;
}

static size_t take_descriptors(struct msghdr *header, int fds[WIRE_FDS_MAX])
{
  size_t count = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
      continue;
    size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here && count < WIRE_FDS_MAX; i++)
      memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
  }
  return count;
}

enum receive_result connection_receive(const struct connection *connection, struct incoming *incoming)
{
  union {
    char space[CMSG_SPACE(sizeof incoming->fds)];
    struct cmsghdr align;
  } control;
  struct iovec vector = {.iov_base = incoming->bytes, .iov_len = sizeof incoming->bytes};
  struct msghdr header = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  incoming->count = 0;
  ssize_t received;
  /* Said once of a peer that left something unread; what it had sent comes after that (unix_release_sock, net/unix/af_unix.c). */
  do
    received = recvmsg(connection->fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  while (received < 0 && errno == ECONNRESET);
  if (received < 0)
    return errno == EAGAIN || errno == EINTR ? RECEIVE_NOTHING : RECEIVE_END;
  incoming->count = take_descriptors(&header, incoming->fds);
  /* An empty message reads like the end; a truncated one was no order: both end the connection. */
  if (received == 0 || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    for (size_t i = 0; i < incoming->count; i++)
      close_fd(&incoming->fds[i]);
    incoming->count = 0;
    return RECEIVE_END;
  }
  incoming->length = (size_t)received;
  return RECEIVE_MESSAGE;
}
