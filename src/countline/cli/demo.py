"""``countline demo``."""

from __future__ import annotations

from pathlib import Path

import click

from countline.cli.web_option import WithWeb, web_option

__all__ = ["command"]


@click.command("demo", cls=WithWeb)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("countline-demo"),
    show_default=True,
    metavar="FOLDER",
    help="Where the annotated video, the snapshot and the configuration are written.",
)
@click.option("--kafka", metavar="HOST:PORT", help="Use this broker instead of the embedded one.")
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port of the embedded broker; a free one unless given."
)
@click.option("--topic", default="ds-kafka", show_default=True)
@click.option("--video", "annotate", is_flag=True, default=True, flag_value=True, hidden=True)
@click.option("--no-video", "annotate", flag_value=False, help="Do not draw; only count and send.")
@web_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="The summary as one JSON object at the end, nothing else on standard output.",
)
def command(**options: object) -> int:
    """Run the main job on a real street clip, against a real broker inside this machine: messages and running counts as
    they arrive, an annotated video, a snapshot, a summary. Nothing is downloaded. With --web it goes on until it is stopped,
    and shows itself in the browser."""
    from countline.commands.demo import demo_command

    return demo_command(options)
