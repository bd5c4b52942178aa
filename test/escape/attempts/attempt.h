/*
 * One attempt to do what was not signed. It performs the thing itself, harmlessly where it succeeds, and says what came of it:
 * 0 it was done, -1 with errno it was refused. What it needs beforehand and cannot have ends it with unprepared().
 */
#ifndef WRIT_ATTEMPT_H
#define WRIT_ATTEMPT_H

#include <stddef.h>

struct attempt {
  const char *name;
  int (*run)(char **arguments);
};

/* Says that nothing was shown, and exits with 2. */
__attribute__((noreturn)) void unprepared(const char *what);
/* Runs `attempt` in a child: a success would change this process. */
int in_child(int (*attempt)(void));
/* The descriptor is closed again: to have had it is the success. */
int opened(int fd);
/* A fresh name below `directory`. */
const char *fresh_name(const char *directory);

extern const struct attempt KERNEL_ATTEMPTS[], FILE_ATTEMPTS[], EXECUTE_ATTEMPTS[], PROCESS_ATTEMPTS[],
    NETWORK_ATTEMPTS[], TERMINAL_ATTEMPTS[], IDENTITY_ATTEMPTS[];

#endif
