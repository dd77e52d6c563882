"""``countline check``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("check")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "--device",
    metavar="cuda",
    help="Check what this device needs, in the place of the one in CONFIG; without CONFIG that alone.",
)
@click.option("--send", is_flag=True, help="Also send a test message through each output.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    metavar="S",
    help="Patience with each server.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def command(**options: object) -> int:
    """Check everything that CONFIG names: each source is opened, the model loaded, rules and messages built, each output
    resolved, reached and asked for its topic. One line each: what is wrong, and what to do."""
    from countline.commands.check import check_command

    return check_command(options)
