"""
The dashboard in a browser: Chromium, with axe-core looking for what would keep a person out.

Wants Debian's chromium and ``pip install -e '.[browser]'``; ``.ci/run`` sees to both.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.admin.dashboards import HOSTILE, broken_world, request, serving
from tests.admin.test_api import write
from tests.admin.test_dashboard import PAGES, QUERIES
from tests.assembly.program import Program

playwright = pytest.importorskip(
    "playwright.sync_api", reason="there is no playwright: pip install -e '.[browser]'"
)
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
PHONE = {"width": 390, "height": 800}
Page = Any


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with playwright.sync_playwright() as found:
        browser = found.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def program(folder: Path) -> Iterator[Program]:
    with serving(folder) as found:
        yield found


@pytest.fixture
def page(browser: Any) -> Iterator[Page]:
    """A page on which no script may fail, and nothing may come from elsewhere."""
    context = browser.new_context(color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(10_000)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert faults == []


def address(program: Program, path: str) -> str:
    return f"http://127.0.0.1:{program.port('admin')}/dashboard/{path}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_a_person_out(page: Page, program: Program, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        page.goto(address(program, name + QUERIES.get(name, "")))
        found = axe.Axe().run(page).response["violations"]
        assert [(name, each["id"], each["nodes"][0]["target"]) for each in found] == []


def test_no_page_is_wider_than_a_phone(page: Page, program: Program) -> None:
    page.set_viewport_size(PHONE)
    for name in PAGES:
        page.goto(address(program, name + QUERIES.get(name, "")))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name


def test_requests_appear_as_they_end_and_are_filtered(page: Page, program: Program) -> None:
    page.goto(address(program, "requests?status=5xx"))
    page.get_by_text("Following").wait_for()
    assert request(program, "/web") == 200
    assert request(program, f"/gone/{HOSTILE.replace(' ', '')}") == 503
    row = page.locator("#tail tbody tr").first
    row.wait_for()

    assert row.locator("td").nth(2).inner_text() == "no_service"
    assert HOSTILE in row.inner_text()
    assert page.locator("#tail tbody tr").count() == 1
    assert page.locator("#tail script").count() == 0


def test_a_pause_keeps_the_rows_as_they_are(page: Page, program: Program) -> None:
    page.goto(address(program, "requests"))
    page.get_by_text("Following").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert page.get_by_role("button", name="Go on").is_visible()


def test_the_way_by_keyboard_leads_to_the_search_and_back(page: Page, program: Program) -> None:
    page.goto(address(program, "routes"))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("/")
    page.keyboard.type("gone")
    page.keyboard.press("Enter")
    page.wait_for_url("**/routes?q=gone*")
    assert page.locator("tbody tr").count() == 1
    page.get_by_role("link", name="a.example/gone").click()
    assert page.locator("h1").inner_text() == "a.example/gone"


def test_light_or_dark_is_remembered(page: Page, program: Program) -> None:
    page.goto(address(program, ""))
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.goto(address(program, "routes"))

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    assert dark != "rgb(246, 247, 249)"


def test_explain_answers_a_question(page: Page, program: Program) -> None:
    page.goto(address(program, "explain"))
    page.get_by_label("URL").fill("http://a.example/web/x")
    page.get_by_role("button", name="Explain").click()

    assert "goes to Service default/web:80" in page.locator("h2").first.inner_text()
    assert page.get_by_role("row", name="lost default/late").count() == 1


def test_what_breaks_comes_to_the_top_by_itself(
    page: Page, program: Program, folder: Path
) -> None:
    page.goto(address(program, "services?" + urlencode({"state": "ok"})))
    page.goto(address(program, ""))
    assert page.get_by_text("Service default/elsewhere").count() == 0
    text = (folder / "manifests" / "all.yaml").read_text()
    try:
        (folder / "manifests" / "all.yaml").write_text(
            text.replace("name: gone", "name: elsewhere")
        )
        page.get_by_text("there is no Service default/elsewhere").wait_for()
    finally:
        write(folder, *broken_world(program.port("http")))
