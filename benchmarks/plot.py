"""A plot of CPU figures as SVG: for each load a group of bars, one for each proxy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from xml.sax.saxutils import escape

from benchmarks.table import Row, time_text

_COLOURS = {
    "ours": "#0072b2",
    "compiled": "#009e73",
    "nginx": "#999999",
    "haproxy": "#56b4e9",
    "envoy": "#e69f00",
    "traefik": "#d55e00",
    "caddy": "#cc79a7",
}
_OTHER = "#f0e442"
_LEFT, _WIDTH, _BAR, _GAP = 110, 720, 14, 26
_LONGEST = _WIDTH - _LEFT - 150


def svg(rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """Draw *rows*; within each load the longest bar has the full width."""
    parts: list[str] = []
    y = 10
    for load, group in groupby(rows, key=lambda row: row.load):
        bars = list(group)
        y += _GAP
        parts.append(_text(8, y, f"{load}: {titles.get(load, '')}", "font-weight='bold'"))
        y += 8
        longest = max(row.median for row in bars)
        for row in bars:
            parts += _bar(row, y, row.median / longest * _LONGEST)
            y += _BAR + 3
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y + 20}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" '
        f'fill="white"/>\n{chr(10).join(parts)}\n</svg>\n'
    )


def _bar(row: Row, y: float, width: float) -> list[str]:
    ratio = "" if row.ratio is None else f"  ({row.ratio:.2f} x)"
    colour = _COLOURS.get(row.peer, _OTHER)
    return [
        _text(_LEFT - 6, y + _BAR - 3, row.peer, "text-anchor='end'"),
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{colour}"/>',
        _text(_LEFT + width + 5, y + _BAR - 3, time_text(row.median) + ratio, ""),
    ]


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(text)}</text>'
