"""The dashboard's pages, as they are without their script."""

from __future__ import annotations

import html.parser
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from fsm_twisted.admin.pages.templating import Pages, ago, size, span
from fsm_twisted.admin.pages.views import VIEWS
from tests.admin.dashboards import HOSTILE, broken_world, request, serving
from tests.admin.test_api import write
from tests.assembly.program import Program, until

WHERE = {"namespace": "default", "ingress": "good", "where": "spec.rules[0].http.paths[0]"}
QUERIES = {
    "route": "?" + urlencode(WHERE),
    "explain": "?" + urlencode({"url": "http://a.example/web", "header": "X-A: b\r\nX-C: d"}),
    "requests": "?" + urlencode({"status": "5xx", "path": HOSTILE}),
}
PAGES = [view.name for view in VIEWS]


class Outline(html.parser.HTMLParser):
    """Links, ids and headings of a page; it must close what it opens."""

    VOID = frozenset({"meta", "link", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.scripts: list[str | None] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "script":
            self.scripts.append(found.get("src"))
        if (name := found.get("id")) is not None:
            self.ids.append(name)
        if tag in {"a", "link"} and (link := found.get("href")) is not None:
            self.links.append(link)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(tag)
        assert not [name for name in found if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with serving(tmp_path_factory.mktemp("dashboard")) as found:
        yield found


def page(program: Program, path: str, status: int = 200) -> str:
    found, body = program.ask(f"/dashboard/{path}")
    assert found == status, body
    return body.decode()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_has_one_title(program: Program, name: str) -> None:
    outline = Outline(page(program, name + QUERIES.get(name, "")))

    assert outline.headings.count("h1") == 1
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.scripts == ["/dashboard/script.js"]


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(program: Program, name: str) -> None:
    outline = Outline(page(program, name + QUERIES.get(name, "")))

    for link in dict.fromkeys(outline.links):
        assert link.startswith(("/", "#", "?"))
        if link.startswith("#"):
            assert link[1:] in outline.ids
        elif link.startswith("/"):
            assert program.ask(link)[0] == 200, link


def test_what_is_broken_comes_first_with_its_remedy(program: Program) -> None:
    text = page(program, "")

    assert "<h1>Something is broken</h1>" in text
    assert text.index("claim_lost") < text.index("Traffic since the start")
    for code in ("claim_lost", "rewrite_invalid", "secret_missing", "service_missing"):
        assert f"<code>{code}</code>" in text
    assert "create the Service in the Ingress&#39;s namespace, or name another" in text


def test_a_change_is_seen_on_the_page(tmp_path: Path) -> None:
    with serving(tmp_path) as program:
        assert "service_missing" in page(program, "")
        good, *_, secret, service, endpoints = broken_world(1)
        write(tmp_path, good, secret, service, endpoints)
        until(lambda: "Something is broken" not in page(program, ""))
        assert "service_missing" in page(program, "changes")


def test_nothing_of_a_request_or_an_object_becomes_part_of_the_page(program: Program) -> None:
    page(program, "requests")  # somebody looks
    request(program, f"/%3Cb%3E{HOSTILE.replace(' ', '')}", f"{'x' * 9}.example")
    until(lambda: "x" * 9 in page(program, "requests"))
    everything = [
        page(program, "requests"),
        page(program, "requests?" + urlencode({"path": HOSTILE})),
        page(program, "routes?" + urlencode({"q": HOSTILE, "namespace": '"><img src=x>'})),
        page(program, "explain?" + urlencode({"url": f"http://a.example/{HOSTILE}"})),
        page(program, "explain?" + urlencode({"url": HOSTILE, "client": HOSTILE})),
        page(program, "requests?" + urlencode({"status": HOSTILE}), 400),
        page(program, "nothing?" + urlencode({HOSTILE: HOSTILE}), 404),
        page(program, ""),
    ]
    for text in everything:
        assert HOSTILE not in text
        assert "<img" not in text
        Outline(text)


def test_a_wrong_question_is_answered_in_words(program: Program) -> None:
    text = page(program, "explain?" + urlencode({"url": "ftp://a.example/"}))

    assert "begins neither with http:// nor with https://" in text
    assert 'value="ftp://a.example/"' in text
    assert "no Ingress has this path" in page(program, "route?ingress=nobody", 400)
    assert "takes a number from 0" in page(program, "routes?offset=-1", 400)


def test_a_route_is_shown_from_left_to_right(program: Program) -> None:
    text = page(program, "route" + QUERIES["route"])
    steps = ["Listener", "Host", "Path", "Rewrite", "Service", "Endpoints"]

    places = [text.index(f"<h3>{step}</h3>") for step in steps]
    assert places == sorted(places)
    assert "127.0.0.1:" in text[places[-1] :]


def headers(
    program: Program, path: str, method: str = "GET", **given: str
) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", program.port("admin"), timeout=10)
    connection.request(method, path, headers=given)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_pages_may_load_nothing_from_elsewhere_and_be_framed_by_nobody(program: Program) -> None:
    _, found = headers(program, "/dashboard/")

    policy = found["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert found["x-content-type-options"] == "nosniff"


def test_a_strangers_name_gets_no_page(program: Program) -> None:
    for path in ("/dashboard/", "/dashboard/style.css", "/dashboard/routes"):
        assert headers(program, path, Host="rebound.example")[0] == 403


def test_the_port_itself_and_its_folder_lead_to_the_overview(program: Program) -> None:
    assert headers(program, "/")[1]["location"] == "dashboard/"
    assert headers(program, "/dashboard")[1]["location"] == "/dashboard/"
    assert headers(program, "/dashboard/", "POST")[0] == 405


def test_files_are_not_sent_again_while_they_are_the_same(program: Program) -> None:
    status, found = headers(program, "/dashboard/script.js")
    assert (status, found["content-type"]) == (200, "text/javascript; charset=utf-8")

    assert headers(program, "/dashboard/script.js", **{"If-None-Match": found["etag"]})[0] == 304


def test_every_template_can_be_read() -> None:
    environment = Pages()._environment
    assert [environment.get_template(name) for name in environment.list_templates()]


def test_numbers_are_told_in_a_fitting_unit() -> None:
    assert [ago(5.9), ago(61), ago(7200), ago(200_000)] == ["5 s", "1 min", "2 h", "2 d"]
    assert [span(None), span(0.0042), span(2.5)] == ["-", "4.2 ms", "2.5 s"]
    assert [size(512), size(2048), size(3 << 20)] == ["512 B", "2 KiB", "3 MiB"]
