/*
 * What an execution was made of, in one digest: for the writd that did not give the order itself. It compares that with what the log says was
 * permitted (daemon/launcher/order-digest.ts), so that one that was taken over leaves nothing else under the id of a permit.
 */
#ifndef WRIT_ORDER_DIGEST_H
#define WRIT_ORDER_DIGEST_H

#include "orders.h"
#include "staging.h"

/*
 * SHA-256 of, one after the other: "writ order 1" and a NUL; the staging's `program` and `count`, for each subject its kind and its path with a NUL
 * (numbers as on the wire, 32 bits); the PREPARE, its digests, and its table of strings.
 *
 * Expiry and age of evidence are zero in it. They were computed from clocks and settings of their moment, which the log does not have; an ADOPT
 * gives both anew, and they become no later by it. What is in secrets is not in it either, only the numbers that they are found under.
 */
void order_digest(const struct staging *staging, const struct order *prepare, const struct strings *strings,
                  uint8_t digest[WIRE_DIGEST_SIZE]);

#endif
