"""``countline counts``."""

from __future__ import annotations

from pathlib import Path

import click

from countline.terminal import echo

__all__ = ["command"]


class _Counts(click.Command):
    """`countline counts CONFIG` shows, as `countline outbox CONFIG` does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not {"show", "reset"} & set(args):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.command("counts", cls=_Counts)
@click.argument("action", type=click.Choice(["show", "reset"]), default="show", required=False)
@click.argument("place", metavar="[CONFIG|OUTBOX]", required=False, type=click.Path(path_type=Path))
@click.option("--outbox", "path", metavar="PATH", type=click.Path(path_type=Path), help="Outbox file.")
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--rule", metavar="NAME", help="Only this rule.")
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
def command(
    action: str, place: Path | None, path: Path | None, source: str | None, rule: str | None, as_json: bool
) -> None:
    """Show the durable counts, or set them to 0 and begin a new epoch.

    \b
    countline counts countline.yaml
    countline counts reset countline.yaml --source entrance
    """
    from countline.commands import outbox as commands

    where = commands.locate(place, path)
    if action == "reset":
        echo(f"{commands.reset(where, source, rule)} counters set to 0")
    else:
        echo(commands.show_counts(where, source, rule, as_json=as_json))
