"""The law of explain: it says of every request what the data plane does with it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from fsm_twisted.admin.documents.upstreams import Live
from fsm_twisted.admin.documents.world import World
from fsm_twisted.admin.explain.answer import Explainer, PublicSide
from fsm_twisted.admin.explain.candidates import Verdict, candidates, find_wish
from fsm_twisted.admin.explain.decision import Answered, Decider, Forwarded
from fsm_twisted.admin.explain.question import Question, ask
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.net.reactor import FsmReactor
from fsm_twisted.net.stream import PlainStream
from fsm_twisted.net.sweep import Sweep
from fsm_twisted.objects.model import (
    EndpointPort,
    EndpointSlice,
    Ingress,
    IngressPath,
    IngressRule,
    IngressTLS,
    KubernetesObject,
    Metadata,
    PathType,
    Service,
    ServiceBackend,
    ServicePort,
    SliceEndpoint,
)
from fsm_twisted.proxy.client import make_peer
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.proxy.trusted_proxies import TrustedProxies
from fsm_twisted.snapshot import wire
from fsm_twisted.snapshot.identity import Endpoint
from fsm_twisted.snapshot.model import Snapshot
from fsm_twisted.snapshot.policy import Protocol
from fsm_twisted.sources.contents import Contents
from tests.net.turning import tcp_pair, turning
from tests.strategies.objects import (
    annotation_maps,
    hosts,
    in_places,
    metadata,
    names,
    namespaces,
    paths,
    worlds,
)

TURNING = turning(FsmReactor)
OPTIONS = CompilerOptions()
NOW = datetime(2026, 1, 1, tzinfo=UTC)

HOSTS = (
    "a.example.com", "b.example.com", "x.example.com", "x.y.example.com", "other.test",
    "A.Example.COM.", "a.example.com:8080", "10.0.0.9", "[::1]",
)  # fmt: skip
TARGETS = (
    "/", "/a", "/a/", "/a/b", "/a/bc", "/ab", "/b", "/a//", "/%2e", "/a?x=/a", "/a/../b", "/a/b/c",
    "/.well-known/acme-challenge/x", "",
)  # fmt: skip
METHODS = ("GET", "POST", "OPTIONS", "TRACE", "CONNECT", "PURGE")
FIELDS = (
    "X-User: ann", "Cookie: c=1", "Max-Forwards: 0", "Transfer-Encoding: gzip",
    "Host: b.example.com", "Content-Length: 99999999", "Expect: nonsense", "Connection: close",
)  # fmt: skip


class Backends:
    """Listeners on loopback that answer each request with their port and what they were asked."""

    def __init__(self, count: int) -> None:
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self._open: list[tuple[int, socket.socket]] = []
        for each in self._listeners:
            each.setblocking(False)
        self.endpoints = [Endpoint("127.0.0.1", e.getsockname()[1]) for e in self._listeners]

    def serve(self) -> None:
        """Do what can be done now."""
        for listener in self._listeners:
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                continue
            sock.setblocking(False)
            self._open.append((listener.getsockname()[1], sock))
        for port, sock in self._open:
            try:
                data = sock.recv(65536)
            except (BlockingIOError, ConnectionError):  # an early answer ends the connection
                continue
            if data:
                target = data.split(b" ", 2)[1]
                answer = b"HTTP/1.1 200 OK\r\nX-Was: %d %b\r\nContent-Length: 0\r\n\r\n"
                sock.sendall(answer % (port, target))

    def forget(self) -> None:
        for _, sock in self._open:
            sock.close()
        self._open.clear()

    def close(self) -> None:
        self.forget()
        for each in self._listeners:
            each.close()


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    made = Backends(12)
    yield made
    made.close()


def on_loopback(snapshot: Snapshot, backends: Backends) -> Snapshot:
    """Return *snapshot* with endpoints that exist, as far as possible each of one upstream."""
    number, moved = 0, {}
    for key, upstream in snapshot.upstreams.items():
        count = len(upstream.endpoints)
        chosen = {backends.endpoints[(number + each) % 12] for each in range(count)}
        number += count
        endpoints = tuple(sorted(chosen))
        moved[key] = attrs.evolve(upstream, endpoints=endpoints, tls=None, protocol=Protocol.HTTP1)
    return attrs.evolve(snapshot, upstreams=moved)


def world_of(objects: list[KubernetesObject]) -> World:
    controller = Controller(OPTIONS, lambda _: None, now=lambda: NOW)
    controller.contents_changed(Contents(tuple(objects)))
    found = World.of(controller, OPTIONS, NOW)
    assert found is not None
    return found


@attrs.frozen
class Done:
    """What the data plane has done: the reason code of its own answer, or where it went."""

    code: str
    status: int
    location: str
    port: int
    target: str


def do(snapshot: Snapshot, question: Question, options: ProxyOptions, backends: Backends) -> Done:
    """Send the request to a data plane that got the snapshot as a worker does."""
    plane = DataPlane(
        TURNING.reactor,
        Sweep(TURNING.reactor, lambda: 0.0),
        options,
        draw=lambda _: 0,
        wall_seconds=lambda: 0.0,
        request_ids=lambda: b"id",
    )
    plane.activate(wire.apply(None, wire.encode_full(snapshot)))
    ours, client = tcp_pair()
    ours.setblocking(False)
    client.setblocking(False)
    peer = make_peer(question.client, 80, is_secure=question.is_secure, trusted=TrustedProxies())
    plane.places.enter()
    plane.places.settle(peer.address)
    plane.serve(ours, PlainStream(ours), peer)
    client.sendall(question.head)
    said = b""

    def is_answered() -> bool:
        nonlocal said
        backends.serve()
        with contextlib.suppress(BlockingIOError, ConnectionError):
            said += client.recv(65536)
        return b"\r\n\r\n" in said and not said.startswith(b"HTTP/1.1 1")

    TURNING.until(is_answered)
    client.close()
    plane.cut()
    backends.forget()
    TURNING.settle()
    head = said.split(b"\r\n\r\n")[0].split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in head[1:])
    port, _, target = fields.get(b"X-Was", b"0 ").partition(b" ")
    code = next(iter(plane.replies), "")
    location = fields.get(b"Location", b"").decode()
    return Done(code, int(head[0].split(b" ")[1]), location, int(port), target.decode())


@st.composite
def questions(draw: st.DrawFn) -> Question:
    scheme = draw(st.sampled_from(["http", "https"]))
    host, target = draw(st.sampled_from(HOSTS)), draw(st.sampled_from(TARGETS))
    # Most requests are usual ones, which take another road through the data plane.
    method = draw(st.just("GET") | st.sampled_from(METHODS))
    fields = draw(st.just([]) | st.lists(st.sampled_from(FIELDS), max_size=2, unique=True))
    return ask(
        f"{scheme}://{host}{target}", method, fields, draw(st.sampled_from(["", "10.1.2.3"]))
    )


def background() -> list[KubernetesObject]:
    """Services whose endpoints are there: without them nearly nothing reaches an endpoint."""
    found: list[KubernetesObject] = []
    for namespace in ("default", "other"):
        for number, name in enumerate("abc", 1):
            known = Metadata(name, namespace)
            endpoints = tuple(SliceEndpoint((f"10.0.0.{each}",)) for each in range(1, number + 1))
            found += [
                Service(known, ports=(ServicePort("http", 80, 8080),)),
                EndpointSlice(known, name, "IPv4", endpoints, (EndpointPort("http", 8080),)),
            ]
    return found


@st.composite
def served_ingresses(draw: st.DrawFn) -> Ingress:
    """Ingresses of ours with backends that are there, most of them with usable paths."""
    backend = st.builds(ServiceBackend, names(), st.sampled_from([80, "http", 81]))
    path = st.builds(IngressPath, paths(), st.sampled_from(PathType), backend)
    rule = st.builds(IngressRule, hosts(), in_places(path, least=1, most=4))
    tls = st.builds(IngressTLS, st.lists(hosts(), max_size=2).map(tuple), names())
    annotations: st.SearchStrategy[dict[str, str]] = st.just({}) | annotation_maps(st.nothing())
    return Ingress(
        draw(metadata(names(), namespaces(), annotations)),
        "pipy",
        draw(st.none() | backend),
        draw(in_places(rule, least=1, most=3)),
        draw(st.just(()) | st.lists(tls, max_size=1).map(tuple)),
    )


def served_worlds() -> st.SearchStrategy[list[KubernetesObject]]:
    """Worlds in which most requests reach somebody."""
    return st.lists(served_ingresses(), min_size=1, max_size=4).map(
        lambda ingresses: [*background(), *ingresses]
    )


def plane_options() -> st.SearchStrategy[ProxyOptions]:
    return st.builds(
        ProxyOptions,
        plain_http=st.sampled_from(PlainHttp),
        body_limit_bytes=st.sampled_from([None, 1000]),
    )


PLAIN = ProxyOptions(plain_http=PlainHttp.SERVE)


@settings(deadline=None)
@given(served_worlds() | worlds(), st.lists(questions(), min_size=1, max_size=6), plane_options())
@example([], [ask("http://a.example.com/")], PLAIN)
def test_explain_and_the_data_plane_agree(
    backends: Backends,
    objects: list[KubernetesObject],
    asked: list[Question],
    options: ProxyOptions,
) -> None:
    world = world_of(objects)
    snapshot = on_loopback(world.outcome.snapshot, backends)

    for question in asked:
        decision = Decider(options).decide(snapshot, question, Live())
        event(type(decision).__name__)
        done = do(snapshot, question, options, backends)
        if isinstance(decision, Answered):
            told = (decision.reason.code, decision.reason.status, decision.location)
            assert told == (done.code, done.status, done.location)
        else:
            assert done.code == ""
            assert (decision.endpoint.port, decision.target) == (done.port, done.target)
            assert decision.endpoint in decision.upstream.endpoints


def unverifiable() -> Ingress:
    """Return an Ingress whose requests are refused before they are routed."""
    path = IngressPath("/", PathType.EXACT, ServiceBackend("a", 80))
    annotations = {"pipy.ingress.kubernetes.io/tls-verify-client": "nonsense"}
    rules = (IngressRule("", (path,)), IngressRule("a.example.com", (path,), 1))
    return Ingress(Metadata("a", "default", "", annotations), "pipy", None, rules)


@settings(deadline=None)
@given(served_worlds() | worlds(), questions())
@example([*background(), unverifiable()], ask("http://a.example.com/"))
def test_whatever_is_chosen_is_a_path_that_an_ingress_of_ours_wants(
    objects: list[KubernetesObject], question: Question
) -> None:
    world = world_of(objects)
    decision = Decider(PLAIN).decide(world.outcome.snapshot, question, Live())

    wish = find_wish(world, decision.route)
    assert (wish is None) == (decision.route is None)
    if isinstance(decision, Forwarded):
        assert wish is not None
    found = candidates(world, decision.host, decision.path, wish)
    chosen = [each for each in found if each.verdict is Verdict.CHOSEN]
    assert len(chosen) == (wish is not None)
    assert all(each.why for each in found)
    if wish is None and decision.host:
        matching = {Verdict.OUTRANKED, Verdict.LOST, Verdict.REPEATED}
        assert not [each for each in found if each.verdict in matching]


@settings(deadline=None)
@given(served_worlds() | worlds(), questions())
def test_every_request_has_an_explanation_with_the_outcome_of_its_decision(
    objects: list[KubernetesObject], question: Question
) -> None:
    world = world_of(objects)
    told = Explainer(PublicSide(PLAIN)).explain(world, question, Live())
    decision = Decider(PLAIN).decide(world.outcome.snapshot, question, Live())

    if isinstance(decision, Answered):
        assert told["outcome"]["code"] == decision.reason.code
    else:
        assert told["endpoint"]["endpoint"] == str(decision.endpoint)
    assert told["summary"].isprintable()
