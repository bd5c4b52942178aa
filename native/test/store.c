#include "../launchd/removal.h"
#include "../launchd/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../launchd/source.h"
#include "check.h"

static const struct config *config_at(const char *directory)
{
  static struct config config;
  memset(&config, 0, sizeof config);
  snprintf(config.store, sizeof config.store, "%.200s/store", directory);
  config.store_bytes = 4096;
  return &config;
}

/* Fills a file of `size` bytes; its digest is said to be all `tag`. */
static uint32_t add(struct store *store, uint32_t tag, uint64_t size, const uint8_t *fingerprint)
{
  int reading = -1;
  struct wire_staged result = {.size = size};
  memcpy(result.digest, &tag, sizeof tag);
  if (!store_reserve(store, size))
    return STORE_NONE;
  int writing = store_create(store, &reading);
  CHECK(writing >= 0 && ftruncate(writing, (off_t)size) == 0);
  CHECK(store_commit(store, reading, &result, fingerprint) == STORE_NONE); /* somebody can still write to it */
  close(writing);
  result.size++;
  CHECK(store_commit(store, reading, &result, fingerprint) == STORE_NONE); /* torn */
  result.size--;
  uint32_t place = store_commit(store, reading, &result, fingerprint);
  close(reading);
  store_release(store, size);
  return place;
}

static void test_room(struct store *store)
{
  uint32_t first = add(store, 1, 2000, NULL), second = add(store, 2, 2000, NULL);
  CHECK(first != STORE_NONE && second != STORE_NONE && store->held == 4000 && store->reserved == 0);
  CHECK(add(store, 3, 2000, NULL) == STORE_NONE); /* both are in use */
  store_unpin(store, first);
  store_unpin(store, second);
  CHECK(add(store, 1, 2000, NULL) != STORE_NONE); /* the same digest: nothing new, and the entry is used now */
  CHECK(store->held == 2000 || store->entries[first].taken);
  CHECK(!store_reserve(store, 4097) && !store_reserve(store, UINT64_MAX));
  CHECK(store_reserve(store, 96) && !store_reserve(store, 4096));
  store_release(store, 96);
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX; i++)
    while (store->entries[i].taken && store->entries[i].pins > 0)
      store_unpin(store, i);
  CHECK(store_reserve(store, 4096) && store->held == 0);
  store_release(store, 4096);
}

static void test_hints(struct store *store)
{
  uint8_t fingerprint[FINGERPRINT_SIZE] = {1};
  CHECK(store_find(store, fingerprint) == STORE_NONE);
  uint32_t place = add(store, 7, 10, fingerprint);
  CHECK(place != STORE_NONE && store_find(store, fingerprint) == place && store->entries[place].pins == 2);
  uint32_t other = add(store, 8, 10, fingerprint); /* the same source with other bytes: the newest counts */
  CHECK(other != place && store_find(store, fingerprint) == other);
  /* A hint to what is gone leads nowhere, and never to what has its place by then. */
  store_unpin(store, other);
  store_unpin(store, other);
  store_unpin(store, place);
  store_unpin(store, place);
  CHECK(store_reserve(store, 4096));
  store_release(store, 4096);
  CHECK(store_find(store, fingerprint) == STORE_NONE);
  uint32_t third = add(store, 9, 10, NULL);
  CHECK(third != STORE_NONE && store_find(store, fingerprint) == STORE_NONE);
  store_unpin(store, third);
}

/* Entries and hints are as many as there is room for, however small they are. */
static void test_bounds(struct store *store)
{
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX + 20; i++) {
    uint8_t fingerprint[FINGERPRINT_SIZE] = {2};
    memcpy(fingerprint + 1, &i, sizeof i);
    uint32_t place = add(store, 1000 + i, 1, fingerprint);
    CHECK(place != STORE_NONE);
    if (place != STORE_NONE)
      store_unpin(store, place);
  }
  uint32_t taken = 0;
  for (uint32_t i = 0; i < STORE_ENTRIES_MAX; i++)
    taken += store->entries[i].taken ? 1 : 0;
  CHECK(taken == STORE_ENTRIES_MAX);
  for (uint32_t i = 0; i < 2 * STORE_HINTS_MAX; i++) {
    uint8_t fingerprint[FINGERPRINT_SIZE] = {3};
    memcpy(fingerprint + 1, &i, sizeof i);
    uint32_t place = add(store, 1000 + STORE_ENTRIES_MAX, 1, fingerprint);
    CHECK(place != STORE_NONE);
    if (place != STORE_NONE)
      store_unpin(store, place);
  }
}

static void test_source(const char *directory)
{
  char path[256];
  struct source source, again;
  snprintf(path, sizeof path, "%.200s/source", directory);
  int writing = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), reading = open(path, O_RDONLY | O_CLOEXEC);
  CHECK(writing >= 0 && write(writing, "abc", 3) == 3);
  CHECK(!nobody_writes(reading) && source_look(reading, &source) && source.bytes == 3 && !source.steady);
  close(writing);
  CHECK(nobody_writes(reading) && source_look(reading, &again) && !again.steady); /* it has just changed */
  CHECK(!again.has_fingerprint || source_is_same(&source, &again));
  CHECK(truncate(path, 2) == 0 && source_look(reading, &again) && !source_is_same(&source, &again));
  close(reading);
  reading = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  CHECK(source_look(reading, &source) && !source.has_fingerprint && !source.steady && !source_is_same(&source, &source));
  close(reading);
  unlink(path);
}

void test_store(void)
{
  char directory[64];
  static struct store store, other;
  if (getuid() != 0) {
    printf("store: not as root, not looked at\n");
    return;
  }
  snprintf(directory, sizeof directory, "/tmp/writ-store-%d", getpid());
  CHECK(mkdir(directory, 0700) == 0);
  const struct config *config = config_at(directory);
  CHECK(store_open(config, &store) && store_is_open(&store));
  CHECK(!store_open(config, &other) && !store_is_open(&other)); /* another has it */
  test_source(directory);
  test_room(&store);
  test_hints(&store);
  test_bounds(&store);
  while (wait(NULL) > 0) {
  }
  int parent = open("/tmp", O_RDONLY | O_DIRECTORY);
  remove_tree(parent, directory + strlen("/tmp/"), 0);
  CHECK(access(directory, F_OK) != 0);
  close(parent);
  free(store.entries);
  free(store.hints);
  free(other.entries);
  free(other.hints);
}
