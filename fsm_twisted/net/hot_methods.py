"""
Inherited methods that every kind of object has its own copy of, because CPython looks at the kind.

The interpreter keeps with each instruction where the last object had its attribute (PEP 659). Two
kinds of connections take turns on the way of a request: in code that both share, what is kept is
always about the other kind. One copy for each kind: 5 % of what a request costs in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, Final

_ORIGINAL: Final = "__wrapped__"


def own_copies(cls: type, names: Iterable[str]) -> None:
    """Give *cls* copies of the methods *names* that it inherits; they do as before."""
    for name in names:
        if name not in vars(cls):
            setattr(cls, name, _copy_of(_inherited(cls, name)))


def _inherited(cls: type, name: str) -> Any:
    """
    Return what *cls* inherits as *name*, copies left out.

    Of several bases, the copy of the first must not hide what the second one says itself.
    """
    for base in cls.__mro__:
        method = vars(base).get(name)
        if method is not None and not hasattr(method, _ORIGINAL):
            return method
    raise AttributeError(name)


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
    setattr(copy, _ORIGINAL, method)
    return copy
