"""The command: what it says, how it ends, and that it obeys nothing that a request says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fsm_twisted.cli import pages
from fsm_twisted.cli.errors import EXIT_CODES, Trouble
from fsm_twisted.cli.offline import read_world
from fsm_twisted.cli.text import clean
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.snapshot.reasons import FINDINGS
from tests.admin.test_api import ingress, request, service, write
from tests.assembly.program import Program, running
from tests.cli.running import fsm_ingress
from tests.strategies.certificates import make_pair

BROKEN = str(Path(__file__).parents[2] / "examples" / "broken.yaml")
GOOD = ingress("good", "2024-01-01T00:00:00Z", ("/web", "web"))
OTHER = {**ingress("other", "2024-01-01T00:00:00Z", ("/web", "web")), "kind": "Ingress"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, GOOD, *service("web", 9999))
    return tmp_path / "manifests"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder = tmp_path_factory.mktemp("cli")
    write(folder, GOOD, *service("web", 1))
    with running(folder, "--workers", "1") as found:
        yield found


def admin(program: Program) -> tuple[str, str]:
    return ("--admin", f"http://127.0.0.1:{program.port('admin')}")


def offline(folder: Path) -> tuple[str, str]:
    return ("--manifests", str(folder))


# explain


def test_explain_ends_with_0_when_a_service_is_reached_and_1_when_none_is(folder: Path) -> None:
    good = fsm_ingress("explain", "http://a.example/web/x", *offline(folder))
    bad = fsm_ingress("explain", "http://a.example/nothing", *offline(folder))

    assert (good.code, bad.code) == (0, 1)
    assert "goes to Service default/web:80, endpoint 127.0.0.1:9999" in good.out
    assert "gets 404 from the proxy (no_route)" in bad.out


@pytest.mark.parametrize(
    "words",
    [
        ("ftp://a.example/",),
        ("http:///x",),
        ("http://a b/",),
        ("http://a.example/a b",),
        ("http://a.example/\x1b[31m",),
        ("http://ä.example/",),
        ("http://a.example:99999/",),
        ("http://a.example/" + "x" * 20000,),
        ("GE T", "http://a.example/"),
        ("GET", "http://a.example/", "more"),
        ("http://a.example/", "-H", "nonsense"),
        ("http://a.example/", "-H", "X: a\r\nY: b"),
        ("http://a.example/", "--client", "nobody"),
        (),
    ],
)
def test_a_question_that_nobody_could_ask_ends_with_2_and_one_clear_error(
    folder: Path, words: tuple[str, ...]
) -> None:
    ended = fsm_ingress("explain", *words, *offline(folder))

    assert ended.code == 2
    assert ended.out == ""
    (error,) = [line for line in ended.err.splitlines() if line.startswith("Error: ")]
    assert error.isprintable()
    assert len(error) < 200


def test_explain_takes_method_headers_and_a_host_apart_as_curl_does(folder: Path) -> None:
    ended = fsm_ingress(
        "explain", "POST", "http://127.0.0.1:8000/web", "-H", "Host: a.example", "-o", "json",
        *offline(folder),
    )  # fmt: skip

    assert (ended.code, ended.json["request"]["method"]) == (0, "POST")
    assert ended.json["request"]["host"] == "a.example"


@pytest.mark.parametrize(
    ("words", "is_on"),
    [
        (("--mtls", "on"), True),
        (("--mtls",), True),
        (("--mtls=on",), True),
        (("--mtls", "off"), False),
        (("--mtls=off",), False),
        (("--mtls", "--mtls", "off"), False),
        ((), False),
    ],
)
def test_a_switch_of_the_program_is_written_as_there(
    tmp_path: Path, words: tuple[str, ...], *, is_on: bool
) -> None:
    spec: Any = GOOD["spec"]
    tls = {**GOOD, "spec": {**spec, "tls": [{"hosts": ["a.example"]}]}}
    write(tmp_path, tls, *service("web", 9999))
    where = offline(tmp_path / "manifests")
    asked = fsm_ingress("explain", *where, *words, "https://a.example/web")

    assert ("client_ca_missing" in asked.out) is is_on
    assert asked.code == (1 if is_on else 0)
    assert fsm_ingress("explain", *where, "https://a.example/web", *words).out == asked.out


def test_a_switch_that_is_neither_on_nor_off_is_2_and_says_what_it_may_be(folder: Path) -> None:
    ended = fsm_ingress("lint", "--mtls=maybe", str(folder))

    assert ended.code == 2
    assert "'maybe' is not one of 'on', 'off'" in ended.err


def test_behind_two_dashes_there_are_no_switches() -> None:
    ended = fsm_ingress("lint", "--", "--mtls", "on")

    assert "--mtls" in ended.err
    assert ended.code == 2


def test_explain_says_why_an_ingress_of_another_class_is_not_asked(tmp_path: Path) -> None:
    other = ingress("other", "2024-01-01T00:00:00Z", ("/web", "web"), ingressClassName="nginx")
    write(tmp_path, other)

    ended = fsm_ingress("explain", "http://a.example/web", *offline(tmp_path / "manifests"))

    assert ended.code == 1
    assert "not ours" in ended.out
    assert "there is no such IngressClass, and ours is 'pipy'" in ended.out


def test_manifests_without_endpoints_are_taken_at_their_word(tmp_path: Path) -> None:
    write(tmp_path, GOOD, service("web", 1)[0])

    ended = fsm_ingress("explain", "http://a.example/web", *offline(tmp_path / "manifests"))

    assert ended.code == 0
    assert "no EndpointSlices among the manifests" in ended.out


def test_a_running_instance_explains_as_the_manifests_do(program: Program) -> None:
    words = ("explain", "http://a.example/web", "-o", "json")
    live = fsm_ingress(*words, *admin(program)).json
    folder = program.log_path.parent / "manifests"

    dead = fsm_ingress(*words, *offline(folder)).json
    for each in (live, dead):
        del each["listener"]
    assert live == dead


# Lists


def test_lists_are_the_same_live_and_offline(program: Program) -> None:
    folder = program.log_path.parent / "manifests"
    for command in ("routes", "backends", "certs"):
        live = fsm_ingress(command, *admin(program), "-o", "json")
        dead = fsm_ingress(command, *offline(folder), "-o", "json")
        assert (live.code, dead.code) == (0, 0)
        assert live.json == dead.json
        assert (
            fsm_ingress(command, *admin(program)).out == fsm_ingress(command, *offline(folder)).out
        )


def test_a_list_of_manifests_is_whole_however_long_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST_ROWS", 2)
    write(tmp_path, ingress("many", "2024-01-01T00:00:00Z", *((f"/{n}", "web") for n in range(5))))

    ended = fsm_ingress("routes", *offline(tmp_path / "manifests"), "-o", "json")

    assert [row["path"] for row in ended.json["items"]] == ["/0", "/1", "/2", "/3", "/4"]


def test_routes_are_a_table_with_states_and_reasons() -> None:
    ended = fsm_ingress("routes", "--manifests", BROKEN)

    assert ended.code == 0
    lines = ended.out.splitlines()
    (shop,) = [line for line in lines if "default/shop" in line]
    assert shop.split()[0] == "broken"
    assert "503 no_service: service_missing" in shop


def test_manifests_win_over_the_instance_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("FSM_INGRESS_ADMIN", "http://127.0.0.1:1")

    assert fsm_ingress("routes", "--manifests", str(folder)).code == 0
    assert fsm_ingress("routes").code == 2


def test_a_state_that_does_not_exist_is_2_and_names_those_that_do(folder: Path) -> None:
    ended = fsm_ingress("routes", "--manifests", str(folder), "--state", "brokn")

    assert ended.code == 2
    assert "state takes ok, degraded, broken" in ended.err


def test_nobody_who_answers_is_2_with_a_way_out() -> None:
    ended = fsm_ingress("routes", "--admin", "http://127.0.0.1:1")

    assert ended.code == 2
    assert "kubectl port-forward" in ended.err
    for wrong in ("https://127.0.0.1", "http://127.0.0.1/x", "http://[", "ftp://a"):
        assert fsm_ingress("routes", "--admin", wrong).code == 2


@pytest.mark.parametrize("host", ["a..b", "\xe4" * 80, "a" * 64])
def test_an_instance_whose_name_no_resolver_takes_is_2_and_no_traceback(host: str) -> None:
    ended = fsm_ingress("routes", "--admin", f"http://{host}:1")

    assert ended.code == 2
    assert "is no URL" in ended.err


def test_words_that_are_no_utf8_are_2_and_no_traceback(folder: Path, program: Program) -> None:
    for where in (offline(folder), admin(program)):
        for words in (("routes", "--host", "\udcff"), ("explain", "http://a\udcff/")):
            ended = fsm_ingress(*words, *where)
            assert (ended.code, ended.out) == (2, "")


# lint


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 1),
        (("--fail-on", "error"), 1),
        (("--fail-on", "never"), 0),
        (tuple(w for c in FINDINGS for w in ("--ignore", c)), 0),
    ],
)
def test_lint_ends_as_it_is_told(words: tuple[str, ...], code: int) -> None:
    assert fsm_ingress("lint", BROKEN, *words).code == code


def test_a_finding_is_two_lines_in_a_pipe_however_long_it_is(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a folder with a long name"] * 10)
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text("a: [")

    first, second, _ = fsm_ingress("lint", str(folder)).out.splitlines()

    assert first.startswith(f"{folder}/bad.yaml:")
    assert first.endswith("[file_unreadable]")
    assert second.startswith("    nothing of it is served; to mend it: ")


def test_lint_of_what_is_right_says_so_and_ends_with_0(folder: Path) -> None:
    ended = fsm_ingress("lint", str(folder))

    assert ended.code == 0
    assert ended.out == "3 objects, 1 Ingress of ours: 0 errors, 0 warnings\n"


def test_lint_does_not_judge_endpoints_where_nobody_writes_them(tmp_path: Path) -> None:
    write(tmp_path, GOOD, service("web", 1)[0])

    ended = fsm_ingress("lint", str(tmp_path / "manifests"))

    assert ended.code == 0
    assert "endpoints are not judged" in ended.out


def test_a_dash_is_standard_input() -> None:
    ended = fsm_ingress("lint", "-", stdin=Path(BROKEN).read_text())

    assert ended.code == 1
    assert "stdin:25: error: Ingress default/shop: " in ended.out
    assert fsm_ingress("lint", "-", stdin="kind: [").code == 1


def test_manifests_are_read_where_nothing_can_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    assert fsm_ingress("lint", str(folder)).code == 0


def test_without_a_standard_input_a_dash_is_a_path_that_is_not_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    options = CompilerOptions()

    assert not read_world((str(folder),), options, is_recursive=False).outcome.findings
    with pytest.raises(Trouble, match="-: cannot be read: No such file"):
        read_world(("-",), options, is_recursive=False)


def test_lint_of_a_path_that_is_not_there_ends_with_2(tmp_path: Path) -> None:
    ended = fsm_ingress("lint", str(tmp_path / "gone"))

    assert ended.code == 2
    assert ended.err.endswith("gone: cannot be read: No such file or directory\n")
    assert fsm_ingress("lint").code == 2
    assert fsm_ingress("lint", str(tmp_path), "--cluster").code == 2


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"a: [", 1), (b"\xff\xfe", 1), (b"kind: Ingress\n---\n- 1\n---\n{{ .Values }}\n", 5)],
)
def test_lint_of_a_file_that_cannot_be_parsed_names_file_and_line(
    tmp_path: Path, data: bytes, line: int
) -> None:
    (tmp_path / "bad.yaml").write_bytes(data)

    ended = fsm_ingress("lint", str(tmp_path), "-o", "json")

    assert ended.code == 1
    (row,) = [each for each in ended.json["items"] if each["code"] == "file_unreadable"]
    assert row["origin"].startswith(f"{tmp_path}/bad.yaml:")
    assert int(row["origin"].rpartition(":")[2]) in {line, line + 1}


def test_lint_goes_down_into_folders_only_when_told(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "x.yaml").write_text(Path(BROKEN).read_text())

    assert fsm_ingress("lint", str(tmp_path)).code == 0
    assert fsm_ingress("lint", "-R", str(tmp_path)).code == 1


def test_links_to_folders_are_not_gone_down_as_with_kubectl(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "all.yaml").rename(folder / "deep" / "all.yaml")
    (folder / "again").symlink_to("deep")
    (folder / "for-ever").symlink_to(".")

    ended = fsm_ingress("lint", "-R", str(folder))

    assert (ended.code, ended.out.count("object_repeated")) == (0, 0)
    assert fsm_ingress("lint", "-R", str(folder / "again")).out == ended.out


def test_sarif_has_a_rule_and_a_line_for_each_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(BROKEN).parent)
    ended = fsm_ingress("lint", "broken.yaml", "-o", "sarif")

    assert ended.code == 1
    log = ended.json
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({each["id"] for each in rules}) == len(FINDINGS)
    assert {each["ruleId"] for each in run["results"]} == {
        "service_missing", "rewrite_invalid", "secret_invalid", "claim_lost",
    }  # fmt: skip
    lines = Path("broken.yaml").read_text().splitlines()
    for each in run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
        assert each["level"] in {"error", "warning", "note", "none"}
        (location,) = each["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "broken.yaml"
        assert lines[place["region"]["startLine"] - 1].startswith(("apiVersion", "#"))


def test_sarif_names_files_elsewhere_by_an_absolute_uri(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (result, *_) = fsm_ingress("lint", BROKEN, "-o", "sarif").json["runs"][0]["results"]

    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == Path(BROKEN).as_uri()


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        ("%41" * 5000, 1, "gets 404 from the proxy (no_route)"),
        ("x" * 20000, 2, "url is too long"),
    ],
    ids=["long", "too long"],
)
def test_a_running_program_is_asked_about_long_urls_as_well(
    program: Program, path: str, code: int, said: str
) -> None:
    fields = [word for at in range(100) for word in ("-H", f"X-{at}: {'%' * 100}")]

    ended = fsm_ingress("explain", f"http://a.example/{path}", *admin(program), *fields)

    assert ended.code == code
    assert said in ended.out + ended.err


def test_lint_goes_through_a_file_by_its_lines(tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text("---\n{}\n" * 6)

    ended = fsm_ingress("lint", str(tmp_path), "-o", "json")

    lines = [int(each["origin"].rpartition(":")[2]) for each in ended.json["items"]]
    assert lines == [2, 4, 6, 8, 10, 12]


# diff


def test_diff_says_what_changes_for_clients(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for each, paths in ((old, ("/", "/a")), (new, ("/", "/b"))):
        each.mkdir()
        wanted = [(path, "web") for path in paths]
        write(each, ingress("good", "2024-01-01T00:00:00Z", *wanted), *service("web", 9999))

    same = fsm_ingress("diff", str(old / "manifests"), str(old / "manifests"))
    ended = fsm_ingress("diff", str(old / "manifests"), str(new / "manifests"), "-o", "json")

    assert (same.code, same.out) == (0, "nothing changes for clients\n")
    assert ended.code == 1
    told = [(each["change"], each["name"], each["new"]) for each in ended.json["items"]]
    still = "Service default/web:80 by prefix / of Ingress default/good"
    b = "Service default/web:80 by prefix /b of Ingress default/good"
    assert told == [
        ("removed", "prefix /a of a.example", {"goes to": still}),
        ("added", "prefix /b of a.example", {"goes to": b}),
    ]
    assert fsm_ingress("diff", str(old), str(tmp_path / "gone")).code == 2


def test_diff_looks_at_behaviour_not_at_text(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    prefix = "pipy.ingress.kubernetes.io/"
    changed = ingress("good", "2024-01-01T00:00:00Z", ("/web", "web"))
    changed["metadata"] = {
        "name": "good",
        "labels": {"a": "b"},
        "annotations": {f"{prefix}lb-type": "least-work"},
    }
    for each, value in ((old, GOOD), (new, changed)):
        each.mkdir()
        write(each, *service("web", 9999), value)

    ended = fsm_ingress("diff", str(old / "manifests"), str(new / "manifests"))

    assert ended.out == (
        "~ route prefix /web of a.example\n    balancing: round-robin -> least-work\n"
    )


def test_diff_tells_that_clients_are_no_longer_verified(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    asking = ingress("good", "2024-01-01T00:00:00Z", ("/web", "web"))
    annotations = {"pipy.ingress.kubernetes.io/tls-trusted-ca-secret": "ca"}
    metadata = {"name": "good", "creationTimestamp": "2024-01-01T00:00:00Z"}
    asking["metadata"] = {**metadata, "annotations": annotations}
    authority = make_pair("clients", (), is_authority=True).crt.decode()
    data = {"ca.crt": authority}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ca"}, "stringData": data}
    for each, value in ((old, asking), (new, {**asking, "metadata": metadata})):
        each.mkdir()
        write(each, *service("web", 9999), secret, value)

    ended = fsm_ingress("diff", str(old / "manifests"), str(new / "manifests"), "-o", "json")

    (item,) = ended.json["items"]
    assert item["name"] == "prefix /web of a.example"
    assert item["old"]["client_certificates"]["asked"] == "on"
    assert item["new"] == {"client_certificates": None}


# tail


def test_tail_shows_requests_with_reasons_and_obeys_none_of_them(program: Program) -> None:
    command = [
        sys.executable, "-m", "fsm_twisted.cli.main", "tail", *admin(program),
        "--reason", "no_route", "-n", "2", "--seconds", "20",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as tailing:
        while tailing.poll() is None:
            request(program, "/%1b%5b31m/[bold]x", "nobody.example")
        assert tailing.stdout is not None
        lines = tailing.stdout.read().decode().splitlines()
    assert tailing.returncode == 0
    assert len(lines) == 2
    for line in lines:
        assert line.isprintable()
        assert "404" in line
        assert "nobody.example/%1b%5b31m/[bold]x" in line
        assert "[no_route]" in line


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2J", "\x1b]0;title\x07", "\r\n", "\u202e", "\x9b31m", "\u2028", "\ud800", "\x00"],
)
def test_nothing_that_a_terminal_obeys_is_written(hostile: str) -> None:
    said = clean(f"a{hostile}b")

    assert said.isprintable()
    assert said.startswith("a")
    assert said.endswith("b")
    said.encode("utf-8")


def test_a_hostile_record_is_shown_escaped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from fsm_twisted.cli.tailing import _show

    record = {
        "time": "2026-01-01T00:00:00.000Z", "status": 404, "method": "GET",
        "host": "a\x1b]0;x\x07", "path": "/\x1b[2J[red]\u202e",
        "client": "10.0.0.1", "seconds": 0.001, "upstream": "",
        "reason": "no_route", "namespace": "n", "ingress": "i",
    }  # fmt: skip
    _show(record, "text")
    _show(record, "json")

    text, as_json, *_ = capsys.readouterr().out.splitlines()
    assert text.isprintable()
    assert r"/\x1b[2J[red]\u202e" in text
    assert as_json.isascii()
    assert json.loads(as_json)["path"] == record["path"]


# The rest


def test_version_and_completion_and_help(program: Program) -> None:
    told = fsm_ingress("version", *admin(program), "-o", "json").json
    assert told["client"] == told["instance"]
    for shell in ("bash", "zsh", "fish"):
        assert "_FSM_INGRESS_COMPLETE" in fsm_ingress("completion", shell).out
    assert fsm_ingress("nonsense").code == 2
    assert fsm_ingress("--help").code == 0


def test_both_names_of_the_command_are_installed() -> None:
    folder = Path(sys.executable).parent
    for name in ("fsm-ingress", "kubectl-fsm_ingress"):
        done = subprocess.run(
            [folder / name, "version"], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith("client ")


@pytest.mark.parametrize(
    ("stdout", "why"), [(">/dev/full", "No space left on device"), (">&-", "it is closed")]
)
def test_standard_output_that_takes_nothing_ends_with_2_and_one_line(
    stdout: str, why: str
) -> None:
    command = f'"{sys.executable}" -m fsm_twisted.cli.main version {stdout}'

    done = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr == f"Error: standard output cannot be written: {why}\n"


def test_the_documented_exit_codes_are_0_1_and_2() -> None:
    assert [code for code, _ in EXIT_CODES] == [0, 1, 2]
