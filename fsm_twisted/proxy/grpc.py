"""
What a gRPC client gets from us: no text but a status that its library understands.

gRPC's status travels in the trailers of a 200; without a message there is one head that is both
(Trailers-Only, "gRPC over HTTP2"). Any other answer a library would have to guess from.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from fsm_twisted.message.framing import NO_BODY
from fsm_twisted.message.heads import ResponseHead

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.snapshot.reasons import ReplyReason

_TYPE: Final = re.compile(rb"application/grpc(?:[+;\s]|\Z)", re.IGNORECASE)
_CODE: Final = re.compile(rb"[0-9]|1[0-6]")
_OK: Final = 200


class GrpcStatus(IntEnum):
    """Codes of gRPC, those that we give."""

    UNKNOWN = 2
    DEADLINE_EXCEEDED = 4
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


# By gRPC's own table (http-grpc-status-mapping), what a library makes of an answer that is none.
_BY_HTTP_STATUS: Final = {
    400: GrpcStatus.INTERNAL,
    401: GrpcStatus.UNAUTHENTICATED,
    403: GrpcStatus.PERMISSION_DENIED,
    404: GrpcStatus.UNIMPLEMENTED,
    429: GrpcStatus.UNAVAILABLE,
    431: GrpcStatus.INTERNAL,
    502: GrpcStatus.UNAVAILABLE,
    503: GrpcStatus.UNAVAILABLE,
    504: GrpcStatus.UNAVAILABLE,
}

# Where we know better: UNAVAILABLE invites to try again, and so these must not say.
_BY_REASON: Final = {
    "upstream_timeout": GrpcStatus.DEADLINE_EXCEEDED,
    "request_timeout": GrpcStatus.DEADLINE_EXCEEDED,
    "body_too_large": GrpcStatus.RESOURCE_EXHAUSTED,
    "upstream_invalid": GrpcStatus.INTERNAL,
    "upstream_reset": GrpcStatus.INTERNAL,
    "method_refused": GrpcStatus.UNIMPLEMENTED,
}


def is_grpc(fields: Fields) -> bool:
    """Tell whether these are the fields of a gRPC request (not of gRPC-Web)."""
    for name, value in fields:
        if len(name) == 12 and name.lower() == b"content-type":  # noqa: PLR2004
            return _TYPE.match(value) is not None
    return False


def status_in(fields: Fields) -> int | None:
    """Return the status that is in these trailers, or in a head that is all; None if none is."""
    for name, value in fields:
        if len(name) == 11 and name.lower() == b"grpc-status":  # noqa: PLR2004
            return int(value) if _CODE.fullmatch(value) else GrpcStatus.UNKNOWN
    return None


def grpc_status(reason: ReplyReason) -> GrpcStatus:
    """Return the status that says *reason*."""
    known = _BY_REASON.get(reason.code)
    return known or _BY_HTTP_STATUS.get(reason.status, GrpcStatus.UNKNOWN)


@lru_cache(maxsize=256)
def status_fields(reason: ReplyReason) -> Fields:
    """Return status and message; that is our fixed text and the reason's code, and plain ASCII."""
    message = f"{reason.text} ({reason.code})".encode("ascii")
    return (b"grpc-status", b"%d" % grpc_status(reason)), (b"grpc-message", message)


@lru_cache(maxsize=256)
def grpc_reply_head(reason: ReplyReason) -> ResponseHead:
    """Return an answer without message, but for Date."""
    fields = ((b"content-type", b"application/grpc"), (b"server", b"fsm"), *status_fields(reason))
    return ResponseHead(_OK, b"", 1, fields, NO_BODY, persistent=True)
