"""``countline convert``."""

from __future__ import annotations

import click

from countline.terminal import echo

__all__ = ["command"]


@click.command("convert")
@click.argument("file", metavar="FILE")
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="N=NAME",
    help="Name of the source that is stream N there; several times.",
)
def command(file: str, sources: tuple[str, ...]) -> None:
    """Print the countline configuration that means what a DeepStream FILE means.

    config_nvdsanalytics.txt or .yml becomes rules of the native engine, nvinfer's file a detector, that of deepstream-app or
    deepstream-test5 a whole configuration; what has no equal stands there as comments. For other files it is said what they are.
    """
    from countline.commands.convert import converted

    text, warnings = converted(file, sources)
    for warning in warnings:
        echo(f"warning: {warning}", err=True)
    echo(text, nl=False)
