"""Servers of grpcio, four kinds of calls without generated code, and clients for them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self

import grpc

SERVICE: Final = "fsm.test.Calls"
UNLIMITED: Final = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
WORKERS: Final = 40

Message = bytes
Context = Any
"""A grpc.ServicerContext; grpcio has no types."""


def _unary(message: Message, context: Context) -> Message:
    """Answer with the message; a few words ask for something else."""
    word, _, rest = message.partition(b" ")
    if word == b"fail":
        details = (("x-detail", "why"), ("x-detail-bin", b"\x00\xff\x80"))
        context.set_trailing_metadata(details)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: ä % ü")
    if word == b"sleep":
        time.sleep(float(rest))
    if word == b"metadata":
        sent = [tuple(each) for each in context.invocation_metadata() if each[0][:2] == "x-"]
        context.send_initial_metadata((("x-first-bin", bytes(range(256))),))
        context.set_trailing_metadata((("x-last", "z"),))
        return repr(sent).encode()
    if word == b"deadline":
        return b"%d" % round(context.time_remaining())
    return message


def _server_stream(message: Message, context: Context) -> Iterator[Message]:
    count, _, size = message.partition(b" ")
    for number in range(int(count)):
        yield b"%d" % number + bytes(int(size or 0))


def _client_stream(messages: Iterator[Message], context: Context) -> Message:
    return b"%d" % sum(len(each) for each in messages)


def _both(messages: Iterator[Message], context: Context) -> Iterator[Message]:
    yield from messages


_METHODS: Final = {
    "Unary": grpc.unary_unary_rpc_method_handler(_unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(_server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(_client_stream),
    "Both": grpc.stream_stream_rpc_method_handler(_both),
}


class GrpcServer:
    """One endpoint; it counts its calls and stops as a pod does."""

    def __init__(
        self, credentials: grpc.ServerCredentials | None = None, *, port: int = 0
    ) -> None:
        self.calls = 0
        self.server = grpc.server(
            ThreadPoolExecutor(WORKERS), options=UNLIMITED, interceptors=(_Counting(self),)
        )
        handler = grpc.method_handlers_generic_handler(SERVICE, _METHODS)
        self.server.add_generic_rpc_handlers((handler,))
        where = f"127.0.0.1:{port}"
        if credentials is None:
            self.port: int = self.server.add_insecure_port(where)
        else:
            self.port = self.server.add_secure_port(where, credentials)

    def start(self) -> Self:
        """Begin to accept."""
        self.server.start()
        return self

    def stop(self, grace: float | None = None) -> None:
        """End: GOAWAY, and at most so many seconds for what runs."""
        self.server.stop(grace).wait()


class _Counting(grpc.ServerInterceptor):  # type: ignore[misc]
    def __init__(self, owner: GrpcServer) -> None:
        self._owner = owner

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        self._owner.calls += 1
        return continuation(details)


class Calls:
    """A client of one host, on one connection."""

    def __init__(
        self, port: int, host: str, credentials: grpc.ChannelCredentials | None = None
    ) -> None:
        options = (
            *UNLIMITED,
            ("grpc.default_authority", host),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        )
        where = f"127.0.0.1:{port}"
        if credentials is None:
            self.channel = grpc.insecure_channel(where, options)
        else:
            self.channel = grpc.secure_channel(where, credentials, options)
        self.unary = self.channel.unary_unary(f"/{SERVICE}/Unary")
        self.server_stream = self.channel.unary_stream(f"/{SERVICE}/ServerStream")
        self.client_stream = self.channel.stream_unary(f"/{SERVICE}/ClientStream")
        self.both = self.channel.stream_stream(f"/{SERVICE}/Both")
        self.missing = self.channel.unary_unary(f"/{SERVICE}/Missing")

    def close(self) -> None:
        """End the connection."""
        self.channel.close()
