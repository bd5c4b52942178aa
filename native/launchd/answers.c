#include "../shared/cleanup.h"
#include "launcher.h"

/* Order 0: whoever gave it is gone, and the writd that is connected now did not ask. */
void answer_with(struct launcher *launcher, uint16_t order, uint64_t request, const void *body, size_t size, int *fds,
                 size_t count)
{
  for (size_t i = 0; request == 0 && i < count; i++)
    close_fd(&fds[i]);
  if (request != 0 &&
      !connection_send(&launcher->connection, WIRE_ANSWER | order, request, STATUS_OK, body, size, fds, count))
    launcher->broken = true;
}

void answer(struct launcher *launcher, uint16_t order, uint64_t request, const void *body, size_t size)
{
  answer_with(launcher, order, request, body, size, NULL, 0);
}

void refuse(struct launcher *launcher, uint16_t order, uint64_t request, struct failure failure)
{
  struct wire_failure body = {.error = failure.error, .index = failure.index};
  if (request != 0 &&
      !connection_send(&launcher->connection, WIRE_ANSWER | order, request, failure.status, &body, sizeof body, NULL, 0))
    launcher->broken = true;
}

void announce_with(struct launcher *launcher, uint16_t event, const void *body, size_t size, int *fds, size_t count)
{
  if (!connection_send(&launcher->connection, event, 0, STATUS_OK, body, size, fds, count))
    launcher->broken = true;
}

void announce(struct launcher *launcher, uint16_t event, const void *body, size_t size)
{
  announce_with(launcher, event, body, size, NULL, 0);
}
