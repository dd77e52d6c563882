"""``countline analyze``."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("analyze")
@click.option(
    "--rules",
    "rules_file",
    required=True,
    metavar="FILE",
    help="config_nvdsanalytics.txt or .yml (exact engine), or a countline YAML file.",
)
@click.option("--out", metavar="FILE", default="-", help="Where the results go; standard output unless set.")
@click.option(
    "--explain",
    "questions",
    multiple=True,
    metavar="[SOURCE/]ID[:RULE]",
    help="Say why a track was counted or not. Several times. Without --out only the answers are printed.",
)
@click.argument("tracks", metavar="TRACKS")
def command(rules_file: str, out: str, questions: tuple[str, ...], tracks: str) -> None:
    """Evaluate rules on recorded TRACKS (JSON Lines, also gzip, or Parquet; - for standard input), without video.

    One line of JSON for each frame: nvdsanalytics' metadata for the exact engine, events and counts for the native one.
    """
    from countline.commands.analyze import analyze_command

    analyze_command(rules_file, out, questions, tracks)
