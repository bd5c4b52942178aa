#!/bin/sh
# Unpacks a commit and installs what its lock pins, so that a build there is of nothing else: source.sh DIRECTORY COMMIT
# DIRECTORY is made. What the checkout has besides does not get in: files that nobody added, what was compiled before, installed packages that
# somebody changed. npm unpacks archives alone whose SHA-512 is the lock's, from its cache, else from the registry; it is not the npm, and it runs
# on no Node, that an installed package brings.
set -eu
[ $# -eq 2 ] || { echo 'usage: source.sh DIRECTORY COMMIT' >&2; exit 2; }
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
umask 022
mkdir -- "$1"
git -C "$checkout" archive --format=tar --output="$1/.tar" "$2"
tar -x -C "$1" -f "$1/.tar"
rm -- "$1/.tar"
cd "$1"
PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vE '(^|/)node_modules(/|$)' | paste -s -d ':')
export PATH
npm ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error >&2
