#include "../launchd/strings.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

static void test_split(void)
{
  char table[] = "one\0\0three"; /* and the NUL that C adds */
  char *items[4];
  CHECK(strings_split(table, sizeof table, 3, items));
  CHECK(strcmp(items[0], "one") == 0 && items[1][0] == '\0' && strcmp(items[2], "three") == 0);
  CHECK(!strings_split(table, sizeof table, 2, items));     /* something is left */
  CHECK(!strings_split(table, sizeof table, 4, items));     /* too few */
  CHECK(!strings_split(table, sizeof table - 1, 3, items)); /* the last one does not end */
}

static int table_fd(int seals)
{
  int fd = memfd_create("table", MFD_ALLOW_SEALING);
  CHECK(write(fd, "a\0b", 4) == 4);
  CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
  return fd;
}

static void test_read(void)
{
  struct strings strings;
  int sealed = table_fd(F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
  CHECK(strings_read(sealed, 2, &strings));
  CHECK(strings.count == 2 && strcmp(strings.items[1], "b") == 0);
  strings_free(&strings);
  CHECK(!strings_read(sealed, 3, &strings) && strings.bytes == NULL);
  close(sealed);
  /* Whoever sent it could change it after it was checked. */
  int open_table = table_fd(F_SEAL_SHRINK | F_SEAL_GROW);
  CHECK(!strings_read(open_table, 2, &strings));
  close(open_table);
  int file = open("/dev/null", O_RDONLY);
  CHECK(!strings_read(file, 1, &strings));
  close(file);
}

static void test_paths(void)
{
  char long_name[PATH_MAX + 2];
  CHECK(path_is_plain("/bin/true") && path_is_plain("/a") && path_is_plain("/a/..b/.c"));
  CHECK(!path_is_plain("") && !path_is_plain("bin") && !path_is_plain("/") && !path_is_plain("//a"));
  CHECK(!path_is_plain("/a/") && !path_is_plain("/a//b") && !path_is_plain("/a/./b") && !path_is_plain("/a/.."));
  memset(long_name, 'a', sizeof long_name);
  long_name[0] = '/';
  long_name[NAME_MAX + 2] = '\0';
  CHECK(!path_is_plain(long_name)); /* one name too long */
  for (size_t i = 0; i < sizeof long_name; i += 2)
    memcpy(long_name + i, "/a", 2);
  long_name[PATH_MAX] = '\0';
  CHECK(!path_is_plain(long_name));
  long_name[PATH_MAX - 2] = '\0';
  CHECK(path_is_plain(long_name));
}

static void fuzz(void)
{
  uint64_t random = 1;
  for (int i = 0; i < 20000; i++) {
    size_t length = next_random(&random) % 24;
    char *bytes = malloc(length + 1); /* exact, so that a sanitizer sees a read past the end */
    char *items[8];
    for (size_t k = 0; k < length; k++)
      bytes[k] = "/.a\0"[next_random(&random) % 4];
    size_t count = next_random(&random) % 8;
    if (strings_split(bytes, length, count, items))
      for (size_t k = 0; k < count; k++)
        CHECK(items[k] >= bytes && items[k] + strlen(items[k]) < bytes + length);
    bytes[length] = '\0';
    if (path_is_plain(bytes))
      CHECK(bytes[0] == '/' && strstr(bytes, "//") == NULL && strstr(bytes, "/./") == NULL);
    free(bytes);
  }
}

void test_strings(void)
{
  test_split();
  test_read();
  test_paths();
  fuzz();
}
