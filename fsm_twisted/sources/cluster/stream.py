"""
What a watch sends: one JSON object a line. Pure: bytes in, events out.

Source: Kubernetes API concepts, "Efficient detection of changes" (``WatchEvent``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import attrs

from fsm_twisted.sources.cluster.access import ApiFailure

# etcd takes 1.5 MiB an object, and JSON may be longer than what etcd holds.
LINE_LIMIT_BYTES: Final = 8 * 1024 * 1024


class WatchBroken(ApiFailure):
    """A line that is no event: nobody knows what was lost, so everything must be listed anew."""


@attrs.frozen
class WatchEvent:
    """``WatchEvent``: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and what it is about."""

    type: str
    object: Mapping[str, object]

    @property
    def version(self) -> str:
        """Return ``object.metadata.resourceVersion``, ``""`` when there is none."""
        metadata = self.object.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        return version if isinstance(version, str) else ""


class WatchDecoder:
    """Cuts a stream into events, wherever the network has cut it."""

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[WatchEvent]:
        """
        Return the events that *data* completes; the begin of a line is kept for the next call.

        Raises:
            WatchBroken: A line is too long, no JSON, or no event.
        """
        *ended, rest = data.split(b"\n")
        events = []
        for end in ended:
            line = b"".join((*self._begun, end))
            self._begun, self._size = [], 0
            self._check(len(line))
            if line.strip():
                events.append(_event(line))
        if rest:
            self._begun.append(rest)
            self._size += len(rest)
            self._check(self._size)
        return events

    def _check(self, size: int) -> None:
        if size > self._limit_bytes:
            msg = f"the watch sent a line of more than {self._limit_bytes} bytes"
            raise WatchBroken(msg)


def _event(line: bytes) -> WatchEvent:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise WatchBroken("the watch sent a line that is no JSON") from None
    match value:
        case {"type": str(kind), "object": dict(about)}:
            return WatchEvent(kind, about)
    raise WatchBroken("the watch sent a line that is no event")
