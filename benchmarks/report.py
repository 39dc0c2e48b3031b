"""A run of benchmarks/http.py as text, as JSON, as a plot, and in docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import asdict, frozen

from benchmarks import latency, loads, plot, promises, table
from benchmarks.latency import Latencies
from benchmarks.loads import Scene
from benchmarks.table import Results

PLACE = Path("docs") / "performance"
PAGE = Path("docs") / "performance.md"
BEGIN = "<!-- http: what follows is written by make bench -->"
END = "<!-- http: end -->"
_MIB = 1024

Memory = Mapping[str, Mapping[str, int]]  # scene -> peer -> KiB
Section = tuple[str, Sequence[str], Sequence[Sequence[str]]]


@frozen
class Report:
    """What a run has measured, and its circumstances; *rate* is that of the latencies."""

    facts: Mapping[str, str]
    results: Results
    latencies: Latencies
    rate: float
    memory: Memory

    def sections(self) -> list[Section]:
        """Return the tables: a title, headings and lines of each that is not empty."""
        rows = [row.cells() for row in table.rows(self.results)]
        judged = [each.cells() for each in promises.verdicts(self.results, self.latencies)]
        sections: list[Section] = [
            ("Promises", promises.HEADINGS, judged),
            ("CPU of a request", table.HEADINGS, rows),
            (
                "Latency at a fixed rate, half of what ours can do",
                latency.HEADINGS,
                latency.cells(self.latencies, self.rate),
            ),
            ("Memory after the run", *_memory_table(self.memory)),
        ]
        return [section for section in sections if section[2]]

    def text(self) -> str:
        """Return what a terminal shows."""
        parts = [
            f"{title}\n\n{table.plain(headings, lines)}"
            for title, headings, lines in self.sections()
        ]
        parts.append("\n".join(f"{name}: {value}" for name, value in self.facts.items()))
        return "\n\n".join(parts)

    def markdown(self) -> str:
        """Return the same for docs/performance.md."""
        parts = [
            f"**{title}**\n\n{table.markdown(headings, lines)}"
            for title, headings, lines in self.sections()
        ]
        parts.append("\n".join(f"- {name}: {value}" for name, value in self.facts.items()))
        return "\n\n".join(parts)

    def document(self) -> dict[str, object]:
        """Return what goes into JSON, the samples included."""
        judged = promises.verdicts(self.results, self.latencies)
        return {
            "circumstances": self.facts,
            "rows": table.data(self.results),
            "latency": {
                "rate": self.rate,
                "peers": {
                    peer: [asdict(each) for each in taken]
                    for peer, taken in self.latencies.items()
                },
            },
            "memory_kib": self.memory,
            "promises": [asdict(each) | {"is_kept": each.is_kept} for each in judged],
        }

    def plot(self) -> str:
        """Return the plot of the CPU figures."""
        titles = {load.name: load.title for load in loads.LOADS}
        return plot.svg(table.rows(self.results), titles)

    def publish(self, root: Path) -> None:
        """Write JSON and plot below *root*, and the tables into its page between the marks."""
        (root / PLACE).mkdir(exist_ok=True)
        write_json(root / PLACE / "figures.json", self.document())
        (root / PLACE / "cpu.svg").write_text(self.plot())
        page = root / PAGE
        before, _, rest = page.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        image = f"![CPU of a request, by load and proxy]({PLACE.name}/cpu.svg)"
        page.write_text(f"{before}{BEGIN}\n\n{image}\n\n{self.markdown()}\n\n{END}{after}")


def write_json(path: Path, document: object) -> None:
    """Write a document as people can read it, too."""
    path.write_text(json.dumps(document, indent=1) + "\n")


def _memory_table(memory: Memory) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    scenes = {scene.name.lower(): scene for scene in Scene if scene.name.lower() in memory}
    headings = ("proxy", *(scene.value for scene in scenes.values()), "each route of the last")
    names = list(dict.fromkeys(peer for by_peer in memory.values() for peer in by_peer))
    lines = []
    for name in names:
        found = [memory[scene].get(name) for scene in scenes]
        cells = ["-" if each is None else f"{each / _MIB:.1f} MiB" for each in found]
        lines.append((name, *cells, _each_route(memory, name)))
    return headings, lines


def _each_route(memory: Memory, name: str) -> str:
    many = memory.get(Scene.HOSTS.name.lower(), {}).get(name)
    few = memory.get(Scene.SMALL.name.lower(), {}).get(name)
    if many is None or few is None:
        return "-"
    return f"{(many - few) / (loads.HOSTS * loads.PATHS_OF_A_HOST):.2f} KiB"
