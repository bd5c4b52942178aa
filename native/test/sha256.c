/* Answers from FIPS 180-4's example values (NIST, "SHA256.pdf") and the empty message. */
#include "../launchd/sha256.h"

#include <stdbool.h>
#include <string.h>

#include "check.h"

static void digest_in_pieces(const char *bytes, size_t length, size_t piece, uint8_t digest[32])
{
  struct sha256 hash;
  sha256_start(&hash);
  for (size_t at = 0; at < length; at += piece)
    sha256_add(&hash, bytes + at, length - at < piece ? length - at : piece);
  sha256_finish(&hash, digest);
}

static bool matches(const char *text, size_t length, const char *hex)
{
  for (size_t piece = 1; piece <= length + 1; piece = piece * 2 + 1) {
    uint8_t digest[32];
    char found[65];
    digest_in_pieces(text, length, piece, digest);
    for (int i = 0; i < 32; i++)
      snprintf(found + 2 * i, 3, "%02x", digest[i]);
    if (strcmp(found, hex) != 0)
      return false;
  }
  return true;
}

void test_sha256(void)
{
  static char million[1000000];
  memset(million, 'a', sizeof million);
  CHECK(matches("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK(matches("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  CHECK(matches("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
  CHECK(matches(million, sizeof million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}
