"""The command line: one module per command, no logic here.

Exit codes: 0 all well · 1 anything unforeseen · 2 usage, configuration or input data · 3 source or detector · 4 an output
cannot be used, or messages are still undelivered · 5 outbox · 6 an optional package is missing · 130 interrupted twice.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence

import click

from countline.cli import streams
from countline.errors import CountlineError
from countline.terminal import echo, guard_tracebacks

__all__ = ["main"]

COMMANDS = {
    "run": ("run", "Run the main job: video in, counts and messages out."),
    "worker": ("worker", "Read a share of the sources that a group of workers has, over Kafka."),
    "sources": ("sources", "Show and change the sources of a group of workers."),
    "demo": ("demo", "Run on a street clip against an embedded broker, and show what happens."),
    "check": ("check", "Check sources, model, rules and outputs; say what is wrong and what to do."),
    "health": ("health", "Ask a run that serves health whether it is well; for containers."),
    "web-password": ("web_password", "Make a new password for the page of a run."),
    "consume": ("consume", "Show the messages of a Kafka topic as they come."),
    "analyze": ("analyze", "Evaluate rules on recorded tracks, without video."),
    "compare": (
        "compare",
        "Show where and why two sets of rules, or both engines, count otherwise on recorded tracks.",
    ),
    "report": ("report", "Write an HTML report of what was counted on recorded tracks."),
    "convert": ("convert", "Turn a DeepStream configuration file into countline's."),
    "schema": ("schema", "Print the schema of the configuration or of a message; check compatibility."),
    "outbox": ("outbox", "Show what waits for delivery; retry or export it."),
    "counts": ("counts", "Show or reset the durable counts."),
    "deepstream": ("deepstream", "Run inside DeepStream, or say what is missing for it."),
}


class _Lazy(click.Group):
    """Imports a command's module only when it is asked for, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"countline.cli.{COMMANDS[name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        import difflib

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean '{near[0]}'?" if near else " `countline --help` lists them."
            raise click.UsageError(f"there is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="countline", message="countline %(version)s")
def group() -> None:
    """Video streams in, line-crossing counts and your own messages out to Kafka."""


def main(args: Sequence[str] | None = None) -> None:
    """Entry point. A user's mistake ends with one clear message and a documented exit code."""
    try:
        _main(args)
    finally:
        if args is None:  # the process is countline's alone, and ends
            _pass_over_what_is_left()


def _pass_over_what_is_left() -> None:
    """The interpreter looks several times for garbage when it ends, each time through all that was imported: once is enough."""
    gc.collect()
    gc.freeze()


def _main(args: Sequence[str] | None) -> None:
    # NumPy's library for matrices would start a thread for each core, which waits by spinning. countline multiplies none that
    # are large enough for it; whose own functions do sets the variable.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    streams.open_closed()
    guard_tracebacks()
    if hasattr(sys.stdout, "reconfigure"):  # a terminal that cannot show a name shows its escape instead of a traceback
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = group.main(args=list(args) if args is not None else None, standalone_mode=False)
        sys.stdout.flush()
    except CountlineError as error:
        echo(f"countline: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(file=shown)  # names what the user typed
        echo(shown.getvalue(), err=True, nl=False)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        streams.give_up_stdout()  # the reader of our output has seen enough
        sys.exit(0)
    except OSError as error:
        # Standard output on a full disk; errors of named files have been told by those who opened them.
        echo(f"countline: {error.filename or 'standard output'} cannot be written: {error.strerror}", err=True)
        streams.give_up_stdout()
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
