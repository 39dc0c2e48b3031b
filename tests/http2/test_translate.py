"""Heads into the shared vocabulary: what could split or smuggle a request never gets there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http1.errors import RequestError
from fsm_twisted.http1.grammar import parse_request_head
from fsm_twisted.http1.syntax import DEFAULT_LIMITS
from fsm_twisted.http1.writer import write_request_head
from fsm_twisted.http2.events import RequestReceived, RequestRefused
from fsm_twisted.http2.limits import Limits
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Sized
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
    [b"/", b"a", b"%2e", b".", b"?", b" ", b"\r\n", b"#", b"*", b"\x00", b"HTTP/1.1", b"\xff"]
)
texts = st.lists(pieces, max_size=6).map(b"".join)
awkward = st.tuples(
    st.sampled_from(
        [b"x-a", b"host", b"cookie", b"content-length", b"expect", b"x_real_ip", b"te"]
    ),
    texts | st.sampled_from([b"0", b"5", b"a", b"100-continue", b"trailers"]),
)


@given(
    st.sampled_from([b"GET", b"POST", b"OPTIONS", b"CONNECT"]) | texts,
    st.just(b"/") | texts,
    st.sampled_from([b"a", b"a:80", b"[::1]", b"1.2.3.4"]) | texts,
    st.lists(awkward, max_size=4),
    st.sampled_from([WHOLE, END | WHOLE]),
)
def test_what_is_received_is_one_request_in_http1_and_the_same(
    method: bytes, path: bytes, authority: bytes, more: list[tuple[bytes, bytes]], flags: int
) -> None:
    pseudo = ((b":method", method), (b":scheme", b"http"), (b":path", path))
    fields = (*pseudo, (b":authority", authority), *more)
    for event in Server().feed(headers(1, fields, flags)).events:
        if not isinstance(event, RequestReceived):
            continue
        head = event.head
        written = write_request_head(head, b"", target=head.target.wire, host=head.authority.wire)
        assert written.count(b"\r\n\r\n") == 1
        try:
            again = parse_request_head(written, DEFAULT_LIMITS)
        except RequestError as fault:  # pragma: no cover - would be a finding
            pytest.fail(str(fault))
        assert (again.method, again.target, again.authority) == (
            head.method,
            head.target,
            head.authority,
        )
        assert (again.fields, again.framing) == (head.fields, head.framing)
        assert again.expects_continue == head.expects_continue
