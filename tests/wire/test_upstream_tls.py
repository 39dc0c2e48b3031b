"""TLS to endpoints: who is believed, under which name, and what is never shared."""

from __future__ import annotations

import itertools
import os
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import attrs
import pytest

from tests.strategies.certificates import Pair, make_pair
from tests.wire.harness.backend import OK, Backend, Served
from tests.wire.harness.client import Client, connect
from tests.wire.harness.http2 import connect_h2
from tests.wire.harness.message import Ended, Response
from tests.wire.harness.program import Program, running
from tests.wire.harness.secure import Manifests, SecureBackend, Seen, ending, server_context
from tests.wire.test_metrics import scrape, total
from tests.wire.test_tunnel import ASK, echo

NAME = "shop.internal"
CA = make_pair("authority", (), is_authority=True)
OTHER_CA = make_pair("other authority", (), is_authority=True)
SYSTEM_CA = make_pair("system authority", (), is_authority=True)
GOOD = make_pair("leaf", (NAME, "second.internal"), issuer=CA)
CLIENT = make_pair("proxy", ("proxy",), kind="Ed25519", issuer=CA)
VERIFIED = {"upstream-ssl-secret": "ca", "upstream-ssl-name": NAME, "upstream-ssl-verify": "on"}
B = TypeVar("B", bound=Backend)
LIMIT_SECONDS = 10.0
MIB = 1024 * 1024


@attrs.define
class Ground:
    """The program with its folder; what tests make on it, they end."""

    program: Program
    manifests: Manifests
    folder: Path
    numbers: Iterator[int] = attrs.Factory(itertools.count)
    backends: list[Backend] = attrs.Factory(list)
    clients: list[Client] = attrs.Factory(list)

    def backend(self, pair: Pair = GOOD, *issuers: Pair) -> SecureBackend:
        return self.keep(SecureBackend(server_context(self.folder, pair, *issuers)))

    def keep(self, backend: B) -> B:
        self.backends.append(backend)
        return backend

    def site(self, annotations: dict[str, str], *backends: Backend, hosts: int = 1) -> list[str]:
        """Serve *backends* on fresh hosts under *annotations*; return the hosts."""
        number = next(self.numbers)
        names = [f"h{number}-{each}.test" for each in range(hosts)]
        self.manifests.service(f"s{number}", *backends)
        self.manifests.ingress(f"i{number}", f"s{number}", tuple(names), annotations)
        self.await_host(names[-1])
        return names

    def await_host(self, host: str) -> None:
        """Wait until a host has routes, without a request to its endpoints."""
        probe = b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Length: 99999999\r\n\r\n" % host.encode()
        until(lambda: self.ask(probe).status != 404)

    def client(self) -> Client:
        self.clients.append(connect(self.program.http))
        return self.clients[-1]

    def ask(self, request: bytes) -> Response:
        return self.client().ask(request, request.partition(b" ")[0])

    def get(self, host: str) -> int:
        return self.ask(get(host)).status

    def clear(self) -> list[BaseException]:
        for client in self.clients:
            client.close()
        faults = [fault for each in self.backends for fault in each.stop()]
        for each in self.backends:
            each.close()
        self.backends.clear()
        self.clients.clear()
        return faults


def get(host: str, extra: bytes = b"") -> bytes:
    return b"GET / HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (host.encode(), extra)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("upstream-tls")
    manifests = Manifests(tmp_path_factory.mktemp("manifests"))
    manifests.ingress_class()
    manifests.secret("ca", {"ca.crt": CA.crt})
    manifests.secret("wrong-ca", {"ca.crt": OTHER_CA.crt})
    manifests.secret("pair", {"ca.crt": CA.crt, **CLIENT.data})
    manifests.secret("leaf", {"ca.crt": GOOD.crt})
    (folder / "system.pem").write_bytes(SYSTEM_CA.crt)
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(folder / "system.pem")
    try:
        options = ("--connect-timeout", "1", "--upstream-timeout", "5", "--body-limit", "10m")
        with running(manifests.folder, folder / "log", *options) as program:
            yield Ground(program, manifests, folder)
    finally:
        del os.environ["SSL_CERT_FILE"]
        if before is not None:
            os.environ["SSL_CERT_FILE"] = before


@pytest.fixture
def ground(whole_ground: Ground) -> Iterator[Ground]:
    yield whole_ground
    faults = whole_ground.clear()
    assert not faults, faults


# Who is believed


def test_https_without_a_secret_is_spoken_and_believes_anybody(ground: Ground) -> None:
    backend = ground.backend(make_pair("anybody", ())).answer(OK)
    (host,) = ground.site({"upstream-protocol": "https"}, backend)

    assert ground.ask(get(host)).body == b"ok"
    assert backend.seen == [Seen(host, is_resumed=False)]
    assert backend.alpn == ["http/1.1"]
    assert backend.wait_request().get(b"Host") == host.encode()


def test_a_ca_in_the_secret_switches_tls_on(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    (host,) = ground.site({"upstream-ssl-secret": "wrong-ca"}, backend)

    assert ground.get(host) == 200


@pytest.mark.parametrize(
    ("name", "sans"),
    [
        (NAME, ("x.test", NAME)),
        (NAME, ("SHOP.Internal",)),
        ("a.shop.internal", ("*.shop.internal",)),
    ],
)
def test_a_good_chain_and_name_are_believed_and_the_name_is_sent(
    ground: Ground, name: str, sans: tuple[str, ...]
) -> None:
    backend = ground.backend(make_pair("leaf", sans, issuer=CA)).answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-name": name}, backend)

    assert ground.get(host) == 200
    assert backend.seen == [Seen(name, is_resumed=False)]


def test_an_intermediate_is_found_in_what_the_endpoint_sends(ground: Ground) -> None:
    middle = make_pair("middle", (), issuer=CA, is_authority=True)
    backend = ground.backend(make_pair("leaf", (NAME,), issuer=middle), middle).answer(OK)
    (host,) = ground.site(VERIFIED, backend)

    assert ground.get(host) == 200


def test_a_leaf_may_be_trusted_itself(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-secret": "leaf"}, backend)

    assert ground.get(host) == 200


def test_an_address_is_verified_as_an_address_and_not_sent(ground: Ground) -> None:
    pair = make_pair("leaf", ("127.0.0.1",), issuer=CA)
    backend = ground.backend(pair).answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-name": "127.0.0.1"}, backend)

    assert ground.get(host) == 200
    assert backend.seen == [Seen(None, is_resumed=False)]


def test_without_a_secret_the_authorities_of_the_system_are_asked(ground: Ground) -> None:
    annotations = {
        "upstream-protocol": "HTTPS",
        "upstream-ssl-verify": "on",
        "upstream-ssl-name": NAME,
    }
    known = ground.backend(make_pair("leaf", (NAME,), issuer=SYSTEM_CA)).answer(OK)
    unknown = ground.backend().answer(OK)
    (good,) = ground.site(annotations, known)
    (bad,) = ground.site(annotations, unknown)

    assert ground.get(good) == 200
    assert ground.get(bad) == 502


EXPIRED = make_pair("leaf", (NAME,), issuer=CA, end=datetime(2025, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("pair", "secret", "words"),
    [
        (GOOD, "wrong-ca", "its issuer is not among the trusted authorities"),
        (make_pair("self", (NAME,)), "ca", "it is self-signed"),
        (EXPIRED, "ca", "it has expired"),
        (make_pair("leaf", ("x.internal",), issuer=CA), "ca", f"have the name ({NAME} is wanted)"),
        (make_pair("leaf", ("*.shop.internal",), issuer=CA), "ca", "does not have the name"),
        (make_pair("leaf", (NAME, "*.internal"), issuer=CA), "ca", "no usable subjectAltName"),
        (make_pair("leaf", ("127.0.0.1",), issuer=CA), "ca", "does not have the name"),
        (make_pair(NAME, (), issuer=CA), "ca", "no usable subjectAltName"),
    ],
)
def test_whom_nothing_proves_is_asked_nothing(
    ground: Ground, pair: Pair, secret: str, words: str
) -> None:
    backend = ground.backend(pair).answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-secret": secret}, backend)
    before = total(scrape(ground.program), "replies_total", reason="upstream_unverified")
    logged = len(ground.program.log)

    assert ground.ask(get(host)).status == 502

    assert backend.requests == []
    after = total(scrape(ground.program), "replies_total", reason="upstream_unverified")
    assert after - before == 1
    (line,) = (each for each in ground.program.log[logged:].splitlines() if "TLS to" in each)
    assert f"endpoint 127.0.0.1:{backend.port} of Service default/s" in line
    assert words in line


def test_the_same_fault_is_logged_once_in_a_while(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-secret": "wrong-ca"}, backend)
    logged = len(ground.program.log)

    assert [ground.get(host) for _ in range(5)] == [502] * 5
    assert ground.program.log[logged:].count("TLS to endpoint") == 1


def test_a_plain_endpoint_is_not_spoken_to_in_plain(ground: Ground) -> None:
    backend = ground.keep(Backend()).serve(lambda served: served.send(b"HTTP/1.1 200 OK\r\n"))
    (host,) = ground.site({"upstream-protocol": "HTTPS"}, backend)
    before = total(scrape(ground.program), "replies_total", reason="upstream_tls_failed")

    assert ground.get(host) == 502

    after = total(scrape(ground.program), "replies_total", reason="upstream_tls_failed")
    assert after - before == 1


def silent(served: Served) -> None:
    served.linger()


def test_an_endpoint_that_never_answers_the_handshake_is_given_up(ground: Ground) -> None:
    backend = ground.keep(Backend()).serve(silent)
    (host,) = ground.site(
        {"upstream-protocol": "HTTPS", "proxy-connect-timeout": "300ms"}, backend
    )

    assert ground.get(host) == 504


def test_of_two_endpoints_the_one_that_proves_itself_answers(ground: Ground) -> None:
    good, bad = ground.backend().answer(OK), ground.backend(EXPIRED).answer(OK)
    (host,) = ground.site(VERIFIED, good, bad)
    client = ground.client()

    assert [client.ask(get(host)).status for _ in range(6)] == [200] * 6
    assert bad.requests == []


# Who the proxy is


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_pair_is_shown_to_who_asks(ground: Ground, version: ssl.TLSVersion) -> None:
    backend = ground.backend()
    demand(backend.context, ground.folder, version)
    backend.answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-secret": "pair"}, backend)

    assert ground.get(host) == 200
    assert [each.client for each in backend.seen] == ["proxy"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_asks_for_a_pair_that_is_not_there_is_named(
    ground: Ground, version: ssl.TLSVersion
) -> None:
    backend = ground.backend()
    demand(backend.context, ground.folder, version)
    backend.answer(OK)
    (host,) = ground.site(VERIFIED, backend)
    before = total(scrape(ground.program), "replies_total", reason="upstream_tls_failed")
    logged = len(ground.program.log)

    assert ground.get(host) == 502

    after = total(scrape(ground.program), "replies_total", reason="upstream_tls_failed")
    assert after - before == 1
    assert " alert " in ground.program.log[logged:]


def demand(context: ssl.SSLContext, folder: Path, version: ssl.TLSVersion) -> None:
    """Have a backend's context demand a certificate of the client."""
    (folder / "clients.pem").write_bytes(CA.crt)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / "clients.pem")


# What is kept, and what is never shared


def test_a_connection_is_kept_for_the_next_request(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    (host,) = ground.site(VERIFIED, backend)

    for _ in range(3):
        assert ground.get(host) == 200
    assert ground.ask(b"POST / HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode()).status == 200
    assert len(backend.connections) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("named", [True, False])
def test_the_next_connection_resumes_the_session_and_is_checked_again(
    ground: Ground, version: ssl.TLSVersion, *, named: bool
) -> None:
    backend = ground.backend()
    backend.context.minimum_version = backend.context.maximum_version = version
    backend.serve(ending(OK), ending(OK))
    annotations = dict(VERIFIED) if named else {"upstream-protocol": "HTTPS"}
    (host,) = ground.site(annotations, backend)

    for number in range(3):
        assert ground.get(host) == 200
        backend.connection(number).wait_ended()
    assert [each.is_resumed for each in backend.seen] == [False, True, True]


def test_two_policies_for_one_service_share_neither_connection_nor_session(
    ground: Ground,
) -> None:
    backend = ground.backend().answer(OK)
    (host,) = ground.site(VERIFIED, backend)
    service = backend_service(host)
    others = {
        "other-name": {**VERIFIED, "upstream-ssl-name": "second.internal"},
        "unverified": {"upstream-ssl-secret": "ca", "upstream-ssl-name": NAME},
        "with-pair": {**VERIFIED, "upstream-ssl-secret": "pair"},
    }
    for name, policy in others.items():
        ground.manifests.ingress(name, service, (f"{name}.test",), policy)
        ground.await_host(f"{name}.test")
    same = {"upstream-ssl-verify": "true", **VERIFIED}
    ground.manifests.ingress("same", service, ("same.test",), same)
    ground.await_host("same.test")

    assert ground.get(host) == 200
    for name in others:
        assert ground.get(f"{name}.test") == 200
    assert [(each.server_name, each.is_resumed) for each in backend.seen] == [
        (NAME, False),
        ("second.internal", False),
        (NAME, False),
        (NAME, False),
    ]
    for name in (host, *(f"{each}.test" for each in others), "same.test"):
        assert ground.get(name) == 200
    assert len(backend.connections) == 4


def backend_service(host: str) -> str:
    return f"s{host[1:].partition('-')[0]}"


def test_a_policy_that_fails_ejects_nobody_elses_endpoint(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    second = ground.backend().answer(OK)
    (host,) = ground.site(VERIFIED, backend, second)
    wrong = {**VERIFIED, "upstream-ssl-secret": "wrong-ca"}
    ground.manifests.ingress("wrong", backend_service(host), ("wrong.test",), wrong)
    ground.await_host("wrong.test")

    assert [ground.get("wrong.test") for _ in range(6)] == [502] * 6
    client = ground.client()
    for _ in range(4):
        assert client.ask(get(host)).status == 200
    assert backend.requests
    assert second.requests


def test_without_a_name_each_host_has_connections_of_its_own(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    one, two = ground.site({"upstream-protocol": "HTTPS"}, backend, hosts=2)

    for host in (one, two, one, two, two):
        assert ground.get(host) == 200
    assert [each.server_name for each in backend.seen] == [one, two]


def test_streams_of_one_http2_client_each_get_a_connection_for_their_host(
    ground: Ground,
) -> None:
    backend = ground.backend().answer(OK)
    one, two = ground.site({"upstream-protocol": "HTTPS"}, backend, hosts=2)
    client = connect_h2(ground.program.https)

    for host in (one, two, one, two):
        assert client.ask(host.encode()).status == 200
    client.close()
    assert [each.server_name for each in backend.seen] == [one, two]


def test_a_host_that_the_certificate_lacks_is_refused_where_another_is_served(
    ground: Ground,
) -> None:
    number = next(ground.numbers)
    good, bad = f"good{number}.test", f"bad{number}.test"
    backend = ground.backend(make_pair("leaf", (good,), issuer=CA)).answer(OK)
    annotations = {"upstream-ssl-secret": "ca", "upstream-ssl-verify": "on"}
    ground.manifests.service(f"s{number}", backend)
    ground.manifests.ingress(f"i{number}", f"s{number}", (good, bad), annotations)
    ground.await_host(bad)

    assert [ground.get(each) for each in (good, bad, good, bad)] == [200, 502, 200, 502]
    assert {each.get(b"Host") for each in backend.requests} == {good.encode()}


def test_more_names_than_are_kept_are_served_all_the_same(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    number = next(ground.numbers)
    ground.manifests.service(f"s{number}", backend)
    annotations = {"upstream-protocol": "HTTPS"}
    ground.manifests.ingress(f"i{number}", f"s{number}", ("*.many.test",), annotations)
    ground.await_host("probe.many.test")
    client = ground.client()

    for each in range(70):
        assert client.ask(get(f"n{each}.many.test")).status == 200
    assert backend.connection(0).wait_ended() == "fin"  # its name has given way
    assert client.ask(get("n69.many.test")).status == 200
    assert len(backend.seen) == 70


# Bytes


def test_bodies_go_both_ways_whole(ground: Ground) -> None:
    body = os.urandom(3 * MIB)

    def run(served: Served) -> None:
        request = served.request()
        served.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body))
        served.send(request.body)
        served.linger()

    backend = ground.backend().serve(run)
    (host,) = ground.site(VERIFIED, backend)
    client = ground.client()
    head = b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Length: %d\r\n\r\n"
    client.send_aside(head % (host.encode(), len(body)) + body)

    assert client.response(b"POST").body == body


def test_a_body_until_close_is_whole_only_with_a_close_notify(ground: Ground) -> None:
    def cut(served: Served) -> None:
        served.request()
        served.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")

    backend = ground.backend().serve(ending(b"HTTP/1.1 200 OK\r\n\r\nwhole"), cut)
    (host,) = ground.site(VERIFIED, backend)

    assert ground.ask(get(host)).body == b"whole"
    client = ground.client()
    client.send(get(host))
    with pytest.raises(Ended):
        client.response()


def test_a_websocket_goes_through(ground: Ground) -> None:
    backend = ground.backend().serve(echo)
    (host,) = ground.site(VERIFIED, backend)
    client = ground.client()

    assert client.ask(get(host, ASK)).status == 101
    client.send(b"x" * 100_000)
    assert client.exactly(100_000) == b"x" * 100_000


# Changes


def test_a_rotated_authority_counts_for_the_very_next_request(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    ground.manifests.secret("rotating", {"ca.crt": CA.crt})
    (host,) = ground.site({**VERIFIED, "upstream-ssl-secret": "rotating"}, backend)
    assert ground.get(host) == 200

    ground.manifests.secret("rotating", {"ca.crt": OTHER_CA.crt})
    until(lambda: ground.get(host) == 502)
    assert backend.connection(0).wait_ended() == "fin"

    ground.manifests.secret("rotating", {"ca.crt": CA.crt})
    until(lambda: ground.get(host) == 200)


def test_without_its_secret_an_ingress_is_refused_until_it_is_back(ground: Ground) -> None:
    backend = ground.backend().answer(OK)
    (host,) = ground.site({**VERIFIED, "upstream-ssl-secret": "late"}, backend)
    assert ground.get(host) == 503

    ground.manifests.secret("late", {"ca.crt": CA.crt})
    until(lambda: ground.get(host) == 200)
    ground.manifests.no_secret("late")
    until(lambda: ground.get(host) == 503)


def test_plain_services_stay_plain(ground: Ground) -> None:
    backend = ground.keep(Backend()).answer(OK)
    (host,) = ground.site({}, backend)

    assert ground.get(host) == 200
