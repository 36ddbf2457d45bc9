"""A group of commands whose modules are loaded when one of them is asked for, or the help that names them all.

A worker that starts again, and whoever types a command, need not wait for what the other commands bring along (Numba alone takes
0.2 s).
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

MODULES: Mapping[str, str] = {
    "demo": "demo",
    "detect": "detect",
    "notify": "notify",
    "audit": "audit",
    "explain": "explain",
    "dead-letters": "dead_letters_replay",  # the last of them to join their `app`
    "mail": "mail",
    "policy": "policy",
    "topics": "topics",
    "verdicts": "verdicts",
    "restricted": "restricted",
    "events": "events",
    "what-if": "what_if",
}
"""Where each command is, in the help's order: a module with an `app` of its own commands, or with a function of its name."""


class Lazily(TyperGroup):
    """The commands of `MODULES`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = cast("Any", _Commands())  # which nobody adds to

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - as the library calls it
        """Their names, with none of them loaded."""
        return list(MODULES)


class _Commands(Mapping[str, Any]):
    """Each is loaded when it is looked up; their names are there before."""

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)

    def __contains__(self, command: object) -> bool:
        return command in MODULES

    def get(self, command: str, default: Any = None) -> Any:
        """As of any mapping; but what goes wrong while a module is loaded is not taken for a name that is not there."""
        return self[command] if command in MODULES else default

    def __getitem__(self, command: str) -> Any:
        name = MODULES[command]
        module = import_module(f"processor.cli.{name}")
        holder = typer.Typer()
        if hasattr(module, "app"):
            holder.add_typer(module.app, name=command)
        else:
            holder.command(command)(getattr(module, name))
        return typer.main.get_group(holder).commands[command]
