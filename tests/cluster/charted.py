"""A pod of the chart, as its node would run it."""

from __future__ import annotations

from typing import Any


def arguments(container: Any, address: str) -> list[str]:
    """
    Return the container's arguments, to be run at *address* instead of in a pod.

    Ports of the node lead to those of the container there: they are listened on at once.
    """
    texts = [each.replace("$(POD_IP)", address) for each in container["args"]]
    for port in container["ports"]:
        inside = f"tcp:{port['containerPort']}"
        outside = f"tcp:{port.get('hostPort', port['containerPort'])}:interface={address}"
        texts = [outside if each == inside else each for each in texts]
    return texts


def environment(container: Any, pod: Any, address: str) -> dict[str, str]:
    """Return the container's environment, as the kubelet makes it."""
    values = {
        "status.podIP": address,
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
    }
    return {
        each["name"]: values[each["valueFrom"]["fieldRef"]["fieldPath"]]
        for each in container["env"]
    }
