#include "format.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "strings.h"

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "x86_64 and aarch64 are supported"
#endif

#define PROGRAM_HEADERS_MAX 64

/* "#!", blanks, a path, then a blank or the line's end, all within BINPRM_BUF_SIZE (fs/binfmt_script.c). */
static enum wire_format script(const char *bytes, size_t length, char interpreter[WIRE_INTERPRETER_SIZE])
{
  size_t limit = length < WIRE_INTERPRETER_SIZE ? length : WIRE_INTERPRETER_SIZE;
  const char *end = memchr(bytes, '\n', limit);
  if (end == NULL) {
    if (limit < length)
      return FORMAT_DATA; /* the kernel would not see the whole line either */
    end = bytes + limit;
  }
  const char *at = bytes + 2;
  while (at < end && (*at == ' ' || *at == '\t'))
    at++;
  size_t size = 0;
  while (at + size < end && at[size] != ' ' && at[size] != '\t' && at[size] != '\0')
    size++;
  memcpy(interpreter, at, size); /* less than limit - 2 */
  interpreter[size] = '\0';
  if (path_is_plain(interpreter))
    return FORMAT_SCRIPT;
  interpreter[0] = '\0';
  return FORMAT_DATA;
}

static enum wire_format elf(const char *bytes, size_t length, char interpreter[WIRE_INTERPRETER_SIZE])
{
  Elf64_Ehdr header;
  if (length < sizeof header)
    return FORMAT_DATA;
  memcpy(&header, bytes, sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != NATIVE_MACHINE || (header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
      header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum > PROGRAM_HEADERS_MAX)
    return FORMAT_DATA;
  size_t table = (size_t)header.e_phnum * sizeof(Elf64_Phdr);
  if (header.e_phoff > length || table > length - header.e_phoff)
    return FORMAT_DATA;
  for (size_t i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    memcpy(&segment, bytes + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_INTERP)
      continue;
    if (segment.p_filesz < 2 || segment.p_filesz > WIRE_INTERPRETER_SIZE || segment.p_offset > length ||
        segment.p_filesz > length - segment.p_offset)
      return FORMAT_DATA;
    const char *name = bytes + segment.p_offset;
    if (memchr(name, '\0', segment.p_filesz) != name + segment.p_filesz - 1 || !path_is_plain(name))
      return FORMAT_DATA;
    memcpy(interpreter, name, segment.p_filesz);
    return FORMAT_ELF_DYNAMIC;
  }
  return FORMAT_ELF_STATIC;
}

enum wire_format format_of(const void *bytes, size_t length, char interpreter[WIRE_INTERPRETER_SIZE])
{
  memset(interpreter, 0, WIRE_INTERPRETER_SIZE);
  if (length >= 2 && memcmp(bytes, "#!", 2) == 0)
    return script(bytes, length, interpreter);
  if (length >= SELFMAG && memcmp(bytes, ELFMAG, SELFMAG) == 0)
    return elf(bytes, length, interpreter);
  return FORMAT_DATA;
}
