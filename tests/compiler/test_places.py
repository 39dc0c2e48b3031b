"""A finding names the field as the document has it, whatever was left out before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.compiler import CompilerOptions, compile_snapshot
from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import Ingress
from tests.objects import documents as doc

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STEP: Final = re.compile(r"(\w+)|\[(\d+)\]")


def _numbered(sound: list[bool], prefix: str) -> list[doc.Document]:
    """Return paths to Services that are not there, among such as cannot be read."""
    return [
        doc.path(f"/{i}", backend=doc.backend(f"{prefix}-{i}"))
        if is_sound
        else doc.path("no slash")
        for i, is_sound in enumerate(sound)
    ]


_SOUND: Final = st.lists(st.booleans(), min_size=1, max_size=3)


@st.composite
def _ingresses(draw: st.DrawFn) -> doc.Document:
    """Return an Ingress with faults that only the compiler sees between those of decoding."""
    rules = [
        doc.rule(*_numbered(draw(_SOUND), f"svc-{i}"), host=f"h{i}.example")
        if draw(st.booleans())
        else {"host": "no host"}
        for i in range(draw(st.integers(1, 3)))
    ]
    tls = [
        {"hosts": [f"h{i}.example" if is_sound else "no host"], "secretName": f"sec-{i}"}
        for i, is_sound in enumerate(draw(_SOUND))
    ]
    passing = {"pipy.ingress.kubernetes.io/ssl-passthrough": "true"}
    document = doc.ingress(
        *rules,
        ingressClassName="pipy",
        tls=tls,
        defaultBackend=doc.backend("rest"),
        metadata={"annotations": passing} if draw(st.booleans()) else {},
    )
    return _as_v1beta1(document) if draw(st.booleans()) else document


def _as_v1beta1(document: doc.Document) -> doc.Document:
    """Say the same in the older version."""
    spec = dict(document["spec"])
    spec["backend"] = spec.pop("defaultBackend")
    old = {**document, "apiVersion": "networking.k8s.io/v1beta1", "spec": spec}
    for backend in [spec["backend"], *_backends_of_paths(spec)]:
        service = backend.pop("service")
        backend.update(serviceName=service["name"], servicePort=service["port"]["number"])
    return old


def _backends_of_paths(spec: doc.Document) -> list[doc.Document]:
    rules = (rule.get("http", {"paths": []}) for rule in spec["rules"])
    return [path["backend"] for http in rules for path in http["paths"]]


def _service_name(backend: doc.Document) -> str:
    return str(backend["service"]["name"] if "service" in backend else backend["serviceName"])


def _at(document: doc.Document, place: str) -> Any:
    found: Any = document
    for name, index in _STEP.findall(place):
        found = found[name] if name else found[int(index)]
    return found


_WORD: Final[Mapping[str, Callable[[Any], str]]] = {
    "service_missing": lambda at: _service_name(at.get("backend", at)),
    "secret_missing": lambda at: at,
    "passthrough_ignored": lambda at: f"path '{at['path']}'",
}
"""What a finding says of that which stands at its place."""


@given(_ingresses())
def test_a_finding_names_the_field_as_the_document_has_it(document: doc.Document) -> None:
    decoded = decode_object(document)
    assert isinstance(decoded.value, Ingress)

    findings = compile_snapshot(
        Inventory.of([decoded.value]), CompilerOptions(passes_tls=True), now=_NOW, generation=1
    ).findings

    told = [
        (each, place) for each in findings for place in each.places if each.reason.code in _WORD
    ]
    for finding, place in told:
        assert _WORD[finding.reason.code](_at(document, place)) in finding.message
    of_paths = {place for _, place in told if ".paths[" in place}
    assert len(of_paths) == str(document).count("svc-")
    assert len([place for _, place in told if ".tls[" in place]) == len(
        [each for each in document["spec"]["tls"] if each["hosts"] != ["no host"]]
    )
