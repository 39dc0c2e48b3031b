"""
Whole streams through our readers, and what must hold for every outcome.

Used by the laws (Hypothesis), the corpus and the fuzz target, so that all three ask the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import attrs

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import HeadLimits, parse_request_head, parse_response_head
from fsm_twisted.http1.reader import BodyReader, HeadReader, ResponseHeadReader, body_reader
from fsm_twisted.http1.writer import write_request_head, write_response_head
from fsm_twisted.message.fields import HOP_BY_HOP, Fields, is_claim
from fsm_twisted.message.framing import NoBody, Sized, UntilClose
from fsm_twisted.message.heads import RequestHead, ResponseHead
from fsm_twisted.snapshot.reasons import REPLIES

LIMITS = HeadLimits()
BODY_LIMIT = 5000


@attrs.frozen
class Message:
    head: RequestHead | ResponseHead
    body: bytes


@attrs.frozen
class Outcome:
    """
    What a stream contained.

    ``unfinished`` is the head of a message whose body is not all there; ``fault`` the reason
    code (``response`` for any ResponseError), and ``waiting`` whether part of a head is there.
    """

    messages: tuple[Message, ...]
    unfinished: RequestHead | ResponseHead | None
    fault: str | None
    waiting: bool


class _Stream:
    """Feeds heads and bodies in turn, as a connection does."""

    def __init__(self, heads: HeadReader) -> None:
        self.heads = heads
        self.messages: list[Message] = []
        self.head: RequestHead | ResponseHead | None = None
        self.body: BodyReader | None = None
        self.payload: list[bytes] = []
        self.over = False

    def parse(self, block: bytes) -> tuple[RequestHead | ResponseHead, BodyReader]:
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        while data and not self.over:
            if self.body is None:
                block = self.heads.feed(data)
                if block is None:
                    return
                self.head, self.body = self.parse(block)
                data = self.heads.take_rest()
            data = self.feed_body(self.body, data)

    def feed_body(self, body: BodyReader, data: bytes) -> bytes:
        """Return what follows the body."""
        if not body.done:
            self.payload.append(body.feed(data))
            data = body.rest
        if body.done:
            self.finish()
        return data

    def finish(self) -> None:
        assert self.head is not None
        self.messages.append(Message(self.head, b"".join(self.payload)))
        switched = isinstance(self.head, ResponseHead) and self.head.status == 101
        self.over = switched or not self.head.persistent or self.head.upgrade is not None
        self.head, self.body, self.payload = None, None, []

    def close(self) -> None:
        if self.body is not None and self.body.finish_at_close():
            self.finish()


class _Requests(_Stream):
    def __init__(self) -> None:
        super().__init__(HeadReader(LIMITS))

    def parse(self, block: bytes) -> tuple[RequestHead, BodyReader]:
        head = parse_request_head(block, LIMITS)
        return head, body_reader(head.framing, limit=BODY_LIMIT)


class _Responses(_Stream):
    def __init__(self, method: bytes) -> None:
        super().__init__(ResponseHeadReader(LIMITS))
        self.method = method

    def parse(self, block: bytes) -> tuple[ResponseHead, BodyReader]:
        head = parse_response_head(block, self.method, LIMITS)
        return head, body_reader(head.framing, error=ResponseError)


def _outcome(stream: _Stream, pieces: Iterable[bytes]) -> Outcome:
    fault = None
    try:
        for piece in pieces:
            stream.feed(piece)
        stream.close()
    except RequestError as error:
        fault = error.reason.code
    except ResponseError:
        fault = "response"
    assert fault in (None, "response") or fault in REPLIES
    waiting = fault is None and stream.heads.pending
    return Outcome(tuple(stream.messages), stream.head, fault, waiting)


def read_requests(pieces: Iterable[bytes]) -> Outcome:
    return _outcome(_Requests(), pieces)


def read_responses(pieces: Iterable[bytes], method: bytes = b"GET") -> Outcome:
    return _outcome(_Responses(method), pieces)


def cut(data: bytes, places: Iterable[int]) -> Iterator[bytes]:
    """Cut *data* at the places that lie inside."""
    edges = [0, *sorted(place for place in places if 0 < place < len(data)), len(data)]
    for start, stop in pairwise(edges):
        yield data[start:stop]


def in_bytes(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


def check_fields(fields: Fields, *, claims: bool) -> None:
    for name, value in fields:
        lower = name.lower()
        assert lower not in HOP_BY_HOP
        assert lower not in (b"content-length", b"host" if claims else b"content-length")
        assert is_claim(lower) is False or not claims
        assert name
        assert all(byte >= 0x20 and byte != 0x7F for byte in name)
        assert all((byte >= 0x20 and byte != 0x7F) or byte == 0x09 for byte in value)
        assert value == value.strip(b" \t")


def check_request(head: RequestHead) -> None:
    """What holds for every request head that is accepted."""
    check_fields(head.fields, claims=True)
    assert all(is_claim(name.lower()) for name, _ in head.claims)
    assert not isinstance(head.framing, UntilClose)
    assert head.method not in (b"CONNECT", b"TRACE")
    assert head.target.path[:1] == b"/" or (head.method, head.target.path) == (b"OPTIONS", b"*")
    assert all(0x21 <= byte <= 0x7E and byte != 0x23 for byte in head.target.wire)
    assert head.upgrade is None or (head.minor, head.method) == (1, b"GET")
    if not head.authority.host:
        assert head.minor == 0
        return
    block = write_request_head(head, b"", target=head.target.wire, host=head.authority.wire)
    framing_fields = block.lower().count(b"\r\ncontent-length:")
    framing_fields += block.lower().count(b"\r\ntransfer-encoding:")
    assert framing_fields == (0 if isinstance(head.framing, NoBody) else 1)
    again = parse_request_head(block, LIMITS)
    assert again == attrs.evolve(head, minor=1, persistent=True, claims=())


def check_response(head: ResponseHead, method: bytes) -> None:
    """What holds for every response head that is accepted."""
    check_fields(head.fields, claims=False)
    assert 100 <= head.status <= 599
    if method == b"HEAD" or head.status < 200 or head.status in (204, 304):
        assert isinstance(head.framing, NoBody)
    else:
        assert not isinstance(head.framing, NoBody)
        assert head.declared_length is None
    block = write_response_head(head, b"")
    framing_fields = block.lower().count(b"\r\ncontent-length:")
    framing_fields += block.lower().count(b"\r\ntransfer-encoding:")
    assert framing_fields <= 1
    again = parse_response_head(block, method, LIMITS)
    persistent = not isinstance(head.framing, UntilClose)
    assert again == attrs.evolve(head, minor=1, persistent=persistent)


def check_request_stream(data: bytes, places: Iterable[int] = ()) -> Outcome:
    """All that must hold for whatever a client sends, cut at *places* and into single bytes."""
    whole = read_requests([data])
    for message in whole.messages:
        assert isinstance(message.head, RequestHead)
        check_request(message.head)
        if isinstance(message.head.framing, Sized):
            assert len(message.body) == message.head.framing.length
        assert len(message.body) <= BODY_LIMIT
    assert read_requests(cut(data, places)) == whole
    assert read_requests(in_bytes(data)) == whole
    return whole


def check_response_stream(
    data: bytes, places: Iterable[int] = (), method: bytes = b"GET"
) -> Outcome:
    """All that must hold for whatever an endpoint sends."""
    whole = read_responses([data], method)
    for message in whole.messages:
        assert isinstance(message.head, ResponseHead)
        check_response(message.head, method)
    assert read_responses(cut(data, places), method) == whole
    assert read_responses(in_bytes(data), method) == whole
    return whole
