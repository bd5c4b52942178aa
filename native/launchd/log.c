#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void line(const char *format, va_list arguments, const char *error)
{
  char text[1024];
  vsnprintf(text, sizeof text, format, arguments);
  fprintf(stderr, error == NULL ? "writ-launchd: %s\n" : "writ-launchd: %s: %s\n", text, error);
}

void log_line(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  line(format, arguments, NULL);
  va_end(arguments);
}

void die(const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  line(format, arguments, NULL);
  va_end(arguments);
  exit(1);
}

void die_errno(const char *format, ...)
{
  const char *error = strerror(errno);
  va_list arguments;
  va_start(arguments, format);
  line(format, arguments, error);
  va_end(arguments);
  exit(1);
}
