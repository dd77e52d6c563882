"""What ``countline outbox failures`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from countline.errors import OutboxError
from countline.pipeline.delivery.failure_lines import files, read
from countline.pipeline.retry import RetryReport, retry_failures
from countline.terminal import json_line

__all__ = ["failure_lines", "report_lines", "retried"]

MOST = 20
"""Different faults that are shown."""


def failure_lines(path: Path, name: str | None, *, as_json: bool) -> Iterator[str]:
    """The failures of an outbox, put together by what went wrong where; as JSON each by itself. Raises OutboxError where the file cannot
    be read."""
    try:
        found = read(path)
    except OSError as error:
        raise OutboxError(
            f"cannot be read: {error.strerror}", where=str(files(path)[1]), fix="check its rights"
        ) from None
    kept = [one.data for one in found.kept if name in (None, one.data.get("definition"))]
    if as_json:
        yield from (json_line({**_shown(data), "retryable": "again" in data}) for data in kept)
        return
    yield f"{files(path)[1]}: {len(kept)} messages could not be made"
    yield from _kinds(kept)
    without = sum("again" not in data for data in kept)
    if without:
        yield f"{without} of them cannot be made again: what that takes was not kept"
    if found.let_go:
        yield f"{found.let_go} older ones are gone: the file was full"
    if found.unreadable:
        yield f"{found.unreadable} lines cannot be read"
    if kept:
        yield "once what was wrong is mended, `countline outbox failures retry CONFIG` makes them anew"


def retried(config: Path, name: str | None, *, as_json: bool) -> tuple[list[str], int]:
    """Make messages anew: what came of it in lines, and the exit code. Raises what ``retry_failures`` raises."""
    report = retry_failures(config, name=name)
    return list(report_lines(report, as_json=as_json)), 2 if report.remaining else 0


def report_lines(report: RetryReport, *, as_json: bool) -> Iterator[str]:
    """What came of a retry."""
    if as_json:
        yield json_line(asdict(report))
        return
    yield f"{report.made} made and waiting for delivery, {report.left_out} left out by their definition, {len(report.remaining)} stay"
    if report.finished:
        yield f"{report.finished} were in the outbox already, from a retry that was cut short"
    yield from _kinds(report.remaining)


def _shown(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("again", "mark")}


def _kinds(kept: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each kind of fault: how many, of which message, where, what, and one id."""
    kinds: Counter[tuple[str, str, str]] = Counter()
    example: dict[tuple[str, str, str], object] = {}
    for data in kept:
        kind = str(data.get("definition")), str(data.get("place")), str(data.get("error"))
        kinds[kind] += 1
        example.setdefault(kind, data.get("id"))
    for (definition, place, error), count in kinds.most_common(MOST):
        yield f"  {count} of '{definition}' at {place}: {error} (e.g. {example[definition, place, error]})"
    if len(kinds) > MOST:
        yield f"  and {len(kinds) - MOST} other faults"
