#!/bin/sh
# Makes proto/generated from proto/**/*.proto: the TypeScript types of every message and service, their definitions as load.ts reads
# them, and the descriptors that the daemon gives by reflection. The output is committed; the check regenerates it into another directory (its first argument) and
# compares. The options here and those in proto/load.ts have to agree.
set -eu
cd "$(dirname -- "$0")"
out=${1:-generated}
rm -rf -- "$out"
proto-loader-gen-types --longs=String --enums=String --defaults --oneofs --includeComments \
  --grpcLib=@grpc/grpc-js --targetFileExtension=.ts --importFileExtension=.ts \
  --inputTemplate='%sInput' --outputTemplate='%s' --includeDirs=. --outDir="$out" \
  writ/v1/execution.proto writ/v1/attestation.proto writ/v1/lineage.proto writ/v1/governance.proto \
  writ/v1/error.proto google/rpc/status.proto >/dev/null
# These two would describe files without a service, and import what they do not use.
rm -- "$out/error.ts" "$out/status.ts"
# The generator ends comment lines with a space.
find "$out" -name '*.ts' -exec sed -i 's/[ \t]*$//' {} +

node definitions.ts "$out/definitions.json"

# A FileDescriptorSet of every service that is served, health and reflection too, with all that they import and the comments.
case $(uname -m) in
  x86_64) buf=../node_modules/@bufbuild/buf-linux-x64/bin/buf ;;
  *) buf=../node_modules/@bufbuild/buf-linux-$(uname -m)/bin/buf ;;
esac
stage=$(mktemp -d)
trap 'rm -rf -- "$stage"' EXIT
mkdir -p "$stage/grpc/health/v1"
cp -r writ google "$stage/"
cp ../node_modules/grpc-health-check/proto/health/v1/health.proto "$stage/grpc/health/v1/"
cp -r ../node_modules/@grpc/reflection/build/proto/grpc/reflection "$stage/grpc/"
"$buf" build "$stage" --as-file-descriptor-set --output "$out/descriptors.binpb"
