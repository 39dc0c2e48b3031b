"""
The older view of EndpointSlices: one Endpoints object for each Service.

Pure. A cluster keeps both; the folder keeps slices, and ``kubectl get endpoints`` is told this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from fsm_twisted.demo.document import Document, document_from, number, sections, text, texts

_SLICE_OF: Final = "kubernetes.io/service-name"


def endpoints_of(service: Document, slices: Iterable[Document]) -> Document:
    """Return the Endpoints of *service*: a subset for each of its slices."""
    place = (service.namespace, service.name)
    own = [s for s in slices if (s.namespace, s.labels.get(_SLICE_OF)) == place]
    return document_from(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {
                "name": service.name,
                "namespace": service.namespace,
                "labels": dict(service.labels),
                "creationTimestamp": text(service.body, "metadata", "creationTimestamp"),
            },
            "subsets": [_subset(one) for one in own],
        }
    )


def _subset(slice_: Document) -> dict[str, object]:
    endpoints = sections(slice_.body, "endpoints")
    return {
        "addresses": [{"ip": ip} for endpoint in endpoints for ip in texts(endpoint, "addresses")],
        "ports": [
            {"name": text(port, "name"), "port": number(port, "port")}
            for port in sections(slice_.body, "ports")
        ],
    }
