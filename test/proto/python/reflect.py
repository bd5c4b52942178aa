"""What grpcurl does, with another library: learns the API by reflection alone, and makes calls from what it learned.

usage: reflect.py SOCKET v1|v1alpha [AUTHORITY]

Prints one JSON object: `services`, `files` (each descriptor in hexadecimal), `status` and `denial` as grpcurl prints messages.
"""

import importlib
import json
import sys

import grpc

# The generated packages of reflection lie beside the library's own.
grpc.__path__.extend(f"{path}/grpc" for path in sys.path)

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory  # noqa: E402

socket, version, *authority = sys.argv[1:]
messages = importlib.import_module(f"grpc.reflection.{version}.reflection_pb2")
services = importlib.import_module(f"grpc.reflection.{version}.reflection_pb2_grpc")

settings = [("grpc.default_authority", name) for name in authority]
channel = grpc.insecure_channel(f"unix:{socket}", settings)
stub = services.ServerReflectionStub(channel)


def ask(**question):
    request = messages.ServerReflectionRequest(host="", **question)
    (answer,) = stub.ServerReflectionInfo(iter([request]))
    if answer.HasField("error_response"):
        raise LookupError(f"{question}: {answer.error_response.error_message}")
    return answer


def parse(answer):
    return map(descriptor_pb2.FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)


pool = descriptor_pool.DescriptorPool()
files = {}


def add(file):
    """Adds a file after all that it imports: a pool refuses what it cannot link."""
    if file.name in files:
        return
    for name in file.dependency:
        for imported in parse(ask(file_by_filename=name)):
            if imported.name == name:
                add(imported)
    files[file.name] = file
    pool.Add(file)


def find(symbol):
    for file in parse(ask(file_containing_symbol=symbol)):
        add(file)


def symbols(file):
    """Every name that somebody may ask to have described."""

    def within(prefix, message):
        name = f"{prefix}.{message.name}"
        yield name
        yield from (f"{name}.{field.name}" for field in message.field)
        for nested in message.nested_type:
            yield from within(name, nested)

    for message in file.message_type:
        yield from within(file.package, message)
    for enum in file.enum_type:
        yield f"{file.package}.{enum.name}"
    for service in file.service:
        yield f"{file.package}.{service.name}"
        yield from (f"{file.package}.{service.name}.{method.name}" for method in service.method)


def new(name):
    return message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName(name))


def call(path, request, response):
    return channel.unary_unary(path, request_serializer=lambda message: message.SerializeToString(), response_deserializer=response.FromString)(request)


names = [service.name for service in ask(list_services="*").list_services_response.service]
for name in names:
    find(name)
status = call("/writ.v1.AttestationService/GetStatus", new("writ.v1.GetStatusRequest")(), new("writ.v1.GetStatusResponse"))

# As grpcurl does it: google.rpc.Status is its own, each detail's type is asked for by the name in its URL.
find("google.rpc.Status")
find("writ.v1.Denial")
denial = None
try:
    request = new("writ.v1.AuthorizeRequest")(workload={"program": "/bin/true", "env": {"A": "b"}})
    call("/writ.v1.ExecutionService/Authorize", request, new("writ.v1.AuthorizeResponse"))
except grpc.RpcError as error:
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    denial = json_format.MessageToDict(new("google.rpc.Status").FromString(details), descriptor_pool=pool)

for file in list(files.values()):
    for symbol in symbols(file):
        ask(file_containing_symbol=symbol)

print(
    json.dumps(
        {
            "services": names,
            "files": {name: file.SerializeToString().hex() for name, file in files.items()},
            "status": json_format.MessageToDict(status, descriptor_pool=pool),
            "denial": denial,
        }
    )
)
