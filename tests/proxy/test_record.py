"""What the access log is told of a request that is sent with its body."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fsm_twisted.observe.access import pack_peer, pack_route
from fsm_twisted.proxy.record import Recorder

HEAD = b"POST /login HTTP/1.1\r\nHost: a.example\r\nContent-Length: 15\r\n\r\n"
BODY = b"password=sesame"
ROUTE = pack_route("n", "i", "/", "s", 80)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def exchange(method: bytes, sent: bytes) -> Any:
    """What a recorder reads of an exchange that has ended."""
    return SimpleNamespace(
        bound=SimpleNamespace(is_logged=True, made_note=ROUTE, note=ROUTE),
        begun=5.0,
        sent=5.1,
        head=None,
        head_bytes=sent,
        method=method,
        minor=1,
        bytes_in=len(sent),
        bytes_out=len(ANSWER),
        head_bytes_out=len(ANSWER) - 2,
        status=200,
        cut_reason=b"",
        tries=(1, b"127.0.0.1:1"),
        grpc_status=None,
        downstream=SimpleNamespace(note=pack_peer(b"127.0.0.1", b"", b"")),
    )


def test_a_body_never_leaves_the_worker() -> None:
    batches: list[bytes] = []

    def take(batch: bytes) -> bool:
        batches.append(batch)
        return True

    recorder = Recorder(lambda: 6.0, lambda: 100.0, take, lambda *_: None)
    for method in (b"POST", b"PUT", b"PATCH", b"DELETE"):
        ended = exchange(method, HEAD.replace(b"POST", method) + BODY)
        recorder.usual(ended, ended.tries, ANSWER, len(ANSWER), 6.0)
        recorder.passed(ended, 6.0)
        recorder.cut(ended)
    recorder.flush()

    (batch,) = batches
    assert batch.count(b"/login HTTP/1.1\r\nHost: a.example") == 12
    assert b"sesame" not in batch
