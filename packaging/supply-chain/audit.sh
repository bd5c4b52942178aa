#!/bin/sh
# Has npm verify that the registry has signed what is installed, and that attestations about it hold: `npm run audit`.
# It asks the registry for its keys and for every package, and a trust root elsewhere. Where one of them is not to be had, or does not sign, the
# check is left out and says so; a signature that does not verify fails.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root"
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
status=0
npm_config_fetch_retries=0 timeout "${WRIT_AUDIT_SECONDS:-120}" npm audit signatures >"$scratch/out" 2>&1 || status=$?
if [ "$status" -eq 0 ]; then
  # It succeeds as well where it found nothing to look at.
  if grep -qE '^[1-9][0-9]* packages? ha(s|ve) (a )?verified registry signatures?' "$scratch/out"; then
    cat "$scratch/out"
    exit 0
  fi
elif grep -qiE 'invalid|missing registry signature|tampered|EINTEGRITYSIGNATURE|EATTESTATIONVERIFY|EEXPIREDSIGNATUREKEY' "$scratch/out"; then
  cat "$scratch/out" >&2
  echo 'audit: FAILED: what is installed is not what the registry has signed' >&2
  exit 1
elif [ "$status" -ne 124 ] && ! grep -qiE 'ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|E404|E405|E501|ENETUNREACH|found no (installed )?dependencies to audit|no dependencies to audit|no registry keys|no supported registry' "$scratch/out"; then
  cat "$scratch/out" >&2
  echo "audit: FAILED: npm ended with status $status for a reason that is not known" >&2
  exit 1
fi
echo 'audit: SKIPPED: the registry or the trust root of its signatures cannot be had here, or it signs nothing:' >&2
sed 's/^/  /' "$scratch/out" | head -n 5 >&2
