"""Requests to the API server: credentials, errors, lists and watches, on Twisted's Agent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from fsm_twisted._version import __version__
from fsm_twisted.sources.cluster.access import Access, AccessKeeper, ApiFailure
from fsm_twisted.sources.cluster.body import Text, Unreachable, collect_body, explain, stream_body
from fsm_twisted.sources.cluster.stream import WatchDecoder, WatchEvent

ANSWER_LIMIT_BYTES: Final = 256 * 1024 * 1024
HEAD_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 30.0

_AGENT: Final = f"fsm-twisted/{__version__}"
_UNAUTHORIZED: Final = 401
_FIRST_ERROR: Final = 300
_RETRY_LIMIT_SECONDS: Final = 300.0
_SHOWN_CHARACTERS: Final = 300


class ApiError(ApiFailure):
    """
    The API server says no: ``Status`` of the Kubernetes API.

    ``retry_seconds`` is its ``Retry-After``, None without one.
    """

    def __init__(self, status: int, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.retry_seconds = retry_seconds


class Forbidden(ApiError):
    """403: our account has no right to this."""


class NotFound(ApiError):
    """404: there is no such object, or no such kind."""


class Gone(ApiError):
    """410: the version or continue token is too old; list anew."""


_ERRORS: Final[Mapping[int, type[ApiError]]] = {403: Forbidden, 404: NotFound, 410: Gone}


@attrs.frozen
class ListPage:
    """One page of a list; ``version`` is the list's own, ``token`` is empty on the last page."""

    items: tuple[Mapping[str, object], ...]
    version: str
    token: str


@attrs.frozen
class Watch:
    """A watch that the API server has accepted."""

    _response: IResponse
    _clock: IReactorTime
    _silence_seconds: float

    async def follow(self, on_event: Callable[[WatchEvent], None]) -> None:
        """
        Give every event to *on_event* until the stream ends; cancelling closes the connection.

        Raises:
            ApiError: The stream holds an ERROR event, `Gone` for one of 410.
            WatchBroken: A line is no event.
            Unreachable: The stream broke off or fell silent.
        """
        decoder = WatchDecoder()

        def receive(data: bytes) -> None:
            for event in decoder.feed(data):
                if event.type == "ERROR":
                    raise _error_of(event.object, 500, None)
                on_event(event)

        await stream_body(self._response, self._clock, self._silence_seconds, receive)


class Api:
    """
    Talks to the API server.

    Every request takes the credentials of its moment; one that is refused with 401 is tried once
    more with renewed ones.
    """

    def __init__(
        self,
        clock: IReactorTime,
        keeper: AccessKeeper,
        agent_for: Callable[[Access], IAgent],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._close = close
        self._clock = clock
        self._keeper = keeper
        self._agent_for = agent_for

    def check(self) -> None:
        """
        Look whether there are credentials, before the reactor runs.

        Raises:
            CredentialsError: There are none that could be used.
        """
        self._keeper.check()

    def stop(self) -> None:
        """End what the keeper of the credentials has under way, and connections that are kept."""
        self._keeper.stop()
        self._close()

    async def list_page(
        self, path: str, *, limit: int, token: str = "", selector: str = ""
    ) -> ListPage:
        """
        Fetch one page of a collection.

        Args:
            path: Of the collection, e.g. ``/apis/networking.k8s.io/v1/ingresses``.
            limit: Most items the server may return, in objects; 0 for all.
            token: ``metadata.continue`` of the page before.
            selector: Of labels; empty for all.

        Raises:
            ApiError: `Gone` when the token is too old, `Forbidden`, `NotFound`.
            Unreachable: There is no usable answer.
        """
        query = {"limit": str(limit)} if limit else {}
        if token:
            query["continue"] = token
        if selector:
            query["labelSelector"] = selector
        match await self.request("GET", path, query):
            case {"metadata": dict(metadata), "items": list(items)}:
                pass
            case {"metadata": dict(metadata)}:
                items = []
            case _:
                raise Unreachable("the answer is no list")
        version, following = metadata.get("resourceVersion"), metadata.get("continue")
        return ListPage(
            tuple(each for each in items if isinstance(each, dict)),
            version if isinstance(version, str) else "",
            following if isinstance(following, str) else "",
        )

    async def watch(self, path: str, *, version: str, seconds: int, selector: str = "") -> Watch:
        """
        Begin to watch a collection from *version* on, for about *seconds*.

        With a *selector* of labels, an object that begins to match is ADDED, and one that does so
        no more is DELETED.

        Raises:
            ApiError: `Gone` when the version is too old, `Forbidden`, `NotFound`.
            Unreachable: There is no answer.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        if selector:
            query["labelSelector"] = selector
        response = await self._open("GET", path, query, None, "")
        return Watch(response, self._clock, seconds + SILENCE_SECONDS)

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Mapping[str, object]:
        """
        Make one request and return the object in its answer.

        Raises:
            ApiError: The status is not 2xx.
            Unreachable: There is no answer, or it is no JSON object.
        """
        response = await self._open(method, path, query or {}, body, content_type)
        text = await self._collect(response)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Unreachable("the answer is no JSON object")
        return value

    async def _open(
        self, method: str, path: str, query: Mapping[str, str], body: object, content_type: str
    ) -> IResponse:
        """Return an answer that says yes, its body unread."""
        target = path + (f"?{urlencode(query)}" if query else "")
        text = None if body is None else json.dumps(body).encode()
        access = await self._keeper.get()
        response = await self._send(access, method, target, text, content_type)
        if response.code == _UNAUTHORIZED:
            await self._collect(response)
            access = await self._keeper.renew(access)
            response = await self._send(access, method, target, text, content_type)
        if response.code >= _FIRST_ERROR:
            raise await self._error(response)
        return response

    async def _send(
        self, access: Access, method: str, target: str, text: bytes | None, content_type: str
    ) -> IResponse:
        headers = Headers({"Accept": ["application/json"], "User-Agent": [_AGENT]})
        if access.authorization is not None:
            headers.setRawHeaders(b"Authorization", [access.authorization])
        producer = None
        if text is not None:
            headers.setRawHeaders("Content-Type", [content_type])
            producer = Text(text)
        answer: Deferred[IResponse] = self._agent_for(access).request(
            method.encode(), (access.base_url + target).encode(), headers, producer
        )
        answer.addErrback(_cancelled)
        answer.addTimeout(HEAD_SECONDS, self._clock)
        return await answer.addErrback(_unreachable)

    async def _error(self, response: IResponse) -> ApiError:
        try:
            status = json.loads(await self._collect(response))
        except (ValueError, RecursionError):
            status = None
        return _error_of(status, response.code, _retry_seconds(response))

    def _collect(self, response: IResponse) -> Deferred[bytes]:
        return collect_body(response, self._clock, SILENCE_SECONDS, ANSWER_LIMIT_BYTES)


def _cancelled(failure: Failure) -> Failure:
    """Tell cancelling as such: an endpoint has another name for it, and the Agent wraps it up."""
    reasons = getattr(failure.value, "reasons", None) or [failure]
    if any(each.check(CancelledError, ConnectingCancelledError) for each in reasons):
        return Failure(CancelledError())
    return failure


def _unreachable(failure: Failure) -> Failure:
    """Tell all the ways in which a connection can fail as one; cancelling is none of them."""
    if failure.check(CancelledError, ApiFailure):
        return failure
    if failure.check(TookTooLong):
        return Failure(Unreachable(f"no answer within {HEAD_SECONDS:.0f} s"))
    return Failure(Unreachable(explain(failure)))


def _error_of(status: object, code: int, retry_seconds: float | None) -> ApiError:
    """Read a ``Status``; an answer that is none, as of a proxy, has its status code alone."""
    message = ""
    if isinstance(status, Mapping):
        said, text = status.get("code"), status.get("message")
        code = said if isinstance(said, int) else code
        message = text if isinstance(text, str) else ""
    shown = message[:_SHOWN_CHARACTERS] or "the API server says no more"
    return _ERRORS.get(code, ApiError)(code, shown, retry_seconds)


def _retry_seconds(response: IResponse) -> float | None:
    values = response.headers.getRawHeaders(b"Retry-After") or [b""]
    text = values[0].strip()
    if not text.isdigit() or len(text) > len("999999"):
        return None
    return min(float(text), _RETRY_LIMIT_SECONDS)
