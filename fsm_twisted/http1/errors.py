"""
What a peer did wrong: a request's fault is answered, a response's fault becomes a 502.

Details are for our own log; they name rules and offsets and never hold bytes of the message.
"""

from __future__ import annotations

from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason


class RequestError(Exception):
    """The client's message cannot be accepted: answer ``reason`` and close the connection."""

    def __init__(self, reason: ReplyReason, detail: str) -> None:
        super().__init__(f"{reason.code}: {detail}")
        self.reason = reason
        self.detail = detail


class ResponseError(Exception):
    """The endpoint's message cannot be accepted: drop the connection, nothing of it is usable."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def request_fault(code: str, detail: str) -> RequestError:
    """Make the error for the reply reason called *code*."""
    return RequestError(REPLIES[code], detail)


def bad_framing(detail: str) -> RequestError:
    """Make the error for a request body that cannot be delimited."""
    return RequestError(REPLIES["bad_framing"], detail)


def response_fault(code: str, detail: str) -> ResponseError:
    """Make the error for a response; all of them are one to a client, whatever their *code*."""
    return ResponseError(f"{code}: {detail}")
