#!/bin/sh
# Builds the package of this commit once more, elsewhere, under another user, umask, time zone, language and home, and compares the bytes:
# `npm run reproduce`. With a file it is that package which is compared: npm run reproduce -- writ_0.1.0_amd64.deb
# Runs under with-runtime.sh. As root, the other user is nobody.
set -eu
checkout=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ $# -gt 0 ]; then
  deb=$(readlink -f -- "$1") || deb=$1
else
  deb=$(ls -t "$checkout"/build/writ_*.deb 2>/dev/null | head -n 1)
fi
[ -f "$deb" ] || { echo 'reproduce: there is no package to compare with; run: npm run package' >&2; exit 2; }

elsewhere="$scratch/somewhere else/and deeper"
mkdir -p "$elsewhere" "$scratch/out"
git -C "$checkout" archive HEAD | tar -x -C "$elsewhere"
SOURCE_DATE_EPOCH=$(git -C "$checkout" log -1 --format=%ct)
chmod 755 "$scratch"
as=''
if [ "$(id -u)" -eq 0 ]; then as='setpriv --reuid nobody --regid nogroup --clear-groups'; fi
# What is in root's home nobody else can read.
# shellcheck disable=SC2016,SC2086 # the inner shell's; a list of words
if $as sh -c 'cd "$1"' sh "$checkout/node_modules" 2>/dev/null; then
  ln -s "$checkout/node_modules" "$elsewhere/node_modules"
else
  cp -R "$checkout/node_modules" "$elsewhere/node_modules"
fi
if [ -n "$as" ]; then chown -R -h nobody: "$scratch"; fi
# shellcheck disable=SC2016,SC2086
$as env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
  TZ=Pacific/Auckland LANG=tr_TR.UTF-8 HOME="$scratch/out" sh -c \
  'umask 077 && cd "$1" && sh packaging/setup/with-runtime.sh sh packaging/deb/build.sh "$2"' sh "$elsewhere" "$scratch/out"
again=$(ls "$scratch"/out/writ_*.deb)
if cmp -- "$deb" "$again"; then
  echo "reproduce: the same bytes: sha256:$(sha256sum <"$deb" | cut -d ' ' -f 1)"
else
  echo 'reproduce: DIFFERENT bytes' >&2
  exit 1
fi
