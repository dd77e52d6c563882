"""The option ``--web [HOST:PORT]`` of several commands."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

__all__ = ["WithWeb", "web_option"]

DEFAULT = "127.0.0.1:8787"
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]:|[A-Za-z0-9.-]*:)?\d{1,5}\Z")


class WithWeb(click.Command):
    """A command that has it: what follows ``--web`` is its address only where it looks like one, and else an argument."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for i, arg in enumerate(args):
            if arg == "--":
                break
            if arg == "--web" and not (i + 1 < len(args) and _ADDRESS.match(args[i + 1])):
                args[i] = f"--web={DEFAULT}"
        return super().parse_args(ctx, args)


def web_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option."""
    return click.option(
        "--web",
        is_flag=False,
        flag_value=DEFAULT,
        metavar="[HOST:PORT]",
        help=f"A page in the browser that shows the run, at {DEFAULT} unless an address is given (or `web:` in the file).",
    )(command)
