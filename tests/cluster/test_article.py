"""
The article in a cluster: its helm, its kubectl, its manifests and its curl.

The image cannot run here, so the kubelet's echo stands in the chart's pods, and the program runs
beside them as the pod of the DaemonSet would: its arguments, its account and no more rights, the
ports of the node as a host's port mapping has them.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.cluster.charted import arguments, environment
from tests.cluster.inside import PodProgram
from tests.cluster.network import Network
from tests.cluster.pods import NODE_ADDRESS, PodCluster

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
INSTALL = shlex.split(
    "helm install --namespace fsm --create-namespace --set fsm.version=0.2.1-alpha.2"
    " --set fsm.ingress.tls.enabled=true --set fsm.serviceLB.enabled=true fsm fsm/fsm"
)
CERTIFICATE = (
    "openssl req -x509 -newkey rsa:4096 -keyout ingress-key.pem -out ingress-cert.pem"
    " -sha256 -days 365 -nodes -subj '/CN=example.com'"
)
INGRESSES = "ingresses.v1.networking.k8s.io"


@attrs.frozen
class Article:
    """The chart is installed, the program runs, the sample application is there."""

    cluster: PodCluster
    program: PodProgram
    folder: Path

    def apply(self, name: str) -> None:
        """Apply a manifest of the article, as it says."""
        manifest = (EXAMPLES / name).read_text()
        self.cluster.kubectl("apply", "-n", "httpbin", "-f", "-", text=manifest)

    def address(self) -> str:
        """What kubectl shows as the address of the Ingress."""
        shown = self.cluster.kubectl("get", INGRESSES, "-n", "httpbin", "httpbin")
        titles, line = shown.splitlines()
        begin, end = titles.index("ADDRESS"), titles.index("PORTS")
        return line[begin:end].strip()


class Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name there
        pass


@contextlib.contextmanager
def served(folder: Path, network: Network) -> Iterator[str]:
    """Serve a folder to the namespace; gives its URL."""
    with network:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def article(
    pod_cluster: PodCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Article]:
    folder = tmp_path_factory.mktemp("article")
    charts = folder / "charts"
    pod_cluster.run("make", "chart", f"CHARTS={charts}")
    with served(charts, pod_cluster.network) as url:
        pod_cluster.helm("repo", "add", "fsm", url)
        pod_cluster.helm("repo", "update")
        pod_cluster.run(*INSTALL, "--wait", "--timeout", "60s")
    (pod,) = pod_cluster.wait_for(lambda: pod_cluster.pods("fsm"))
    (container,) = pod["spec"]["containers"]
    pod_cluster.kubectl("create", "namespace", "httpbin")
    with pod_cluster.in_pod(
        folder,
        *arguments(container, NODE_ADDRESS),
        account=("fsm", pod["spec"]["serviceAccountName"]),
        environment=environment(container, pod, NODE_ADDRESS),
    ) as program:
        article = Article(pod_cluster, program, folder)
        article.apply("httpbin.yaml")
        pod_cluster.wait_for(lambda: pod_cluster.pods("httpbin"))
        yield article
    pod_cluster.helm("uninstall", "--namespace", "fsm", "fsm")


def test_the_service_and_the_class_are_those_that_the_article_shows(article: Article) -> None:
    label = "app.kubernetes.io/component=controller"
    shown = article.cluster.kubectl("get", "svc", "-n", "fsm", "-l", label, "--no-headers")
    (line,) = shown.splitlines()
    name, kind, _, _, ports, _ = line.split()
    assert (name, kind) == ("fsm-ingress-pipy-controller", "LoadBalancer")
    assert ports == "80:30508/TCP,443:30607/TCP"
    assert "flomesh.io/ingress-pipy" in article.cluster.kubectl("get", "ingressclass", "pipy")


def test_an_ingress_gets_the_address_of_the_node_and_is_served_there(article: Article) -> None:
    article.apply("ingress-http.yaml")
    article.cluster.wait_for(
        lambda: article.address() == NODE_ADDRESS, lambda: article.program.log
    )
    service = article.cluster.get("v1", "Service", "fsm-ingress-pipy-controller", "fsm")
    assert service["status"]["loadBalancer"] == {"ingress": [{"ip": NODE_ADDRESS}]}

    answer = article.cluster.ask("http://example.com/hi", to=(article.address(), 80))
    assert (answer.status, answer.echo["host"], answer.echo["path"]) == (200, "example.com", "/hi")
    assert answer.echo["pod"].startswith("httpbin-")
    assert article.cluster.ask("http://example.com/no", to=(NODE_ADDRESS, 80)).status == 404


def test_https_has_the_certificate_of_the_secret(article: Article) -> None:
    subprocess.run(shlex.split(CERTIFICATE), cwd=article.folder, check=True, capture_output=True)
    certificate = article.folder / "ingress-cert.pem"
    files = (f"--cert={certificate}", f"--key={article.folder / 'ingress-key.pem'}")
    article.apply("ingress-https.yaml")
    article.cluster.kubectl("create", "secret", "tls", "ingress-cert", *files, "-n", "httpbin")

    def asked() -> Any:
        to = (NODE_ADDRESS, 443)
        return article.cluster.ask("https://example.com/hi", to=to, ca=certificate)

    article.cluster.wait_for(lambda: asked().status == 200, lambda: article.program.log)
    assert asked().echo["path"] == "/hi"
    plain = article.cluster.ask("http://example.com/hi", to=(NODE_ADDRESS, 80))
    assert (plain.status, plain.headers["location"]) == (308, "https://example.com/hi")


def test_what_happened_stands_among_the_events_of_the_ingress(article: Article) -> None:
    def reasons() -> set[str]:
        path = "/apis/events.k8s.io/v1/namespaces/httpbin/events"
        return {
            each["reason"]
            for each in article.cluster.call("GET", path)["items"]
            if each["regarding"]["kind"] == "Ingress"
        }

    article.cluster.wait_for(lambda: "Synced" in reasons(), lambda: article.program.log)
    # The article's certificate has no name that a client would believe.
    article.cluster.wait_for(lambda: "CertificateNotCovering" in reasons(), lambda: str(reasons()))
    told = article.cluster.kubectl("describe", INGRESSES, "-n", "httpbin", "httpbin")
    assert "Synced" in told


def test_the_account_has_no_more_rights_than_it_uses(article: Article) -> None:
    can = (
        "kubectl",
        "auth",
        "can-i",
        "--as=system:serviceaccount:fsm:fsm-ingress-pipy",
    )
    for refused in (
        ("delete", "pods", "-A"),
        ("update", "secrets", "-A"),
        ("update", INGRESSES, "-A"),
        ("list", "nodes"),
        ("patch", "services", "--subresource=status", "-n", "httpbin"),
        ("get", "leases", "-n", "httpbin"),
    ):
        ended = article.cluster.run(*can, *refused, check=False)
        assert ended.stdout.strip() == "no", refused
    assert "orbidden" not in article.program.log, article.program.log


def test_the_lease_names_the_pod(article: Article) -> None:
    lease = article.cluster.get("coordination.k8s.io/v1", "Lease", "fsm-ingress-pipy", "fsm")
    (pod,) = article.cluster.pods("fsm")
    assert lease["spec"]["holderIdentity"].startswith(pod["metadata"]["name"])


def test_nothing_secret_is_logged(article: Article) -> None:
    token = (article.folder / "account" / "token").read_text()
    assert token not in article.program.log
    assert "PRIVATE KEY" not in article.program.log
    assert "Traceback" not in article.program.log


def test_probes_are_not_logged(article: Article) -> None:
    assert article.program.is_ready
    assert "/readyz" not in article.program.log
