"""What the field sends takes the straight road, whatever goes off it is known (D2)."""

from __future__ import annotations

import pytest

from fsm_twisted.http1.grammar import DEFAULT_LIMITS, parse_request_head, parse_response_head
from fsm_twisted.http1.reader import HeadReader, ResponseHeadReader
from fsm_twisted.http1.set_apart import set_apart_answer, set_apart_request
from fsm_twisted.http1.usual import usual_answer, usual_request
from tests.strategies.field_answers import ANSWERS
from tests.strategies.field_messages import FieldMessage
from tests.strategies.field_requests import REQUESTS

_OWN = b"Server: fsm\r\n", b"Date: now\r\n"


@pytest.mark.parametrize("request_", REQUESTS, ids=[each.who for each in REQUESTS])
def test_a_request_takes_its_road(request_: FieldMessage) -> None:
    data = request_.data
    block = HeadReader().feed(data)
    assert block is not None
    parse_request_head(block, DEFAULT_LIMITS)  # it is valid in any case

    asked = set_apart_request(data, DEFAULT_LIMITS)

    found = asked is not None and usual_request(asked.rest, DEFAULT_LIMITS) is not None
    assert found is request_.is_straight


@pytest.mark.parametrize("answer", ANSWERS, ids=[each.who for each in ANSWERS])
def test_an_answer_takes_its_road(answer: FieldMessage) -> None:
    data = answer.data
    block = ResponseHeadReader().feed(data)
    assert block is not None
    parse_response_head(block, b"GET", DEFAULT_LIMITS)

    found = usual_answer(data, b"GET", DEFAULT_LIMITS, *_OWN)
    apart = set_apart_answer(data, DEFAULT_LIMITS)
    if found is None and apart is not None:
        found = usual_answer(apart[0], b"GET", DEFAULT_LIMITS, *_OWN)

    assert (found is not None) is answer.is_straight


def test_most_of_them_need_nothing_set_apart() -> None:
    browsers = REQUESTS[:4]

    assert all(usual_request(each.data, DEFAULT_LIMITS) for each in browsers)
