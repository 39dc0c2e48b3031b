"""
What a peer did wrong, between the parts of the codec; no such error leaves the room.

Details are for our own log; they name rules and never hold bytes of the message.
"""

from __future__ import annotations

from fsm_twisted.http2.codes import ErrorCode


class ConnectionFault(Exception):
    """The connection cannot go on: GOAWAY with ``code`` (RFC 9113 section 5.4.1)."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail


class StreamFault(Exception):
    """One stream cannot go on: RST_STREAM with ``code`` (RFC 9113 section 5.4.2)."""

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code.name}: {detail}")
        self.code = code
        self.detail = detail


def protocol_fault(detail: str) -> ConnectionFault:
    """Make the commonest error of a connection."""
    return ConnectionFault(ErrorCode.PROTOCOL_ERROR, detail)


def size_fault(detail: str) -> ConnectionFault:
    """Make the error for a frame of a wrong size."""
    return ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, detail)


def calm_fault(detail: str) -> ConnectionFault:
    """Make the error for a peer that costs too much."""
    return ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, detail)


def malformed(detail: str) -> StreamFault:
    """Make the error for a malformed message (section 8.1.1)."""
    return StreamFault(ErrorCode.PROTOCOL_ERROR, detail)
