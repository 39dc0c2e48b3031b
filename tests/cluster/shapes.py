"""Kubernetes objects as an API server of 1.20 has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: @REPLICAS@
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {fake/linger: "2"}
    spec:
      containers: [{name: web, image: echo, ports: [{containerPort: 8080}]}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: pipy
  rules:
  - host: @HOST@
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
"""


def served_pods(host: str, replicas: int) -> str:
    """
    Return the manifests of pods with their Service ``web`` and its Ingress.

    A pod that is deleted serves two more seconds, as one with a preStop hook does.
    """
    return _WEB.replace("@HOST@", host).replace("@REPLICAS@", str(replicas))


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
