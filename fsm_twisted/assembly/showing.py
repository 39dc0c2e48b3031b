"""What the admin port shows besides health and metrics: the API, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.web.resource import Resource

from fsm_twisted.admin.answers import Answers, Instance
from fsm_twisted.admin.api import api
from fsm_twisted.admin.explain.answer import PublicSide
from fsm_twisted.admin.guard import Guard
from fsm_twisted.admin.history import History
from fsm_twisted.admin.pages.dashboard import ToDashboard, dashboard
from fsm_twisted.admin.tail import RequestTail
from fsm_twisted.assembly.serving import Serving
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.settings import Settings


class Showing:
    """
    History, request tail and the API.

    Args:
        settings: What the operator wants.
        controller: Whose compilations are remembered.
        compiler: Its options.
        reactor: The one that runs.
    """

    def __init__(
        self,
        settings: Settings,
        controller: Controller,
        compiler: CompilerOptions,
        reactor: Any,
    ) -> None:
        self._settings = settings
        self._controller = controller
        self._compiler = compiler
        self._started = _now()
        self._history = History(_now)
        self._serving: Serving | None = None
        self.tail = RequestTail(reactor, self._record, settings.access_log_redact)
        if settings.admin_api:
            controller.observe(self._history.observe)

    def _record(self, is_watched: bool) -> None:  # noqa: FBT001  as the tail calls it
        if self._serving is not None:
            self._serving.show_requests(to_people=is_watched)

    def resources(
        self, serving: Serving, front: PublicSide, not_ready: Callable[[], str]
    ) -> Mapping[str, Resource]:
        """
        Return what the admin port answers, by the first part of the path.

        Args:
            serving: The data road.
            front: What clients see.
            not_ready: Says why the process is not ready, or ``""``.
        """
        settings = self._settings
        if not settings.admin_api:
            return {}
        self._serving = serving
        instance = Instance(
            self._controller,
            self._compiler,
            serving,
            front,
            _source_of(settings),
            not_ready,
            self._started,
            _now,
        )
        answers = Answers(instance, self._history, self.tail)
        guard = Guard(settings.admin_host)
        return {
            "": ToDashboard(),
            "dashboard": dashboard(answers, guard),
            "api": api(answers, guard),
        }

    def stop(self) -> None:
        """Leave nobody waiting."""
        self.tail.end()


def _source_of(settings: Settings) -> Mapping[str, object]:
    if settings.manifests:
        return {"kind": "manifests", "paths": list(settings.manifests)}
    namespaces = list(settings.watch_namespace)
    return {"kind": "cluster", "context": settings.context or "", "namespaces": namespaces}


def _now() -> datetime:
    return datetime.now(UTC)
