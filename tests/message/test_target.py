"""Rows 6, 7 and 9: the request target in its forms; nothing is decoded, dots are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.message.target import Target, TargetError, parse_target


@pytest.mark.parametrize(
    ("raw", "path", "query"),
    [
        (b"/", b"/", None),
        (b"/a/b", b"/a/b", None),
        (b"/?", b"/", b""),
        (b"/a?b?c=/../", b"/a", b"b?c=/../"),
        (b"//a//b", b"//a//b", None),
        (b"/a%2Fb%2f", b"/a%2Fb%2f", None),
        (b"/a%", b"/a%", None),
        (b"/%zz", b"/%zz", None),
        (b"/a;b=c,d/(e)'!$&*+@:|\\^`{}<>\"~", b"/a;b=c,d/(e)'!$&*+@:|\\^`{}<>\"~", None),
        (b"/.a/..b/c../.../%2e%2e%2e/", b"/.a/..b/c../.../%2e%2e%2e/", None),
        (b"/.well-known/acme-challenge/x", b"/.well-known/acme-challenge/x", None),
        (b"/a%2F..%2Fb", b"/a%2F..%2Fb", None),
    ],
)
def test_row_9_an_origin_form_is_kept_as_sent(
    raw: bytes, path: bytes, query: bytes | None
) -> None:
    target, origin = parse_target(b"GET", raw)

    assert (target, origin) == (Target(path, query), None)
    assert target.wire == raw


@pytest.mark.parametrize(
    ("raw", "wire", "scheme", "host", "port"),
    [
        (b"http://a.example/x?y", b"/x?y", b"http", b"a.example", None),
        (b"HTTPS://A.Example:8443/", b"/", b"https", b"a.example", 8443),
        (b"http://a", b"/", b"http", b"a", None),
        (b"http://a?x", b"/?x", b"http", b"a", None),
        (b"http://[::1]:80/x", b"/x", b"http", b"[::1]", 80),
        (b"http://a//b", b"//b", b"http", b"a", None),
    ],
)
def test_row_6_an_absolute_form_gives_origin_form_and_origin(
    raw: bytes, wire: bytes, scheme: bytes, host: bytes, port: int | None
) -> None:
    target, origin = parse_target(b"GET", raw)

    assert target.wire == wire
    assert origin is not None
    assert origin.scheme == scheme
    assert (origin.authority.host, origin.authority.port) == (host, port)


def test_row_7_asterisk_form_is_for_options() -> None:
    assert parse_target(b"OPTIONS", b"*") == (Target(b"*", None), None)


def test_row_7_options_of_an_absolute_uri_without_path_is_asterisk_form() -> None:
    target, origin = parse_target(b"OPTIONS", b"http://a.example")

    assert target == Target(b"*", None)
    assert origin is not None
    assert origin.authority.host == b"a.example"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"*",
        b"**",
        b"a",
        b"a/b",
        b"a:80",
        b"a.example:443",
        b"?x",
        b"/a b",
        b"/a\tb",
        b"/a#b",
        b"/#",
        b"#",
        b"/\x7f",
        b"/\0",
        b"/\x80",
        b"/\xc3\xbc",
        b"/a\r\nb",
        b"/a\n",
        b"http:",
        b"http:/a",
        b"http://",
        b"http:///x",
        b"http://?x",
        b"http://:80/",
        b"http://u@a/",
        b"http://u:p@a/",
        b"http://a:99999/",
        b"http://a b/",
        b"http://a/..",
        b"http://a/x/../y",
        b"ftp://a/",
        b"httpx://a/",
        b"ws://a/",
        b"file:///etc",
    ],
)
def test_rows_7_and_9_what_is_no_target_is_refused_without_quoting_it(raw: bytes) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(b"GET", raw)

    assert len(raw) < 6 or raw.decode("latin-1") not in str(caught.value)


_dots = st.sampled_from(
    [b".", b"..", b"%2e", b"%2E", b".%2e", b"%2E.", b"%2e%2E", b"..;x=y", b"%2e%2e;", b".;"]
)
_segment = st.sampled_from([b"", b"a", b"%2f", b"..a", b"a..", b"...", b"%2e%2e%2e", b";", b"%2"])


@given(before=st.lists(_segment), dots=_dots, after=st.lists(_segment))
def test_a_dot_segment_is_refused_wherever_it_stands_and_however_it_is_spelt(
    before: list[bytes], dots: bytes, after: list[bytes]
) -> None:
    path = b"/" + b"/".join([*before, dots, *after])

    for raw in (path, path + b"?q", b"http://a.example" + path):
        with pytest.raises(TargetError):
            parse_target(b"GET", raw)


@given(segments=st.lists(_segment), query=st.none() | st.sampled_from([b"", b"..", b"a=/./"]))
def test_other_segments_pass_untouched_and_queries_always(
    segments: list[bytes], query: bytes | None
) -> None:
    raw = b"/" + b"/".join(segments) + (b"" if query is None else b"?" + query)

    assert parse_target(b"GET", raw)[0].wire == raw
