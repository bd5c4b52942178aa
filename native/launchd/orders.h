/* Orders as they come from the wire, checked in form. What they ask for is judged in dispatch.c. */
#ifndef WRIT_ORDERS_H
#define WRIT_ORDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../shared/wire.h"

struct order {
  uint16_t type;
  uint64_t request;
  union {
    struct wire_open_log open_log;
    struct wire_stage stage;
    struct wire_prepare prepare;
    struct wire_start start;
    struct wire_kill kill;
    struct wire_lapse lapse;
    struct wire_abandon abandon;
    struct wire_list list;
    struct wire_thaw thaw;
    struct wire_signal signal;
    struct wire_caller caller;
    struct wire_keep keep;
    struct wire_adopt adopt;
    struct wire_note note;
  };
  struct wire_stage_item items[WIRE_SUBJECTS_MAX];      /* of a STAGE */
  uint8_t digests[WIRE_SUBJECTS_MAX][WIRE_DIGEST_SIZE]; /* of a PREPARE */
};

/*
 * Reads one message of `length` bytes that came with `descriptors` descriptors. Gives false for anything but exactly one
 * well-formed order; `order->request` is set as soon as the header could be read (0 before). The sender, writd, may be
 * in an attacker's hands: nothing is allocated, every count is bounded before it is used.
 */
bool order_read(const void *message, size_t length, size_t descriptors, struct order *order);

/* How many strings the table that goes with the order has to hold; 0: it has none. */
size_t order_string_count(const struct order *order);

#endif
