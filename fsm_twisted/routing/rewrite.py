"""
The path that an endpoint sees (annotations ``rewrite-target-from`` and ``-to``, D8).

Every non-overlapping match is replaced, found as ECMAScript's global replace finds them: after an
empty match the search goes on one byte further.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

import attrs

from fsm_twisted.message.target import PERCENT, TargetError, parse_target
from fsm_twisted.snapshot.rewrite import Found, Pattern, Rewrite, compile_pattern

_REFERENCE: Final = re.compile(rb"\$([&$1-9])")

# Surely matches at the begin of the text only: "^" is not repeated, and there is no alternative.
_ANCHORED: Final = re.compile(r"\^(?![*+?{])[^|]*\Z")

# One search is linear in the path, but a pattern may begin one at every byte. The product of
# (instructions and template pieces) x bytes x matches is therefore bounded: about 20 ms at worst,
# thousands of matches for a path and a pattern as people write them.
_EFFORT_LIMIT: Final = 20_000_000
_RESULT_LIMIT_BYTES: Final = 32 * 1024

Piece = bytes | int


def compile_rewrite(rewrite: Rewrite) -> Callable[[bytes], bytes | None]:
    """
    Return the function from the path as sent, without query, to the path for the endpoint.

    Equal rewrites share one as long as somebody has it: an Ingress has many paths, one rewrite.

    It returns the path itself when nothing matches (and ``*``, which is no path, always). A
    result without a leading ``/`` gets one.

    It returns None when the result may not be forwarded: it has a dot segment, which only the
    template can have completed (the path came in without), so forwarding it could lead out of
    what the route allows; or it is longer than 32 KiB, or the path takes too many replacements.
    The answer is then ``bad_target``.
    """
    made = _COMPILED.get(rewrite)
    if made is None:
        pattern = compile_pattern(rewrite.pattern)
        template = parse_template(rewrite.template.encode(), pattern.groups)
        made = PathRewrite(pattern, template, _ANCHORED.match(rewrite.pattern) is not None)
        _COMPILED[rewrite] = made
    return made


def parse_template(template: bytes, groups: int) -> tuple[Piece, ...]:
    """
    Cut *template* into literal bytes and numbers of groups, 0 being the whole match.

    ``$1`` to ``$9`` are groups, ``$&`` is the match, ``$$`` a dollar sign; ``$10`` is ``$1``
    before a ``0``; any other ``$`` is itself. A group that the pattern does not have is empty.
    """
    pieces: list[Piece] = []
    literals = _REFERENCE.split(template)
    for literal, reference in zip(literals[::2], [*literals[1::2], b""], strict=True):
        pieces.append(literal)
        if reference == b"$":
            pieces.append(b"$")
        elif reference == b"&":
            pieces.append(0)
        elif reference and int(reference) <= groups:
            pieces.append(int(reference))
    return tuple(piece for piece in pieces if piece != b"")


@attrs.frozen
class PathRewrite:
    """
    A compiled pattern and the pieces of its template; call it with a path.

    ``is_anchored``: the pattern matches at the begin or nowhere, so one search is enough.
    """

    pattern: Pattern
    template: tuple[Piece, ...]
    is_anchored: bool

    def __call__(self, path: bytes) -> bytes | None:
        """Return the rewritten path, or None; see `compile_rewrite`."""
        if path == b"*":
            return path
        matches_left = self._most_matches(path)
        parts: list[bytes] = []
        size = done = at = 0
        # Not finditer: google-re2's yields an empty match behind the search's start twice.
        while at <= len(path) and (match := self.pattern.search(path, at)) is not None:
            start, end = match.span()
            kept, new = path[done:start], self._expand(match)
            parts += (kept, new)
            size += len(kept) + len(new)
            matches_left -= 1
            if size > _RESULT_LIMIT_BYTES or matches_left < 0:
                return None
            done = end
            if self.is_anchored:
                break
            at = end if end > start else end + 1
        if not parts:
            return path
        parts.append(path[done:])
        return _forwardable(b"".join(parts))

    def _expand(self, match: Found) -> bytes:
        if len(self.template) == 1 and isinstance(piece := self.template[0], bytes):
            return piece
        return b"".join(
            [piece if isinstance(piece, bytes) else match[piece] or b"" for piece in self.template]
        )

    def _most_matches(self, path: bytes) -> int:
        effort = (self.pattern.programsize + len(self.template)) * len(path)
        return max(1, _EFFORT_LIMIT // max(1, effort))


_COMPILED: Final[WeakValueDictionary[Rewrite, PathRewrite]] = WeakValueDictionary()


def _forwardable(path: bytes) -> bytes | None:
    if path[:1] != b"/":
        path = b"/" + path
    if len(path) > _RESULT_LIMIT_BYTES:
        return None
    if path.find(b"/.") >= 0 or PERCENT in path:
        try:
            parse_target(b"GET", path)
        except TargetError:
            return None
    return path
