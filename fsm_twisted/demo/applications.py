"""
The article's two sample applications, as resources of twisted.web.

Both run from one image, ``addozhang/httpbin``: as it comes, and with a line of PipyJS as its
command. Bodies are those that the article shows.
"""

from __future__ import annotations

import re
from typing import Final

import attrs
from twisted.web.http import Request
from twisted.web.resource import Resource

IMAGE: Final = "addozhang/httpbin"

PAGE: Final = b"""<!DOCTYPE html>
<html>
  <head>
    <title>Hi, Pipy!</title>
  </head>
  <body>
    <h1>Hi, Pipy!</h1>
    <p>This is a web page served from Pipy.</p>
  </body>
</html>
"""

_ANSWERS: Final = {
    b"/": (200, b"text/html", PAGE),
    b"/hi": (200, b"text/plain", b"Hi, there!\n"),
    b"/api/private": (401, b"text/plain", b"Staff only\n"),
}
_NO_HANDLER: Final = (404, b"text/plain", b"No handler\n")

# The one program that we understand: every request gets a text that ends in the pod's name.
_PROGRAM = re.compile(
    r"""\s* pipy\(\)
        \s* \.listen\((?P<port>\d{1,5})\)
        \s* \.serveHTTP\( \s* new \s Message\(
            '(?P<greeting>[^'\\]*)' \s* \+ \s* os\.env\["HOSTNAME"\] \) \s* \) \s*""",
    re.VERBOSE,
)


@attrs.frozen
class Httpbin:
    """The image as it comes: a page, a greeting and a closed door, on 8000 and by TLS on 8443."""

    plain_port: int = 8000
    tls_port: int = 8443


@attrs.frozen
class Greeter:
    """The image with a line of PipyJS: *greeting* and the pod's name, whatever is asked."""

    greeting: str
    plain_port: int = 8000


Application = Httpbin | Greeter


class UnknownApplication(Exception):
    """A container runs something that has no stand-in; the message says what."""


def application_of(image: str, command: tuple[str, ...]) -> Application:
    """
    Return the stand-in for a container.

    Args:
        image: ``image`` of the container; tag and digest do not matter.
        command: ``command`` of the container, empty for the image's own.

    Raises:
        UnknownApplication: The image is another one, or the command is not the article's.
    """
    if image.partition("@")[0].partition(":")[0] not in (IMAGE, f"docker.io/{IMAGE}"):
        raise UnknownApplication(f'no stand-in for the image "{image}", only for {IMAGE}')
    if not command:
        return Httpbin()
    program = _PROGRAM.fullmatch(command[-1]) if command[:-1] == ("pipy", "-e") else None
    if program is None:
        raise UnknownApplication(
            "no stand-in for its command; only for: pipy -e with .listen(PORT) and "
            """.serveHTTP(new Message('TEXT' + os.env["HOSTNAME"]))"""
        )
    return Greeter(program["greeting"], int(program["port"]))


class HttpbinResource(Resource):
    """Answers by the exact path; the query does not matter."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """Answer any method alike, as the original does."""
        status, content_type, body = _ANSWERS.get(request.path, _NO_HANDLER)
        request.setResponseCode(status)
        request.setHeader(b"content-type", content_type)
        return body


class GreeterResource(Resource):
    """Answers everything with one text."""

    isLeaf = True

    def __init__(self, text: str) -> None:
        super().__init__()
        self._body = text.encode()

    def render(self, request: Request) -> bytes:
        """Answer without a line end, as the original does."""
        request.setHeader(b"content-type", b"text/plain")
        return self._body
