"""
Credential plugins of kubeconfig files (``users[].user.exec``).

We run them ourselves: ``kubernetes`` runs them without a time limit, turns their failures into
requests without credentials, and forgets when certificates end. Everything here blocks and belongs
into a thread. Source: client.authentication.k8s.io/v1, ``ExecCredential``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from fsm_twisted.sources.cluster.access import CredentialsError

LIMIT_SECONDS: Final = 30.0
_VERSIONS: Final = tuple(f"client.authentication.k8s.io/{each}" for each in ("v1", "v1beta1"))
_EARLY_SECONDS: Final = 60.0
_EARLY_SHARE: Final = 0.2
_SHOWN_CHARACTERS: Final = 300


@attrs.frozen
class PluginCredential:
    """What a plugin gives: a token, or a certificate with its key; ``expires`` in Unix seconds."""

    token: str = attrs.field(default="", repr=False)
    certificate: str = attrs.field(default="", repr=False)
    key: str = attrs.field(default="", repr=False)
    expires: float | None = None


@attrs.frozen
class PluginCall:
    """How a plugin is called."""

    arguments: tuple[str, ...]
    environ: Mapping[str, str] = attrs.field(repr=False)
    folder: Path
    api_version: str
    cluster: Mapping[str, object] | None
    hint: str = ""

    @property
    def key(self) -> str:
        """Return what tells calls apart that may give different credentials."""
        return repr((self.arguments, sorted(self.environ.items()), self.folder, self.cluster))

    @classmethod
    def of(cls, spec: object, folder: Path, cluster: Mapping[str, object]) -> PluginCall:
        """
        Read the ``exec`` entry of a user; *folder* is where its kubeconfig lies.

        Raises:
            CredentialsError: The entry cannot be used.
        """
        if not isinstance(spec, dict):
            raise CredentialsError("exec: it must be an object")
        command, version = spec.get("command"), spec.get("apiVersion")
        if not isinstance(command, str) or not command:
            raise CredentialsError("exec: command is missing")
        if version not in _VERSIONS:
            known = " or ".join(_VERSIONS)
            raise CredentialsError(f"exec: apiVersion of {command} must be {known}")
        if spec.get("interactiveMode") == "Always":
            raise CredentialsError(f"exec: {command} wants a person at a terminal")
        arguments, names = spec.get("args") or [], spec.get("env") or []
        if not isinstance(arguments, list) or not isinstance(names, list):
            raise CredentialsError(f"exec: args and env of {command} must be lists")
        hint = spec.get("installHint")
        return cls(
            (command, *map(str, arguments)),
            dict(_variable(each) for each in names),
            folder,
            str(version),
            cluster if spec.get("provideClusterInfo") is True else None,
            hint.strip()[:_SHOWN_CHARACTERS] if isinstance(hint, str) else "",
        )


class Plugins:
    """Runs plugins, and remembers what they gave until shortly before it ends."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        limit_seconds: float = LIMIT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._environ = environ
        self._limit_seconds = limit_seconds
        self._now = now
        self._known: tuple[str, PluginCredential, float] | None = None
        self._lock = threading.Lock()
        self._running: subprocess.Popen[str] | None = None
        self._is_stopped = False

    def forget(self) -> None:
        """Forget what was remembered: the API server did not take it."""
        self._known = None

    def credential(self, call: PluginCall) -> PluginCredential:
        """
        Return the credential of *call*, remembered or new.

        Raises:
            CredentialsError: The plugin failed, took too long, or gave nothing usable.
        """
        if self._known is not None:
            key, known, until = self._known
            if key == call.key and self._now() < until:
                return known
        began = self._now()
        found = read_credential(self._run(call), call)
        until = float("inf")
        if found.expires is not None:
            if found.expires <= began:
                raise CredentialsError(f"exec: what {call.arguments[0]} gives has ended already")
            early = min(_EARLY_SECONDS, _EARLY_SHARE * (found.expires - began))
            until = found.expires - early
        self._known = (call.key, found, until)
        return found

    def fresh_until(self) -> float | None:
        """Return until when the remembered credential is given again, in Unix seconds."""
        return None if self._known is None else self._known[2]

    def stop(self) -> None:
        """End a plugin that runs in another thread, and run none any more."""
        with self._lock:
            self._is_stopped = True
            if self._running is not None:
                _kill(self._running)

    def _run(self, call: PluginCall) -> str:
        name = call.arguments[0]
        process = self._begin(call)
        try:
            output, complaint = process.communicate(timeout=self._limit_seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            process.communicate()
            seconds = f"{self._limit_seconds:g}"
            raise CredentialsError(f"exec: {name} gave no answer within {seconds} s") from None
        except UnicodeDecodeError:
            _kill(process)
            process.wait()
            raise CredentialsError(f"exec: the answer of {name} is no text") from None
        finally:
            with self._lock:
                self._running = None
        if process.returncode:
            lines = complaint.strip().splitlines() or ["it said nothing"]
            said = lines[-1][:_SHOWN_CHARACTERS]
            raise CredentialsError(f"exec: {name} failed ({process.returncode}): {said}")
        return output

    def _begin(self, call: PluginCall) -> subprocess.Popen[str]:
        about: dict[str, object] = {"interactive": False}
        if call.cluster is not None:
            about["cluster"] = call.cluster
        told = {"apiVersion": call.api_version, "kind": "ExecCredential", "spec": about}
        environ = {**self._environ, **call.environ, "KUBERNETES_EXEC_INFO": json.dumps(told)}
        name = call.arguments[0]
        with self._lock:
            if self._is_stopped:
                raise CredentialsError(f"exec: {name} is not run, for we are stopping")
            try:
                self._running = subprocess.Popen(  # noqa: S603  the user's own command
                    call.arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=call.folder,
                    env=environ,
                    text=True,
                    encoding="utf-8",
                    errors="strict",
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "cannot be run"
                hint = f"; {call.hint}" if call.hint else ""
                raise CredentialsError(f"exec: {name}: {why}{hint}") from None
            return self._running


def read_credential(output: str, call: PluginCall) -> PluginCredential:
    """
    Read an ``ExecCredential``.

    Raises:
        CredentialsError: It is none, or of another version, or empty; nothing of it is shown.
    """
    name = call.arguments[0]
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        raise CredentialsError(f"exec: the answer of {name} is no JSON") from None
    match answer:
        case {"apiVersion": version, "kind": "ExecCredential", "status": dict(status)}:
            if version != call.api_version:
                what = f"exec: {name} answers in another version than {call.api_version}"
                raise CredentialsError(what)
        case _:
            raise CredentialsError(f"exec: the answer of {name} is no ExecCredential")
    texts = {
        key: value.strip() if isinstance(value := status.get(key), str) else ""
        for key in ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
    }
    certificate, key = texts["clientCertificateData"], texts["clientKeyData"]
    if not texts["token"] and not (certificate and key):
        raise CredentialsError(
            f"exec: {name} gives neither a token nor a certificate with its key"
        )
    return PluginCredential(
        texts["token"],
        certificate if key else "",
        key if certificate else "",
        _moment(texts["expirationTimestamp"], name),
    )


def _moment(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise CredentialsError(f"exec: {name}: expirationTimestamp is no time") from None


def _variable(entry: object) -> tuple[str, str]:
    match entry:
        case {"name": str(name), "value": str(value)}:
            return name, value
    raise CredentialsError("exec: env must be a list of name and value")


def _kill(process: subprocess.Popen[str]) -> None:
    """End a plugin and what it has started: it is the leader of its own session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
