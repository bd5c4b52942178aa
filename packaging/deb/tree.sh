#!/bin/sh
# Makes the tree that the package is packed from, control files included: tree.sh ROOT BUILT
# ROOT is empty; in BUILT it leaves what it made on the way. The same commit and toolchain make the same tree, wherever, whenever and by
# whomever it is made: what of that gets into files is set here. Runs under with-runtime.sh.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$1" && pwd)
built=$(CDPATH='' cd -- "$2" && pwd)
cd "$here/../.."
[ -n "${WRIT_NODE_INCLUDE:-}" ] || { echo 'package: run it with: npm run package' >&2; exit 2; }
umask 022
LC_ALL=C.UTF-8
TZ=UTC
# What is dated is dated by the last commit; without a repository, by whoever sets it.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export LC_ALL TZ SOURCE_DATE_EPOCH
say() { printf 'package: %s\n' "$*"; }

version=$(node -p 'require("./package.json").version')
architecture=$(dpkg --print-architecture)

say 'building the executable'
make -s -C native
node packaging/executable/build.ts "$built/writd" "$built/packages"

say 'laying out the package'
chmod 755 "$root"
sh "$here/layout.sh" "$root" "$built" "$version" "$architecture"
sh "$here/control.sh" "$root" "$built" "$version" "$architecture"

# The time of files is what differs between builds, not what is in them.
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
