"""
Credentials, read by the ``kubernetes`` package: the only place that imports it.

Everything here blocks (files, credential plugins) and belongs into a thread. The package is asked
for a bag of facts and nothing else: each time anew, which is how rotated tokens, certificates and
authorities are noticed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import yaml
from kubernetes.client.configuration import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.incluster_config import InClusterConfigLoader
from kubernetes.config.kube_config import KubeConfigMerger, load_kube_config_from_dict

from fsm_twisted.sources.cluster.access import Access, CredentialsError, TLSFacts
from fsm_twisted.sources.cluster.origins import InCluster, Kubeconfig, Origin
from fsm_twisted.sources.cluster.plugin import PluginCall, PluginCredential, Plugins
from fsm_twisted.sources.cluster.proxies import find_proxy

GOOD_FOR_SECONDS: Final = 60.0
_SHORTEST_SECONDS: Final = 1.0

# What the package makes of a file that is not as it expects; its words may quote a user's entry,
# token included, so they are never shown.
_FAULTS: Final = (
    ConfigException, KeyError, TypeError, AttributeError, ValueError, IndexError,
)  # fmt: skip
_FILES: Final = ("certificate-authority", "client-certificate", "client-key")
_WANTS_SOMETHING: Final = (
    "token", "tokenFile", "exec", "username", "client-certificate", "client-certificate-data",
)  # fmt: skip


class CredentialsReader:
    """
    Reads the credentials of *origin*, as often as wanted.

    Args:
        origin: Where they are.
        environ: For plugins and proxies.
        plugins: Runs credential plugins.
        now: Unix seconds.
    """

    def __init__(
        self,
        origin: Origin,
        environ: Mapping[str, str],
        plugins: Plugins | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.origin = origin
        self._environ = environ
        self._plugins = plugins or Plugins(environ, now=now)
        self._now = now

    def check(self) -> None:
        """
        Read what can be read without running a plugin.

        Raises:
            CredentialsError: It cannot be used.
        """
        with self._told_with_its_origin():
            if isinstance(self.origin, InCluster):
                self._of_account(self.origin)
            else:
                _Chosen.of(self.origin)

    def forget(self) -> None:
        """Do not use again what a plugin gave: the API server did not take it."""
        self._plugins.forget()

    def stop(self) -> None:
        """End a plugin that runs."""
        self._plugins.stop()

    def read(self) -> Access:
        """
        Return the credentials as they are now.

        Raises:
            CredentialsError: They cannot be read or used.
        """
        with self._told_with_its_origin():
            if isinstance(self.origin, InCluster):
                return self._of_account(self.origin)
            return self._of_kubeconfig(self.origin)

    @contextmanager
    def _told_with_its_origin(self) -> Iterator[None]:
        """Say where the credentials are that cannot be used, and quote nothing of them."""
        try:
            yield
        except CredentialsError as error:
            raise CredentialsError(f"{self.origin}: {error}") from None
        except OSError as error:
            name = f"{error.filename}: " if error.filename else ""
            what = f"{self.origin}: {name}{error.strerror or 'cannot be read'}"
            raise CredentialsError(what) from None
        except _FAULTS:
            what = f"{self.origin}: it cannot be used; does kubectl take it?"
            raise CredentialsError(what) from None

    def _of_account(self, origin: InCluster) -> Access:
        configuration = Configuration()
        loader = InClusterConfigLoader(
            token_filename=str(origin.token_file),
            cert_filename=str(origin.ca_file),
            environ=origin.environ,
        )
        try:
            loader.load_and_set(configuration)
        except ConfigException as error:
            raise CredentialsError(str(error)) from None
        return self._access(configuration, None)

    def _of_kubeconfig(self, origin: Kubeconfig) -> Access:
        chosen = _Chosen.of(origin)
        credential = None
        if "exec" in chosen.user and "token" not in chosen.user:
            credential = self._plugins.credential(
                PluginCall.of(chosen.user["exec"], chosen.folder, chosen.cluster_for_plugins())
            )
        configuration = Configuration()
        # The package writes inline data into files; here they live as long as it takes to read.
        with tempfile.TemporaryDirectory(prefix="fsm-") as folder:
            load_kube_config_from_dict(
                chosen.with_credential(credential),
                context=chosen.context,
                client_configuration=configuration,
                persist_config=False,
                temp_file_path=folder,
            )
            access = self._access(configuration, credential)
        if chosen.wants_something and not access.authorization and not access.tls.key_pem:
            what = f"user {chosen.user_name} has no token and no certificate with its key"
            raise CredentialsError(what)
        return access

    def _access(self, configuration: Configuration, credential: PluginCredential | None) -> Access:
        host = str(configuration.host).rstrip("/")
        if not host.startswith(("https://", "http://")):
            raise CredentialsError("server must be a URL that begins with https://")
        proxy = find_proxy(host, configuration.proxy, self._environ)
        certificate, key = _read(configuration.cert_file), _read(configuration.key_file)
        expires = None
        if credential is not None:
            expires = credential.expires
            if credential.key:
                certificate, key = credential.certificate.encode(), credential.key.encode()
        return Access(
            host,
            TLSFacts(
                configuration.tls_server_name or None,
                _read(configuration.ssl_ca_cert),
                certificate,
                key,
                bool(configuration.verify_ssl),
            ),
            _authorization(configuration),
            self._good_for(credential),
            expires,
            proxy,
        )

    def _good_for(self, credential: PluginCredential | None) -> float:
        until = self._plugins.fresh_until() if credential is not None else None
        if until is None:
            return GOOD_FOR_SECONDS
        return max(_SHORTEST_SECONDS, min(GOOD_FOR_SECONDS, until - self._now()))


@attrs.frozen
class _Chosen:
    """The entries of a kubeconfig that count, after merging."""

    merged: Any
    context: str
    user_name: str
    user_node: Any
    user: Mapping[str, Any]
    cluster: Mapping[str, Any]
    folder: Path

    @classmethod
    def of(cls, origin: Kubeconfig) -> _Chosen:
        """Read the files; raises CredentialsError in words that quote no entry."""
        try:
            merged = KubeConfigMerger(":".join(str(each) for each in origin.files)).config
        except yaml.YAMLError:
            raise CredentialsError("it is no YAML") from None
        except _FAULTS:
            raise CredentialsError("it is no kubeconfig") from None
        if merged is None:
            raise CredentialsError("there is nothing in it")
        context = origin.context or merged.value.get("current-context")
        if not context:
            raise CredentialsError("it has no current-context: name one with --context")
        entry = _named(merged, "contexts", context, "context")[1]
        name = entry.get("cluster")
        if not name:
            raise CredentialsError(f"context {context} has no cluster")
        cluster = _named(merged, "clusters", name, "cluster")[1]
        if not isinstance(cluster.get("server"), str):
            raise CredentialsError(f"cluster {name} has no server")
        user_name = entry.get("user") or ""
        node, user = _named(merged, "users", user_name, "user") if user_name else (None, {})
        _refuse_unsupported(user_name, user)
        path = origin.files[0] if node is None or node.path is None else Path(node.path)
        folder = path.resolve().parent
        chosen = cls(merged, context, user_name, node, user, cluster, folder)
        chosen.check_files()
        return chosen

    def check_files(self) -> None:
        """Look whether the files are there; raises CredentialsError with the name of one."""
        for entry in (self.cluster, self.user):
            for key in _FILES:
                name = entry.get(key)
                if name and f"{key}-data" not in entry and not (self.folder / name).is_file():
                    raise CredentialsError(f"{key}: there is no file {self.folder / name}")

    @property
    def wants_something(self) -> bool:
        """Return whether requests without credentials would be a mistake."""
        return any(self.user.get(key) for key in _WANTS_SOMETHING)

    def with_credential(self, credential: PluginCredential | None) -> Any:
        """Return the whole with the plugin's credential in the place of the plugin."""
        user = {key: value for key, value in self.user.items() if key != "exec"}
        if credential is not None and credential.token:
            user["token"] = credential.token
        if "tokenFile" in user:
            # client-go: the file counts more than the token beside it.
            user.pop("token", None)
        if self.user_node is not None:
            self.user_node.value["user"] = user
        return self.merged

    def cluster_for_plugins(self) -> Mapping[str, object]:
        """Return ``ExecCredential.spec.cluster``."""
        extensions = self.cluster.get("extensions") or ()
        told = {key: value for key, value in self.cluster.items() if key != "extensions"}
        for each in extensions:
            if each.get("name") == "client.authentication.k8s.io/exec":
                told["config"] = each.get("extension")
        return told


def _named(merged: Any, group: str, name: str, word: str) -> tuple[Any, Mapping[str, Any]]:
    """Return the node of an entry, and what it says under *word*."""
    for node in merged.value.get(group) or ():
        if node.value.get("name") == name:
            entry = node.value.get(word)
            return node, entry if isinstance(entry, dict) else {}
    raise CredentialsError(f"there is no {word} {name}")


def _refuse_unsupported(name: str, user: Mapping[str, Any]) -> None:
    if "auth-provider" in user:
        what = f"user {name}: auth-provider is not supported: use a credential plugin (exec)"
        raise CredentialsError(what)
    if any(key in user for key in ("as", "as-uid", "as-groups", "as-user-extra")):
        raise CredentialsError(f"user {name}: impersonation (as) is not supported")


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _authorization(configuration: Configuration) -> bytes | None:
    """Return the header's value; the package leaves a file's line end in it."""
    value = str(configuration.api_key.get("BearerToken") or "").strip()
    scheme, _, token = value.partition(" ")
    token = token.strip()
    if not token:
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        raise CredentialsError("the token has characters that no token has")
    return f"{scheme.capitalize()} {token}".encode()
