"""Explain, case by case: what the law cannot see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.admin.test_api import ingress, service, write
from tests.cli.running import fsm_ingress
from tests.strategies.certificates import Pair, make_pair

PREFIX = "pipy.ingress.kubernetes.io/"
OLD, NEW = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"


def annotated(
    name: str, created: str, *paths: tuple[str, str], **values: str
) -> dict[str, object]:
    made = ingress(name, created, *paths)
    annotations = {PREFIX + key.replace("_", "-"): value for key, value in values.items()}
    made["metadata"] = {"name": name, "creationTimestamp": created, "annotations": annotations}
    return made


class Explained:
    """Manifests in a folder, and what is explained of them."""

    def __init__(self, folder: Path, *documents: object) -> None:
        write(folder, *documents, *service("web", 9999))
        self._folder = folder / "manifests"

    def ask(self, *words: str) -> Any:
        return fsm_ingress(
            "explain", *words, "-f", str(self._folder), "--ssl-passthrough", "-o", "json"
        ).json


def test_tls_that_goes_through_is_no_request(tmp_path: Path) -> None:
    world = Explained(
        tmp_path,
        annotated("passed", OLD, ("/", "web"), ssl_passthrough="true"),
        ingress("late", NEW, ("/", "web")),
    )

    told = world.ask("https://a.example/x")
    assert told["outcome"]["kind"] == "passed"
    assert told["certificate"] is None
    verdicts = {each["ingress"]["name"]: each for each in told["candidates"]}
    assert verdicts["passed"]["verdict"] == "chosen"
    assert verdicts["late"]["verdict"] == "lost"
    assert "the host belongs to Ingress default/passed, which is older" in verdicts["late"]["why"]
    assert world.ask("http://a.example/x")["outcome"]["kind"] == "redirected"


def test_a_host_of_its_own_below_a_passing_wildcard_is_opened(tmp_path: Path) -> None:
    passing = annotated("passed", OLD, ("/", "web"), ssl_passthrough="true")
    passing["spec"]["rules"][0]["host"] = "*.example"  # type: ignore[index]
    world = Explained(tmp_path, passing, ingress("own", NEW, ("/", "web")))

    assert world.ask("https://a.example/")["outcome"]["kind"] == "forwarded"
    assert world.ask("https://b.example/")["outcome"]["kind"] == "passed"


def test_tls_that_leads_nowhere_closes(tmp_path: Path) -> None:
    world = Explained(tmp_path, annotated("passed", OLD, ("/", "gone"), ssl_passthrough="true"))

    outcome = world.ask("https://a.example/")["outcome"]
    assert (outcome["kind"], outcome["status"], outcome["code"]) == ("closed", None, "no_service")


def test_a_redirect_tells_what_waits_where_it_leads(tmp_path: Path) -> None:
    tls = [{"hosts": ["a.example"]}]
    world = Explained(tmp_path, ingress("good", OLD, ("/web", "web"), ("/gone", "gone"), tls=tls))

    assert world.ask("http://a.example/web")["summary"].endswith(
        "; there, it goes to web:80 by Ingress default/good"
    )
    assert world.ask("http://a.example/gone")["summary"].endswith(
        "; there, it gets 503 (no_service)"
    )
    assert world.ask("http://a.example/x")["summary"].endswith("no route answers (404 no_route)")


def test_a_rewrite_shows_the_path_before_and_after(tmp_path: Path) -> None:
    world = Explained(
        tmp_path,
        annotated(
            "good", OLD, ("/", "web"), rewrite_target_from="^/a/(.*)", rewrite_target_to="/$1"
        ),
    )

    told = world.ask("http://a.example/a/b?c=/a/d")
    assert (told["rewrite"]["before"], told["rewrite"]["after"]) == ("/a/b", "/b")
    assert told["endpoint"]["target"] == "/b?c=/a/d"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/web/cart/x", "a longer path comes first"),
        ("/web/cart", "an Exact path comes first"),
    ],
)
def test_a_path_that_matches_too_says_what_came_first(tmp_path: Path, path: str, why: str) -> None:
    made: Any = ingress("good", OLD, ("/web", "web"), ("/web/cart", "web"), ("/web/cart", "web"))
    made["spec"]["rules"][0]["http"]["paths"][2]["pathType"] = "Exact"
    world = Explained(tmp_path, made)

    found = world.ask(f"http://a.example{path}")["candidates"]
    (short,) = [each for each in found if each["path"] == "/web"]
    assert (short["verdict"], short["why"]) == ("outranked", why)


def test_a_host_with_a_typing_error_is_guessed(tmp_path: Path) -> None:
    world = Explained(tmp_path, ingress("good", OLD, ("/", "web")))

    assert world.ask("http://a.exmaple/")["hints"] == [
        "no Ingress of ours names this host; did you mean a.example?"
    ]


def secret(name: str, pair: Pair) -> dict[str, object]:
    data = {"ca.crt": pair.crt.decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


CA = make_pair("clients", (), is_authority=True)


def asking(name: str, created: str, path: str, authorities: str) -> dict[str, object]:
    values = {"tls_trusted_ca_secret": authorities}
    return annotated(name, created, (path, "web"), **values)


VERIFYING = asking("good", OLD, "/", "ca")


def test_a_host_that_asks_for_client_certificates_says_so(tmp_path: Path) -> None:
    told = Explained(tmp_path, VERIFYING, secret("ca", CA)).ask("https://a.example/")

    assert told["outcome"]["kind"] == "forwarded"
    asked = told["policies"]["client_certificates"]
    assert (asked["asked"], asked["depth"]) == ("on", 1)
    assert told["route"]["policies"] == told["policies"]
    assert told["hints"] == [
        "a client of a.example must show a certificate of a trusted authority"
    ]


def test_who_names_no_server_has_shown_no_certificate(tmp_path: Path) -> None:
    world = Explained(tmp_path, VERIFYING, secret("ca", CA))

    told = world.ask("https://10.0.0.1/", "-H", "Host: a.example")
    assert (told["outcome"]["status"], told["outcome"]["code"]) == (421, "client_unverified")


def test_a_host_that_cannot_verify_its_clients_is_broken(tmp_path: Path) -> None:
    silent = ingress("silent", NEW, ("/silent", "web"))
    world = Explained(tmp_path, VERIFYING, silent)

    for path in ("/", "/silent"):
        told = world.ask(f"https://a.example{path}")
        assert told["outcome"]["code"] == "unprotected"
        assert (told["route"]["state"], told["route"]["outcome"]) == ("broken", "refused")
        assert told["route"]["answer"] == {"status": 503, "code": "unprotected"}


def test_who_asks_for_more_than_its_host_is_broken(tmp_path: Path) -> None:
    rival = asking("rival", NEW, "/rival", "other")
    world = Explained(
        tmp_path, VERIFYING, rival, secret("ca", CA), secret("other", make_pair("o"))
    )

    assert world.ask("https://a.example/rival")["route"]["answer"]["code"] == "unprotected"
    assert world.ask("https://a.example/")["route"]["state"] == "ok"


def test_a_redirect_to_a_host_that_cannot_verify_says_what_it_gets(tmp_path: Path) -> None:
    told = Explained(tmp_path, VERIFYING).ask("http://a.example/")

    assert told["summary"].endswith("; there, it gets 503 (unprotected)")
