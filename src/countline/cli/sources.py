"""``countline sources``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["command"]


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    for decorate in (
        click.option("-X", "--option", "options", multiple=True, metavar="KEY=VALUE", help="Any librdkafka option."),
        click.option("--state-topic", metavar="TOPIC", help="[default: GROUP.state]"),
        click.option("--sources-topic", metavar="TOPIC", help="[default: GROUP.sources]"),
        click.option(
            "--partitions", type=click.IntRange(min=1), metavar="N", help="Of topics that are made.  [default: 32]"
        ),
        click.option("--kafka", required=True, metavar="HOST:PORT", help="Kafka bootstrap servers."),
        click.option("--group", required=True, metavar="NAME", help="Group of workers that share the sources."),
    ):
        function = decorate(function)
    return function


@click.group("sources")
def command() -> None:
    """Show and change the sources of a group of workers."""


@command.command("put")
@click.argument("words", nargs=-1, metavar="[NAME URI]")
@click.option(
    "--file", type=click.Path(path_type=Path), metavar="FILE", help="YAML with `sources:`, or a list of them."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Option of the source, e.g. fps=5.")
@_common
def put(**options: object) -> int:
    """Define a source, or define it anew; workers take it up at once.

    \b
    countline sources put gate rtsp://10.0.0.7/stream1 --set fps=5 --group site-7 --kafka localhost:9092
    countline sources put --file cameras.yaml --group site-7 --kafka localhost:9092
    """
    from countline.commands.sources import put_command

    return put_command(options)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@_common
def show(**options: object) -> int:
    """Show the sources, who reads them, and what was counted."""
    from countline.commands.sources import list_command

    return list_command(options)


@command.command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_common
def remove(**options: object) -> int:
    """Take sources away; their counts stay."""
    from countline.commands.sources import remove_command

    return remove_command(options)
