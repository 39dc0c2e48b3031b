"""What endpoints are told of a client's certificate can be taken for nothing else."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.net.client_certificates import Shown, Subject, subject_of
from fsm_twisted.proxy.client_identity import ClientIdentity, forwarded_value, shown_name
from fsm_twisted.snapshot.policy import ClientVerification, VerifyClient
from tests.strategies.certificates import make_pair

CA = make_pair("clients", (), is_authority=True)
OTHER_CA = make_pair("others", (), is_authority=True)
ALICE = make_pair("alice", ("alice.example",), issuer=CA)
# One element as Envoy reads it: a key, and a value in quotes or without anything that separates.
ELEMENT = re.compile(rb'(Hash|Subject|URI|DNS)=("[ !#-~]*"|[^",;= ]*)')
PARTS = re.compile(rb'(?:"[^"]*"|[^;"])+')


def verification(
    mode: VerifyClient = VerifyClient.ON, pem: bytes = CA.crt, depth: int = 1
) -> ClientVerification:
    return ClientVerification.of(mode, depth, pem)


@given(st.text(), st.lists(st.text(min_size=1), max_size=4), st.lists(st.text(min_size=1)))
def test_whatever_a_certificate_says_each_name_is_one_element(
    name: str, uris: list[str], dns_names: list[str]
) -> None:
    value = forwarded_value(Subject(name, "00ff", tuple(uris), tuple(dns_names)))

    assert len(value) <= 4096 + 64
    parts = PARTS.findall(value)
    assert b";".join(parts) == value
    found = [ELEMENT.fullmatch(part) for part in parts]
    assert all(found)
    keys = [each[1] for each in found if each is not None]
    assert keys[0] == b"Hash"
    assert keys.count(b"Subject") <= 1
    assert keys.count(b"URI") <= len(uris)
    assert keys.count(b"DNS") <= len(dns_names)


def test_quotes_line_ends_and_letters_beyond_ascii_are_digits() -> None:
    assert shown_name(Subject('CN=a\\"b\r\nX: ü', "")) == rb"CN=a\22b\0D\0AX: \C3\BC"


def test_too_many_names_are_left_out_but_never_the_hash() -> None:
    value = forwarded_value(Subject("CN=a", "00ff", (), ("x" * 200 + ".example",) * 100))

    assert value.startswith(b'Hash=00ff;Subject="CN=a";DNS=x')
    assert len(value) <= 4096


def test_the_subject_of_a_certificate_is_read() -> None:
    subject = subject_of(ALICE.certificate)

    assert (subject.name, subject.dns_names) == ("CN=alice", ("alice.example",))
    assert len(subject.fingerprint) == 64


def test_an_identity_meets_what_was_verified_and_what_asks_for_less() -> None:
    identity = ClientIdentity(Shown(verification(), ALICE.certificate), b"A.Example.")

    assert identity.meets(b"b.example", verification())
    assert identity.meets(b"b.example", verification(VerifyClient.OPTIONAL))
    assert not identity.meets(b"b.example", verification(pem=CA.crt + OTHER_CA.crt))
    assert not identity.meets(b"b.example", verification(depth=0))


def test_for_its_own_host_a_certificate_is_checked_again() -> None:
    identity = ClientIdentity(Shown(verification(), ALICE.certificate), b"A.Example.")

    assert identity.meets(b"a.example", verification(pem=CA.crt + OTHER_CA.crt))
    assert not identity.meets(b"a.example", verification(pem=OTHER_CA.crt))
    assert not identity.meets(b"a.example", verification(VerifyClient.IMPOSSIBLE))


def test_nobody_is_let_in_where_a_certificate_is_needed_from_now_on() -> None:
    identity = ClientIdentity(Shown(verification(VerifyClient.OPTIONAL)), b"a.example")

    assert identity.meets(b"a.example", verification(VerifyClient.OPTIONAL, OTHER_CA.crt))
    assert not identity.meets(b"a.example", verification())
    assert identity.field == b""
