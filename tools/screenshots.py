"""
Take the pictures of docs/dashboard.md: the program with a broken world, in Chromium.

    apt-get install chromium; .venv/bin/pip install -e '.[browser]'
    PYTHONPATH=. .venv/bin/python tools/screenshots.py
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

from tests.admin.dashboards import request, serving
from tests.admin.test_dashboard import QUERIES
from tests.admin.test_dashboard_browser import CHROMIUM, PHONE, QUIET
from tests.assembly.program import Program

DOCS: Final = Path(__file__).resolve().parent.parent / "docs" / "dashboard"
WIDE: Final = {"width": 1100, "height": 900}
# Name of the picture, page, light or dark, size of the window.
PICTURES: Final = (
    ("overview", "", "light", WIDE),
    ("route", f"route{QUERIES['route']}", "dark", WIDE),
    ("explain", "explain?url=http%3A%2F%2Fa.example%2Fweb%2Fcart", "light", WIDE),
    ("requests", "requests", "light", WIDE),
    ("services", "services", "light", WIDE),
    ("certificates", "certificates", "light", WIDE),
    ("changes", "changes", "light", WIDE),
    ("routes", "routes", "dark", WIDE),
    ("phone", "", "light", PHONE),
)


def _visit(page: Page, program: Program, path: str) -> None:
    page.goto(f"http://127.0.0.1:{program.port('admin')}/dashboard/{path}")
    if path == "requests":
        page.get_by_text("Following").wait_for()
        for each in ("/web/cart", "/gone", "/web/", "/rewrite", "/nowhere"):
            request(program, each)
        page.locator("#tail tbody tr").nth(4).wait_for()


def main() -> None:
    """Take them all."""
    assert shutil.which("chromium"), "apt-get install chromium"
    DOCS.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as program,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        for name, path, scheme, size in PICTURES:
            context = browser.new_context(color_scheme=scheme, viewport=size)  # type: ignore[arg-type]
            page = context.new_page()
            _visit(page, program, path)
            page.screenshot(path=DOCS / f"{name}.png", full_page=name != "phone")
            context.close()
            print(f"taken {name}")
        browser.close()


if __name__ == "__main__":
    main()
