"""
The 30 scenarios of the Ingress conformance suite, on a real API server.

Source: kubernetes-sigs/ingress-controller-conformance, features of 2021. As there, each scenario
has an Ingress of its own and asks the moment that its status shows an address: routes are live
before. Workloads are those of a feature, not of a scenario, for the sake of time. Two are shorter
than there: an invalid class is waited for only until a younger Ingress has its address, instead of
the whole limit; after scaling, the new endpoints are awaited, instead of 60 s.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.cluster.inside import PodProgram
from tests.cluster.pods import PodCluster

ADDRESS: Final = "192.0.2.77"
CLASS: Final = "conformance"
AGENT: Final = "Go-http-client/1.1"
MOST_REDIRECTS: Final = 10
REDIRECTS: Final = {301, 302, 303, 307, 308}
Item = dict[str, Any]


@attrs.frozen
class Captured:
    """What a client got, and what the backend saw of it; ``certificate`` is the leaf."""

    status: int
    version: int
    headers: Mapping[str, str]
    seen: Mapping[str, Any]
    certificate: x509.Certificate | None


@attrs.define
class Suite:
    """One program in one cluster, for all scenarios."""

    cluster: PodCluster
    program: PodProgram

    def get(
        self, scheme: str, host: str, path: str, method: str = "GET", address: str = ADDRESS
    ) -> Captured:
        """Ask as the suite does: a new connection each time, certificates not verified."""
        for _ in range(MOST_REDIRECTS):
            captured, to = self._once(scheme, host, path, method, address)
            if captured.status not in REDIRECTS:
                return captured
            scheme, rest = to.split("://")
            host, _, path = rest.partition("/")
            host, path = host.removesuffix(":443"), f"/{path}"
        raise AssertionError("redirected without end")

    def _once(
        self, scheme: str, host: str, path: str, method: str, address: str
    ) -> tuple[Captured, str]:
        certificate = None
        with self.cluster.network:
            sock = socket.create_connection((address, 443 if scheme == "https" else 80), 10)
        if scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            secure = context.wrap_socket(sock, server_hostname=host or None)
            der = secure.getpeercert(binary_form=True)
            assert der is not None
            certificate = x509.load_der_x509_certificate(der)
            sock = secure
        connection = http.client.HTTPConnection(host or address)
        connection.sock = sock
        with contextlib.closing(connection):
            connection.request(method, path, headers={"User-Agent": AGENT})
            answer = connection.getresponse()
            text = answer.read()
        seen = json.loads(text) if answer.status == 200 else {}
        headers = {name.lower(): value for name, value in answer.getheaders()}
        got = Captured(answer.status, answer.version, headers, seen, certificate)
        return got, headers.get("location", "")

    def address_of(self, namespace: str, name: str) -> str:
        """Return what the status of an Ingress shows, ``""`` for nothing."""
        item = self.cluster.get("networking.k8s.io/v1", "Ingress", name, namespace)
        shown = item["status"].get("loadBalancer", {}).get("ingress", ())
        return str(shown[0].get("ip") or shown[0].get("hostname")) if shown else ""

    @contextlib.contextmanager
    def ingress(self, namespace: str, item: Item) -> Iterator[str]:
        """Have an Ingress; gives the address as soon as it has one."""
        name = item["metadata"]["name"]
        self.cluster.apply(item, namespace=namespace)
        try:
            yield self.cluster.wait_for(
                lambda: self.address_of(namespace, name), lambda: self.program.log
            )
        finally:
            self.cluster.delete("networking.k8s.io/v1", "Ingress", name, namespace)

    def deploy(self, namespace: str, *services: tuple[str, Item]) -> None:
        """Have a namespace with an echo for each Service; returns when all endpoints are ready."""
        self.cluster.make_namespace(namespace)
        for name, port in services:
            for item in workload(name, port):
                self.cluster.apply(item, namespace=namespace)
        for name, _ in services:
            self.cluster.wait_for(functools.partial(self.ready_addresses, namespace, name))

    def ready_addresses(self, namespace: str, service: str) -> int:
        """Return how many addresses are ready, as the Service's Endpoints say."""
        found = self.cluster.get("v1", "Endpoints", service, namespace)
        return sum(len(each.get("addresses", ())) for each in found.get("subsets", ()))


def workload(name: str, port: Item) -> Iterator[Item]:
    labels = {"app": name}
    container = {
        "name": "echo",
        "image": "echo",
        "env": [{"name": "SERVICE_NAME", "value": name}],
        "ports": [{"containerPort": 3000}],
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    about = {"name": name}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about, "spec": spec}
    ports = [{**port, "targetPort": 3000}]
    served = {"type": "NodePort", "selector": labels, "ports": ports}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": served}


def ingress(name: str, /, **spec: Any) -> Item:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"ingressClassName": CLASS, **spec},
    }


def rule(host: str, *paths: tuple[str, str, Item]) -> Item:
    """One rule; each path as its type, itself and its backend."""
    listed = [{"pathType": kind, "path": path, "backend": to} for kind, path, to in paths]
    return {"host": host, "http": {"paths": listed}}


def backend(service: str, **port: Any) -> Item:
    return {"service": {"name": service, "port": port or {"number": 8080}}}


@pytest.fixture(scope="module")
def suite(pod_cluster: PodCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    ours = {"controller": "flomesh.io/ingress-pipy"}
    pod_cluster.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "IngressClass",
            "metadata": {"name": CLASS},
            "spec": ours,
        }
    )
    options = (
        *("--http", f"tcp:80:interface={ADDRESS}"),
        *("--https", f"tcp:443:interface={ADDRESS}"),
        *("--publish-status-address", ADDRESS),
        *("--workers", "2"),
    )
    with pod_cluster.program(tmp_path_factory.mktemp("program"), *options) as program:
        yield Suite(pod_cluster, program)
    pod_cluster.delete("networking.k8s.io/v1", "IngressClass", CLASS)


# Default backend.


@pytest.fixture(scope="module")
def default_backend(suite: Suite) -> str:
    suite.deploy("conformance-default", ("echo-service", {"port": 8080}))
    return "conformance-default"


@pytest.mark.parametrize(
    ("method", "host", "path"),
    [
        ("GET", "my-host", "/"),
        ("GET", "my-host", "/sub-path"),
        ("POST", "some-host", "/"),
        ("PUT", "", "/resource"),
        ("DELETE", "some-host", "/resource"),
        ("PATCH", "my-host", "/resource"),
    ],
)
def test_a_default_backend_gets_every_request(
    suite: Suite, default_backend: str, method: str, host: str, path: str
) -> None:
    item = ingress("default-backend", defaultBackend=backend("echo-service"))
    with suite.ingress(default_backend, item) as address:
        got = suite.get("http", host, path, method, address)

    assert got.status == 200
    assert got.version == 11
    assert {"content-length", "content-type", "date", "server"} <= got.headers.keys()
    assert got.seen["service"] == "echo-service"
    assert got.seen["namespace"] == default_backend
    assert got.seen["method"] == method
    assert got.seen["path"] == path
    assert got.seen["proto"] == "HTTP/1.1"
    assert got.seen["headers"]["User-Agent"] == [AGENT]
    assert got.seen["host"] == (host or ADDRESS)


# Host rules.


def self_signed(name: str) -> tuple[str, str]:
    """Return chain and key as PEM: an RSA certificate that has its name only as SAN."""
    key = rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "default")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return certificate.public_bytes(Encoding.PEM).decode(), text.decode()


@pytest.fixture(scope="module")
def host_rules(suite: Suite) -> str:
    namespace = "conformance-hosts"
    suite.deploy(
        namespace,
        ("wildcard-foo-com", {"port": 8080}),
        ("foo-bar-com", {"port": 80, "name": "http"}),
    )
    chain, key = self_signed("foo.bar.com")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "conformance-tls"},
        "stringData": {"tls.crt": chain, "tls.key": key},
    }
    suite.cluster.apply(secret, namespace=namespace)
    return namespace


@pytest.fixture
def hosts(suite: Suite, host_rules: str) -> Iterator[str]:
    item = ingress(
        "host-rules",
        tls=[{"hosts": ["foo.bar.com"], "secretName": "conformance-tls"}],
        rules=[
            rule("*.foo.com", ("Prefix", "/", backend("wildcard-foo-com"))),
            rule("foo.bar.com", ("Prefix", "/", backend("foo-bar-com", name="http"))),
        ],
    )
    with suite.ingress(host_rules, item) as address:
        yield address


def test_a_secure_host_is_served_with_its_certificate(suite: Suite, hosts: str) -> None:
    got = suite.get("https", "foo.bar.com", "/", address=hosts)

    assert got.certificate is not None
    names = got.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName)[0] == "foo.bar.com"
    assert (got.status, got.seen["service"]) == (200, "foo-bar-com")
    assert got.seen["host"] == "foo.bar.com"


@pytest.mark.parametrize(
    ("host", "service"), [("foo.bar.com", "foo-bar-com"), ("bar.foo.com", "wildcard-foo-com")]
)
def test_a_host_is_sent_to_its_service(suite: Suite, hosts: str, host: str, service: str) -> None:
    got = suite.get("http", host, "/", address=hosts)

    assert (got.status, got.seen["service"], got.seen["host"]) == (200, service, host)


@pytest.mark.parametrize("host", ["subdomain.bar.com", "baz.bar.foo.com", "foo.com"])
def test_a_host_of_no_rule_is_404(suite: Suite, hosts: str, host: str) -> None:
    assert suite.get("http", host, "/", address=hosts).status == 404


# Ingress class.


def test_an_ingress_of_an_invalid_class_never_has_an_address(
    suite: Suite, default_backend: str
) -> None:
    default = backend("echo-service")
    invalid = ingress("invalid", defaultBackend=default)
    invalid["spec"]["ingressClassName"] = "some-invalid-class-name"
    suite.cluster.apply(invalid, namespace=default_backend)
    with suite.ingress(default_backend, ingress("younger", defaultBackend=default)):
        time.sleep(1)
        assert suite.address_of(default_backend, "invalid") == ""
    suite.cluster.delete("networking.k8s.io/v1", "Ingress", "invalid", default_backend)


# Load balancing.


def test_a_scaled_service_gets_requests_at_each_of_its_pods(suite: Suite) -> None:
    namespace = "conformance-balancing"
    suite.deploy(namespace, ("echo-service", {"port": 8080}))
    item = ingress("load-balancing", defaultBackend=backend("echo-service"))
    with suite.ingress(namespace, item) as address:
        path = suite.cluster.path("apps/v1", "Deployment", namespace, "echo-service")
        suite.cluster.call(
            "PATCH",
            f"{path}/scale",
            {"spec": {"replicas": 10}},
            content_type="application/merge-patch+json",
        )
        suite.cluster.wait_for(lambda: suite.ready_addresses(namespace, "echo-service") == 10)

        def pods(count: int) -> list[str]:
            asked = [suite.get("http", "any", "/", address=address) for _ in range(count)]
            return [each.seen["pod"] for each in asked if each.status == 200]

        suite.cluster.wait_for(lambda: len(set(pods(40))) == 10)
        served = pods(100)
    assert len(served) == 100
    assert len(set(served)) == 10


# Path rules.


@pytest.fixture(scope="module")
def path_rules(suite: Suite) -> str:
    namespace = "conformance-paths"
    names = (
        "foo-exact",
        "foo-prefix",
        "aaa-prefix",
        "aaa-slash-bbb-prefix",
        "aaa-slash-bbb-slash-prefix",
        "foo-slash-exact",
    )
    suite.deploy(namespace, *((name, {"port": 8080}) for name in names))
    return namespace


@pytest.fixture
def paths(suite: Suite, path_rules: str) -> Iterator[str]:
    exact, prefix = (
        ("Exact", "/foo", backend("foo-exact")),
        ("Prefix", "/foo", backend("foo-prefix")),
    )
    item = ingress(
        "path-rules",
        rules=[
            rule("exact-path-rules", exact),
            rule(
                "prefix-path-rules",
                prefix,
                ("Prefix", "/aaa/bbb", backend("aaa-slash-bbb-prefix")),
                ("Prefix", "/aaa", backend("aaa-prefix")),
            ),
            rule("mixed-path-rules", prefix, exact),
            rule(
                "trailing-slash-path-rules",
                ("Prefix", "/aaa/bbb/", backend("aaa-slash-bbb-slash-prefix")),
                ("Exact", "/foo/", backend("foo-slash-exact")),
            ),
        ],
    )
    with suite.ingress(path_rules, item) as address:
        yield address


@pytest.mark.parametrize(
    ("host", "path", "service"),
    [
        ("exact-path-rules", "/foo", "foo-exact"),
        ("exact-path-rules", "/foo/", ""),
        ("exact-path-rules", "/FOO", ""),
        ("exact-path-rules", "/bar", ""),
        ("prefix-path-rules", "/foo", "foo-prefix"),
        ("prefix-path-rules", "/foo/", "foo-prefix"),
        # The suite has it twice, as two scenarios.
        ("prefix-path-rules", "/foo/", "foo-prefix"),  # noqa: PT014
        ("prefix-path-rules", "/FOO", ""),
        ("prefix-path-rules", "/aaa/bbb", "aaa-slash-bbb-prefix"),
        ("prefix-path-rules", "/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
        ("prefix-path-rules", "/aaa/ccc", "aaa-prefix"),
        ("prefix-path-rules", "/aaaccc", ""),
        ("mixed-path-rules", "/foo", "foo-exact"),
        ("trailing-slash-path-rules", "/aaa/bbb", "aaa-slash-bbb-slash-prefix"),
        ("trailing-slash-path-rules", "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
        ("trailing-slash-path-rules", "/foo", ""),
    ],
)
def test_a_path_is_sent_to_the_service_of_its_rule_or_is_404(
    suite: Suite, paths: str, host: str, path: str, service: str
) -> None:
    got = suite.get("http", host, path, address=paths)

    assert (got.status, got.seen.get("service", "")) == (200 if service else 404, service)
    if service:
        assert (got.seen["path"], got.seen["host"]) == (path, host)
