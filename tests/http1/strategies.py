"""Messages good and bad: bytes for the laws."""

from __future__ import annotations

from hypothesis import strategies as st

TCHAR = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Bytes on which parsers disagree.
NASTY = [
    *(bytes([byte]) for byte in b'\r\n\t \0\x0b\x0c\x1f\x7f\x80\x85\xa0\xff:;,"=#%?/.*+-_0aAfx'),
    b"\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b" \r\n",
]

token = st.lists(st.sampled_from(TCHAR), min_size=1, max_size=12).map(bytes)
visible = st.sampled_from(bytes([*range(0x21, 0x7F), *range(0x80, 0x100)]))
value = st.lists(st.lists(visible, min_size=1, max_size=8).map(bytes), min_size=0, max_size=3).map(
    b" ".join
)
field = st.tuples(token, value)

_special_fields = st.sampled_from(
    [
        (b"Connection", b"close"),
        (b"Connection", b"keep-alive"),
        (b"Connection", b"Upgrade"),
        (b"connection", b"x-dropped, Host, Cookie"),
        (b"Connection", b"a b"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Proxy-Connection", b"close"),
        (b"TE", b"trailers"),
        (b"Trailer", b"X-T"),
        (b"Upgrade", b"websocket"),
        (b"Upgrade", b"h2c"),
        (b"Expect", b"100-continue"),
        (b"Expect", b"200-ok"),
        (b"X-Dropped", b"1"),
        (b"X-Forwarded-For", b"1.2.3.4"),
        (b"X_Forwarded_For", b"1.2.3.4"),
        (b"Forwarded", b"for=1.2.3.4"),
        (b"X-Real-IP", b"1.2.3.4"),
        (b"Cookie", b"a=b"),
        (b"Set-Cookie", b"a=b; Path=/"),
        (b"Set-Cookie", b"c=d"),
    ]
)
_framing_fields = st.sampled_from(
    [
        (b"Content-Length", b"0"),
        (b"Content-Length", b"5"),
        (b"content-length", b"05"),
        (b"Content-Length", b"+5"),
        (b"Content-Length", b"5, 5"),
        (b"Content-Length", b"4999"),
        (b"Content-Length", b"1" * 19),
        (b"Transfer-Encoding", b"chunked"),
        (b"transfer-encoding", b"Chunked"),
        (b"Transfer-Encoding", b"gzip, chunked"),
        (b"Transfer-Encoding", b"chunked, gzip"),
        (b"Transfer-Encoding", b"identity"),
        (b"Transfer_Encoding", b"chunked"),
    ]
)
_host = st.sampled_from(
    [b"a.example", b"A.Example.:80", b"127.0.0.1:8000", b"[::1]:80", b"a b", b"", b"a:99999"]
)
_good_host = st.sampled_from([b"a.example", b"A.Example.:80", b"127.0.0.1:8000", b"[::1]:80"])

chunked_body = st.lists(
    st.tuples(st.binary(max_size=20), st.sampled_from([b"", b";a", b";a=b", b';a="q\\"x"'])),
    max_size=4,
).map(
    lambda chunks: (
        b"".join(b"%x%b\r\n%b\r\n" % (len(data), ext, data) for data, ext in chunks if data)
        + b"0\r\n"
    )
)
_body = st.one_of(
    st.just(b""),
    st.just(b"hello"),
    chunked_body.map(lambda body: body + b"\r\n"),
    chunked_body.map(lambda body: body + b"X-T: 1\r\nContent-Length: 9\r\n\r\n"),
)
method = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"DELETE", b"X-OTHER"])
target = st.sampled_from(
    [b"/", b"/a/b?c=d", b"/%2e/a", b"*", b"http://a.example/x", b"/a%2Fb//c?", b"/..a/b..", b"a"]
)
_version = st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"])


def _lines(fields: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"%b: %b\r\n" % pair for pair in fields)


@st.composite
def request(draw: st.DrawFn) -> bytes:
    """A request of well-formed parts that may or may not go together."""
    fields = draw(st.lists(st.one_of(field, _special_fields), max_size=4))
    fields += draw(st.lists(_framing_fields, max_size=draw(st.sampled_from([0, 1, 1, 2]))))
    if draw(st.integers(0, 9)):
        fields.append((b"Host", draw(st.one_of(_good_host, _good_host, _host))))
    fields = draw(st.permutations(fields))
    line = b"%b %b %b\r\n" % (draw(method), draw(target), draw(_version))
    blank = draw(st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"]))
    return blank + line + _lines(fields) + b"\r\n" + draw(_body)


@st.composite
def response(draw: st.DrawFn) -> bytes:
    """A response of well-formed parts that may or may not go together."""
    fields = draw(st.lists(st.one_of(field, _special_fields), max_size=4))
    fields += draw(st.lists(_framing_fields, max_size=draw(st.sampled_from([0, 1, 1, 2]))))
    status = draw(
        st.sampled_from([b"200", b"100", b"103", b"101", b"204", b"304", b"404", b"600"])
    )
    line = b"%b %b%b\r\n" % (
        draw(_version),
        status,
        draw(st.sampled_from([b"", b" ", b" OK", b" Not Found", b" \x80"])),
    )
    return line + _lines(draw(st.permutations(fields))) + b"\r\n" + draw(_body)


@st.composite
def damaged(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """Some messages in a row, with up to three places overwritten, cut out or filled in."""
    data = b"".join(draw(st.lists(messages, min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(data)))
        removed = draw(st.integers(0, 2))
        data = data[:place] + draw(st.sampled_from(NASTY)) + data[place + removed :]
    return data


places = st.lists(st.integers(0, 600), max_size=5)
