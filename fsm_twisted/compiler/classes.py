"""Which Ingresses are ours, and in which order they are heard (D7, D8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import Ingress, IngressClass, ref_of
from fsm_twisted.objects.names import shown

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"

_FIELD: Final = "spec.ingressClassName"
_NOT_SERVED: Final = "this controller does not serve the Ingress"


Age = tuple[bool, str, str, str]
"""Less is older; no two Ingresses have the same."""


def our_ingresses(
    inventory: Inventory, options: CompilerOptions, book: FindingBook
) -> tuple[Ingress, ...]:
    """
    Return the Ingresses that this controller serves, the oldest first.

    Those that probably nobody serves get a finding.
    """
    classes = inventory.classes
    for ingress in inventory.ingresses.values():
        note_unclaimed(ingress, classes, options, book)
    ours = (each for each in inventory.ingresses.values() if is_ours(each, classes, options))
    return tuple(sorted(ours, key=age_of))


def named_class(ingress: Ingress) -> str:
    """Return the class that *ingress* names, ``""`` for none; the old annotation wins."""
    annotated = ingress.metadata.annotations.get(CLASS_ANNOTATION, "").strip()
    return annotated or ingress.class_name or ""


def age_of(ingress: Ingress) -> Age:
    """
    Return what Ingresses are sorted by: ``creationTimestamp``, then namespace and name.

    An Ingress without a timestamp (from a file) is younger than all that have one.
    """
    metadata = ingress.metadata
    return (not metadata.created, metadata.created, metadata.namespace, metadata.name)


def is_ours(
    ingress: Ingress, classes: Mapping[str, IngressClass], options: CompilerOptions
) -> bool:
    """Tell whether this controller serves *ingress*; *classes* are all that there are, by name."""
    name = named_class(ingress)
    if not name:
        return any(
            each.is_default and _has_our_controller(each, options) for each in classes.values()
        )
    if (named := classes.get(name)) is not None:
        return _has_our_controller(named, options)
    return name == options.ingress_class


def why_not_ours(
    ingress: Ingress, classes: Mapping[str, IngressClass], options: CompilerOptions
) -> str:
    """Say why this controller does not serve *ingress*; ``""`` when it does."""
    if is_ours(ingress, classes, options):
        return ""
    name = named_class(ingress)
    if not name:
        return (
            "it names no class, and no IngressClass with controller "
            f"{shown(options.controller_name)} is the default"
        )
    field = _FIELD
    if ingress.metadata.annotations.get(CLASS_ANNOTATION, "").strip():
        field = f"annotation {CLASS_ANNOTATION}"
    if (named := classes.get(name)) is not None:
        controller = shown(named.controller)
        return f"{field} is {shown(name)}, whose controller is {controller}, not ours"
    return (
        f"{field} is {shown(name)}: there is no such IngressClass, and ours is "
        f"{shown(options.ingress_class)}"
    )


def _has_our_controller(ingress_class: IngressClass, options: CompilerOptions) -> bool:
    return ingress_class.controller == options.controller_name


def note_unclaimed(
    ingress: Ingress,
    classes: Mapping[str, IngressClass],
    options: CompilerOptions,
    book: FindingBook,
) -> None:
    """
    Tell of an Ingress that probably nobody serves: the usual reason of "it does not work".

    An annotation without an object is left in peace: older controllers need no object.
    """
    name = named_class(ingress)
    if not name and not any(each.is_default for each in classes.values()):
        what = "no IngressClass is named, and no IngressClass is the default"
        remedy = f"set spec.ingressClassName, e.g. to {options.ingress_class}"
        book.note(ref_of(ingress), "class_missing", _FIELD, what, _NOT_SERVED, remedy)
    elif name and name == ingress.class_name and not _is_known(name, classes, options):
        what = f"there is no IngressClass {shown(name)}"
        book.note(ref_of(ingress), "class_unknown", _FIELD, what, _NOT_SERVED)


def _is_known(name: str, classes: Mapping[str, IngressClass], options: CompilerOptions) -> bool:
    return name in classes or name == options.ingress_class
