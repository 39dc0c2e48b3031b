"""Client certificates: who is let in, what nobody gets around, and what endpoints are told."""

from __future__ import annotations

import contextlib
import hashlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import attrs
import pytest

from tests.strategies.certificates import Pair, make_pair
from tests.wire.harness.backend import Backend, Served
from tests.wire.harness.client import Client, connect, connect_tls, tls_context
from tests.wire.harness.http2 import speak
from tests.wire.harness.http2_backend import Http2Server, speaking
from tests.wire.harness.message import Response
from tests.wire.harness.program import Program, running
from tests.wire.harness.secure import Manifests
from tests.wire.test_metrics import scrape, total
from tests.wire.test_upstream_tls import until

CA = make_pair("clients", (), is_authority=True)
OTHER_CA = make_pair("other clients", (), is_authority=True)
GOOD = make_pair("alice", ("alice.example", "laptop.example"), issuer=CA)
OTHER = make_pair("bob", ("bob.example",), issuer=OTHER_CA)
SELF = make_pair("myself", ())
PAST = datetime.now(UTC) - timedelta(days=1)
EXPIRED = make_pair("alice, once", (), end=PAST, issuer=CA)
MIDDLE = make_pair("department", (), issuer=CA, is_authority=True)
MIDDLE_2 = make_pair("team", (), issuer=MIDDLE, is_authority=True)
DEEP = make_pair("carol", ("carol.example",), issuer=MIDDLE)
TOO_DEEP = make_pair("dave", (), issuer=MIDDLE_2)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
FIELD = b"X-Forwarded-Client-Cert"
ON = {"tls-verify-client": "on", "tls-trusted-ca-secret": "ca"}
SITES: dict[str, dict[str, str]] = {
    "a": ON,
    "same": ON,
    "b": {**ON, "tls-trusted-ca-secret": "other-ca"},
    "open": {},
    "may": {**ON, "tls-verify-client": "optional"},
    "shallow": {**ON, "tls-verify-depth": "0"},
    "self": {"tls-trusted-ca-secret": "self"},
    "missing": {**ON, "tls-trusted-ca-secret": "nowhere"},
    "garbage": {**ON, "tls-trusted-ca-secret": "garbage"},
    "nothing": {"tls-verify-client": "on"},
    "unreadable": {**ON, "tls-verify-client": "sometimes"},
}


def telling(served: Served) -> None:
    """Answer each request with what it says of its client's certificate."""
    while True:
        told = b"|".join(served.request().all(FIELD))
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))


def telling_by_http2(server: Http2Server) -> None:
    """Do the same by HTTP/2."""
    for index in count():
        asked = server.request(index)
        server.answer(asked.number, b"|".join(asked.all(FIELD.lower())))


@attrs.define
class Ground:
    """The program with its folder; connections end with the test that has made them."""

    program: Program
    manifests: Manifests
    folder: Path
    clients: list[Client] = attrs.Factory(list)

    def context(
        self, pair: Pair | None = None, *issuers: Pair, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        context = tls_context()
        if pair is not None:
            file = self.folder / f"{id(pair)}-{len(issuers)}.pem"
            file.write_bytes(b"".join(each.crt for each in (pair, *issuers)) + pair.pem_key)
            context.load_cert_chain(file)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context

    def dial(
        self,
        name: str | None,
        context: ssl.SSLContext,
        session: ssl.SSLSession | None = None,
    ) -> Client:
        self.clients.append(connect_tls(self.program.https, name, context, session))
        return self.clients[-1]

    def ask(self, host: str, context: ssl.SSLContext) -> Response:
        return self.dial(host, context).ask(get(host))

    def refusal(
        self, host: str, context: ssl.SSLContext, session: ssl.SSLSession | None = None
    ) -> str:
        """Return how a client learns that it is not let in; nothing of HTTP may come."""
        try:
            client = self.dial(host, context, session)
            client.send(get(host))
            client.fill()
        except (ssl.SSLError, ConnectionError) as error:
            return str(error).lower().replace("_", " ")
        raise AssertionError(f"it is answered: {client.pending()!r}")

    def clear(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()


def get(host: str, extra: bytes = b"", path: bytes = b"/") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (path, host.encode(), extra)


def session_of(client: Client) -> ssl.SSLSession:
    """End a connection in order; return what may be resumed."""
    assert isinstance(client.sock, ssl.SSLSocket)
    session = client.sock.session
    assert session is not None
    with contextlib.suppress(OSError):
        client.sock.unwrap()
    client.close()
    return session


def resumed(client: Client) -> bool:
    assert isinstance(client.sock, ssl.SSLSocket)
    return bool(client.sock.session_reused)


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    backend = Backend().serve(telling)
    yield backend
    assert not backend.stop()
    backend.close()


@pytest.fixture(scope="module")
def http2_backend() -> Iterator[Backend]:
    backend = Backend().serve(speaking(telling_by_http2))
    yield backend
    assert not backend.stop()
    backend.close()


def write_world(manifests: Manifests, backend: Backend, http2_backend: Backend) -> None:
    manifests.ingress_class()
    manifests.secret("ca", {"ca.crt": CA.crt})
    manifests.secret("other-ca", {"ca.crt": OTHER_CA.crt})
    manifests.secret("self", {"ca.crt": SELF.crt})
    manifests.secret("garbage", {"ca.crt": b"no certificate"})
    manifests.service("s", backend)
    for name, asked in SITES.items():
        hosts = (f"{name}.test",)
        manifests.ingress(name, "s", hosts, asked, {"": hosts})
    calls = {**ON, "upstream-protocol": "H2C"}
    manifests.service("h2", http2_backend)
    manifests.ingress("calls", "h2", ("calls.test",), calls, {"": ("calls.test",)})
    wild = ("*.wild.test",)
    manifests.ingress("wild", "s", wild, ON, {"": wild})
    manifests.ingress("under-wild", "s", ("free.wild.test",), {}, prefix="/free")
    own = ("own.wild.test",)
    manifests.ingress("own-in-wild", "s", own, {}, {"": own}, prefix="/own")


@pytest.fixture(scope="module")
def whole_ground(
    tmp_path_factory: pytest.TempPathFactory, backend: Backend, http2_backend: Backend
) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("client-certificates")
    manifests = Manifests(tmp_path_factory.mktemp("manifests"))
    write_world(manifests, backend, http2_backend)
    with running(manifests.folder, folder / "log") as program:
        yield Ground(program, manifests, folder)


@pytest.fixture
def ground(whole_ground: Ground) -> Iterator[Ground]:
    yield whole_ground
    whole_ground.clear()


# Who is let in


def outcome(ground: Ground, name: str, host: str, pair: Pair | None, first: bytes) -> object:
    """Return what a request gets on a connection made for *name*; None without a handshake."""
    try:
        answer = ground.dial(name, ground.context(pair)).ask(first + get(host, b"Accept: */*\r\n"))
    except (ssl.SSLError, ConnectionError):
        return None
    return answer.status, answer.body, answer.get(b"Connection")


@pytest.mark.parametrize("pair", [GOOD, OTHER, None], ids=["good", "other", "none"])
@pytest.mark.parametrize("name", ["a.test", "may.test", "open.test"])
def test_both_roads_let_the_same_clients_in(ground: Ground, name: str, pair: Pair | None) -> None:
    hosts = [f"{site}.test" for site in SITES]

    for host in (*hosts, "x.wild.test", "free.wild.test", "own.wild.test", "nowhere.test"):
        # The empty line means nothing, but keeps a request off the straight road.
        straight = outcome(ground, name, host, pair, b"")
        assert straight == outcome(ground, name, host, pair, b"\r\n"), host


@pytest.mark.parametrize("version", VERSIONS)
def test_a_certificate_of_the_trusted_authority_is_let_in_and_told(
    ground: Ground, version: ssl.TLSVersion
) -> None:
    answer = ground.ask("a.test", ground.context(GOOD, version=version))

    fingerprint = ssl.PEM_cert_to_DER_cert(GOOD.crt.decode())
    assert answer.status == 200
    assert answer.body == (
        b'Hash=%b;Subject="CN=alice";DNS=alice.example;DNS=laptop.example'
        % sha256(fingerprint).encode()
    )


def test_an_endpoint_of_http2_is_told_the_same(ground: Ground) -> None:
    context = ground.context(GOOD)

    told = ground.ask("a.test", context).body
    assert told.startswith(b"Hash=")
    assert ground.ask("calls.test", context).body == told


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("host", "chain", "word"),
    [
        ("a.test", (), "certificate required|handshake failure"),
        ("a.test", (OTHER,), "unknown ca"),
        ("b.test", (GOOD,), "unknown ca"),
        ("a.test", (SELF,), "unknown ca"),
        ("a.test", (EXPIRED,), "certificate expired"),
        ("a.test", (DEEP,), "unknown ca"),
        ("a.test", (TOO_DEEP, MIDDLE_2, MIDDLE), "internal error"),
        ("shallow.test", (DEEP, MIDDLE), "internal error"),
        ("may.test", (OTHER,), "unknown ca"),
        ("self.test", (GOOD,), "unknown ca"),
        ("x.wild.test", (), "certificate required|handshake failure"),
        ("free.wild.test", (OTHER,), "unknown ca"),
    ],
)
def test_nobody_else_is_let_in_and_an_alert_says_why(
    ground: Ground, host: str, chain: tuple[Pair, ...], word: str, version: ssl.TLSVersion
) -> None:
    why = ground.refusal(host, ground.context(*chain, version=version))

    assert any(each in why for each in word.split("|")), why


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("host", "chain"),
    [
        ("a.test", (DEEP, MIDDLE)),
        ("b.test", (OTHER,)),
        ("self.test", (SELF,)),
        ("may.test", (GOOD,)),
        ("x.wild.test", (GOOD,)),
        ("A.Test", (GOOD,)),
    ],
)
def test_others_are_let_in_by_their_own_authorities(
    ground: Ground, host: str, chain: tuple[Pair, ...], version: ssl.TLSVersion
) -> None:
    answer = ground.ask(host, ground.context(*chain, version=version))

    name = chain[0].certificate.subject.rfc4514_string().encode()
    assert (answer.status, b'Subject="%b"' % name in answer.body) == (200, True)


def test_where_a_certificate_is_optional_none_will_do_and_none_is_told(ground: Ground) -> None:
    answer = ground.ask("may.test", ground.context())

    assert (answer.status, answer.body) == (200, b"")


def test_hosts_that_ask_for_nothing_are_told_nothing(ground: Ground) -> None:
    answer = ground.ask("open.test", ground.context(GOOD))

    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    "host", ["missing.test", "garbage.test", "nothing.test", "unreadable.test"]
)
def test_what_cannot_be_verified_as_asked_serves_nobody(ground: Ground, host: str) -> None:
    answer = ground.ask(host, ground.context(GOOD))

    assert (answer.status, answer.body) == (503, b"Service Unavailable")


def test_handshakes_are_counted_by_what_came_of_them(ground: Ground) -> None:
    refused, missing = handshakes(ground.program)
    ground.refusal("a.test", ground.context(OTHER))
    ground.refusal("a.test", ground.context())
    ground.clear()

    until(lambda: handshakes(ground.program) == (refused + 1, missing + 1))
    why = "refused for their certificate: its issuer is not among the trusted authorities"
    until(lambda: why in ground.program.log)


# What nobody gets around


@pytest.mark.parametrize(
    ("server_name", "chain", "host"),
    [
        ("open.test", (GOOD,), "a.test"),
        ("unknown.test", (GOOD,), "a.test"),
        (None, (GOOD,), "a.test"),
        ("127.0.0.1", (GOOD,), "a.test"),
        ("a.test", (GOOD,), "b.test"),
        ("b.test", (OTHER,), "a.test"),
        ("may.test", (), "a.test"),
        ("may.test", (GOOD,), "a.test"),
        ("open.test", (GOOD,), "may.test"),
        ("open.test", (GOOD,), "x.wild.test"),
        ("a.test", (GOOD,), "shallow.test"),
    ],
)
def test_a_connection_made_for_something_else_is_misdirected(
    ground: Ground, server_name: str | None, chain: tuple[Pair, ...], host: str
) -> None:
    client = ground.dial(server_name, ground.context(*chain))

    answer = client.ask(get(host))

    assert (answer.status, answer.body) == (421, b"Misdirected Request")
    assert client.ending() == "fin"


def test_the_same_verification_is_good_for_another_host(ground: Ground) -> None:
    client = ground.dial("a.test", ground.context(GOOD))

    for host in ("same.test", "x.wild.test", "may.test", "a.test"):
        answer = client.ask(get(host))
        assert (answer.status, b"alice" in answer.body) == (200, True)
    answer = client.ask(get("open.test"))
    assert (answer.status, answer.body) == (200, b"")


def test_http2_streams_are_misdirected_one_by_one(ground: Ground) -> None:
    context = ground.context(GOOD)
    context.set_alpn_protocols(["h2"])
    client = speak(ground.dial("a.test", context))

    streams = [client.begin(host) for host in (b"a.test", b"b.test", b"same.test", b"open.test")]
    answers = [client.answer(each) for each in streams]

    assert [each.status for each in answers] == [200, 421, 200, 200]
    assert [b"alice" in each.body for each in answers] == [True, False, True, False]


def test_a_wildcard_protects_what_falls_through_to_it(ground: Ground) -> None:
    client = ground.dial("free.wild.test", ground.context(GOOD))
    assert client.ask(get("free.wild.test", path=b"/free")).status == 200

    stranger = ground.dial("open.test", ground.context())
    assert stranger.ask(get("free.wild.test", path=b"/other")).status == 421


@pytest.mark.parametrize("pair", [GOOD, None], ids=["good", "none"])
def test_a_tls_host_of_its_own_decides_for_itself_below_a_wildcard(
    ground: Ground, pair: Pair | None
) -> None:
    client = ground.dial("own.wild.test", ground.context(pair))

    answer = client.ask(get("own.wild.test", path=b"/own"))
    assert (answer.status, answer.body) == (200, b"")
    assert client.ask(get("own.wild.test", path=b"/other")).status == 421

    knowing = ground.dial("x.wild.test", ground.context(GOOD))
    answer = knowing.ask(get("own.wild.test", path=b"/other"))
    assert (answer.status, b"alice" in answer.body) == (200, True)


def test_plain_http_never_serves_a_host_that_asks_for_certificates(ground: Ground) -> None:
    client = connect(ground.program.http)
    ground.clients.append(client)
    for host in ("a.test", "may.test", "missing.test", "x.wild.test"):
        assert client.ask(get(host)).status == 308
        assert client.ask(get(host, path=b"/.well-known/acme-challenge/x")).status == 503


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("first", "then"), [("open.test", "a.test"), ("a.test", "b.test")])
def test_a_session_of_another_host_does_not_help(
    ground: Ground, version: ssl.TLSVersion, first: str, then: str
) -> None:
    context = ground.context(GOOD, version=version)
    client = ground.dial(first, context)
    assert client.ask(get(first)).status == 200
    session = session_of(client)

    try:
        client = ground.dial(then, context, session)
        answer = client.ask(get(then))
    except (ssl.SSLError, ConnectionError):
        return
    assert answer.status == 421


@pytest.mark.parametrize("chain", [(GOOD,), (DEEP, MIDDLE)])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_of_the_same_host_is_good_again(
    ground: Ground, version: ssl.TLSVersion, chain: tuple[Pair, ...]
) -> None:
    context = ground.context(*chain, version=version)
    told = set()
    session = None
    for number in range(3):
        client = ground.dial("a.test", context, session)
        answer = client.ask(get("a.test"))
        assert answer.status == 200
        told.add(answer.body)
        if number and len(chain) == 1:
            assert resumed(client)
        session = session_of(client)
    assert len(told) == 1


@pytest.mark.parametrize(
    "name",
    [
        b"X-Forwarded-Client-Cert",
        b"x-forwarded-client-cert",
        b"X_Forwarded_Client_Cert",
        b"X-Forwarded_Client.Cert",
    ],
)
@pytest.mark.parametrize("host", ["open.test", "may.test", "a.test"])
def test_what_clients_say_of_themselves_is_not_passed_on(
    ground: Ground, host: str, name: bytes, backend: Backend
) -> None:
    client = ground.dial(host, ground.context(GOOD if host == "a.test" else None))

    answer = client.ask(get(host, name + b': Hash=00;Subject="CN=root"\r\n'))

    assert answer.status == 200
    assert b"root" not in answer.body
    for request in backend.requests:
        assert not any(b"root" in value for _, value in request.fields)


def handshakes(program: Program) -> tuple[float, float]:
    samples = scrape(program)
    results = ("client_certificate_refused", "client_certificate_missing")
    refused, missing = (total(samples, "tls_handshakes_total", result=each) for each in results)
    return refused, missing


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Changes


def test_authorities_rotate_without_a_failed_request(ground: Ground) -> None:
    """One client asks all the time, on one connection and on new ones; both are never refused."""
    manifests, context = ground.manifests, ground.context(GOOD)
    host = "rotating.test"
    manifests.secret("rotating", {"ca.crt": CA.crt})
    asked = {"tls-trusted-ca-secret": "rotating"}
    manifests.ingress("rotating", "s", (host,), asked, {"": (host,)})
    until(lambda: ground.ask(host, context).status == 200)
    kept, stranger = ground.dial(host, context), ground.context(OTHER)
    assert kept.ask(get(host)).status == 200

    manifests.secret("rotating", {"ca.crt": CA.crt + OTHER_CA.crt})
    statuses: list[int] = []

    def is_let_in(context: ssl.SSLContext) -> bool:
        try:
            return ground.ask(host, context).status == 200
        except (ssl.SSLError, ConnectionError):
            return False

    def both_are_let_in() -> bool:
        statuses.append(kept.ask(get(host)).status)
        statuses.append(ground.ask(host, context).status)
        return is_let_in(stranger)

    until(both_are_let_in)
    assert both_are_let_in()
    assert set(statuses) == {200}

    manifests.secret("rotating", {"ca.crt": OTHER_CA.crt})
    until(lambda: not is_let_in(context))
    assert "unknown ca" in ground.refusal(host, context)
    answer = kept.ask(get(host))
    assert (answer.status, kept.ending()) == (421, "fin")
    assert ground.ask(host, stranger).status == 200


def test_a_secret_that_goes_away_closes_the_host_and_one_that_comes_opens_it(
    ground: Ground,
) -> None:
    host, context = "fading.test", ground.context(GOOD)
    ground.manifests.secret("fading", {"ca.crt": CA.crt})
    ground.manifests.ingress("fading", "s", (host,), {"tls-trusted-ca-secret": "fading"})
    until(lambda: ground.ask(host, context).status == 200)
    kept = ground.dial(host, context)
    assert kept.ask(get(host)).status == 200

    ground.manifests.no_secret("fading")
    until(lambda: kept.ask(get(host)).status == 503)
    ground.manifests.secret("fading", {"ca.crt": CA.crt})
    until(lambda: kept.ask(get(host)).status == 200)


# Workers, and everybody


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, backend: Backend) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("fleet")
    manifests = Manifests(tmp_path_factory.mktemp("manifests"))
    manifests.ingress_class()
    manifests.service("s", backend)
    server = make_pair("server", ("with-ca.test", "without-ca.test"), kind="RSA-2048")
    manifests.secret("server-ca", {**server.data, "ca.crt": CA.crt}, kind="kubernetes.io/tls")
    manifests.secret("server", server.data, kind="kubernetes.io/tls")
    for name, secret in (("with-ca", "server-ca"), ("without-ca", "server")):
        hosts = (f"{name}.test",)
        manifests.ingress(name, "s", hosts, {}, {secret: hosts})
    manifests.ingress("plain", "s", ("plain.test",), {})
    options = ("--workers", "2", "--mtls", "on")
    with running(manifests.folder, folder / "log", *options) as program:
        yield Ground(program, manifests, folder)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chain", [(GOOD,), (DEEP, MIDDLE)])
def test_a_session_is_good_or_forgotten_on_every_worker(
    fleet: Ground, version: ssl.TLSVersion, chain: tuple[Pair, ...]
) -> None:
    context, session = fleet.context(*chain, version=version), None
    for _ in range(12):
        client = fleet.dial("with-ca.test", context, session)
        answer = client.ask(get("with-ca.test"))
        assert (answer.status, b"Hash=" in answer.body) == (200, True)
        session = session_of(client)
    fleet.clear()


def test_mtls_asks_on_every_tls_host_and_closes_those_without_an_authority(
    fleet: Ground,
) -> None:
    assert "required" in fleet.refusal("with-ca.test", fleet.context())
    assert fleet.ask("without-ca.test", fleet.context(GOOD)).status == 503
    client = connect(fleet.program.http)
    assert client.ask(get("plain.test")).status == 200
    assert client.ask(get("with-ca.test")).status == 308
    client.close()
    fleet.clear()
