"""The request head, row by row of the promises; what is refused, and with which reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.http1.errors import RequestError
from fsm_twisted.http1.grammar import HeadLimits, parse_request_head
from fsm_twisted.message.framing import CHUNKED, NO_BODY, Sized
from tests.http1.heads import LIMITS, refusal, refused, request


def test_an_ordinary_request_is_taken_apart_whole() -> None:
    head = request(
        b"User-Agent: curl/8", b"Accept:*/*", b"x:", line=b"GET /a?b HTTP/1.1", host=b"A.b:80"
    )

    assert (head.method, head.target.path, head.target.query) == (b"GET", b"/a", b"b")
    assert (head.authority.host, head.authority.port) == (b"a.b", 80)
    assert head.fields == ((b"User-Agent", b"curl/8"), (b"Accept", b"*/*"), (b"x", b""))
    assert (head.minor, head.claims, head.framing) == (1, (), NO_BODY)
    assert (head.persistent, head.expects_continue, head.upgrade) == (True, False, None)


@pytest.mark.parametrize("method", [b"CONNECT", b"TRACE"])
@pytest.mark.parametrize("target", [b"a:80", b"/", b"http://a/", b"*"])
def test_rows_5_and_7_connect_and_trace_are_refused_by_method(
    method: bytes, target: bytes
) -> None:
    assert refused(line=b"%b %b HTTP/1.1" % (method, target)) == "method_refused"


def test_row_5_max_forwards_is_left_to_the_proxy() -> None:
    head = request(b"Max-Forwards: 0", line=b"OPTIONS * HTTP/1.1")

    assert head.target.path == b"*"
    assert head.fields == ((b"Max-Forwards", b"0"),)


def test_row_6_an_absolute_form_with_the_same_host_is_taken_as_origin_form() -> None:
    head = request(line=b"GET http://A:80/x?y HTTP/1.1", host=b"a.:80")

    assert head.target.wire == b"/x?y"
    assert (head.authority.host, head.authority.port) == (b"a", 80)
    assert head.authority.wire == b"A:80"  # the target's: it overrides Host (RFC 9112, 3.2.2)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://a:80/", b"a"),
        (b"HTTP://A/", b"a.:80"),
        (b"https://a:443/", b"a"),
        (b"hTTps://a/", b"A:443"),
    ],
)
def test_row_6_a_default_port_makes_no_other_host(target: bytes, host: bytes) -> None:
    head = request(line=b"GET %b HTTP/1.1" % target, host=host)

    assert head.authority.wire == target[:-1].partition(b"://")[2]


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (b"http://a/", b"b"),
        (b"http://a/", b"a:81"),
        (b"http://a/", b"a.b"),
        (b"http://a/", b"a:443"),
        (b"http://a:443/", b"a"),
        (b"https://a:80/", b"a"),
        (b"http://a:80/", b"b"),
        (b"http://a:0/", b"a"),
    ],
)
def test_row_6_a_host_that_differs_from_the_target_is_refused(target: bytes, host: bytes) -> None:
    assert refusal(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (target, host)) == "bad_host"


@pytest.mark.parametrize(
    "block",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET http://a/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a/b\r\n\r\n",
    ],
)
def test_row_8_a_missing_repeated_or_invalid_host_is_refused(block: bytes) -> None:
    assert refusal(block) == "bad_host"


def test_row_8_an_http_1_0_request_may_lack_host() -> None:
    head = parse_request_head(b"GET / HTTP/1.0\r\n\r\n", LIMITS)

    assert (head.authority.host, head.authority.wire, head.minor) == (b"", b"", 0)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "bad_request"),
        (b"GET", "bad_request"),
        (b"GET /", "bad_request"),
        (b"GET  / HTTP/1.1", "bad_request"),
        (b"GET /  HTTP/1.1", "bad_request"),
        (b"GET / HTTP/1.1 ", "bad_request"),
        (b" GET / HTTP/1.1", "bad_request"),
        (b"GET\t/ HTTP/1.1", "bad_request"),
        (b"GET /\tHTTP/1.1", "bad_request"),
        (b"GET /a b HTTP/1.1", "bad_request"),
        (b"GET / HTTP/1.1 HTTP/1.1", "bad_request"),
        (b"GE(T / HTTP/1.1", "bad_request"),
        (b"G\xc3\x8bT / HTTP/1.1", "bad_request"),
        (b"GET: / HTTP/1.1", "bad_request"),
        (b"{} / HTTP/1.1", "bad_request"),
        (b"GET / http/1.1", "bad_request"),
        (b"GET / Http/1.1", "bad_request"),
        (b"GET / HTTP/1", "bad_request"),
        (b"GET / HTTP/1.", "bad_request"),
        (b"GET / HTTP/1.10", "bad_request"),
        (b"GET / HTTP/01.1", "bad_request"),
        (b"GET / HTTP/1,1", "bad_request"),
        (b"GET / HTTP/+1.1", "bad_request"),
        (b"GET / HTTP/\xb1.1", "bad_request"),
        (b"GET / HTTP /1.1", "bad_request"),
        (b"GET / HTTPS/1.1", "bad_request"),
        (b"GET / ICY/1.1", "bad_request"),
        (b"GET a HTTP/1.1", "bad_target"),
        (b"GET * HTTP/1.1", "bad_target"),
        (b"GET /a#b HTTP/1.1", "bad_target"),
        (b"GET /\x80 HTTP/1.1", "bad_target"),
        (b"GET /a?\xff HTTP/1.1", "bad_target"),
        (b"GET /a/../b HTTP/1.1", "bad_target"),
        (b"GET /%2e%2E HTTP/1.1", "bad_target"),
        (b"GET http://u@a/ HTTP/1.1", "bad_target"),
        (b"GET ftp://a/ HTTP/1.1", "bad_target"),
    ],
)
def test_row_9_an_invalid_request_line_is_refused(line: bytes, code: str) -> None:
    assert refused(line=line) == code


@pytest.mark.parametrize("version", [b"2.0", b"3.0", b"0.9", b"9.9", b"1.2", b"0.0"])
def test_row_10_other_versions_are_refused(version: bytes) -> None:
    assert refused(line=b"GET / HTTP/" + version) == "version_unknown"


def test_row_10_the_preface_of_http2_is_refused_by_its_version() -> None:
    assert refusal(b"PRI * HTTP/2.0\r\n\r\n") == "version_unknown"


@pytest.mark.parametrize("line", [b"X : y", b"X\t: y", b"Content-Length : 5", b"Host : b"])
def test_row_11_whitespace_before_the_colon_is_refused(line: bytes) -> None:
    assert refused(line) == "bad_request"


@pytest.mark.parametrize("fold", [b" y", b"\ty", b" ", b"\t", b" Host: b", b" : y"])
def test_row_12_a_folded_line_is_refused(fold: bytes) -> None:
    assert refused(b"X: y", fold) == "bad_request"


@pytest.mark.parametrize("line", [b" ", b"\t", b" X: y", b" Host: b"])
def test_row_13_whitespace_before_the_first_field_is_refused(line: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\n%b\r\nHost: a\r\n\r\n" % line) == "bad_request"


@pytest.mark.parametrize(
    "block",
    [
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\rHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \ry\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\nX: y\r\n\r\n",
    ],
)
def test_row_14_bare_cr_and_bare_lf_are_refused(block: bytes) -> None:
    assert refusal(block) == "bad_request"


@pytest.mark.parametrize("byte", [b for b in (*range(0x20), 0x7F) if b not in (9, 10, 13)])
def test_row_15_control_bytes_are_refused_everywhere(byte: int) -> None:
    stray = bytes([byte])

    assert refused(b"X: a%bb" % stray) == "bad_request"
    assert refused(b"X: " + stray) == "bad_request"
    assert refused(b"X%b: y" % stray) == "bad_request"
    assert refused(line=b"GET /%b HTTP/1.1" % stray) == "bad_request"
    assert refusal(b"GET / HTTP/1.1\r\nHost: a%b\r\n\r\n" % stray) == "bad_request"


@pytest.mark.parametrize("line", [b"", b": y", b"X", b"X y", b"X(: y", b'"X": y', b"X\xe4: y"])
def test_what_is_no_field_line_is_refused(line: bytes) -> None:
    assert refused(line, b"Y: z") == "bad_request"


@pytest.mark.parametrize("end", [b"", b"\r", b"XY", b"X: y\r\n", b"\r\nX", b"\r\nX: y\r\n"])
def test_a_block_that_is_not_one_whole_head_is_refused(end: bytes) -> None:
    assert refusal(b"GET / HTTP/1.1\r\nHost: a\r\n" + end) == "bad_request"


def test_tab_and_high_bytes_inside_a_value_pass_as_sent() -> None:
    assert request(b"X: a\tb  c\x80\xff").fields == ((b"X", b"a\tb  c\x80\xff"),)


def test_whitespace_around_a_value_is_no_part_of_it() -> None:
    fields = request(b"X: \t a b \t ", b"Y:\t", b"Z:z", b"X:  ", host=b" a ").fields

    assert fields == ((b"X", b"a b"), (b"Y", b""), (b"Z", b"z"), (b"X", b""))


@pytest.mark.parametrize("length", [b"5", b"0"])
def test_row_17_transfer_encoding_with_content_length_is_refused(length: bytes) -> None:
    fields = (b"Content-Length: " + length, b"Transfer-Encoding: chunked")

    assert refused(*fields) == "bad_framing"
    assert refused(*reversed(fields)) == "bad_framing"


@pytest.mark.parametrize(
    ("coding", "code"),
    [
        (b"chunked, gzip", "bad_framing"),
        (b"gzip", "bad_framing"),
        (b"identity", "bad_framing"),
        (b"", "bad_framing"),
        (b"xchunked", "bad_framing"),
        (b"chunked1", "bad_framing"),
        (b"chunked;q=1", "bad_framing"),
        (b'"chunked"', "bad_framing"),
        (b"chunked,", "bad_framing"),
        (b",chunked", "bad_framing"),
        (b"chunked chunked", "bad_framing"),
        (b"chun\x6be\xc4", "bad_framing"),
        (b"chun\xe2\x84\xaaed", "bad_framing"),
        (b"chunked\xa0", "bad_framing"),
        (b"\x85chunked", "bad_framing"),
        (b"g(zip, chunked", "bad_framing"),
        (b"gzip, chunked", "coding_unknown"),
        (b"gzip;level=9 ,\tchunked", "coding_unknown"),
        (b"identity, chunked", "coding_unknown"),
    ],
)
def test_row_18_only_the_one_value_chunked_delimits(coding: bytes, code: str) -> None:
    assert refused(b"Transfer-Encoding: " + coding, line=b"POST / HTTP/1.1") == code


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"CHUNKED", b" chunked\t"])
def test_row_18_chunked_is_known_in_any_case(coding: bytes) -> None:
    assert request(b"transfer-ENCODING:" + coding).framing == CHUNKED


def test_row_19_transfer_encoding_in_http_1_0_is_refused() -> None:
    assert refused(b"Transfer-Encoding: chunked", line=b"POST / HTTP/1.0") == "bad_framing"


@pytest.mark.parametrize(
    "fields",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"content-length: 5"),
        (b"Content-Length: 5, 5",),
        (b"Content-Length: 5,6",),
        (b"Content-Length:",),
        (b"Content-Length: +5",),
        (b"Content-Length: -5",),
        (b"Content-Length: 5.0",),
        (b"Content-Length: 1_0",),
        (b"Content-Length: 0x5",),
        (b"Content-Length: 5 5",),
        (b"Content-Length: 5;",),
        (b'Content-Length: "5"',),
        (b"Content-Length: \xb2",),
        (b"Content-Length: 5\xa0",),
        (b"Content-Length: \x855",),
        (b"Content-Length: \xef\xbc\x95",),
        (b"Content-Length: " + b"9" * 19,),
        (b"Content-Length: 18446744073709551621",),
    ],
)
def test_row_20_a_repeated_or_malformed_content_length_is_refused(
    fields: tuple[bytes, ...],
) -> None:
    assert refused(*fields, line=b"POST / HTTP/1.1") == "bad_framing"


@pytest.mark.parametrize(("digits", "length"), [(b"0", 0), (b"05", 5), (b"9" * 18, 10**18 - 1)])
def test_row_20_one_content_length_delimits(digits: bytes, length: int) -> None:
    assert request(b"Content-Length: " + digits).framing == Sized(length)


def test_row_22_chunked_twice_is_refused() -> None:
    assert refused(b"Transfer-Encoding: chunked, chunked") == "bad_framing"
    assert refused(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") == "bad_framing"
    assert refused(b"Transfer-Encoding: chunked, gzip, chunked") == "bad_framing"
    assert refused(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked") == "coding_unknown"


def test_row_32_the_limits_of_a_head_hold_without_a_reader_too() -> None:
    limits = HeadLimits(line_bytes=100, head_bytes=300, fields=3)

    def code(block: bytes) -> str:
        with pytest.raises(RequestError) as caught:
            parse_request_head(block, limits)
        return caught.value.reason.code

    field = b"X: %b\r\n"
    assert code(b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 90)) == "target_too_long"
    assert code(b"GET / HTTP/1.1\r\n%b\r\n" % (field % (b"y" * 90) * 3)) == "head_too_large"
    assert code(b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (field % b"y" * 3)) == "head_too_large"
    within = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n" % (field % (b"y" * 200) + field % b"")
    assert len(parse_request_head(within, limits).fields) == 2


def test_row_33_a_request_line_of_8000_bytes_is_read() -> None:
    assert len(request(line=b"GET /%b HTTP/1.1" % (b"x" * 8000)).target.path) == 8001


def test_row_34_values_are_byte_exact_and_in_order() -> None:
    lines = (b"Cookie: a=1", b"X: \xe4 ,;", b"cookie: b=2", b"Date: now", b"x: 2")

    assert request(*lines).fields == tuple(tuple(line.split(b": ")) for line in lines)


@pytest.mark.parametrize(
    ("line", "fields", "persistent"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"Connection: close",), False),
        (b"GET / HTTP/1.1", (b"Connection: x, CLOSE",), False),
        (b"GET / HTTP/1.1", (b"Connection: keep-alive", b"Connection: close"), False),
        (b"GET / HTTP/1.1", (b"Proxy-Connection: close",), True),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"Connection: Keep-Alive",), True),
        (b"GET / HTTP/1.0", (b"Connection: keep-alive, close",), False),
    ],
)
def test_row_29_a_connection_persists_as_the_client_says(
    line: bytes, fields: tuple[bytes, ...], persistent: object
) -> None:
    assert request(*fields, line=line).persistent is persistent


def test_row_27_the_expectation_of_100_is_seen_and_passed_on() -> None:
    head = request(b"Expect: 100-Continue", b"Content-Length: 5", line=b"PUT / HTTP/1.1")

    assert head.expects_continue
    assert head.fields == ((b"Expect", b"100-Continue"),)


@pytest.mark.parametrize(
    ("line", "field"),
    [(b"PUT / HTTP/1.0", b"Content-Length: 5"), (b"PUT / HTTP/1.1", b"Content-Length: 0")],
)
def test_row_27_no_expectation_without_a_body_or_in_http_1_0(line: bytes, field: bytes) -> None:
    head = request(b"Expect: 100-continue", field, line=line)

    assert not head.expects_continue
    assert head.fields == ()


@pytest.mark.parametrize(
    "fields",
    [
        (b"Expect: 200-ok",),
        (b"Expect:",),
        (b"Expect: 100-continue, x",),
        (b"Expect: 100-continue", b"Expect: 100-continue"),
        (b"Expect: y 100-continue",),
    ],
)
def test_row_27_other_expectations_are_refused(fields: tuple[bytes, ...]) -> None:
    assert refused(*fields, b"Content-Length: 5") == "expectation_unknown"


@given(before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_a_refusal_never_quotes_the_request(before: bytes, after: bytes) -> None:
    block = b"GET /sesame HTTP/1.1\r\nsesame: sesame\r\n%bsesame%b: sesame\r\n\r\n"

    with pytest.raises(RequestError) as caught:
        parse_request_head(block % (before, after), LIMITS)

    assert "sesame" not in str(caught.value)
    assert "sesame" not in caught.value.reason.text
