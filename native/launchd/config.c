#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../shared/cleanup.h"
#include "../shared/clock.h"
#include "nearest.h"
#include "strings.h"

#define EXECUTIONS_MAX 4096
#define DEVICE_KEY "device." /* and the name of a class */

__attribute__((format(printf, 3, 4))) static bool fail(struct config_error *error, unsigned line, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  error->line = line;
  vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  return false;
}

static bool number(const char *text, uint64_t max, uint64_t *value)
{
  if (text[0] < '0' || text[0] > '9' || strlen(text) > 19)
    return false;
  char *end;
  *value = strtoull(text, &end, 10);
  return *end == '\0' && *value <= max;
}

static bool number32(const char *text, uint32_t *value)
{
  uint64_t wide;
  if (!number(text, UINT32_MAX - 1, &wide))
    return false;
  *value = (uint32_t)wide;
  return true;
}

static bool range(char *text, struct id_range *value)
{
  char *dash = strchr(text, '-');
  if (dash != NULL)
    *dash = '\0';
  return number32(text, &value->first) && number32(dash == NULL ? text : dash + 1, &value->last) &&
         value->first <= value->last;
}

/* "none", or numbers and ranges with commas between them: "1000-1999,3000". */
static bool ranges(char *text, struct id_ranges *value)
{
  value->count = 0;
  if (strcmp(text, "none") == 0)
    return true;
  for (char *next; text != NULL; text = next) {
    next = strchr(text, ',');
    if (next != NULL)
      *next++ = '\0';
    if (value->count == CONFIG_RANGES_MAX || !range(text, &value->items[value->count++]))
      return false;
  }
  return true;
}

static bool path(const char *text, char value[CONFIG_PATH_MAX])
{
  if (!path_is_plain(text) || strlen(text) >= CONFIG_PATH_MAX)
    return false;
  strcpy(value, text);
  return true;
}

static bool cgroup(const char *text, char value[CONFIG_PATH_MAX])
{
  if (strcmp(text, "auto") != 0)
    return path(text, value);
  strcpy(value, text);
  return true;
}

static bool choice(const char *text, const char *yes, const char *no, bool *value)
{
  *value = strcmp(text, yes) == 0;
  return *value || strcmp(text, no) == 0;
}

/* A name as useradd(8) takes it; whether there is such a user is looked at when the whole file is read. */
static bool user_name(const char *text, char value[CONFIG_USER_MAX])
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz_", others[] = "abcdefghijklmnopqrstuvwxyz_0123456789-";
  size_t length = strlen(text);
  if (length == 0 || length >= CONFIG_USER_MAX || strchr(letters, text[0]) == NULL || strspn(text, others) != length)
    return false;
  strcpy(value, text);
  return true;
}

enum key { SOCKET, CGROUP, EVENT_LOG, USERSPACE_LOG, IMA_LOG, WRITD_USER, WRITD_UID, WRITD_GID, MIN_UID, UIDS, SHARED_UIDS,
           GROUPS, MAX_EXECUTIONS, MAX_STAGED_BYTES, STAGE_SECONDS, TMP_BYTES, LANDLOCK, STORE, STORE_BYTES, STORE_MIN_BYTES,
           MAX_EVIDENCE_AGE_SECONDS, KEYS };

static const struct {
  const char *name;
  bool required;
} KEY[KEYS] = {
    [SOCKET] = {"socket", true},
    [CGROUP] = {"cgroup", false},
    [EVENT_LOG] = {"event_log", false},
    [USERSPACE_LOG] = {"userspace_log", false},
    [IMA_LOG] = {"ima_log", false},
    [WRITD_USER] = {"writd_user", false},
    [WRITD_UID] = {"writd_uid", true}, /* these two unless the user is named */
    [WRITD_GID] = {"writd_gid", true},
    [MIN_UID] = {"min_uid", false},
    [UIDS] = {"uids", true},
    [SHARED_UIDS] = {"shared_uids", false},
    [GROUPS] = {"groups", false},
    [MAX_EXECUTIONS] = {"max_executions", false},
    [MAX_STAGED_BYTES] = {"max_staged_bytes", false},
    [STAGE_SECONDS] = {"stage_seconds", false},
    [TMP_BYTES] = {"tmp_bytes", false},
    [LANDLOCK] = {"landlock", false},
    [STORE] = {"store", false},
    [STORE_BYTES] = {"store_bytes", false},
    [STORE_MIN_BYTES] = {"store_min_bytes", false},
    [MAX_EVIDENCE_AGE_SECONDS] = {"max_evidence_age_seconds", false},
};

static bool set(struct config *config, enum key key, char *value)
{
  uint64_t wide = 0;
  switch (key) {
  case SOCKET:
    return path(value, config->socket);
  case CGROUP:
    return cgroup(value, config->cgroup);
  case EVENT_LOG:
    return path(value, config->event_log);
  case USERSPACE_LOG:
    return path(value, config->userspace_log);
  case IMA_LOG:
    return path(value, config->ima_log);
  case WRITD_USER:
    return user_name(value, config->writd_user);
  case WRITD_UID:
    return number32(value, &config->writd_uid);
  case WRITD_GID:
    return number32(value, &config->writd_gid);
  case MIN_UID:
    return number32(value, &config->min_uid);
  case UIDS:
    return range(value, &config->uids);
  case SHARED_UIDS:
    return ranges(value, &config->shared_uids);
  case GROUPS:
    return ranges(value, &config->groups);
  case MAX_EXECUTIONS:
    return number32(value, &config->max_executions) && config->max_executions >= 1 &&
           config->max_executions <= EXECUTIONS_MAX;
  case MAX_STAGED_BYTES:
    return number(value, UINT64_C(1) << 50, &config->max_staged_bytes);
  case STAGE_SECONDS:
    return number(value, 3600, &wide) && wide >= 1 && (config->stage_seconds = (uint32_t)wide, true);
  case TMP_BYTES:
    return number(value, UINT64_C(1) << 50, &config->tmp_bytes) && config->tmp_bytes >= 4096;
  case LANDLOCK:
    return choice(value, "required", "optional", &config->landlock_required);
  case STORE:
    return strcmp(value, "none") == 0 || path(value, config->store);
  case STORE_BYTES:
    return number(value, UINT64_C(1) << 50, &config->store_bytes);
  case STORE_MIN_BYTES:
    return number(value, UINT64_C(1) << 50, &config->store_min_bytes) && config->store_min_bytes >= 1;
  case MAX_EVIDENCE_AGE_SECONDS:
    return number(value, 7200, &wide) && wide >= 2 && (config->max_evidence_age_ns = wide * NS_PER_SECOND, true);
  default:
    return false;
  }
}

static char *trim(char *text)
{
  text += strspn(text, " \t");
  size_t length = strlen(text);
  while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL)
    text[--length] = '\0';
  return text;
}

static bool fail_unknown(struct config_error *error, unsigned at, const char *name)
{
  const char *known[KEYS];
  for (enum key key = 0; key < KEYS; key++)
    known[key] = KEY[key].name;
  const char *nearest = nearest_name(name, known, KEYS);
  if (nearest == NULL)
    return fail(error, at, "%.64s is not a known key", name);
  return fail(error, at, "%.64s is not a known key; did you mean %s?", name, nearest);
}

static bool parse_line(char *line, unsigned at, bool seen[KEYS], struct config *config, struct config_error *error)
{
  line[strcspn(line, "#")] = '\0';
  line = trim(line);
  if (line[0] == '\0')
    return true;
  char *equals = strchr(line, '=');
  if (equals == NULL)
    return fail(error, at, "expected: key = value");
  *equals = '\0';
  const char *name = trim(line);
  if (strncmp(name, DEVICE_KEY, strlen(DEVICE_KEY)) == 0)
    return device_class_add(&config->devices, name + strlen(DEVICE_KEY), trim(equals + 1)) ||
           fail(error, at, "%.64s has a bad name or value, or is given twice", name);
  for (enum key key = 0; key < KEYS; key++) {
    if (strcmp(name, KEY[key].name) != 0)
      continue;
    if (seen[key])
      return fail(error, at, "%s is given twice", KEY[key].name);
    seen[key] = true;
    return set(config, key, trim(equals + 1)) || fail(error, at, "%s has a bad value", KEY[key].name);
  }
  return fail_unknown(error, at, name);
}

/*
 * Only the host's own file is asked: a directory service may be away at a start, and the modules of nsswitch.conf would be
 * code in this process.
 */
static bool find_user(struct config *config, struct config_error *error)
{
  CLEANUP_FILE FILE *users = fopen("/etc/passwd", "re");
  if (users == NULL)
    return fail(error, 0, "writd_user: /etc/passwd: %s", strerror(errno));
  for (struct passwd *user; (user = fgetpwent(users)) != NULL;) {
    if (strcmp(user->pw_name, config->writd_user) != 0)
      continue;
    config->writd_uid = user->pw_uid;
    config->writd_gid = user->pw_gid;
    return true;
  }
  return fail(error, 0, "writd_user names no user of /etc/passwd");
}

/* Rules that concern more than one key. */
static bool check(const struct config *config, struct config_error *error)
{
  if (config->writd_uid == 0)
    return fail(error, 0, "writd's user must not be root");
  if (config->min_uid == 0)
    return fail(error, 0, "min_uid must be at least 1");
  if (config->uids.first < config->min_uid)
    return fail(error, 0, "uids begins below min_uid");
  if (config->writd_uid >= config->uids.first && config->writd_uid <= config->uids.last)
    return fail(error, 0, "uids contains writd's user");
  return true;
}

bool config_parse(char *text, struct config *config, struct config_error *error)
{
  bool seen[KEYS] = {false};
  *config = (struct config){
      .cgroup = "auto",
      .min_uid = 1000,
      .max_executions = 256,
      .max_staged_bytes = UINT64_C(1) << 30,
      .stage_seconds = 60,
      .tmp_bytes = UINT64_C(64) << 20,
      .landlock_required = true,
      .store_bytes = UINT64_C(8) << 30,
      .store_min_bytes = UINT64_C(1) << 20,
      .max_evidence_age_ns = 7200 * NS_PER_SECOND,
  };
  unsigned at = 1;
  for (char *line = text; line != NULL; at++) {
    char *next = strchr(line, '\n');
    if (next != NULL)
      *next++ = '\0';
    if (!parse_line(line, at, seen, config, error))
      return false;
    line = next;
  }
  bool named = seen[WRITD_USER];
  if (named && (seen[WRITD_UID] || seen[WRITD_GID]))
    return fail(error, 0, "writd_user stands in place of writd_uid and writd_gid, not beside them");
  for (enum key key = 0; key < KEYS; key++)
    if (KEY[key].required && !seen[key] && !(named && (key == WRITD_UID || key == WRITD_GID)))
      return fail(error, 0, "%s is missing", KEY[key].name);
  return (!named || find_user(config, error)) && check(config, error);
}

bool config_load(const char *name, struct config *config, struct config_error *error)
{
  struct stat status;
  CLEANUP_FD int fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0)
    return fail(error, 0, "%s", strerror(errno));
  if (!S_ISREG(status.st_mode) || status.st_uid != 0 || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(error, 0, "must be a regular file that is owned by root and writable by nobody else");
  CLEANUP_FREE char *text = malloc(CONFIG_TEXT_MAX);
  if (text == NULL)
    return fail(error, 0, "out of memory");
  ssize_t length = read(fd, text, CONFIG_TEXT_MAX);
  if (length < 0)
    return fail(error, 0, "%s", strerror(errno));
  if (length == CONFIG_TEXT_MAX || memchr(text, '\0', (size_t)length) != NULL)
    return fail(error, 0, "is too long or not text");
  text[length] = '\0';
  return config_parse(text, config, error);
}

bool id_in_ranges(const struct id_ranges *list, uint32_t id)
{
  for (size_t i = 0; i < list->count; i++)
    if (id >= list->items[i].first && id <= list->items[i].last)
      return true;
  return false;
}
