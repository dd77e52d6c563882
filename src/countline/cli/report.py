"""``countline report``."""

from __future__ import annotations

from typing import Any

import click

from countline.cli.recorded import recorded_options

__all__ = ["command"]


@click.command("report")
@recorded_options
@click.option("--out", metavar="FILE.html", default="report.html", show_default=True, help="The report.")
@click.option("--png", metavar="DIR", help="Write each figure as a PNG, too.")
@click.option("--csv", "sheets", metavar="DIR", help="Write each table as CSV, too.")
@click.option(
    "--picture",
    "pictures",
    multiple=True,
    metavar="[SOURCE=]FILE",
    help="Picture of the scene (JPEG, PNG, or a video's first frame), under heat map and paths. Several times.",
)
@click.option("--every", default="1h", show_default=True, metavar="TIME", help="Length of a bar: 15m, 1h, 1d.")
@click.option(
    "--zone", default="UTC", show_default=True, metavar="ZONE", help="Time zone of hours and days: Europe/Berlin."
)
@click.argument("config", metavar="CONFIG")
def command(config: str, recorded: tuple[str, ...], since: str | None, until: str | None, **options: Any) -> None:
    """Write one HTML file of what the rules of CONFIG count on recorded tracks: counts by time and direction, heat map and paths over a
    picture of the scene, dwell times, speeds, origins and destinations. Times of which nothing was recorded are marked.

    \b
    countline report countline.yaml --tracks recorded --from 2026-11-22 --to 2026-11-29 --zone Europe/Berlin --out week.html
    """
    if not recorded:
        raise click.UsageError("Missing option '--tracks'.")
    from countline.commands.report import report_command

    report_command(config, recorded, (since, until), **options)
