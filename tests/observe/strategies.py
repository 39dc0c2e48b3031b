"""Reports, as processes could make them."""

from __future__ import annotations

from hypothesis import strategies as st

from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Report, UpstreamCounts

# Multiples of a power of two: their sums are exact, in whatever order.
SECONDS = st.integers(0, 1 << 14).map(lambda n: n / 1024)
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"DELETE", b"FIND", b"FIND2", b"get"])
NAMES = st.sampled_from(["a", "b", "shop", "web-1", 'q"\\\n'])
KEYS = st.tuples(NAMES, NAMES, NAMES)


@st.composite
def cells(draw: st.DrawFn) -> UpstreamCells:
    """Draw cells that have counted a few requests."""
    made = UpstreamCells()
    for _ in range(draw(st.integers(0, 4))):
        method, status, total = draw(METHODS), draw(st.integers(2, 5)), draw(SECONDS)
        if draw(st.booleans()):
            made.count(method, status, total)
        else:
            made.observe(method, status, total, total / 2)
    rare = st.sampled_from(["passed:ok", "passed:no_endpoints", "grpc:0", "grpc:14"])
    made.rare = draw(st.dictionaries(rare, st.integers(1, 9)))
    made.retries = draw(st.integers(0, 9))
    made.bytes_in = draw(st.integers(0, 1 << 40))
    made.bytes_out = draw(st.integers(0, 1 << 40))
    return made


COUNTERS = st.dictionaries(
    st.sampled_from(["ejections_total", series("replies_total", reason="no_route")]),
    st.integers(0, 1 << 40),
)
GAUGES = st.dictionaries(st.sampled_from(["connections", "requests_in_flight"]), st.integers(0, 9))
REPORTS = st.builds(
    Report, st.dictionaries(KEYS, cells().map(UpstreamCounts.of), max_size=4), COUNTERS, GAUGES
)
