"""Which Ingresses are ours, and in which order they are heard (D7, D8)."""

from __future__ import annotations

from typing import Final

from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import Ingress, IngressClass, ref_of
from fsm_twisted.objects.names import shown

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"

_NOT_SERVED: Final = "this controller does not serve the Ingress"


def our_ingresses(
    inventory: Inventory, options: CompilerOptions, book: FindingBook
) -> tuple[Ingress, ...]:
    """
    Return the Ingresses that this controller serves, the oldest first.

    Age is ``creationTimestamp``, then namespace and name; an Ingress without a timestamp (from a
    file) is younger than all that have one.
    """
    ours = (each for each in inventory.ingresses.values() if _is_ours(each, inventory, options))
    found = tuple(sorted(ours, key=_age))
    _note_unclaimed(inventory, options, book)
    return found


def named_class(ingress: Ingress) -> str:
    """Return the class that *ingress* names, ``""`` for none; the old annotation wins."""
    annotated = ingress.metadata.annotations.get(CLASS_ANNOTATION, "").strip()
    return annotated or ingress.class_name or ""


def _age(ingress: Ingress) -> tuple[bool, str, str, str]:
    metadata = ingress.metadata
    return (not metadata.created, metadata.created, metadata.namespace, metadata.name)


def _is_ours(ingress: Ingress, inventory: Inventory, options: CompilerOptions) -> bool:
    name = named_class(ingress)
    if not name:
        return any(
            each.is_default and _has_our_controller(each, options)
            for each in inventory.classes.values()
        )
    if (named := inventory.classes.get(name)) is not None:
        return _has_our_controller(named, options)
    return name == options.ingress_class


def _has_our_controller(ingress_class: IngressClass, options: CompilerOptions) -> bool:
    return ingress_class.controller == options.controller_name


def _note_unclaimed(inventory: Inventory, options: CompilerOptions, book: FindingBook) -> None:
    """
    Tell of Ingresses that probably nobody serves: the most frequent reason of "it does not work".

    An annotation without an object is left in peace: older controllers need no object.
    """
    someone_is_default = any(each.is_default for each in inventory.classes.values())
    for ingress in inventory.ingresses.values():
        name = named_class(ingress)
        if not name and not someone_is_default:
            what = "no IngressClass is named, and no IngressClass is the default"
            remedy = f"set spec.ingressClassName, e.g. to {options.ingress_class}"
            book.note(
                ref_of(ingress),
                "class_missing",
                "spec.ingressClassName",
                what,
                _NOT_SERVED,
                remedy,
            )
        elif name == ingress.class_name and _is_unknown(name, inventory, options):
            book.note(
                ref_of(ingress),
                "class_unknown",
                "spec.ingressClassName",
                f"there is no IngressClass {shown(name)}",
                _NOT_SERVED,
            )


def _is_unknown(name: str, inventory: Inventory, options: CompilerOptions) -> bool:
    return name not in inventory.classes and name != options.ingress_class
