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
import itertools
import os
import select
import sys
import threading
import time

import grpc
from google.rpc import status_pb2
from writ.v1 import error_pb2, execution_pb2, execution_pb2_grpc

# The daemon refuses larger pieces.
STDIN_CHUNK = 64 * 1024
# More than can be on its way to the program.
REMEMBERED = 4 * 1024 * 1024
# How long a daemon may take to be back.
RESTART_SECONDS = 120


class Input:
    """Standard input, of which the newest is remembered: after a restart of the daemon some of it has to be sent again."""

    def __init__(self):
        self.pieces, self.begin, self.end, self.closed = [], 0, 0, False
        # Held by the call whose turn it is: a call that is over may still wait for a piece.
        self.turn, self.lock = 0, threading.Lock()

    def messages(self, kind, first, position):
        """The first message of a call, then the input from this position on, until another call has its turn."""
        self.turn += 1
        turn = self.turn
        yield first
        while True:
            with self.lock:
                if turn != self.turn or (self.closed and position == self.end):
                    return
                if position == self.end and readable(0):
                    self.read()
                piece = self.after(position)
            if piece:
                position += len(piece)
                yield kind(stdin=piece)
            elif not self.closed:
                readable(0.1)

    def read(self):
        """Reads a piece more; an empty one is the end."""
        piece = os.read(0, STDIN_CHUNK)
        self.closed = not piece
        self.pieces.append(piece)
        self.end += len(piece)
        while self.end - self.begin - len(self.pieces[0]) > REMEMBERED:
            self.begin += len(self.pieces.pop(0))

    def after(self, position):
        """The rest of the piece in which this position is."""
        at = self.begin
        for piece in self.pieces:
            if position < at + len(piece):
                return piece[position - at :]
            at += len(piece)
        return b""


def readable(seconds):
    """Whether standard input has something, its end too, within this time."""
    return bool(select.select([0], [], [], seconds)[0])


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


def run(stub, artifact, options):
    """One execution, over all restarts of the daemon."""
    source = Input()
    workload = execution_pb2.Workload(program=options.program, argv=[options.program, *options.arguments])
    start = execution_pb2.ExecuteRequest(start={"artifact": artifact, "workload": workload})
    call = stub.Execute(source.messages(execution_pb2.ExecuteRequest, start, 0))
    started, ended, received = None, None, 0
    while True:
        handed_over = None
        for response in call:
            kind = response.WhichOneof("message")
            if kind in ("stdout", "stderr"):
                data = response.stdout or response.stderr
                received += len(data)
                write(1 if kind == "stdout" else 2, data)
            elif kind == "started":
                started = response.started
            elif kind == "attached" and response.attached.output_bytes > received:
                print(f"lost {response.attached.output_bytes - received} bytes of output", file=sys.stderr)
            elif kind == "handed_over":
                handed_over = response.handed_over
            elif kind == "ended":
                ended = response.ended
        if handed_over is None or not started.attach_token:
            return ended
        call = attach(stub, started, source, handed_over.stdin_bytes)


def attach(stub, started, source, position):
    """Waits for the next daemon, and goes on with what it has adopted."""
    claim = {"execution_id": started.execution_id, "attach_token": started.attach_token}
    first = execution_pb2.AttachRequest(start=claim)
    deadline = time.monotonic() + RESTART_SECONDS
    while True:
        call = stub.Attach(source.messages(execution_pb2.AttachRequest, first, position))
        try:
            return itertools.chain([next(call)], call)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(description="Runs a program under a signed artifact.")
    parser.add_argument("--socket", default="/run/writ/writd.sock")
    parser.add_argument("--artifact", required=True)
    parser.add_argument("program", help="absolute path")
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    with open(options.artifact, "rb") as file:
        artifact = file.read()

    ended = None
    target = f"unix:{os.path.abspath(options.socket)}"
    # A repeated Execute could be a second use of the artifact, and a second run. A daemon that is restarted is back soon.
    settings = [("grpc.enable_retries", 0), ("grpc.max_reconnect_backoff_ms", 500)]
    with grpc.insecure_channel(target, settings) as channel:
        try:
            ended = run(execution_pb2_grpc.ExecutionServiceStub(channel), artifact, options)
        except grpc.RpcError as error:
            for line in explain(error):
                print(line, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            # Closing the channel ends the execution.
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
