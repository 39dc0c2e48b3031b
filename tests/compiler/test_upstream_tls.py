"""The annotations of TLS to Services: what each value and each fault makes of an Ingress (D6)."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.compiler import Compiled, CompilerOptions, compile_snapshot
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    Ingress,
    IngressPath,
    IngressRule,
    KubernetesObject,
    Metadata,
    PathType,
    Secret,
    Service,
    ServiceBackend,
    ServicePort,
)
from fsm_twisted.snapshot.model import Upstream
from fsm_twisted.snapshot.policy import Protocol, UpstreamTls
from tests.strategies.certificates import make_pair
from tests.strategies.objects import PREFIX

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CA = make_pair("authority", (), is_authority=True)
PAIR = make_pair("proxy", ("proxy",), kind="Ed25519")
WEB = Service(Metadata("web", "default"), "ClusterIP", (ServicePort("https", 443, 8443),))
ALL = {"ca.crt": CA.crt, **PAIR.data}
SECRETS: dict[str, dict[str, bytes]] = {
    "ca": {"ca.crt": CA.crt},
    "all": ALL,
    "pair": PAIR.data,
    "empty-pair": {"ca.crt": CA.crt, "tls.crt": b"", "tls.key": b""},
    "nothing": {},
    "words": {"ca.crt": b"words"},
    "large": {"ca.crt": CA.crt + b"#" * (1 << 20)},
    "half": {"ca.crt": CA.crt, "tls.crt": PAIR.crt},
    "other-half": {"ca.crt": CA.crt, "tls.key": PAIR.pem_key},
    "mismatch": {"ca.crt": CA.crt, "tls.crt": CA.crt, "tls.key": PAIR.pem_key},
}


def ingress(annotations: dict[str, str], name: str = "a", host: str = "a.test") -> Ingress:
    written = {PREFIX + key: value for key, value in annotations.items()}
    path = IngressPath("/", PathType.PREFIX, ServiceBackend("web", 443))
    metadata = Metadata(name, "default", annotations=written)
    return Ingress(metadata, "pipy", rules=(IngressRule(host, (path,)),))


def compiled(*ingresses: Ingress, options: CompilerOptions | None = None) -> Compiled:
    objects: list[KubernetesObject] = [WEB, *ingresses]
    objects += [Secret(Metadata(name, "default"), "Opaque", d) for name, d in SECRETS.items()]
    objects.append(Secret(Metadata("ca", "other"), "Opaque", {"ca.crt": PAIR.crt}))
    return compile_snapshot(Inventory.of(objects), options or CompilerOptions(), now=NOW)


def upstream_of(annotations: dict[str, str]) -> tuple[Upstream, list[str]]:
    """Return the one upstream and the codes of findings, but for the missing endpoints."""
    result = compiled(ingress(annotations))
    (upstream,) = result.snapshot.upstreams.values()
    return upstream, codes(result)


def tls_of(annotations: dict[str, str]) -> UpstreamTls:
    tls = upstream_of(annotations)[0].tls
    assert tls is not None
    return tls


def codes(result: Compiled) -> list[str]:
    found = [each.reason.code for each in result.findings]
    return [code for code in found if code != "no_endpoints"]


@pytest.mark.parametrize("value", ["HTTPS", "https", " Https "])
def test_https_switches_tls_on_without_a_secret_and_warns(value: str) -> None:
    upstream, found = upstream_of({"upstream-protocol": value})

    assert upstream.tls is not None
    assert not upstream.tls.is_verified
    assert (upstream.tls.authorities_pem, upstream.tls.chain_pem) == (b"", b"")
    assert upstream.protocol is Protocol.HTTP1
    assert found == ["upstream_not_verified"]


@pytest.mark.parametrize("value", ["HTTP", "http", ""])
def test_http_is_plain(value: str) -> None:
    upstream, found = upstream_of({"upstream-protocol": value})

    assert (upstream.tls, upstream.protocol, found) == (None, Protocol.HTTP1, [])


@pytest.mark.parametrize("value", ["GRPC", "H2C", "h2c"])
def test_these_are_http2_in_plain(value: str) -> None:
    upstream, found = upstream_of({"upstream-protocol": value})

    assert (upstream.tls, upstream.protocol, found) == (None, Protocol.HTTP2, [])


@pytest.mark.parametrize(
    "annotations",
    [
        {"upstream-protocol": "GRPCS"},
        {"upstream-protocol": "grpc", "upstream-ssl-secret": "ca"},
        {"upstream-protocol": "H2C", "upstream-ssl-secret": "ca"},
    ],
)
def test_these_are_http2_by_tls(annotations: dict[str, str]) -> None:
    upstream, found = upstream_of(annotations)

    assert upstream.tls is not None
    assert (upstream.protocol, found) == (Protocol.HTTP2, ["upstream_not_verified"])


@pytest.mark.parametrize("name", ["ca", " ca ", "default/ca", "empty-pair"])
def test_a_ca_in_the_secret_switches_tls_on(name: str) -> None:
    upstream, found = upstream_of({"upstream-ssl-secret": name})

    assert upstream.tls is not None
    assert (upstream.tls.authorities_pem, upstream.tls.chain_pem) == (CA.crt, b"")
    assert found == ["upstream_not_verified"]


def test_the_pair_is_shown_and_a_whole_policy_has_no_finding() -> None:
    annotations = {"upstream-ssl-secret": "all", "upstream-ssl-verify": "on"}
    upstream, found = upstream_of({**annotations, "upstream-ssl-name": "Shop.Internal."})
    tls = upstream.tls

    assert tls is not None
    assert (tls.is_verified, tls.server_name, found) == (True, "shop.internal", [])
    assert (tls.authorities_pem, tls.chain_pem) == (CA.crt, PAIR.crt)
    assert tls.key_pem == PAIR.pem_key


def test_a_pair_alone_needs_https_and_then_the_system_is_trusted() -> None:
    annotations = {"upstream-ssl-secret": "pair", "upstream-ssl-verify": "true"}

    tls = tls_of({**annotations, "upstream-protocol": "HTTPS"})

    assert (tls.is_verified, tls.authorities_pem, tls.chain_pem) == (True, b"", PAIR.crt)


@pytest.mark.parametrize("name", ["a.b", "a_b", "10.0.0.1", "fd00::1", "x-1.internal"])
def test_names_and_addresses_are_server_names(name: str) -> None:
    assert tls_of({"upstream-protocol": "HTTPS", "upstream-ssl-name": name}).server_name == name


def test_a_name_without_tls_is_a_warning() -> None:
    upstream, found = upstream_of({"upstream-ssl-name": "a.b"})

    assert (upstream.tls, found) == (None, ["upstream_tls_off"])


@pytest.mark.parametrize(
    ("annotations", "code", "words"),
    [
        ({"upstream-protocol": "FTP"}, "upstream_tls_invalid", "'FTP' is not one of HTTP"),
        (
            {"upstream-protocol": "GRPCX"},
            "upstream_tls_invalid",
            "is not one of HTTP, HTTPS, GRPC",
        ),
        ({"upstream-ssl-verify": "yes!"}, "upstream_tls_invalid", "is not one of yes"),
        ({"upstream-ssl-verify": "on"}, "upstream_tls_invalid", "nothing switches TLS on"),
        ({"upstream-ssl-name": "*.a"}, "upstream_tls_invalid", "neither a DNS name nor"),
        ({"upstream-ssl-name": "a:1"}, "upstream_tls_invalid", "neither a DNS name nor"),
        ({"upstream-ssl-name": "ü.de"}, "upstream_tls_invalid", "neither a DNS name nor"),
        ({"upstream-ssl-secret": "a/b/c"}, "upstream_tls_invalid", "neither NAME nor"),
        ({"upstream-ssl-secret": "../x"}, "upstream_tls_invalid", "neither NAME nor"),
        ({"upstream-ssl-secret": "/ca"}, "upstream_tls_invalid", "neither NAME nor"),
        ({"upstream-ssl-secret": "none"}, "secret_missing", "there is no Secret default/none"),
        ({"upstream-ssl-secret": "other/ca"}, "secret_foreign", "is of another namespace"),
        ({"upstream-ssl-secret": "pair"}, "upstream_tls_invalid", "has no ca.crt"),
        ({"upstream-ssl-secret": "nothing"}, "secret_invalid", "it has neither ca.crt nor"),
        ({"upstream-ssl-secret": "words"}, "secret_invalid", "ca.crt holds no PEM"),
        ({"upstream-ssl-secret": "large"}, "secret_invalid", "larger than 1 MiB"),
        ({"upstream-ssl-secret": "half"}, "secret_invalid", "tls.key is missing or empty"),
        ({"upstream-ssl-secret": "other-half"}, "secret_invalid", "tls.crt is missing"),
        ({"upstream-ssl-secret": "mismatch"}, "secret_invalid", "does not belong to"),
        ({"upstream-ssl-verfy": "true"}, "security_unsupported", "did you mean"),
    ],
)
def test_what_cannot_be_honoured_refuses_its_ingress_and_no_other(
    annotations: dict[str, str], code: str, words: str
) -> None:
    result = compiled(ingress(annotations), ingress({}, "open", "open.test"))

    (refused,) = result.snapshot.hosts["a.test"].routes
    (served,) = result.snapshot.hosts["open.test"].routes
    assert (refused.upstream, refused.refusal and refused.refusal.code) == (None, "unprotected")
    assert served.upstream is not None
    assert codes(result) == [code]
    (finding,) = (each for each in result.findings if each.reason.code == code)
    assert words in finding.message
    assert f"annotation {PREFIX}{next(iter(annotations))}: " in finding.message
    assert finding.consequence == "all paths of the Ingress answer 503 (unprotected)"


def test_a_secret_of_another_namespace_is_an_option() -> None:
    options = CompilerOptions(allows_foreign_secrets=True)

    result = compiled(ingress({"upstream-ssl-secret": "other/ca"}), options=options)

    (upstream,) = result.snapshot.upstreams.values()
    assert upstream.tls is not None
    assert upstream.tls.authorities_pem == PAIR.crt


def test_every_part_but_the_name_has_its_part_in_the_fingerprint() -> None:
    policies = [
        {"upstream-protocol": "HTTPS"},
        {"upstream-protocol": "HTTPS", "upstream-ssl-verify": "on"},
        {"upstream-ssl-secret": "ca"},
        {"upstream-ssl-secret": "ca", "upstream-ssl-verify": "on"},
        {"upstream-ssl-secret": "all"},
        {"upstream-protocol": "HTTPS", "upstream-ssl-secret": "pair"},
    ]
    named = [tls_of({**each, "upstream-ssl-name": "a"}).fingerprint for each in policies]

    assert len(set(named)) == len(policies)
    assert named == [tls_of(each).fingerprint for each in policies]


def test_policies_belong_to_their_ingress_alone() -> None:
    result = compiled(
        ingress({"upstream-ssl-secret": "ca", "upstream-ssl-verify": "on"}),
        ingress({}, "plain", "plain.test"),
    )

    found = {each.id.ingress.name: each.tls for each in result.snapshot.upstreams.values()}
    assert found["plain"] is None
    assert found["a"] is not None


def test_neither_a_finding_nor_a_repr_shows_a_key() -> None:
    result = compiled(
        ingress({"upstream-ssl-secret": "all"}),
        ingress({"upstream-ssl-secret": "mismatch"}, "b", "b.test"),
    )

    shown = repr(result) + repr([attrs.asdict(each) for each in result.findings])
    for line in PAIR.pem_key.decode().splitlines():
        assert line not in shown


_VALUES = {
    "upstream-protocol": ["HTTP", "HTTPS", "GRPC", "GRPCS", "H2C", "", "x"],
    "upstream-ssl-secret": [*SECRETS, "other/ca", "none", "", "a/b/c"],
    "upstream-ssl-name": ["a.b", "10.0.0.1", "", "*"],
    "upstream-ssl-verify": ["true", "false", "", "x"],
}
_annotations = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(each) for name, each in _VALUES.items()}
)


@settings(max_examples=200)
@given(_annotations)
def test_who_asks_for_verification_is_verified_or_not_served(annotations: dict[str, str]) -> None:
    result = compiled(ingress(annotations))
    (route,) = result.snapshot.hosts["a.test"].routes

    if route.upstream is None:
        assert any(each.reason.severity.value == "error" for each in result.findings)
        return
    tls = result.snapshot.upstreams[route.upstream].tls
    asked = annotations.get("upstream-ssl-verify", "") not in {"", "false"}
    wanted = annotations.get("upstream-protocol") in {"HTTPS", "GRPCS"} or bool(
        annotations.get("upstream-ssl-secret")
    )
    assert (tls is not None) == wanted
    assert asked == (tls is not None and tls.is_verified)
    assert ("upstream_not_verified" in codes(result)) == (tls is not None and not asked)
