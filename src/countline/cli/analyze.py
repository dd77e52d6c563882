"""``countline analyze``."""

from __future__ import annotations

from typing import Any

import click

from countline.cli.recorded import recorded_options

__all__ = ["command"]


@click.command("analyze")
@recorded_options
@click.option(
    "--rules",
    "rules_file",
    metavar="FILE",
    help="With TRACKS: config_nvdsanalytics.txt or .yml (exact engine), or a countline YAML file.",
)
@click.option(
    "--out",
    metavar="FILE",
    help="Where the results go: .jsonl, .jsonl.gz, .csv or .parquet; - for standard output, where those of --rules go unless set.",
)
@click.option(
    "--explain",
    "questions",
    multiple=True,
    metavar="[SOURCE/]ID[:RULE]",
    help="With --rules: say why a track was counted or not. Several times. Without --out only the answers are printed.",
)
@click.argument("path", metavar="CONFIG|TRACKS")
def command(path: str, rules_file: str | None, questions: tuple[str, ...], out: str | None, **options: Any) -> None:
    """Evaluate rules on recorded tracks, without video.

    \b
    countline analyze countline.yaml --tracks 'recorded/**/*.parquet' --from 2026-11-22 --to 2026-11-23
    countline analyze --rules config_nvdsanalytics.txt tracks.jsonl

    The first counts over days of tracks, as if the rules of CONFIG had run live: totals, and each event with --out. The second prints
    a line of JSON for each frame of one file TRACKS (JSON Lines, also gzip, or Parquet; - for standard input): nvdsanalytics' metadata
    for the exact engine, events and counts for the native one.
    """
    if rules_file is not None:
        from countline.commands.analyze import analyze_command

        odd = [name for name in ("recorded", "since", "until", "workers", "as_json") if options[name]]
        if odd:
            raise click.UsageError("--rules takes one file TRACKS, and no other option than --out and --explain.")
        analyze_command(rules_file, out or "-", questions, path)
        return
    if not options["recorded"]:
        raise click.UsageError("Missing option '--tracks' (or '--rules' for a single file of tracks).")
    if questions:
        raise click.UsageError("--explain goes with --rules and one file TRACKS.")
    from countline.commands.history import analyze_recording

    analyze_recording(
        path, options["recorded"], (options["since"], options["until"]), workers=options["workers"], out=out,
        as_json=options["as_json"], quiet=options["quiet"],
    )  # fmt: skip
