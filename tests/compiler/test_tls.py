"""``spec.tls``: certificates, doubts about them, and who wins a host (D8)."""

from __future__ import annotations

from base64 import encodebytes
from datetime import UTC, datetime

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fsm_twisted.compiler import Compiled, CompilerOptions, compile_snapshot
from fsm_twisted.compiler.certificates import (
    CertificateFault,
    ParsedCertificate,
    parse_certificate,
)
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    Ingress,
    IngressRule,
    IngressTLS,
    KubernetesObject,
    Metadata,
    Secret,
)
from tests.strategies.certificates import BEGIN, END, Pair, days, make_pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def secret(name: str, pair: Pair) -> Secret:
    return Secret(Metadata(name, "default"), "kubernetes.io/tls", pair.data)


def ingress(name: str, *entries: tuple[str, str], created: str = "") -> Ingress:
    tls = tuple(IngressTLS((host,), secret_name) for host, secret_name in entries)
    return Ingress(Metadata(name, "default", created), "pipy", tls=tls)


def compiled(*objects: KubernetesObject, now: datetime = NOW) -> Compiled:
    return compile_snapshot(Inventory.of(objects), CompilerOptions(), now=now)


def codes(result: Compiled) -> list[str]:
    return [each.reason.code for each in result.findings]


def parsed(pair: Pair) -> ParsedCertificate:
    found = parse_certificate(pair.data)
    assert isinstance(found, ParsedCertificate)
    return found


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519"])
def test_a_good_secret_serves_its_host_without_a_finding(kind: str) -> None:
    pair = make_pair(kind=kind)

    result = compiled(ingress("a", ("example.com", "s")), secret("s", pair))

    entry = result.snapshot.certificates["example.com"]
    assert x509.load_pem_x509_certificate(entry.chain_pem) == pair.certificate
    assert result.findings == ()
    assert result.snapshot.tls_hosts == {"example.com"}


def test_the_chain_is_kept_whole_and_in_order() -> None:
    root = make_pair("root", ())
    middle = make_pair("middle", (), issuer=root)
    leaf = make_pair(issuer=middle)
    text = b"words before\n" + leaf.crt + b"\n# between\n" + middle.crt + root.crt

    found = parse_certificate({"tls.crt": text, "tls.key": leaf.pem_key})

    assert isinstance(found, ParsedCertificate)
    assert x509.load_pem_x509_certificates(found.entry.chain_pem) == [
        leaf.certificate,
        middle.certificate,
        root.certificate,
    ]


def test_the_article_certificate_without_a_subject_alt_name_is_served_with_a_warning() -> None:
    pair = make_pair("example.com", ())

    result = compiled(ingress("a", ("example.com", "s")), secret("s", pair))

    assert "example.com" in result.snapshot.certificates
    assert codes(result) == ["certificate_not_covering"]
    assert "it has no subjectAltName" in result.findings[0].message


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (BEGIN - days(1), ["certificate_not_yet_valid"]),
        (BEGIN + days(1), []),
        (END, []),
        (END + days(1), ["certificate_expired"]),
    ],
)
def test_a_certificate_outside_its_time_is_served_with_a_warning(
    now: datetime, code: list[str]
) -> None:
    result = compiled(ingress("a", ("example.com", "s")), secret("s", make_pair()), now=now)

    assert "example.com" in result.snapshot.certificates
    assert codes(result) == code


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("example.com", True),
        ("a.wild.test", True),
        ("*.wild.test", True),
        ("a.b.wild.test", False),
        ("wild.test", False),
        ("*.example.com", False),
        ("test", False),
        ("other.test", False),
    ],
)
def test_a_wildcard_name_covers_exactly_one_label(pattern: str, covered: object) -> None:
    pair = make_pair("x", ("EXAMPLE.com", "*.wild.test"))

    assert parsed(pair).covers(pattern) is covered


@pytest.mark.parametrize(
    ("crt", "key", "words"),
    [
        (make_pair().crt, b"", "tls.key is missing or empty"),
        (b"", make_pair().pem_key, "tls.crt is missing or empty"),
        (b"garbage", make_pair().pem_key, "tls.crt is not a PEM certificate"),
        (make_pair().pem_key, make_pair().pem_key, "tls.crt is not a PEM certificate"),
        (make_pair().crt, b"garbage", "tls.key is not a PEM private key"),
        (make_pair().crt, make_pair().crt, "tls.key is not a PEM private key"),
        (make_pair().crt, make_pair().encrypted_key, "tls.key is encrypted"),
        (make_pair().crt, make_pair(kind="Ed25519").pem_key, "does not belong to the first"),
        (make_pair(kind="K-256").crt, make_pair(kind="K-256").pem_key, "secp256k1"),
        (make_pair(kind="RSA-1024").crt, make_pair(kind="RSA-1024").pem_key, "of 1024 bits"),
        (make_pair().crt * 20, make_pair().pem_key, "more than 16 certificates"),
        (make_pair().crt + b"#" * (1 << 20), make_pair().pem_key, "larger than 1 MiB"),
    ],
)
def test_an_unusable_pair_is_told_with_the_key_at_fault(
    crt: bytes, key: bytes, words: str
) -> None:
    found = parse_certificate({"tls.crt": crt, "tls.key": key})

    assert isinstance(found, CertificateFault)
    assert words in found.what


def test_only_small_certificates_are_remembered() -> None:
    pair = make_pair("remembered", ("remembered.test",))
    small, large = pair.data, {**pair.data, "tls.crt": pair.crt + b"#" * 40_000}
    first = parse_certificate(small)

    assert parse_certificate(small) is first
    assert parse_certificate(large) == first
    assert parse_certificate(large) is not parse_certificate(large)


def test_a_bad_secret_harms_only_its_own_hosts() -> None:
    bad = Secret(Metadata("bad", "default"), "kubernetes.io/tls", {"tls.crt": b"x"})

    result = compiled(
        ingress("a", ("bad.test", "bad"), ("example.com", "good")),
        secret("good", make_pair()),
        bad,
    )

    assert list(result.snapshot.certificates) == ["example.com"]
    assert result.snapshot.tls_hosts == {"bad.test", "example.com"}
    assert codes(result) == ["secret_invalid"]


def test_the_oldest_ingress_wins_the_certificate_of_a_host() -> None:
    first, second = make_pair(), make_pair(kind="Ed25519")

    result = compiled(
        ingress("a", ("example.com", "young"), created="2025-01-01T00:00:00Z"),
        ingress("b", ("example.com", "old"), created="2024-01-01T00:00:00Z"),
        secret("young", second),
        secret("old", first),
    )

    served = result.snapshot.certificates["example.com"]
    assert served == parsed(first).entry
    assert [(each.object.name, each.reason.code) for each in result.findings] == [
        ("a", "certificate_lost")
    ]
    assert "spec.tls[0] of Ingress default/b" in result.findings[0].message


def test_two_secrets_with_the_same_certificate_are_no_conflict() -> None:
    result = compiled(
        ingress("a", ("example.com", "one")),
        ingress("b", ("example.com", "two")),
        secret("one", make_pair()),
        secret("two", make_pair()),
    )

    assert result.findings == ()


def test_an_unusable_certificate_of_an_older_ingress_does_not_keep_a_host_from_a_usable_one() -> (
    None
):
    result = compiled(
        ingress("a", ("example.com", "gone")),
        ingress("b", ("example.com", "good")),
        secret("good", make_pair()),
    )

    assert result.snapshot.certificates["example.com"] == parsed(make_pair()).entry
    assert codes(result) == ["secret_missing"]


def test_an_entry_without_hosts_means_the_hosts_of_the_rules() -> None:
    one = ingress("a", ("unused", "s"))
    tls = (IngressTLS((), "s"),)
    with_rules = attrs.evolve(one, tls=tls, rules=tuple(_rule(host) for host in ("", "h.test")))

    result = compiled(with_rules, secret("s", make_pair()))

    assert result.snapshot.tls_hosts == {"h.test"}
    assert list(result.snapshot.certificates) == ["h.test"]


def test_a_secret_named_with_a_namespace_is_refused_though_it_exists() -> None:
    foreign = Secret(Metadata("s", "other"), "kubernetes.io/tls", make_pair().data)

    result = compiled(ingress("a", ("example.com", "other/s")), foreign)

    assert result.snapshot.certificates == {}
    assert result.snapshot.tls_hosts == {"example.com"}
    assert codes(result) == ["secret_foreign"]


def test_a_certificate_that_breaks_rfc_5280_in_a_small_way_is_served_without_a_warning() -> None:
    pair = make_pair()
    der = bytearray(pair.certificate.public_bytes(Encoding.DER))
    serial = der.index(b"\xa0\x03\x02\x01\x02\x02") + 7
    der[serial] = 0x80 | der[serial]  # a negative serial number (section 4.1.2.2)
    crt = b"-----BEGIN CERTIFICATE-----\n%b-----END CERTIFICATE-----\n" % encodebytes(der)

    found = parse_certificate({"tls.crt": crt, "tls.key": pair.pem_key})

    assert isinstance(found, ParsedCertificate)


def test_a_renewed_certificate_has_another_fingerprint_and_the_same_one_has_not() -> None:
    renewed = make_pair(end=END + days(1))

    assert parsed(make_pair()).entry.fingerprint != parsed(renewed).entry.fingerprint
    again = {key: bytes(bytearray(value)) for key, value in make_pair().data.items()}
    assert parse_certificate(again) == parsed(make_pair())


def test_neither_a_finding_nor_a_repr_shows_a_key() -> None:
    pair = make_pair()
    mismatch = Secret(
        Metadata("s", "default"),
        "kubernetes.io/tls",
        {"tls.crt": make_pair(kind="Ed25519").crt, "tls.key": pair.pem_key},
    )
    result = compiled(
        ingress("a", ("example.com", "s"), ("b.test", "good")), mismatch, secret("good", pair)
    )

    shown = repr(result) + repr(parsed(pair))
    for line in pair.pem_key.decode().splitlines():
        assert line not in shown


def _rule(host: str) -> IngressRule:
    return IngressRule(host, ())
