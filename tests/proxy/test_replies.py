"""Our own answers are well-formed, fixed, and say nothing that was asked."""

from __future__ import annotations

import re

import pytest

from fsm_twisted.proxy.replies import reply_bytes
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

REASONS = pytest.mark.parametrize("reason", REPLIES.values(), ids=REPLIES)


@REASONS
def test_an_answer_has_the_status_and_the_length_of_its_body(reason: ReplyReason) -> None:
    head, _, body = reply_bytes(reason, b"", with_body=True).partition(b"\r\n\r\n")
    first, *fields = head.split(b"\r\n")

    assert re.fullmatch(rb"HTTP/1\.1 %d [A-Za-z -]+" % reason.status, first)
    assert body == reason.text.encode()
    assert b"Content-Length: %d" % len(body) in fields
    assert b"Server: fsm" in fields
    assert len({field.split(b":")[0] for field in fields}) == len(fields)


@REASONS
def test_the_answer_to_head_differs_by_its_body_alone(reason: ReplyReason) -> None:
    whole = reply_bytes(reason, b"A: b\r\n", with_body=True)
    bare = reply_bytes(reason, b"A: b\r\n", with_body=False)

    assert bare + reason.text.encode() == whole
    assert bare.endswith(b"A: b\r\n\r\n")


@REASONS
def test_no_answer_invites_a_browser_to_guess_or_run_anything(reason: ReplyReason) -> None:
    assert b"\r\nContent-Type: text/plain\r\n" in reply_bytes(reason, b"", with_body=True)
    assert reason.text.isascii()
    assert not set(reason.text) & set("<>&\r\n")


def test_405_says_which_methods_are_allowed() -> None:
    for reason in REPLIES.values():
        says = b"\r\nAllow: " in reply_bytes(reason, b"", with_body=True)
        assert says == (reason.status == 405)
