"""
What is refused, by the rows of the table of HTTP promises.

Every case is sent with a second request right behind it: one refusal must be all that comes
back, the connection must end, and the backend must never see a complete request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.wire.harness.backend import OK
from tests.wire.harness.client import Client
from tests.wire.harness.lanes import Lane, World
from tests.wire.harness.message import PATIENCE

HOST = b"Host: refused.test\r\n"
BEHIND = b"GET /behind HTTP/1.1\r\n" + HOST + b"\r\n"
SECRET = b"s3cr3t-marker"


def get(lines: bytes = b"", host: bytes = HOST) -> bytes:
    return b"GET /" + SECRET + b" HTTP/1.1\r\n" + host + lines + b"\r\n"


def post(lines: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\n" + HOST + lines + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


def first_line(line: bytes) -> bytes:
    return line + b"\r\n" + HOST + b"\r\n"


Case = tuple[str, bytes, set[int]]

BAD: set[int] = {400}

CASES: list[Case] = [
    ("06 absolute-form with another Host", first_line(b"GET http://a.test/ HTTP/1.1"), BAD),
    ("06 absolute-form, another port", first_line(b"GET http://refused.test:81/ HTTP/1.1"), BAD),
    ("06 absolute-form with userinfo", first_line(b"GET http://u@refused.test/ HTTP/1.1"), BAD),
    ("06 absolute-form without authority", first_line(b"GET http:/// HTTP/1.1"), BAD),
    ("06 absolute-form of a strange scheme", first_line(b"GET ftp://refused.test/ HTTP/1.1"), BAD),
    ("07 asterisk-form for GET", first_line(b"GET * HTTP/1.1"), BAD),
    ("07 authority-form for GET", first_line(b"GET refused.test:80 HTTP/1.1"), BAD),
    ("07 CONNECT", first_line(b"CONNECT refused.test:443 HTTP/1.1"), {405, 400}),
    ("07 CONNECT with origin-form", first_line(b"CONNECT / HTTP/1.1"), {405, 400}),
    ("05 TRACE", first_line(b"TRACE / HTTP/1.1"), {405}),
    ("08 no Host", get(host=b""), BAD),
    ("08 Host twice, the same", get(host=HOST + HOST), BAD),
    ("08 Host twice, different", get(host=HOST + b"host: a.test\r\n"), BAD),
    ("08 empty Host", get(host=b"Host: \r\n"), BAD),
    *[
        (f"08 Host {value!r}", get(host=b"Host: " + value + b"\r\n"), BAD)
        for value in (
            b"refused test",
            b"refused.test/",
            b"refused.test:65536",
            b"refused.test:",
            b"refused.test:80a",
            b"refused.test:-1",
            b"refused.test:80:80",
            b"u@refused.test",
            b"refused.test,a.test",
            b"refused.test?",
            b"refused.test#",
            b"refused.test\\",
            b"[::1",
            b"::1",
            b"[::1]x",
            b"refused.test:\xd9\xa1",
            b"ref\xc3\xbcsed.test",
            b"<refused.test>",
            b'"refused.test"',
            b"http://refused.test",
        )
    ],
    ("09 two spaces", first_line(b"GET  / HTTP/1.1"), BAD),
    ("09 two spaces behind the target", first_line(b"GET /  HTTP/1.1"), BAD),
    ("09 a tab", first_line(b"GET\t/ HTTP/1.1"), BAD),
    ("09 a leading space", first_line(b" GET / HTTP/1.1"), BAD),
    ("09 a trailing space", first_line(b"GET / HTTP/1.1 "), BAD),
    ("09 a space in the target", first_line(b"GET /a b HTTP/1.1"), BAD),
    ("09 no version", first_line(b"GET /"), BAD),
    ("09 no target", first_line(b"GET HTTP/1.1"), BAD),
    ("09 method is no token", first_line(b"G@T / HTTP/1.1"), BAD),
    ("09 method has a colon", first_line(b"GET: / HTTP/1.1"), BAD),
    ("09 empty method", first_line(b" / HTTP/1.1"), BAD),
    ("09 a fragment", first_line(b"GET /#x HTTP/1.1"), BAD),
    ("09 a byte over 0x7e", first_line(b"GET /\xe4 HTTP/1.1"), BAD),
    ("09 DEL in the target", first_line(b"GET /\x7f HTTP/1.1"), BAD),
    ("09 NUL in the target", first_line(b"GET /\x00 HTTP/1.1"), BAD),
    ("09 a target without slash", first_line(b"GET x HTTP/1.1"), BAD),
    ("09 a dot segment", first_line(b"GET /a/../b HTTP/1.1"), BAD),
    ("09 a dot segment at the end", first_line(b"GET /a/.. HTTP/1.1"), BAD),
    ("09 a single dot segment", first_line(b"GET /./a HTTP/1.1"), BAD),
    ("09 an encoded dot segment", first_line(b"GET /a/%2e%2E/b HTTP/1.1"), BAD),
    ("09 a half-encoded dot segment", first_line(b"GET /a/.%2e?x HTTP/1.1"), BAD),
    ("09 a TLS ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), BAD),
    ("10 HTTP/2.0", first_line(b"GET / HTTP/2.0"), {505}),
    ("10 HTTP/3.0", first_line(b"GET / HTTP/3.0"), {505}),
    ("10 the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505, 400}),
    ("10 HTTP/0.9", first_line(b"GET / HTTP/0.9"), {505, 400}),
    *[
        (f"10 version {value!r}", first_line(b"GET / " + value), {400, 505})
        for value in (
            b"HTTP/1.10",
            b"HTTP/01.1",
            b"HTTP/1.1.1",
            b"HTTP/+1.1",
            b"HTTP/1",
            b"http/1.1",
            b"HTTP /1.1",
            b"HTTP/1.\xb2",
            b"ICY/1.1",
        )
    ],
    ("11 space before the colon", get(b"X-A : b\r\n"), BAD),
    ("11 tab before the colon", get(b"X-A\t: b\r\n"), BAD),
    ("11 space before the colon of Host", get(host=b"Host : refused.test\r\n"), BAD),
    ("11 space before the colon of a length", post(b"Content-Length : 5\r\n", b"hello"), BAD),
    ("11 space before the colon of a coding", post(b"Transfer-Encoding : chunked\r\n"), BAD),
    ("11 empty name", get(b": b\r\n"), BAD),
    ("11 no colon", get(b"X-A\r\n"), BAD),
    ("11 a name with a space", get(b"X A: b\r\n"), BAD),
    ("11 a name with a letter over 0x7f", get(b"X-\xe4: b\r\n"), BAD),
    ("11 a name with a parenthesis", get(b"X(A): b\r\n"), BAD),
    ("12 obs-fold by a space", get(b"X-A: b\r\n c\r\n"), BAD),
    ("12 obs-fold by a tab", get(b"X-A: b\r\n\tc\r\n"), BAD),
    ("12 obs-fold of Host", get(host=b"Host: refused.test\r\n .a\r\n"), BAD),
    ("12 obs-fold of a coding", post(b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n"), BAD),
    ("12 obs-fold of nothing", get(b"X-A: b\r\n \r\n"), BAD),
    ("13 white space before the first field", b"GET / HTTP/1.1\r\n " + HOST + b"\r\n", BAD),
    ("13 a blank line of white space", b"GET / HTTP/1.1\r\n \r\n" + HOST + b"\r\n", BAD),
    ("14 bare CR in a value", get(b"X-A: b\rX-B: c\r\n"), BAD),
    ("14 bare CR at the end of a value", get(b"X-A: b\r\r\n"), BAD),
    ("14 bare CR in the request line", first_line(b"GET /\rx HTTP/1.1"), BAD),
    ("14 bare CR as a line end", b"GET / HTTP/1.1\r" + HOST + b"\r\n", BAD),
    ("14 bare LF ends the request line", b"GET / HTTP/1.1\n" + HOST + b"\r\n", BAD),
    ("14 bare LF ends a field line", get(b"X-A: b\nX-B: c\r\n"), BAD),
    ("14 bare LF ends all lines", b"GET / HTTP/1.1\nHost: refused.test\n\n", BAD),
    ("14 bare LF ends the head", b"GET / HTTP/1.1\r\n" + HOST + b"\n", BAD),
    ("14 LF CR", b"GET / HTTP/1.1\n\rHost: refused.test\n\r\n\r", BAD),
    ("14 bare CR before the request line", b"\r" + get(), BAD),
    *[
        (f"15 control {code:#04x} in a value", get(b"X-A: b%cc\r\n" % code), BAD)
        for code in (0, 1, 7, 8, 11, 12, 14, 27, 31, 127)
    ],
    ("15 NUL in a name", get(b"X-\x00A: b\r\n"), BAD),
    ("15 NUL before Host", get(host=b"\x00Host: refused.test\r\n"), BAD),
    ("16 three empty lines", b"\r\n" * 3 + get(), BAD),
    ("16 a bare LF as empty line", b"\n" + get(), BAD),
    (
        "17 coding and length (TE.CL)",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
        BAD,
    ),
    (
        "17 length and coding (CL.TE)",
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        BAD,
    ),
    (
        "17 length nought and coding",
        post(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        BAD,
    ),
    (
        "17 coding and length on GET",
        get(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + b"0\r\n\r\n",
        BAD,
    ),
    *[
        (
            f"18 coding {value!r}",
            post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"),
            {400, 501},
        )
        for value in (
            b"identity",
            b"gzip",
            b"gzip, chunked",
            b"chunked, gzip",
            b"chunked, chunked",
            b"chunked, identity",
            b"identity, chunked",
            b"xchunked",
            b"chunkedx",
            b"chunke",
            b"chunked;q=1",
            b'"chunked"',
            b"chunked,",
            b", chunked",
            b"",
            b"chun ked",
            b"chunked\xa0",
            b"\xc4\xb8hunked",
            b"chun\xe2\x84\xaaed",
        )
    ],
    (
        "18 coding twice (TE.TE)",
        post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        {400, 501},
    ),
    (
        "18 coding twice, one unknown (TE.TE)",
        post(b"Transfer-Encoding: x\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"),
        {400, 501},
    ),
    (
        "19 coding in HTTP/1.0",
        b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        BAD,
    ),
    (
        "20 lengths that differ",
        post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!"),
        BAD,
    ),
    ("20 lengths alike", post(b"Content-Length: 5\r\ncontent-length: 5\r\n", b"hello"), BAD),
    *[
        (f"20 length {value!r}", post(b"Content-Length: " + value + b"\r\n", b"hello"), BAD)
        for value in (
            b"5, 5",
            b"5,6",
            b"+5",
            b"-5",
            b"-0",
            b"0x5",
            b"5 5",
            b"5a",
            b"5.0",
            b"5;",
            b"0_5",
            b"",
            b"\xa05",
            b"\xd9\xa5",
            b"5\x0b",
            b"99999999999999999999999999",
            b"18446744073709551621",
        )
    ],
    (
        "21 chunk extensions over 4 KiB",
        chunked(b"".join(b"1;%s\r\nx\r\n" % (b"a" * 60) for _ in range(80)) + b"0\r\n\r\n"),
        BAD,
    ),
    (
        "21 one chunk extension over 4 KiB",
        chunked(b"1;" + b"a" * 5000 + b"\r\nx\r\n0\r\n\r\n"),
        BAD,
    ),
    ("21 bare LF in an extension", chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"), BAD),
    ("21 bare CR in an extension", chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"), BAD),
    ("21 NUL in an extension", chunked(b"5;a\x00\r\nhello\r\n0\r\n\r\n"), BAD),
    ("21 junk behind the size", chunked(b"5 a\r\nhello\r\n0\r\n\r\n"), BAD),
    *[
        (f"22 chunk size {value!r}", chunked(value + b"\r\nhello\r\n0\r\n\r\n"), BAD)
        for value in (
            b"00000000000000005",
            b"10000000000000005",
            b"0x5",
            b"+5",
            b"-5",
            b"5_",
            b" 5",
            b"\t5",
            b"g",
            b"",
            b";a",
            b"5\n",
            b"\xd9\xa5",
            b"5h",
        )
    ],
    ("22 size line ended by bare LF", chunked(b"5\nhello\r\n0\r\n\r\n"), BAD),
    ("22 chunk longer than its size", chunked(b"5\r\nhelloX\r\n0\r\n\r\n"), BAD),
    ("22 chunk ended by bare LF", chunked(b"5\r\nhello\n0\r\n\r\n"), BAD),
    ("22 chunk ended by bare CR", chunked(b"5\r\nhello\rX0\r\n\r\n"), BAD),
    ("22 chunk without its end", chunked(b"5\r\nhello0\r\n\r\n"), BAD),
    ("22 last chunk ended by bare LF", chunked(b"0\n\n"), BAD),
    ("23 trailer with a space before its colon", chunked(b"0\r\nA : b\r\n\r\n"), BAD),
    ("23 folded trailer", chunked(b"0\r\nA: b\r\n c\r\n\r\n"), BAD),
    ("23 trailer without colon", chunked(b"0\r\nA\r\n\r\n"), BAD),
    ("23 trailer ended by bare LF", chunked(b"0\r\nA: b\n\r\n"), BAD),
    ("23 NUL in a trailer", chunked(b"0\r\nA: b\x00\r\n\r\n"), BAD),
    ("23 trailers without end", chunked(b"0\r\n" + b"A: b\r\n" * 20000), {400, 431}),
    ("27 an unknown expectation", get(b"Expect: 200-maybe\r\n"), {417, 400}),
    ("32 a line over 16 KiB", first_line(b"GET /" + b"a" * 16400 + b" HTTP/1.1"), {414}),
    ("32 a line without end", b"GET /" + b"a" * 70000, {414}),
    ("32 a method without end", b"G" * 70000, {400, 414, 501}),
    ("32 a head over 32 KiB", get(b"X-A: " + b"a" * 33000 + b"\r\n"), {431}),
    ("32 a head over 32 KiB in lines", get(b"X-A: %s\r\n" % (b"a" * 1000) * 33), {431}),
    ("32 a field without end", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 70000, {431}),
    ("32 129 fields", get(b"".join(b"X-%d: a\r\n" % n for n in range(128))), {431}),
]


@pytest.fixture
def refused(world: World) -> Iterator[Lane]:
    lane = world.by_name("refused.test")
    lane.backend.answer(OK)
    yield lane
    assert all(b"/behind" not in bytes(each.received) for each in lane.backend.connections)
    assert lane.backend.requests == []


@pytest.mark.parametrize(("data", "statuses"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
@pytest.mark.usefixtures("refused")
def test_row(client: Client, data: bytes, statuses: set[int]) -> None:
    client.send(data + BEHIND)

    response = client.response()

    assert response.status in statuses
    assert response.get(b"Connection") == b"close"
    assert SECRET not in response.head + response.body
    assert b"refused" not in response.head + response.body
    assert client.ending() == "fin"


@pytest.mark.usefixtures("refused")
def test_refusals_do_not_depend_on_how_the_bytes_arrive(dial: Callable[[], Client]) -> None:
    short = [case for case in CASES if len(case[1]) < 200][::3]
    clients = [dial() for _ in short]
    for client, (_, data, _) in zip(clients, short, strict=True):
        client.send_chopped(data[n : n + 1] for n in range(len(data)))
        client.send_aside(BEHIND)
    for client, (name, _, statuses) in zip(clients, short, strict=True):
        assert client.response().status in statuses, name
        client.rest()


def test_a_refusal_is_read_even_when_much_of_the_body_is_still_on_its_way(
    client: Client, world: World
) -> None:
    """RFC 9112 section 9.6: a close with unread bytes must not take the answer away."""
    host = world.by_name("refused.test").host
    writing = client.send_aside(
        b"POST / HTTP/1.1\r\nHost: %s\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n%s"
        % (host, bytes(3000000))
    )
    writing.join(PATIENCE)

    assert client.response().status == 400
