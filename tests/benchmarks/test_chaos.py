"""benchmarks/chaos.py: endpoints misbehave as scripted, and what counts as broken is broken."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.origin import Behaviour, Origin
from benchmarks.scenarios import SCENARIOS, Outcome, Plan, Tally, percentile
from benchmarks.talk import Broken, Request, Talker, request

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "chaos.py"
GET = request("a.example", "GET", "/small")


def with_origin(play: Callable[[Origin, Talker], Awaitable[None]]) -> None:
    async def run() -> None:
        origin = Origin("e0", slow_seconds=0.05)
        await origin.start()
        talker = Talker(origin.port)
        try:
            await play(origin, talker)
        finally:
            talker.close()
            origin.kill()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        (GET, 200),
        (request("a.example", "HEAD", "/small"), 0),
        (request("a.example", "POST", "/small", b"b" * 3000), 200),
        (request("a.example", "GET", "/bytes/300000"), 300_000),
        (request("a.example", "GET", "/chunked/5"), 5 * 1024),
    ],
    ids=["small", "head", "post", "large", "chunked"],
)
def test_a_good_endpoint_answers_what_the_target_says_and_keeps_the_connection(
    asked: Request, size: int
) -> None:
    async def play(origin: Origin, talker: Talker) -> None:
        for _ in range(2):
            answer = await talker.ask(asked)
            assert (answer.status, answer.endpoint, answer.body_bytes) == (200, "e0", size)
        assert len(origin.connections) == 1

    with_origin(play)


@pytest.mark.parametrize(
    "behaviour", [Behaviour.HANG, Behaviour.RESET_BEFORE, Behaviour.RESET_AFTER]
)
def test_a_broken_endpoint_gives_no_whole_answer(behaviour: Behaviour) -> None:
    async def play(origin: Origin, talker: Talker) -> None:
        origin.behaviour = behaviour
        with pytest.raises(Broken):
            await talker.ask(GET, seconds=0.2)

    with_origin(play)


def test_a_slow_endpoint_takes_its_time() -> None:
    async def play(origin: Origin, talker: Talker) -> None:
        origin.behaviour = Behaviour.SLOW
        with pytest.raises(Broken):
            await talker.ask(GET, seconds=0.01)
        assert (await talker.ask(GET)).status == 200

    with_origin(play)


def test_a_killed_endpoint_refuses_until_it_lives_again_on_the_same_port() -> None:
    async def play(origin: Origin, talker: Talker) -> None:
        await talker.ask(GET)
        origin.kill()
        for _ in range(2):  # the kept connection, then a new one
            with pytest.raises(Broken):
                await talker.ask(GET)
        await origin.start()
        assert (await talker.ask(GET)).status == 200

    with_origin(play)


latencies = st.lists(st.floats(0, 10), min_size=1)


@given(values=latencies, percent=st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(
    values: list[float], percent: int
) -> None:
    found = percentile(values, percent)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)


def outcome(scenario: str, during: Tally) -> Outcome:
    return Outcome(SCENARIOS[scenario], Tally(100, healthy_latencies=[0.01] * 100), during)


@pytest.mark.parametrize(
    ("scenario", "failed", "kept"),
    [
        ("killed", 0, True),
        ("killed", 1, False),
        ("flapping", 1, False),
        ("reset-before", 1, False),
        ("hung", 18, True),
        ("hung", 19, False),
    ],
)
def test_how_many_idempotent_requests_may_fail(scenario: str, failed: int, *, kept: bool) -> None:
    during = Tally(100, failed_idempotent=failed, healthy_latencies=[0.01] * 100)

    verdict = outcome(scenario, during).verdict(Plan(clients=4, faulty=2))
    assert (verdict == "kept") is kept


@pytest.mark.parametrize(("seconds", "kept"), [(0.019, True), (0.021, False)])
def test_p99_may_double_and_no_more(seconds: float, *, kept: bool) -> None:
    during = Tally(100, healthy_latencies=[0.01] * 90 + [seconds] * 10)

    verdict = outcome("killed", during).verdict(Plan())
    assert (verdict == "kept") is kept


def test_no_request_that_can_be_repeated_fails_when_endpoints_are_killed(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--scenarios", "killed,reset-before", "--seconds", "0.7",
         "--json", str(figures)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert figures.exists(), done.stderr
    for row in json.loads(figures.read_text())["rows"]:
        assert int(row["requests"]) > 20
        assert row["failed idempotent"] == "0", done.stderr
