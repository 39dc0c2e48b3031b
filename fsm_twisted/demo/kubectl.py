"""
A stand-in for kubectl that works on a folder of manifests.

It does what the article types, worded and answered as kubectl does; anything else it refuses
with a line that says what it knows.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import ssl
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

import yaml

from fsm_twisted.demo.document import (
    KINDS,
    Document,
    Kind,
    Misshapen,
    document_from,
    is_object_name,
)
from fsm_twisted.demo.endpoints import endpoints_of
from fsm_twisted.demo.folder import bodies_in
from fsm_twisted.demo.store import Refused, Store
from fsm_twisted.demo.tables import Style, matches, table

Lines = Iterator[str]
Options = argparse.Namespace
Verbs: TypeAlias = "argparse._SubParsersAction[_Parser]"

_ABOUT: Final = (
    "this kubectl works on a folder of manifests; it knows create namespace, create secret tls, "
    "create secret generic, apply, delete and get"
)

_TAKING_A_VALUE: Final = frozenset(
    [
        "-n",
        "--namespace",
        "-f",
        "--filename",
        "-l",
        "--selector",
        "-o",
        "--output",
        "--cert",
        "--key",
        "--from-file",
        "--from-literal",
    ]
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Refused(f"error: {message} ({_ABOUT})")


def create_namespace(store: Store, options: Options) -> Lines:
    """Create a Namespace."""
    document = _new("v1", "Namespace", "", options.name)
    yield from _created(store, document, "Error from server (AlreadyExists): ")


def create_secret_tls(store: Store, options: Options) -> Lines:
    """Create a Secret of type ``kubernetes.io/tls`` from a certificate and its key."""
    files = {"tls.crt": _read(options.cert), "tls.key": _read(options.key)}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(options.cert, options.key, password="")
    except ssl.SSLError:
        message = f"{options.cert} and {options.key} are not a PEM certificate and its key"
        raise Refused(f"error: tls: {message}") from None
    yield from _created_secret(store, options, "kubernetes.io/tls", files)


def create_secret_generic(store: Store, options: Options) -> Lines:
    """Create a Secret from files and literals."""
    files = {}
    for source in options.from_file:
        key, equal, path = source.rpartition("=")
        files[key if equal else Path(path).name] = _read(path)
    for source in options.from_literal:
        key, equal, value = source.partition("=")
        if not equal:
            raise Refused(f"error: --from-literal={source}: expected KEY=VALUE")
        files[key] = value.encode()
    yield from _created_secret(store, options, "Opaque", files)


def apply(store: Store, options: Options) -> Lines:
    """Make objects what a manifest says; those that are right are applied even if others fail."""
    source = "STDIN" if options.filename == "-" else options.filename
    failures = []
    for body in _bodies(options.filename):
        try:
            document = _aimed(body, options.namespace)
            doing = f'Error from server (NotFound): error when creating "{source}": '
            if document.kind.is_namespaced:
                store.require_namespace(document.namespace, doing)
            yield f"{document} {store.apply(document)}"
        except Misshapen as error:
            failures.append(f'error: error validating "{source}": {error}')
        except Refused as error:
            failures.append(str(error))
    if failures:
        raise Refused("\n".join(failures))


def delete(store: Store, options: Options) -> Lines:
    """Delete objects by kind and names, or those of a manifest."""
    if options.filename:
        bodies = _bodies(options.filename)
        targets = [_aimed(body, options.namespace) for body in bodies]
        found = [store.find(t.kind, t.namespace, t.name) for t in targets]
    elif options.kind and options.names:
        kind, namespace = _kind(options.kind), options.namespace or "default"
        found = [store.find(kind, namespace, name) for name in options.names]
    else:
        raise Refused("error: delete wants KIND NAME or -f FILE")
    for document in found:
        store.remove(document)
        yield f'{document.kind.singular} "{document.name}" deleted'


def get(store: Store, options: Options) -> Lines:
    """Show objects; several kinds are separated by commas."""
    kinds = [_kind(word) for word in options.kind.split(",")]
    namespace = None if options.all_namespaces else options.namespace or "default"
    found = [d for kind in kinds for d in _chosen(store, kind, namespace, options)]
    if options.output == "name":
        yield from map(str, found)
    elif options.output in ("yaml", "json"):
        yield _dump(found, options)
    elif found:
        yield "\n".join(_tables(kinds, found, options)).removesuffix("\n")
    else:
        everywhere = namespace is None or not kinds[0].is_namespaced
        where = "." if everywhere else f" in {namespace} namespace."
        sys.stderr.write(f"No resources found{where}\n")


def _chosen(
    store: Store, kind: Kind, namespace: str | None, options: Options
) -> tuple[Document, ...]:
    if kind.name == "Endpoints":
        slices = store.every(_kind("endpointslice"), namespace)
        services = _named(store, _kind("service"), namespace, options)
        found = tuple(endpoints_of(service, slices) for service in services)
    else:
        found = _named(store, kind, namespace, options)
    return tuple(d for d in found if matches(options.selector, d.labels))


def _named(
    store: Store, kind: Kind, namespace: str | None, options: Options
) -> tuple[Document, ...]:
    if options.name:
        return (store.find(kind, namespace or "default", options.name),)
    return store.every(kind, namespace)


def _tables(kinds: list[Kind], found: list[Document], options: Options) -> Lines:
    for kind in kinds:
        group = [document for document in found if document.kind == kind]
        has_namespaces = options.all_namespaces and kind.is_namespaced
        style = Style(datetime.now(UTC), has_namespaces, not options.no_headers)
        if group:
            yield table(kind.name, group, style)


def _dump(documents: list[Document], options: Options) -> str:
    bodies = [document.body for document in documents]
    shown = {"apiVersion": "v1", "kind": "List", "items": bodies}
    whole = bodies[0] if options.name else shown
    if options.output == "json":
        return json.dumps(whole, indent=4, ensure_ascii=False)
    return yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).removesuffix("\n")


def _kind(word: str) -> Kind:
    for kind in KINDS:
        if word.lower() in kind.spellings:
            return kind
    raise Refused(f'error: the server doesn\'t have a resource type "{word}" ({_ABOUT})')


def _bodies(filename: str) -> tuple[object, ...]:
    source = "STDIN" if filename == "-" else filename
    content = sys.stdin.buffer.read() if filename == "-" else _read(filename)
    try:
        found = bodies_in(content.decode())
    except (Misshapen, UnicodeDecodeError) as error:
        raise Refused(f"error: error parsing {source}: {error}") from None
    if not found:
        raise Refused("error: no objects passed to apply")
    return found


def _aimed(body: object, namespace: str | None) -> Document:
    document = document_from(body, namespace or "default")
    stated = document.namespace
    if document.kind.is_namespaced and namespace not in (None, stated):
        raise Refused(
            f'error: the namespace from the provided object "{stated}" does not match the '
            f"namespace \"{namespace}\". You must pass '--namespace={stated}' to perform this "
            "operation."
        )
    return document


def _new(version: str, kind: str, namespace: str, name: str, **fields: object) -> Document:
    if not is_object_name(name):
        raise Refused(
            f'The {kind} "{name}" is invalid: metadata.name: a name is of lower case letters, '
            "digits, '-' and '.', and begins and ends with a letter or digit"
        )
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}
    return document_from(body, namespace)


def _created_secret(
    store: Store, options: Options, secret_type: str, files: dict[str, bytes]
) -> Lines:
    data = {key: base64.b64encode(content).decode() for key, content in files.items()}
    namespace = options.namespace or "default"
    store.require_namespace(namespace, "error: failed to create secret ")
    document = _new("v1", "Secret", namespace, options.name, type=secret_type, data=data)
    yield from _created(store, document, "error: failed to create secret ")


def _created(store: Store, document: Document, doing: str) -> Lines:
    try:
        store.create(document)
    except Refused as refusal:
        raise Refused(f"{doing}{refusal}") from None
    yield f"{document} created"


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"error: cannot read {path}: {error.strerror}") from None


def _parser() -> _Parser:
    scope = _Parser(add_help=False)
    scope.add_argument("-n", "--namespace")
    parser = _Parser(prog="kubectl", description=_ABOUT)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_create(verbs.add_parser("create").add_subparsers(required=True, metavar="KIND"), scope)

    one = verbs.add_parser("apply", parents=[scope], help=apply.__doc__)
    one.add_argument("-f", "--filename", required=True)
    one.set_defaults(run=apply)

    one = verbs.add_parser("delete", parents=[scope], help=delete.__doc__)
    one.add_argument("kind", nargs="?")
    one.add_argument("names", nargs="*", metavar="name")
    one.add_argument("-f", "--filename")
    one.set_defaults(run=delete)

    one = verbs.add_parser("get", parents=[scope], help=get.__doc__)
    one.add_argument("kind")
    one.add_argument("name", nargs="?")
    one.add_argument("-A", "--all-namespaces", action="store_true")
    one.add_argument("-l", "--selector", default="")
    one.add_argument("-o", "--output", choices=("name", "yaml", "json", "wide"))
    one.add_argument("--no-headers", action="store_true")
    one.set_defaults(run=get)
    return parser


def _add_create(kinds: Verbs, scope: _Parser) -> None:
    for word in ("namespace", "ns"):
        one = kinds.add_parser(word, parents=[scope], help=create_namespace.__doc__)
        one.add_argument("name")
        one.set_defaults(run=create_namespace)

    types = kinds.add_parser("secret").add_subparsers(required=True, metavar="TYPE")
    one = types.add_parser("tls", parents=[scope], help=create_secret_tls.__doc__)
    one.add_argument("name")
    one.add_argument("--cert", required=True, metavar="FILE")
    one.add_argument("--key", required=True, metavar="FILE")
    one.set_defaults(run=create_secret_tls)

    one = types.add_parser("generic", parents=[scope], help=create_secret_generic.__doc__)
    one.add_argument("name")
    one.add_argument("--from-file", action="append", default=[], metavar="[KEY=]FILE")
    one.add_argument("--from-literal", action="append", default=[], metavar="KEY=VALUE")
    one.set_defaults(run=create_secret_generic)


def _store(folder: Path) -> Store:
    if folder.is_dir():
        return Store(folder)
    raise Refused(
        f"error: no folder {folder}: run `make demo` first, or name yours in FSM_MANIFESTS"
    )


def _options_last(arguments: Iterable[str]) -> list[str]:
    """Return the arguments with options behind words: kubectl takes them anywhere."""
    words, options = [], []
    rest = iter(arguments)
    for argument in rest:
        if argument == "-" or not argument.startswith("-"):
            words.append(argument)
            continue
        options.append(argument)
        if argument in _TAKING_A_VALUE:
            options += islice(rest, 1)
    return words + options


def main(arguments: list[str], folder: Path) -> int:
    """Do one command on the folder; return the exit status."""
    try:
        options = _parser().parse_args(_options_last(arguments))
        for line in options.run(_store(folder), options):
            sys.stdout.write(f"{line}\n")
    except Refused as refusal:
        sys.stdout.flush()
        sys.stderr.write(f"{refusal}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Path(os.environ.get("FSM_MANIFESTS", ".demo/manifests"))))
