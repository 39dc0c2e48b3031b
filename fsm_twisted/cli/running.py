"""A running instance, asked over its admin API."""

from __future__ import annotations

import http.client
import json
from functools import partial
from urllib.parse import urlencode, urlsplit

from fsm_twisted.admin.documents.world import API_VERSION, Json
from fsm_twisted.cli.errors import Trouble
from fsm_twisted.cli.pages import Parameters, whole

DEFAULT_ADMIN = "http://127.0.0.1:10254"
_SECONDS = 40.0
_LISTS = frozenset({"routes", "upstreams", "certificates", "findings", "generations"})
_LARGEST_ANSWER = 256 * 1024 * 1024


class Running:
    """
    Asks an instance; a connection for each question, never by a proxy.

    Args:
        url: Of its admin port.

    Raises:
        Trouble: It is no such URL.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            self._host, self._port = parts.hostname or "", parts.port or 10254
            self._host.encode("idna")  # as connecting does
        except ValueError:
            raise Trouble(f"--admin: {url!a} is no URL, such as {DEFAULT_ADMIN}") from None
        if parts.scheme != "http" or not self._host or parts.path.strip("/") or parts.query:
            raise Trouble(f"--admin: {url!a} is not accepted; write it as {DEFAULT_ADMIN}")
        self._url = f"http://{parts.netloc}"

    def tell(self, address: str, parameters: Parameters = ()) -> Json:
        """
        Return an answer; a list is asked for page by page.

        Raises:
            Trouble: Nobody answers, or it does not answer this.
        """
        if address not in _LISTS:
            return self._ask(address, parameters)
        return whole(partial(self._ask, address), parameters)

    def _ask(self, address: str, parameters: Parameters) -> Json:
        query = f"?{urlencode(list(parameters), errors='surrogateescape')}" if parameters else ""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_SECONDS)
        try:
            connection.request("GET", f"/api/{address}{query}", headers={"Connection": "close"})
            response = connection.getresponse()
            status, body = response.status, response.read(_LARGEST_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise Trouble(self._why(error)) from None
        finally:
            connection.close()
        return self._read(status, body)

    def _why(self, error: Exception) -> str:
        what = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        return (
            f"{self._url}: {what}; is the program running, and is this its --admin? "
            "For a pod: kubectl port-forward POD 10254. For files: --manifests DIRECTORY"
        )

    def _read(self, status: int, body: bytes) -> Json:
        try:
            answer = json.loads(body)
            version = answer["version"]
        except (ValueError, TypeError, KeyError):
            why = "it has no admin API (--admin-api off?)" if status == 404 else f"status {status}"  # noqa: PLR2004
            raise Trouble(f"{self._url}: no answer of the admin API: {why}") from None
        if version != API_VERSION:
            raise Trouble(f"{self._url}: its API has version {version!a}, not {API_VERSION}")
        if answer["kind"] == "Error":
            raise Trouble(f"{self._url}: {answer['error']}")
        found: Json = answer
        return found
