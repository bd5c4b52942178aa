#include "order_digest.h"

#include <string.h>

#include "sha256.h"

/* The byte order of the wire is the machine's (wire.h). */
static void add_number(struct sha256 *hash, uint32_t number)
{
  sha256_add(hash, &number, sizeof number);
}

void order_digest(const struct staging *staging, const struct order *prepare, const struct strings *strings,
                  uint8_t digest[WIRE_DIGEST_SIZE])
{
  static const char name[] = "writ order 1";
  struct wire_prepare body = prepare->prepare;
  struct sha256 hash;
  body.expiry_ns = 0;
  body.max_evidence_age_ns = 0;
  sha256_start(&hash);
  sha256_add(&hash, name, sizeof name);
  add_number(&hash, staging->program);
  add_number(&hash, staging->count);
  for (uint32_t i = 0; i < staging->count; i++) {
    add_number(&hash, staging->subjects[i].kind);
    sha256_add(&hash, staging->subjects[i].path, strlen(staging->subjects[i].path) + 1);
  }
  sha256_add(&hash, &body, sizeof body);
  sha256_add(&hash, prepare->digests, (size_t)body.subject_count * WIRE_DIGEST_SIZE);
  sha256_add(&hash, strings->bytes, strings->length);
  sha256_finish(&hash, digest);
}
