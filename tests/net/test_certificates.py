"""Which certificate answers, how Secrets swap under open listeners, and what OpenSSL refuses."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from fsm_twisted.compiler.certificates import (
    ParsedCertificate,
    parse_certificate,
    self_signed,
)
from fsm_twisted.net.tls import Certificates
from fsm_twisted.snapshot.model import CertificateEntry
from tests.net.handshakes import WORLD, Client, Server, connected, retried
from tests.net.turning import logged, narrow_pair
from tests.strategies.certificates import Pair, make_pair

DEFAULT = "default.invalid"
VERSIONS = [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION]


def entry(pair: Pair, *issuers: Pair) -> CertificateEntry:
    chain = b"".join(each.crt for each in (pair, *issuers))
    parsed = parse_certificate({"tls.crt": chain, "tls.key": pair.pem_key})
    assert isinstance(parsed, ParsedCertificate)
    return parsed.entry


def named(name: str) -> CertificateEntry:
    return entry(make_pair(name, (name,)))


def certificates(**entries: CertificateEntry) -> Certificates:
    made = Certificates(named(DEFAULT))
    made.install(entries)
    return made


def answer(front: SSL.Context, name: bytes | None, **how: Any) -> str:
    with connected(front, name, **how) as client:
        return client.common_name


@pytest.fixture(scope="module")
def front() -> SSL.Context:
    table = {
        "a.example": named("exact"),
        "*.wild.example": named("wildcard"),
        "b.wild.example": named("exact under wildcard"),
    }
    return certificates(**table).front_context()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a.example", "exact"),
        (b"A.Example", "exact"),
        (b"x.wild.example", "wildcard"),
        (b"b.wild.example", "exact under wildcard"),
        (b"y.x.wild.example", DEFAULT),
        (b"wild.example", DEFAULT),
        (b"elsewhere.example", DEFAULT),
        (b"example", DEFAULT),
        (None, DEFAULT),
    ],
)
def test_the_server_name_chooses_exact_then_wildcard_then_default(
    front: SSL.Context, name: bytes | None, expected: str, version: int
) -> None:
    assert answer(front, name, version=version) == expected


@pytest.mark.parametrize("version", VERSIONS)
def test_the_full_chain_is_sent_and_no_other(version: int) -> None:
    root = make_pair("root", ())
    middle = make_pair("middle", (), kind="RSA-2048", issuer=root)
    leaf = make_pair("leaf", ("a.example",), issuer=middle)
    made = Certificates(entry(make_pair(DEFAULT), root))
    made.install({"a.example": entry(leaf, middle, root), "b.example": named("alone")})
    front = made.front_context()

    with connected(front, b"a.example", version=version) as client:
        assert client.chain == ["leaf", "middle", "root"]
    with connected(front, b"b.example", version=version) as client:
        assert client.chain == ["alone"]
    with connected(front, version=version) as client:
        assert client.chain == [DEFAULT, "root"]


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_key_serves(kind: str, version: int) -> None:
    made = certificates(**{"a.example": entry(make_pair("key", kind=kind))})

    assert answer(made.front_context(), b"a.example", version=version) == "key"


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
@pytest.mark.parametrize("name", [b"a.example", None])
def test_what_is_older_than_tls_1_2_is_refused(
    front: SSL.Context, version: int, name: bytes | None
) -> None:
    client = Client(front, name, version=version)

    with pytest.raises(SSL.Error, match="protocol version"):
        client.shake_hands()

    assert client.server.sock.fileno() == -1
    client.close()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((b"h2", b"http/1.1"), b"http/1.1"),
        ((b"http/1.1",), b"http/1.1"),
        ((), b""),
    ],
)
@pytest.mark.parametrize("name", [b"a.example", None])
def test_http_1_is_agreed_on_when_offered(
    front: SSL.Context, offered: tuple[bytes, ...], chosen: bytes, name: bytes | None
) -> None:
    with connected(front, name, offered=offered) as client:
        assert client.tls.get_alpn_proto_negotiated() == chosen


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("name", [b"a.example", None])
def test_who_offers_nothing_that_is_spoken_here_is_told_by_an_alert(
    front: SSL.Context, version: int, name: bytes | None
) -> None:
    client = Client(front, name, version=version, offered=(b"h2", b"foo"))

    with pytest.raises(SSL.Error, match="no application protocol"):
        client.shake_hands()

    assert client.server.sock.fileno() == -1
    client.close()


# Changes


def test_a_swap_reaches_a_listener_that_is_open_already() -> None:
    made = certificates(**{"a.example": named("old")})
    front = made.front_context()
    assert answer(front, b"a.example") == "old"

    made.install({"a.example": named("new"), "b.example": named("added")})
    assert answer(front, b"a.example") == "new"
    assert answer(front, b"b.example") == "added"

    made.install({})
    assert answer(front, b"a.example") == DEFAULT


def test_a_swap_drops_no_open_connection() -> None:
    made = certificates(**{"a.example": named("old")})
    with connected(made.front_context(), b"a.example") as client:
        made.install({"a.example": named("new")})
        client.hear()

        assert client.server.recorder.told == []


def test_a_swap_in_the_midst_of_a_handshake_harms_nobody() -> None:
    made = certificates(**{"a.example": named("old")})
    client = Client(made.front_context(), b"a.example")
    with pytest.raises(SSL.WantReadError):
        client.tls.do_handshake()

    made.install({"a.example": named("new")})

    assert client.shake_hands().common_name == "new"
    client.close()


def resume(
    front: SSL.Context, context: ssl.SSLContext, name: str | None, session: ssl.SSLSession | None
) -> tuple[bool, ssl.SSLSession | None]:
    """Connect by Python's own ssl, which tells about sessions; say whether one was resumed."""
    ours, theirs = narrow_pair(32768)
    server = Server(front, ours)
    client = context.wrap_socket(
        theirs, server_hostname=name, session=session, do_handshake_on_connect=False
    )
    with client:
        retried(client.do_handshake)
        WORLD.until(lambda: server.streams)
        # In TLS 1.3 the session comes with the first bytes.
        server.recorder.write(b"!")
        server.recorder.finish()
        assert retried(lambda: client.recv(2)) == b"!"
        return client.session_reused is True, client.session


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", ["a.example", "elsewhere.example", None])
def test_sessions_are_resumed_also_across_a_swap(
    version: ssl.TLSVersion, name: str | None
) -> None:
    made = certificates(**{"a.example": named("old")})
    front = made.front_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version

    reused, session = resume(front, context, name, None)
    assert not reused
    reused, session = resume(front, context, name, session)
    assert reused

    made.install({"a.example": named("new")})
    assert resume(front, context, name, session)[0]


# What OpenSSL refuses; the compiler keeps most of it away.


def broken(chain: bytes, key: bytes) -> CertificateEntry:
    return CertificateEntry("broken", chain, key)


A, B = make_pair("a"), make_pair("b", kind="RSA-2048")


@pytest.mark.parametrize(
    "bad",
    [
        broken(b"", b""),
        broken(b"nonsense", b"nonsense"),
        broken(A.crt, b"nonsense"),
        broken(b"nonsense", A.pem_key),
        broken(A.crt, B.pem_key),
        broken(A.crt[:-60] + b"-----END CERTIFICATE-----\n", A.pem_key),
        broken(make_pair("weak", kind="RSA-1024").crt, make_pair("weak", kind="RSA-1024").pem_key),
    ],
    ids=["empty", "garbage", "garbage key", "garbage chain", "mismatch", "cut", "weak"],
)
def test_a_bad_entry_harms_its_own_hosts_only_and_the_log_names_no_key(
    bad: CertificateEntry,
) -> None:
    made = certificates(**{"a.example": named("before")})
    front = made.front_context()
    with logged() as log:
        made.install({"a.example": bad, "b.example": named("good"), "c.example": bad})

    assert answer(front, b"a.example") == DEFAULT
    assert answer(front, b"c.example") == DEFAULT
    assert answer(front, b"b.example") == "good"
    assert "a.example" in log.text
    assert "PRIVATE" not in log.text
    assert len(log.events) == 1


def test_a_bad_entry_that_is_mended_serves() -> None:
    made = certificates(**{"a.example": broken(A.crt, b"nonsense")})

    made.install({"a.example": attrs.evolve(entry(A), fingerprint="mended")})

    assert answer(made.front_context(), b"a.example") == "a"


CHOICES: dict[str, CertificateEntry] = {
    "first": named("first"),
    "second": named("second"),
    DEFAULT: broken(b"nonsense", b"nonsense"),
}
TABLES = st.dictionaries(st.sampled_from(("a.example", "b.example")), st.sampled_from([*CHOICES]))


@settings(max_examples=20)
@given(st.lists(TABLES, min_size=1, max_size=5))
def test_whatever_was_installed_before_the_last_table_answers(
    tables: list[dict[str, str]],
) -> None:
    made = certificates()
    for table in tables:
        made.install({name: CHOICES[subject] for name, subject in table.items()})

    front = made.front_context()
    for name in ("a.example", "b.example"):
        assert answer(front, name.encode()) == tables[-1].get(name, DEFAULT)


# The default


def test_the_certificate_made_at_start_names_nobody() -> None:
    made = self_signed(datetime.now(UTC))
    certificate = x509.load_pem_x509_certificate(made.chain_pem)

    assert certificate.subject.rfc4514_string() == "CN=fsm-ingress default certificate"
    assert certificate.issuer == certificate.subject
    assert list(certificate.extensions) == []


def test_an_unknown_name_learns_no_name_of_a_tenant() -> None:
    made = Certificates(self_signed(datetime.now(UTC)))
    made.install({"secret.tenant.example": named("secret.tenant.example")})

    assert answer(made.front_context(), b"tenant.example") == "fsm-ingress default certificate"
