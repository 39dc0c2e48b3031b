"""Row 8 of the promises: a Host that is not a host is refused, and equal hosts compare equal."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.message.authority import AuthorityError, Origin, parse_authority


@pytest.mark.parametrize(
    ("raw", "host", "port"),
    [
        (b"example.com", b"example.com", None),
        (b"EXAMPLE.com:8080", b"example.com", 8080),
        (b"example.com.", b"example.com", None),
        (b"example.com.:443", b"example.com", 443),
        (b"a", b"a", None),
        (b"my_service", b"my_service", None),
        (b"xn--bcher-kva.example:0", b"xn--bcher-kva.example", 0),
        (b"127.0.0.1:65535", b"127.0.0.1", 65535),
        (b"1.2.3.4.", b"1.2.3.4", None),
        (b"1e1.example", b"1e1.example", None),
        (b"[::1]", b"[::1]", None),
        (b"[2001:DB8:0:0:0:0:0:1]:00080", b"[2001:db8::1]", 80),
        (b"[::ffff:1.2.3.4]", b"[::ffff:102:304]", None),
        (b"a" * 63 + b".b", b"a" * 63 + b".b", None),
        (b".".join([b"a" * 49] * 5) + b".abc", b".".join([b"a" * 49] * 5) + b".abc", None),
    ],
)
def test_row_8_a_valid_host_is_taken_apart(raw: bytes, host: bytes, port: int | None) -> None:
    authority = parse_authority(raw)

    assert (authority.host, authority.port, authority.wire) == (host, port, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b".",
        b":80",
        b"a:",
        b"a:b",
        b"a:+80",
        b"a:-1",
        b"a: 80",
        b"a:8 0",
        b"a:65536",
        b"a:99999",
        b"a:000080",
        b"a:80:80",
        b"a:\xb2",
        b"a b",
        b" a",
        b"a\t",
        b"a,b",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"user@a",
        b"user:pass@a:80",
        b"http://a",
        b"a..b",
        b".a",
        b"a..",
        b"-a.b",
        b"a-.b",
        b"a" * 64,
        b".".join([b"a" * 49] * 5) + b".abcd",
        b"a" * 300,
        b"*.example.com",
        b"a%41",
        b"a!b",
        b"b\xc3\xbccher.example",
        b"\xe2\x84\xaa.example",  # U+212A, which lower-cases to k
        b"a\0b",
        b"a\r\nb",
        b"a\n",
        b"256.1.1.1",
        b"1.2.3",
        b"1.2.3.4.5",
        b"01.2.3.4",
        b"127.1",
        b"2130706433",
        b"0x7f.1",
        b"a.0x7f",
        b"a.1",
        b"::1",
        b"[::1",
        b"::1]",
        b"[]",
        b"[:::1]",
        b"[::1]80",
        b"[::1]:",
        b"[::1%25eth0]",
        b"[::1%eth0]",
        b"[v1.a:b]",
        b"[1.2.3.4]",
        b"[::g]",
        b"[1:2:3:4:5:6:7:8:9]",
        b"[::1].",
        b"[[::1]]",
    ],
)
def test_row_8_what_is_no_host_is_refused_without_quoting_it(raw: bytes) -> None:
    with pytest.raises(AuthorityError) as caught:
        parse_authority(raw)

    assert len(raw) < 4 or raw.decode("latin-1") not in str(caught.value)


_label = st.from_regex(rb"[a-zA-Z_]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9_])?", fullmatch=True)
_name = st.lists(_label, min_size=1, max_size=4).map(b".".join)


@given(name=_name, port=st.none() | st.integers(0, 65535), dot=st.sampled_from([b"", b"."]))
def test_letter_case_and_a_trailing_dot_make_no_other_host(
    name: bytes, port: int | None, dot: bytes
) -> None:
    tail = b"" if port is None else b":%d" % port

    authority = parse_authority(name.swapcase() + dot + tail)

    assert (authority.host, authority.port) == (name.lower(), port)


_spelt = st.sampled_from([b"a", b"A", b"a.", b"b", b"[::1]", b"[0:0::1]"])
_ports = st.sampled_from([b"", b":80", b":443", b":0", b":8080"])


def _server(scheme: str, authority: bytes) -> tuple[str, int]:
    """Ask the standard library which server a URI means, the port of its scheme put in."""
    parts = urlsplit(f"{scheme}://{authority.decode('ascii')}/")
    host = str(parts.hostname).rstrip(".").replace("0:0::1", "::1")
    default = {"http": 80, "https": 443}[scheme]
    return host, default if parts.port is None else parts.port


@given(
    scheme=st.sampled_from(["http", "https"]),
    own=st.tuples(_spelt, _ports).map(b"".join),
    host=st.tuples(_spelt, _ports).map(b"".join),
)
def test_row_6_an_origin_is_of_the_host_that_means_the_same_server(
    scheme: str, own: bytes, host: bytes
) -> None:
    origin = Origin(scheme.encode("ascii"), parse_authority(own))

    is_same = _server(scheme, own) == _server(scheme, host)
    assert origin.is_of(parse_authority(host)) is is_same


@given(raw=st.binary(max_size=30))
def test_any_bytes_give_an_authority_or_the_error_it_names(raw: bytes) -> None:
    try:
        authority = parse_authority(raw)
    except AuthorityError:
        return
    again = parse_authority(authority.host)
    assert (again.host, again.port) == (authority.host, None)
    assert authority.host == authority.host.lower()
