#include "executions.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../shared/cleanup.h"

bool executions_create(const struct config *config, struct executions *table)
{
  *table = (struct executions){.size = config->max_executions, .uids = config->uids, .next_uid = config->uids.first};
  table->store.root = -1;
  table->items = calloc(table->size, sizeof *table->items);
  return table->items != NULL && account_create(config->max_staged_bytes, table->size, &table->account);
}

struct execution *executions_take(struct executions *table, const uint8_t id[WIRE_ID_SIZE])
{
  for (uint32_t i = 0; i < table->size; i++) {
    struct execution *execution = &table->items[i];
    if (execution->state != EXECUTION_FREE)
      continue;
    *execution = (struct execution){
        .channel = -1, .leaf = LEAF_CLOSED, .pipes = {-1, -1, -1, -1}, .admission = {.reading = -1}};
    memcpy(execution->id, id, WIRE_ID_SIZE);
    table->live++;
    return execution;
  }
  return NULL;
}

struct execution *executions_find(const struct executions *table, const uint8_t id[WIRE_ID_SIZE])
{
  for (uint32_t i = 0; i < table->size; i++)
    if (table->items[i].state != EXECUTION_FREE && memcmp(table->items[i].id, id, WIRE_ID_SIZE) == 0)
      return &table->items[i];
  return NULL;
}

struct execution *executions_of_process(const struct executions *table, pid_t process)
{
  for (uint32_t i = 0; i < table->size; i++)
    if (table->items[i].state != EXECUTION_FREE && table->items[i].process == process)
      return &table->items[i];
  return NULL;
}

uint32_t executions_index(const struct executions *table, const struct execution *execution)
{
  return (uint32_t)(execution - table->items);
}

bool executions_pin(struct execution *execution, uint32_t place)
{
  uint32_t *pins = realloc(execution->pins, (execution->pin_count + 1) * sizeof *pins);
  if (pins == NULL)
    return false;
  execution->pins = pins;
  pins[execution->pin_count++] = place;
  return true;
}

void executions_stop_filling(struct executions *table, struct execution *execution)
{
  if (execution->admission.filling)
    store_release(&table->store, execution->admission.ask.bytes);
  execution->admission.filling = false;
  execution->admission.waiting = false;
  close_fd(&execution->admission.reading);
  if (execution->admission.settler != 0)
    kill(execution->admission.settler, SIGKILL);
  if (execution->admission.tree != 0)
    store_discard_tree(&table->store, execution->admission.tree);
  execution->admission.settler = 0;
  execution->admission.tree = 0;
}

void executions_release(struct executions *table, struct execution *execution)
{
  executions_stop_filling(table, execution);
  for (uint32_t i = 0; i < execution->pin_count; i++)
    store_unpin(&table->store, execution->pins[i]);
  free(execution->pins);
  execution->pins = NULL;
  execution->pin_count = 0;
  close_fd(&execution->channel);
  for (int i = 0; i < STREAMS; i++)
    close_fd(&execution->pipes[i]);
  if (execution->has_leaf)
    leaf_close(&execution->leaf);
  staging_free(&execution->staging);
  account_release(&table->account, executions_index(table, execution));
  execution->state = EXECUTION_FREE;
  table->live--;
}

static bool uid_in_use(const struct executions *table, uid_t uid)
{
  for (uint32_t i = 0; i < table->size; i++)
    if (table->items[i].state != EXECUTION_FREE && table->items[i].uid == uid)
      return true;
  return false;
}

/* Goes round the range, so that a number comes back as late as possible: files may be left that it owns. */
bool executions_own_uid(struct executions *table, uid_t *uid)
{
  uint64_t span = (uint64_t)table->uids.last - table->uids.first + 1;
  for (uint64_t i = 0; i < span && i <= table->size; i++) {
    uid_t candidate = table->next_uid;
    table->next_uid = candidate == table->uids.last ? table->uids.first : candidate + 1;
    if (uid_in_use(table, candidate))
      continue;
    *uid = candidate;
    return true;
  }
  return false;
}
