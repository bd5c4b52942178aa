#!/bin/sh
# `npm run test:host [-- FILTER…]`: installs what the test needs, and runs it. Exit status 77 where it cannot run.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
skip() {
  printf 'test:host: skipped: %s\n' "$*"
  exit 77
}
[ "$(uname -m)" = x86_64 ] || skip "the guest is x86-64, this machine is $(uname -m)"
[ "$(id -u)" -eq 0 ] || skip 'not root: it makes a root file system, and mounts'
command -v apt-get >/dev/null || skip 'not a Debian: what makes the guest and the package is installed with apt'
sh packaging/setup/setup.sh package
sh packaging/setup/setup.sh host
exec sh packaging/setup/with-runtime.sh node test/host/run.ts "$@"
