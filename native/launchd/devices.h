/* Devices by name: the classes that the configuration names, and the nodes that a class has on this host at an instant. */
#ifndef WRIT_DEVICES_H
#define WRIT_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../shared/wire.h"

#define DEVICE_PATTERNS_SIZE 512 /* of one class: paths below /dev with commas between them */
#define DEVICE_NODES_MAX 64      /* of one execution */
#define DEVICE_PATH_MAX 96       /* below /dev, with its NUL */

struct device_class {
  char name[WIRE_DEVICE_NAME_SIZE];
  char patterns[DEVICE_PATTERNS_SIZE]; /* as glob(7) has them */
};

struct device_classes {
  struct device_class items[WIRE_DEVICES_MAX];
  size_t count;
};

struct device_node {
  char path[DEVICE_PATH_MAX]; /* below /dev */
  dev_t number;
};

struct device_nodes {
  struct device_node items[DEVICE_NODES_MAX];
  size_t count;
};

/* Adds a class of the configuration. False for a name or a pattern that is none, a name twice, or one class too many. */
bool device_class_add(struct device_classes *classes, const char *name, const char *patterns);

/*
 * The character devices that the named class has now. False with errno: ENODEV for a class that the configuration does not name, and for one
 * without any node here; E2BIG for too many.
 */
bool device_class_resolve(const struct device_classes *classes, const char *name, struct device_nodes *nodes);

#endif
