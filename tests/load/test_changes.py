"""The short form of benchmarks/changes.py."""

from __future__ import annotations

from pathlib import Path

from tests.load.run import CLIENTS, Plan, carry_out


def test_no_request_fails_and_nothing_long_breaks_while_manifests_change(tmp_path: Path) -> None:
    report = carry_out(Plan(changes=40, download_seconds=3, calm_requests=300), tmp_path)

    assert not report.ledger.failed, report.ledger.faults
    assert not report.faults
    assert report.changes.total() >= 40
    assert min(report.beats) >= 10
    assert [each.seconds >= 3 for each in report.downloads] == [True] * 4
    assert report.ledger.requests.keys() == set(CLIENTS)
    assert len(report.ledger.pods) > 20


def test_the_same_holds_for_two_workers_which_both_serve_every_change(tmp_path: Path) -> None:
    """A change counts only when each of the two shows it; pods that leave are asked by neither."""
    report = carry_out(
        Plan(changes=15, download_seconds=1, calm_requests=200, workers=2), tmp_path
    )

    assert not report.ledger.failed, report.ledger.faults
    assert not report.faults
    assert report.changes.total() >= 15
    assert max(report.apart_seconds) > 0, "only one worker has been asked"
    # The promise is 50 ms; a test machine may keep one of the workers from its processor.
    assert report.longest_apart_seconds < 0.5
    assert len(report.downloads) == 4
    assert report.ledger.requests.keys() == set(CLIENTS)
