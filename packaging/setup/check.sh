#!/bin/sh
# Every static check, and the tests of the C code: `npm run check`. Runs them all and names those that failed.
# Runs under with-runtime.sh, which puts the pinned runtime and the project's tools on PATH.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd "$root" || exit 2
[ -n "${WRIT_NODE_INCLUDE:-}" ] || { echo 'check: run it with: npm run check' >&2; exit 2; }
scratch=$(mktemp -d) || exit 2
trap 'rm -rf -- "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
failed=''

# step NAME COMMAND…: runs it, says how it ended.
step() {
  name=$1
  shift
  printf 'check: %s\n' "$name"
  if "$@"; then
    printf 'check: %s: ok\n' "$name"
  else
    printf 'check: %s: FAILED\n' "$name" >&2
    failed="$failed $name"
  fi
}

lint() {
  if [ -t 1 ]; then colors=force; else colors=off; fi
  biome ci --error-on-warnings --colors="$colors" .
}

imports() { node packaging/setup/check-imports.ts "$root" 50; }

proto_lint() {
  case $(uname -m) in
    x86_64) buf=node_modules/@bufbuild/buf-linux-x64/bin/buf ;;
    *) buf=node_modules/@bufbuild/buf-linux-$(uname -m)/bin/buf ;;
  esac
  "$buf" lint proto
}

# What is committed has to be what the generator makes today.
proto_generated() {
  sh proto/generate.sh "$scratch/generated" && diff -r proto/generated "$scratch/generated"
}

shell_syntax() {
  git ls-files --cached --others --exclude-standard -- '*.sh' >"$scratch/scripts"
  [ -s "$scratch/scripts" ] || { echo 'no shell script was found' >&2; return 1; }
  while IFS= read -r script; do
    sh -n "$script" || return 1
  done <"$scratch/scripts"
  bash -n .ci/run
}

# A test that is left out on purpose says under which condition: describe.skipIf, it.runIf.
whole_tests() {
  ! grep -rnE --include='*.ts' '\b(describe|it|test)\.(only|skip|todo)\(' test
}

supply_chain() { node packaging/supply-chain/check.ts; }

step types tsc -p .
step lint lint
step imports imports
step supply-chain supply_chain
step proto-lint proto_lint
step proto-generated proto_generated
step shell shell_syntax
step whole-tests whole_tests
step native make -s -C native check
step analyzer make -s -C native analyze
step sanitizers make -s -C native sanitize

if [ -n "$failed" ]; then
  printf 'check: failed:%s\n' "$failed" >&2
  exit 1
fi
printf 'check: all ok\n'
