"""gRPC through the program, with the clients and servers that people use (grpcio)."""

from __future__ import annotations

import json
import queue
import threading
import time
from ast import literal_eval
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.strategies.certificates import make_pair
from tests.wire.harness.grpc_world import Calls, GrpcServer
from tests.wire.harness.http2 import connect_h2c
from tests.wire.harness.message import PATIENCE
from tests.wire.harness.objects import Listening
from tests.wire.harness.program import Program, running, whole_lines
from tests.wire.harness.secure import Manifests, SecureBackend, server_context
from tests.wire.test_metrics import scrape, total
from tests.workers.processes import until

Code = grpc.StatusCode
SECONDS = PATIENCE
HOST = "grpc.test"
MIB = 1024 * 1024


class World:
    """A folder that a program follows, and the servers of its hosts."""

    def __init__(self, folder: Path) -> None:
        self.manifests = Manifests(folder)
        self.manifests.ingress_class()
        self.servers = [GrpcServer().start() for _ in range(3)]
        self.endpoints(HOST, *self.servers)
        self.endpoints("nobody.test")
        self.endpoints("quick.test", self.servers[0], timeout="500ms")

    def endpoints(
        self, host: str, *servers: Listening, protocol: str = "GRPC", timeout: str = "60s"
    ) -> None:
        """Write a Service with these endpoints, and its Ingress."""
        name = host.replace(".", "-")
        self.manifests.service(name, *servers)
        annotations = {"upstream-protocol": protocol, "proxy-read-timeout": timeout}
        self.manifests.ingress(name, name, (host,), annotations)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("grpc"))
    yield made
    for server in made.servers:
        server.stop()


@pytest.fixture(scope="module")
def program(world: World, logs: Path) -> Iterator[Program]:
    options = ("--h2c", "on", "--body-timeout", "1", "--access-log", str(logs / "grpc-access"))
    with running(world.manifests.folder, logs / "grpc", *options) as started:
        yield started


@pytest.fixture
def dial(program: Program) -> Iterator[Callable[[str], Calls]]:
    made: list[Calls] = []

    def run(host: str) -> Calls:
        made.append(Calls(program.http, host))
        return made[-1]

    yield run
    for each in made:
        each.close()


@pytest.fixture
def calls(dial: Callable[[str], Calls]) -> Calls:
    return dial(HOST)


def failure(call: Callable[[], object]) -> grpc.RpcError:
    """Return the error of a call."""
    with pytest.raises(grpc.RpcError) as error:
        call()
    return error.value


# The four kinds


def test_unary(calls: Calls) -> None:
    assert calls.unary(b"hello", timeout=SECONDS) == b"hello"


def test_the_server_streams(calls: Calls) -> None:
    found = list(calls.server_stream(b"100 1000", timeout=SECONDS))
    assert [len(each) for each in found] == [1001] * 10 + [1002] * 90


def test_the_client_streams(calls: Calls) -> None:
    messages = iter([bytes(1000)] * 100)
    assert calls.client_stream(messages, timeout=SECONDS) == b"100000"


def test_both_stream_and_nothing_is_held_back(calls: Calls) -> None:
    asked: queue.Queue[bytes | None] = queue.Queue()
    answers = calls.both(iter(asked.get, None), timeout=SECONDS)

    for number in range(20):
        asked.put(b"%d" % number)
        assert next(answers) == b"%d" % number  # before the next one is asked
    asked.put(None)
    assert list(answers) == []


def test_large_messages(calls: Calls) -> None:
    message = bytes(range(256)) * (16 * MIB // 256)
    assert calls.unary(message, timeout=30) == message


def test_the_health_service(world: World, program: Program) -> None:
    server = GrpcServer()
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server.server)
    servicer.set("shop", health_pb2.HealthCheckResponse.SERVING)
    server.start()
    world.endpoints("health.test", server)
    calls = Calls(program.http, "health.test")
    stub = health_pb2_grpc.HealthStub(calls.channel)
    request = health_pb2.HealthCheckRequest(service="shop")
    eventually(lambda: stub.Check(request, timeout=SECONDS))

    watch = stub.Watch(request, timeout=SECONDS)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    servicer.set("shop", health_pb2.HealthCheckResponse.NOT_SERVING)
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    calls.close()
    server.stop()


def eventually(call: Callable[[], object]) -> None:
    """Call until it succeeds: the program is following the folder."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            call()
        except grpc.RpcError:
            assert time.monotonic() < end
            time.sleep(0.02)
        else:
            return


# What a call carries


def test_errors_come_with_their_details(calls: Calls) -> None:
    error = failure(lambda: calls.unary(b"fail", timeout=SECONDS))

    assert (error.code(), error.details()) == (Code.FAILED_PRECONDITION, "not now: ä % ü")
    trailers = dict(error.trailing_metadata())
    assert (trailers["x-detail"], trailers["x-detail-bin"]) == ("why", b"\x00\xff\x80")


def test_metadata_goes_both_ways(calls: Calls) -> None:
    sent = (("x-a", "1"), ("x-a", "2"), ("x-bytes-bin", bytes(range(256))))
    answer, call = calls.unary.with_call(b"metadata", metadata=sent, timeout=SECONDS)

    assert set(sent) <= set(literal_eval(answer.decode()))
    assert ("x-first-bin", bytes(range(256))) in tuple(call.initial_metadata())
    assert ("x-last", "z") in tuple(call.trailing_metadata())


def test_the_deadline_is_passed_on(calls: Calls) -> None:
    assert 60 < int(calls.unary(b"deadline", timeout=100)) <= 100


def test_a_deadline_ends_the_call(calls: Calls) -> None:
    error = failure(lambda: calls.unary(b"sleep 1", timeout=0.2))
    assert error.code() is Code.DEADLINE_EXCEEDED


def test_a_cancelled_call_ends_at_the_server(world: World, program: Program) -> None:
    ended = threading.Event()

    def forever(message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(ended.set)
        yield b"begun"
        ended.wait(SECONDS)

    server = GrpcServer()
    method = grpc.unary_stream_rpc_method_handler(forever)
    handler = grpc.method_handlers_generic_handler("cancel.Calls", {"Forever": method})
    server.server.add_generic_rpc_handlers((handler,))
    server.start()
    world.endpoints("cancel.test", server)
    calls = Calls(program.http, "cancel.test")
    eventually(lambda: calls.unary(b"x", timeout=SECONDS))

    call = calls.channel.unary_stream("/cancel.Calls/Forever")(b"", timeout=SECONDS)
    assert next(call) == b"begun"
    assert not ended.is_set()
    call.cancel()
    assert ended.wait(SECONDS)
    calls.close()
    server.stop()


# Balancing


def test_one_connection_is_spread_over_all_endpoints(world: World, calls: Calls) -> None:
    before = [server.calls for server in world.servers]
    running_calls = [calls.unary.future(b"%d" % n, timeout=SECONDS) for n in range(99)]

    assert [each.result() for each in running_calls] == [b"%d" % n for n in range(99)]
    after = [server.calls for server in world.servers]
    assert [b - a for a, b in zip(before, after, strict=True)] == [33, 33, 33]


def test_a_hundred_streams_at_once(calls: Calls) -> None:
    queues: list[queue.Queue[bytes | None]] = [queue.Queue() for _ in range(100)]
    streams = [calls.both(iter(each.get, None), timeout=SECONDS) for each in queues]
    for number, each in enumerate(queues):
        each.put(b"%d" % number)
    assert [next(each) for each in streams] == [b"%d" % n for n in range(100)]
    for each in queues:
        each.put(None)
    assert [list(each) for each in streams] == [[]] * 100


# What we answer ourselves


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        ("unknown.test", Code.UNIMPLEMENTED, "Service Not Found (no_route)"),
        ("nobody.test", Code.UNAVAILABLE, "No Endpoints (no_endpoints)"),
    ],
)
def test_our_own_answers_have_a_status(
    dial: Callable[[str], Calls], host: str, code: grpc.StatusCode, words: str
) -> None:
    error = failure(lambda: dial(host).unary(b"x", timeout=SECONDS))
    assert (error.code(), error.details()) == (code, words)


def test_an_unknown_method_is_the_servers_answer(calls: Calls) -> None:
    error = failure(lambda: calls.missing(b"x", timeout=SECONDS))
    assert (error.code(), error.details()) == (Code.UNIMPLEMENTED, "Method not found!")


def test_calls_are_counted_by_the_status_that_the_client_got(
    world: World, program: Program, dial: Callable[[str], Calls], logs: Path
) -> None:
    world.endpoints("counted.test", world.servers[0], timeout="500ms")
    calls = dial("counted.test")
    eventually(lambda: calls.unary(b"x", timeout=SECONDS))
    before = by_status(program, "counted-test")
    calls.unary(b"x", timeout=SECONDS)
    list(calls.server_stream(b"3 10", timeout=SECONDS))
    failure(lambda: calls.unary(b"fail", timeout=SECONDS))
    failure(lambda: calls.missing(b"x", timeout=SECONDS))  # one head that is all
    failure(lambda: calls.unary(b"sleep 3", timeout=SECONDS))  # our answer
    found = by_status(program, "counted-test")
    failure(lambda: dial("nobody.test").unary(b"x", timeout=SECONDS))
    failure(lambda: dial("unknown.test").unary(b"x", timeout=SECONDS))

    counted = {status: found[status] - before[status] for status in found}
    assert counted == {"0": 2, "9": 1, "12": 1, "4": 1}
    assert by_status(program, "nobody-test")["14"] > 0

    def logged(host: str) -> list[tuple[str, int]]:
        lines = map(json.loads, whole_lines(logs / "grpc-access"))
        return [(each["origin"], each["grpc_status"]) for each in lines if each["host"] == host]

    of_pods = [("upstream", 0), ("upstream", 0), ("upstream", 9), ("upstream", 12)]
    until(lambda: logged("counted.test")[-5:] == [*of_pods, ("proxy", 4)])
    until(lambda: logged("nobody.test")[-1:] == [("proxy", 14)])
    until(lambda: logged("unknown.test")[-1:] == [("proxy", 12)])


def by_status(program: Program, ingress: str) -> Counter[str]:
    samples = scrape(program)
    statuses = (str(each) for each in range(17))
    name = "grpc_requests_total"
    found = {
        each: int(total(samples, name, ingress=ingress, grpc_status=each)) for each in statuses
    }
    return Counter({status: number for status, number in found.items() if number})


def test_a_silent_server_is_deadline_exceeded(dial: Callable[[str], Calls]) -> None:
    error = failure(lambda: dial("quick.test").unary(b"sleep 3", timeout=SECONDS))
    assert (error.code(), error.details()) == (
        Code.DEADLINE_EXCEEDED, "Gateway Timeout (upstream_timeout)",
    )  # fmt: skip


def test_a_silent_client_is_not_the_servers_fault(dial: Callable[[str], Calls]) -> None:
    asked: queue.Queue[bytes | None] = queue.Queue()
    calls = dial("quick.test")
    error = failure(lambda: calls.client_stream(iter(asked.get, None), timeout=SECONDS))
    asked.put(None)

    assert (error.code(), error.details()) == (
        Code.DEADLINE_EXCEEDED, "Request Timeout (request_timeout)",
    )  # fmt: skip


def test_a_silent_stream_lives_longer_than_a_body_may_be_silent(calls: Calls) -> None:
    asked: queue.Queue[bytes | None] = queue.Queue()
    answers = calls.both(iter(asked.get, None), timeout=SECONDS)
    asked.put(b"1")
    assert next(answers) == b"1"
    time.sleep(2.5)  # --body-timeout is 1 s, and proxy-read-timeout a minute
    asked.put(b"2")
    assert next(answers) == b"2"
    asked.put(None)
    assert list(answers) == []


def test_a_stream_that_breaks_off_says_why(world: World, program: Program) -> None:
    server = GrpcServer().start()
    world.endpoints("breaks.test", server)
    calls = Calls(program.http, "breaks.test")
    eventually(lambda: calls.unary(b"x", timeout=SECONDS))
    asked: queue.Queue[bytes | None] = queue.Queue()
    answers = calls.both(iter(asked.get, None), timeout=SECONDS)
    asked.put(b"1")
    assert next(answers) == b"1"

    server.stop()
    error = failure(lambda: next(answers))
    asked.put(None)

    assert error.code() in {Code.UNAVAILABLE, Code.CANCELLED}
    calls.close()


def test_what_is_not_grpc_gets_text(program: Program) -> None:
    client = connect_h2c(program.http)
    kinds = (b"application/grpc-web", b"application/json", b"application/grpc+proto")
    found = [
        client.ask(b"nobody.test", b"x", method=b"POST", fields=((b"content-type", kind),))
        for kind in kinds
    ]
    client.close()

    assert [(each.status, each.get(b"grpc-status")) for each in found] == [
        (503, None), (503, None), (200, b"14"),
    ]  # fmt: skip


def test_a_call_that_no_server_is_asked_for_counts_for_its_ingress(
    world: World, program: Program
) -> None:
    world.endpoints("limited.test", world.servers[0])
    own = {"upstream-protocol": "GRPC", "proxy-body-size": "10"}
    world.manifests.ingress("limited-test", "limited-test", ("limited.test",), own)
    fields = ((b"content-type", b"application/grpc"), (b"content-length", b"11"))

    def asked() -> bytes | None:
        client = connect_h2c(program.http)
        answer = client.ask(b"limited.test", bytes(11), method=b"POST", fields=fields)
        client.close()
        return answer.get(b"grpc-status")

    until(lambda: asked() == b"8")
    assert by_status(program, "limited-test")["8"] > 0


# TLS


def test_grpcs_with_a_verified_server(world: World, program: Program, tmp_path: Path) -> None:
    authority = make_pair("ca", (), is_authority=True)
    pair = make_pair("grpcs.test", ("grpcs.test",), issuer=authority)
    credentials = grpc.ssl_server_credentials([(pair.pem_key, pair.crt)])
    server = GrpcServer(credentials).start()
    world.manifests.secret("grpcs-ca", {"ca.crt": authority.crt})
    world.manifests.service("grpcs", server)
    annotations = {
        "upstream-protocol": "GRPCS",
        "upstream-ssl-verify": "true",
        "upstream-ssl-secret": "grpcs-ca",
    }
    world.manifests.ingress("grpcs", "grpcs", ("grpcs.test", "other.test"), annotations)
    calls = Calls(program.http, "grpcs.test")
    eventually(lambda: calls.unary(b"x", timeout=SECONDS))

    assert list(calls.both(iter([b"a", b"b"]), timeout=SECONDS)) == [b"a", b"b"]
    other = Calls(program.http, "other.test")  # its certificate has not this name
    error = failure(lambda: other.unary(b"x", timeout=SECONDS))
    assert (error.code(), error.details()) == (
        Code.UNAVAILABLE, "Bad Gateway (upstream_unverified)",
    )  # fmt: skip
    calls.close()
    other.close()
    server.stop()


def test_a_server_without_alpn_is_refused(world: World, program: Program, tmp_path: Path) -> None:
    pair = make_pair("alpn.test", ("alpn.test",))
    backend = SecureBackend(server_context(tmp_path, pair)).serve(lambda served: None)
    world.endpoints("alpn.test", backend, protocol="GRPCS")
    calls = Calls(program.http, "alpn.test")
    end = time.monotonic() + SECONDS
    while (error := failure(lambda: calls.unary(b"x", timeout=SECONDS))).code() is not (
        Code.UNAVAILABLE
    ):
        assert time.monotonic() < end

    assert error.details() == "Bad Gateway (upstream_tls_failed)"
    assert "it does not agree to speak HTTP/2 (ALPN h2)" in program.log
    calls.close()
    backend.stop()
    backend.close()


# Endpoints that leave


def test_what_runs_on_an_endpoint_that_leaves_goes_on(world: World, program: Program) -> None:
    old, new = GrpcServer().start(), GrpcServer().start()
    world.endpoints("leaves.test", old)
    calls = Calls(program.http, "leaves.test")
    eventually(lambda: calls.unary(b"x", timeout=SECONDS))
    asked: queue.Queue[bytes | None] = queue.Queue()
    answers = calls.both(iter(asked.get, None), timeout=SECONDS)
    asked.put(b"1")
    assert next(answers) == b"1"

    world.endpoints("leaves.test", new)
    end = time.monotonic() + SECONDS
    while not new.calls:
        assert calls.unary(b"y", timeout=SECONDS) == b"y"
        assert time.monotonic() < end
    asked.put(b"2")
    assert next(answers) == b"2"
    asked.put(None)
    assert list(answers) == []
    calls.close()
    old.stop()
    new.stop()


def test_a_client_that_takes_no_messages_for_a_while_gets_them_all(calls: Calls) -> None:
    answers = calls.server_stream(b"40 200000", timeout=SECONDS)
    assert len(next(answers)) == 200_001
    time.sleep(2.5)  # --body-timeout is 1 s
    assert sum(len(each) for each in answers) == 9 * 200_001 + 30 * 200_002
