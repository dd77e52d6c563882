"""``countline web-password``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("web-password")
@click.argument("place", metavar="[CONFIG|OUTBOX]", required=False, type=click.Path(path_type=Path))
@click.option("--outbox", "path", metavar="PATH", type=click.Path(path_type=Path), help="Outbox file.")
@click.option("-q", "--quiet", is_flag=True, help="Print the password alone.")
def command(**options: object) -> int:
    """Make a new password for the page of a run, print it once, and keep its hash beside the outbox. A run that is at work takes
    it at once.

    \b
    countline web-password countline.yaml
    """
    from countline.commands.web import web_password_command

    return web_password_command(options)
