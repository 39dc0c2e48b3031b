"""Manifests without a program that serves them: the same source, compiler and documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from fsm_twisted.admin.answers import (
    CERTIFICATE_FILTERS,
    FINDING_FILTERS,
    ROUTE_FILTERS,
    UPSTREAM_FILTERS,
)
from fsm_twisted.admin.documents.certificates import certificate_rows
from fsm_twisted.admin.documents.findings import finding_rows
from fsm_twisted.admin.documents.routes import route_rows
from fsm_twisted.admin.documents.upstreams import Live, upstream_rows
from fsm_twisted.admin.documents.world import Json, World, versioned
from fsm_twisted.admin.explain.answer import Explainer, PublicSide
from fsm_twisted.admin.explain.question import QuestionError, ask
from fsm_twisted.admin.query import Query, QueryError, names_of, page
from fsm_twisted.cli.errors import Trouble
from fsm_twisted.cli.pages import Parameters, whole
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.sources.contents import Contents, SourceError
from fsm_twisted.sources.manifests.once import read_once

_LISTS = {
    "routes": ("Routes", route_rows, ROUTE_FILTERS),
    "findings": ("Findings", finding_rows, FINDING_FILTERS),
    "certificates": ("Certificates", certificate_rows, CERTIFICATE_FILTERS),
    "upstreams": ("Upstreams", lambda world: upstream_rows(world, Live()), UPSTREAM_FILTERS),
}
NO_SLICES = (
    "there are no EndpointSlices among the manifests, for a cluster makes them; "
    "a Service is taken at its word"
)


def compile_contents(contents: Contents, options: CompilerOptions) -> World:
    """Compile what a source says, as the program would."""
    controller = Controller(options, lambda _: None, now=_now)
    controller.contents_changed(contents)
    world = World.of(controller, options, _now())
    assert world is not None  # noqa: S101  it has just been compiled
    return world


def read_world(paths: Sequence[str], options: CompilerOptions, *, is_recursive: bool) -> World:
    """
    Read and compile manifests; the path ``-`` is standard input.

    Raises:
        Trouble: A path cannot be read.
    """
    try:
        stdin = sys.stdin.buffer if sys.stdin is not None else None
        contents = read_once(paths, is_recursive=is_recursive, stdin=stdin)
    except SourceError as error:
        raise Trouble(str(error)) from None
    return compile_contents(contents, options)


def has_no_slices(world: World) -> bool:
    """Tell whether nothing is said of endpoints at all."""
    return not world.outcome.contents.inventory.slices


class Offline:
    """
    Answers as the admin API would, of manifests.

    Args:
        world: What they say.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    def tell(self, address: str, parameters: Parameters = ()) -> Json:
        """Return a whole list, or an explanation; raises `Trouble` for what cannot be asked."""
        if address == "explain":
            return self._explain(parameters)
        kind, rows, filters = _LISTS[address]
        told = rows(self.world)

        def ask(wanted: Parameters) -> Json:
            # What the shell gives need not be UTF-8; the query says so.
            arguments = {
                name.encode(): [value.encode("utf-8", "surrogateescape")] for name, value in wanted
            }
            return versioned(kind, page(told, Query(arguments, names_of(filters)), filters))

        try:
            return whole(ask, parameters)
        except QueryError as error:
            raise Trouble(str(error)) from None

    def _explain(self, parameters: Parameters) -> Json:
        given = dict(parameters)
        headers = [value for name, value in parameters if name == "header"]
        try:
            question = ask(given["url"], given["method"], headers, given.get("client", ""))
        except QuestionError as error:
            raise Trouble(str(error)) from None
        told = Explainer(PublicSide()).explain(self.world, question, Live())
        route = told["route"]
        if has_no_slices(self.world) and route and route["outcome"] == "no_endpoints":
            told["hints"].append(NO_SLICES)
        return versioned("Explanation", told)


def _now() -> datetime:
    return datetime.now(UTC)
