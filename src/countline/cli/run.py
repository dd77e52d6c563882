"""``countline run``."""

from __future__ import annotations

from pathlib import Path

import click

from countline.cli.web_option import WithWeb, web_option

__all__ = ["command"]


@click.command("run", cls=WithWeb)
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option(
    "-i",
    "--input",
    "--input-file",
    "inputs",
    multiple=True,
    metavar="VIDEO",
    help="File, folder of images, raw .h264, rtsp://, http:// or /dev/video0. Several times for several sources.",
)
@click.option(
    "--line", "lines", multiple=True, metavar="NAME=X1,Y1,X2,Y2", help="A line, coordinates 0..1 of width and height."
)
@click.option(
    "--region", "regions", multiple=True, metavar="NAME=X1,Y1,X2,Y2,X3,Y3,…", help="A region, coordinates 0..1."
)
@click.option("--classes", metavar="A,B", help="Classes to count, by name, e.g. person,car.")
@click.option(
    "--rules",
    "rules_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="config_nvdsanalytics.txt or .yml: the exact engine.",
)
@click.option("--kafka", metavar="HOST:PORT", help="Kafka bootstrap servers.")
@click.option("-t", "--topic", metavar="TOPIC", help="Kafka topic.  [default: countline]")
@click.option("--stdout", "to_stdout", is_flag=True, help="Write messages to standard output, one a line.")
@click.option("--device-id", metavar="ID", help="Identity of the source in messages (and the record key).")
@click.option("--model", metavar="FILE", help="ONNX detector instead of the one inside the package.")
@click.option(
    "--device", metavar="cpu|cuda", help="Where frames are decoded and looked at, in the place of the configured one."
)
@click.option("--outbox", metavar="PATH", help="Outbox file, or 'memory'.")
@click.option(
    "-p",
    "--proto-lib",
    metavar="LIB",
    help="DeepStream adapter library; its name chooses the output (it need not exist).",
)
@click.option("--conn-str", metavar="HOST;PORT[;TOPIC]", help="DeepStream connection string.")
@click.option(
    "-c",
    "--cfg-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="DeepStream adapter configuration, e.g. cfg_kafka.txt.",
)
@click.option("-s", "--schema-type", type=click.IntRange(0, 1), help="DeepStream schema: 0 full, 1 minimal.")
@click.option(
    "--msgconv",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="DeepStream message converter configuration (static data).",
)
@click.option(
    "--display",
    is_flag=True,
    help="Show a window with boxes, lines and counts drawn in, where there is a screen; the default with --proto-lib or "
    "--conn-str.",
)
@click.option("--no-display", is_flag=True, help="No window.")
@click.option(
    "--annotate",
    metavar="FILE.mp4",
    type=click.Path(path_type=Path),
    help="Write a video with boxes, lines and counts drawn in (one source).",
)
@click.option(
    "--record",
    metavar="FILE.parquet",
    type=click.Path(path_type=Path),
    help="Record the tracks, for `countline analyze`.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Read only this process's share of the sources: 0/4 to 3/4, or auto/4 in a StatefulSet (by the pod's number).",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Spread the sources over N processes of this machine, each with an outbox of its own; over the GPUs, too.",
)
@click.option("--realtime", is_flag=True, help="Read files at their own speed; no frame is dropped.")
@click.option(
    "--watch", is_flag=True, help="Apply edits of CONFIG while it runs, as SIGHUP does (or `watch: true` in the file)."
)
@click.option(
    "--metrics",
    metavar="HOST:PORT",
    help="Metrics (/metrics) and health (/healthz, /readyz) over HTTP, e.g. 127.0.0.1:9464 (or `metrics:` in the file).",
)
@web_option
@click.option("--fresh", is_flag=True, help="Do not resume a file that an earlier run was cut short in: begin anew.")
@click.option(
    "--drain-timeout",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="S",
    help="How long to wait for the outputs after the last frame.",
)
@click.option("--json", "as_json", is_flag=True, help="Progress and summary as JSON lines on standard output.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More log lines.")
def command(**options: object) -> int:
    """Run the main job: CONFIG.yaml, or the options below for a quick start.

    \b
    countline run countline.yaml
    countline run -i street.mp4 --line straight=0.1,0.55,0.9,0.55 --kafka localhost:9092 --topic ds-kafka
    """
    from countline.commands.run import run_command

    return run_command(options)
