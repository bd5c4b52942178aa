#!/bin/sh
# Makes the package of the directory that this lies in, and what comes beside it: pack.sh OUTPUT_DIRECTORY [REPOSITORY [OPTION OF provenance/main.ts…]]
# With the repository whose commit the directory was unpacked from it says where the package comes from.
# Runs under with-runtime.sh of the same directory.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
source=$(CDPATH='' cd -- "$here/../.." && pwd)
[ -n "${WRIT_NODE_INCLUDE:-}" ] && [ -n "${SOURCE_DATE_EPOCH:-}" ] || { echo 'package: run it with: npm run package' >&2; exit 2; }
output=$1
repository=${2:-}
shift
[ $# -eq 0 ] || shift
umask 022
say() { printf 'package: %s\n' "$*"; }

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
root=$scratch/root
mkdir -p "$root" "$scratch/built"
# The environment could name other headers, libraries and options to the compiler.
env -i PATH="$PATH" HOME="${HOME:-/}" TMPDIR="${TMPDIR:-/tmp}" WRIT_NODE_INCLUDE="$WRIT_NODE_INCLUDE" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
  sh "$here/tree.sh" "$root" "$scratch/built"

deb=$output/writ_$(sed -n 's/^Version: //p' "$root/DEBIAN/control")_$(dpkg --print-architecture).deb
provenance=${deb%.deb}.provenance.json
# One of an earlier build is of other bytes.
rm -f -- "$provenance"
# One thread: how many there are is in the bytes.
dpkg-deb --root-owner-group -Zxz -z1 --threads-max=1 --build "$root" "$deb" >/dev/null

say 'checking it with lintian'
# Whatever it finds fails the build, down to what it calls information; lintian-overrides has the reasons of what stays. The newest distribution
# that lintian knows may be older than the package's. Of what is overridden each release of lintian finds another part, so that an override
# that is not needed is none of its findings here.
lintian --display-info --fail-on none --suppress-tags bad-distribution-in-changes-file "$deb" >"$scratch/lintian"
if grep -E '^[A-Z]: ' "$scratch/lintian" | grep -vE '^N: |^I: writ: unused-override '; then
  echo 'package: lintian found the above' >&2
  exit 1
fi

say 'saying what is in it'
install -m 644 -- "$root/usr/share/doc/writ/writ.cdx.json" "${deb%.deb}.cdx.json"
if [ -n "$repository" ]; then
  say 'saying where it comes from'
  node "$source/packaging/provenance/main.ts" "$deb" "$provenance" "${deb%.deb}.cdx.json" --repository "$repository" "$@"
fi
say "$deb ($(du -h "$deb" | cut -f 1))"
