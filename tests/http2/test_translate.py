"""Heads into the shared vocabulary: what could split or smuggle a request never gets there."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.http1.body import body_reader
from fsm_twisted.http1.syntax import DEFAULT_LIMITS
from fsm_twisted.http1.writer import write_chunk, write_last_chunk
from fsm_twisted.http2.events import (
    DataReceived,
    RequestReceived,
    RequestRefused,
    TrailersReceived,
    UsualRequest,
)
from fsm_twisted.http2.limits import Limits
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Chunked, Sized
from tests.http2.streams import check_request
from tests.http2.wire import END, GET, POST, WHOLE, Server, data, headers


def received(fields: Fields, flags: int = END | WHOLE) -> RequestReceived:
    (event,) = Server().feed(headers(1, fields, flags)).events
    assert isinstance(event, RequestReceived)
    return event


def with_value(name: bytes, value: bytes) -> Fields:
    return tuple((key, value if key == name else old) for key, old in GET)


def test_a_request_comes_in_the_words_of_http1() -> None:
    fields = ((b"user-agent", b"x"), (b"x-forwarded-for", b"1.2.3.4"), (b"te", b"trailers"))
    event = received((*GET, *fields))

    assert event.head.method == b"GET"
    assert event.head.target.wire == b"/"
    assert event.head.authority.host == b"a"
    assert event.head.fields == ((b"user-agent", b"x"),)
    assert event.head.claims == ((b"x-forwarded-for", b"1.2.3.4"),)
    assert event.head.framing == NO_BODY
    assert event.trailers_welcome
    assert event.end


@pytest.mark.parametrize(
    ("scheme", "authority", "host"),
    [
        (b"https", b"a", b"A.:443"),
        (b"https", b"a:443", b"a"),
        (b"HTTP", b"a:80", b"a"),
        (b"http", b"a", b"a:80"),
    ],
)
def test_a_host_that_says_the_default_port_does_not_differ(
    scheme: bytes, authority: bytes, host: bytes
) -> None:
    fields = ((b":method", b"GET"), (b":scheme", scheme), (b":path", b"/"))
    head = received((*fields, (b":authority", authority), (b"host", host))).head

    assert head.authority.wire == authority
    assert head.fields == ()


def test_crumbs_of_cookie_are_joined() -> None:
    event = received((*GET, (b"cookie", b"a=b"), (b"accept", b"*/*"), (b"cookie", b"c=d")))

    assert event.head.fields == ((b"accept", b"*/*"), (b"cookie", b"a=b; c=d"))


@pytest.mark.parametrize(
    ("fields", "flags", "framing"),
    [
        ((), END | WHOLE, Sized(0)),
        ((), WHOLE, CHUNKED),
        (((b"content-length", b"5"),), WHOLE, Sized(5)),
        (((b"content-length", b"0"),), END | WHOLE, Sized(0)),
    ],
)
def test_framing_is_by_the_end_or_by_content_length(
    fields: Fields, flags: int, framing: object
) -> None:
    assert received((*POST, *fields), flags).head.framing == framing


def test_a_request_without_a_body_that_never_has_one_says_nothing_of_it() -> None:
    assert received(GET).head.framing is NO_BODY


def test_crumbs_of_cookie_count_as_one_field() -> None:
    crumbs = tuple((b"cookie", b"a%d=b" % n) for n in range(300))
    others = tuple((b"x-%d" % n, b"v") for n in range(123))

    assert dict(received((*GET, *others, *crumbs)).head.fields)[b"cookie"].count(b"=") == 300
    server = Server().feed(headers(1, (*GET, *others, (b"x-a", b"b"), *crumbs)))
    assert isinstance(server.events[0], RequestRefused)


def test_expect_is_kept_when_a_body_comes() -> None:
    expect = (b"expect", b"100-continue")

    assert received((*POST, expect), WHOLE).head.expects_continue
    assert received((*POST, expect)).head.fields == ()


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"x.real.ip", b"content_length", b"proxy"])
def test_look_alikes_of_what_has_a_meaning_are_dropped(name: bytes) -> None:
    head = received((*GET, (name, b"1"))).head

    assert head.fields == head.claims == ()


def test_a_long_path_is_refused() -> None:
    server = Server(Limits(target_bytes=100))
    server.feed(headers(1, with_value(b":path", b"/" + b"a" * 100)))
    (event,) = server.events

    assert isinstance(event, RequestRefused)
    assert event.reason.code == "target_too_long"


CONNECT: Fields = ((b":method", b"CONNECT"), (b":authority", b"a:443"))
WEBSOCKET: Fields = (*GET[1:], (b":method", b"CONNECT"), (b":protocol", b"websocket"))

REFUSED: dict[str, tuple[Fields, int, str]] = {
    "connect": (CONNECT, WHOLE, "method_refused"),
    "trace": (with_value(b":method", b"TRACE"), END | WHOLE, "method_refused"),
    "dot segment": (with_value(b":path", b"/a/../b"), END | WHOLE, "bad_target"),
    "coded dot segment": (with_value(b":path", b"/%2e%2E/b"), END | WHOLE, "bad_target"),
    "fragment": (with_value(b":path", b"/a#b"), END | WHOLE, "bad_target"),
    "space": (with_value(b":path", b"/a HTTP/1.1"), END | WHOLE, "bad_target"),
    "not ascii": (with_value(b":path", b"/\xc3\xa4"), END | WHOLE, "bad_target"),
    "no slash": (with_value(b":path", b"a"), END | WHOLE, "bad_target"),
    "absolute": (with_value(b":path", b"http://b/"), END | WHOLE, "bad_target"),
    "asterisk": (with_value(b":path", b"*"), END | WHOLE, "bad_target"),
    "scheme": (with_value(b":scheme", b"ftp"), END | WHOLE, "bad_target"),
    "no host": (GET[:3], END | WHOLE, "bad_host"),
    "empty host": (with_value(b":authority", b""), END | WHOLE, "bad_host"),
    "userinfo": (with_value(b":authority", b"u@a"), END | WHOLE, "bad_host"),
    "slash in host": (with_value(b":authority", b"a/b"), END | WHOLE, "bad_host"),
    "another host": ((*GET, (b"host", b"b")), END | WHOLE, "bad_host"),
    "another port": ((*GET, (b"host", b"a:443")), END | WHOLE, "bad_host"),
    "two hosts": ((*GET, (b"host", b"a"), (b"host", b"a")), END | WHOLE, "bad_host"),
    "expectation": ((*POST, (b"expect", b"tea")), WHOLE, "expectation_unknown"),
    "other protocol": (
        (*WEBSOCKET[:4], (b":protocol", b"connect-udp")),
        WHOLE,
        "method_refused",
    ),
    "websocket with length": (
        (*WEBSOCKET, (b"content-length", b"3")),
        WHOLE,
        "bad_framing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_well_formed_head_that_is_not_acceptable_is_refused_with_its_reason(case: str) -> None:
    fields, flags, code = REFUSED[case]
    server = Server().feed(headers(1, fields, flags))
    (event,) = server.events

    assert isinstance(event, RequestRefused)
    assert event.reason.code == code
    assert server.verdict == ("fine", 0)


MALFORMED: dict[str, Fields] = {
    "line end in a value": (*GET, (b"x-a", b"b\r\nc: d")),
    "line feed in a value": (*GET, (b"x-a", b"b\nc: d")),
    "nul in a value": (*GET, (b"x-a", b"b\x00")),
    "delete in a value": (*GET, (b"x-a", b"b\x7f")),
    "space before a value": (*GET, (b"x-a", b" b")),
    "tab after a value": (*GET, (b"x-a", b"b\t")),
    "empty name": (*GET, (b"", b"b")),
    "colon in a name": (*GET, (b"x:a", b"b")),
    "space in a name": (*GET, (b"x a", b"b")),
    "line end in a name": (*GET, (b"x\r\na", b"b")),
    "line end in the path": with_value(b":path", b"/ HTTP/1.1\r\nx: y"),
    "line end in the method": with_value(b":method", b"GET / HTTP/1.1\r\nx"),
    "space in the method": with_value(b":method", b"GET /"),
    "empty method": with_value(b":method", b""),
    "line end in the host": with_value(b":authority", b"a\r\nb"),
    "transfer-encoding": (*GET, (b"transfer-encoding", b"chunked")),
    "upgrade": (*GET, (b"upgrade", b"h2c")),
    "keep-alive": (*GET, (b"keep-alive", b"1")),
    "proxy-connection": (*GET, (b"proxy-connection", b"close")),
    "two lengths": (*GET, (b"content-length", b"0"), (b"content-length", b"0")),
    "list of lengths": (*GET, (b"content-length", b"0, 0")),
    "signed length": (*GET, (b"content-length", b"+0")),
    "length without body": (*GET, (b"content-length", b"1")),
    "two authorities": (*GET, (b":authority", b"a")),
    "pseudo-header behind cookie": (*GET[:3], (b"cookie", b"a"), GET[3]),
    "connect with a path": (CONNECT[0], *GET[1:]),
    "connect without authority": CONNECT[:1],
    "protocol without connect": (*GET, (b":protocol", b"websocket")),
    "two te": (*GET, (b"te", b"trailers"), (b"te", b"gzip")),
    "websocket without scheme": (*GET[2:], (b":method", b"CONNECT"), (b":protocol", b"websocket")),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_head_resets_its_stream_and_is_not_reported(case: str) -> None:
    server = Server().feed(headers(1, MALFORMED[case]))

    assert server.verdict == ("stream", 1)
    assert server.events == []
    assert server.connection.open_streams == 0


def test_an_extended_connect_for_websocket_is_a_get_with_upgrade() -> None:
    event = received(WEBSOCKET, WHOLE)

    assert (event.head.method, event.head.upgrade) == (b"GET", b"websocket")
    assert event.head.framing == NO_BODY


def test_the_body_of_a_refused_request_is_dropped_and_cut_off() -> None:
    server = Server().feed(headers(1, with_value(b":path", b"/.."), WHOLE))
    server.feed(data(1, b"x" * 1000) * 3)
    assert len(server.events) == 1

    server.respond(1, b"no", 400)

    assert server.verdict == ("stream", 0)
    assert server.connection.open_streams == 0


pieces = st.sampled_from(
    (
        *(
            b"/",
            b"a",
            b"%2e",
            b".",
            b"?",
            b" ",
            b"\r\n",
            b"#",
            b"*",
            b"\x00",
            b"HTTP/1.1",
            b"\xff",
        ),
        *(b":", b"\n", b"\t", b";", b"0", b"\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n"),
    )
)
texts = st.lists(pieces, max_size=6).map(b"".join)
names = st.sampled_from(
    b"x-a host cookie content-length expect x_real_ip te trailer transfer-encoding connection "
    b"transfer_encoding upgrade :path :evil sec-websocket-key x-forwarded-for forwarded".split()
)
values = texts | st.sampled_from([b"0", b"5", b"a", b"100-continue", b"trailers", b"chunked"])
awkward = st.lists(st.tuples(names | texts, values), max_size=4).map(tuple)
EXPECTS: Fields = ((b"expect", b"100-continue"),)
Asked = tuple[bytes, bytes, bytes, bytes, Fields, Fields]
protocols = st.sampled_from([(), ((b":protocol", b"websocket"),)])
sound = st.tuples(
    st.sampled_from([b"GET", b"POST", b"CONNECT"]),
    st.just(b"https"),
    st.sampled_from([b"/", b"/a?b"]),
    st.sampled_from([b"a", b"a:80", b"[::1]"]),
    protocols,
    awkward,
)
wild = st.tuples(texts, texts | st.just(b"http"), texts, texts, protocols, awkward)
asked = sound | wild
bodies = st.lists(
    st.sampled_from([b"", b"a", b"hello", b"0\r\n\r\n", b"GET / HTTP/1.1"]), max_size=3
)


def head_of(asked: Asked) -> Fields:
    method, scheme, path, authority, protocol, more = asked
    pseudo = ((b":method", method), (b":scheme", scheme), (b":path", path))
    return (*pseudo, (b":authority", authority), *protocol, *more)


@example((b"GET", b"https", b"/", b"a", (), ((b"cookie", b""), (b"cookie", b""))), END | WHOLE)
@example((b"CONNECT", b"https", b"/", b"a", WEBSOCKET[-1:], EXPECTS), WHOLE)
@given(asked, st.sampled_from([WHOLE, END | WHOLE]))
def test_what_is_received_is_one_request_in_http1_and_the_same(asked: Asked, flags: int) -> None:
    for event in Server().feed(headers(1, head_of(asked), flags)).events:
        if isinstance(event, RequestReceived):
            assert flags & END or not event.end
            check_request(event.head)


@given(asked=asked, body=bodies, trailers=awkward, has_trailers=st.booleans())
def test_a_message_is_one_message_in_http1_and_the_same(
    asked: Asked,
    body: list[bytes],
    trailers: Fields,
    *,
    has_trailers: bool,
) -> None:
    """What goes to an endpoint is one request, however it ends, and nothing behind it."""
    server = Server().feed(headers(1, head_of(asked), WHOLE))
    server.feed(b"".join(data(1, piece) for piece in body))
    server.feed(headers(1, trailers) if has_trailers else data(1, b"", END))
    if not server.events or not isinstance(server.events[0], RequestReceived):
        return
    head = server.events[0].head
    is_chunked = isinstance(head.framing, Chunked)
    sent = b""
    for event in server.events[1:]:
        if isinstance(event, DataReceived):
            sent += write_chunk(event.data) if is_chunked else event.data
        if is_chunked and (isinstance(event, TrailersReceived) or getattr(event, "end", False)):
            sent += write_last_chunk(getattr(event, "fields", ()))
    if head.upgrade:
        return  # what follows is no body
    reader = body_reader(head.framing, limits=DEFAULT_LIMITS)
    payload = reader.feed(sent)
    is_whole = server.verdict == ("fine", 0)
    assert reader.rest == b""
    assert reader.done or not is_whole
    assert payload == b"".join(body)[: len(payload)]
    assert not is_whole or payload == b"".join(body)


@given(asked)
def test_a_usual_request_says_what_it_would_say_in_full(asked: Asked) -> None:
    stimulus = headers(1, head_of(asked))
    plain, told = Server(), Server(tells_usual=True)
    plain.feed(stimulus)
    told.feed(stimulus)
    events = [each.in_full() if isinstance(each, UsualRequest) else each for each in told.events]

    assert events == plain.events
    assert told.verdict == plain.verdict


@pytest.mark.parametrize(
    ("fields", "is_usual"),
    [
        (GET, True),
        ((*GET, (b"accept", b"*/*"), (b"cookie", b"a")), True),
        (with_value(b":path", b"/a/b.js?x=/.."), True),
        (with_value(b":path", b"/%20/a?b?c"), True),
        (with_value(b":method", b"DELETE"), True),
        (with_value(b":method", b"POST"), False),
        (with_value(b":method", b"HEAD"), False),
        (with_value(b":path", b"/a/../b"), False),
        ((*GET, (b"cookie", b"a"), (b"cookie", b"b")), False),
        ((*GET, (b"host", b"a")), False),
        ((*GET, (b"x-real-ip", b"a")), False),
        ((*GET[:3], (b"host", b"a")), False),
    ],
)
def test_what_is_usual(fields: Fields, *, is_usual: bool) -> None:
    (event,) = Server(tells_usual=True).feed(headers(1, fields)).events

    assert isinstance(event, UsualRequest) is is_usual
