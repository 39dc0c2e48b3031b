"""What the control road asks of the API server beside following it."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Final, Protocol

CONFLICT: Final = 409
APPLY: Final = "application/apply-patch+yaml"


class Requests(Protocol):
    """Makes requests, as `sources.cluster.api.Api` does."""

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Coroutine[Any, Any, Mapping[str, object]]:
        """
        Make one request and return the object in its answer.

        Raises:
            ApiFailure: It was refused, or there is no usable answer.
        """
