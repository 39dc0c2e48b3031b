"""Client certificates: what an Ingress asks for, who decides for a host, and what fails closed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.compiler import Compiled, Compiler, CompilerOptions, compile_snapshot
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    Ingress,
    IngressPath,
    IngressRule,
    IngressTLS,
    KubernetesObject,
    Metadata,
    PathType,
    Secret,
    Service,
    ServiceBackend,
    ServicePort,
    ref_of,
)
from fsm_twisted.snapshot.policy import IMPOSSIBLE, ClientVerification, VerifyClient
from tests.strategies.certificates import make_pair
from tests.strategies.objects import PREFIX

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CA = make_pair("authority", (), is_authority=True)
OTHER_CA = make_pair("other", (), is_authority=True)
PAIR = make_pair("a.test", ("a.test",))
BACKEND = ServiceBackend("web", 80)
ON = {"tls-verify-client": "on", "tls-trusted-ca-secret": "ca"}
MTLS = CompilerOptions(mtls=True)
SECRETS: list[KubernetesObject] = [
    Secret(Metadata("ca", "default"), "Opaque", {"ca.crt": CA.crt}),
    Secret(Metadata("other-ca", "default"), "Opaque", {"ca.crt": OTHER_CA.crt}),
    Secret(Metadata("ca", "tenant"), "Opaque", {"ca.crt": OTHER_CA.crt}),
    Secret(Metadata("words", "default"), "Opaque", {"ca.crt": b"words"}),
    Secret(Metadata("nothing", "default"), "Opaque", {}),
    Secret(Metadata("tls", "default"), "kubernetes.io/tls", PAIR.data),
    Secret(Metadata("tls-ca", "default"), "kubernetes.io/tls", {**PAIR.data, "ca.crt": CA.crt}),
]
SERVICES: list[KubernetesObject] = [
    Service(Metadata("web", namespace), "ClusterIP", (ServicePort("http", 80, 8080),))
    for namespace in ("default", "tenant")
]


def ingress(  # noqa: PLR0913  as many as an Ingress has parts
    annotations: dict[str, str],
    name: str = "a",
    *,
    namespace: str = "default",
    age: int = 2024,
    host: str = "a.test",
    tls: str | None = None,
    path: str = "/",
    default: bool = False,
) -> Ingress:
    written = {PREFIX + key: value for key, value in annotations.items()}
    entries = () if tls is None else (IngressTLS((host,), tls),)
    metadata = Metadata(name, namespace, f"{age}-01-01T00:00:00Z", written)
    rule = IngressRule(host, (IngressPath(path, PathType.PREFIX, BACKEND),))
    return Ingress(metadata, "pipy", BACKEND if default else None, (rule,), entries)


def compiled(*ingresses: Ingress, options: CompilerOptions | None = None) -> Compiled:
    objects = [*SECRETS, *SERVICES, *ingresses]
    return compile_snapshot(Inventory.of(objects), options or CompilerOptions(), now=NOW)


def codes(result: Compiled) -> list[str]:
    found = [each.reason.code for each in result.findings]
    return [code for code in found if code not in {"no_endpoints", "certificate_not_covering"}]


def on(authority: bytes = CA.crt, depth: int = 1) -> ClientVerification:
    return ClientVerification.of(VerifyClient.ON, depth, authority)


def served(result: Compiled, path: str = "/", host: str = "a.test") -> bool:
    """Whether a client that has shown everything gets an answer."""
    (route,) = (each for each in result.snapshot.hosts[host].routes if each.path == path)
    clients = result.snapshot.clients.get(host)
    if clients is not None and clients.mode is VerifyClient.IMPOSSIBLE:
        return False
    met = route.clients is None or (clients is not None and clients.covers(route.clients))
    return met and route.upstream is not None


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (ON, on()),
        ({**ON, "tls-verify-client": "TRUE"}, on()),
        ({**ON, "tls-verify-depth": "3"}, on(depth=3)),
        (
            {**ON, "tls-verify-client": "Optional"},
            ClientVerification.of(VerifyClient.OPTIONAL, 1, CA.crt),
        ),
        ({"tls-trusted-ca-secret": "ca"}, on()),
        ({"tls-trusted-ca-secret": "default/other-ca"}, on(OTHER_CA.crt)),
    ],
)
def test_what_is_asked_is_asked_of_every_host_of_the_ingress(
    annotations: dict[str, str], expected: ClientVerification
) -> None:
    result = compiled(ingress(annotations))

    assert (result.snapshot.clients, codes(result)) == ({"a.test": expected}, [])
    assert served(result)


def test_without_an_authority_of_its_own_that_of_the_server_secret_is_trusted() -> None:
    result = compiled(ingress({"tls-verify-client": "on"}, tls="tls-ca"))

    assert result.snapshot.clients == {"a.test": on()}


@pytest.mark.parametrize("annotations", [{}, {"tls-verify-client": "off"}])
def test_who_asks_for_nothing_gets_nothing(annotations: dict[str, str]) -> None:
    result = compiled(ingress(annotations, tls="tls-ca"))

    assert (result.snapshot.clients, codes(result)) == ({}, [])


@pytest.mark.parametrize(
    ("annotations", "code"),
    [
        ({**ON, "tls-trusted-ca-secret": "nowhere"}, "secret_missing"),
        ({**ON, "tls-trusted-ca-secret": "words"}, "secret_invalid"),
        ({**ON, "tls-trusted-ca-secret": "nothing"}, "secret_invalid"),
        ({**ON, "tls-trusted-ca-secret": "tls"}, "secret_invalid"),
        ({**ON, "tls-trusted-ca-secret": "tenant/ca"}, "secret_foreign"),
        ({**ON, "tls-trusted-ca-secret": "a/b/c"}, "client_verification_invalid"),
        ({**ON, "tls-verify-depth": "-1"}, "client_verification_invalid"),
        ({**ON, "tls-verify-depth": "17"}, "client_verification_invalid"),
        ({**ON, "tls-verify-client": "optional_no_ca"}, "client_verification_invalid"),
        ({"tls-verify-client": "on"}, "client_ca_missing"),
    ],
)
def test_what_cannot_be_honoured_closes_the_host_for_everybody(
    annotations: dict[str, str], code: str
) -> None:
    silent = ingress({}, "b", age=2025, path="/other")

    result = compiled(ingress(annotations), silent)

    assert (result.snapshot.clients, codes(result)) == ({"a.test": IMPOSSIBLE}, [code])
    assert not served(result)
    assert not served(result, "/other")


def test_a_secret_of_another_namespace_may_be_allowed() -> None:
    options = CompilerOptions(allows_foreign_secrets=True)

    result = compiled(ingress({**ON, "tls-trusted-ca-secret": "tenant/ca"}), options=options)

    assert result.snapshot.clients == {"a.test": on(OTHER_CA.crt)}


def test_depth_or_authority_alone_is_a_warning() -> None:
    result = compiled(ingress({"tls-verify-depth": "1"}))
    assert (result.snapshot.clients, codes(result)) == ({}, ["client_verification_off"])

    result = compiled(ingress({**ON, "tls-verify-client": "off"}))
    assert (result.snapshot.clients, codes(result)) == ({}, ["client_verification_off"])


def test_paths_for_every_host_are_not_served() -> None:
    result = compiled(ingress(ON, host="", default=True))

    assert codes(result) == ["client_verification_invalid"]
    assert not served(result, host="")
    assert result.snapshot.default is not None
    assert result.snapshot.default.clients == IMPOSSIBLE


# Several Ingresses of a host


def test_a_silent_ingress_of_the_same_namespace_is_served_behind_the_certificate() -> None:
    older, younger = ingress({}, "a", path="/x"), ingress(ON, "b", age=2025, path="/y")

    result = compiled(older, younger)

    assert (result.snapshot.clients, codes(result)) == ({"a.test": on()}, [])
    assert served(result, "/x")
    assert served(result, "/y")


def test_the_oldest_that_asks_decides_and_who_wants_another_authority_is_not_served() -> None:
    other = ingress({**ON, "tls-trusted-ca-secret": "other-ca"}, "b", age=2025, path="/y")

    result = compiled(other, ingress(ON, path="/x"))

    assert (result.snapshot.clients, codes(result)) == (
        {"a.test": on()},
        ["client_verification_lost"],
    )
    assert served(result, "/x")
    assert not served(result, "/y")


def test_optional_is_not_enough_for_who_says_on_and_on_is_for_who_says_optional() -> None:
    optional = {**ON, "tls-verify-client": "optional"}

    result = compiled(ingress(optional, path="/x"), ingress(ON, "b", age=2025, path="/y"))
    assert [served(result, each) for each in ("/x", "/y")] == [True, False]

    result = compiled(ingress(ON, path="/x"), ingress(optional, "b", age=2025, path="/y"))
    assert [served(result, each) for each in ("/x", "/y")] == [True, True]


def test_who_has_said_off_is_told_that_others_have_not() -> None:
    off = ingress({"tls-verify-client": "off"}, "b", age=2025, path="/y")

    result = compiled(ingress(ON, path="/x"), off)

    assert codes(result) == ["client_verification_imposed"]
    assert served(result, "/y")


def test_another_namespace_cannot_lock_out_the_clients_of_a_host() -> None:
    theirs = ingress(ON, "b", namespace="tenant", age=2025, path="/y")

    result = compiled(ingress({}, path="/x"), theirs)

    assert (result.snapshot.clients, codes(result)) == ({}, ["client_verification_lost"])
    assert [served(result, each) for each in ("/x", "/y")] == [True, False]


# --mtls


def test_mtls_asks_the_clients_of_every_tls_host() -> None:
    plain = ingress({}, "b", host="b.test")
    off = ingress({"tls-verify-client": "off"}, "c", host="c.test", tls="tls-ca")
    depth = ingress({"tls-verify-depth": "2"}, "d", host="d.test", tls="tls-ca")

    result = compiled(ingress({}, tls="tls-ca"), plain, off, depth, options=MTLS)

    assert result.snapshot.clients == {"a.test": on(), "c.test": on(), "d.test": on(depth=2)}
    assert codes(result) == ["client_verification_imposed"]
    assert served(result, host="b.test")


def test_mtls_trusts_the_authority_of_the_annotation_first() -> None:
    asked = {"tls-trusted-ca-secret": "other-ca"}

    result = compiled(ingress(asked, tls="tls-ca"), options=MTLS)

    assert result.snapshot.clients == {"a.test": on(OTHER_CA.crt)}


@pytest.mark.parametrize("tls", ["tls", "nowhere", ""])
def test_mtls_closes_a_tls_host_without_an_authority(tls: str) -> None:
    result = compiled(ingress({}, tls=tls), options=MTLS)

    assert result.snapshot.clients == {"a.test": IMPOSSIBLE}
    assert "client_ca_missing" in codes(result)


# Laws

_values = {
    "tls-verify-client": ["on", "off", "optional", "nonsense"],
    "tls-trusted-ca-secret": ["ca", "other-ca", "words", "nowhere", "tenant/ca"],
    "tls-verify-depth": ["0", "1", "x"],
}
_annotations = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(each) for key, each in _values.items()}
)
_ingresses = st.builds(
    ingress,
    _annotations,
    st.sampled_from("abc"),
    namespace=st.sampled_from(["default", "tenant"]),
    age=st.integers(2020, 2022),
    host=st.sampled_from(["a.test", "*.test", ""]),
    tls=st.sampled_from([None, "tls", "tls-ca", ""]),
    path=st.sampled_from(["/", "/x"]),
    default=st.booleans(),
)


@settings(max_examples=60)
@given(
    changes=st.lists(st.lists(_ingresses, max_size=3), min_size=1, max_size=5),
    mtls=st.booleans(),
)
def test_the_compiler_with_a_memory_comes_to_the_same(
    *, changes: list[list[Ingress]], mtls: bool
) -> None:
    options = CompilerOptions(mtls=mtls)
    compiler = Compiler(options)
    objects = {ref_of(each): each for each in (*SECRETS, *SERVICES)}
    inventory = Inventory.of(objects.values())
    for change in changes:
        new = {ref_of(each): each for each in change}
        objects.update(new)
        inventory = inventory.after(new)

        result = compiler.compile(inventory, now=NOW)

        whole = Inventory.of(objects.values())
        expected = compile_snapshot(whole, options, now=NOW, generation=result.snapshot.generation)
        assert result == expected


@settings(max_examples=60)
@given(ingresses=st.lists(_ingresses, max_size=4), mtls=st.booleans())
def test_nothing_that_asks_is_ever_served_with_less(
    *, ingresses: list[Ingress], mtls: bool
) -> None:
    snapshot = compiled(*ingresses, options=CompilerOptions(mtls=mtls)).snapshot

    known = {ref_of(each): each for each in ingresses}
    for host, table in snapshot.hosts.items():
        for route in table.routes:
            name = (route.ingress.namespace, route.ingress.name)
            asking = next(each for ref, each in known.items() if (ref.namespace, ref.name) == name)
            said = asking.metadata.annotations.get(f"{PREFIX}tls-verify-client", "")
            if said in {"on", "optional", "nonsense"}:
                assert route.clients is not None or route.refusal is not None
            if mtls and host in snapshot.tls_hosts:
                assert snapshot.clients[host].mode in {VerifyClient.ON, VerifyClient.IMPOSSIBLE}
