#!/bin/sh
# Builds build/writ_VERSION_ARCHITECTURE.deb: `npm run package`. Same commit, same toolchain, same bytes.
# Beside it: what is in it (.cdx.json, also inside) and where it comes from (.provenance.json, an envelope where a key is given).
# A checkout that is what its commit has is not built itself, but the commit, unpacked elsewhere (source.sh). Any other is built as it is, for
# whoever develops, and nothing says where that comes from.
# Runs under with-runtime.sh; setup.sh package installs what it needs.
# usage: build.sh [OUTPUT_DIRECTORY [OPTION OF provenance/main.ts…]]
set -eu
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
[ -n "${WRIT_NODE_INCLUDE:-}" ] || { echo 'package: run it with: npm run package' >&2; exit 2; }
cd "$checkout"
output=${1:-build}
[ $# -eq 0 ] || shift
mkdir -p -- "$output"
output=$(CDPATH='' cd -- "$output" && pwd)
say() { printf 'package: %s\n' "$*"; }

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
unknown=''
commit=$(git rev-parse --verify HEAD 2>/dev/null) || unknown='this is no checkout'
changed=$(git --no-optional-locks status --porcelain --untracked-files=all 2>&1) || true
[ -z "$changed" ] || unknown="${unknown:-the checkout is not what its commit has}: $(printf '%s' "$changed" | head -n 5 | paste -s -d ',')"
if [ -z "$unknown" ]; then
  say "unpacking the commit $commit, installing its packages"
  sh packaging/deb/source.sh "$scratch/source" "$commit" ||
    unknown='the commit cannot be unpacked, or npm cannot install its packages anew (above)'
fi
if [ -n "$unknown" ] && [ $# -gt 0 ]; then
  echo "package: nothing could say where this comes from: $unknown" >&2
  exit 1
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

if [ -n "$unknown" ]; then
  sh packaging/deb/pack.sh "$output"
  say "no provenance: $unknown"
  exit
fi
# From here on nothing of the checkout runs, neither its scripts nor programs that its packages bring.
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vE '(^|/)node_modules(/|$)' | paste -s -d ':')
export PATH
sh "$scratch/source/packaging/setup/with-runtime.sh" sh "$scratch/source/packaging/deb/pack.sh" "$output" "$checkout" "$@"
