"""The path of a rule: which ones can be used, and their normal form (D7)."""

from __future__ import annotations

import re
from typing import Final

from fsm_twisted.objects.model import PathType

_USABLE: Final = re.compile(r"/[\x21-\x7e]*")
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2e){1,2}(?:[/;]|\Z)", re.IGNORECASE)


def path_fault(path: str) -> str | None:
    """
    Say why *path* cannot be used, `None` when it can.

    The rules of Kubernetes' own validation (``ValidateIngress``: absolute, no ``//``, no dot
    segments), and what RFC 9112 does not allow in a request target.
    """
    if not path.startswith("/"):
        return "it does not begin with '/'"
    if not _USABLE.fullmatch(path):
        return "it holds a space, a control character or one outside ASCII"
    if "?" in path or "#" in path:
        return "it holds '?' or '#', which end a path"
    if "//" in path:
        return "it holds '//'"
    if _DOT_SEGMENT.search(path):
        return "it holds a segment '.' or '..', which is refused in requests"
    return None


def normal_path(path: str, path_type: PathType) -> str:
    """Return *path* as a route has it: without the trailing slash of a prefix; the root stays."""
    if path_type is PathType.EXACT or path == "/":
        return path
    return path.removesuffix("/")
