"""Where the credentials come from: the first of four places (design decision D13)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

from fsm_twisted.sources.cluster.access import CredentialsError

ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@attrs.frozen
class InCluster:
    """The ServiceAccount of our pod."""

    environ: Mapping[str, str] = attrs.field(repr=False)
    token_file: Path = ACCOUNT_FOLDER / "token"
    ca_file: Path = ACCOUNT_FOLDER / "ca.crt"

    def __str__(self) -> str:
        """Return the form that people read."""
        return "the in-cluster account"


@attrs.frozen
class Kubeconfig:
    """One file, or several that are merged; no context means the current one."""

    files: tuple[Path, ...]
    context: str | None = None

    def __str__(self) -> str:
        """Return the form that people read."""
        names = ":".join(str(each) for each in self.files)
        return f"kubeconfig {names}" + (f", context {self.context}" if self.context else "")


Origin = InCluster | Kubeconfig


def find_origin(
    kubeconfig: str | None,
    context: str | None,
    *,
    environ: Mapping[str, str],
    account_folder: Path = ACCOUNT_FOLDER,
) -> Origin:
    """
    Choose the first place that there is; nothing is read yet.

    That is ``--kubeconfig``, the account of our pod, ``$KUBECONFIG``, ``~/.kube/config``. A
    *context* is of a kubeconfig, so with one the account of our pod is passed over.

    Raises:
        CredentialsError: None is there; the text lists where we have looked.
    """
    if kubeconfig:
        if not os.path.isfile(kubeconfig):
            msg = f"--kubeconfig: there is no file {kubeconfig}"
            raise CredentialsError(msg)
        # Absolute, for a daemon goes elsewhere.
        return Kubeconfig((Path(kubeconfig).absolute(),), context)
    if context is None and _has_account(environ, account_folder):
        return InCluster(environ, account_folder / "token", account_folder / "ca.crt")
    listed = environ.get("KUBECONFIG", "")
    named = [Path(each).expanduser().absolute() for each in listed.split(os.pathsep) if each]
    files = tuple(each for each in named if each.is_file())
    if files:
        return Kubeconfig(files, context)
    usual = Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"
    if not named and usual.is_file():
        return Kubeconfig((usual,), context)
    msg = (
        "no --manifests and no credentials for a cluster; looked for --kubeconfig (not given),"
        f" the in-cluster account ({_why_no_account(context, environ, account_folder)}),"
        f" $KUBECONFIG ({'no such file: ' + listed if named else 'not set'}),"
        f" {usual} ({'passed over' if named else 'no such file'})"
    )
    raise CredentialsError(msg)


def _has_account(environ: Mapping[str, str], folder: Path) -> bool:
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and (folder / "token").is_file()


def _why_no_account(context: str | None, environ: Mapping[str, str], folder: Path) -> str:
    if context is not None:
        return "passed over, for --context is of a kubeconfig"
    if not environ.get("KUBERNETES_SERVICE_HOST"):
        return "KUBERNETES_SERVICE_HOST is not set"
    return f"no file {folder / 'token'}; is automountServiceAccountToken false?"
