"""TLS that goes through unopened: to whom, byte for byte, and who is never let through."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from OpenSSL import SSL

from fsm_twisted.message.client_hello import MAX_HELLO_BYTES
from tests.message.test_client_hello import hello_of, hello_with, names, record
from tests.strategies.certificates import make_pair
from tests.wire.harness.backend import OK, Backend, Script, Served
from tests.wire.harness.client import Client, connect, connect_tls, tls_context
from tests.wire.harness.http2 import connect_h2
from tests.wire.harness.message import PATIENCE, Ended
from tests.wire.harness.program import Program, running, whole_lines
from tests.wire.harness.secure import Manifests, SecureBackend, server_context
from tests.wire.test_metrics import scrape, total
from tests.workers.processes import until

ALERT = b"\x15\x03\x03\x00\x02\x02\x50"
OWN = make_pair("the endpoint's own", ("own.test",))
MIB = 1024 * 1024
PASS = {"ssl-passthrough": "true"}


@attrs.define
class Ground:
    """The program with its folder and its access log; what tests make on it, they end."""

    program: Program
    manifests: Manifests
    log: Path
    backends: list[Backend] = attrs.Factory(list)
    clients: list[Client] = attrs.Factory(list)

    def backend(self, *scripts: Script) -> Backend:
        """Return a new endpoint; without scripts it refuses connections."""
        self.backends.append(Backend())
        return self.backends[-1].serve(*scripts) if scripts else self.backends[-1]

    def secure_backend(self) -> SecureBackend:
        context = server_context(self.manifests.folder.parent, OWN)
        self.backends.append(made := SecureBackend(context))
        made.answer(OK)
        return made

    def site(self, annotations: dict[str, str], *backends: Backend) -> str:
        """Serve *backends* on a fresh host."""
        number = next(_NUMBERS)
        host = f"h{number}.test"
        self.manifests.service(f"s{number}", *backends)
        self.manifests.ingress(f"i{number}", f"s{number}", (host,), annotations)
        probe = b"OPTIONS / HTTP/1.1\r\nHost: %b\r\nMax-Forwards: 9\r\n\r\n" % host.encode()
        if "ssl-passthrough" in annotations:
            until(lambda: self.plain().ask(probe, b"OPTIONS").status != 404)
        else:  # an endpoint is not to be asked
            probe = b"POST / HTTP/1.1\r\nHost: %b\r\nContent-Length: 9\r\n\r\n" % host.encode()
            until(lambda: self.plain().ask(probe + bytes(9), b"POST").status != 404)
        return host

    def passing(self, *scripts: Script) -> tuple[str, Backend]:
        """Return a host whose TLS goes through to one endpoint."""
        backend = self.backend(*scripts)
        return self.site(PASS, backend), backend

    def keep(self, client: Client) -> Client:
        self.clients.append(client)
        return client

    def plain(self) -> Client:
        return self.keep(connect(self.program.http))

    def raw(self, **more: Any) -> Client:
        """Connect to the HTTPS port without saying anything."""
        return self.keep(connect(self.program.https, **more))

    def tls(self, host: str | None) -> Client:
        return self.keep(connect_tls(self.program.https, host))

    def count(self, result: str) -> float:
        return total(scrape(self.program), "tls_handshakes_total", result=result)

    def lines(self, host: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait for so many lines of the access log with the server name *host*."""
        found: list[dict[str, Any]] = []

        def are_there() -> bool:
            lines = [each for each in whole_lines(self.log) if f'"{host}"' in each]
            found[:] = map(json.loads, lines)
            return len([each for each in found if each["server_name"] == host]) >= count

        until(are_there)
        return [each for each in found if each["server_name"] == host]

    def clear(self) -> list[BaseException]:
        for client in self.clients:
            client.close()
        faults = [fault for each in self.backends for fault in each.stop()]
        for each in self.backends:
            each.close()
        self.backends.clear()
        self.clients.clear()
        return faults


_NUMBERS = itertools.count()


@contextlib.contextmanager
def grounds(folder: Path, *options: str) -> Iterator[Ground]:
    manifests = Manifests(folder / "manifests")
    manifests.folder.mkdir()
    manifests.ingress_class()
    log = folder / "access"
    options = ("--ssl-passthrough", "on", "--access-log", str(log), *options)
    with running(manifests.folder, folder / "log", *options) as program:
        yield Ground(program, manifests, log)


def cleared(ground: Ground) -> None:
    faults = ground.clear()
    assert not faults, faults


@pytest.fixture(scope="module")
def whole_ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with grounds(tmp_path_factory.mktemp("steady"), "--connect-timeout", "1") as ground:
        yield ground


@pytest.fixture
def ground(whole_ground: Ground) -> Iterator[Ground]:
    yield whole_ground
    cleared(whole_ground)


@pytest.fixture(scope="module")
def whole_hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    options = ("--header-timeout", "1", "--tunnel-timeout", "1", "--connect-timeout", "1")
    with grounds(tmp_path_factory.mktemp("hasty"), *options) as ground:
        yield ground


@pytest.fixture
def hasty(whole_hasty: Ground) -> Iterator[Ground]:
    yield whole_hasty
    cleared(whole_hasty)


def hello(host: str, *, padding: int = 0, grease: bool = False) -> bytes:
    """Write a ClientHello message, without its record."""
    more: list[tuple[int, bytes]] = [(0x0A0A, b"")] if grease else []
    more.append((0, names((0, host.encode()))))
    if grease:
        more.append((0xFE0D, b"\x00\x00\x01\x00\x01\x07\x00\x20" + bytes(32) + b"\x00\x10" * 9))
        more.append((0x7A7A, b"\x00"))
    more.append((21, bytes(padding)))
    return hello_with(*more)


def post_quantum(host: str) -> list[bytes]:
    """Return what the newest OpenSSL sends first, in two packets: its key share needs them."""
    connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    connection.set_tlsext_host_name(host.encode())
    connection.set_connect_state()
    with pytest.raises(SSL.WantReadError):
        connection.do_handshake()
    sent = connection.bio_read(1 << 16)
    return [sent[:1400], sent[1400:]]


def records(message: bytes, *cuts: int) -> bytes:
    """Divide a message over records, behind so many bytes each."""
    sent = b""
    for cut in cuts:
        sent, message = sent + record(message[:cut]), message[cut:]
    return sent + record(message)


def echo(served: Served) -> None:
    """Send back whatever comes, and end when the other side does."""
    with contextlib.suppress(Ended):
        while True:
            served.fill()
            data = served.pending()
            served.exactly(len(data))
            served.send(data)
    with contextlib.suppress(OSError):
        served.half_close()


def waiting(served: Served) -> None:
    served.linger()


# To whom


def test_tls_goes_to_the_service_and_other_hosts_are_opened_on_the_same_port(
    ground: Ground,
) -> None:
    inside = ground.secure_backend()
    host = ground.site(PASS, inside)
    plain = ground.backend()
    opened = ground.site({}, plain)
    plain.answer(OK)

    client = ground.tls(host.upper())
    assert isinstance(client.sock, ssl.SSLSocket)
    shown = client.sock.getpeercert(binary_form=True)
    assert shown == ssl.PEM_cert_to_DER_cert(OWN.crt.decode())
    request = b"GET /x HTTP/1.1\r\nHost: anything\r\n\r\n"
    assert client.ask(request).body == b"ok"
    assert inside.wait_request().head == request
    assert [each.server_name for each in inside.seen] == [host.upper()]

    other = ground.tls(opened)
    assert other.ask(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % opened.encode()).status == 200
    assert plain.wait_request().get(b"X-Forwarded-Proto") == b"https"


def test_a_host_of_its_own_is_opened_whatever_a_wildcard_says(ground: Ground) -> None:
    passing = ground.backend(echo)
    ground.manifests.service("wild", passing)
    ground.manifests.ingress("wild", "wild", ("*.wild.test",), PASS)
    ground.manifests.ingress("own", "wild", ("own.wild.test",), {})
    ground.passing()  # once this is there, so is what was written before
    for name, is_opened in (("own.wild.test", True), ("other.wild.test", False)):
        client = ground.raw()
        client.send(sent := hello_of(name))
        assert (client.exactly(60) == sent[:60]) is not is_opened
    assert len(passing.connections) == 1


@pytest.mark.parametrize("name", [None, "unknown.test", "localhost"])
def test_without_a_name_and_with_another_one_tls_is_opened(
    ground: Ground, name: str | None
) -> None:
    host, backend = ground.passing(echo)
    client = ground.tls(name)
    response = client.ask(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode())

    assert (response.status, response.body) == (421, b"Misdirected Request")
    assert backend.connections == []


def test_http2_gets_421_for_a_host_of_another_connection(ground: Ground) -> None:
    host, _ = ground.passing(echo)
    with contextlib.closing(connect_h2(ground.program.https, "other.test")) as client:
        assert client.ask(host.encode()).status == 421


def test_plain_http_is_redirected(ground: Ground) -> None:
    host, _ = ground.passing(echo)
    for name in (host, f"{host}:8000"):
        response = ground.plain().ask(b"GET /a?b HTTP/1.1\r\nHost: %b\r\n\r\n" % name.encode())
        assert response.status == 308
        assert response.get(b"Location") == b"https://%b/a?b" % host.encode()


def test_what_is_no_hello_is_for_openssl(ground: Ground) -> None:
    ground.passing(echo)
    for data in (b"GET / HTTP/1.1\r\n\r\n", record(b"\x02\x00\x00\x00"), b"\x16\x03\x01\xff\xff"):
        client = ground.raw()
        client.send(data + bytes(300))
        answer, _ = client.rest()
        assert answer == b"" or answer[0] == 0x15


# The hello


@pytest.mark.parametrize(
    "pieces",
    [
        lambda host: [bytes([each]) for each in record(hello(host))],
        lambda host: [records(hello(host), 1, 5)],
        lambda host: [records(hello(host), 3, 40)[:50], records(hello(host), 3, 40)[50:]],
        lambda host: [record(hello(host, padding=1500))],
        lambda host: [record(hello(host, padding=8 * 1024))],
        lambda host: [records(hello(host, padding=30_000), 16_000)],
        lambda host: [record(hello(host, grease=True))],
        post_quantum,
        lambda host: [hello_of(host), b"\x17\x03\x03\x00\x05early"],
        lambda host: [record(hello(host + ".")) + b"\x14\x03\x03\x00\x01\x01" + bytes(100_000)],
    ],
    ids=[
        "bytes", "records", "both", "packet", "8 KiB", "30 KB", "GREASE", "post-quantum",
        "OpenSSL", "more",
    ],
)  # fmt: skip
def test_a_hello_arrives_as_it_was_sent_however_it_is_cut_up(
    ground: Ground, pieces: Callable[[str], list[bytes]]
) -> None:
    host, backend = ground.passing(echo)
    client = ground.raw()
    sent = pieces(host)
    client.send_chopped(sent)
    whole = b"".join(sent)

    assert client.exactly(len(whole)) == whole
    assert bytes(backend.connection().received) == whole


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_hello_that_was_looked_at_in_pieces_is_one_for_openssl(
    ground: Ground, size: int
) -> None:
    ground.passing(echo)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaker = tls_context().wrap_bio(incoming, outgoing, server_hostname="other.test")
    client = ground.raw()
    while True:
        try:
            speaker.do_handshake()
            break
        except ssl.SSLWantReadError:
            data = outgoing.read()
            client.send_chopped(data[at : at + size] for at in range(0, len(data), size))
            client.fill()
            incoming.write(client.exactly(len(client.pending())))
    assert speaker.version() == "TLSv1.3"


@pytest.mark.parametrize(
    "data",
    [
        record(b"\x01" + (MAX_HELLO_BYTES + 1).to_bytes(3) + bytes(100)),
        b"".join(record(each) for each in (b"\x01\x00\x7f\xff" + bytes(9), *[bytes(99)] * 400)),
        b"".join(record(each) for each in (b"\x01\x00\x7f\x00", *[b"\0"] * 8000)),
    ],
    ids=["says so", "does not end", "tiny records"],
)
def test_a_hello_without_end_is_refused(ground: Ground, data: bytes) -> None:
    _, backend = ground.passing(echo)
    before = ground.count("hello_too_long")
    client = ground.raw()
    with contextlib.suppress(OSError):
        client.send(data)

    assert client.rest()[0] == b""
    assert ground.count("hello_too_long") == before + 1
    assert backend.connections == []


def test_slow_hellos_and_silent_tunnels_are_given_up_and_cost_nothing_meanwhile(
    hasty: Ground,
) -> None:
    host, backend = hasty.passing(echo)
    before, used = hasty.count("timeout"), hasty.program.cpu_seconds()
    slow = [hasty.raw() for _ in range(3)]
    for client, part in zip(slow, (b"", b"\x16", record(hello(host))[:-1]), strict=True):
        client.send(part)
    silent = hasty.raw()
    silent.send(record(hello(host)))
    silent.exactly(len(record(hello(host))))

    assert silent.rest() == (b"", "fin")
    backend.connection().wait_ended()
    assert [client.rest()[0] for client in slow] == [b""] * 3
    assert hasty.count("timeout") == before + 3
    assert hasty.program.cpu_seconds() - used < 0.5


def test_half_a_hello_and_an_end_leave_nothing(ground: Ground) -> None:
    _, backend = ground.passing(echo)
    before = ground.count("client_gone")
    for leave in (Client.half_close, Client.reset):
        client = ground.raw()
        client.send(record(hello("a.test"))[:40])
        leave(client)
        if leave is Client.half_close:
            assert client.rest()[0] == b""
    until(lambda: ground.count("client_gone") == before + 2)
    assert backend.connections == []


# The endpoints


def test_endpoints_take_turns_and_hashing_is_by_the_clients_address(ground: Ground) -> None:
    turns = [ground.backend(echo), ground.backend(echo)]
    fixed = [ground.backend(echo), ground.backend(echo)]
    by_turns = ground.site(PASS, *turns)
    hashed = ground.site({**PASS, "lb-type": "hashing"}, *fixed)
    for host in (by_turns, hashed) * 4:
        client = ground.raw()
        client.send(record(hello(host)))
        client.exactly(20)

    assert [len(each.connections) for each in turns] == [2, 2]
    assert sorted(len(each.connections) for each in fixed) == [0, 4]


def test_an_endpoint_that_refuses_is_passed_over(ground: Ground) -> None:
    good = ground.backend(echo)
    host = ground.site(PASS, ground.backend(), good)
    for _ in range(4):
        client = ground.raw()
        client.send(record(hello(host)))
        assert client.exactly(10) == record(hello(host))[:10]
    assert len(good.connections) == 4


def test_an_endpoint_that_does_not_answer_is_passed_over_in_time(ground: Ground) -> None:
    silent, good = ground.backend(), ground.backend(echo)
    silent.listener.listen(0)
    fillers = [socket.socket() for _ in range(2)]
    for each in fillers:
        each.setblocking(False)
        each.connect_ex(("127.0.0.1", silent.port))
    host = ground.site(PASS, silent, good)
    for _ in range(2):
        client = ground.raw()
        client.send(record(hello(host)))
        assert client.exactly(10) == record(hello(host))[:10]
    assert len(good.connections) == 2
    for each in fillers:
        each.close()


@pytest.mark.parametrize(
    ("endpoints", "reason", "status"), [(0, "no_endpoints", 503), (2, "connect_failed", 502)]
)
def test_without_an_endpoint_there_is_an_alert_and_a_reason(
    ground: Ground, endpoints: int, reason: str, status: int
) -> None:
    host = ground.site(PASS, *(ground.backend() for _ in range(endpoints)))
    before = total(scrape(ground.program), "replies_total", reason=reason)
    client = ground.raw()
    client.send(record(hello(host)))

    assert client.rest() == (ALERT, "fin")
    (line,) = ground.lines(host)
    assert (line["reason"], line["status"], line["origin"]) == (reason, status, "proxy")
    assert (line["protocol"], line["tries"], line["bytes_out"]) == ("TLS", endpoints, 7)
    counted = scrape(ground.program)
    assert total(counted, "replies_total", reason=reason) == before + 1
    passed = {"ingress": line["ingress"], "result": reason}
    assert total(counted, "passthrough_connections_total", **passed) == 1


def test_a_missing_service_closes_with_an_alert(ground: Ground) -> None:
    ground.manifests.ingress("gone", "not-there", ("gone.test",), PASS)
    until(lambda: ground.plain().ask(b"GET / HTTP/1.1\r\nHost: gone.test\r\n\r\n").status == 308)
    client = ground.raw()
    client.send(record(hello("gone.test")))

    assert client.rest() == (ALERT, "fin")
    (line,) = ground.lines("gone.test")
    assert (line["reason"], line["ingress"]) == ("no_service", "gone")
    passed = {"ingress": "gone", "service": "", "result": "no_service"}
    counted = scrape(ground.program)
    assert total(counted, "passthrough_connections_total", **passed) == 1


# The tunnel


def test_a_line_says_what_has_gone_through(ground: Ground) -> None:
    host, backend = ground.passing(echo)
    before = scrape(ground.program)
    tunnels = total(before, "tunnels", kind="passthrough")
    client = ground.raw()
    sent = record(hello(host)) + b"\x17\x03\x03" + bytes(1000)
    client.send(sent)
    client.exactly(len(sent))
    assert total(scrape(ground.program), "tunnels", kind="passthrough") == tunnels + 1
    client.half_close()
    assert client.rest() == (b"", "fin")

    (line,) = ground.lines(host)
    expected = {
        "client": "127.0.0.1",
        "protocol": "TLS",
        "status": 200,
        "origin": "upstream",
        "reason": "",
        "route": "/",
        "upstream": f"127.0.0.1:{backend.port}",
        "tries": 1,
        "bytes_in": len(sent),
        "bytes_out": len(sent),
        "method": "",
        "host": "",
        "server_name": host,
    }
    assert {key: line[key] for key in expected} == expected
    assert 0 < line["upstream_seconds"] <= line["seconds"]
    labels = {"ingress": line["ingress"], "namespace": "default"}
    counted = scrape(ground.program)
    assert total(counted, "passthrough_connections_total", result="ok", **labels) == 1
    for name in ("request_bytes_total", "response_bytes_total"):
        assert total(counted, name, **labels) - total(before, name, **labels) == len(sent)
    assert total(counted, "tunnels", kind="passthrough") == tunnels


def test_either_side_may_end_first_and_still_hear_the_other(ground: Ground) -> None:
    heard = threading.Event()

    def farewell(served: Served) -> None:
        served.exactly(10)
        served.send(b"first words")
        served.half_close()
        tail = served.linger()
        assert tail.endswith(b"last words")
        heard.set()

    host, _ = ground.passing(farewell)
    client = ground.raw()
    client.send(record(hello(host)))
    assert client.rest() == (b"first words", "fin")
    client.send(b"last words")
    client.half_close()
    assert heard.wait(PATIENCE)


@pytest.mark.parametrize("who", ["client", "endpoint"])
def test_a_reset_of_one_side_ends_the_other(ground: Ground, who: str) -> None:
    host, backend = ground.passing(echo if who == "endpoint" else waiting)
    client = ground.raw()
    client.send(record(hello(host)))
    served = backend.connection()
    if who == "client":
        client.reset()
        served.wait_ended()
    else:
        served.sock.shutdown(socket.SHUT_RD)
        served.reset()
        client.rest()


def test_who_does_not_read_stops_the_other_side(ground: Ground) -> None:
    size = 48 * MIB

    def flood(served: Served) -> None:
        served.exactly(10)
        served.send(bytes(size))
        served.half_close()
        served.linger()

    host, _ = ground.passing(flood)
    before = ground.program.resident_kib()
    client = ground.raw(receive_buffer=64 * 1024)
    client.send(record(hello(host)))
    time.sleep(0.5)  # in which nothing may pile up
    assert ground.program.resident_kib() - before < 16 * 1024
    data, how = client.rest()
    assert (len(data), how) == (size, "fin")


def test_a_removed_endpoint_keeps_its_tunnels_and_gets_no_more(ground: Ground) -> None:
    host, backend = ground.passing(echo)
    client = ground.raw()
    client.send(record(hello(host)))
    client.exactly(len(record(hello(host))))
    ground.manifests.service(f"s{host[1:-5]}")

    def is_gone() -> bool:
        other = ground.raw()
        other.send(record(hello(host)))
        return other.exactly(7) == ALERT

    until(is_gone)
    client.send(b"still here")
    assert client.exactly(10) == b"still here"
    assert backend.connection().how is None


def test_the_host_of_a_younger_ingress_is_not_its_own(ground: Ground) -> None:
    """The one that is first by name has it; the other one's Service is never asked."""
    host, backend = ground.passing(echo)
    thief = ground.backend(echo)
    ground.manifests.service("thief", thief)
    ground.manifests.ingress("z-thief", "thief", (host,), PASS)
    ground.manifests.ingress("z-opener", "thief", (host,), {"ssl-redirect": "false"})
    marker = ground.site(PASS, thief)  # once this is there, so is what was written before

    for name, expected in ((host, backend), (marker, thief)):
        before = len(expected.connections)
        client = ground.raw()
        client.send(record(hello(name)))
        client.exactly(10)
        assert len(expected.connections) == before + 1
    assert ground.plain().ask(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode()).status == 308


# Around it


def test_a_proxy_in_front_and_limits_and_workers_and_a_drain(tmp_path: Path) -> None:
    options = (
        *("--proxy-protocol", "on", "--trusted-proxies", "127.0.0.1"),
        *("--max-connections-per-client", "1", "--workers", "2"),
    )
    with grounds(tmp_path, *options) as ground:
        backend = ground.backend(echo)
        ground.manifests.service("s", backend)
        ground.manifests.ingress("i", "s", ("a.test",), PASS)
        sent = record(hello("a.test"))

        def tunnel(address: str) -> Client:
            client = ground.raw()
            client.send(f"PROXY TCP4 {address} 198.51.100.1 4711 443\r\n".encode() + sent)
            return client

        def is_there() -> bool:
            client = tunnel("203.0.113.1")
            with contextlib.suppress(Ended):
                return client.exactly(len(sent)) == sent
            return False

        until(is_there)
        for each in ground.clients:
            each.close()
        until(lambda: total(scrape(ground.program), "connections") == 0)
        open_ones = [tunnel(f"203.0.113.{number}") for number in range(10, 16)]
        assert all(each.exactly(len(sent)) == sent for each in open_ones)
        assert {line["client"] for line in ground.lines("a.test")} == {"203.0.113.1"}

        ground.program.terminate()
        for each in open_ones:
            each.send(b"go on")
            assert each.exactly(5) == b"go on"
        for each in open_ones:
            each.close()
        assert ground.program.wait() == 0
        assert len(ground.lines("a.test", 7)) >= 7
        cleared(ground)
