"""Who the client is: nobody but a trusted proxy has a word in it, and only a well-formed one."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.proxy.client import (
    Claims,
    Peer,
    claims_of,
    claims_of_trusted,
    make_peer,
)
from fsm_twisted.proxy.trusted_proxies import TrustedProxies
from tests.proxy.heads import request

TRUSTED = TrustedProxies((ip_network("10.0.0.0/8"), ip_network("fd00::/8")))
NAMES = (
    b"X-Forwarded-For",
    b"x-forwarded-proto",
    b"X-Forwarded-Host",
    b"X-FORWARDED-PORT",
    b"X-Real-IP",
    b"X-Request-ID",
    b"Forwarded",
    b"X-Forwarded-Server",
)
# Bytes of field values as the reader lets them through.
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=30
).map(lambda text: text.strip().encode("latin-1"))
PLAUSIBLE = st.sampled_from(
    [
        b"192.0.2.9",
        b"10.0.0.9",
        b"https",
        b"443",
        b"evil.example",
        b"for=192.0.2.9",
        b"::1",
        b", ,",
    ]
)
CLAIMS = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(VALUES, PLAUSIBLE)), max_size=6).map(
    tuple
)
OUTSIDE = st.one_of(
    st.ip_addresses(v=4, network="192.0.2.0/24"),
    st.ip_addresses(v=4, network="198.51.100.0/24"),
    st.ip_addresses(v=6, network="2001:db8::/32"),
).map(str)
INSIDE = st.one_of(
    st.ip_addresses(v=4, network="10.0.0.0/8"), st.ip_addresses(v=6, network="fd00::/8")
).map(str)


def peer(host: str, *, is_secure: bool = False) -> Peer:
    return make_peer(host, 8000, is_secure=is_secure, trusted=TRUSTED)


def believed(*claims: tuple[bytes, bytes], host: str = "10.0.0.1") -> Claims:
    return claims_of_trusted(peer(host), claims, b"a.example", b"own-id", TRUSTED)


def told(claims: Claims) -> dict[str, str]:
    """Return the fields that the endpoint gets, each name once."""
    lines = claims.fields.decode("latin-1").removesuffix("\r\n").split("\r\n")
    pairs = [line.split(": ", 1) for line in lines]
    fields = {pair[0]: pair[1] for pair in pairs}
    assert len(fields) == len(pairs), lines
    return fields


# Untrusted peers


@given(claims=CLAIMS, host=OUTSIDE, is_secure=st.sampled_from([True, False]))
def test_an_untrusted_peer_has_no_influence_on_any_field(
    claims: tuple[tuple[bytes, bytes], ...],
    host: str,
    is_secure: bool,  # noqa: FBT001  drawn
) -> None:
    someone = peer(host, is_secure=is_secure)

    assert not someone.is_trusted
    said = claims_of(someone, request(claims=claims), b"id", TRUSTED)
    assert said == claims_of(someone, request(), b"id", TRUSTED)


def test_of_an_untrusted_peer_is_told_what_we_know_ourselves() -> None:
    claims = claims_of(peer("192.0.2.1", is_secure=True), request(), b"own-id", TRUSTED)

    assert told(claims) == {
        "X-Forwarded-For": "192.0.2.1",
        "X-Real-IP": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Port": "8000",
        "Via": "1.1 fsm",
        "X-Forwarded-Host": "a.example",
        "X-Request-ID": "own-id",
    }
    assert (claims.address, claims.is_secure) == (b"192.0.2.1", True)


@pytest.mark.parametrize(
    ("host", "address", "is_trusted"),
    [
        ("192.0.2.1", b"192.0.2.1", False),
        ("10.255.255.255", b"10.255.255.255", True),
        ("11.0.0.0", b"11.0.0.0", False),
        ("::ffff:10.0.0.1", b"10.0.0.1", True),
        ("::ffff:192.0.2.1", b"192.0.2.1", False),
        ("fd00::1", b"fd00::1", True),
        ("fe80::1%eth0", b"fe80::1", False),
        ("", b"", False),
    ],
)
def test_a_peer_is_trusted_by_its_address_alone(
    host: str,
    address: bytes,
    is_trusted: bool,  # noqa: FBT001  a column of the table
) -> None:
    described = peer(host)

    assert (described.address, described.is_trusted) == (address, is_trusted)


def test_nobody_is_trusted_without_the_option() -> None:
    assert not make_peer("127.0.0.1", 80, is_secure=False, trusted=TrustedProxies()).is_trusted


# Trusted proxies


@given(
    forged=st.lists(st.one_of(VALUES, OUTSIDE.map(str.encode)), max_size=4),
    client=OUTSIDE,
    proxies=st.lists(INSIDE, max_size=3),
)
def test_the_client_is_the_right_most_address_that_is_no_trusted_proxy(
    forged: list[bytes], client: str, proxies: list[str]
) -> None:
    chain = b", ".join([*forged, client.encode(), *map(str.encode, proxies)])

    claims = believed((b"X-Forwarded-For", chain))

    assert claims.address == client.encode()
    assert told(claims)["X-Real-IP"] == client
    hops = told(claims)["X-Forwarded-For"].split(", ")
    assert hops[-2 - len(proxies) :] == [client, *proxies, "10.0.0.1"]


@given(parts=st.lists(st.lists(OUTSIDE | INSIDE, min_size=1, max_size=3), min_size=1, max_size=3))
def test_several_fields_are_one_list(parts: list[list[str]]) -> None:
    apart = believed(*((b"X-Forwarded-For", ",".join(part).encode()) for part in parts))
    whole = ",".join(address for part in parts for address in part)

    assert apart == believed((b"X-Forwarded-For", whole.encode()))


def test_a_chain_of_nothing_but_proxies_leads_to_the_first_of_them() -> None:
    assert believed((b"X-Forwarded-For", b"10.0.0.3, 10.0.0.2")).address == b"10.0.0.3"


@pytest.mark.parametrize(
    "bad",
    [b"unknown", b"", b"evil.example", b"1.2.3", b"1.2.3.4.5", b"\xff", b"_hidden", b"01.2.3.4"],
)
def test_a_malformed_entry_ends_what_is_believed(bad: bytes) -> None:
    claims = believed((b"X-Forwarded-For", b"192.0.2.66, %b, 192.0.2.1" % bad))

    assert claims.address == b"192.0.2.1"
    assert told(claims)["X-Forwarded-For"] == "192.0.2.1, 10.0.0.1"


def test_without_a_usable_entry_the_client_is_the_proxy_itself() -> None:
    claims = believed((b"X-Forwarded-For", b"192.0.2.66, unknown"))

    assert claims.address == b"10.0.0.1"
    assert told(claims)["X-Forwarded-For"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("claim", "value", "field"),
    [
        (b"X-Forwarded-Proto", b"https", "X-Forwarded-Proto"),
        (b"X-Forwarded-Host", b"shop.example:8443", "X-Forwarded-Host"),
        (b"X-Forwarded-Port", b"8443", "X-Forwarded-Port"),
        (b"X-Request-ID", b"a-b_c/1", "X-Request-ID"),
    ],
)
def test_a_well_formed_claim_is_passed_on(claim: bytes, value: bytes, field: str) -> None:
    assert told(believed((claim, value)))[field] == value.decode()


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        (b"X-Forwarded-Proto", b"wss"),
        (b"X-Forwarded-Proto", b"https, http"),
        (b"X-Forwarded-Host", b"a b"),
        (b"X-Forwarded-Host", b"<script>"),
        (b"X-Forwarded-Host", b""),
        (b"X-Forwarded-Port", b"http"),
        (b"X-Forwarded-Port", b"-1"),
        (b"X-Request-ID", b""),
        (b"X-Request-ID", b"two words"),
        (b"X-Request-ID", b"x" * 129),
    ],
)
def test_a_malformed_claim_is_replaced_by_what_we_know(claim: bytes, value: bytes) -> None:
    assert told(believed((claim, value))) == told(believed())


def test_https_with_the_proxy_counts_as_https() -> None:
    assert believed((b"X-Forwarded-Proto", b"https")).is_secure
    assert not believed((b"X-Forwarded-Proto", b"http")).is_secure


@settings(max_examples=200)
@given(claims=CLAIMS)
def test_whatever_is_claimed_the_endpoint_gets_well_formed_fields(
    claims: tuple[tuple[bytes, bytes], ...],
) -> None:
    result = believed(*claims)
    fields = told(result)

    assert fields["X-Forwarded-Proto"] in {"http", "https"}
    assert fields["X-Forwarded-Port"].isdigit()
    for hop in fields["X-Forwarded-For"].split(", "):
        ip_address(hop)
    ip_address(fields["X-Real-IP"])
    assert fields["X-Real-IP"].encode() == result.address
    assert fields["Via"] == "1.1 fsm"
    assert result.fields.endswith(b"\r\n")
