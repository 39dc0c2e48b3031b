"""
The site that real clients visit: a page of fifty parts, a WebSocket, and a place for reports.

It is an HTTP/1.1 server of the standard library behind the ingress under test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

PARTS = 50
LARGE = bytes(range(256)) * 4096
SUBPROTOCOL = "chat.v2"
_COMPRESSION = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KINDS = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_CLOSE = 0x8

# The browser says what it has seen: which version brought each part, and what each socket said.
_PAGE = """<!doctype html><html><head><title>fsm</title>
<script>window.ran = 0; window.sockets = @SOCKETS@;</script>@PARTS@
<script>
const talk = url => new Promise(done => {
  const text = 'wave '.repeat(2000) + '\\u03bb';
  const socket = new WebSocket(url, ['chat.v1', 'chat.v2']);
  socket.onopen = () => socket.send(text);
  socket.onmessage = heard => {
    done({echo: heard.data === text, protocol: socket.protocol, extensions: socket.extensions});
    socket.close();
  };
  socket.onclose = socket.onerror = () => done({echo: false});
});
addEventListener('load', async () => {
  const parts = performance.getEntriesByType('resource').filter(e => e.name.includes('/part/'));
  const seen = {
    page: performance.getEntriesByType('navigation')[0].nextHopProtocol,
    parts: parts.filter(e => e.responseStatus === 200).length,
    protocols: [...new Set(parts.map(e => e.nextHopProtocol))],
    ran: window.ran, sockets: {},
  };
  for (const [name, url] of Object.entries(window.sockets)) seen.sockets[name] = await talk(url);
  await fetch('/report', {method: 'POST', body: JSON.stringify(seen)});
});
</script></head><body>@IMAGES@</body></html>"""


def _kind(number: int) -> str:
    return ("js", "css", "svg")[number % 3]


def _part(number: int) -> bytes:
    return {
        "js": b"window.ran += 1;",
        "css": b".part%d { color: #123 }" % number,
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    }[_kind(number)]


def page(sockets: Mapping[str, str]) -> bytes:
    """Return the page; its script talks to *sockets*, URLs by name."""
    tags = {"js": "<script src='{}'></script>", "css": "<link rel='stylesheet' href='{}'>"}
    parts, images = [], []
    for number in range(PARTS):
        kind = _kind(number)
        url = f"/part/{number}.{kind}"
        images.append(f"<img src='{url}'>") if kind == "svg" else parts.append(
            tags[kind].format(url)
        )
    text = _PAGE.replace("@PARTS@", "".join(parts)).replace("@IMAGES@", "".join(images))
    return text.replace("@SOCKETS@", json.dumps(dict(sockets))).encode()


class Website:
    """
    A running site.

    Attributes:
        port: On 127.0.0.1.
        sockets: What the page of a host talks to: URLs by name, by host.
        reports: What browsers have said of their visits.
        handshakes: Fields of the WebSocket handshakes that have arrived, by path.
    """

    def __init__(self) -> None:
        self.sockets: dict[str, dict[str, str]] = {}
        self.reports: queue.Queue[dict[str, Any]] = queue.Queue()
        self.handshakes: dict[str, dict[str, str]] = {}
        handler = type("Handler", (_Handler,), {"site": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        self.port: int = self.server.server_address[1]


@contextmanager
def serve() -> Iterator[Website]:
    """Run the site."""
    site = Website()
    threading.Thread(target=site.server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    site: Website

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() == "websocket":
            self._switch()
        elif self.path == "/":
            host = self.headers.get("host", "").partition(":")[0]
            self._answer("text/html", page(self.site.sockets.get(host, {})))
        elif self.path.startswith("/part/"):
            number, _, kind = self.path.removeprefix("/part/").partition(".")
            self._answer(_KINDS[kind], _part(int(number)))
        else:
            self._answer("application/octet-stream", LARGE)

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/report":
            self.site.reports.put(json.loads(body))
        self._answer("text/plain", hashlib.sha256(body).hexdigest().encode())

    def _body(self) -> bytes:
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _switch(self) -> None:
        self.site.handshakes[self.path] = {
            key.lower(): value for key, value in self.headers.items()
        }
        key = self.headers["sec-websocket-key"].encode()
        digest = hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
        if SUBPROTOCOL in self.headers.get("sec-websocket-protocol", ""):
            self.send_header("Sec-WebSocket-Protocol", SUBPROTOCOL)
        if "permessage-deflate" in self.headers.get("sec-websocket-extensions", ""):
            self.send_header("Sec-WebSocket-Extensions", _COMPRESSION)
        self.end_headers()
        echo(self.rfile, self.wfile)
        self.close_connection = True


def echo(reader: BinaryIO, writer: BinaryIO) -> None:
    """
    Send each WebSocket frame back without its mask (RFC 6455 section 5.2), until one says close.

    A message that is compressed without context is so in either direction: it stays as it is.
    """
    while head := reader.read(2):
        size = head[1] & 0x7F
        length = b""
        if size > 125:
            length = reader.read(2 if size == 126 else 8)
            size = struct.unpack("!H" if len(length) == 2 else "!Q", length)[0]
        mask = reader.read(4)
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(reader.read(size)))
        writer.write(bytes((head[0], head[1] & 0x7F)) + length + payload)
        writer.flush()
        if head[0] & 0xF == _CLOSE:
            return
