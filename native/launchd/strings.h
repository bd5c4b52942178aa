/* Tables of strings that come with an order in a sealed memfd. */
#ifndef WRIT_STRINGS_H
#define WRIT_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

struct strings {
  char *bytes;  /* owned */
  char **items; /* owned; `count` pointers into bytes */
  size_t count;
  size_t length; /* of all bytes */
};

/* Splits `length` bytes, which must be exactly `count` NUL-terminated strings, into `items`. Pure; bounded by length. */
bool strings_split(char *bytes, size_t length, size_t count, char **items);

/* Reads a table of `count` strings from `fd`, which must be a memfd sealed against every change. */
bool strings_read(int fd, size_t count, struct strings *strings);
void strings_free(struct strings *strings);

/* Whether a path is absolute, shorter than PATH_MAX, and made of plain names: no "", ".", "..", no slash at the end. */
bool path_is_plain(const char *path);

#endif
