/*
 * A SOCK_SEQPACKET connection with descriptors (SCM_RIGHTS, unix(7)) on Node's event loop. Nothing here blocks: a send
 * that does not fit gives false and `onDrain` is called once there is room again.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "../shared/cleanup.h"
#include "../shared/wire.h"

#define MESSAGES_PER_TURN 64 /* so that a flood of events does not starve the rest of the loop */

struct channel {
  uv_poll_t poll;
  napi_env env;
  napi_ref on_message; /* (bytes: Buffer, descriptors: number[]) */
  napi_ref on_drain;   /* () */
  napi_ref on_end;     /* (error: string | null) */
  int fd;
  int events;
  bool closing;
  bool collected; /* JavaScript's handle is gone; freed when libuv has let go as well */
  bool released;
};

static void channel_maybe_free(struct channel *channel)
{
  if (channel->collected && channel->released)
    free(channel);
}

static void channel_released(uv_handle_t *handle)
{
  struct channel *channel = handle->data;
  channel->released = true;
  channel_maybe_free(channel);
}

static void channel_stop(struct channel *channel)
{
  if (channel->closing)
    return;
  channel->closing = true;
  uv_poll_stop(&channel->poll);
  close_fd(&channel->fd);
  napi_delete_reference(channel->env, channel->on_message);
  napi_delete_reference(channel->env, channel->on_drain);
  napi_delete_reference(channel->env, channel->on_end);
  uv_close((uv_handle_t *)&channel->poll, channel_released);
}

static void channel_collected(napi_env env, void *data, void *hint)
{
  (void)env;
  (void)hint;
  struct channel *channel = data;
  channel_stop(channel);
  channel->collected = true;
  channel_maybe_free(channel);
}

/* Calls back into JavaScript from the event loop; an exception there is fatal, as in any event handler. */
static void channel_call(struct channel *channel, napi_ref reference, size_t count, napi_value *arguments)
{
  napi_value function, receiver, error;
  if (napi_get_reference_value(channel->env, reference, &function) != napi_ok ||
      napi_get_global(channel->env, &receiver) != napi_ok)
    return;
  if (napi_make_callback(channel->env, NULL, receiver, function, count, arguments, NULL) ==
          napi_pending_exception &&
      napi_get_and_clear_last_exception(channel->env, &error) == napi_ok)
    napi_fatal_exception(channel->env, error);
}

static void channel_end(struct channel *channel, int error)
{
  napi_value argument = addon_null(channel->env);
  if (error != 0)
    napi_create_string_utf8(channel->env, addon_errno_name(error), NAPI_AUTO_LENGTH, &argument);
  napi_ref on_end = channel->on_end;
  napi_value function, receiver, exception;
  bool known = napi_get_reference_value(channel->env, on_end, &function) == napi_ok;
  channel_stop(channel);
  if (!known || napi_get_global(channel->env, &receiver) != napi_ok)
    return;
  if (napi_make_callback(channel->env, NULL, receiver, function, 1, &argument, NULL) ==
          napi_pending_exception &&
      napi_get_and_clear_last_exception(channel->env, &exception) == napi_ok)
    napi_fatal_exception(channel->env, exception);
}

static size_t take_descriptors(struct msghdr *message, int fds[WIRE_FDS_MAX])
{
  size_t count = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
      continue;
    size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here && count < WIRE_FDS_MAX; i++)
      memcpy(&fds[count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
  }
  return count;
}

/* Receives one message and hands it over. Gives false when there is nothing more to read now. */
static bool channel_receive(struct channel *channel)
{
  static char bytes[WIRE_MESSAGE_MAX];
  int fds[WIRE_FDS_MAX];
  union {
    char space[CMSG_SPACE(sizeof fds)];
    struct cmsghdr align;
  } control;
  struct iovec vector = {.iov_base = bytes, .iov_len = sizeof bytes};
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t received = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (received < 0 && (errno == EAGAIN || errno == EINTR))
    return false;
  if (received <= 0) {
    channel_end(channel, received == 0 ? 0 : errno);
    return false;
  }
  size_t count = take_descriptors(&message, fds);
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    for (size_t i = 0; i < count; i++)
      close(fds[i]);
    channel_end(channel, EMSGSIZE);
    return false;
  }
  napi_handle_scope scope;
  if (napi_open_handle_scope(channel->env, &scope) != napi_ok)
    return false;
  napi_value arguments[2];
  bool complete =
      napi_create_buffer_copy(channel->env, (size_t)received, bytes, NULL, &arguments[0]) == napi_ok &&
      napi_create_array_with_length(channel->env, count, &arguments[1]) == napi_ok;
  for (size_t i = 0; complete && i < count; i++)
    napi_set_element(channel->env, arguments[1], (uint32_t)i, addon_int(channel->env, fds[i]));
  if (complete)
    channel_call(channel, channel->on_message, 2, arguments);
  napi_close_handle_scope(channel->env, scope);
  return !channel->closing;
}

static void channel_ready(uv_poll_t *poll, int status, int events);

static void channel_watch(struct channel *channel, int events)
{
  channel->events = events;
  uv_poll_start(&channel->poll, events, channel_ready);
}

static void channel_ready(uv_poll_t *poll, int status, int events)
{
  struct channel *channel = poll->data;
  napi_handle_scope scope;
  if (napi_open_handle_scope(channel->env, &scope) != napi_ok)
    return;
  if (status < 0) {
    channel_end(channel, -status);
  } else {
    if ((events & UV_WRITABLE) != 0) {
      channel_watch(channel, UV_READABLE);
      channel_call(channel, channel->on_drain, 0, NULL);
    }
    if ((events & UV_READABLE) != 0 && !channel->closing)
      for (int i = 0; i < MESSAGES_PER_TURN && channel_receive(channel); i++)
        continue;
  }
  napi_close_handle_scope(channel->env, scope);
}

/* Connects at once: a Unix socket's connect(2) completes when the backlog has room, otherwise fails with EAGAIN. */
static int connect_path(const char *path, size_t length)
{
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (length >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, length);
  CLEANUP_FD int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  return steal_fd(&fd);
}

/* channelConnect(path, onMessage, onDrain, onEnd): handle */
static napi_value channel_connect(napi_env env, napi_callback_info info)
{
  napi_value arguments[4], result;
  char path[256];
  size_t length;
  uv_loop_t *loop;
  if (!addon_arguments(env, info, 4, arguments))
    return NULL;
  NAPI_TRY(env, napi_get_value_string_utf8(env, arguments[0], path, sizeof path, &length));
  NAPI_TRY(env, napi_get_uv_event_loop(env, &loop));
  CLEANUP_FD int fd = connect_path(path, length);
  if (fd < 0)
    return addon_throw_errno(env, errno, "connect");

  struct channel *channel = calloc(1, sizeof *channel);
  if (channel == NULL)
    return addon_throw_errno(env, errno, "channel");
  channel->env = env;
  channel->poll.data = channel;
  if (napi_create_reference(env, arguments[1], 1, &channel->on_message) != napi_ok ||
      napi_create_reference(env, arguments[2], 1, &channel->on_drain) != napi_ok ||
      napi_create_reference(env, arguments[3], 1, &channel->on_end) != napi_ok ||
      uv_poll_init(loop, &channel->poll, fd) != 0) {
    free(channel);
    return addon_throw(env, "ERR_WRIT_ADDON", "could not watch the connection");
  }
  channel->fd = steal_fd(&fd);
  channel_watch(channel, UV_READABLE);
  if (napi_create_external(env, channel, channel_collected, NULL, &result) != napi_ok) {
    channel_collected(env, channel, NULL);
    return addon_throw(env, "ERR_WRIT_ADDON", "could not make the handle");
  }
  return result;
}

static struct channel *channel_of(napi_env env, napi_value value)
{
  void *data = NULL;
  if (napi_get_value_external(env, value, &data) != napi_ok)
    addon_throw(env, "ERR_WRIT_ARGUMENT", "not a channel");
  return data;
}

/* channelSend(handle, bytes, descriptors): boolean — false: nothing was sent, wait for onDrain. Descriptors stay the
 * caller's to close. */
static napi_value channel_send(napi_env env, napi_callback_info info)
{
  napi_value arguments[3], element;
  void *bytes;
  size_t length;
  uint32_t count;
  int fds[WIRE_FDS_MAX];
  if (!addon_arguments(env, info, 3, arguments))
    return NULL;
  struct channel *channel = channel_of(env, arguments[0]);
  if (channel == NULL)
    return NULL;
  NAPI_TRY(env, napi_get_buffer_info(env, arguments[1], &bytes, &length));
  NAPI_TRY(env, napi_get_array_length(env, arguments[2], &count));
  if (channel->closing)
    return addon_throw_errno(env, ENOTCONN, "send");
  if (count > WIRE_FDS_MAX || length > WIRE_MESSAGE_MAX)
    return addon_throw_errno(env, EMSGSIZE, "send");
  for (uint32_t i = 0; i < count; i++) {
    NAPI_TRY(env, napi_get_element(env, arguments[2], i, &element));
    NAPI_TRY(env, napi_get_value_int32(env, element, &fds[i]));
  }
  union {
    char space[CMSG_SPACE(sizeof fds)];
    struct cmsghdr align;
  } control;
  memset(&control, 0, sizeof control);
  struct iovec vector = {.iov_base = bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, count * sizeof(int));
  }
  if (sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
    return addon_bool(env, true);
  if (errno != EAGAIN && errno != ENOBUFS)
    return addon_throw_errno(env, errno, "send");
  channel_watch(channel, UV_READABLE | UV_WRITABLE);
  return addon_bool(env, false);
}

/* channelClose(handle): void — no callback is called any more */
static napi_value channel_close(napi_env env, napi_callback_info info)
{
  napi_value argument;
  if (!addon_arguments(env, info, 1, &argument))
    return NULL;
  struct channel *channel = channel_of(env, argument);
  if (channel == NULL)
    return NULL;
  channel_stop(channel);
  return addon_undefined(env);
}

bool addon_register_channel(napi_env env, napi_value exports)
{
  return addon_export(env, exports, "channelConnect", channel_connect) &&
         addon_export(env, exports, "channelSend", channel_send) &&
         addon_export(env, exports, "channelClose", channel_close);
}
