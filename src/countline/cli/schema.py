"""``countline schema``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("schema")
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--message", "name", metavar="NAME", help="Print the schema of this message of CONFIG instead.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "avro", "proto", "flink", "clickhouse"]),
    default=None,
    help="Language of the message's schema; by its encoding unless set. flink and clickhouse: the table whose rows its values are.",
)
@click.option("--flink", "format_", flag_value="flink", help="The same as --format flink.")
@click.option("--clickhouse", "format_", flag_value="clickhouse", help="The same as --format clickhouse.")
@click.option(
    "--fields",
    "fields",
    is_flag=True,
    help="Print the fields that templates may name: all there are, or with CONFIG and --message those of this message.",
)
@click.option(
    "--check",
    "pair",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="OLD NEW",
    help="Compare two schema files (JSON Schema, Avro or .proto as printed here); exit code 2 if they do not fit.",
)
@click.option(
    "--mode",
    type=click.Choice(["backward", "forward", "full"]),
    default="backward",
    show_default=True,
    help="backward: readers with NEW read what OLD wrote; forward: the other way round; full: both.",
)
def command(
    config: Path | None, name: str | None, format_: str | None, fields: bool, pair: tuple[Path, Path] | None, mode: str
) -> int:
    """Print the JSON Schema of configurations (for editors), or the schema of a message, or compare two schemas."""
    from countline.commands.schema import schema_command

    return schema_command(config, name, format_, fields=fields, pair=pair, mode=mode)
