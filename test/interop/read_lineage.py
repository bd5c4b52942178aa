"""Reads a Writ log over HTTP, independently of Writ: C2SP signed-note, tlog-checkpoint and tlog-tiles, RFC 6962 hashes.

usage: read_lineage.py URL VKEY [--ak SPKI.pem NAME]

With the attestation key (and its TPM Name in hexadecimal) the tpm2-quote line is checked, too. Prints one line and exits with 0, or says what
is wrong and exits with 1.
"""
import base64
import hashlib
import json
import sys
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TPM2_QUOTE = b"\xffwrit.dev/tpm2-quote/v1"


def sha256(data):
    return hashlib.sha256(data).digest()


def check(holds, what):
    if not holds:
        raise ValueError(what)


def key_id(name, kind, key):
    return sha256(name.encode() + b"\n" + kind + key)[:4]


def open_note(note, vkey):
    """The text of a signed note, and its other lines, once the line of VKEY holds."""
    name, known_id, encoded = vkey.split("+", 2)
    raw = base64.b64decode(encoded, validate=True)
    check(raw[0] == 1 and key_id(name, raw[:1], raw[1:]).hex() == known_id, "vkey")
    cut = note.rindex(b"\n\n") + 1
    text, lines, others, signed = note[:cut], note[cut + 1 :].decode().splitlines(), [], False
    for line in lines:
        dash, by, encoded = line.split(" ")
        check(dash == "\u2014", "signature line")
        signature = base64.b64decode(encoded, validate=True)
        if by == name and signature[:4].hex() == known_id:
            Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature[4:], text)
            signed = True
        else:
            others.append((by, signature[:4], signature[4:]))
    check(signed, "no signature by the known key")
    return text, others


def check_quote(text, others, spki, ak_name):
    """The tpm2-quote line: TPMS_ATTEST (TPM 2.0 Part 2, 10.12.12) and TPMT_SIGNATURE (11.3.4) of ECDSA with SHA-256."""
    origin = text.split(b"\n")[0].decode()
    wanted = key_id(origin, TPM2_QUOTE, bytes.fromhex(ak_name))
    found = [body for by, hint, body in others if by == origin and hint == wanted]
    check(len(found) == 1 and found[0][0] == 1, "no tpm2-quote line by the known key")

    def sized(at):
        length = int.from_bytes(found[0][at : at + 2], "big")
        return found[0][at + 2 : at + 2 + length], at + 2 + length

    attest, at = sized(1)
    signature, at = sized(at)
    check(at == len(found[0]), "bytes after the tpm2-quote signature")
    check(attest[:6] == b"\xffTCG\x80\x18", "no quote of a TPM")
    at = 6 + 2 + int.from_bytes(attest[6:8], "big")
    length = int.from_bytes(attest[at : at + 2], "big")
    extra = attest[at + 2 : at + 2 + length]
    check(extra == sha256(b"writ/v1/checkpoint\0" + text), "a quote of something else")
    check(signature[:4] == b"\x00\x18\x00\x0b", "signature scheme")
    size = int.from_bytes(signature[4:6], "big")
    r = int.from_bytes(signature[6 : 6 + size], "big")
    s = int.from_bytes(signature[8 + size :], "big")
    spki.verify(utils.encode_dss_signature(r, s), attest, ec.ECDSA(hashes.SHA256()))


def tree_hash(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + tree_hash(leaves[:k]) + tree_hash(leaves[k:]))


def tile_path(level, index, width):
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(parts)}" + ("" if width == 256 else f".p/{width}")


def read(url, vkey, spki, ak_name):
    def get(path):
        with urllib.request.urlopen(f"{url}/{path}", timeout=10) as answer:
            return answer.read()

    text, others = open_note(get("checkpoint"), vkey)
    if spki is not None:
        check_quote(text, others, spki, ak_name)
    origin, size, root = text.decode().split("\n")[:3]
    row, kinds = [], set()
    for index in range(0, int(size), 256):
        width = min(256, int(size) - index)
        bundle = get(tile_path("entries", index // 256, width))
        for _ in range(width):
            length = int.from_bytes(bundle[:2], "big")
            entry, bundle = bundle[2 : 2 + length], bundle[2 + length :]
            row.append(sha256(b"\x00" + entry))
            kinds.add(json.loads(entry)["type"])
        check(bundle == b"", "bytes after the last entry of a bundle")
    check(base64.b64encode(tree_hash(row)).decode() == root, "the entries make another root")
    level = 0
    while row:
        for index in range(0, len(row), 256):
            made = row[index : index + 256]
            check(get(tile_path(level, index // 256, len(made))) == b"".join(made), f"tile {level}/{index // 256}")
        full = len(row) // 256 * 256
        row, level = [tree_hash(row[at : at + 256]) for at in range(0, full, 256)], level + 1
    return f"{origin} {size} {root}: {level} levels, {len(kinds)} kinds of event{', quoted' if spki else ''}"


def main(url, vkey, *rest):
    spki, name = None, ""
    if rest:
        check(len(rest) == 3 and rest[0] == "--ak", "usage")
        name = rest[2]
        with open(rest[1], "rb") as file:
            spki = serialization.load_pem_public_key(file.read())
    try:
        print(read(url, vkey, spki, name))
    except (ValueError, KeyError, OSError, InvalidSignature) as error:
        print(f"does not verify: {error or type(error).__name__}")
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
