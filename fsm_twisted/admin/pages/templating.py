"""HTML from templates: everything is escaped, and a name that is missing is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from fsm_twisted._version import __version__

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400
_KIB: Final = 1024


def ago(seconds: float) -> str:
    """Tell a time span in its largest unit."""
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds)} s"


def span(seconds: float | None) -> str:
    """Tell how long something takes; a dash where nobody knows."""
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def size(octets: float) -> str:
    """Tell a number of bytes."""
    number, names = float(octets), ["B", "KiB", "MiB", "GiB"]
    while number >= _KIB and len(names) > 1:
        number /= _KIB
        del names[0]
    return f"{number:.3g} {names[0]}"


def count(number: float) -> str:
    """Tell a number, its thousands apart."""
    return f"{number:,.0f}".replace(",", "\u202f")


def object_text(ref: Mapping[str, str]) -> str:
    """Tell an object as kubectl writes it."""
    place = f"{ref['namespace']}/" if ref["namespace"] else ""
    return f"{ref['kind']} {place}{ref['name']}"


class Pages:
    """The templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=PackageLoader(__name__.rpartition(".")[0]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(
            ago=ago, span=span, size=size, count=count, object=object_text
        )
        self._environment.globals["version"] = __version__

    def render(self, name: str, members: Mapping[str, Any]) -> bytes:
        """Return a page."""
        return self._environment.get_template(name).render(members).encode()
