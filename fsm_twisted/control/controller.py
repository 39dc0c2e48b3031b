"""Contents in, snapshot out: compile what the source has, publish it, tell what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
from twisted.logger import Logger

from fsm_twisted.compiler.compile import Compiled, compile_snapshot
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.tls import CertificateTime
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.model import EMPTY, Snapshot
from fsm_twisted.snapshot.reasons import FINDINGS, Severity
from fsm_twisted.sources.manifests import Contents, SourceProblem

_log = Logger()


@attrs.frozen
class Outcome:
    """
    What one compilation came to.

    ``contents`` are what was compiled, ``findings`` those of the source and of the compiler.
    ``snapshot`` is what must be served for it: the generation of ``compiled.snapshot`` means
    nothing, and when that says nothing new this is the one published before.
    """

    contents: Contents
    compiled: Compiled
    findings: tuple[Finding, ...]
    snapshot: Snapshot


Observer = Callable[[Outcome], None]


class Controller:
    """
    Keeps the data plane on the newest contents.

    Args:
        options: The compiler's.
        publish: Takes each new snapshot; called only when something in it has changed.
        now: The time, aware, for certificates that expire.

    Attributes:
        snapshot: The newest one.
        findings: What is wrong with the contents now.
        certificates: Until when the certificates in use are valid.
        changed_at: When the snapshot was compiled; None before the first one.
    """

    def __init__(
        self,
        options: CompilerOptions,
        publish: Callable[[Snapshot], None],
        now: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._publish = publish
        self._now = now
        self.snapshot = EMPTY
        self._contents: Contents | None = None
        self.findings: tuple[Finding, ...] = ()
        self.certificates: tuple[CertificateTime, ...] = ()
        self.changed_at: datetime | None = None
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """
        Have *observer* called after every compilation, whether or not it was published.

        One that raises harms neither the data plane nor the other observers: it is logged.
        """
        self._observers.append(observer)

    @property
    def age_seconds(self) -> float:
        """Time since the snapshot was compiled, never below 0."""
        if self.changed_at is None:
            return 0.0
        return max((self._now() - self.changed_at).total_seconds(), 0.0)

    def recompile(self) -> None:
        """Compile the same contents again: time has passed, certificates may have expired."""
        if self._contents is not None:
            self.contents_changed(self._contents)

    def contents_changed(self, contents: Contents) -> None:
        """Compile *contents* and publish the snapshot, if it says anything new."""
        self._contents = contents
        generation = self.snapshot.generation
        compiled = compile_snapshot(
            Inventory.of(contents.objects),
            self._options,
            now=self._now(),
            generation=generation,
        )
        found = tuple(finding_of(problem) for problem in contents.problems)
        self._tell(found + compiled.findings)
        self.certificates = compiled.certificates
        if not generation or compiled.snapshot != self.snapshot:
            self._serve(attrs.evolve(compiled.snapshot, generation=generation + 1))
        outcome = Outcome(contents, compiled, self.findings, self.snapshot)
        for observer in self._observers:
            try:
                observer(outcome)
            except Exception:  # noqa: BLE001  whatever it is, what is served comes first
                _log.failure("an observer of the controller failed")

    def _serve(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.changed_at = self._now()
        self._publish(snapshot)
        _log.info(
            "generation {generation}: {hosts} hosts, {upstreams} upstreams, {findings} findings",
            generation=snapshot.generation,
            hosts=len(snapshot.hosts),
            upstreams=len(snapshot.upstreams),
            findings=len(self.findings),
        )

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        """Log what is new and what is gone, once each."""
        before, after = set(self.findings), set(findings)
        for finding in findings:
            if finding in before:
                continue
            log = _log.error if finding.reason.severity is Severity.ERROR else _log.warn
            log(
                "{object}: {message} [{code}]; {consequence}; {remedy}",
                object=str(finding.object),
                message=finding.message,
                code=finding.reason.code,
                consequence=finding.consequence,
                remedy=finding.remedy,
            )
        for finding in self.findings:
            if finding not in after:
                _log.info(
                    "{object}: mended: {message} [{code}]",
                    object=str(finding.object),
                    message=finding.message,
                    code=finding.reason.code,
                )
        self.findings = findings


def finding_of(problem: SourceProblem) -> Finding:
    """Tell a problem of a source as a finding; one of a file with file and line."""
    reason = FINDINGS[problem.reason]
    about = problem.ref or ObjectRef("File", "", problem.file)
    place = "".join(f"{each}: " for each in (problem.where, problem.path) if each)
    return Finding(
        about,
        reason,
        place + problem.message,
        problem.instead,
        reason.remedy,
    )
