"""
How usual heads are recognised, and passed on: by the compiled module or, without it, by `usual`.

Both give the same (tests/http1/test_speedups.py); `usual` says what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fsm_twisted.http1 import usual
from fsm_twisted.http1.syntax import HeadLimits

usual_request: Callable[[bytes, HeadLimits], usual.Usual | None] = usual.usual_request
usual_answer: Callable[[bytes, bytes, HeadLimits, bytes, bytes], bytes | None] = usual.usual_answer
forwarded: Callable[[bytes, usual.Usual, bytes, bytes], bytes] = usual.forwarded
try:
    from fsm_twisted.http1 import _speedups
except ImportError:
    pass
else:
    usual_request, usual_answer = _speedups.usual_request, _speedups.usual_answer
    forwarded = _speedups.forwarded

IS_COMPILED: Final = usual_request is not usual.usual_request
