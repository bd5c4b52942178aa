/* What kind of program some bytes are. The bytes come from whoever wrote the file. */
#ifndef WRIT_FORMAT_H
#define WRIT_FORMAT_H

#include <stddef.h>

#include "../shared/wire.h"

/*
 * Judges `length` bytes as execve(2) would. For a script `interpreter` becomes the path after "#!", for a dynamic ELF
 * its PT_INTERP; otherwise "". What is cut short or names no absolute plain path is FORMAT_DATA: it will not be run.
 */
enum wire_format format_of(const void *bytes, size_t length, char interpreter[WIRE_INTERPRETER_SIZE]);

#endif
