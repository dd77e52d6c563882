"""``countline deepstream``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["command"]


@click.group("deepstream")
def command() -> None:
    """Run inside DeepStream, or say what is missing for it. In a pipeline of your own: countline.deepstream.attach()."""


@command.command("check")
@click.option("--whole", is_flag=True, help="Fail also where only `countline deepstream run` lacks something.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def check(**options: object) -> int:
    """Say what is there of DeepStream: libraries and their layout, bindings, GStreamer's elements, GPU."""
    from countline.commands.deepstream import check_command

    return check_command(options)


@command.command("run")
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("-i", "--input-file", "inputs", multiple=True, metavar="VIDEO", help="File or URI; several times.")
@click.option("-p", "--proto-lib", metavar="LIB", help="Adapter library; its name chooses the output.")
@click.option("--conn-str", metavar="HOST;PORT[;TOPIC]", help="Connection string.")
@click.option("-c", "--cfg-file", metavar="FILE", type=click.Path(path_type=Path), help="Adapter configuration.")
@click.option("-t", "--topic", metavar="TOPIC", help="Topic; wins over the connection string.")
@click.option("-s", "--schema-type", type=click.IntRange(0, 1), help="0 full, 1 minimal.")
@click.option("--no-display", is_flag=True, help="No window.")
@click.option(
    "--rules", "rules_file", metavar="FILE", type=click.Path(path_type=Path), help="config_nvdsanalytics.txt."
)
@click.option("--msgconv", metavar="FILE", type=click.Path(path_type=Path), help="Message converter configuration.")
@click.option("--pgie", metavar="FILE", type=click.Path(path_type=Path), help="nvinfer's  [dstest4_pgie_config.txt]")
@click.option(
    "--tracker", metavar="FILE", type=click.Path(path_type=Path), help="nvtracker's  [dsnvanalytics_tracker_config.txt]"
)
@click.option(
    "--size", nargs=2, type=click.IntRange(min=16), metavar="W H", help="Picture of the stream muxer, pixels."
)
@click.option("--drain-timeout", type=click.FloatRange(min=0), default=30.0, show_default=True, metavar="S",
              help="How long to wait for the outputs at the end.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print the pipeline, say what is missing, run nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
@click.option("-v", "--verbose", is_flag=True, help="More log lines.")
def run(**options: object) -> int:
    """Build the recipe's whole pipeline from its own files and run it: CONFIG.yaml, or the recipe's options."""
    from countline.commands.deepstream import run_command

    return run_command(options)
