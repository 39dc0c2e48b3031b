"""The strict HTTP/1.1 grammar of heads: what both directions must be (docs/http.md)."""

from fsm_twisted.http1.request import parse_request_head
from fsm_twisted.http1.response import parse_response_head
from fsm_twisted.http1.syntax import DEFAULT_LIMITS, HeadLimits

__all__ = ["DEFAULT_LIMITS", "HeadLimits", "parse_request_head", "parse_response_head"]
