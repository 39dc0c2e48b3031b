"""Forwarded (RFC 7239): parsed by the letter, believed from the right, passed on with our hop."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.proxy.client import Claims, claims_of, claims_of_trusted, make_peer
from fsm_twisted.proxy.forwarded import Hop, hop_element, node_address, parse_forwarded
from fsm_twisted.proxy.trusted_proxies import TrustedProxies
from tests.proxy.heads import request

TRUSTED = TrustedProxies((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
ADDRESSES = st.ip_addresses().map(str)
BYTES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=60).map(
    lambda text: text.encode("latin-1")
)
PIECES = st.lists(
    st.sampled_from(
        [b"for=", b"1.2.3.4", b",", b" ", b";", b'"', b"\\", b"[::1]", b"proto=http", b"_x", b"="]
    ),
    max_size=15,
).map(b"".join)


def believed(*claims: tuple[bytes, bytes], host: str = "10.0.0.1") -> Claims:
    peer = make_peer(host, 8000, is_secure=False, trusted=TRUSTED)
    return claims_of_trusted(peer, claims, b"a.example", b"id", TRUSTED)


def told(claims: Claims) -> dict[str, str]:
    lines = claims.fields.decode("latin-1").removesuffix("\r\n").split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


def forwarded(*values: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((b"Forwarded", value) for value in values)


# The grammar


@pytest.mark.parametrize(
    ("element", "address", "proto", "host"),
    [
        # The examples of RFC 7239, sections 4, 6.3, 7.1 and 7.4.
        (b'for="_gazonk"', None, b"", b""),
        (b'For="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17", b"", b""),
        (b"for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", b"http", b""),
        (b"for=_hidden", None, b"", b""),
        (b"for=unknown", None, b"", b""),
        (b'for="[2001:db8:cafe::17]"', "2001:db8:cafe::17", b"", b""),
        (b'for="192.0.2.43:47011"', "192.0.2.43", b"", b""),
        (b'for="_SEVKISEK:_p1"', None, b"", b""),
        (b'for="192.0.2.43:_x-1"', "192.0.2.43", b"", b""),
        # Others.
        (b"FOR=1.2.3.4;PROTO=HTTPS;HOST=a.example", "1.2.3.4", b"https", b"a.example"),
        (b'host="a.example:8443"', None, b"", b"a.example:8443"),
        (b';;for=1.2.3.4;;secret="a, b; c=\\"d\\"";', "1.2.3.4", b"", b""),
        (b'for="1\\.2.3.4"', "1.2.3.4", b"", b""),
        (b'for="[::ffff:1.2.3.4]"', "1.2.3.4", b"", b""),
        (b"for=Unknown", None, b"", b""),
    ],
)
def test_a_well_formed_element_says(
    element: bytes, address: str | None, proto: bytes, host: bytes
) -> None:
    expected = None if address is None else ip_address(address)

    assert parse_forwarded([element]) == (Hop(expected, proto, host, element),)


@pytest.mark.parametrize(
    "element",
    [
        b"for",
        b"for=",
        b"=1.2.3.4",
        b"for =1.2.3.4",
        b"for= 1.2.3.4",
        b"for=1.2.3.4; proto=http",
        b"for=1.2.3.4:80",
        b"for=[::1]",
        b"for=::1",
        b'for="::1"',
        b'for="[1.2.3.4]"',
        b'for="[::1"',
        b'for="[::1%eth0]"',
        b'for="1.2.3.4:999999"',
        b'for="1.2.3.4:"',
        b"for=1.2.3.04",
        b"for=a.example",
        b"for=_",
        b"for=1.2.3.4;for=1.2.3.4",
        b"for=1.2.3.4;FOR=1.2.3.5",
        b'for="1.2.3.4',
        b'for=1.2.3.4"',
        b'for="1.2.3.4"x',
        b'for="1.2.3.4\\"',
        b"for='1.2.3.4'",
        b'proto="ht tp"',
        b'host="<script>"',
        b'host="a\\\r\\\nb"',
    ],
)
def test_a_malformed_element_says_nothing_and_ends_what_is_read(element: bytes) -> None:
    assert parse_forwarded([element]) == ()
    after = parse_forwarded([b"for=6.6.6.6", element, b"for=1.2.3.4"])
    assert [str(hop.address) for hop in after] == ["1.2.3.4"]


@given(
    garbage=st.one_of(BYTES, PIECES),
    appended=st.sampled_from([b"for=192.0.2.1", b'for="192.0.2.1:80"', b'by="_";for="192.0.2.1"']),
)
def test_what_a_client_puts_in_front_cannot_hide_the_hop_that_is_appended(
    garbage: bytes, appended: bytes
) -> None:
    for values in ([garbage, appended], [garbage + b", " + appended]):
        hops = parse_forwarded(values)

        assert hops[-1:] == (Hop(ip_address("192.0.2.1"), b"", b"", appended),)


@given(
    elements=st.lists(
        st.tuples(ADDRESSES, st.sampled_from([b"http", b"https"]), st.sampled_from([b"", b"a:8"])),
        max_size=4,
    ),
    apart=st.booleans(),
)
def test_what_we_write_we_read_back(
    elements: list[tuple[str, bytes, bytes]],
    apart: bool,  # noqa: FBT001  drawn
) -> None:
    wires = [hop_element(address.encode(), proto, host) for address, proto, host in elements]
    hops = parse_forwarded(wires if apart else [b" , ".join(wires)])

    assert [hop.wire for hop in hops] == wires
    assert [(hop.proto, hop.host) for hop in hops] == [each[1:] for each in elements]
    for hop, (address, _, _) in zip(hops, elements, strict=True):
        written = ip_address(address)
        assert hop.address == (getattr(written, "ipv4_mapped", None) or written)


def test_a_long_field_takes_no_more_than_linear_time() -> None:
    """Each would take minutes if its cost were the square of its length."""
    for value in (b'"' * 32000, b',"' * 16000, b'for="' + b"\\a" * 16000, b"a=b;" * 8000 + b"!"):
        assert parse_forwarded([value, b"for=1.2.3.4"])[-1].wire == b"for=1.2.3.4"


@pytest.mark.parametrize("node", [b"", b"a", b"1.2.3", b"256.1.1.1", b"[", b"[]", b"[::1]:x"])
def test_what_is_no_node_has_no_address(node: bytes) -> None:
    assert node_address(node) is None


@pytest.mark.parametrize(
    ("said", "is_a_port"),
    [
        *((port, True) for port in (b"1", b"9999", b"60000", b"65535")),
        *((other, False) for other in (b"", b"0", b"080", b"65536", b"99999")),
    ],
)
def test_a_claimed_port_is_one(said: bytes, is_a_port: bool) -> None:  # noqa: FBT001  a column
    port = told(believed((b"X-Forwarded-Port", said)))["X-Forwarded-Port"]

    assert port == (said.decode() if is_a_port else "8000")


# Whom to believe


def test_of_a_trusted_proxy_forwarded_is_believed() -> None:
    claims = believed(*forwarded(b"for=192.0.2.60;proto=https;host=shop.example"))

    assert (claims.address, claims.is_secure) == (b"192.0.2.60", True)
    fields = told(claims)
    assert fields["X-Forwarded-For"] == "192.0.2.60, 10.0.0.1"
    assert fields["X-Real-IP"] == "192.0.2.60"
    assert fields["X-Forwarded-Proto"] == "https"
    assert fields["X-Forwarded-Host"] == "shop.example"


def test_our_hop_is_appended_to_what_is_believed() -> None:
    fields = told(believed(*forwarded(b"for=6.6.6.6, garbage", b'for="[2001:db8::1]";by=_us')))

    assert fields["Forwarded"] == (
        'for="[2001:db8::1]";by=_us, for=10.0.0.1;proto=http;host="a.example"'
    )


def test_what_a_malformed_forwarded_says_is_not_passed_on() -> None:
    claims = believed(*forwarded(b"for=192.0.2.60, for="))

    assert "Forwarded" not in told(claims)
    assert claims.address == b"10.0.0.1"


@given(value=st.one_of(BYTES, PIECES))
def test_of_a_stranger_nothing_of_forwarded_remains(value: bytes) -> None:
    peer = make_peer("192.0.2.1", 8000, is_secure=False, trusted=TRUSTED)
    with_it = request(claims=forwarded(value))

    without = claims_of(peer, request(), b"id", TRUSTED)
    assert claims_of(peer, with_it, b"id", TRUSTED) == without


@pytest.mark.parametrize(
    "claim",
    [
        (b"X-Forwarded-For", b"198.51.100.1"),
        (b"X-Forwarded-Proto", b"http"),
        (b"X-Forwarded-Host", b"b.example"),
        (b"X-Forwarded-Port", b"80"),
    ],
)
def test_where_x_forwarded_is_forwarded_is_not_consulted(claim: tuple[bytes, bytes]) -> None:
    hops = forwarded(b"for=192.0.2.60;proto=https;host=shop.example")
    both, alone = told(believed(*hops, claim)), told(believed(claim))

    assert both.pop("Forwarded").startswith("for=192.0.2.60;")
    assert both == alone


@given(
    forged=st.lists(ADDRESSES, max_size=3),
    client=st.ip_addresses(v=4, network="192.0.2.0/24").map(str),
    proxies=st.lists(st.ip_addresses(v=4, network="10.0.0.0/8").map(str), max_size=3),
)
def test_the_client_is_the_right_most_hop_that_is_no_trusted_proxy(
    forged: list[str], client: str, proxies: list[str]
) -> None:
    element = [hop_element(each.encode(), b"http", b"") for each in (*forged, client, *proxies)]

    assert believed(*forwarded(*element)).address == client.encode()


def test_proto_and_host_are_those_that_the_outermost_trusted_proxy_saw() -> None:
    forged = b"for=6.6.6.6;proto=http;host=lie.example"
    edge = b"for=192.0.2.60;proto=https;host=shop.example"
    inner = b"for=10.0.0.7;proto=http;host=inner.example"
    fields = told(believed(*forwarded(forged, edge, inner)))

    assert fields["X-Forwarded-Proto"] == "https"
    assert fields["X-Forwarded-Host"] == "shop.example"


def test_what_the_outermost_proxy_does_not_say_the_next_one_does_and_no_stranger() -> None:
    forged = b"for=6.6.6.6;proto=https;host=lie.example"
    fields = told(believed(*forwarded(forged, b"for=192.0.2.60", b"for=10.0.0.7;host=in.example")))

    assert fields["X-Forwarded-Proto"] == "http"
    assert fields["X-Forwarded-Host"] == "in.example"


@pytest.mark.parametrize("nameless", [b"for=unknown", b"for=_hidden", b"by=_us"])
def test_a_client_that_is_hidden_has_the_address_of_the_proxy_that_hides_it(
    nameless: bytes,
) -> None:
    element = nameless + b";proto=https"
    alone = believed(*forwarded(b"for=6.6.6.6", element))
    behind = believed(*forwarded(b"for=6.6.6.6", element, b"for=10.0.0.7"))

    assert (alone.address, alone.is_secure) == (b"10.0.0.1", True)
    assert (behind.address, behind.is_secure) == (b"10.0.0.7", True)
    assert "6.6.6.6" not in told(behind)["X-Forwarded-For"]


def test_x_real_ip_is_believed_where_nothing_else_names_the_client() -> None:
    real = (b"X-Real-IP", b"192.0.2.60")

    assert believed(real).address == b"192.0.2.60"
    assert believed(real, (b"X-Forwarded-For", b"198.51.100.1")).address == b"198.51.100.1"
    assert believed(real, (b"X-Forwarded-For", b"unknown")).address == b"10.0.0.1"
    assert believed(real, *forwarded(b"for=198.51.100.1")).address == b"198.51.100.1"
    assert believed((b"X-Real-IP", b"nobody")).address == b"10.0.0.1"


@pytest.mark.parametrize(
    "item", [b"192.0.2.60:4711", b"::ffff:192.0.2.60", b"[::ffff:c000:23c]:1"]
)
def test_an_entry_of_x_forwarded_for_may_have_a_port(item: bytes) -> None:
    claims = believed((b"X-Forwarded-For", item))

    assert claims.address == b"192.0.2.60"
    assert told(claims)["X-Forwarded-For"] == "192.0.2.60, 10.0.0.1"


@settings(max_examples=200)
@given(values=st.lists(st.one_of(BYTES, PIECES), max_size=3))
def test_whatever_a_trusted_proxy_says_the_endpoint_gets_a_well_formed_forwarded(
    values: list[bytes],
) -> None:
    claims = believed(*forwarded(*values))
    passed = told(claims).get("Forwarded")

    ip_address(claims.address.decode())
    if passed is not None:
        hops = parse_forwarded([passed.encode("latin-1")])
        assert hops[:-1] == parse_forwarded(values)
        assert hops[-1].address == ip_address("10.0.0.1")
