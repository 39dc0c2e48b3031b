"""
The corpus: objects in (NAME.in.yaml), snapshot and findings out (NAME.out.yaml).

One situation a pair. After a change that is meant, run with ``REGENERATE_CORPUS=1`` and read the
difference before it is committed.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from fsm_twisted.compiler import CompilerOptions, compile_snapshot
from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import KubernetesObject
from tests.compiler.rendering import rendered

CORPUS = Path(__file__).parent / "corpus"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", sorted(each.name[:-8] for each in CORPUS.glob("*.in.yaml")))
def test_the_corpus_compiles_to_what_it_says(name: str) -> None:
    objects: list[KubernetesObject] = []
    for document in yaml.safe_load_all((CORPUS / f"{name}.in.yaml").read_text()):
        decoded = decode_object(document)
        assert decoded.problems == ()
        objects += decoded.values
    options = CompilerOptions(passes_tls=name.startswith("passthrough"))
    found = rendered(compile_snapshot(Inventory.of(objects), options, now=NOW))
    expected = CORPUS / f"{name}.out.yaml"
    if os.environ.get("REGENERATE_CORPUS"):
        text = yaml.safe_dump(found, sort_keys=False, width=1000, allow_unicode=True)
        expected.write_text(text)

    assert found == yaml.safe_load(expected.read_text())


def test_every_pair_of_the_corpus_is_whole() -> None:
    ins = {each.name[:-8] for each in CORPUS.glob("*.in.yaml")}
    outs = {each.name[:-9] for each in CORPUS.glob("*.out.yaml")}

    assert ins == outs
    assert len(ins) >= 20
