"""Figures as text: a table for the terminal, the same as Markdown, and plain data for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from attrs import frozen

from benchmarks.measure import Sample, middle

REFERENCE = "nginx"
OURS = "ours"

Results = Mapping[str, Mapping[str, Sequence[Sample]]]  # load -> peer -> samples


@frozen
class Row:
    """
    One line of the table; times in CPU microseconds per request.

    ``first`` is the part of the first process, which is the master where there are workers, and
    ``others`` the part of these: both are shown where both do something. ``ratio`` is to the
    reference, ``ours`` that of ours to this one.
    """

    load: str
    peer: str
    median: float
    first: float
    others: float
    least: float
    most: float
    ratio: float | None
    ours: float | None
    requests: int

    def cells(self) -> tuple[str, ...]:
        """Return the line as text, one entry for each of `HEADINGS`."""
        ratios = ("-" if each is None else f"{each:.2f}" for each in (self.ratio, self.ours))
        spread = f"{time_text(self.least)} - {time_text(self.most)}"
        time = time_text(self.median)
        if min(self.first, self.others) >= _SHOWN:
            time += f" ({time_text(self.first)} + {time_text(self.others)})"
        return (self.load, self.peer, time, spread, *ratios, str(self.requests))


_SHOWN = 0.05
HEADINGS = (
    *("load", "proxy", "CPU/request", "least - most"),
    *(f"x {REFERENCE}", "ours x it", "requests"),
)


def time_text(microseconds: float) -> str:
    """Write a time as people read it."""
    if microseconds >= 1000:
        return f"{microseconds / 1000:.2f} ms"
    return f"{microseconds:.1f} us"


def paired_ratio(samples: Sequence[Sample], reference: Sequence[Sample]) -> float:
    """
    Return the median of the ratios of each round.

    The two turns of one round lie seconds apart and saw about the same machine; the medians of
    both columns may come from different rounds.
    """
    return median(
        one.microseconds_per_request / other.microseconds_per_request
        for one, other in zip(samples, reference, strict=True)
    )


def rows(results: Results) -> list[Row]:
    """Condense samples to medians, spreads, and ratios within the same load."""
    found = []
    for load, by_peer in results.items():
        taken = {peer: samples for peer, samples in by_peer.items() if samples}
        for peer, samples in taken.items():
            each = [sample.microseconds_per_request for sample in samples]
            ratio = paired_ratio(samples, taken[REFERENCE]) if REFERENCE in taken else None
            ours = paired_ratio(taken[OURS], samples) if OURS in taken else None
            requests = sum(sample.requests for sample in samples)
            first = median(sample.first_microseconds for sample in samples)
            others = median(sample.other_microseconds for sample in samples)
            typical = middle(samples), first, others, min(each), max(each)
            found.append(Row(load, peer, *typical, ratio, ours, requests))
    return found


def plain(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Lay out cells for a terminal: the first two columns to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (headings, *lines)) for i in range(len(headings))]
    laid = []
    for line in (headings, *lines):
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        laid.append("  ".join(cells).rstrip())
    return "\n".join(laid)


def markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Write cells as a Markdown table."""
    ruler = ["---", "---", *("---:" for _ in headings[2:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, ruler, *lines))


def report(
    headings: Sequence[str],
    lines: Sequence[Sequence[str]],
    facts: Mapping[str, str],
    markdown_file: Path | None,
) -> None:
    """Print a table with its circumstances, and write both as Markdown when asked to."""
    print()
    print(plain(headings, lines))
    print()
    for name, value in facts.items():
        print(f"{name}: {value}")
    if markdown_file is not None:
        notes = "\n".join(f"- {name}: {value}" for name, value in facts.items())
        markdown_file.write_text(f"{markdown(headings, lines)}\n\n{notes}\n")


def data(results: Results) -> list[dict[str, object]]:
    """Return what goes into the JSON file: each row with its samples in microseconds."""
    return [
        {
            "load": row.load,
            "peer": row.peer,
            "median_us": round(row.median, 3),
            "first_process_us": round(row.first, 3),
            "others_us": round(row.others, 3),
            "ratio": None if row.ratio is None else round(row.ratio, 4),
            "ours_ratio": None if row.ours is None else round(row.ours, 4),
            "requests": row.requests,
            "samples_us": [
                round(sample.microseconds_per_request, 3) for sample in results[row.load][row.peer]
            ],
        }
        for row in rows(results)
    ]
