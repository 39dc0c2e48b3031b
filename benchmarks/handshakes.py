"""
A client that opens a TLS connection for each request, as the load generators cannot: resumed, too.

    python -m benchmarks.handshakes PORT HOST [--threads 4] [--resume]

It runs until it is interrupted and then tells its outcome in one line, as the script of wrk does.
"""

from __future__ import annotations

import argparse
import signal
import socket
import ssl
import threading
from itertools import count

# A browser's fields, as those of the other loads; the connection is the request's alone.
_REQUEST = (
    "GET /shop/articles/{n}?page={n} HTTP/1.1\r\nHost: {host}\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
    "Referer: https://{host}/shop/\r\nConnection: close\r\n"
    "Cookie: session=4f2a{n}; theme=dark\r\n\r\n"
)
_SECONDS = 20.0


class Client:
    """One thread that asks again and again; its counters are read once it has ended."""

    def __init__(self, port: int, host: str, *, resumes: bool) -> None:
        self.answers = self.refused = self.broken = self.bad = 0
        self._port = port
        self._host = host
        self._resumes = resumes
        self._session: ssl.SSLSession | None = None
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def ask(self, number: int) -> None:
        """Open a connection, send a request, and judge what comes back."""
        try:
            plain = socket.create_connection(("127.0.0.1", self._port), _SECONDS)
            # As browsers do; else the request waits until the server has confirmed "Finished".
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.refused += 1
            return
        text = _REQUEST.format(n=number, host=self._host)
        try:
            with self._context.wrap_socket(
                plain, server_hostname=self._host, session=self._session
            ) as sock:
                sock.sendall(text.encode("ascii"))
                answer = b"".join(iter(lambda: sock.recv(65536), b""))
                is_as_wanted = sock.session_reused == (self._session is not None)
                if self._resumes:
                    self._session = sock.session
        except OSError:
            self.broken += 1
            return
        self.answers += 1
        if not (is_as_wanted and _is_good(answer)):
            self.bad += 1


def _is_good(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    return bool(end) and head.startswith(b"HTTP/1.1 2") and len(body) == int(length or b"-1")


def main() -> None:
    """Ask until interrupted, and print the outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("host")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    clients = [
        Client(options.port, options.host, resumes=options.resume) for _ in range(options.threads)
    ]
    numbers = count(1)  # next() of it is atomic

    def work(client: Client) -> None:
        while not stopped.is_set():
            client.ask(next(numbers))

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = sum(each.answers for each in clients)
    refused = sum(each.refused for each in clients)
    broken = sum(each.broken for each in clients)
    bad = sum(each.bad for each in clients)
    print(f"outcome {answers} {refused} {broken} 0 {bad} 0")


if __name__ == "__main__":
    main()
