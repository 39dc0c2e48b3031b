"""What the fuzzer starts from, and all that it ever found, stays lawful."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.http2 import CORPUS, check


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_every_input_of_the_corpus_is_lawful(path: Path) -> None:
    check(path.read_bytes())


def test_the_corpus_has_both_sides() -> None:
    assert {path.read_bytes()[:1] for path in CORPUS.iterdir()} == {b"s", b"c"}
