#include "devices.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "strings.h"

#define PREFIX "/dev/"

static bool is_name(const char *name)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
  size_t length = strlen(name);
  return length > 0 && length < WIRE_DEVICE_NAME_SIZE && name[0] != '-' && strspn(name, letters) == length;
}

static const struct device_class *find(const struct device_classes *classes, const char *name)
{
  for (size_t i = 0; i < classes->count; i++)
    if (strcmp(classes->items[i].name, name) == 0)
      return &classes->items[i];
  return NULL;
}

/* The next of the patterns, without the blanks around it; NULL after the last one. */
static char *next_pattern(char **rest)
{
  char *pattern = *rest;
  if (pattern == NULL)
    return NULL;
  char *comma = strchr(pattern, ',');
  if (comma != NULL)
    *comma = '\0';
  *rest = comma == NULL ? NULL : comma + 1;
  pattern += strspn(pattern, " \t");
  for (size_t length = strlen(pattern); length > 0 && strchr(" \t", pattern[length - 1]) != NULL; length--)
    pattern[length - 1] = '\0';
  return pattern;
}

bool device_class_add(struct device_classes *classes, const char *name, const char *patterns)
{
  struct device_class class = {.name = ""};
  if (!is_name(name) || find(classes, name) != NULL || classes->count == WIRE_DEVICES_MAX ||
      strlen(patterns) >= sizeof class.patterns)
    return false;
  strcpy(class.name, name);
  strcpy(class.patterns, patterns);
  char copy[DEVICE_PATTERNS_SIZE], *rest = copy;
  strcpy(copy, patterns);
  for (char *pattern; (pattern = next_pattern(&rest)) != NULL;)
    if (!path_is_plain(pattern) || strncmp(pattern, PREFIX, strlen(PREFIX)) != 0)
      return false;
  classes->items[classes->count++] = class;
  return true;
}

static bool add_node(struct device_nodes *nodes, const char *path)
{
  struct stat status;
  const char *below = path + strlen(PREFIX);
  /* Not through a link, which would be another name for a device; a block device is no accelerator and would be a disk. */
  if (lstat(path, &status) != 0 || !S_ISCHR(status.st_mode))
    return true;
  for (size_t i = 0; i < nodes->count; i++)
    if (strcmp(nodes->items[i].path, below) == 0)
      return true;
  if (nodes->count == DEVICE_NODES_MAX || strlen(below) >= DEVICE_PATH_MAX) {
    errno = E2BIG;
    return false;
  }
  struct device_node *node = &nodes->items[nodes->count++];
  strcpy(node->path, below);
  node->number = status.st_rdev;
  return true;
}

static bool add_matching(struct device_nodes *nodes, const char *pattern)
{
  glob_t found;
  int result = glob(pattern, GLOB_NOSORT, NULL, &found);
  bool added = result == 0 || result == GLOB_NOMATCH;
  for (size_t i = 0; result == 0 && added && i < found.gl_pathc; i++)
    added = add_node(nodes, found.gl_pathv[i]);
  int error = errno;
  globfree(&found);
  errno = error;
  return added;
}

bool device_class_resolve(const struct device_classes *classes, const char *name, struct device_nodes *nodes)
{
  const struct device_class *class = find(classes, name);
  size_t before = nodes->count;
  errno = ENODEV;
  if (class == NULL)
    return false;
  char copy[DEVICE_PATTERNS_SIZE], *rest = copy;
  strcpy(copy, class->patterns);
  for (char *pattern; (pattern = next_pattern(&rest)) != NULL;)
    if (!add_matching(nodes, pattern))
      return false;
  errno = ENODEV;
  return nodes->count > before;
}
