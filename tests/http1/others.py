"""What h11 and llhttp make of the same bytes, as messages or a refusal; and what agreement is."""

from __future__ import annotations

import re

import h11
import llhttp

from fsm_twisted.message.framing import UntilClose
from fsm_twisted.message.heads import RequestHead, ResponseHead
from tests.http1.streams import Message, Outcome

# A message as both sides can state it: method and target, or status; then the body.
Plain = tuple[tuple[bytes, ...], bytes]


def by_h11_request(data: bytes) -> list[Plain] | None:
    """The complete requests in *data*; None when h11 refuses."""
    return _by_h11(h11.Connection(h11.SERVER, max_incomplete_event_size=40000), data)


def by_h11_response(data: bytes, method: bytes = b"GET") -> list[Plain] | None:
    """The complete responses in *data*, to a request by *method*; None when h11 refuses."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=40000)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return _by_h11(connection, data)


def _by_h11(connection: h11.Connection, data: bytes) -> list[Plain] | None:
    found: list[Plain] = []
    start: tuple[bytes, ...] = ()
    body = b""
    try:
        connection.receive_data(data)
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return found
            match event:
                case h11.Request():
                    start, body = (bytes(event.method), bytes(event.target)), b""
                case h11.Response() | h11.InformationalResponse():
                    start, body = (b"%d" % event.status_code,), b""
                    if isinstance(event, h11.InformationalResponse):
                        found.append((start, b""))
                case h11.Data():
                    body += bytes(event.data)
                case h11.EndOfMessage():
                    found.append((start, body))
                    return found
                case _:
                    return found
    except h11.RemoteProtocolError:
        return None


class _Found:
    """Callbacks of llhttp, for a request or a response."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Plain] = []
        self.start = b""
        self.body = b""

    def on_message_begin(self) -> None:
        self.start = self.body = b""

    def on_url(self, data: memoryview) -> None:
        self.start += bytes(data)

    def on_body(self, data: memoryview) -> None:
        self.body += bytes(data)

    def on_message_complete(self) -> None:
        self.found.append((self.name(), self.body))

    def name(self) -> tuple[bytes, ...]:
        raise NotImplementedError


class _Request(_Found, llhttp.Request):  # type: ignore[misc]
    def name(self) -> tuple[bytes, ...]:
        return self.method.encode(), self.start


class _Response(_Found, llhttp.Response):  # type: ignore[misc]
    def name(self) -> tuple[bytes, ...]:
        return (b"%d" % self.status,)


def _by_llhttp(parser: _Request | _Response, data: bytes) -> list[Plain] | None:
    """Stop, as the others do, after the first whole message that is not interim."""
    try:
        parser.execute(data)
    except llhttp.Error:
        if not parser.is_upgrading and not _one_is_whole(parser.found):
            return None
    return parser.found


def _one_is_whole(found: list[Plain]) -> bool:
    return any(len(start) > 1 or not start[0].startswith(b"1") for start, _ in found)


def by_llhttp_request(data: bytes) -> list[Plain] | None:
    """The complete requests in *data*; None when llhttp refuses before the first one ends."""
    return _by_llhttp(_Request(), data)


def by_llhttp_response(data: bytes) -> list[Plain] | None:
    """The complete responses in *data*; None when llhttp refuses before the first one ends."""
    return _by_llhttp(_Response(), data)


# Reasons for which we refuse what both others take: all of them in the table of
# test_differential, or a limit.
_ON_PURPOSE = {
    "bad_host",
    "bad_target",
    "bad_request",
    "bad_framing",
    "version_unknown",
    "method_refused",
    "expectation_unknown",
    "body_too_large",
}
_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"DELETE", b"PATCH"}


# Both others refuse framing fields as trailers, we drop them like all trailers (row 23).
_FRAMING_TRAILER = re.compile(
    rb"\n0+(?:;[^\r]*)?\r\n.*(?:content-length|transfer-encoding):", re.I | re.S
)


def _has_framing_trailer(data: bytes) -> bool:
    return _FRAMING_TRAILER.search(data) is not None


def check_agreement_on_requests(data: bytes, ours: Outcome) -> None:
    """The first request that we accept is the same request to both others."""
    # h11 ignores no empty line before a request, we ignore two (row 16), llhttp all.
    by_h11, by_llhttp = by_h11_request(data.lstrip(b"\r\n")), by_llhttp_request(data)
    if not ours.messages:
        if by_h11 and by_llhttp:
            assert ours.fault in _ON_PURPOSE or ours.unfinished is not None
        return
    head, body = ours.messages[0].head, ours.messages[0].body
    assert isinstance(head, RequestHead)
    if _has_framing_trailer(data):
        return
    assert by_h11
    _check_same(head, body, by_h11[0])
    if head.method in _METHODS:  # llhttp knows no methods but its own
        assert by_llhttp
        _check_same(head, body, by_llhttp[0])


def _check_same(ours: RequestHead, body: bytes, theirs: Plain) -> None:
    (method, target), their_body = theirs
    assert ours.method == method
    assert body == their_body
    assert ours.target.wire == target or target.lower().startswith((b"http://", b"https://"))


def check_agreement_on_responses(data: bytes, ours: Outcome) -> None:
    """The first response that we accept and that says where it ends, is the same to both."""
    final = next(filter(_is_final, ours.messages), None)
    if final is None or _has_framing_trailer(data):
        return
    assert isinstance(final.head, ResponseHead)
    for found in (by_h11_response(data), by_llhttp_response(data)):
        assert found is not None
        theirs = [plain for plain in found if not plain[0][0].startswith(b"1")]
        assert theirs[0] == ((b"%d" % final.head.status,), final.body)


def _is_final(message: Message) -> bool:
    head = message.head
    if not isinstance(head, ResponseHead) or isinstance(head.framing, UntilClose):
        return False
    return not 100 <= head.status <= 199
