"""Options of the commands that read recorded tracks of many files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["recorded_options"]

F = TypeVar("F", bound=Callable[..., Any])


def recorded_options(command: F) -> F:
    """``--tracks``, ``--from``, ``--to``, ``--workers``, ``--json`` and ``--quiet``."""
    for option in reversed(
        (
            click.option(
                "--tracks",
                "recorded",
                multiple=True,
                metavar="GLOB",
                help="Recorded tracks: a file, a folder, or a glob in quotes ('recorded/**/*.parquet'). Several times.",
            ),
            click.option(
                "--from", "since", metavar="TIME", help="Only frames from this time on: 2026-11-22T08:00:00Z."
            ),
            click.option("--to", "until", metavar="TIME", help="Only frames before this time."),
            click.option(
                "--workers",
                type=click.IntRange(min=0),
                default=0,
                metavar="N",
                help="Processes at most, 0: one for each core. Sources are spread over them.",
            ),
            click.option("--json", "as_json", is_flag=True, help="Totals as one line of JSON."),
            click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
        )
    ):
        command = option(command)
    return command
