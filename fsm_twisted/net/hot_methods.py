"""
Inherited methods that every kind of object has its own copy of, because CPython looks at the kind.

The interpreter keeps with each instruction where the last object had its attribute (PEP 659). Two
kinds of connections take turns on the way of a request: in code that both share, what is kept is
always about the other kind. One copy for each kind: 5 % of what a request costs in Python. A
compiled method needs no copies: it keeps nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MappingProxyType
from typing import Any, Final

_ORIGINAL: Final = "__wrapped__"
_NONE: Final[Mapping[Callable[..., Any], Any]] = MappingProxyType({})


def own_copies(
    cls: type, names: Iterable[str], compiled: Mapping[Callable[..., Any], Any] = _NONE
) -> None:
    """
    Give *cls* copies of the methods *names* that it inherits; they do as before.

    Args:
        cls: Says nothing of its own by names that are in it.
        names: Of methods of its bases.
        compiled: What is taken instead of a copy, by the method of which it would be one.
    """
    for name in names:
        if name not in vars(cls):
            method = _inherited(cls, name)
            setattr(cls, name, compiled.get(method) or _copy_of(method))


def _inherited(cls: type, name: str) -> Any:
    """
    Return what *cls* inherits as *name*, copies and compiled methods left out.

    Of several bases, the copy of the first must not hide what the second one says itself.
    """
    for base in cls.__mro__:
        method = vars(base).get(name)
        if isinstance(method, FunctionType) and not hasattr(method, _ORIGINAL):
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
