"""The addresses of the dashboard, and who gets which page."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any, Final

from twisted.web.resource import Resource
from twisted.web.server import Request

from fsm_twisted.admin.answers import Answers
from fsm_twisted.admin.guard import Guard
from fsm_twisted.admin.pages.templating import Pages
from fsm_twisted.admin.pages.views import VIEWS, View, Views
from fsm_twisted.admin.resource import AnsweringResource

POLICY: Final = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    b"img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ASSETS: Final = {
    "style.css": b"text/css; charset=utf-8",
    "script.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
}
_TABS: Final = tuple((view.name, view.title) for view in VIEWS if view.is_tab)


class PageResource(AnsweringResource):
    """
    One page.

    Args:
        view: Which one.
        views: Makes what is on it.
        pages: The templates.
        guard: Decides who is answered.
    """

    def __init__(self, view: View, views: Views, pages: Pages, guard: Guard) -> None:
        super().__init__(lambda query: view.members(views, query), view.parameters, guard)
        self._view = view
        self._pages = pages

    def written(self, request: Request, members: Any) -> bytes:
        """Return the page."""
        return self._page(request, self._view.template, members)

    def written_error(self, request: Request, status: int, why: str) -> bytes:
        """Return a page that says what is wrong, with the way back."""
        return self._page(request, "error.html", {"status": status, "why": why})

    def _page(self, request: Request, template: str, members: dict[str, Any]) -> bytes:
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        request.setHeader(b"content-security-policy", POLICY)
        view = self._view
        place = {"tabs": _TABS, "here": view.tab or view.name, "title": view.title}
        return self._pages.render(template, {**place, **members})


class _Asset(Resource):
    """A file of the dashboard; browsers keep it until it is another one."""

    isLeaf = True

    def __init__(self, name: str, kind: bytes, guard: Guard) -> None:
        super().__init__()
        self._kind = kind
        self._data = (files(__package__) / "static" / name).read_bytes()
        self._tag = b'"%b"' % hashlib.sha256(self._data).hexdigest()[:16].encode("ascii")
        self._guard = guard

    def render_GET(self, request: Request) -> bytes:
        """Answer with the file."""
        if self._guard.refusal(request):
            request.setResponseCode(403)
            return b""
        request.setHeader(b"content-type", self._kind)
        request.setHeader(b"cache-control", b"no-cache")
        request.setHeader(b"content-security-policy", b"default-src 'none'")
        # Twisted has the constant of a response that has not changed in its own way.
        return b"" if request.setETag(self._tag) else self._data


class _Root(Resource):
    """``/dashboard``: the overview, and an error page for what does not exist."""

    def __init__(self, overview: PageResource) -> None:
        super().__init__()
        self._overview = overview

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Return the overview for the address itself."""
        if path:
            request.postpath = [path, *(request.postpath or [])]
        return self._overview

    def render(self, request: Request) -> bytes:
        """Lead to the address with the slash, below which all others lie."""
        return _redirect(request, b"/dashboard/")


class ToDashboard(Resource):
    """``/``: who opens the admin port in a browser wants the dashboard."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Lead there."""
        return _redirect(request, b"dashboard/")


def _redirect(request: Request, where: bytes) -> bytes:
    request.setResponseCode(302)
    request.setHeader(b"location", where)
    return b""


def dashboard(answers: Answers, guard: Guard) -> Resource:
    """Build ``/dashboard`` and everything below it."""
    pages, views = Pages(), Views(answers)
    made = {view.name: PageResource(view, views, pages, guard) for view in VIEWS}
    root = _Root(made[""])
    for name, resource in made.items():
        if name:
            root.putChild(name.encode("ascii"), resource)
    for name, kind in _ASSETS.items():
        root.putChild(name.encode("ascii"), _Asset(name, kind, guard))
    return root
