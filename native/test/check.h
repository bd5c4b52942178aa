/* The smallest test frame: a check that fails says where and goes on; the process ends with 1 if any failed. */
#ifndef WRIT_CHECK_H
#define WRIT_CHECK_H

#include <stdint.h>
#include <stdio.h>

extern unsigned checks_failed;

#define CHECK(condition)                                                                                            \
  do {                                                                                                              \
    if (!(condition)) {                                                                                             \
      checks_failed++;                                                                                              \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                               \
    }                                                                                                               \
  } while (0)

/* xorshift64*: the same inputs at every run, so that a failure can be repeated. */
static inline uint32_t next_random(uint64_t *state)
{
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (uint32_t)((*state * UINT64_C(2685821657736338717)) >> 32);
}

void test_adoption(void);
void test_config(void);
void test_devices(void);
void test_deadlines(void);
void test_executions(void);
void test_format(void);
void test_orders(void);
void test_seccomp(void);
void test_sha256(void);
void test_store(void);
void test_cgroup(void);
void test_strings(void);

#endif
