"""Kubernetes objects as an API server of 1.20 has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_protocols(item: Any, key: str = "") -> Any:
    """Name the protocol of ports: server-side apply does not know its default before 1.21."""
    if isinstance(item, list):
        values = [with_protocols(each) for each in item]
        return [{"protocol": "TCP", **each} for each in values] if key == "ports" else values
    if isinstance(item, Mapping):
        return {name: with_protocols(value, name) for name, value in item.items()}
    return item


def is_ready(pod: Any) -> bool:
    conditions = pod.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
