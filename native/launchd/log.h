/* Messages for the operator: an entry of the journal where standard error is one, else one line. Logging never waits. */
#ifndef WRIT_LOG_H
#define WRIT_LOG_H

#include <stddef.h>
#include <stdint.h>

/* Kinds of events, as MESSAGE_ID; docs/journal.md has the table. */
#define EVENT_LAUNCHER_READY "8abc06f4640647e6b05449862dfe547f"
#define EVENT_LAUNCHER_STOP "ae5357a0e1034335a2715622aa81f5df"
#define EVENT_SUPERVISOR_LOST "0a5bc4289f884ed0bb2b251e111a5594"

__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);
/* As log_line, with the kind of event; `execution` is NULL or the 16 bytes of an id. */
__attribute__((format(printf, 3, 4))) void log_event(const char *message_id, const uint8_t *execution, const char *format, ...);
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);
/* As die, with the text of errno. */
__attribute__((format(printf, 1, 2), noreturn)) void die_errno(const char *format, ...);

/* An entry in the journal's native form. A field that does not fit is left out. */
struct journal_entry {
  unsigned char bytes[4096];
  size_t length;
};

/* Adds a field; `name` is ours (A to Z, 0 to 9, _), the value any bytes. */
void journal_field(struct journal_entry *entry, const char *name, const void *value, size_t length);

#endif
