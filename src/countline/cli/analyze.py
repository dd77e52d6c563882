"""``countline analyze``."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import BinaryIO

import click

from countline.terminal import echo

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
    from countline.commands.analyze import as_json, evaluate, load_rules, parse_explain
    from countline.commands.sink import open_output
    from countline.errors import ConfigError, DataError, RuleError
    from countline.file_safety import NamedFile, refuse_overwriting
    from countline.record.tracks import read_tracks

    if out != "-":
        reads = [NamedFile("TRACKS", tracks), NamedFile("--rules", rules_file)]
        refuse_overwriting(reads, [NamedFile("--out", out)])
    wanted = [parse_explain(text) for text in questions]
    with ExitStack() as stack:
        silent = bool(wanted) and out == "-"
        sink: BinaryIO | None = None if silent else stack.enter_context(open_output(out))
        try:
            loaded = load_rules(rules_file)
        except RuleError:
            if sink is not None:
                sink.write(b'{"error":"config rejected"}\n')
                sink.flush()
            raise
        for warning in loaded.warnings:
            echo(f"warning: {warning}", err=True)
        live = tracks == "-"
        sources: dict[str, None] = {}
        try:
            for analytics in evaluate(loaded, read_tracks(tracks), batch=1 if live else 64):
                sources[analytics.frame.source.name] = None
                if sink is not None:
                    sink.write(as_json(analytics))
                    if live:
                        sink.flush()
        except (DataError, ConfigError):
            if sink is not None:
                sink.flush()
            raise
        if sink is not None:
            sink.flush()
        for question in wanted:
            for answer in question.answers(loaded.engine, list(sources)):
                echo(answer)
    sys.stdout.flush()
