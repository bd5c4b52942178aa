#!/bin/sh
# Builds build/writ_VERSION_ARCHITECTURE.deb: `npm run package`. Same commit, same toolchain, same bytes.
# Beside it: what is in it (.cdx.json, also inside) and where it comes from (.provenance.json, an envelope where a key is given).
# Runs under with-runtime.sh; setup.sh package installs what it needs.
# usage: build.sh [OUTPUT_DIRECTORY [OPTION OF provenance/main.ts…]]
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
checkout=$(CDPATH='' cd -- "$here/../.." && pwd)
cd "$checkout"
[ -n "${WRIT_NODE_INCLUDE:-}" ] || { echo 'package: run it with: npm run package' >&2; exit 2; }
output=${1:-build}
[ $# -eq 0 ] || shift
umask 022
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
say() { printf 'package: %s\n' "$*"; }

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
root=$scratch/root
mkdir -p "$output" "$root" "$scratch/built"
sh "$here/tree.sh" "$root" "$scratch/built"

deb=$output/writ_$(sed -n 's/^Version: //p' "$root/DEBIAN/control")_$(dpkg --print-architecture).deb
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

say 'saying what is in it, and where it comes from'
install -m 644 -- "$root/usr/share/doc/writ/writ.cdx.json" "${deb%.deb}.cdx.json"
provenance=${deb%.deb}.provenance.json
rm -f -- "$provenance"
if [ $# -gt 0 ] || [ -z "$(git status --porcelain --untracked-files=no 2>&1)" ]; then
  node packaging/provenance/main.ts "$deb" "$provenance" "${deb%.deb}.cdx.json" "$@"
else
  say 'no provenance: the checkout is not what a commit has'
fi
say "$deb ($(du -h "$deb" | cut -f 1))"
