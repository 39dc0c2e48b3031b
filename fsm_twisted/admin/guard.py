"""
Who may read the admin port's API and pages: not everybody who can make a browser ask.

The port listens on loopback or the pod's address. A page of a stranger, open in the browser of
somebody who can reach it, must get nothing: no CORS, no framing, and no name that the stranger has
had resolved to our address (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

from twisted.web.server import Request

from fsm_twisted.message.authority import AuthorityError, parse_authority

HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
_FOREIGN: Final = frozenset({b"cross-site", b"same-site"})


class Guard:
    """
    Decides who is answered.

    Args:
        names: Under which the port may be asked, besides addresses and ``localhost``
            (``--admin-host``), lower-case.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(name.encode("ascii") for name in names)

    def refusal(self, request: Request) -> str:
        """Say why *request* is not answered, ``""`` when it is; set the headers of any answer."""
        for name, value in HEADERS:
            request.setHeader(name, value)
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) != 1 or not self._is_known(hosts[0].strip()):
            return (
                "ask by IP address or as localhost: other names are answered only when "
                "--admin-host allows them"
            )
        is_foreign = request.getHeader(b"sec-fetch-site") in _FOREIGN
        # A link may lead here; a script of another page may not.
        if is_foreign and request.getHeader(b"sec-fetch-mode") != b"navigate":
            return "pages of other sites are not answered"
        return ""

    def _is_known(self, raw: bytes) -> bool:
        try:
            host = parse_authority(raw).host
        except AuthorityError:
            return False
        if host == b"localhost" or host.endswith(b".localhost") or host in self._names:
            return True
        try:
            ipaddress.ip_address(host.strip(b"[]").decode("ascii"))
        except ValueError:
            return False
        return True
