#!/bin/sh
# Puts every file of the package at its place: layout.sh ROOT BUILT VERSION ARCHITECTURE
# BUILT holds what tree.sh made: writd, the executable, and packages, the npm packages inside.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here/../.."
root=$1
built=$2
version=$3
architecture=$4
doc=$root/usr/share/doc/writ

# put MODE SOURCE TARGET: one file, with the directories above it.
put() { install -D -m "$1" -- "$2" "$root/$3"; }

put 755 "$built/writd" usr/lib/writ/writd
put 755 native/build/writ-launchd usr/lib/writ/writ-launchd
put 644 native/build/writ.node usr/lib/writ/writ.node
put 755 packaging/systemd/announce-restart usr/lib/writ/announce-restart
strip --strip-unneeded --remove-section=.comment --remove-section=.note -- "$root/usr/lib/writ/writ-launchd" "$root/usr/lib/writ/writ.node"
mkdir -p "$root/usr/bin" "$root/usr/sbin"
ln -s ../lib/writ/writd "$root/usr/bin/writ"
ln -s ../lib/writ/writd "$root/usr/sbin/writd"

put 644 packaging/writd.toml etc/writ/writd.toml
put 644 packaging/launchd.conf etc/writ/launchd.conf
put 644 packaging/apparmor/writd etc/apparmor.d/writd
put 644 packaging/ima/ima-policy usr/share/writ/ima-policy
# What postinst and postrm ask.
put 644 packaging/deb/debconf.templates usr/share/writ/debconf.templates
for unit in packaging/systemd/*.service packaging/systemd/*.socket; do
  put 644 "$unit" "usr/lib/systemd/system/${unit##*/}"
done
for file in packaging/prometheus/*.yml; do put 644 "$file" "usr/share/writ/prometheus/${file##*/}"; done
put 644 packaging/catalog/writ.catalog usr/lib/systemd/catalog/writ.catalog
put 644 packaging/sysusers.d/writ.conf usr/lib/sysusers.d/writ.conf
put 644 packaging/tmpfiles.d/writ.conf usr/lib/tmpfiles.d/writ.conf
for rules in packaging/udev/*.rules; do put 644 "$rules" "usr/lib/udev/rules.d/${rules##*/}"; done

# The tool that is shipped describes itself. It is found by its name.
ln -s writd "$built/writ"
completions=usr/share/bash-completion/completions/writ
mkdir -p "$built/completions"
for shell in bash zsh fish; do "$built/writ" completion "$shell" >"$built/completions/$shell"; done
put 644 "$built/completions/bash" "$completions"
put 644 "$built/completions/zsh" usr/share/zsh/vendor-completions/_writ
put 644 "$built/completions/fish" usr/share/fish/vendor_completions.d/writ.fish

node cli/manual/main.ts man "$built/man"
date=$(date --utc --date="@$SOURCE_DATE_EPOCH" +%F)
for page in packaging/deb/man/*.8; do
  sed -e "s/@DATE@/$date/; s/@VERSION@/$version/" -- "$page" >"$built/man/${page##*/}"
done
for page in "$built"/man/*; do
  put 644 "$page" "usr/share/man/man${page##*.}/${page##*/}"
done

for page in README.md SECURITY.md docs/*.md docs/decisions/*.md docs/operations/*.md; do
  node packaging/deb/page.ts "$page" >"$built/page"
  put 644 "$built/page" "usr/share/doc/writ/$page"
done
for schema in docs/schema/*; do put 644 "$schema" "usr/share/doc/writ/$schema"; done
put 644 proto/examples/schedule.ts usr/share/doc/writ/examples/schedule.ts
put 644 proto/examples/python/run.py usr/share/doc/writ/examples/run.py
# For clients in other languages.
for file in proto/writ/v1/*.proto proto/google/rpc/*.proto; do put 644 "$file" "usr/share/writ/$file"; done
node packaging/deb/copyright.ts "$built/packages" >"$doc/copyright"
node packaging/sbom/main.ts "$root" "$built/packages" "$version" "$architecture" >"$built/sbom"
put 644 "$built/sbom" usr/share/doc/writ/writ.cdx.json
node packaging/deb/changelog.ts CHANGELOG.md "$version" >"$doc/changelog"
put 644 packaging/deb/lintian-overrides usr/share/lintian/overrides/writ

# -n: no name and no time inside.
find "$root/usr/share/man" -type f -exec gzip -9n {} +
gzip -9n "$doc/changelog"
