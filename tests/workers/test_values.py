"""Plans, patience, log events and processors: the small parts."""

from __future__ import annotations

import ipaddress
import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogLevel

from fsm_twisted.net.addresses import ListenAddress
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.snapshot.model import CertificateEntry
from fsm_twisted.workers.cpus import usable_cpus
from fsm_twisted.workers.log_events import TEXT_LIMIT, Forwarder, tell
from fsm_twisted.workers.plan import Plan
from fsm_twisted.workers.post import SETTLED_SECONDS, Patience
from fsm_twisted.workers.road import Front
from fsm_twisted.workers.shares import Shares


def test_a_plan_arrives_as_it_was() -> None:
    options = ProxyOptions(
        trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128")),
        plain_http=PlainHttp.FORBID,
        affinity_key=b"\x00key",
    )
    with socket.socket() as sock:
        front = Front(ListenAddress("tcp6", "::1", 443), is_secure=True, sock=sock)
        entry = CertificateEntry("f", b"chain", b"key")
        plan = Plan.for_workers(3, options, [front], entry, "warn")

    assert Plan.from_bytes(plan.to_bytes()) == plan


@given(st.integers(1, 256), st.integers(1, 5000))
def test_all_pools_together_are_no_larger_than_the_option_says(workers: int, size: int) -> None:
    plan = Plan.for_workers(workers, ProxyOptions(pool_size=size), [], None, "info")

    assert plan.options.pool_size >= 1
    assert plan.options.pool_size * workers <= max(size, workers)


@given(st.lists(st.floats(0, 2 * SETTLED_SECONDS), min_size=1, max_size=30))
def test_only_who_dies_at_once_again_is_waited_for(lives: list[float]) -> None:
    patience = Patience()
    before = 0.0
    was_quick = False
    for lived in lives:
        delay = patience.delay(lived)
        is_quick = lived < SETTLED_SECONDS
        assert (delay > 0) == (is_quick and was_quick)
        assert delay <= 30
        if delay and before:
            assert delay in {2 * before, 30}
        before, was_quick = delay, is_quick


class Events:
    """What a forwarder has sent, as long as there is room."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.has_room = True

    def offer(self, data: bytes) -> bool:
        if self.has_room:
            level, namespace, text = json.loads(data)
            self.sent.append((level, namespace, text))
        return self.has_room


def test_what_is_below_the_level_stays_and_the_rest_is_told_as_text() -> None:
    events = Events()
    forwarder = Forwarder("warn", events.offer)

    for level in (LogLevel.info, LogLevel.warn, LogLevel.error):
        forwarder({"log_level": level, "log_namespace": "a.b", "log_format": "{x} is bad", "x": 5})

    assert events.sent == [("warn", "a.b", "5 is bad"), ("error", "a.b", "5 is bad")]


def test_lost_events_are_counted_in_the_next_one() -> None:
    events = Events()
    forwarder = Forwarder("info", events.offer)
    event = {"log_level": LogLevel.info, "log_format": "said"}

    events.has_room = False
    forwarder(event)
    forwarder(event)
    events.has_room = True
    forwarder(event)
    forwarder(event)

    texts = [text for _, _, text in events.sent]
    assert texts == ["said (2 log events before this one are lost)", "said"]


def test_a_very_long_text_is_cut() -> None:
    events = Events()

    Forwarder("info", events.offer)({"log_level": LogLevel.info, "log_format": "x" * 10**6})

    assert [len(text) for _, _, text in events.sent] == [TEXT_LIMIT]


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1,2]", b'["loud","a","b"]', b"\xff"])
def test_nonsense_instead_of_a_log_event_is_refused(payload: bytes) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        tell(1, payload)


def _tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


V2 = "0::/pod/container\n"
V1 = "4:cpu,cpuacct:/pod\n1:name=systemd:/x\n"


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "100000 100000\n"}, 1),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/cpu.max": "50000 100000\n"}, 1),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/container/cpu.max": "190000 100000"}, 1),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/cpu.max": "350000 100000"}, 3),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/cpu.max": "1600000 100000"}, None),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "nonsense"}, None),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
)
def test_a_quota_counts_when_it_is_smaller_than_the_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cpus: int | None
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))

    assert usable_cpus(_tree(tmp_path, files)) == (cpus or 8)


counts = st.lists(st.integers(0, 10_000), min_size=2, max_size=8)


@given(counts)
def test_whoever_has_fewest_connections_never_leaves_one_to_others(taken: list[int]) -> None:
    shares = Shares(len(taken))
    ahead = [shares.is_ahead(number, each) for number, each in enumerate(taken, 1)]
    again = [shares.is_ahead(number, each) for number, each in enumerate(taken, 1)]

    fewest = min(taken)
    assert not any(is_so for is_so, each in zip(again, taken, strict=True) if each == fewest)
    assert all(is_so for is_so, each in zip(again, taken, strict=True) if each > 2 * fewest + 4)
    # Those that have not spoken yet do not count.
    assert not ahead[0]


@given(counts)
def test_who_has_left_keeps_nobody_from_accepting(taken: list[int]) -> None:
    shares = Shares(len(taken))
    for number, each in enumerate(taken, 1):
        shares.is_ahead(number, each)
    for number in range(2, len(taken) + 1):
        shares.leave(number)

    assert not shares.is_ahead(1, 10**6)
