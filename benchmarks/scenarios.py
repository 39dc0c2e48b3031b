"""The scenarios of the chaos run, what its clients count, and when a promise counts as kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from attrs import define, field, frozen

from benchmarks import talk
from benchmarks.ingress import HOST
from benchmarks.measure import BenchmarkError
from benchmarks.origin import Behaviour, Origin

FLAP_SECONDS = 0.5
# Failures in a row that eject an endpoint; with several clients some more are under way by then.
EJECTING_FAILURES = 5
# Below this a ratio of latencies tells about the scheduler of the machine only.
LEAST_MEANINGFUL_SECONDS = 0.005
_SERVER_ERROR = 500

Fault = Callable[[Sequence[Origin]], Awaitable[None]]


@frozen
class Plan:
    """How long, how many, and the ingress's patience with a silent endpoint."""

    seconds: float = 5.0
    clients: int = 4
    endpoints: int = 4
    faulty: int = 2
    upstream_seconds: float = 0.5


@frozen
class Scenario:
    """
    One kind of failure.

    ``spares_idempotent``: no idempotent request may fail; otherwise only those may that were under
    way before the endpoint was ejected.
    """

    name: str
    fault: Fault
    spares_idempotent: bool


@define
class Tally:
    """What the clients saw in one phase; latencies in seconds, of good answers."""

    requests: int = 0
    failed_idempotent: int = 0
    failed_others: int = 0
    reasons: dict[str, int] = field(factory=dict)
    all_latencies: list[float] = field(factory=list)
    healthy_latencies: list[float] = field(factory=list)


@frozen
class Outcome:
    """One line of the table."""

    scenario: Scenario
    calm: Tally
    during: Tally

    def cells(self, plan: Plan) -> tuple[str, ...]:
        """Return the line as text."""
        calm, during = self.calm.healthy_latencies, self.during.healthy_latencies
        return (
            self.scenario.name,
            f"{plan.faulty} of {plan.endpoints}",
            str(self.during.requests),
            str(self.during.failed_idempotent),
            str(self.during.failed_others),
            f"{1e3 * percentile(calm, 50):.1f} / {1e3 * percentile(during, 50):.1f}",
            f"{1e3 * percentile(calm, 99):.1f} / {1e3 * percentile(during, 99):.1f}",
            f"{percentile(during, 99) / percentile(calm, 99):.1f}",
            self.verdict(plan),
        )

    def verdict(self, plan: Plan) -> str:
        """Return "kept", or which part of the promise is broken."""
        broken = []
        # Each client may have one more under way at the moment of the ejection.
        allowed = plan.faulty * (EJECTING_FAILURES + plan.clients)
        if self.during.failed_idempotent > (0 if self.scenario.spares_idempotent else allowed):
            broken.append("idempotent requests fail")
        calm = max(percentile(self.calm.healthy_latencies, 99), LEAST_MEANINGFUL_SECONDS)
        if percentile(self.during.healthy_latencies, 99) > 2 * calm:
            broken.append("p99 over twice the calm one")
        return ", ".join(broken) or "kept"


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that *percent* of the values do not exceed (nearest rank)."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


async def _become(origins: Sequence[Origin], behaviour: Behaviour) -> None:
    for origin in origins:
        origin.behaviour = behaviour
    await asyncio.Event().wait()


async def _killed(origins: Sequence[Origin]) -> None:
    for origin in origins:
        origin.kill()
    await asyncio.Event().wait()


async def _flapping(origins: Sequence[Origin]) -> None:
    while True:
        for origin in origins:
            origin.kill()
        await asyncio.sleep(FLAP_SECONDS)
        for origin in origins:
            await origin.start()
        await asyncio.sleep(FLAP_SECONDS)


def _scenarios() -> Mapping[str, Scenario]:
    def behaving(behaviour: Behaviour) -> Fault:
        return lambda origins: _become(origins, behaviour)

    listed = (
        Scenario("killed", _killed, spares_idempotent=True),
        Scenario("reset-before", behaving(Behaviour.RESET_BEFORE), spares_idempotent=True),
        # The head has gone to the client: nobody could ask again.
        Scenario("reset-after", behaving(Behaviour.RESET_AFTER), spares_idempotent=False),
        Scenario("flapping", _flapping, spares_idempotent=True),
        Scenario("hung", behaving(Behaviour.HANG), spares_idempotent=False),
        Scenario("slowed", behaving(Behaviour.SLOW), spares_idempotent=True),
    )
    return {scenario.name: scenario for scenario in listed}


SCENARIOS = _scenarios()


def _requests() -> tuple[talk.Request, ...]:
    """Three GET to one POST."""
    get = talk.request(HOST, "GET", "/small")
    return (get, get, get, talk.request(HOST, "POST", "/small", b"b" * 512))


async def _client(port: int, until: float, healthy: frozenset[str], tally: Tally) -> None:
    talker = talk.Talker(port)
    requests = _requests()
    number = 0
    while time.monotonic() < until:
        asked = requests[number % len(requests)]
        number += 1
        began = time.monotonic()
        endpoint = ""
        try:
            answer = await talker.ask(asked)
            failure = str(answer.status) if answer.status >= _SERVER_ERROR else ""
            endpoint = answer.endpoint
        except talk.Broken as error:
            failure = str(error)
        tally.requests += 1
        if failure:
            tally.reasons[failure] = tally.reasons.get(failure, 0) + 1
            tally.failed_idempotent += asked.is_idempotent
            tally.failed_others += not asked.is_idempotent
            continue
        tally.all_latencies.append(time.monotonic() - began)
        if endpoint in healthy:
            tally.healthy_latencies.append(tally.all_latencies[-1])
    talker.close()


async def _load(plan: Plan, port: int, healthy: frozenset[str], seconds: float) -> Tally:
    tally = Tally()
    until = time.monotonic() + seconds
    await asyncio.gather(*(_client(port, until, healthy, tally) for _ in range(plan.clients)))
    return tally


async def play(scenario: Scenario, plan: Plan, port: int, origins: Sequence[Origin]) -> Outcome:
    """
    Load the endpoints in peace, then while the first of them misbehave.

    Raises:
        BenchmarkError: A request failed before anything was broken.
    """
    faulty, others = origins[: plan.faulty], origins[plan.faulty :]
    healthy = frozenset(origin.name for origin in others)
    await _load(plan, port, healthy, min(1.0, plan.seconds))
    calm = await _load(plan, port, healthy, plan.seconds)
    if calm.reasons or not calm.healthy_latencies:
        msg = f"{scenario.name}: requests fail while all is calm: {calm.reasons}"
        raise BenchmarkError(msg)
    trouble = asyncio.ensure_future(scenario.fault(faulty))
    try:
        during = await _load(plan, port, healthy, plan.seconds)
    finally:
        trouble.cancel()
        with suppress(asyncio.CancelledError):
            await trouble
    return Outcome(scenario, calm, during)
