"""``countline health``."""

from __future__ import annotations

import click

__all__ = ["command"]


@click.command("health")
@click.argument("address", default="127.0.0.1:9464", metavar="[HOST:PORT | CONFIG.yaml]")
@click.option("--ready", is_flag=True, help="Whether it is of use, too: model loaded, outbox writable, a source live.")
@click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=5.0, show_default=True, metavar="S", help="How long to wait."
)
@click.option("--json", "as_json", is_flag=True, help="What was answered, as JSON.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing; the exit code tells.")
def command(**options: object) -> int:
    """Ask a run whether it is well. It is the one that listens at HOST:PORT, or where CONFIG.yaml says (`metrics:`).

    Exit code 0: well; 1: not well, or nothing answers; 2: usage.
    """
    from countline.commands.health import health_command

    return health_command(options)
