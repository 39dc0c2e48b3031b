"""Backends that speak TLS, and a folder of manifests whose Ingresses have policies for it."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from tests.strategies.certificates import Pair
from tests.wire.harness.backend import Backend, Script, Served
from tests.wire.harness.message import PATIENCE
from tests.wire.harness.objects import Listening, an_object, ingress_class, service

PREFIX = "pipy.ingress.kubernetes.io/"


@attrs.frozen
class Seen:
    """What a backend has seen of a handshake: server name, resumption, the client's name."""

    server_name: str | None
    is_resumed: bool
    client: str = ""


def server_context(folder: Path, pair: Pair, *issuers: Pair) -> ssl.SSLContext:
    """Make a context that shows *pair* and its issuers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = folder / f"{id(pair)}.pem"
    chain.write_bytes(b"".join(each.crt for each in (pair, *issuers)) + pair.pem_key)
    context.load_cert_chain(chain)
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = _Accepted
    return context


class _Accepted(ssl.SSLSocket):
    """A connection that a reset may have ended already: its handshake says so, not its making."""

    asked_name: str | None = None

    def getpeername(self) -> Any:
        """Return the peer; where nobody is left, nothing of it (`wrap_socket` would raise)."""
        try:
            return super().getpeername()
        except OSError:
            return ("", 0)


def _note_name(sock: Any, name: str | None, _: ssl.SSLContext) -> None:
    sock.asked_name = name


class SecureBackend(Backend):
    """A `Backend` behind TLS; ``seen`` and ``failures`` tell of its handshakes."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self.context = context
        context.sni_callback = _note_name
        self.seen: list[Seen] = []
        self.failures: list[str] = []
        self.alpn: list[str | None] = []

    def greeted(self, served: Served) -> bool:
        """Shake hands."""
        # Else an answer waits 40 ms for the acknowledgement of the session tickets.
        served.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        served.sock = secured = self.context.wrap_socket(
            served.sock, server_side=True, do_handshake_on_connect=False
        )
        assert isinstance(secured, _Accepted)
        try:
            secured.do_handshake()
        except OSError as error:
            self.failures.append(str(error))
            _leave(secured)
            return False
        client = secured.getpeercert() or {}
        subject: Any = client.get("subject", ())
        common_name = subject[0][0][1] if subject else ""
        resumed = bool(secured.session_reused)
        self.seen.append(Seen(secured.asked_name, resumed, common_name))
        self.alpn.append(secured.selected_alpn_protocol())
        return True


def _leave(secured: ssl.SSLSocket) -> None:
    """Close, but not before the peer has: a reset could overtake the alert."""
    with socket.socket(fileno=secured.detach()) as sock, contextlib.suppress(OSError):
        sock.settimeout(PATIENCE)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def ending(response: bytes) -> Script:
    """Answer one request, and end with close_notify."""

    def run(served: Served) -> None:
        served.request()
        served.send(response)
        assert isinstance(served.sock, ssl.SSLSocket)
        with contextlib.suppress(OSError):  # the proxy need not answer it
            served.sock.unwrap()

    return run


@attrs.frozen
class Manifests:
    """A folder that the program follows; each method writes one file, at once and whole."""

    folder: Path

    def _write(self, name: str, *objects: dict[str, Any]) -> None:
        draft = self.folder / f".{name}"
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        draft.write_text(json.dumps(document))
        draft.rename(self.folder / f"{name}.json")

    def secret(
        self,
        name: str,
        data: dict[str, bytes],
        namespace: str = "default",
        kind: str = "Opaque",
    ) -> None:
        """Write a Secret."""
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        document = an_object("v1", "Secret", name, type=kind, data=encoded)
        document["metadata"]["namespace"] = namespace
        self._write(f"secret-{namespace}-{name}", document)

    def no_secret(self, name: str, namespace: str = "default") -> None:
        """Delete a Secret."""
        (self.folder / f"secret-{namespace}-{name}.json").unlink()

    def service(self, name: str, *backends: Listening) -> None:
        """Write a Service with port 443 and its endpoints."""
        self._write(f"service-{name}", *service(name, backends, 443))

    def ingress(
        self,
        name: str,
        service: str,
        hosts: tuple[str, ...],
        annotations: dict[str, str],
        tls: Mapping[str, tuple[str, ...]] | None = None,
        prefix: str = "/",
    ) -> None:
        """Write an Ingress that leads all *hosts* to a Service; *tls* are hosts by Secret."""
        backend = {"service": {"name": service, "port": {"number": 443}}}
        path = {"path": prefix, "pathType": "Prefix", "backend": backend}
        rules = [{"host": host, "http": {"paths": [path]}} for host in hosts]
        document = an_object(
            "networking.k8s.io/v1",
            "Ingress",
            name,
            spec={
                "ingressClassName": "pipy",
                "rules": rules,
                "tls": [
                    {"hosts": list(each), **({"secretName": secret} if secret else {})}
                    for secret, each in (tls or {}).items()
                ],
            },
        )
        document["metadata"]["annotations"] = {PREFIX + k: v for k, v in annotations.items()}
        self._write(f"ingress-{name}", document)

    def ingress_class(self) -> None:
        """Write the class of all Ingresses."""
        self._write("class", ingress_class())
