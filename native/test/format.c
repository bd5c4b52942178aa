#include "../launchd/format.h"

#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static bool is(const char *text, enum wire_format format, const char *expected)
{
  char interpreter[WIRE_INTERPRETER_SIZE];
  return format_of(text, strlen(text), interpreter) == format && strcmp(interpreter, expected) == 0;
}

static void test_scripts(void)
{
  char line[600];
  CHECK(is("#!/bin/sh\necho", FORMAT_SCRIPT, "/bin/sh"));
  CHECK(is("#!  /usr/bin/env python3\n", FORMAT_SCRIPT, "/usr/bin/env"));
  CHECK(is("#!/bin/sh", FORMAT_SCRIPT, "/bin/sh")); /* the whole file */
  CHECK(is("#!\t/bin/sh\t-e\n", FORMAT_SCRIPT, "/bin/sh"));
  CHECK(is("#!bin/sh\n", FORMAT_DATA, "") && is("#!/bin/../sh\n", FORMAT_DATA, ""));
  CHECK(is("#!\n/bin/sh", FORMAT_DATA, "") && is("#!", FORMAT_DATA, "") && is("#", FORMAT_DATA, ""));
  CHECK(is("", FORMAT_DATA, "") && is("plain", FORMAT_DATA, ""));
  /* A line that the kernel would cut after 256 bytes names another interpreter there than here. */
  memset(line, 'a', sizeof line);
  memcpy(line, "#!/", 3);
  strcpy(line + 300, "\n");
  CHECK(is(line, FORMAT_DATA, ""));
}

static size_t read_self(char *bytes, size_t size)
{
  int fd = open("/proc/self/exe", O_RDONLY);
  ssize_t length = read(fd, bytes, size);
  close(fd);
  return length < 0 ? 0 : (size_t)length;
}

static void test_elf(void)
{
  static char bytes[65536];
  char interpreter[WIRE_INTERPRETER_SIZE];
  size_t length = read_self(bytes, sizeof bytes);
  CHECK(format_of(bytes, length, interpreter) == FORMAT_ELF_DYNAMIC);
  CHECK(interpreter[0] == '/' && strstr(interpreter, "ld-linux") != NULL);
  /* Cut anywhere in its headers it is no program; never read past the end. */
  for (size_t cut = 0; cut < 1024; cut++) {
    char *exact = malloc(cut == 0 ? 1 : cut);
    memcpy(exact, bytes, cut);
    enum wire_format format = format_of(exact, cut, interpreter);
    CHECK(format == FORMAT_DATA || format == FORMAT_ELF_DYNAMIC);
    free(exact);
  }
  Elf64_Ehdr header;
  memcpy(&header, bytes, sizeof header);
  header.e_machine = EM_386;
  memcpy(bytes, &header, sizeof header);
  CHECK(format_of(bytes, length, interpreter) == FORMAT_DATA); /* not of this machine */
}

static void fuzz(void)
{
  static char original[4096];
  size_t size = read_self(original, sizeof original);
  uint64_t random = 3;
  for (int i = 0; i < 50000; i++) {
    size_t length = next_random(&random) % 3 == 0 ? next_random(&random) % (size + 1) : size;
    char *bytes = malloc(length == 0 ? 1 : length);
    char interpreter[WIRE_INTERPRETER_SIZE];
    memcpy(bytes, original, length);
    for (unsigned k = next_random(&random) % 6; k > 0 && length > 0; k--)
      bytes[next_random(&random) % (length < 1024 ? length : 1024)] = (char)next_random(&random);
    enum wire_format format = format_of(bytes, length, interpreter);
    CHECK(memchr(interpreter, '\0', sizeof interpreter) != NULL);
    CHECK((interpreter[0] != '\0') == (format == FORMAT_SCRIPT || format == FORMAT_ELF_DYNAMIC));
    free(bytes);
  }
}

void test_format(void)
{
  test_scripts();
  test_elf();
  fuzz();
}
