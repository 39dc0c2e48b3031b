"""Following real files: every way in which people and machines change them."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from fsm_twisted.objects.model import ObjectRef, Service
from fsm_twisted.sources.manifests import Contents, ManifestSource, SourceError
from fsm_twisted.sources.manifests.files import Given
from fsm_twisted.sources.manifests.library import Library
from fsm_twisted.sources.manifests.source import Reactor
from tests.sources.following import LATER_NS, PATIENCE_SECONDS, Following
from tests.sources.manifests import names, replace, service, services, swap_link

Follow = Callable[..., Following]


def is_above_permissions() -> bool:
    """Return whether we may read what nobody may, as root usually does."""
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0)
        return os.access(file.name, os.R_OK)


needs_permissions = pytest.mark.skipif(is_above_permissions(), reason="root may read everything")


@pytest.fixture
def follow() -> Iterator[Follow]:
    """Make a source that is started, and stopped in the end."""
    started: list[Following] = []

    def begin(*paths: Path | str, wall_ns: Callable[[], int] | None = None) -> Following:
        following = Following(*paths, wall_ns=wall_ns)
        started.append(following)
        following.source.start()
        return following

    yield begin
    for following in started:
        following.source.stop()
        assert following.reactor.readers == set()
        assert following.reactor.getDelayedCalls() == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty directory, with room beside it."""
    path = tmp_path / "manifests"
    path.mkdir()
    return path


def port_of(following: Following, name: str = "web") -> int:
    (value,) = (each for each in following.source.contents.objects if each.metadata.name == name)
    assert isinstance(value, Service)
    return value.ports[0].port


def test_everything_is_there_when_start_returns(folder: Path, follow: Follow) -> None:
    (folder / "a.yaml").write_text(services("a", "b"))
    (folder / "c.yml").write_text(service("c"))
    (folder / "d.json").write_text(
        '{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "d"}, "spec": {}}'
    )
    following = follow(folder)

    assert names(following.source.contents) == ["a", "b", "c", "d"]
    assert following.told == [following.source.contents]
    assert following.source.contents.origins[ObjectRef("Service", "default", "b")] == (
        f"{folder}/a.yaml:9"
    )


@pytest.mark.parametrize(
    "name", [".hidden.yaml", "a.yaml~", ".a.yaml.swp", "a.txt", "#a.yaml#", "a.yaml.tmp"]
)
def test_other_names_in_a_directory_are_passed_over(
    name: str, folder: Path, follow: Follow
) -> None:
    (folder / name).write_text("{ broken")
    (folder / "deeper.yaml").mkdir()
    (folder / "deeper.yaml" / "b.yaml").write_text(service())
    following = follow(folder)

    assert following.source.contents == Contents()


def test_a_file_that_is_named_is_read_whatever_its_ending(folder: Path, follow: Follow) -> None:
    (folder / "a.txt").write_text(service())
    following = follow(folder / "a.txt")

    assert names(following.source.contents) == ["web"]


def test_files_come_created_changed_renamed_and_deleted(folder: Path, follow: Follow) -> None:
    following = follow(folder)
    assert following.settle() == []

    (folder / "a.yaml").write_text(service("a"))
    following.await_names("a")
    (folder / "a.yaml").write_text(service("b"))
    following.await_names("b")
    replace(folder / "a.yaml", service("c"))
    following.await_names("c")
    (folder / "a.yaml").rename(folder / "a.bak")
    following.await_names()
    (folder / "a.bak").rename(folder / "a.yaml")
    following.await_names("c")
    (folder / "a.yaml").unlink()
    following.await_names()


def test_writes_within_a_tick_of_the_file_systems_clock_are_told_apart(folder: Path) -> None:
    path = folder / "a.yaml"
    library = Library(
        [Given.of(path)],
        default_namespace="default",
        limit_bytes=10_000,
        settle_seconds=0,
        at_most_seconds=0,
    )
    for number in range(200):
        path.write_text(service(f"s{number % 10}"))
        library.look()
        library.read()

        assert names(library.contents()) == [f"s{number % 10}"]


def test_a_touch_tells_nothing(folder: Path, follow: Follow) -> None:
    (folder / "a.yaml").write_text(service("a"))
    following = follow(folder)
    os.utime(folder / "a.yaml")
    replace(folder / "a.yaml", service("a"))
    following.settle()

    assert len(following.told) == 1


def test_a_burst_is_told_once_when_it_is_quiet(folder: Path, follow: Follow) -> None:
    following = follow(folder)
    for number in range(4):
        replace(folder / f"{number}.yaml", service(f"s{number}"))
        assert following.reactor.read_events(PATIENCE_SECONDS)
        following.reactor.advance(0.04)
        assert len(following.told) == 1
    following.reactor.advance(0.02)

    assert [names(each) for each in following.told] == [[], ["s0", "s1", "s2", "s3"]]


def test_an_endless_burst_is_told_in_time(folder: Path, follow: Follow) -> None:
    following = follow(folder)
    for number in range(7):
        replace(folder / f"{number}.yaml", service(f"s{number}"))
        assert following.reactor.read_events(PATIENCE_SECONDS)
        following.reactor.advance(0.04)

    assert len(following.told) == 2
    assert len(following.told[1].objects) == 7


def test_a_broken_file_is_named_with_its_line_and_keeps_its_objects(
    folder: Path, follow: Follow
) -> None:
    (folder / "a.yaml").write_text(service("a"))
    (folder / "b.yaml").write_text(service("b"))
    following = follow(folder)
    replace(folder / "a.yaml", "fine: yes\n---\nbroken: [\n")
    replace(folder / "b.yaml", service("c"))

    following.await_names("a", "c")
    assert following.reasons() == [(f"{folder}/a.yaml:4", "file_unreadable")]
    replace(folder / "a.yaml", service("d"))
    following.await_names("c", "d")
    assert following.reasons() == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * 10_001, b"a: *x", b"%%"])
def test_a_file_that_cannot_be_used_is_a_problem_of_that_file_alone(
    content: bytes, folder: Path, follow: Follow
) -> None:
    (folder / "a.yaml").write_bytes(content)
    (folder / "b.yaml").write_text(service("b"))
    following = follow(folder)

    assert names(following.source.contents) == ["b"]
    assert [(each.file, each.reason) for each in following.source.contents.problems] == [
        (f"{folder}/a.yaml", "file_unreadable")
    ]


def test_a_file_of_exactly_the_limit_is_read(folder: Path, follow: Follow) -> None:
    text = service("a")
    (folder / "a.yaml").write_text(text + "#" * (10_000 - len(text)))

    assert names(follow(folder).source.contents) == ["a"]


def test_a_pipe_does_not_hold_us_up(folder: Path, follow: Follow) -> None:
    os.mkfifo(folder / "a.yaml")
    following = follow(folder)

    assert following.reasons() == [(f"{folder}/a.yaml", "file_unreadable")]


@needs_permissions
def test_a_file_that_may_not_be_read_keeps_its_objects_until_it_may(
    folder: Path, follow: Follow
) -> None:
    path = folder / "a.yaml"
    path.write_text(service("a"))
    following = follow(folder)
    path.chmod(0)
    path.rename(folder / "b.yaml")
    following.await_names()
    assert following.reasons() == [(f"{folder}/b.yaml", "file_unreadable")]
    (folder / "b.yaml").chmod(0o644)
    following.await_names("a")


def test_a_link_loop_is_a_problem_of_that_name_alone(folder: Path, follow: Follow) -> None:
    (folder / "a.yaml").symlink_to("a.yaml")
    (folder / "b.yaml").write_text(service("b"))
    following = follow(folder)

    assert names(following.source.contents) == ["b"]
    assert following.reasons() == [(f"{folder}/a.yaml", "file_unreadable")]


def test_a_link_to_nothing_is_told_until_it_leads_to_a_file_or_goes(
    folder: Path, follow: Follow
) -> None:
    (folder / "a.yaml").symlink_to("target")
    (folder / "b.yaml").write_text(service("b"))
    following = follow(folder)
    told = [(f"{folder}/a.yaml", "file_unreadable")]
    assert (names(following.source.contents), following.reasons()) == (["b"], told)
    assert following.source.contents.problems[0].instead == "nothing of it is served"

    (folder / "target").write_text(service("a"))
    following.await_names("a", "b")
    assert following.reasons() == []
    (folder / "target").unlink()
    following.await_names("b")
    assert following.reasons() == told
    (folder / "a.yaml").unlink()
    following.settle()
    assert following.reasons() == []


def test_a_link_to_a_folder_is_passed_over_as_the_folder_is(folder: Path, follow: Follow) -> None:
    (folder / "deep").mkdir()
    (folder / "a.yaml").symlink_to("deep")
    (folder / "b.yaml").mkdir()

    assert follow(folder).reasons() == []


def test_a_mounted_config_map_is_renewed_by_the_swap_of_one_link(
    folder: Path, follow: Follow
) -> None:
    for version in ("..1", "..2"):
        (folder / version).mkdir()
        (folder / version / "a.yaml").write_text(service(f"v{version[2:]}"))
    (folder / "..data").symlink_to("..1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    following = follow(folder)
    assert names(following.source.contents) == ["v1"]

    swap_link(folder / "..data", "..2")
    following.await_names("v2")
    shutil.rmtree(folder / "..1")
    following.await_names("v2")
    (folder / "..3").mkdir()
    (folder / "..3" / "a.yaml").write_text(service("v3"))
    swap_link(folder / "..data", "..3")
    following.await_names("v3")


def test_a_directory_behind_links_is_followed_wherever_they_lead(
    tmp_path: Path, follow: Follow
) -> None:
    for version in ("one", "two"):
        (tmp_path / version / "deep").mkdir(parents=True)
        (tmp_path / version / "deep" / "a.yaml").write_text(service(version))
    (tmp_path / "current").symlink_to("one")
    (tmp_path / "given").symlink_to(tmp_path / "current")
    following = follow(tmp_path / "given" / "deep")

    swap_link(tmp_path / "current", "two")
    following.await_names("two")
    replace(tmp_path / "two" / "deep" / "a.yaml", service("new"))
    following.await_names("new")
    swap_link(tmp_path / "given", str(tmp_path / "one"))
    following.await_names("one")


def test_a_linked_file_is_followed_where_it_really_is(
    tmp_path: Path, folder: Path, follow: Follow
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x").write_text(service("a"))
    (folder / "a.yaml").symlink_to("../elsewhere/x")
    following = follow(folder)

    (elsewhere / "x").write_text(service("b"))
    following.await_names("b")
    (elsewhere / "x").unlink()
    following.await_names()
    (elsewhere / "x").write_text(service("c"))
    following.await_names("c")


def test_a_single_file_is_followed_through_replacement_and_deletion(
    folder: Path, follow: Follow
) -> None:
    path = folder / "a.yaml"
    path.write_text(service("a"))
    (folder / "other.yaml").write_text(service("other"))
    following = follow(path)

    replace(path, service("b"))
    following.await_names("b")
    path.unlink()
    following.await_names()
    path.write_text(service("c"))
    following.await_names("c")


def test_a_directory_may_be_deleted_and_made_again(folder: Path, follow: Follow) -> None:
    (folder / "a.yaml").write_text(service("a"))
    following = follow(folder)

    shutil.rmtree(folder.parent)
    following.await_names()
    folder.mkdir(parents=True)
    (folder / "b.yaml").write_text(service("b"))
    following.await_names("b")
    (folder / "c.yaml").write_text(service("c"))
    following.await_names("b", "c")


def test_a_directory_may_be_exchanged_for_another(tmp_path: Path, follow: Follow) -> None:
    for name in ("live", "next"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(service(name))
    following = follow(tmp_path / "live")

    (tmp_path / "live").rename(tmp_path / "last")
    (tmp_path / "next").rename(tmp_path / "live")
    following.await_names("next")
    (tmp_path / "last" / "a.yaml").write_text(service("stale"))
    (tmp_path / "live" / "b.yaml").write_text(service("b"))
    following.await_names("b", "next")


def test_names_that_are_not_utf8_are_shown_all_the_same(folder: Path, follow: Follow) -> None:
    with open(os.path.join(os.fsencode(folder), b"\xff.yaml"), "w") as file:
        file.write("{")
    following = follow(folder)

    assert following.source.contents.problems[0].where.isprintable()


def test_a_file_that_is_written_in_place_is_read_when_it_has_settled(
    folder: Path, follow: Follow
) -> None:
    (folder / "a.yaml").write_text(services("a", "b"))
    age = LATER_NS
    following = follow(folder, wall_ns=lambda: (folder / "a.yaml").stat().st_mtime_ns + age)

    age = 10_000_000
    with open(folder / "a.yaml", "w") as writer:
        writer.write(service("a"))
        writer.flush()
        (folder / "other.yaml").write_text(service("other"))
        following.await_names("a", "b", "other")
        writer.write("---\n" + service("c"))
    age = LATER_NS
    following.await_names("a", "c", "other")
    assert len(following.told) == 3


def test_a_file_that_never_settles_takes_no_patience_from_another(
    folder: Path, follow: Follow
) -> None:
    restless, other = folder / "a.yaml", folder / "b.yaml"
    restless.write_text(service("a"))
    other.write_text(service("b"))
    now = time.time_ns()
    following = follow(folder, wall_ns=lambda: now)
    for number in range(8):
        now = time.time_ns()
        restless.write_text(service(f"a{number}"))
        os.utime(restless, ns=(now, now))
        following.reactor.read_events(PATIENCE_SECONDS)
        following.reactor.pump([0.05])
    os.truncate(other, 0)
    now = other.stat().st_mtime_ns
    following.reactor.read_events(PATIENCE_SECONDS)
    following.reactor.pump([0.05] * 6)

    assert "b" in names(following.source.contents)
    other.write_text(service("b"))


def test_a_file_that_is_written_for_ever_is_read_in_time(folder: Path, follow: Follow) -> None:
    path = folder / "a.yaml"
    path.write_text(service("a"))
    following = follow(folder, wall_ns=lambda: path.stat().st_mtime_ns)
    path.write_text(service("b"))
    assert following.reactor.read_events(PATIENCE_SECONDS)
    following.reactor.pump([0.05] * 8)

    assert names(following.source.contents) == ["b"]


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/deeper", ""])
def test_a_path_that_is_missing_at_the_start_is_named(
    missing: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    following = Following(folder, missing)

    with pytest.raises(SourceError, match=missing or "empty path"):
        following.source.start()
    assert following.reactor.readers == set()
    assert following.told == []


def test_relative_paths_survive_a_change_of_directory(
    folder: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parent)
    (folder / "a.yaml").write_text(service("a"))
    following = follow("manifests")
    monkeypatch.chdir("/")
    (folder / "b.yaml").write_text("[")

    following.await_names("a")
    assert following.reasons() == [("manifests/b.yaml:2", "file_unreadable")]


def test_later_paths_win_and_a_file_given_twice_is_read_once(folder: Path, follow: Follow) -> None:
    (folder / "a.yaml").write_text(service(port=80))
    (folder / "b.yaml").write_text(service(port=81))
    following = follow(folder, folder / "a.yaml", folder)

    assert port_of(following) == 81
    assert following.reasons() == [(f"{folder}/b.yaml:1", "object_repeated")]


def test_without_watches_the_files_are_looked_at_all_the_same(
    folder: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("fsm_twisted.sources.manifests.watch.INotify", exhausted)
    following = follow(folder)
    (folder / "a.yaml").write_text(service("a"))
    following.reactor.advance(1)
    assert names(following.source.contents) == ["a"]
    (folder / "a.yaml").unlink()
    following.reactor.advance(1)

    assert names(following.source.contents) == []


def test_nothing_is_told_after_the_stop(folder: Path) -> None:
    following = Following(folder)
    following.source.start()
    (folder / "a.yaml").write_text(service("a"))
    assert following.reactor.read_events(PATIENCE_SECONDS)
    following.source.stop()
    following.reactor.advance(10)

    assert len(following.told) == 1
    assert following.reactor.readers == set()


def test_an_overflow_of_the_queue_loses_no_change(folder: Path, follow: Follow) -> None:
    (folder / "a.yaml").write_text(service("early"))
    following = follow(folder / "a.yaml")
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for number in range(limit // 2 + 1):  # names that do not concern us fill the queue
        os.close(os.open(folder / ("x", "y")[number % 2], os.O_CREAT | os.O_WRONLY))
        os.unlink(folder / ("x", "y")[number % 2])
    replace(folder / "a.yaml", service("late"))

    following.await_names("late")


def test_watches_that_run_out_later_are_survived(
    folder: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    following = follow(folder)
    monkeypatch.setattr("inotify_simple.INotify.add_watch", exhausted)
    (folder / "a.yaml").write_text(service("a"))
    following.await_names("a")
    assert following.reactor.readers == set()
    (folder / "b.yaml").write_text(service("b"))
    following.reactor.advance(1)

    assert names(following.source.contents) == ["a", "b"]


@needs_permissions
def test_a_directory_that_may_not_be_listed_keeps_its_files_until_it_may(
    folder: Path, follow: Follow
) -> None:
    (folder / "a.yaml").write_text(service("a"))
    following = follow(folder)
    folder.chmod(0o111)
    try:
        following.await_names("a")
        assert following.reasons() == [(str(folder), "file_unreadable")]
        with pytest.raises(SourceError, match="cannot be read"):
            Following(folder).source.start()
    finally:
        folder.chmod(0o755)
    following.await_names("a")
    assert following.reasons() == []


class RealReactorTests(TestCase):
    def test_a_change_arrives_through_the_running_reactor(self) -> Deferred[None]:
        from twisted.internet import reactor

        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        arrived: Deferred[None] = Deferred()

        def on_change(contents: Contents) -> None:
            if names(contents) == ["late"]:
                arrived.callback(None)

        source = ManifestSource([folder], reactor=cast("Reactor", reactor), on_change=on_change)
        source.start()
        self.addCleanup(source.stop)
        replace(folder / "a.yaml", service("late"))
        return arrived.addTimeout(PATIENCE_SECONDS, reactor)
