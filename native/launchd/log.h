/* One line per message on standard error; the service manager keeps it. */
#ifndef WRIT_LOG_H
#define WRIT_LOG_H

__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);
__attribute__((format(printf, 1, 2), noreturn)) void die(const char *format, ...);
/* As die, with the text of errno. */
__attribute__((format(printf, 1, 2), noreturn)) void die_errno(const char *format, ...);

#endif
