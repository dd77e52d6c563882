"""``countline outbox``."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from countline.terminal import echo

__all__ = ["command"]

_PLACE = click.argument("place", metavar="[CONFIG|OUTBOX]", required=False, type=click.Path(path_type=Path))
_FILES = (".yaml", ".yml", ".outbox")
_OUTBOX = click.option("--outbox", "path", metavar="PATH", type=click.Path(path_type=Path), help="Outbox file.")


class _Group(click.Group):
    """`countline outbox CONFIG` shows; `countline outbox retry CONFIG` and the others act."""

    shows = "status"
    """The command that is meant where none is named."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args or args[0] not in self.commands:
            args = [self.shows, *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not any(arg in self.commands for arg in args) and not {"-h", "--help"} & set(args):
            args = [self.shows, *args]
        return super().parse_args(ctx, args)


@click.group("outbox", cls=_Group, no_args_is_help=False)
def command() -> None:
    """Show what waits for delivery: size, age of the oldest, each output's lag, dead letters.

    \b
    countline outbox countline.yaml           # by configuration, or by the file itself:
    countline outbox --outbox .countline/countline.outbox
    countline outbox retry countline.yaml     # send dead letters again
    countline outbox export countline.yaml > waiting.jsonl
    countline outbox backup copy.outbox countline.yaml
    countline outbox show ID countline.yaml   # one message; skip, edit and send change it
    countline outbox failures countline.yaml  # what could not be made; failures retry makes it anew
    """


@command.command("status", hidden=True)
@_PLACE
@_OUTBOX
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def status(place: Path | None, path: Path | None, as_json: bool) -> None:
    """Show what waits for delivery."""
    from countline.commands import outbox as commands

    echo(commands.show(commands.locate(place, path), as_json=as_json))


_ID = click.argument("ident", metavar="ID")
_OF = click.option("--output", metavar="NAME", help="Only of this output.")


@command.command("show")
@click.argument("ident", metavar="ID", required=False)
@_PLACE
@_OUTBOX
@click.option("--json", "as_json", is_flag=True, hidden=True)
@click.pass_context
def show(ctx: click.Context, ident: str | None, place: Path | None, path: Path | None, as_json: bool) -> None:
    """Show a message that waits or is a dead letter, also while a run uses the outbox."""
    from countline.commands import outbox as commands

    if ident is None or (place is None and (Path(ident).suffix in _FILES or Path(ident).is_file())):
        ctx.invoke(
            status, place=Path(ident) if ident else None, path=path, as_json=as_json
        )  # as before there were single messages
        return
    for line in commands.show_message(commands.locate(place, path), ident):
        echo(line)


@command.command("skip")
@_ID
@_PLACE
@_OUTBOX
@_OF
def skip(ident: str, place: Path | None, path: Path | None, output: str | None) -> None:
    """Give a message up, while no run uses the outbox; it is counted as dropped: 'skipped'."""
    from countline.commands import outbox as commands

    count = commands.skip_message(commands.locate(place, path), ident, output)
    echo(f"{ident} given up for {count} outputs")


@command.command("send")
@_ID
@_PLACE
@_OUTBOX
@_OF
def send(ident: str, place: Path | None, path: Path | None, output: str | None) -> None:
    """Put a message, waiting or dead, behind all that waits; the next run sends it. Later messages of its key overtake it."""
    from countline.commands import outbox as commands

    count = commands.send_message(commands.locate(place, path), ident, output)
    echo(f"{ident} waits again for {count} outputs")


@command.command("edit")
@_ID
@_PLACE
@_OUTBOX
@click.option("--value", metavar="TEXT", help="New value.")
@click.option("--value-file", metavar="FILE", type=click.File("rb"), help="New value from a file; - is standard input.")
@click.option("--key", metavar="TEXT", help="New key.")
@click.option("--no-key", is_flag=True, help="Take the key away.")
@click.option("--topic", metavar="NAME", help="New topic.")
@click.option("--header", "headers", metavar="NAME=VALUE", multiple=True, help="Set a header.")
@click.option("--without", metavar="NAME", multiple=True, help="Take a header away.")
def edit(
    ident: str,
    place: Path | None,
    path: Path | None,
    value: str | None,
    value_file: BinaryIO | None,
    key: str | None,
    no_key: bool,
    topic: str | None,
    headers: tuple[str, ...],
    without: tuple[str, ...],
) -> None:
    """Change a message, waiting or dead, while no run uses the outbox. It keeps its id and its place; a dead letter waits for
    `send` or `retry`."""
    from countline.commands import outbox as commands

    if value is not None and value_file is not None:
        raise click.UsageError("give --value or --value-file")
    new = (
        value_file.read()
        if value_file is not None
        else value.encode("utf-8", "surrogateescape")
        if value is not None
        else None
    )
    change = commands.change(new, key, no_key, topic, headers, without)
    count = commands.edit(commands.locate(place, path), ident, change)
    echo(f"{ident}: {count} changed")


@command.command("retry")
@_PLACE
@_OUTBOX
@click.option("--output", metavar="NAME", help="Only of this output.")
@click.option("--number", type=int, metavar="N", help="Only this dead letter (numbers: `export --dead`).")
def retry(place: Path | None, path: Path | None, output: str | None, number: int | None) -> None:
    """Put dead letters back into the queue; the next run sends them."""
    from countline.commands import outbox as commands

    count = commands.retry(commands.locate(place, path), output, number)
    echo(f"{count} dead letters wait for delivery again")


@command.command("export")
@_PLACE
@_OUTBOX
@click.option("--output", metavar="NAME", help="Only what waits for this output.")
@click.option("--dead", is_flag=True, help="Dead letters instead of waiting messages.")
def export(place: Path | None, path: Path | None, output: str | None, dead: bool) -> None:
    """Write waiting messages or dead letters as JSON Lines to standard output; takes nothing away."""
    from countline.commands import outbox as commands

    for line in commands.export_lines(commands.locate(place, path), output, dead=dead):
        echo(line)


@command.command("forget")
@_PLACE
@_OUTBOX
@click.option("--output", metavar="NAME", required=True, help="An output that is no longer configured.")
def forget(place: Path | None, path: Path | None, output: str) -> None:
    """Give up what waits for an output that is no longer configured."""
    from countline.commands import outbox as commands

    count = commands.forget(commands.locate(place, path), output)
    echo(f"{count} messages for '{output}' given up")


@command.command("backup")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@_PLACE
@_OUTBOX
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def backup(file: Path, place: Path | None, path: Path | None, overwrite: bool) -> None:
    """Copy the outbox to FILE, whole, also while a run uses it.

    A copy of the file alone lacks what is still in the log beside it (OUTBOX-wal), and can be empty without a word.
    """
    from countline.commands import outbox as commands

    commands.refuse_input(place, file)
    status = commands.backup(commands.locate(place, path), file, overwrite=overwrite)
    echo(
        f"{file}: {status.messages} messages, {status.dead_letters} dead letters and all counts, as they were at one instant"
    )


class _Failures(_Group):
    shows = "list"


@command.group("failures", cls=_Failures, no_args_is_help=False)
def failures() -> None:
    """Show messages that a template or a function could not make; make them anew.

    \b
    countline outbox failures countline.yaml
    countline outbox failures retry countline.yaml
    """


_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_OF_MESSAGE = click.option("--message", "name", metavar="NAME", help="Only of this message of the configuration.")


@failures.command("list")
@_PLACE
@_OUTBOX
@_OF_MESSAGE
@_JSON
def list_failures(place: Path | None, path: Path | None, name: str | None, as_json: bool) -> None:
    """Show what could not be made, also while a run uses the outbox."""
    from countline.commands import outbox as commands
    from countline.commands.failures import failure_lines

    for line in failure_lines(commands.locate(place, path), name, as_json=as_json):
        echo(line)


@failures.command("retry")
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@_OF_MESSAGE
@_JSON
def retry_all(config: Path, name: str | None, as_json: bool) -> int:
    """Make them anew with the messages of CONFIG as they are now, while no run uses the outbox; the next run sends them.

    Each has the id that it would have had, and none is put in twice. Exit code 0: none is left; 2: some cannot be made still, they stay
    with their new reason; 5: the outbox is in use, or full.
    """
    from countline.commands.failures import retried

    lines, code = retried(config, name, as_json=as_json)
    for line in lines:
        echo(line)
    return code
