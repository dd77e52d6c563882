"""``countline compare``."""

from __future__ import annotations

import click

from countline.terminal import echo

__all__ = ["command"]


@click.command("compare")
@click.option("--rules", "rules_file", required=True, metavar="FILE", help="config_nvdsanalytics.txt or .yml.")
@click.argument("tracks", metavar="TRACKS")
def command(rules_file: str, tracks: str) -> None:
    """Run both engines over recorded TRACKS and show where and why their line counts differ."""
    from countline.commands.compare import compared

    warnings, lines = compared(rules_file, tracks)
    for warning in warnings:
        echo(f"warning: {warning}", err=True)
    for line in lines:
        echo(line)
