from __future__ import annotations

import stat
from pathlib import Path

import pytest

from fsm_twisted.demo.document import Document, document_from
from fsm_twisted.demo.folder import FolderReader, file_name, remove_document, write_document


def made(kind: str, name: str, **fields: object) -> Document:
    return document_from(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "n"}, **fields}
    )


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def reader(tmp_path: Path, complaints: list[str]) -> FolderReader:
    return FolderReader(tmp_path, complaints.append)


def names(reader: FolderReader) -> list[str]:
    return [document.name for document in reader.documents()]


def test_what_is_written_is_read_back(tmp_path: Path, reader: FolderReader) -> None:
    service = made("Service", "web", spec={"ports": [{"port": 80}], "selector": {"on": "yes"}})
    write_document(tmp_path, service)

    assert reader.refresh()
    assert reader.documents() == (service,)


def test_only_the_owner_reads_a_secrets_file(tmp_path: Path) -> None:
    secret = made("Secret", "key")
    write_document(tmp_path, secret)

    assert stat.S_IMODE((tmp_path / file_name(secret)).stat().st_mode) == 0o600


def test_nothing_is_left_of_a_write_but_the_objects_file(tmp_path: Path) -> None:
    for _ in range(2):
        write_document(tmp_path, made("Secret", "key"))

    assert [path.name for path in tmp_path.iterdir()] == ["n.secret.key.yaml"]


def test_objects_that_differ_in_kind_namespace_or_name_have_files_of_their_own() -> None:
    keys = [("Service", "a.b"), ("Service", "b"), ("Secret", "b"), ("Namespace", "b")]

    assert len({file_name(made(kind, name)) for kind, name in keys}) == len(keys)


def test_a_removed_file_takes_its_objects_along(tmp_path: Path, reader: FolderReader) -> None:
    write_document(tmp_path, made("Service", "web"))
    reader.refresh()
    remove_document(tmp_path, made("Service", "web"))

    assert reader.refresh()
    assert names(reader) == []


def test_no_change_is_no_news(tmp_path: Path, reader: FolderReader) -> None:
    write_document(tmp_path, made("Service", "web"))

    assert reader.refresh()
    assert not reader.refresh()


def test_a_broken_file_keeps_what_it_held_and_is_named_once(
    tmp_path: Path, reader: FolderReader, complaints: list[str]
) -> None:
    write_document(tmp_path, made("Service", "web"))
    reader.refresh()
    (tmp_path / file_name(made("Service", "web"))).write_text("a: [")
    reader.refresh()
    reader.refresh()

    assert names(reader) == ["web"]
    assert len(complaints) == 1
    assert complaints[0].startswith("n.service.web.yaml: not YAML")


def test_lists_several_documents_and_foreign_kinds_may_share_a_file(
    tmp_path: Path, reader: FolderReader, complaints: list[str]
) -> None:
    (tmp_path / "mixed.yml").write_text(
        """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: one}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: none}}
---
apiVersion: v1
kind: Secret
metadata: {name: two}
"""
    )
    reader.refresh()

    assert names(reader) == ["one", "two"]
    assert complaints == []


def test_drafts_and_other_files_are_passed_over(tmp_path: Path, reader: FolderReader) -> None:
    (tmp_path / ".draft.yaml").write_text("a: [")
    (tmp_path / "README").write_text("a: [")

    assert not reader.refresh()


def test_an_absent_folder_is_an_empty_one(tmp_path: Path) -> None:
    reader = FolderReader(tmp_path / "none", lambda _: None)

    assert not reader.refresh()
    assert reader.documents() == ()
