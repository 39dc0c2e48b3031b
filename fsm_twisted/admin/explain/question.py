"""What is asked: a method, a URL and fields, as a client like curl would send them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

import attrs

from fsm_twisted.message.authority import AuthorityError, parse_authority

_URL: Final = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?([^/?#]*)([^#]*)(?:#.*)?", re.DOTALL)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_FIELD: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([\x20-\x7e\t]*)")
_TARGET: Final = re.compile(r"[\x21-\x7e]*")
_DEFAULT_CLIENT: Final = "127.0.0.1"
_LONGEST_URL: Final = 16 * 1024
MOST_FIELDS: Final = 100


class QuestionError(ValueError):
    """A question that no client could ask; the text says what is wrong, and how to write it."""


@attrs.frozen
class Question:
    """
    One request.

    ``head`` is what goes over the wire, the empty line included. ``host`` is what Host says,
    ``server_name`` what TLS says (empty for an IP address, which has none). ``client`` is the
    address of the peer.
    """

    method: str
    scheme: str
    host: str
    target: str
    server_name: str
    client: str
    head: bytes

    @property
    def is_secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme == "https"

    @property
    def url(self) -> str:
        """The URL in full."""
        return f"{self.scheme}://{self.host}{self.target}"


def ask(url: str, method: str = "GET", fields: Iterable[str] = (), client: str = "") -> Question:
    """
    Read a question.

    Args:
        url: ``http`` or ``https``; without a scheme, ``http``.
        method: Of the request.
        fields: Lines such as ``X-User: ann``; a ``Host`` counts instead of that of the URL, as
            with curl.
        client: IP address from which it is asked; loopback when empty.

    Raises:
        QuestionError: No client could send it.
    """
    scheme, authority, target = _parts(url)
    if not _TOKEN.fullmatch(method):
        raise QuestionError("the method is no word of HTTP, such as GET or POST")
    lines, host = _lines(fields)
    try:
        server = parse_authority(authority.encode("ascii")).host.decode("ascii")
    except (AuthorityError, UnicodeEncodeError) as error:
        raise QuestionError(_authority_text(error)) from None
    wire_host = authority if host is None else host
    start = f"{method} {target} HTTP/1.1\r\nHost: {wire_host}\r\n"
    head = "".join((start, *(f"{line}\r\n" for line in lines), "\r\n")).encode("ascii")
    name = "" if _is_address(server) else server
    return Question(method, scheme, wire_host, target, name, _client(client), head)


def _parts(url: str) -> tuple[str, str, str]:
    if len(url) > _LONGEST_URL:
        raise QuestionError("the URL is longer than 16 KiB")
    found = _URL.fullmatch(url)
    scheme = (found[1] or "http").lower() if found is not None else ""
    if found is None or scheme not in {"http", "https"}:
        raise QuestionError("the URL begins neither with http:// nor with https://")
    authority, target = found[2], found[3]
    if not authority:
        raise QuestionError("the URL has no host; write it as http://HOST/PATH")
    if not _TARGET.fullmatch(target):
        raise QuestionError(
            "the URL has a space, a control character or one outside ASCII behind its host; "
            "write it percent-encoded, a space as %20"
        )
    return scheme, authority, target if target.startswith("/") else f"/{target}"


def _authority_text(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "the host of the URL is not ASCII; write an international name as xn--…"
    return f"the host of the URL cannot be used: {error}"


def _lines(fields: Iterable[str]) -> tuple[list[str], str | None]:
    lines, host = [], None
    for field in fields:
        found = _FIELD.fullmatch(field)
        if found is None:
            raise QuestionError("a header is written as NAME: VALUE, in visible ASCII")
        if found[1].lower() == "host":
            host = found[2].strip()
        else:
            lines.append(f"{found[1]}: {found[2].strip()}")
    if len(lines) > MOST_FIELDS:
        raise QuestionError(f"there are more than {MOST_FIELDS} headers")
    return lines, host


def _client(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text or _DEFAULT_CLIENT))
    except ValueError:
        raise QuestionError("the client is no IP address") from None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
