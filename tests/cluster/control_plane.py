"""
A real etcd and kube-apiserver on loopback ports, for tests.

The binaries are those of the folder that ``KUBEBUILDER_ASSETS`` names, as kubebuilder's test
environment has it; where that is unset, tests that need them are skipped.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import os
import shutil
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from tests.ports import free_ports

START_SECONDS = 90.0
ADMIN = "admin-token"


def missing_binaries() -> str:
    """Say why there is no control plane here; ``""`` when there may be one."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return "KUBEBUILDER_ASSETS is not set: it names a folder with etcd and kube-apiserver"
    for name in ("etcd", "kube-apiserver"):
        if not os.access(Path(folder) / name, os.X_OK):
            return f"KUBEBUILDER_ASSETS: there is no {name} in {folder}"
    return ""


class Refusal(AssertionError):
    """The API server refused what a test wanted of it."""


class ControlPlane:
    """
    One cluster without nodes: objects, watches and rights are real, nobody acts on them.

    *folder* keeps everything; *flags* go to the API server.
    """

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self._flags = flags
        self._bin = Path(os.environ["KUBEBUILDER_ASSETS"])
        self._etcd_port, self._peer_port, self.port = free_ports(3)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.ca = Authority(folder)
        self.host = "127.0.0.1"

    # Life

    def start(self) -> None:
        """Start both; returns when the API server is ready."""
        self._prepare()
        self._start_etcd()
        self.start_api_server()

    def start_api_server(self) -> None:
        """Start the API server, again after `kill`; returns when it is ready."""
        self._spawn("kube-apiserver", *self._api_flags())
        self._wait("kube-apiserver", lambda: self._answers("/readyz"))

    def kill(self) -> None:
        """Kill the API server without a word, as a crash does."""
        self._end("kube-apiserver")

    def compact(self) -> None:
        """Make etcd forget its history, of which something new is the end."""
        self._etcd("put", {"key": "YQ==", "value": "YQ=="})
        revision = self._etcd("range", {"key": "AA=="})["header"]["revision"]
        self._etcd("compaction", {"revision": revision, "physical": True})

    def stop(self) -> None:
        """End everything and remove it."""
        for name in tuple(self._processes):
            self._end(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    # Use

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
    ) -> Any:
        """Make one request as the administrator; raises `Refusal` for an error."""
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=10, context=self._context()
        )
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": content_type}
            text = None if body is None else json.dumps(body)
            connection.request(method, path, text, headers)
            response = connection.getresponse()
            answer = response.read()
        if response.status >= 300:
            raise Refusal(f"{method} {path}: {response.status} {answer[:300]!r}")
        return json.loads(answer)

    def grant(self, user: str, rules: list[object], namespace: str = "") -> None:
        """Give *user* a role of its own, in one namespace or everywhere."""
        group = "rbac.authorization.k8s.io"
        scope = f"/namespaces/{namespace}" if namespace else ""
        prefix = "" if namespace else "Cluster"
        root = f"/apis/{group}/v1{scope}/{prefix.lower()}role"
        self.call("POST", f"{root}s", {"metadata": {"name": user}, "rules": rules})
        subject = {"kind": "User", "name": user, "apiGroup": group}
        binding = {
            "metadata": {"name": user},
            "subjects": [subject],
            "roleRef": {"kind": f"{prefix}Role", "name": user, "apiGroup": group},
        }
        self.call("POST", f"{root}bindings", binding)

    def kubeconfig(
        self, name: str, user: Mapping[str, object], cluster: Mapping[str, object]
    ) -> Path:
        """Write a kubeconfig for *user*."""
        entry = {
            "server": f"https://{self.host}:{self.port}",
            "certificate-authority": str(self.ca.file("ca.crt")),
            **cluster,
        }
        path = self.folder / f"{name}.kubeconfig"
        config = {
            "clusters": [{"name": "c", "cluster": entry}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(config))
        return path

    # Inside

    def _prepare(self) -> None:
        self.ca.issue("server", "kube-apiserver", names=("localhost",), addresses=("127.0.0.1",))
        self.ca.service_account_keys()
        users = ("alice", "bob", "carol", "dora", "erin", "frank", "grace")
        lines = [
            f"{ADMIN},admin,1,system:masters",
            *(f"{each}-token,{each},{each}" for each in users),
        ]
        (self.folder / "tokens.csv").write_text("\n".join(lines) + "\n")

    def _start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        self._spawn(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--log-level=warn",
            "--logger=zap",
        )
        self._wait("etcd", lambda: bool(self._etcd("range", {"key": "AA=="})))

    def _api_flags(self) -> tuple[str, ...]:
        file = self.ca.file
        return (
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--bind-address={self.host}",
            f"--secure-port={self.port}",
            "--advertise-address=192.0.2.1",
            f"--tls-cert-file={file('server.crt')}",
            f"--tls-private-key-file={file('server.key')}",
            f"--client-ca-file={file('ca.crt')}",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={file('accounts.pub')}",
            f"--service-account-signing-key-file={file('accounts.key')}",
            "--service-cluster-ip-range=10.0.0.0/16",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount",
            "--shutdown-delay-duration=0s",
            *self._flags,
        )

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [str(self._bin / name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def _end(self, name: str) -> None:
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException, Refusal):
                if is_ready():
                    return
            log = (self.folder / f"{name}.log").read_text(errors="replace")
            assert self._processes[name].poll() is None, f"{name} ended:\n{log[-3000:]}"
            assert time.monotonic() < end, f"{name} is not ready:\n{log[-3000:]}"
            time.sleep(0.1)

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=10, context=self._context()
        )
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN}"})
            return connection.getresponse().status == 200

    def _etcd(self, what: str, body: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._etcd_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", f"/v3/kv/{what}", json.dumps(body))
            return json.loads(connection.getresponse().read())

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca.file("ca.crt")))


class Authority:
    """A certificate authority whose files lie in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("test authority")
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = self._builder(name, name, self._key.public_key())
        builder = builder.add_extension(constraints, critical=True)
        builder = builder.add_extension(usage, critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.file("ca.crt").write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def file(self, name: str) -> Path:
        return self._folder / name

    def issue(
        self,
        file: str,
        name: str,
        *,
        organization: str = "",
        names: tuple[str, ...] = (),
        addresses: tuple[str, ...] = (),
    ) -> None:
        """Write ``FILE.crt`` and ``FILE.key``: for a server with names, else for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name, organization)
        builder = self._builder(subject, self._certificate.subject, key.public_key())
        alternatives = [
            *(x509.DNSName(each) for each in names),
            *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses),
        ]
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        self.file(f"{file}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
        self._write_key(f"{file}.key", key)

    def service_account_keys(self) -> None:
        """Write the pair of keys for tokens of ServiceAccounts."""
        key = rsa.generate_private_key(65537, 2048)
        self._write_key("accounts.key", key)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.file("accounts.pub").write_bytes(public)

    def _write_key(self, file: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
        text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        self.file(file).write_bytes(text)

    @staticmethod
    def _builder(
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePublicKey,
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=2))
        )


def _name(name: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)
