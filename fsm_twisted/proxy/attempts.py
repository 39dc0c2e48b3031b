"""The endpoints that one request is tried on, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.proxy.retry import FREE_ATTEMPTS, NOTHING_DONE, SAME_AGAIN, Failure, may_retry

if TYPE_CHECKING:
    from fsm_twisted.balancing.budget import RetryBudget
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.proxy.endpoints import EndpointState
    from fsm_twisted.proxy.runtime import UpstreamState


class Attempts:
    """
    What is remembered of a request's attempts.

    Args:
        state: The upstream that the request has been routed to.
        key: What the request is hashed by.
        fields: Those of the request, where an affinity cookie is looked for.
        first: The endpoint that has been tried already.

    Attributes:
        is_new: Whether the client has no affinity cookie yet.
        closed: How often an endpoint has been asked and has not begun to answer.
        again: How often an endpoint that had been tried was allowed once more.
    """

    __slots__ = ("_key", "_state", "_tried", "again", "closed", "fields", "is_new")

    def __init__(
        self,
        state: UpstreamState,
        key: bytes,
        fields: Fields = (),
        first: EndpointState | None = None,
    ) -> None:
        self._state = state
        self._key = key
        self._tried: list[EndpointState] = [] if first is None else [first]
        self.fields = fields
        self.is_new = False
        self.closed = self.again = 0

    @property
    def endpoint(self) -> EndpointState | None:
        """The endpoint of the newest attempt."""
        return self._tried[-1] if self._tried else None

    @property
    def number(self) -> int:
        """How many endpoints have been tried."""
        return len(self._tried)

    @property
    def tries(self) -> int:
        """How many attempts there have been."""
        return len(self._tried) + self.again

    @property
    def text(self) -> bytes:
        """The endpoints that have been tried, for people."""
        return b", ".join([each.text for each in self._tried])

    def next(self) -> EndpointState | None:
        """Pick the next endpoint, never one that has been tried; None when there is none."""
        state = self._state
        if state.cookie is None:
            endpoint = state.balancer.pick(self._key, self._tried)
        else:
            endpoint, self.is_new = state.pick_by_cookie(self.fields, self._key, self._tried)
        if endpoint is not None:
            if self.tries:
                state.cells.retries += 1
            self._tried.append(endpoint)
        return endpoint

    def note_failure(self, now: float) -> None:
        """Hold it against the newest endpoint that it has not answered as it should."""
        if self._tried:
            self._tried[-1].failed(now)

    def may_go_on(
        self, failure: Failure, method: bytes, budget: RetryBudget, *, has_body: bool, whole: bool
    ) -> bool:
        """
        Decide whether there may be another attempt, and pay for it.

        Args:
            failure: How the newest attempt has failed.
            method: The request's method.
            budget: What retries are paid from.
            has_body: Whether the request has a body.
            whole: Whether all of it that has been sent is still at hand.
        """
        again = may_retry(
            failure, method, has_body=has_body, is_replayable=whole, retries=self.closed
        )
        is_free = failure in NOTHING_DONE and self.tries <= FREE_ATTEMPTS
        if not again or not (is_free or budget.spend()):
            return False
        if failure is not Failure.NOT_CONNECTED:
            self.closed += 1
        if failure in SAME_AGAIN:
            self._allow_last_again()
        return True

    def _allow_last_again(self) -> None:
        """Let an endpoint that is not at fault be asked once more when no other is left."""
        if self._state.balancer.pick(self._key, self._tried) is None:
            self._tried.pop()
            self.again += 1
