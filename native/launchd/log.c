#include "log.h"

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../shared/log_output.h"

/* Priorities of syslog(3). */
#define WARNING_PRIORITY "4"
#define INFO_PRIORITY "6"
#define ERROR_PRIORITY "3"
#define EXECUTION_ID_SIZE 16

/* Lines that found no room; the next one that does says how many. */
static unsigned long dropped;

void journal_field(struct journal_entry *entry, const char *name, const void *value, size_t length)
{
  size_t name_length = strlen(name);
  /* The longer form for every value: its length stands before it, so no byte in it can begin another field. */
  size_t needed = name_length + 1 + sizeof(uint64_t) + length + 1;
  if (length > sizeof entry->bytes || needed > sizeof entry->bytes - entry->length)
    return;
  unsigned char *to = entry->bytes + entry->length;
  uint64_t size = htole64(length);
  memcpy(to, name, name_length);
  to[name_length] = '\n';
  memcpy(to + name_length + 1, &size, sizeof size);
  memcpy(to + name_length + 1 + sizeof size, value, length);
  to[needed - 1] = '\n';
  entry->length += needed;
}

static void text_field(struct journal_entry *entry, const char *name, const char *value)
{
  journal_field(entry, name, value, strlen(value));
}

static bool to_journal(const char *priority, const char *message_id, const uint8_t *execution, const char *text)
{
  static const char digits[] = "0123456789abcdef";
  struct journal_entry entry = {.length = 0};
  char id[2 * EXECUTION_ID_SIZE + 1] = "", count[24];
  text_field(&entry, "PRIORITY", priority);
  text_field(&entry, "SYSLOG_IDENTIFIER", "writ-launchd");
  text_field(&entry, "MESSAGE", text);
  if (message_id != NULL)
    text_field(&entry, "MESSAGE_ID", message_id);
  for (size_t i = 0; execution != NULL && i < EXECUTION_ID_SIZE; i++) {
    id[2 * i] = digits[execution[i] >> 4];
    id[2 * i + 1] = digits[execution[i] & 15];
  }
  if (execution != NULL)
    text_field(&entry, "WRIT_EXECUTION", id);
  snprintf(count, sizeof count, "%lu", dropped);
  if (dropped > 0)
    text_field(&entry, "WRIT_DROPPED", count);
  return journal_send(entry.bytes, entry.length) == 1;
}

static bool to_stderr(const char *text)
{
  char line[1400];
  int length = dropped == 0 ? snprintf(line, sizeof line, "writ-launchd: %s\n", text)
                            : snprintf(line, sizeof line, "writ-launchd: (%lu lines were dropped) %s\n", dropped, text);
  return write_at_once(STDERR_FILENO, line, (size_t)length);
}

static void say(const char *priority, const char *message_id, const uint8_t *execution, const char *text)
{
  static int journal = -1; /* not looked at yet; standard error does not change */
  if (journal < 0)
    journal = stderr_is_journal();
  if (journal ? to_journal(priority, message_id, execution, text) : to_stderr(text))
    dropped = 0;
  else
    dropped++;
}

static void format_text(char text[1200], const char *format, va_list arguments, const char *error)
{
  int length = vsnprintf(text, 1024, format, arguments);
  if (error != NULL)
    snprintf(text + (length < 1024 ? (size_t)length : 1023), 176, ": %s", error);
}

void log_line(const char *format, ...)
{
  char text[1200];
  va_list arguments;
  va_start(arguments, format);
  format_text(text, format, arguments, NULL);
  va_end(arguments);
  say(INFO_PRIORITY, NULL, NULL, text);
}

void log_event(const char *message_id, const uint8_t *execution, const char *format, ...)
{
  char text[1200];
  va_list arguments;
  va_start(arguments, format);
  format_text(text, format, arguments, NULL);
  va_end(arguments);
  say(execution == NULL ? INFO_PRIORITY : WARNING_PRIORITY, message_id, execution, text);
}

void die(const char *format, ...)
{
  char text[1200];
  va_list arguments;
  va_start(arguments, format);
  format_text(text, format, arguments, NULL);
  va_end(arguments);
  say(ERROR_PRIORITY, NULL, NULL, text);
  exit(1);
}

void die_errno(const char *format, ...)
{
  const char *error = strerror(errno);
  char text[1200];
  va_list arguments;
  va_start(arguments, format);
  format_text(text, format, arguments, error);
  va_end(arguments);
  say(ERROR_PRIORITY, NULL, NULL, text);
  exit(1);
}
