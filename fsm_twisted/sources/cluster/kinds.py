"""The kinds that we follow: where the API server has them, and the rule that lets us read them."""

from __future__ import annotations

from typing import Final

import attrs


@attrs.frozen
class Kind:
    """
    One kind of objects.

    ``versions`` are those that we read, the preferred one first. Without a mandatory kind nothing
    can be routed, so nothing is ready. ``page_limit`` is how many objects we list at a time.
    """

    name: str
    group: str
    plural: str
    versions: tuple[str, ...] = ("v1",)
    is_namespaced: bool = True
    is_mandatory: bool = False
    page_limit: int = 500

    def api_version(self, version: str) -> str:
        """Return ``apiVersion`` as objects write it."""
        return f"{self.group}/{version}" if self.group else version

    def path(self, version: str, namespace: str = "", name: str = "") -> str:
        """Return the path of the collection, or of one object; no namespace means all."""
        root = f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"
        scope = f"/namespaces/{namespace}" if namespace and self.is_namespaced else ""
        return f"{root}{scope}/{self.plural}" + (f"/{name}" if name else "")

    @property
    def rule(self) -> str:
        """Return the rule of a Role that lets us follow the kind."""
        return (
            f'{{apiGroups: ["{self.group}"], resources: ["{self.plural}"],'
            " verbs: [get, list, watch]}"
        )


NAMESPACE: Final = Kind("Namespace", "", "namespaces", is_namespaced=False, is_mandatory=True)
INGRESS: Final = Kind("Ingress", "networking.k8s.io", "ingresses")
INGRESS_CLASS: Final = Kind(
    "IngressClass", "networking.k8s.io", "ingressclasses", is_namespaced=False
)
SERVICE: Final = Kind("Service", "", "services", is_mandatory=True)
ENDPOINT_SLICE: Final = Kind(
    "EndpointSlice",
    "discovery.k8s.io",
    "endpointslices",
    versions=("v1", "v1beta1"),
    is_mandatory=True,
)
# A Secret may have a megabyte, and most of a page is thrown away again.
SECRET: Final = Kind("Secret", "", "secrets", page_limit=50)
