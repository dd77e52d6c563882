"""``countline consume``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("consume")
@click.argument("topic", required=False)
@click.option("--kafka", metavar="HOST:PORT", help="Kafka bootstrap servers.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take broker, security and topic from the Kafka output of this configuration.",
)
@click.option(
    "--beginning/--new",
    default=True,
    show_default=True,
    help="From the oldest message, or only those that come from now on.",
)
@click.option("-n", "--count", type=click.IntRange(min=1), metavar="N", help="End after N messages.")
@click.option("--idle", type=click.FloatRange(min=0), metavar="S", help="End after S seconds without a message.")
@click.option("--raw", is_flag=True, help="Values only, byte for byte, one a line.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="One JSON object a line: topic, partition, offset, time, key, headers, value.",
)
@click.option("-X", "--option", "options", multiple=True, metavar="KEY=VALUE", help="Any librdkafka option.")
def command(**options: object) -> int:
    """Show the messages of TOPIC as they come.

    \b
    countline consume ds-kafka --kafka localhost:9092
    countline consume --config countline.yaml --new
    """
    from countline.commands.consume import consume_command

    return consume_command(options)
