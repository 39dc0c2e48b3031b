"""Small documents, as a user would write them, for the tests to break."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def backend(name: str = "web", port: int | str = 80) -> Document:
    key = "name" if isinstance(port, str) else "number"
    return {"service": {"name": name, "port": {key: port}}}


def path(text: str = "/", path_type: str = "Prefix", **fields: Any) -> Document:
    return {"path": text, "pathType": path_type, "backend": backend(), **fields}


def rule(*paths: Document, host: str = "web.example") -> Document:
    return {"host": host, "http": {"paths": list(paths or (path(),))}}


def ingress(*rules: Document, metadata: Document | None = None, **spec: Any) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "shop", **(metadata or {})},
        "spec": {"rules": list(rules or (rule(),)), **spec},
    }


def service(*ports: Document, **spec: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": list(ports or ({"port": 80},)), **spec},
    }


def endpoint_slice(*endpoints: Document, **fields: Any) -> Document:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "web-abc12",
            "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "endpoints": list(endpoints or ({"addresses": ["10.0.0.1"]},)),
        "ports": [{"name": "", "port": 8080}],
        **fields,
    }


def endpoints(*subsets: Document) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": "web", "namespace": "shop"},
        "subsets": list(subsets),
    }


def secret(**fields: Any) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "cert", "namespace": "shop"},
        **fields,
    }
