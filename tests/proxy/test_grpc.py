"""Which requests are calls of gRPC, and which status our own answers have."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from fsm_twisted.message.framing import NO_BODY
from fsm_twisted.proxy.grpc import grpc_reply_head, grpc_status, is_grpc
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

PAGE = Path(__file__).parents[2] / "docs" / "grpc.md"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"application/grpc", True),
        (b"application/grpc+proto", True),
        (b"Application/gRPC; charset=x", True),
        (b"application/grpc ;a", True),
        (b"application/grpc-web", False),
        (b"application/grpc-web+proto", False),
        (b"application/grpcx", False),
        (b"application/json", False),
        (b"x application/grpc", False),
        (b"", False),
    ],
)
def test_the_content_type_tells(value: bytes, expected: object) -> None:
    for name in (b"content-type", b"Content-Type"):
        assert is_grpc(((b"accept", b"application/grpc"), (name, value))) is expected


def test_without_a_content_type_it_is_none() -> None:
    assert not is_grpc(((b"te", b"trailers"),))


def test_the_page_says_which_status_each_reason_has() -> None:
    statuses = defaultdict(set)
    for reason in REPLIES.values():
        statuses[grpc_status(reason).name].add(reason.code)
    rows = re.findall(r"^\| (`.*`) \| ([A-Z_]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    documented = {status: set(re.findall(r"`(\w+)`", codes)) for codes, status in rows}

    del statuses["UNKNOWN"]
    assert documented == statuses


@pytest.mark.parametrize("reason", REPLIES.values(), ids=lambda each: str(each.code))
def test_an_answer_is_one_head_that_is_also_trailers(reason: ReplyReason) -> None:
    head = grpc_reply_head(reason)
    fields = dict(head.fields)

    assert (head.status, head.framing) == (200, NO_BODY)
    assert fields[b"content-type"] == b"application/grpc"
    assert fields[b"grpc-status"] == b"%d" % grpc_status(reason)
    # Percent-encoding ("gRPC over HTTP2") changes nothing of it.
    assert re.fullmatch(rb"[ -$&-~]*\(\w+\)", fields[b"grpc-message"])
