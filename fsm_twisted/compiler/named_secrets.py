"""Secrets that annotations name, perhaps in another namespace."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from fsm_twisted.compiler.values import SecretName
from fsm_twisted.objects.model import Secret

FindSecret = Callable[[str, str], Secret | None]
"""Gives the Secret of a namespace and a name."""


@attrs.frozen
class SecretFault:
    """Why a Secret does not give what it should: a code of the registry, and the text."""

    code: str
    what: str


def full_name(named: SecretName, own: str) -> str:
    """Write for people which Secret an Ingress of the namespace *own* names."""
    return f"Secret {named.namespace or own}/{named.name}"


def find_named(
    named: SecretName, own: str, find: FindSecret, *, allows_foreign: bool
) -> Secret | SecretFault:
    """
    Find the Secret that an annotation of an Ingress names.

    Args:
        named: As it is written.
        own: The namespace of the Ingress.
        find: Looks a Secret up.
        allows_foreign: Whether it may be of another namespace.
    """
    where, namespace = full_name(named, own), named.namespace or own
    if namespace != own and not allows_foreign:
        what = f"{where} is of another namespace, and --allow-cross-namespace-secrets is off"
        return SecretFault("secret_foreign", what)
    secret = find(namespace, named.name)
    if secret is None:
        return SecretFault("secret_missing", f"there is no {where}")
    return secret
