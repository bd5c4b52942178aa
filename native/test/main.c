#include "check.h"

unsigned checks_failed;

int main(void)
{
  static const struct {
    const char *name;
    void (*run)(void);
  } tests[] = {{"sha256", test_sha256},   {"strings", test_strings},       {"orders", test_orders},      {"format", test_format},
               {"config", test_config}, {"devices", test_devices}, {"executions", test_executions}, {"deadlines", test_deadlines}, {"adoption", test_adoption},
               {"seccomp", test_seccomp},  {"store", test_store},             {"cgroup", test_cgroup}};
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    unsigned before = checks_failed;
    tests[i].run();
    printf("%s: %s\n", tests[i].name, checks_failed == before ? "ok" : "FAILED");
  }
  return checks_failed == 0 ? 0 : 1;
}
