#!/usr/bin/env python3
"""Runs a program under a signed artifact, with this process's standard streams, and exits with the program's status.

usage: run.py [--socket PATH] --artifact FILE -- PROGRAM [ARGUMENT...]

Exit status: the program's own, or 128 + N if signal N ended it; 1 denied or failed; 2 wrong use.

All that it needs of Writ is made from the definitions of the API (Debian: protobuf-compiler, libprotobuf-dev,
protobuf-compiler-grpc, python3-grpcio, python3-protobuf):

    protoc --proto_path=proto --python_out=generated --grpc_python_out=generated \
      --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
      writ/v1/execution.proto writ/v1/error.proto google/rpc/status.proto
    PYTHONPATH=generated python3 run.py --artifact id.artifact.json -- /usr/bin/id
"""

import argparse
import os
import sys

import grpc
from google.rpc import status_pb2
from writ.v1 import error_pb2, execution_pb2, execution_pb2_grpc

# The daemon refuses larger pieces.
STDIN_CHUNK = 64 * 1024


def requests(artifact, program, arguments):
    """The first message, then standard input until its end. gRPC asks for a piece when the one before has been sent."""
    workload = execution_pb2.Workload(program=program, argv=[program, *arguments])
    yield execution_pb2.ExecuteRequest(start={"artifact": artifact, "workload": workload})
    while piece := os.read(0, STDIN_CHUNK):
        yield execution_pb2.ExecuteRequest(stdin=piece)


def write(descriptor, data):
    """Writes all of it; whoever reads slowly holds the workload back."""
    while data:
        data = data[os.write(descriptor, data) :]


def explain(error):
    """Every reason of a denial, or what else went wrong: a google.rpc.Status in the trailers."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
    for detail in status.details:
        denial, fault = error_pb2.Denial(), error_pb2.Fault()
        if detail.Unpack(denial):
            for reason in denial.reasons:
                code = error_pb2.ReasonCode.Name(reason.code).removeprefix("REASON_CODE_")
                at = f" ({reason.at})" if reason.at else ""
                yield f"denied: {code}: {reason.message}{at}"
        elif detail.Unpack(fault):
            yield f"failed: {fault.code}: {fault.message}"
    if not status.details:
        yield f"failed: {error.code().name}: {error.details()}"


def main():
    parser = argparse.ArgumentParser(description="Runs a program under a signed artifact.")
    parser.add_argument("--socket", default="/run/writ/writd.sock")
    parser.add_argument("--artifact", required=True)
    parser.add_argument("program", help="absolute path")
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    with open(options.artifact, "rb") as file:
        artifact = file.read()

    # A repeated Execute could be a second use of the artifact, and a second run.
    settings = [("grpc.enable_retries", 0)]
    ended = None
    with grpc.insecure_channel(f"unix:{os.path.abspath(options.socket)}", settings) as channel:
        stub = execution_pb2_grpc.ExecutionServiceStub(channel)
        call = stub.Execute(requests(artifact, options.program, options.arguments))
        try:
            for response in call:
                kind = response.WhichOneof("message")
                if kind == "stdout":
                    write(1, response.stdout)
                elif kind == "stderr":
                    write(2, response.stderr)
                elif kind == "ended":
                    ended = response.ended
        except grpc.RpcError as error:
            for line in explain(error):
                print(line, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            # Ends the execution.
            call.cancel()
            return 130
    if ended is None:
        print("failed: the daemon did not say how it ended", file=sys.stderr)
        return 1
    if ended.HasField("exit_code"):
        return ended.exit_code
    cause = execution_pb2.EndCause.Name(ended.cause).removeprefix("END_CAUSE_")
    print(f"ended by {cause} {ended.message}".rstrip(), file=sys.stderr)
    return 128 + ended.signal if ended.HasField("signal") else 1


if __name__ == "__main__":
    sys.exit(main())
