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
    from countline.compat.deepstream.files import nvdsanalytics
    from countline.compat.deepstream.migrate.compare import compare
    from countline.record.tracks import read_tracks

    config = nvdsanalytics.read(rules_file)
    for warning in config.warnings:
        echo(f"warning: {warning}", err=True)
    for line in compare(config, read_tracks(tracks)).text():
        echo(line)
