#include "../launchd/executions.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"

static void make_id(uint8_t id[WIRE_ID_SIZE], uint8_t number)
{
  memset(id, number, WIRE_ID_SIZE);
}

static void test_table(struct executions *table)
{
  uint8_t id[WIRE_ID_SIZE];
  struct execution *taken[3];
  uid_t uids[4];
  for (uint8_t i = 0; i < 3; i++) {
    make_id(id, i);
    taken[i] = executions_take(table, id);
    CHECK(taken[i] != NULL);
    taken[i]->state = EXECUTION_STAGED;
    CHECK(executions_own_uid(table, &uids[i]));
    taken[i]->uid = uids[i];
    CHECK(executions_find(table, id) == taken[i]);
  }
  CHECK(uids[0] != uids[1] && uids[1] != uids[2] && uids[0] != uids[2]);
  make_id(id, 9);
  CHECK(executions_take(table, id) == NULL && executions_find(table, id) == NULL); /* full */
  CHECK(!executions_own_uid(table, &uids[3]));                                    /* three uids, all taken */
  executions_release(table, taken[1]);
  CHECK(executions_own_uid(table, &uids[3]) && uids[3] == uids[1]); /* the only one that is free */
  executions_release(table, taken[0]);
  executions_release(table, taken[2]);
  CHECK(table->live == 0);
}

static void test_account(const struct account *shared)
{
  struct account first = *shared, second = *shared;
  first.own = 0;
  second.own = 1;
  CHECK(account_add(&first, 60) && account_add(&second, 40));
  CHECK(!account_add(&first, 1) && !account_add(&second, 1000)); /* 100 in all */
  account_release(shared, 0);
  CHECK(account_add(&second, 60) && !account_add(&first, 1));
  account_release(shared, 1);
}

void test_executions(void)
{
  struct config config = {.max_executions = 3, .uids = {5000, 5002}, .max_staged_bytes = 100};
  struct executions table;
  CHECK(executions_create(&config, &table));
  test_table(&table);
  test_account(&table.account);
  free(table.items);
}
