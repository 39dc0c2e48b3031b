"""The usual road never says anything that the strict parser would not say (design decision D2)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsm_twisted.http1.errors import RequestError, ResponseError
from fsm_twisted.http1.grammar import (
    DEFAULT_LIMITS,
    HeadLimits,
    parse_request_head,
    parse_response_head,
)
from fsm_twisted.http1.reader import HeadReader, ResponseHeadReader, body_reader
from fsm_twisted.http1.usual import (
    USUAL_REQUEST,
    usual_answer,
    usual_request,
)
from fsm_twisted.message.framing import NO_BODY, Sized
from tests.http1.strategies import NASTY

SERVER = b"Server: fsm\r\n"
DATE = b"Date: Sun, 22 Nov 2026 21:26:26 GMT\r\n"

REQUEST = (
    b"GET /api/v1/items/5?q=%2e HTTP/1.1\r\nHost: example.com:8000\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*;q=0.8\r\n"
    b"Cookie: session=5abcdef; theme=dark\r\nConnection: keep-alive\r\nX-Last: 1\r\n\r\n"
)
SENDING = (
    b"POST /api HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\n"
    b"Content-Type: application/json\r\nContent-Length: 5\r\nAccept: */*\r\n\r\n[1,2]"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: today\r\nContent-Length: 5\r\n"
    b"Connection: keep-alive\r\nETag: 1\r\n\r\nhello"
)

CHUNKED_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nDate: today\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)
BARE = b"HTTP/1.1 304 Not Modified\r\nDate: today\r\nETag: 1\r\n\r\n"
BARE_KEPT = BARE.replace(b"ETag", b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nETag")

_names = st.sampled_from(
    [
        b"Accept", b"Cookie", b"connection", b"Connection", b"CONNECTION", b"Content-Length",
        b"content-length", b"Transfer-Encoding", b"Transfer_Encoding", b"TE", b"Te", b"Trailer",
        b"Upgrade", b"upgrade-insecure-requests", b"Expect", b"Expect-CT", b"Host", b"HOST",
        b"Host2", b"HTTP2-Settings", b"Keep-Alive", b"keep-alives", b"Proxy-Connection",
        b"Proxy", b"Proxy-X", b"X-Forwarded-For", b"x-forwarded", b"X-Forward", b"X_Forwarded_For",
        b"X.Forwarded.For", b"X-Real-IP", b"x-real-i", b"Forwarded", b"X-Request-ID", b"Via",
        b"Max-Forwards", b"Server", b"server", b"SERVER", b"Date", b"Set-Cookie", b"a", b"",
    ]
)  # fmt: skip
_values = st.sampled_from(
    [
        b" keep-alive", b"keep-alive", b" Keep-Alive", b" keep-alive ", b" close", b" upgrade",
        b" keep-alive, x", b" 0", b" 5", b"5", b" 05", b" +5", b" 5, 5", b" 4", b" chunked",
        b" websocket", b" h2c", b" 100-continue", b" a.example", b" a.example:80", b"  a.example",
        b" a.example ", b" a..example", b" A.Example.", b" -", b" a:b", b" .", b" 1.2.3.4",
        b" a=b; c=d", b"", b" \t x", b" \x00", b" \x80\xff", b" a\rb",
    ]
)  # fmt: skip
_line = st.builds(lambda name, value: name + b":" + value + b"\r\n", _names, _values)
_lines = st.lists(_line, max_size=6).map(b"".join)
_targets = st.sampled_from(
    [b"/", b"/a", b"/a%20b", b"/.well-known/a",
     b"/a?b=%2e", b"/%2e%2e/", b"/..", b"/.a", b"/a/./b", b"/a#b", b"/a b", b"*",
     b"http://a.example/", b"//a", b"/..;/", b'/"', b"/?..", b"/a%2fb", b"/\x80"]
)  # fmt: skip
_methods = st.sampled_from(
    [b"GET", b"GET", b"HEAD", b"POST", b"get", b"CONNECT", b"TRACE", b"OPTIONS", b"OPTIONS"]
)
_request_heads = st.builds(
    lambda method, target, version, before, host, after: (
        method + b" " + target + b" " + version + b"\r\n" + before + host + after + b"\r\n"
    ),
    _methods,
    _targets,
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0"]),
    _lines,
    st.sampled_from(
        [
            b"Host: a.example\r\n",
            b"host:a.example:80\r\n",
            b"Host: A.b.\r\n",
            b"Host: [::1]:80\r\n",
            b"Host: a_b\r\n",
            b"",
        ]
    ),
    _lines,
)
_sendings = st.builds(
    lambda head, length, more, body: head[:-2] + length + more + b"\r\n" + body,
    _request_heads,
    st.sampled_from([b"Content-Length: 5\r\n", b"content-length:0\r\n"]),
    _lines,
    st.sampled_from([b"hello", b"", b"hell", b"hello!"]),
)
_responses = st.builds(
    lambda line, before, length, after, body: (
        line + b"\r\n" + before + length + after + b"\r\n" + body
    ),
    st.sampled_from(
        [b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.1 204 No", b"HTTP/1.1 304 No",
         b"HTTP/1.1 404 Not Found", b"HTTP/1.1 504 x", b"HTTP/1.1 101 S", b"HTTP/1.1 100 C",
         b"HTTP/1.0 200 OK", b"HTTP/1.1 500 ", b"HTTP/1.1 209 x", b"HTTP/1.1 99 x",
         b"HTTP/1.1 600 x"]
    ),
    _lines,
    st.sampled_from(
        [b"Content-Length: 5\r\n", b"content-length:0\r\n", b"Transfer-Encoding: chunked\r\n",
         b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 5\r\n",
         b"Connection: keep-alive\r\n", b""]
    ),
    _lines,
    st.sampled_from(
        [b"hello", b"", b"hell", b"hello!", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n",
         b"2\r\nhe\r\n03\r\nllo\r\n00\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\nx",
         b"5;a\r\nhello\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\na: b\r\n\r\n"]
    ),
)  # fmt: skip


@st.composite
def _mutated(draw: st.DrawFn, bases: st.SearchStrategy[bytes]) -> bytes:
    data = draw(bases)
    for _ in range(draw(st.integers(0, 3))):
        where = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 2))
        data = data[:where] + draw(st.sampled_from([*NASTY, b""])) + data[where + length :]
    return data


mutated_requests = _mutated(
    st.one_of(_request_heads, _sendings, st.just(REQUEST), st.just(SENDING))
)
mutated_responses = _mutated(
    st.one_of(_responses, *map(st.just, (RESPONSE, CHUNKED_RESPONSE, BARE)))
)
methods = st.sampled_from([b"GET", b"HEAD", b"POST"])


def _is_usual(data: bytes) -> bool:
    return usual_request(data, DEFAULT_LIMITS) is not None


@given(data=mutated_requests)
@example(data=REQUEST)
@example(data=SENDING)
def test_a_usual_request_means_the_same_to_the_strict_parser(data: bytes) -> None:
    found = usual_request(data, DEFAULT_LIMITS)
    if found is None:
        return
    method, target, path, authority, begin, cut, end = found

    reader = HeadReader()
    block = reader.feed(data)
    assert block == data[:end]
    body = reader.take_rest()
    try:
        head = parse_request_head(block, DEFAULT_LIMITS)
    except RequestError as error:
        # The road itself asks the law about the authority, before anything is sent.
        assert error.reason.code == "bad_host"  # noqa: PT017
        return

    assert (head.method, head.target.wire, head.authority.wire) == (method, target, authority)
    assert (head.minor, head.persistent) == (1, True)
    assert head.framing == Sized(len(body)) or (head.framing, body) == (NO_BODY, b"")
    assert not (body and method in {b"GET", b"HEAD", b"OPTIONS"})
    assert not (method == b"OPTIONS" and b"max-forwards" in block.lower())
    assert (head.claims, head.upgrade, head.expects_continue) == ((), None, False)
    assert path == head.target.path
    forwarded = data[:begin] + data[cut:end]
    again = parse_request_head(forwarded, DEFAULT_LIMITS)
    assert again == head
    assert b"connection" not in {name.lower() for name, _ in head.fields}
    is_sized = head.framing is not NO_BODY
    assert len(head.fields) + 1 + is_sized == forwarded.count(b"\r\n") - 2


@given(data=mutated_responses, method=methods)
@example(data=RESPONSE, method=b"GET")
@example(data=CHUNKED_RESPONSE, method=b"GET")
@example(data=BARE, method=b"GET")
@example(data=BARE_KEPT, method=b"GET")
@example(data=RESPONSE.replace(b"200", b"404"), method=b"GET")
def test_a_usual_answer_means_the_same_to_the_strict_parser(data: bytes, method: bytes) -> None:
    answer = usual_answer(data, method, DEFAULT_LIMITS, SERVER, DATE)
    if answer is None:
        return

    reader = ResponseHeadReader()
    block = reader.feed(data)
    assert block is not None
    body = reader.take_rest()
    head = parse_response_head(block, method, DEFAULT_LIMITS)
    payload = body_reader(head.framing, error=ResponseError)
    payload.feed(body)
    assert payload.done
    assert not payload.rest
    assert not payload.trailers
    assert head.persistent
    assert head.status >= 200
    reader = ResponseHeadReader()
    passed = reader.feed(answer)
    assert passed is not None
    assert reader.take_rest() == body
    again = parse_response_head(passed, method, DEFAULT_LIMITS)
    assert again.fields[: len(head.fields)] == head.fields
    own = again.fields[len(head.fields) :]
    assert {name for name, _ in own} <= {b"Server", b"Date"}
    assert (again.status, again.reason, again.framing) == (
        head.status,
        head.reason,
        head.framing,
    )
    assert b"\r\nconnection:" not in passed.lower()
    assert b"\r\nkeep-alive:" not in passed.lower()


def test_the_browser_s_request_is_usual() -> None:
    assert _is_usual(REQUEST)


@pytest.mark.parametrize(
    "line",
    [
        b"Transfer-Encoding: chunked",
        b"Content-Length: 0",
        b"X-Forwarded-For: 1.2.3.4",
        b"x_forwarded_for: 1.2.3.4",
        b"Host: b.example",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Upgrade: websocket",
        b"Expect: 100-continue",
        b"TE: trailers",
        b"Forwarded: for=1",
        b"X-Request-ID: 1",
        b" folded",
        b"space : x",
    ],
)
def test_a_head_with_this_line_takes_the_general_road(line: bytes) -> None:
    assert not _is_usual(REQUEST[:-2] + line + b"\r\n\r\n")


def test_heads_over_a_limit_take_the_general_road() -> None:
    many = REQUEST[:-2] + b"a:\r\n" * 130 + b"\r\n"
    assert USUAL_REQUEST.fullmatch(many) is not None
    assert usual_request(many, DEFAULT_LIMITS) is None
    assert usual_request(REQUEST, HeadLimits(line_bytes=100)) is None


def test_the_nginx_answer_is_usual_and_loses_its_connection_field() -> None:
    answer = usual_answer(RESPONSE, b"GET", DEFAULT_LIMITS, SERVER, DATE)

    assert answer == RESPONSE.replace(b"Connection: keep-alive\r\n", b"")


def test_a_short_body_that_has_come_with_its_head_is_usual() -> None:
    found = usual_request(SENDING, DEFAULT_LIMITS)

    assert found is not None
    *_, begin, cut, end = found
    head = SENDING[:begin] + SENDING[cut:end]
    assert head == SENDING[:end].replace(b"Connection: keep-alive\r\n", b"")
    assert SENDING[end:] == b"[1,2]"


@pytest.mark.parametrize("end", [SENDING[:-1], SENDING + b"x"])
def test_a_body_that_does_not_end_with_the_read_is_unusual(end: bytes) -> None:
    assert not _is_usual(end)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
def test_a_body_of_a_method_that_may_be_sent_again_is_unusual(method: bytes) -> None:
    assert not _is_usual(SENDING.replace(b"POST", method))


def test_the_answers_of_node_are_usual_and_lose_what_is_for_this_hop() -> None:
    alive = b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
    sized = (
        b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: today\r\n%bContent-Length: 5\r\n\r\nhello" % alive
    )

    assert usual_answer(sized, b"GET", DEFAULT_LIMITS, SERVER, DATE) == sized.replace(alive, b"")
    assert usual_answer(CHUNKED_RESPONSE, b"GET", DEFAULT_LIMITS, b"", DATE) == (
        CHUNKED_RESPONSE.replace(alive, b"")
    )


def test_answers_without_a_body_are_usual_where_there_can_be_none() -> None:
    head = RESPONSE[: -len(b"hello")]
    passed = head.replace(b"Connection: keep-alive\r\n", b"")

    assert usual_answer(head, b"HEAD", DEFAULT_LIMITS, SERVER, DATE) == passed
    assert usual_answer(head, b"GET", DEFAULT_LIMITS, SERVER, DATE) is None
    assert usual_answer(RESPONSE, b"HEAD", DEFAULT_LIMITS, SERVER, DATE) is None
    assert usual_answer(BARE, b"GET", DEFAULT_LIMITS, b"", DATE) == BARE
    assert usual_answer(BARE + b"x", b"GET", DEFAULT_LIMITS, b"", DATE) is None


@pytest.mark.parametrize("status", range(200, 600))
def test_answers_of_every_status_are_usual_and_lose_what_is_for_this_hop(status: int) -> None:
    begin = b"HTTP/1.1 %d x\r\nServer: x\r\nDate: today\r\n" % status
    kept = begin + b"Connection: keep-alive\r\n"
    end = b"\r\n" if status in {204, 304} else b"Content-Length: 2\r\n\r\nok"

    assert usual_answer(begin + end, b"GET", DEFAULT_LIMITS, SERVER, DATE) == begin + end
    assert usual_answer(kept + end, b"GET", DEFAULT_LIMITS, SERVER, DATE) == begin + end


@pytest.mark.parametrize("status", [100, 101, 199, 600])
def test_an_answer_of_another_status_is_unusual(status: int) -> None:
    answer = RESPONSE.replace(b"200", b"%d" % status)

    assert usual_answer(answer, b"GET", DEFAULT_LIMITS, SERVER, DATE) is None


def test_an_answer_without_server_and_date_gets_both() -> None:
    bare = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    assert usual_answer(bare, b"GET", DEFAULT_LIMITS, SERVER, DATE) == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + SERVER + DATE + b"\r\nok"
    )


@pytest.mark.parametrize("end", [b"", b"extra"])
def test_an_answer_that_does_not_end_with_the_read_is_unusual(end: bytes) -> None:
    data = RESPONSE[:-1] if not end else RESPONSE + end

    assert usual_answer(data, b"GET", DEFAULT_LIMITS, SERVER, DATE) is None


def test_the_strict_parser_refuses_what_these_would_be() -> None:
    for bad in (b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n"):
        assert usual_answer(bad, b"GET", DEFAULT_LIMITS, SERVER, DATE) is None
        with pytest.raises(ResponseError):
            parse_response_head(bad, b"GET", DEFAULT_LIMITS)


def test_server_and_date_are_found_in_any_spelling() -> None:
    data = b"HTTP/1.1 200 OK\r\nSERVER: x\r\ndAtE: today\r\nContent-Length: 2\r\n\r\nok"

    assert usual_answer(data, b"GET", DEFAULT_LIMITS, SERVER, DATE) == data
