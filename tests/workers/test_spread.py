"""How far workers are apart, and for how long."""

from __future__ import annotations

import pytest

from fsm_twisted.workers.spread import Spread


@pytest.mark.parametrize(
    ("told", "longest"),
    [
        ([((1, 1), 0.0), ((2, 1), 1.0), ((2, 2), 9.0)], 0.0),
        ([((1, 1), 0.0), ((3, 1), 1.0), ((3, 3), 1.5)], 0.5),
        ([((3, 1), 1.0), ((4, 1), 2.0), ((4, 4), 4.0), ((6, 4), 5.0), ((6, 6), 6.0)], 3.0),
        ([((3, 1), 1.0), ((3,), 1.25), ((), 9.0), ((3, 3), 10.0)], 0.25),
        ([((3, 1), 1.0), ((3, 1), 3.0)], 2.0),
        ([((3, 1), 1.0), ((3, 3), 0.9)], 0.0),
    ],
    ids=["one apart", "two apart", "the longest", "one dies", "so far", "told late"],
)
def test_the_longest_time_that_two_were_more_than_one_apart_is_kept(
    told: list[tuple[tuple[int, ...], float]], longest: float
) -> None:
    spread = Spread()
    for generations, now in told:
        spread.tell(generations, now)

    assert spread.longest_seconds == pytest.approx(longest)
