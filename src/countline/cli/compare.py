"""``countline compare``."""

from __future__ import annotations

from typing import Any

import click

from countline.cli.recorded import recorded_options
from countline.terminal import echo

__all__ = ["command"]


@click.command("compare")
@recorded_options
@click.option("--rules", "rules_file", metavar="FILE", help="With TRACKS: config_nvdsanalytics.txt or .yml.")
@click.option(
    "--most",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    metavar="N",
    help="Tracks that are shown, at most.",
)
@click.argument("paths", nargs=-1, required=True, metavar="OLD NEW|TRACKS")
def command(paths: tuple[str, ...], rules_file: str | None, most: int, **options: Any) -> None:
    """Show where and why two sets of rules, or two engines, count otherwise on the same recorded tracks.

    \b
    countline compare old.yaml new.yaml --tracks 'recorded/**/*.parquet'
    countline compare --rules config_nvdsanalytics.txt tracks.jsonl

    The second runs both engines over one file TRACKS.
    """
    if rules_file is not None:
        if len(paths) != 1 or options["recorded"]:
            raise click.UsageError("--rules takes one file TRACKS.")
        _engines(rules_file, paths[0])
        return
    if len(paths) != 2 or not options["recorded"]:
        raise click.UsageError("Give two configurations and --tracks (or --rules and one file of tracks).")
    from countline.commands.history import compare_rules

    compare_rules(
        paths[0], paths[1], options["recorded"], (options["since"], options["until"]), workers=options["workers"],
        as_json=options["as_json"], most=most, quiet=options["quiet"],
    )  # fmt: skip


def _engines(rules_file: str, tracks: str) -> None:
    from countline.commands.compare import compared

    warnings, lines = compared(rules_file, tracks)
    for warning in warnings:
        echo(f"warning: {warning}", err=True)
    for line in lines:
        echo(line)
