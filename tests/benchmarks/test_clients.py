"""The clients of benchmarks/http.py that are our own: they count what is good, and that alone."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks import handshakes, tunnels
from benchmarks.site import make_certificate

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@contextmanager
def tls_server(folder: Path, answer: bytes, tickets: int = 2) -> Iterator[int]:
    """Serve one request a connection; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(folder))
    context.num_tickets = tickets
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:  # shut down
                    return
                with plain, suppress(OSError):  # the client tells what it has got
                    sock = context.wrap_socket(plain, server_side=True)
                    with sock:
                        sock.recv(65536)
                        sock.sendall(answer)
                        sock.unwrap()  # it does not answer to it

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def counts(client: handshakes.Client) -> tuple[int, int, int, int]:
    return client.answers, client.refused, client.broken, client.bad


@pytest.mark.parametrize("resumes", [False, True])
def test_each_request_has_a_handshake_of_the_wanted_kind(tmp_path: Path, *, resumes: bool) -> None:
    with tls_server(tmp_path, GOOD) as port:
        client = handshakes.Client(port, "localhost", resumes=resumes)
        for number in range(3):
            client.ask(number)

    assert counts(client) == (3, 0, 0, 0)


def test_a_session_that_is_not_resumed_is_a_fault(tmp_path: Path) -> None:
    with tls_server(tmp_path, GOOD) as port:
        client = handshakes.Client(port, "localhost", resumes=True)
        client.ask(1)
    (tmp_path / "other").mkdir()
    with tls_server(tmp_path / "other", GOOD) as port:  # with other keys for its tickets
        client._port = port
        client.ask(2)

    assert counts(client) == (2, 0, 0, 1)


@pytest.mark.parametrize("answer", [GOOD[:-1], GOOD.replace(b"200", b"503"), b""])
def test_an_answer_that_is_short_or_not_2xx_is_a_fault(tmp_path: Path, answer: bytes) -> None:
    with tls_server(tmp_path, answer) as port:
        client = handshakes.Client(port, "localhost", resumes=False)
        client.ask(1)

    assert counts(client) == (1, 0, 0, 1)


def test_a_port_where_nobody_listens_is_a_fault() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        client = handshakes.Client(silent.getsockname()[1], "localhost", resumes=False)
        client.ask(1)

    assert counts(client) == (0, 1, 0, 0)


def test_a_tunnel_is_read_to_its_end_and_both_ends_count_the_same() -> None:
    origin = tunnels.Origin(0)
    threading.Thread(target=origin.serve, daemon=True).start()
    asked = iter([False] * 20)

    got = tunnels.pour_out(origin.port, "a.example", "/socket", lambda: next(asked, True))

    assert got == origin.sent + len(tunnels.CLOSE)


def test_what_is_no_tunnel_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="no tunnel"):
            tunnels.pour_out(port, "a.example", "/socket", lambda: True)
        thread.join()
