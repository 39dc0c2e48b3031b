"""The writer of the access log: never waits, loses nothing unsaid, follows rotation."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fsm_twisted.control.access_log import AccessLog, LineWriter
from fsm_twisted.observe.access import BatchError, pack_batch
from fsm_twisted.observe.access_lines import make_lines
from tests.net.turning import logged
from tests.observe.test_access import USUAL


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@contextmanager
def writing(path: Path, buffer_bytes: int = 1 << 20) -> Iterator[LineWriter]:
    writer = LineWriter(str(path), buffer_bytes)
    writer.start()
    yield writer
    writer.close()
    assert "access log" not in [each.name for each in threading.enumerate()]


def test_what_is_written_is_in_the_file_when_the_writer_has_closed(path: Path) -> None:
    with writing(path) as writer:
        for number in range(100):
            writer.write(b"%d\n" % number, 1)

    assert path.read_bytes() == b"".join(b"%d\n" % number for number in range(100))
    assert (writer.written, writer.dropped) == (100, 0)


def test_a_file_that_is_there_is_continued(path: Path) -> None:
    path.write_bytes(b"before\n")
    with writing(path) as writer:
        writer.write(b"after\n", 1)

    assert path.read_bytes() == b"before\nafter\n"


def test_nobody_else_may_read_a_new_file(path: Path) -> None:
    with writing(path):
        assert path.stat().st_mode & 0o007 == 0


def test_after_rotation_lines_go_to_a_new_file_and_none_is_lost(path: Path) -> None:
    with writing(path) as writer:
        old = path.with_suffix(".1")
        for number in range(200):
            writer.write(b"%d\n" % number, 1)
            if number == 100:
                path.rename(old)
                writer.reopen()

    lines = old.read_bytes() + path.read_bytes()
    assert path.read_bytes().endswith(b"199\n")
    assert sorted(map(int, lines.split())) == list(range(200))


def test_a_slow_disk_keeps_nobody_waiting_and_what_is_dropped_is_counted(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    line = b"x" * 999 + b"\n"
    with writing(path, buffer_bytes=100_000) as writer:
        for _ in range(500):  # a pipe takes 64 KiB, and the buffer its 100
            writer.write(line, 1)
        waits = writer.dropped

        got = b""
        while got.count(b"\n") < 500 - waits:
            got += os.read(reader, 1 << 16)
    os.close(reader)

    assert 300 <= waits < 500
    assert set(got.split(b"\n")[:-1]) == {line[:-1]}
    assert writer.written == 500 - waits == got.count(b"\n")


def test_a_full_disk_is_told_once_and_its_lines_count_as_dropped() -> None:
    with logged() as log, writing(Path("/dev/full")) as writer:
        for _ in range(10):
            writer.write(b"a\nb\n", 2)

    assert (writer.written, writer.dropped) == (0, 20)
    assert log.text.count("cannot be written: /dev/full: No space left on device") == 1


def test_a_file_that_cannot_be_opened_again_leaves_the_old_one(path: Path) -> None:
    with logged() as log, writing(path) as writer:
        moved = path.with_suffix(".1")
        path.rename(moved)
        path.mkdir()
        writer.reopen()
        writer.write(b"line\n", 1)

    assert moved.read_bytes() == b"line\n"
    assert "cannot be opened again" in log.text


def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        LineWriter(str(tmp_path / "no" / "such"))


def test_a_batch_becomes_its_lines_redacted(path: Path) -> None:
    with writing(path) as writer:
        access = AccessLog(writer, make_lines("json", ["client"]))
        assert access.take(pack_batch(1e9, [USUAL] * 3))
        with pytest.raises(BatchError):
            access.take(b"more nonsense")

    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert all('"client":"REDACTED"' in line for line in lines)
    assert access.counts() == {
        "access_log_lines_total": 3,
        'access_log_dropped_total{at="writer"}': 0,
    }
