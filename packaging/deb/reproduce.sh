#!/bin/sh
# Builds the package of this commit once more, elsewhere, under another user, umask, time zone, language and home, and compares the bytes:
# `npm run reproduce`. With a file it is that package which is compared: npm run reproduce -- writ_0.1.0_amd64.deb
# The sources are the commit's, and the packages those that the lock pins, installed for this (source.sh): nothing that lies in the checkout.
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
mkdir -p "$scratch/somewhere else" "$scratch/out"
sh "$checkout/packaging/deb/source.sh" "$elsewhere" "$(git -C "$checkout" rev-parse --verify HEAD)" ||
  { echo 'reproduce: npm cannot install the packages of the lock anew; the installed ones prove nothing' >&2; exit 1; }
SOURCE_DATE_EPOCH=$(git -C "$checkout" log -1 --format=%ct)
chmod 755 "$scratch"
as=''
if [ "$(id -u)" -eq 0 ]; then as='setpriv --reuid nobody --regid nogroup --clear-groups'; fi
if [ -n "$as" ]; then chown -R -h nobody: "$scratch"; fi
# shellcheck disable=SC2016,SC2086
$as env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" \
  TZ=Pacific/Auckland LANG=tr_TR.UTF-8 HOME="$scratch/out" sh -c \
  'umask 077 && cd "$1" && sh packaging/setup/with-runtime.sh sh packaging/deb/pack.sh "$2"' sh "$elsewhere" "$scratch/out"
again=$(ls "$scratch"/out/writ_*.deb)
if cmp -- "$deb" "$again"; then
  echo "reproduce: the same bytes: sha256:$(sha256sum <"$deb" | cut -d ' ' -f 1)"
else
  echo 'reproduce: DIFFERENT bytes' >&2
  exit 1
fi
