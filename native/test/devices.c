#include "../launchd/devices.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "check.h"

static void test_classes(void)
{
  struct device_classes classes = {.count = 0};
  CHECK(device_class_add(&classes, "gpu", "/dev/nvidia[0-9]*, /dev/nvidiactl,/dev/dri/renderD*"));
  CHECK(device_class_add(&classes, "zero-2", "/dev/zero"));
  CHECK(classes.count == 2);
  static const char *const bad[][2] = {
      {"gpu", "/dev/null"}, /* a second time */
      {"", "/dev/null"},     {"-x", "/dev/null"}, {"GPU", "/dev/null"},      {"a b", "/dev/null"},
      {"x", ""},             {"x", "null"},       {"x", "/dev/"},            {"x", "/etc/passwd"},
      {"x", "/dev/../etc"},  {"x", "/dev/a,,/dev/b"}, {"x", "/dev/a,/sys/b"}, {"abcdefghijklmnopqrstuvwxyzabcdef", "/dev/null"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    CHECK(!device_class_add(&classes, bad[i][0], bad[i][1]));
  CHECK(classes.count == 2);
  for (char name[] = "a"; classes.count < WIRE_DEVICES_MAX; name[0]++)
    CHECK(device_class_add(&classes, name, "/dev/null"));
  CHECK(!device_class_add(&classes, "more", "/dev/null"));
}

static void test_nodes(void)
{
  struct device_classes classes = {.count = 0};
  struct device_nodes nodes = {.count = 0};
  CHECK(device_class_add(&classes, "some", "/dev/nul?, /dev/ful[l], /dev/null"));
  CHECK(device_class_add(&classes, "absent", "/dev/writ-absent-*"));
  CHECK(device_class_add(&classes, "link", "/dev/stdin"));
  CHECK(device_class_resolve(&classes, "some", &nodes) && nodes.count == 2);
  CHECK(strcmp(nodes.items[0].path, "null") == 0 && nodes.items[0].number == makedev(1, 3));
  CHECK(strcmp(nodes.items[1].path, "full") == 0 && nodes.items[1].number == makedev(1, 7));
  CHECK(!device_class_resolve(&classes, "absent", &nodes) && errno == ENODEV);
  CHECK(!device_class_resolve(&classes, "link", &nodes) && errno == ENODEV);
  CHECK(!device_class_resolve(&classes, "unknown", &nodes) && errno == ENODEV);
  CHECK(nodes.count == 2);
}

void test_devices(void)
{
  test_classes();
  test_nodes();
}
