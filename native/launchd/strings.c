#include "strings.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/wire.h"

bool strings_split(char *bytes, size_t length, size_t count, char **items)
{
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    char *end = memchr(bytes + at, '\0', length - at);
    if (end == NULL)
      return false;
    items[i] = bytes + at;
    at = (size_t)(end - bytes) + 1;
  }
  return at == length;
}

void strings_free(struct strings *strings)
{
  free(strings->bytes);
  free(strings->items);
  *strings = (struct strings){0};
}

bool strings_read(int fd, size_t count, struct strings *strings)
{
  const int sealed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
  struct stat status;
  *strings = (struct strings){0};
  if (fstat(fd, &status) != 0 || (fcntl(fd, F_GET_SEALS) & sealed) != sealed || fcntl(fd, F_GET_SEALS) < 0)
    return false;
  if (status.st_size < 1 || status.st_size > WIRE_TABLE_MAX)
    return false;
  size_t length = (size_t)status.st_size;
  strings->bytes = malloc(length);
  strings->items = calloc(count, sizeof *strings->items);
  strings->count = count;
  strings->length = length;
  if (strings->bytes != NULL && strings->items != NULL &&
      pread(fd, strings->bytes, length, 0) == (ssize_t)length &&
      strings_split(strings->bytes, length, count, strings->items))
    return true;
  strings_free(strings);
  return false;
}

bool path_is_plain(const char *path)
{
  if (path[0] != '/' || strlen(path) >= PATH_MAX)
    return false;
  for (const char *at = path; *at == '/';) {
    const char *name = at + 1;
    size_t length = strcspn(name, "/");
    bool dots = (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
    if (length == 0 || length > NAME_MAX || dots)
      return false;
    at = name + length;
  }
  return true;
}
