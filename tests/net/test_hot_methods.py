"""Copies of inherited methods: of whatever would have been called without them."""

from __future__ import annotations

from fsm_twisted.net.hot_methods import own_copies


class Base:
    def __init_subclass__(cls) -> None:
        own_copies(cls, ("say",))

    def say(self) -> str:
        return "base"


class Left(Base):
    pass


class Right(Base):
    def say(self) -> str:
        return f"right, {super().say()}"


class Both(Left, Right):
    pass


class Below(Both):
    pass


def test_each_kind_has_a_copy_of_its_own() -> None:
    copies = {id(vars(kind)["say"].__code__) for kind in (Base, Left, Right, Both, Below)}
    assert len(copies) == 5


def test_the_copy_of_one_base_does_not_hide_what_another_one_says() -> None:
    assert Left().say() == "base"
    assert [kind().say() for kind in (Right, Both, Below)] == ["right, base"] * 3
