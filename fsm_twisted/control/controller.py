"""Contents in, snapshot out: compile what the source has, publish it, tell what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs
from twisted.logger import Logger

from fsm_twisted.compiler.compile import Compiled
from fsm_twisted.compiler.findings import Finding
from fsm_twisted.compiler.incremental import Compiler
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.standing import Standing
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

    ``contents`` are what was compiled, ``findings`` those of the source and of the compiler,
    ``snapshot`` is what must be served for it. Whatever says the same as in the outcome before is
    the same object: Ingresses, findings, the snapshot, the tuple of all findings.
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
        outcome: What the last compilation came to; None before the first one.
    """

    def __init__(
        self,
        options: CompilerOptions,
        publish: Callable[[Snapshot], None],
        now: Callable[[], datetime],
    ) -> None:
        self._options = options
        self._compiler = Compiler(options)
        self._publish = publish
        self._now = now
        self.snapshot = EMPTY
        self._contents: Contents | None = None
        self.findings: tuple[Finding, ...] = ()
        self.certificates: tuple[CertificateTime, ...] = ()
        self.changed_at: datetime | None = None
        self.outcome: Outcome | None = None
        self._observers: list[Observer] = []
        self._told: tuple[tuple[SourceProblem, ...], tuple[Finding, ...]] = ((), ())

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

    @property
    def standing(self) -> Standing:
        """Return who asked for what and who has got it, until the next compilation."""
        return self._compiler.standing

    def recompile(self) -> None:
        """Compile the same contents again: time has passed, certificates may have expired."""
        if self._contents is not None:
            self.contents_changed(self._contents)

    def contents_changed(self, contents: Contents) -> None:
        """Compile *contents* and publish the snapshot, if it says anything new."""
        self._contents = contents
        compiled = self._compile(contents.inventory)
        self.certificates = compiled.certificates
        if compiled.snapshot is not self.snapshot:
            self._serve(compiled.snapshot)
        self._tell(self._all_findings(contents.problems, compiled.findings))
        self.outcome = outcome = Outcome(contents, compiled, self.findings, self.snapshot)
        for observer in self._observers:
            try:
                observer(outcome)
            except Exception:  # noqa: BLE001  whatever it is, what is served comes first
                _log.failure("an observer of the controller failed")

    def _compile(self, inventory: Inventory) -> Compiled:
        try:
            return self._compiler.compile(inventory, now=self._now())
        except Exception:  # noqa: BLE001  whatever it is, it may have left the memory half done
            _log.failure("compiling a change failed; everything is compiled anew")
            self._compiler = Compiler(self._options, self.snapshot.generation)
            return self._compiler.compile(inventory, now=self._now())

    def _serve(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.changed_at = self._now()
        self._publish(snapshot)
        _log.info(
            "generation {generation}: {hosts} hosts, {upstreams} upstreams",
            generation=snapshot.generation,
            hosts=len(snapshot.hosts),
            upstreams=len(snapshot.upstreams),
        )

    def _all_findings(
        self, problems: tuple[SourceProblem, ...], compiled: tuple[Finding, ...]
    ) -> tuple[Finding, ...]:
        """Join those of source and compiler, the tuple of before when both are as before."""
        if (problems, compiled) != self._told:
            self._told = (problems, compiled)
            return (*map(finding_of, problems), *compiled)
        return self.findings

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        """Log what is new and what is gone, once each."""
        for finding in without(findings, self.findings):
            log = _log.error if finding.reason.severity is Severity.ERROR else _log.warn
            log(
                "{object}: {message} [{code}]; {consequence}; {remedy}",
                object=str(finding.object),
                message=finding.message,
                code=finding.reason.code,
                consequence=finding.consequence,
                remedy=finding.remedy,
            )
        for finding in without(self.findings, findings):
            _log.info(
                "{object}: mended: {message} [{code}]",
                object=str(finding.object),
                message=finding.message,
                code=finding.reason.code,
            )
        self.findings = findings


def without(findings: tuple[Finding, ...], others: tuple[Finding, ...]) -> list[Finding]:
    """Return those of *findings* that are not among *others*; most are the same objects."""
    known = set(map(id, others))
    unknown = [each for each in findings if id(each) not in known]
    if not unknown:
        return []
    equal = set(others)
    return [each for each in unknown if each not in equal]


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
        (problem.path,) if problem.path else (),
    )
