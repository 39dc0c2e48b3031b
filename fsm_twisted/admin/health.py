"""``/livez`` and ``/readyz`` on the admin port."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.web import http
from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class _Check(Resource):
    isLeaf = True

    def __init__(self, reason_against: Callable[[], str]) -> None:
        super().__init__()
        self._reason_against = reason_against

    def render_GET(self, request: Request) -> bytes:
        """Answer 200 ``ok``, or 503 with the reason."""
        reason = self._reason_against()
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        request.setHeader(b"cache-control", b"no-store")
        if not reason:
            return b"ok\n"
        request.setResponseCode(503)
        return reason.encode() + b"\n"


class _Channel(http.HTTPChannel):
    """A connection on which a question to explain has room: a URL and fields, percent-encoded."""

    MAX_LENGTH = 192 * 1024
    totalHeadersSize = 256 * 1024  # noqa: N815  Twisted's name


class _QuietSite(Site):
    """A site that does not log its requests: probes come every few seconds."""

    noisy = False
    protocol = _Channel  # type: ignore[assignment]  # Twisted itself wraps one, for its HTTP/2

    def log(self, request: http.Request) -> None:
        """Write nothing."""


def admin_site(
    not_ready: Callable[[], str], metrics: Resource, further: Mapping[str, Resource]
) -> Site:
    """
    Build the admin port's site.

    Args:
        not_ready: Says why the process is not ready, or ``""`` when it is (D10).
        metrics: Answers ``/metrics``.
        further: What else there is, by the first part of its path.
    """
    root = Resource()
    root.putChild(b"livez", _Check(lambda: ""))
    root.putChild(b"readyz", _Check(not_ready))
    root.putChild(b"metrics", metrics)
    for name, resource in further.items():
        root.putChild(name.encode("ascii"), resource)
    return _QuietSite(root)
