/*
 * A second wall around devices: a BPF program of the cgroup that the kernel asks at each opening and each making of a device node (cgroup v2,
 * Documentation/admin-guide/cgroup-v2.rst, "Device controller"). The first wall is the private /dev, which has no other node.
 */
#ifndef WRIT_DEVICE_FILTER_H
#define WRIT_DEVICE_FILTER_H

#include <stdbool.h>

#include "devices.h"

/* Lets what is below the cgroup `dir` open what every execution has: null, zero, full, random, urandom, terminals. */
bool device_filter_base(int dir);

/* The same and `nodes`, for one leaf; it stands in place of the base there. */
bool device_filter_leaf(int dir, const struct device_nodes *nodes);

#endif
