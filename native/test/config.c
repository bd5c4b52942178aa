#include "../launchd/config.h"
#include "../launchd/nearest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define MINIMAL "socket = /run/w/s\nwritd_uid = 990\nwritd_gid = 990\nuids = 200000-200099\n"

static bool parses(const char *text, struct config *config)
{
  struct config_error error = {0};
  char *copy = strdup(text);
  bool good = config_parse(copy, config, &error);
  CHECK(good == (error.text[0] == '\0'));
  free(copy);
  return good;
}

static void test_values(void)
{
  struct config config;
  CHECK(parses(MINIMAL, &config));
  CHECK(strcmp(config.cgroup, "auto") == 0 && config.min_uid == 1000 && config.landlock_required);
  CHECK(config.store[0] == '\0' && config.store_bytes == UINT64_C(8) << 30 && config.store_min_bytes == 1 << 20);
  CHECK(parses(MINIMAL "store = /var/cache/x\nstore_bytes = 5\n", &config));
  CHECK(strcmp(config.store, "/var/cache/x") == 0 && config.store_bytes == 5);
  CHECK(parses(MINIMAL "store = none\n", &config));
  CHECK(config.shared_uids.count == 0 && config.groups.count == 0 && config.ima_log[0] == '\0');
  CHECK(parses("# comment\n\n" MINIMAL "  shared_uids = 1000-1999,3000 # these\ngroups=none\nlandlock = optional", &config));
  CHECK(parses(MINIMAL "device.gpu = /dev/nvidia*, /dev/dri/renderD*\ndevice.fpga=/dev/xdma0", &config) && config.devices.count == 2);
  CHECK(strcmp(config.devices.items[0].name, "gpu") == 0);
  CHECK(parses(MINIMAL "shared_uids = 1000-1999,3000\nlandlock = optional", &config) && config.devices.count == 0);
  CHECK(!config.landlock_required && id_in_ranges(&config.shared_uids, 1000) && id_in_ranges(&config.shared_uids, 3000));
  CHECK(!id_in_ranges(&config.shared_uids, 2000) && !id_in_ranges(&config.shared_uids, 999));
}

static void test_refusals(void)
{
  static const char *const bad[] = {
      "nonsense = 1\n",        "socket = /run/b\n", /* a second time */
      "min_uid = 0\n",         "min_uid = 300000\n", /* above the range */
      "max_executions = 0\n",  "max_executions = 5000\n",
      "max_executions = -1\n", "max_executions = 1x\n",
      "max_executions =\n",    "cgroup = relative\n",
      "cgroup = /sys/../x\n",  "shared_uids = 5-4\n",
      "shared_uids = 1,,2\n",  "shared_uids = 4294967295\n",
      "landlock = maybe\n",    "just words\n",
      "store = relative\n",     "store_min_bytes = 0\n",
      "device. = /dev/null\n", "device.x = /etc/passwd\n", "device.x = /dev/a\ndevice.x = /dev/a\n", "device = /dev/a\n",
      "store_bytes = 1125899906842625\n", "stage_seconds = 0\n",   "max_evidence_age_seconds = 7201\n", "max_evidence_age_seconds = 1\n", "max_staged_bytes = 99999999999999999999\n",
  };
  struct config config;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char text[512];
    snprintf(text, sizeof text, MINIMAL "%s", bad[i]);
    CHECK(!parses(text, &config));
  }
  CHECK(!parses("", &config));
  CHECK(!parses("socket = /s\nwritd_uid = 0\nwritd_gid = 1\nuids = 2000-2001\n", &config));    /* root */
  CHECK(!parses("socket = /s\nwritd_uid = 2000\nwritd_gid = 1\nuids = 2000-2001\n", &config)); /* writd among them */
  CHECK(!parses("socket = /s\nwritd_uid = 990\nwritd_gid = 1\nuids = 0-2001\n", &config));     /* root among them */
}

/* Only as root: the owner of the file is what is tested. */
static void test_file(void)
{
  char name[64];
  struct config config;
  struct config_error error;
  snprintf(name, sizeof name, "/tmp/writ-config-%d", (int)getpid());
  int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  CHECK(fd >= 0 && write(fd, MINIMAL, strlen(MINIMAL)) == (ssize_t)strlen(MINIMAL));
  if (geteuid() == 0) {
    CHECK(config_load(name, &config, &error));
    CHECK(fchmod(fd, 0620) == 0 && !config_load(name, &config, &error));
    CHECK(fchmod(fd, 0602) == 0 && !config_load(name, &config, &error));
    CHECK(fchmod(fd, 0600) == 0 && fchown(fd, 1000, 0) == 0 && !config_load(name, &config, &error));
  }
  CHECK(!config_load("/nonexistent", &config, &error) && !config_load("/dev/null", &config, &error));
  close(fd);
  unlink(name);
}

/* The name that an unknown key of this spelling is taken for; the text is that of configuration/nearest.ts. */
static void test_nearest(void)
{
  struct config config;
  struct config_error error;
  char close_one[] = MINIMAL "shared_uid = none\n";
  CHECK(!config_parse(close_one, &config, &error) && error.line == 5);
  CHECK(strcmp(error.text, "shared_uid is not a known key; did you mean shared_uids?") == 0);
  char far_one[] = MINIMAL "nonsense = 1\n";
  CHECK(!config_parse(far_one, &config, &error) && strcmp(error.text, "nonsense is not a known key") == 0);
  char nameless[] = MINIMAL " = 1\n";
  CHECK(!config_parse(nameless, &config, &error));
  static const char *const known[] = {"ab", "abc", ""};
  CHECK(nearest_name("abd", known, 3) == known[0] && nearest_name("abcd", known, 3) == known[1]);
  CHECK(nearest_name("vwxyz", known, 3) == NULL && nearest_name("a", known, 0) == NULL);
  char longest[1000];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  const char *long_known[] = {longest};
  CHECK(nearest_name(longest, long_known, 1) == longest && nearest_name("", long_known, 1) == NULL);
}

static void test_user(void)
{
  static const char rest[] = "socket = /run/w/s\nuids = 200000-200099\n";
  struct config config;
  char text[256];
  snprintf(text, sizeof text, "%swritd_user = nobody\n", rest);
  CHECK(parses(text, &config) && config.writd_uid == 65534 && config.writd_gid == 65534);
  static const char *const bad[] = {"root", "no-such-user-here", "", "0", "-x", "a b", "nobody:nogroup",
                                    "aaaaaaaaaabbbbbbbbbbccccccccccddd", "nobody\nwritd_uid = 990", "nobody\nwritd_gid = 990"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    snprintf(text, sizeof text, "%swritd_user = %s\n", rest, bad[i]);
    CHECK(!parses(text, &config));
  }
  snprintf(text, sizeof text, "socket = /s\nuids = 65000-66000\nwritd_user = nobody\n"); /* writd among them */
  CHECK(!parses(text, &config));
}

static void fuzz(void)
{
  static const char base[] = MINIMAL "shared_uids = 1-2,3\nmax_executions = 10\nlandlock = optional\n";
  uint64_t random = 4;
  struct config config;
  for (int i = 0; i < 50000; i++) {
    char text[sizeof base];
    memcpy(text, base, sizeof base);
    for (unsigned k = next_random(&random) % 5; k > 0; k--)
      text[next_random(&random) % (sizeof base - 1)] = "=\n,-#09 a/\x80"[next_random(&random) % 11];
    if (parses(text, &config))
      CHECK(config.writd_uid != 0 && config.uids.first >= config.min_uid && config.max_executions >= 1 &&
            config.shared_uids.count <= CONFIG_RANGES_MAX);
  }
}

void test_config(void)
{
  test_values();
  test_refusals();
  test_file();
  test_nearest();
  test_user();
  fuzz();
}
