/* Where log lines go, and never wait: the journal by its native protocol, or standard error. What does not fit at once is dropped. */
#ifndef WRIT_LOG_OUTPUT_H
#define WRIT_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether standard error is a stream to the journal ($JOURNAL_STREAM, systemd.exec(5)). */
bool stderr_is_journal(void);

/* Sends one entry in the native form. Gives 1 when sent, 0 when the journal takes nothing now, -1 with errno. */
int journal_send(const void *entry, size_t length);

/* Writes to `fd` what goes at once. Gives whether that was everything; only whole lines up to PIPE_BUF are sure to be whole. */
bool write_at_once(int fd, const void *bytes, size_t length);

#endif
