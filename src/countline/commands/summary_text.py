"""The summary of a run for people."""

from __future__ import annotations

from collections.abc import Mapping

from countline.pipeline.stats import Summary

__all__ = ["summary_text"]


def _reasons(by: Mapping[str, int]) -> str:
    return ": " + " + ".join(f"{number} {reason}" for reason, number in sorted(by.items())) if by else ""


def _away(undetected: int) -> str:
    return f" ({undetected} while the detector was away)" if undetected else ""


def summary_text(summary: Summary) -> str:
    """Several lines: frames, counts per line and direction, messages per output, where the time went."""
    rows = [f"{summary.frames} frames in {summary.seconds:.1f} s ({summary.fps:.1f} frames/s)"]
    for name, source in summary.sources.items():
        extra = [
            f"{n} {what}"
            for n, what in (
                (source.dropped, "dropped" + _away(source.undetected)),
                (source.thinned, "passed over to keep a rate"),
                (source.corrupt, "corrupt" + _reasons(source.corrupt_by)),
                (source.reconnects, "reconnects"),
            )
            if n
        ]
        if source.gaps:
            extra.append(f"{source.gaps} gap{'s' if source.gaps > 1 else ''} of {source.missed:.1f} s in all")
        if source.resumed_after is not None:
            extra.append(f"resumed after frame {source.resumed_after}")
        rows.append(f"source {name}: {source.frames} frames" + (f" ({', '.join(extra)})" if extra else ""))
        if source.error:
            rows.append(f"  error: {source.error}")
        for line, counts in source.lines.items():
            shown = ", ".join(f"{direction} {n}" for direction, n in counts.items())
            rows.append(f"  line {line}: {shown}")
        for region, counts in source.regions.items():
            rows.append(f"  region {region}: " + ", ".join(f"{what} {n}" for what, n in counts.items()))
        for direction, count in source.directions.items():
            rows.append(f"  direction {direction}: headed by {count}")
        for journey, counts in source.journeys.items():
            rows.append(f"  journey {journey}: " + (", ".join(f"{way} {n}" for way, n in counts.items()) or "none"))
        for key, states in source.states.items():
            rows += [
                f"  {key.removesuffix('s').replace('_', ' ')} {rule}: {state_text}"
                for rule, state_text in states.items()
            ]
        if source.untracked:
            rows.append(f"  {source.untracked} objects came without a track id and could not be counted")
        if source.twins:
            rows.append(
                f"  {source.twins} crossings and the like of a second track on an object were not counted again"
            )
        if source.never_tracked:
            rows.append(f"  {source.never_tracked} sure detections never became a track, and were not counted")
        if source.doubtful:
            rows.append(f"  {source.doubtful} sightings lay where their track could not be, and were left out")
    first = f", first after {summary.first_message:.2f} s" if summary.first_message is not None else ""
    rows.append(f"messages: {summary.messages}{first}")
    if summary.failures:
        gone = (
            f"; {summary.failures_dropped} failures no longer stand there, it was full"
            if summary.failures_dropped
            else ""
        )
        rows.append(
            f"  {summary.failures} could not be made: see `countline outbox failures` ({summary.failure_file}){gone}"
        )
    if summary.clips:
        rows.append("  clips: " + ", ".join(f"{number} {what}" for what, number in sorted(summary.clips.items())))
    waiting = (
        "still in the outbox (the next run delivers them; `countline outbox` shows them)"
        if summary.durable
        else "lost: not acknowledged when the run ended, and its outbox was in memory"
    )
    why = "(`countline outbox` shows why)" if summary.durable else "(why stands in the log; the outbox was in memory)"
    for name, output in summary.outputs.items():
        unwritten = output.dropped_by.get("not-written", 0)
        row = f"output {name}: {output.acknowledged} acknowledged"
        for n, what in (
            (output.pending, waiting),
            (output.dead, "refused for good " + why),
            (
                unwritten,
                "not written to the outbox, which could take no more: lost, or made again where a file is resumed",
            ),
            (output.dropped - unwritten, "given up by the outbox's bounds"),
        ):
            if n:
                row += f", {n} {what}"
        if output.error:
            row += f"\n  {output.error}"
        rows.append(row)
    if summary.recorded:
        lost = ", ".join(f"{count} not ({reason})" for reason, count in summary.recorded["dropped_by"].items() if count)
        rows.append(f"recorded: {summary.recorded['frames']} frames" + (f", {lost}" if lost else ""))
    if summary.stages:
        busy = sorted(summary.stages.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in busy[:10])
        rows.append("busy: " + shown + (f", and {len(busy) - 10} more" if len(busy) > 10 else ""))
    if summary.interrupted:
        rows.append("stopped on request; files that were cut short are resumed by the next run")
    if summary.error and summary.error not in "; ".join(s.error for s in summary.sources.values() if s.error):
        rows.append(f"error: {summary.error}")
    return "\n".join(rows)
