"""
A cluster with pods, for tests: a real control plane, its controllers, and a stand-in kubelet.

Everything lives in a network namespace of its own, in which pods have addresses of 10.1.0.0/16
and answer with an echo (JSON: path, host, method, headers, pod); 192.0.2.0/24 is local there too,
for nodes and load balancers; 192.0.2.1 is the address of the one node. Beside the binaries of
`control_plane`, ``KUBEBUILDER_ASSETS`` holds kube-controller-manager, fake-kubelet.py, kubectl and
helm; ``.ci/control-plane`` prepares them all. Annotations that the kubelet obeys on pods:
``fake/ready: "false"``, ``fake/ready-after: "3"``, ``fake/linger: "5"`` (seconds).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import ADMIN, ControlPlane, Refusal, missing_binaries
from tests.cluster.inside import PROGRAM, Answer, PodProgram, ask, launched, with_account
from tests.cluster.network import Network, missing_rights
from tests.cluster.shapes import is_ready, with_protocols

NODE = "node-1"
NODE_ADDRESS = "192.0.2.1"
PATIENCE_SECONDS = 180.0
_CONTROLLERS = "kcm-token"
_OURS = ("kube-controller-manager", "fake-kubelet.py", "kubectl", "helm")
# There is no kubelet with a heartbeat here: left out is what would evict or delete pods for that.
_LEFT_OUT = (
    "nodelifecycle",
    "nodeipam",
    "podgc",
    "route",
    "service",
    "cloud-node-lifecycle",
    "attachdetach",
    "persistentvolume-binder",
    "persistentvolume-expander",
    "pv-protection",
    "pvc-protection",
    "tokencleaner",
    "bootstrapsigner",
    "csrsigning",
    "csrapproving",
    "csrcleaner",
    "ttl",
)


def missing_parts() -> str:
    """Say why there can be no cluster with pods here; ``""`` when there may be one."""
    if reason := missing_binaries() or missing_rights():
        return reason
    folder = Path(os.environ["KUBEBUILDER_ASSETS"])
    for name in _OURS:
        if not (folder / name).exists():
            return (
                f"KUBEBUILDER_ASSETS: there is no {name} in {folder}; .ci/control-plane makes it"
            )
    return ""


class PodCluster(ControlPlane):
    """A cluster in which Deployments have pods; every method acts inside its namespace."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.network = Network("10.1.0.0/16", "192.0.2.0/24")
        super().__init__(folder, *flags)
        self.assets = self._bin
        self._collections: dict[str, dict[str, tuple[str, bool]]] = {}

    # Life

    def start(self) -> None:
        """Start everything; returns when pods can be made."""
        with self.network:
            super().start()
            self.admin = self._write_kubeconfig("admin", ADMIN)
            self._start_controllers()
            self._make_node()
            self._start_kubelet()

    def start_api_server(self) -> None:
        with self.network:
            super().start_api_server()

    def stop(self) -> None:
        super().stop()
        self.network.close()

    # Use

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
    ) -> Any:
        with self.network:
            return super().call(method, path, body, content_type=content_type)

    def apply(self, text: str | Mapping[str, Any], *, namespace: str = "default") -> list[Any]:
        """Apply manifests (server-side); *namespace* is that of objects which name none."""
        documents = yaml.safe_load_all(text) if isinstance(text, str) else [text]
        return [self._apply_one(each, namespace) for each in documents if each]

    def path(self, version: str, kind: str, namespace: str = "default", name: str = "") -> str:
        """Return the path of an object, or of its collection; namespaced where the kind is."""
        plural, is_namespaced = self._collection(version, kind)
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        scope = f"/namespaces/{namespace}" if is_namespaced else ""
        return f"{root}{scope}/{plural}" + (f"/{name}" if name else "")

    def get(self, version: str, kind: str, name: str, namespace: str = "default") -> Any:
        return self.call("GET", self.path(version, kind, namespace, name))

    def delete(self, version: str, kind: str, name: str, namespace: str = "default") -> None:
        self.call("DELETE", self.path(version, kind, namespace, name))

    def make_namespace(self, name: str) -> None:
        """Make a namespace; returns when pods may be made there."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.wait_for(lambda: self.get("v1", "ServiceAccount", "default", name))

    def pods(self, namespace: str, *, ready: bool = True) -> list[Any]:
        """Return the pods that are not being deleted; the ready ones alone, or all."""
        found = self.call("GET", self.path("v1", "Pod", namespace))["items"]
        staying = [each for each in found if "deletionTimestamp" not in each["metadata"]]
        return [each for each in staying if not ready or is_ready(each)]

    def wait_for(
        self,
        is_so: Callable[[], Any],
        otherwise: Callable[[], str] = str,
        seconds: float = PATIENCE_SECONDS,
    ) -> Any:
        """Wait until *is_so* gives something true, and return it; refusals and losses are no."""
        end = time.monotonic() + seconds
        while True:
            last: object = None
            try:
                if last := is_so():
                    return last
            except (OSError, http.client.HTTPException, Refusal) as problem:
                last = problem
            assert time.monotonic() < end, f"waited in vain, {last!r}: {otherwise()}"
            time.sleep(0.05)

    def run(
        self, *command: str, text: str = "", check: bool = True, seconds: float = PATIENCE_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the namespace, as the administrator; *text* is its input."""
        with self.network:
            ended = subprocess.run(
                command,
                input=text,
                capture_output=True,
                text=True,
                check=False,
                env=self.environment(),
                cwd=Path(__file__).resolve().parents[2],
                timeout=seconds,
            )
        said = f"{' '.join(command)}\n{ended.stdout}{ended.stderr}"
        assert not check or ended.returncode == 0, said
        return ended

    def kubectl(self, *arguments: str, text: str = "") -> str:
        """Run kubectl; return what it says."""
        return self.run(str(self.assets / "kubectl"), *arguments, text=text).stdout

    def helm(self, *arguments: str) -> str:
        """Run helm; return what it says."""
        return self.run(str(self.assets / "helm"), *arguments).stdout

    def environment(self) -> dict[str, str]:
        """Return the environment of commands: the administrator's, caches in our folder."""
        return {
            "PATH": f"{self.assets}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.admin),
            "LANG": "C.UTF-8",
        }

    def account(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig of a ServiceAccount, with a token as pods get it; return its path."""
        return self._write_kubeconfig(f"{namespace}-{name}", self.token(namespace, name))

    def token(self, namespace: str, name: str) -> str:
        """Return a token of a ServiceAccount, good for an hour."""
        path = self.path("v1", "ServiceAccount", namespace, name)
        return str(self.call("POST", f"{path}/token", {"spec": {}})["status"]["token"])

    @contextlib.contextmanager
    def program(
        self, folder: Path, *options: str, kubeconfig: Path | None = None, ready: bool = True
    ) -> Iterator[PodProgram]:
        """
        Run ``twistd fsm-ingress`` inside the namespace until it is ready, and then for a while.

        *kubeconfig* is the administrator's by default; an option given twice counts as the program
        says. Without ``--http`` and ``--admin``, ports are free ones.
        """
        free = [
            each
            for name in ("--http", "--admin")
            if name not in options
            for each in (name, "tcp:0:interface=127.0.0.1")
        ]
        account = ("--kubeconfig", str(kubeconfig or self.admin))
        command = (*PROGRAM, *account, *free, *options)
        with launched(
            self.network, command, folder, {**os.environ, **self.environment()}
        ) as program:
            self._wait_until_ready(program, is_wanted=ready)
            yield program

    @contextlib.contextmanager
    def in_pod(
        self,
        folder: Path,
        *options: str,
        account: tuple[str, str],
        environment: Mapping[str, str],
        ready: bool = True,
    ) -> Iterator[PodProgram]:
        """
        Run the program as in a pod: *account* (namespace, name) where pods have theirs.

        *folder* ``/account`` holds its files meanwhile; a new token may be written there.
        """
        files = folder / "account"
        files.mkdir()
        (files / "token").write_text(self.token(*account))
        (files / "ca.crt").write_bytes(self.ca.file("ca.crt").read_bytes())
        (files / "namespace").write_text(account[0])
        place = {
            "PATH": os.environ["PATH"],
            "KUBERNETES_SERVICE_HOST": self.host,
            "KUBERNETES_SERVICE_PORT": str(self.port),
        }
        command = (*with_account(files), *PROGRAM, *options)
        with launched(self.network, command, folder, {**place, **environment}) as program:
            self._wait_until_ready(program, is_wanted=ready)
            yield program

    def ask(
        self,
        url: str,
        *,
        to: tuple[str, int],
        ca: Path | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """
        Send a request to the address and port *to*, as curl does with ``--connect-to``.

        Host and server name come from *url*; for https, *ca* holds what is trusted.
        """
        return ask(self.network, url, to=to, ca=ca, method=method, headers=headers or {})

    # Inside

    def _wait_until_ready(self, program: PodProgram, *, is_wanted: bool) -> None:
        if is_wanted:
            self.wait_for(lambda: program.is_ready or program.has_ended, lambda: program.log)
            assert not program.has_ended, program.log

    def _apply_one(self, item: Mapping[str, Any], namespace: str) -> Any:
        about = item["metadata"]
        place = self.path(
            item["apiVersion"], item["kind"], about.get("namespace", namespace), about["name"]
        )
        return self.call(
            "PATCH",
            f"{place}?fieldManager=test&force=true",
            with_protocols(item),
            content_type="application/apply-patch+yaml",
        )

    def _collection(self, version: str, kind: str) -> tuple[str, bool]:
        if version not in self._collections:
            found = self.call("GET", f"/apis/{version}" if "/" in version else f"/api/{version}")
            self._collections[version] = {
                each["kind"]: (each["name"], each["namespaced"])
                for each in found["resources"]
                if "/" not in each["name"]
            }
        return self._collections[version][kind]

    def _write_kubeconfig(self, name: str, token: str) -> Path:
        """Write it in the one form that the stand-in kubelet reads."""
        data = base64.b64encode(self.ca.file("ca.crt").read_bytes()).decode()
        server = f"https://{self.host}:{self.port}"
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
            f'clusters: [{{name: c, cluster: {{server: "{server}", '
            f'certificate-authority-data: "{data}"}}}}]\n'
            f'users: [{{name: u, user: {{token: "{token}"}}}}]\n'
            "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
        )
        path.chmod(0o600)
        return path

    def _prepare(self) -> None:
        super()._prepare()
        with (self.folder / "tokens.csv").open("a") as tokens:
            tokens.write(f"{_CONTROLLERS},system:kube-controller-manager,kcm\n")

    def _api_flags(self) -> tuple[str, ...]:
        # Pods have ServiceAccounts here.
        flags = (each for each in super()._api_flags() if "ServiceAccount" not in each)
        return (*flags, "--allow-privileged=true")

    def _start_controllers(self) -> None:
        config = self._write_kubeconfig("controllers", _CONTROLLERS)
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--authentication-skip-lookup",
            "--bind-address=127.0.0.1",
            "--port=0",
            "--leader-elect=false",
            f"--cert-dir={self.folder}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={self.ca.file('accounts.key')}",
            f"--root-ca-file={self.ca.file('ca.crt')}",
            f"--controllers=*,{','.join(f'-{each}' for each in _LEFT_OUT)}",
        )
        self._wait(
            "kube-controller-manager",
            lambda: bool(self.get("v1", "ServiceAccount", "default")),
        )

    def _make_node(self) -> None:
        labels = {
            "kubernetes.io/hostname": NODE,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/zone": "zone-a",
        }
        about = {"name": NODE, "labels": labels}
        self.call("POST", "/api/v1/nodes", {"metadata": about})
        status = {
            "addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        # Whoever takes the taint of a new node away is left out here.
        for path, change in (("", {"spec": {"taints": None}}), ("/status", {"status": status})):
            self.call(
                "PATCH",
                f"/api/v1/nodes/{NODE}{path}",
                change,
                content_type="application/merge-patch+json",
            )

    def _start_kubelet(self) -> None:
        with (self.folder / "kubelet.log").open("ab") as log:
            self._processes["kubelet"] = subprocess.Popen(
                [
                    sys.executable,
                    str(self._bin / "fake-kubelet.py"),
                    f"--kubeconfig={self.admin}",
                    f"--node={NODE}",
                ],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

    def _etcd(self, what: str, body: object) -> Any:
        with self.network:
            return super()._etcd(what, body)
