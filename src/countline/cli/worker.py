"""``countline worker``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.command("worker")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--group", required=True, metavar="NAME", help="Group of workers that share the sources.")
@click.option(
    "--kafka", metavar="HOST:PORT", help="Broker at which the group meets; that of CONFIG's Kafka output unless given."
)
@click.option(
    "-X", "--option", "options", multiple=True, metavar="KEY=VALUE", help="Any librdkafka option for that broker."
)
@click.option("--outbox", metavar="PATH", help="Outbox file of this worker: on a disk that outlives its process.")
@click.option("--name", metavar="NAME", help="Of this worker, for people.  [default: host name and process id]")
@click.option(
    "--lease",
    type=click.FloatRange(min=1),
    default=10.0,
    show_default=True,
    metavar="S",
    help="How long a worker that hears nothing of the group takes itself for the owner, at most.",
)
@click.option(
    "--fencing",
    type=click.Choice(["epochs", "transactions"]),
    default="epochs",
    show_default=True,
    help="epochs: late writes are told by their generation. transactions: the broker refuses them, and messages, counts and the "
    "group's offsets are there together or not at all.",
)
@click.option("--partitions", type=click.IntRange(min=1), metavar="N", help="Of topics that are made.  [default: 32]")
@click.option("--sources-topic", metavar="TOPIC", help="[default: GROUP.sources]")
@click.option("--state-topic", metavar="TOPIC", help="[default: GROUP.state]")
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    help="Metrics and health over HTTP, e.g. 127.0.0.1:9464 (or `metrics:` in CONFIG).",
)
@click.option("--classic", is_flag=True, help="Use the classic group protocol also where the broker has the new one.")
@click.option("--json", "as_json", is_flag=True, help="Log as JSON lines on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More log lines.")
def command(**options: object) -> int:
    """Read a share of a group's sources: CONFIG.yaml has detector, rules, messages and outputs; the sources are those of `countline
    sources`.

    \b
    countline worker worker.yaml --group site-7 --kafka localhost:9092
    """
    from countline.commands.worker import worker_command

    return worker_command(options)
