"""TLS: which certificate, which versions, sessions, and plain HTTP on hosts that want TLS."""

from __future__ import annotations

import contextlib
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from tests.wire.harness.backend import OK
from tests.wire.harness.client import Client, connect, connect_tls, tls_context
from tests.wire.harness.http2 import connect_h2, connect_h2c
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.program import Program, running


def certificate(client: Client) -> x509.Certificate:
    assert isinstance(client.sock, ssl.SSLSocket)
    encoded = client.sock.getpeercert(binary_form=True)
    assert encoded
    return x509.load_der_x509_certificate(encoded)


def names(client: Client) -> str:
    """Return all of the certificate that could name somebody."""
    found = certificate(client)
    with contextlib.suppress(x509.ExtensionNotFound):
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return f"{found.subject.rfc4514_string()} {names.get_values_for_type(x509.DNSName)}"
    return found.subject.rfc4514_string()


@pytest.mark.parametrize(
    ("server_name", "subject"),
    [
        ("secure.test", "CN=secure.test"),
        ("SECURE.Test", "CN=secure.test"),
        ("other.test", "CN=other.test"),
        ("a.wild.test", "CN=*.wild.test"),
        ("x-y.wild.test", "CN=*.wild.test"),
    ],
)
def test_the_server_name_chooses_the_certificate(
    steady: Program, server_name: str, subject: str
) -> None:
    client = connect_tls(steady.https, server_name)
    assert certificate(client).subject.rfc4514_string() == subject
    client.close()


@pytest.mark.parametrize(
    "server_name", ["unknown.test", "wild.test", "a.b.wild.test", "s0.test", "127.0.0.1", None]
)
def test_another_server_name_gets_the_default_certificate_without_names_of_tenants(
    steady: Program, server_name: str | None
) -> None:
    client = connect_tls(steady.https, server_name)
    assert ".test" not in names(client)
    client.close()


def test_routing_is_by_host_not_by_server_name(steady: Program, world: World) -> None:
    secure, other = world.by_name("secure.test"), world.by_name("other.test")
    secure.backend.answer(OK)
    other.backend.answer(OK.replace(b"ok", b"OK"))
    client = connect_tls(steady.https, "secure.test")
    assert client.ask(secure.get()).body == b"ok"
    assert client.ask(other.get()).body == b"OK"
    assert other.backend.wait_request().get(b"X-Forwarded-Proto") == b"https"
    client.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("server_name", ["secure.test", "a.wild.test", "unknown.test"])
def test_a_session_is_resumed(
    steady: Program, lane: Lane, version: ssl.TLSVersion, server_name: str
) -> None:
    lane.backend.answer(OK)
    context = tls_context()
    context.minimum_version = context.maximum_version = version
    session = None
    for reused in (False, True):
        client = connect_tls(steady.https, server_name, context, session)
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.ask(lane.get()).status == 200
        assert client.sock.session_reused == reused
        session = client.sock.session
        with contextlib.suppress(OSError):
            client.sock.unwrap()
        client.close()


def test_tls_1_1_is_refused(steady: Program) -> None:
    context = tls_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect_tls(steady.https, "secure.test", context)


def test_close_is_said_in_tls_too(steady: Program, lane: Lane) -> None:
    """Without close_notify a truncated answer would look like a whole one."""
    lane.backend.answer(OK)
    client = connect_tls(steady.https, "s.test")
    assert client.ask(lane.get(extra=b"Connection: close\r\n")).status == 200
    assert client.ending() == "fin"
    client.close()


def test_plain_http_on_the_tls_port_and_garbage_harm_nobody(steady: Program, lane: Lane) -> None:
    lane.backend.answer(OK)
    for data in (lane.get(), b"\x16\x03\x01\xff\xff" + bytes(500), b"\x00" * 100):
        client = connect(steady.https)
        client.send(data)
        assert b" 200 " not in client.rest()[0]
        client.close()
    client = connect_tls(steady.https, "secure.test")
    assert client.ask(lane.get()).status == 200
    client.close()
    assert all(len(each.requests) == 1 for each in lane.backend.connections)


def test_renegotiation_and_early_data_are_not_offered(steady: Program) -> None:
    client = connect_tls(steady.https, "secure.test")
    assert isinstance(client.sock, ssl.SSLSocket)
    assert client.sock.compression() is None
    client.close()


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 16385, 3000000])
def test_bodies_go_through_tls(steady: Program, lane: Lane, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    lane.backend.answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (size, body))
    client = connect_tls(steady.https, "secure.test")
    client.send(lane.post(body))
    assert client.response().body == body
    assert lane.backend.wait_request().body == body
    client.close()


@pytest.mark.parametrize(
    ("host", "target", "location"),
    [
        (b"secure.test", b"/a?b", b"https://secure.test/a?b"),
        (b"Secure.Test:8000", b"/", b"https://secure.test/"),
        (b"secure.test.", b"/%2F//x", b"https://secure.test/%2F//x"),
        (b"a.wild.test", b"//evil.test/", b"https://a.wild.test//evil.test/"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"HEAD"])
def test_plain_http_on_a_tls_host_is_redirected(
    client: Client, method: bytes, host: bytes, target: bytes, location: bytes
) -> None:
    response = client.ask(b"%s %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (method, target, host), method)
    assert response.status == 308
    sent = response.get(b"Location") or b""
    assert sent.lower().replace(b"test./", b"test/") == location.lower()
    assert b"evil" not in response.body


def test_a_redirect_of_an_absolute_target_stays_with_the_host(client: Client) -> None:
    response = client.ask(b"GET http://secure.test/a HTTP/1.1\r\nHost: secure.test\r\n\r\n")
    assert (response.status, response.get(b"Location")) == (308, b"https://secure.test/a")


def test_the_acme_path_is_served_in_plain(client: Client, world: World) -> None:
    lane = world.by_name("secure.test")
    lane.backend.answer(OK)
    target = b"/.well-known/acme-challenge/token"
    assert client.ask(lane.get(target)).status == 200
    assert client.ask(lane.get(b"/.well-known/acme-challengex")).status == 308


def test_plain_http_is_forbidden_on_demand(hasty: Program, world: World) -> None:
    lane = world.by_name("secure.test")
    lane.backend.answer(OK)
    client = connect(hasty.http)
    assert client.ask(lane.get()).status == 403
    assert client.ask(lane.get(b"/.well-known/acme-challenge/token")).status == 200
    client.close()


def test_plain_http_is_served_on_demand(trusting: Program, world: World) -> None:
    lane = world.by_name("secure.test")
    lane.backend.answer(OK)
    client = connect(trusting.http)
    assert client.ask(lane.get()).status == 200
    client.close()


def test_a_claim_of_https_by_a_stranger_changes_nothing(
    dial: Callable[[], Client], world: World
) -> None:
    lane = world.by_name("secure.test")
    for name in (b"X-Forwarded-Proto", b"X_Forwarded_Proto", b"x-forwarded-proto"):
        assert dial().ask(lane.get(extra=name + b": https\r\n")).status == 308
    forwarded = b"Forwarded: proto=https\r\nFront-End-Https: on\r\n"
    assert dial().ask(lane.get(extra=forwarded)).status == 308


@pytest.fixture(scope="module")
def multilingual(whole_world: World, logs: Path) -> Iterator[Program]:
    """The program that speaks HTTP/2 in plain as well."""
    with running(whole_world.folder, logs / "multilingual", "--h2c", "on") as program:
        yield program


def status(program: Program, lane: Lane, road: str, extra: bytes = b"") -> int:
    """Ask in plain HTTP/1.1, in h2c, or through TLS."""
    if road == "h2c":
        with contextlib.closing(connect_h2c(program.http)) as speaker:
            return speaker.ask(lane).status
    client = connect_tls(program.https, "x.test") if road == "tls" else connect(program.http)
    with contextlib.closing(client):
        return client.ask(lane.get(extra=extra)).status


@pytest.mark.parametrize("road", ["plain", "h2c", "tls"])
def test_annotations_say_what_plain_http_gets(
    multilingual: Program, trusting: Program, hasty: Program, world: World, road: str
) -> None:
    lanes = [world.by_name(f"{name}.test") for name in ("open", "shut", "forced", "secure")]
    for lane in lanes:
        lane.backend.answer(OK)
    redirected = 200 if road == "tls" else 308
    found = [status(multilingual, lane, road) for lane in lanes]
    assert found == [200, redirected, redirected, redirected]
    if road != "h2c":  # these two do not speak it
        found = [status(trusting, lane, road) for lane in lanes]
        assert found == [200, redirected, redirected, 200]
        found = [status(hasty, lane, road) for lane in lanes]
        forbidden = 200 if road == "tls" else 403
        assert found == [forbidden, forbidden, redirected, forbidden]


def test_what_is_forced_is_redirected_until_a_trusted_proxy_says_https(
    steady: Program, trusting: Program, world: World
) -> None:
    lane = world.by_name("forced.test")
    lane.backend.answer(OK)
    for program, expected in ((steady, 308), (trusting, 200)):
        assert status(program, lane, "plain", b"X-Forwarded-Proto: https\r\n") == expected


def test_where_passthrough_is_off_its_ingresses_are_not_served(
    steady: Program, world: World
) -> None:
    lane = world.by_name("passed.test")
    assert status(steady, lane, "tls") == status(steady, lane, "plain") == 503
    assert lane.backend.connections == []
    assert "security_unsupported" in steady.log


YEAR = "max-age=31536000; includeSubDomains; preload"


@pytest.fixture(scope="module")
def strict(whole_world: World, logs: Path) -> Iterator[Program]:
    options = ("--hsts", YEAR, "--plain-http-on-tls-hosts", "serve")
    with running(
        whole_world.folder, logs / "strict", *options, "--trusted-proxies", "127.0.0.2"
    ) as program:
        yield program


def strict_field(program: Program, lane: Lane, road: str, extra: bytes = b"") -> bytes | None:
    """Ask on a road, and return Strict-Transport-Security of the answer."""
    name = b"Strict-Transport-Security"
    if road == "h2":
        with contextlib.closing(connect_h2(program.https)) as speaker:
            fields = [(b"x-unusual", b"a, b")] if extra else []
            return speaker.ask(lane, fields=fields).get(name.lower())
    source = "127.0.0.2" if road == "trusted" else "127.0.0.1"
    client = (
        connect_tls(program.https, "x.test")
        if road == "tls"
        else connect(program.http, source=source)
    )
    if road == "trusted":
        extra += b"X-Forwarded-Proto: https\r\n"
    with contextlib.closing(client):
        return client.ask(lane.get(extra=extra)).get(name)


CHUNKED = b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
SIZED = b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize("answer", [SIZED, CHUNKED], ids=["usual", "unusual"])
@pytest.mark.parametrize("extra", [b"", b"Connection: x\r\n"], ids=["straight", "general"])
@pytest.mark.parametrize("road", ["tls", "h2", "trusted"])
def test_answers_of_tls_hosts_by_tls_have_hsts_once(
    strict: Program, world: World, road: str, extra: bytes, answer: bytes
) -> None:
    secure, other = world.by_name("secure.test"), world.single()
    own = b"strict-transport-Security: max-age=0\r\n"
    secure.backend.answer(answer % b"", answer % own)
    other.backend.answer(answer % b"")

    assert strict_field(strict, secure, road, extra) == YEAR.encode()
    assert strict_field(strict, secure, road, extra) == b"max-age=0"
    assert strict_field(strict, other, road, extra) is None


def test_plain_http_and_programs_without_the_option_have_no_hsts(
    strict: Program, steady: Program, world: World
) -> None:
    lane = world.by_name("secure.test")
    lane.backend.answer(OK)
    assert strict_field(strict, lane, "plain") is None
    assert strict_field(strict, lane, "plain", b"X-Forwarded-Proto: https\r\n") is None
    assert strict_field(steady, lane, "tls") is None
    assert strict_field(steady, lane, "h2") is None


@pytest.mark.parametrize("road", ["tls", "h2", "plain"])
def test_answers_of_our_own_have_hsts_too(strict: Program, world: World, road: str) -> None:
    lane = world.by_name("*.wild.test")  # whose endpoint refuses connections
    lane = Lane(b"a.wild.test", lane.backends)
    expected = None if road == "plain" else YEAR.encode()
    lane.backend.serve(lambda served: None)
    assert strict_field(strict, lane, road) == expected
    for host in (b"paths.test", b"unknown.test"):
        assert strict_field(strict, Lane(host, ()), road) is None
