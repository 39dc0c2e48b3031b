"""A WebSocket over HTTP/2 is asked for with a key of ours, and only the right proof is one."""

from __future__ import annotations

import pytest

from fsm_twisted.message.fields import Fields, values_of
from fsm_twisted.message.framing import NO_BODY
from fsm_twisted.message.heads import ResponseHead
from fsm_twisted.proxy.websocket import answered_without_key, asked_with_key, is_accepted
from tests.proxy.heads import request

# The example of RFC 6455 section 1.3.
NONCE = b"the sample nonce"
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def switched(*fields: tuple[bytes, bytes]) -> ResponseHead:
    return ResponseHead(101, b"", 1, fields, NO_BODY, persistent=True, upgrade=b"websocket")


@pytest.mark.parametrize("fields", [(), ((b"sec-websocket-key", b"theirs"),)])
def test_there_is_one_key_and_it_is_ours(fields: Fields) -> None:
    asked = asked_with_key(request(fields=(*fields, (b"x-a", b"b"))), NONCE)
    assert values_of(asked.fields, b"sec-websocket-key") == (KEY,)
    assert values_of(asked.fields, b"x-a") == (b"b",)


@pytest.mark.parametrize(
    ("values", "accepted"),
    [((ACCEPT,), True), ((), False), ((b"other",), False), ((ACCEPT, ACCEPT), False)],
)
def test_only_the_right_proof_is_accepted(values: tuple[bytes, ...], *, accepted: bool) -> None:
    asked = asked_with_key(request(), NONCE)
    answer = switched(*((b"Sec-WebSocket-Accept", value) for value in values))
    assert is_accepted(asked, answer) is accepted


def test_the_client_learns_of_success_and_nothing_of_the_key() -> None:
    answer = switched((b"Sec-WebSocket-Accept", ACCEPT), (b"Sec-WebSocket-Protocol", b"chat"))
    told = answered_without_key(answer)
    assert (told.status, told.fields) == (200, ((b"Sec-WebSocket-Protocol", b"chat"),))
    assert told.upgrade is None
