"""Options that several commands share, and what they are read into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import attrs
import click
from click.core import ParameterSource

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.cli.offline import Offline, read_world
from fsm_twisted.cli.pages import Parameters
from fsm_twisted.cli.running import DEFAULT_ADMIN, Running
from fsm_twisted.cli.switches import Switch
from fsm_twisted.compiler.options import CompilerOptions

C = TypeVar("C", bound=Callable[..., Any])
_USUAL = CompilerOptions()


class Told(Protocol):
    """Where documents come from: manifests, or a running instance."""

    def tell(self, address: str, parameters: Parameters = ()) -> Json:
        """Return the document of an address of the API; raises `Trouble`."""


@attrs.frozen
class Where:
    """What is looked at; ``manifests`` empty: a running instance."""

    manifests: tuple[str, ...]
    is_recursive: bool
    admin: str | None
    compiler: CompilerOptions

    def told(self) -> Told:
        """
        Open it.

        Raises:
            Trouble: It cannot be.
        """
        if self.manifests and self.admin is not None:
            raise click.UsageError("--manifests and --admin: give one of them")
        if not self.manifests:
            return Running(self.admin or DEFAULT_ADMIN)
        return Offline(read_world(self.manifests, self.compiler, is_recursive=self.is_recursive))


def compiler_options(command: C) -> C:
    """Add the options of the program that change what manifests mean, to be read by `Command`."""
    for option in (
        click.option(
            "--ingress-class",
            default=_USUAL.ingress_class,
            show_default=True,
            help="Class name that is ours without an IngressClass object.",
        ),
        click.option(
            "--controller-name",
            default=_USUAL.controller_name,
            show_default=True,
            help="spec.controller of the IngressClasses that are ours.",
        ),
        click.option(
            "--allow-cross-namespace-secrets",
            cls=Switch,
            help="As the program's option of this name.",
        ),
        click.option("--ssl-passthrough", cls=Switch, help="As the program's option."),
        click.option("--mtls", cls=Switch, help="As the program's option."),
    ):
        command = option(command)
    return command


def take_compiler_options(values: dict[str, Any]) -> CompilerOptions:
    """Take what `compiler_options` has added out of *values*."""
    return CompilerOptions(
        controller_name=values.pop("controller_name"),
        ingress_class=values.pop("ingress_class"),
        allows_foreign_secrets=values.pop("allow_cross_namespace_secrets"),
        passes_tls=values.pop("ssl_passthrough"),
        mtls=values.pop("mtls"),
    )


recursive_option = click.option(
    "--recursive", "-R", is_flag=True, help="Read folders below the ones named, too."
)
output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to write it.",
)


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--manifests`` and ``--admin``; a `Command` gets a `Where` as its first argument."""

    def called(**values: Any) -> Any:
        manifests, admin = values.pop("manifests"), values.pop("admin")
        source = click.get_current_context().get_parameter_source("admin")
        if manifests and source is ParameterSource.ENVIRONMENT:
            admin = None  # the variable says which instance, not that one is asked
        recursive = values.pop("recursive")
        where = Where(manifests, recursive, admin, take_compiler_options(values))
        return command(where, **values)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__dict__.update(command.__dict__)  # click keeps parameters there
    called = compiler_options(called)
    called = recursive_option(called)
    called = click.option(
        "--admin",
        metavar="URL",
        envvar="FSM_INGRESS_ADMIN",
        help=f"Ask a running instance, by its --admin  [default: {DEFAULT_ADMIN}]",
    )(called)
    return click.option(
        "--manifests",
        "-f",
        multiple=True,
        type=click.Path(),
        metavar="PATH",
        help="Look at these files or folders instead, offline. Repeatable.",
    )(called)
