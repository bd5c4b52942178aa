#!/bin/sh
# Writes the control files of the package: control.sh ROOT BUILT VERSION ARCHITECTURE
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$1
built=$2
version=$3
architecture=$4
control=$root/DEBIAN
mkdir -p "$control"

# What the objects are linked with, and from which version of it on they find what they call. dpkg-shlibdeps wants to see a source package.
mkdir -p "$built/source/debian"
printf 'Source: writ\n\nPackage: writ\nArchitecture: any\n' >"$built/source/debian/control"
libraries=$(cd "$built/source" && dpkg-shlibdeps -O "$root/usr/lib/writ/writd" "$root/usr/lib/writ/writ-launchd" "$root/usr/lib/writ/writ.node" |
  sed -n 's/^shlibs:Depends=//p')
[ -n "$libraries" ] || { echo 'control.sh: dpkg-shlibdeps found nothing' >&2; exit 1; }

size=$(du --apparent-size -k -s --exclude=DEBIAN "$root" | cut -f 1)
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@SIZE@/$size/; s/@LIBRARIES@/$libraries/" \
  -- "$here/control" >"$control/control"

for script in preinst postinst prerm postrm; do
  sed -e "s/@VERSION@/$version/" -- "$here/$script" >"$control/$script"
  chmod 755 "$control/$script"
done
(cd "$root" && find etc -type f | LC_ALL=C sort | sed 's|^|/|') >"$control/conffiles"
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$control/md5sums"
chmod 644 "$control/control" "$control/conffiles" "$control/md5sums"
