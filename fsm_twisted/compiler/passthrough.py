"""
Hosts whose TLS goes through to a Service (annotation ``ssl-passthrough``): what a rule must say.

The connection is not opened, so there is no path: as in ingress-nginx, the backend of the path
``/`` gets it, and without one the default backend of the Ingress. Other paths have no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.objects.model import Backend, Ingress, IngressPath, PathType, ref_of
from fsm_twisted.objects.names import shown

_REFUSED: Final = "all paths of the Ingress answer 503 (unprotected)"
# Of several paths "/", as for requests: a Prefix before an ImplementationSpecific.
_ORDER: Final = (PathType.PREFIX, PathType.IMPLEMENTATION_SPECIFIC, PathType.EXACT)


@attrs.frozen
class PassingBackend:
    """The backend of a host, and the field that names it."""

    backend: Backend
    where: str


@attrs.frozen
class Place:
    """A path of a rule, and its field."""

    path: IngressPath
    where: str


def passing_backends(ingress: Ingress, book: FindingBook) -> Mapping[str, PassingBackend] | None:
    """
    Return where the TLS of each host of *ingress* goes.

    None when that is not said of each of its rules: nothing of the Ingress can be served then.
    """
    hosts = dict.fromkeys(rule.host for rule in ingress.rules)
    if not hosts or "" in hosts:
        what = "TLS can only go through for the host of a rule, and one of them has none"
        if not hosts:
            what = "TLS can only go through for the host of a rule, and there is no rule"
        book.note(ref_of(ingress), "passthrough_invalid", "spec.rules", what, _REFUSED)
        return None
    chosen = roots(ingress)
    found = {host: _backend_of(ingress, chosen.get(host)) for host in hosts}
    homeless = [host for host, backend in found.items() if backend is None]
    for host in homeless:
        what = f"host {host} has no path '/', and the Ingress has no default backend"
        book.note(ref_of(ingress), "passthrough_invalid", "spec.rules", what, _REFUSED)
    if homeless:
        return None
    _note_other_paths(ingress, chosen, book)
    return {host: backend for host, backend in found.items() if backend is not None}


def roots(ingress: Ingress) -> Mapping[str, Place]:
    """Return the path ``/`` of each host that has one; of several, the one that counts."""
    found: dict[str, Place] = {}
    for where, host, path in ingress.paths():
        if path.path == "/":
            best = found.setdefault(host, Place(path, where))
            if _ORDER.index(path.path_type) < _ORDER.index(best.path.path_type):
                found[host] = Place(path, where)
    return found


def _backend_of(ingress: Ingress, root: Place | None) -> PassingBackend | None:
    if root is not None:
        return PassingBackend(root.path.backend, f"{root.where}.backend")
    if ingress.default_backend is not None:
        return PassingBackend(ingress.default_backend, ingress.default_where)
    return None


def _note_other_paths(ingress: Ingress, chosen: Mapping[str, Place], book: FindingBook) -> None:
    for where, host, path in ingress.paths():
        if path.path != "/":
            what = f"path {shown(path.path)} has no meaning where TLS is not opened"
            book.note(ref_of(ingress), "passthrough_ignored", where, what, "it is left out")
        elif path.backend != chosen[host].path.backend:
            what = f"{chosen[host].where} has the path / of host {host} as well"
            served = f"TLS goes to what {chosen[host].where} says"
            book.note(ref_of(ingress), "claim_repeated", where, what, served)
