"""
Who is who across snapshots.

Run-time facts (load, health, pools, balancer positions) live beside the snapshot under these
keys, and so survive every swap.
"""

from __future__ import annotations

import attrs


@attrs.frozen(order=True, cache_hash=True)
class IngressId:
    """An Ingress: namespace and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return ``namespace/name``."""
        return f"{self.namespace}/{self.name}"


@attrs.frozen(order=True, cache_hash=True)
class ServicePortId:
    """One port of a Service; ``port`` is its *number* in the Service, however it was named."""

    namespace: str
    service: str
    port: int

    def __str__(self) -> str:
        """Return ``namespace/service:port``."""
        return f"{self.namespace}/{self.service}:{self.port}"


@attrs.frozen(order=True, cache_hash=True)
class UpstreamId:
    """An upstream: policies belong to (Ingress, Service port) and never leak to others."""

    ingress: IngressId
    service_port: ServicePortId

    def __str__(self) -> str:
        """Return ``namespace/ingress -> service:port``."""
        return f"{self.ingress} -> {self.service_port.service}:{self.service_port.port}"


@attrs.frozen(order=True, cache_hash=True)
class Endpoint:
    """One address (IPv4 or IPv6 literal, no brackets) and TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return ``address:port``, an IPv6 address in brackets."""
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )
