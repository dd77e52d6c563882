"""What ``countline outbox`` and ``countline counts`` print and do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from countline.config import load
from countline.errors import ConfigError, OutboxError
from countline.file_safety import NamedFile
from countline.outbox.backup import backup
from countline.outbox.files import default_path
from countline.outbox.mending import Change
from countline.outbox.report import export, inspect, inspect_counters
from countline.outbox.state import StoredOutput
from countline.outbox.types import Counter, OutboxStatus
from countline.outbox.upkeep import edit_message, forget, reset_counts, retry, send_message, skip_message
from countline.pipeline.roles import refuse_collisions
from countline.types import utc

__all__ = [
    "backup",
    "change",
    "edit",
    "export_lines",
    "forget",
    "locate",
    "refuse_input",
    "reset",
    "retry",
    "send_message",
    "show",
    "show_counts",
    "show_message",
    "skip_message",
]


def locate(place: Path | None, path: Path | None) -> Path:
    """The outbox that is meant: ``path``; or ``place``, which is an outbox or the configuration of one; or the only one in
    ``.countline``. Raises OutboxError, ConfigError."""
    if path is not None:
        return path
    if place is None:
        return _only()
    if place.suffix not in (".yaml", ".yml"):
        return place
    from countline.config import load

    configured = load(place).outbox.path
    if configured == "memory":
        raise OutboxError("is in memory only", where=f"outbox of {place}", fix="there is nothing to see after the run")
    return Path(configured) if configured is not None else default_path(place)


def _only() -> Path:
    found = sorted(Path(".countline").glob("*.outbox"))
    if len(found) == 1:
        return found[0]
    what = (
        "there are several in .countline: " + ", ".join(p.name for p in found)
        if found
        else "there is none in .countline"
    )
    raise OutboxError(what, where="outbox", fix="name the configuration, or the file with --outbox PATH")


def show(path: Path, *, as_json: bool = False) -> str:
    """The status of an outbox in words."""
    status = inspect(path)
    if as_json:
        return orjson.dumps(status.as_dict(), option=orjson.OPT_INDENT_2).decode()
    used = f"in use by process {status.in_use_by}" if status.in_use_by else "not in use"
    lines = [
        f"{status.path}: {_bytes(status.file_bytes)} on disk, {used}",
        f"{status.messages} messages stored ({_bytes(status.bytes)})"
        + (f", the oldest {_age(status.oldest_age)} old" if status.messages else "")
        + f"; {status.dead_letters} dead letters",
        "",
        *_table(
            [("output", "waiting", "oldest", "acknowledged", "dead", "dropped")] + [_row(o) for o in status.outputs]
        ),
    ]
    return "\n".join([*lines, *_advice(status)])


def _row(output: StoredOutput) -> tuple[str, ...]:
    dropped = ", ".join(f"{n} {reason}" for reason, n in output.dropped.items()) or "0"
    name = output.name if output.configured else f"{output.name} (not configured)"
    oldest = _age(output.oldest_age) if output.pending else "-"
    return name, str(output.pending), oldest, str(output.acknowledged), str(output.dead), dropped


def _advice(status: OutboxStatus) -> list[str]:
    advice = []
    if status.dead_letters:
        advice.append(
            "dead letters: `countline outbox export --dead` shows them, `countline outbox retry` sends them again"
        )
    if any(not output.configured and output.pending for output in status.outputs):
        advice.append("not configured: kept for 7 days; `countline outbox forget --output NAME` gives them up")
    return ["", *advice] if advice else []


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.2f} GiB"


def _age(seconds: float) -> str:
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86400:.0f} d"


def export_lines(path: Path, output: str | None, *, dead: bool) -> Iterator[str]:
    """Messages as JSON, one a line."""
    for item in export(path, output, dead=dead):
        yield orjson.dumps(item).decode()


def show_message(path: Path, ident: str) -> Iterator[str]:
    """A message that waits or is a dead letter, as JSON; also while a run uses the outbox. Raises OutboxError where there is none."""
    found = [item for dead in (False, True) for item in export(path, dead=dead) if item["id"] == ident]
    if not found:
        raise OutboxError(
            f"has no message '{ident}' that waits or is a dead letter",
            where=f"outbox {path}",
            fix="see `countline outbox export` and `export --dead`; what was delivered is no longer kept",
        )
    for item in found:
        yield orjson.dumps(item, option=orjson.OPT_INDENT_2).decode()


def change(
    value: bytes | None,
    key: str | None,
    no_key: bool,
    topic: str | None,
    headers: Sequence[str],
    without: Sequence[str],
) -> Change:
    """What the options of `countline outbox edit` say; ``headers``: 'NAME=VALUE'. Raises ConfigError for what no output could send."""
    header_values = {}
    for header in headers:
        name, sign, text = header.partition("=")
        if not name or not sign:
            raise ConfigError(f"'{header}' is no NAME=VALUE", where="--header", fix="e.g. --header kind=crossing")
        header_values[name] = _bytes_of("--header", text)
    if key is not None and no_key:
        raise ConfigError("both --key and --no-key", where="edit", fix="give one of them")
    for where, texts in (("--topic", [topic] if topic is not None else []), ("--header", list(header_values))):
        for text in texts:
            if not text or "\0" in text:
                raise ConfigError("is empty or holds a NUL", where=where, fix="give a name")
            _bytes_of(where, text)
    made = Change(value, None if key is None else _bytes_of("--key", key), no_key, topic, header_values, without)
    if made == Change():
        raise ConfigError(
            "nothing is to be changed", where="edit", fix="give --value, --key, --topic, --header or --without"
        )
    return made


def _bytes_of(where: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ConfigError("is not UTF-8", where=where, fix="give text") from None


def edit(path: Path, ident: str, made: Change) -> int:
    """Change a message. Raises OutboxError; ConfigError where a JSON value would become none."""
    if made.value is not None:
        for item in (i for dead in (False, True) for i in export(path, dead=dead) if i["id"] == ident):
            if "json" in (item["content_type"] or ""):
                _check_json(made.value)
    return edit_message(path, ident, made)


def _check_json(value: bytes) -> None:
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"is no JSON, which the message is: {error}", where="--value", fix="mend it") from None


def show_counts(path: Path, source: str | None, rule: str | None, *, as_json: bool = False) -> str:
    """The durable counters in words."""
    counters = [c for c in inspect_counters(path) if source in (None, c.key.source) and rule in (None, c.key.rule)]
    if as_json:
        plain = [{**c.key._asdict(), "value": c.value, "epoch": c.epoch, "reset_at": _moment(c)} for c in counters]
        return orjson.dumps(plain, option=orjson.OPT_INDENT_2).decode()
    if not counters:
        _known(path, source, rule)
        return "nothing has been counted yet"
    head = ("source", "rule", "counter", "class", "value", "epoch", "since")
    rows = [(*c.key, str(c.value), str(c.epoch), _moment(c) or "the first run") for c in counters]
    return "\n".join(_table([head, *rows]))


def _moment(counter: Counter) -> str | None:
    return utc(counter.reset_at).strftime("%Y-%m-%dT%H:%M:%SZ") if counter.reset_at else None


def reset(path: Path, source: str | None, rule: str | None) -> int:
    """Set counters to 0 now; returns how many. Raises OutboxError: no counter is of that source or rule."""
    _known(path, source, rule)
    return reset_counts(path, source, rule, at=time.time_ns())


def _known(path: Path, source: str | None, rule: str | None) -> None:
    """Refuse a source or rule that has no counter: it is a slip, and silence would hide it."""
    counters = inspect_counters(path)
    for what, name, names in (
        ("source", source, sorted({c.key.source for c in counters})),
        ("rule", rule, sorted({c.key.rule for c in counters if source in (None, c.key.source)})),
    ):
        if name is not None and name not in names:
            raise OutboxError(
                f"has no counts of a {what} '{name}'",
                where=f"outbox {path}",
                fix=f"it has: {', '.join(names)}" if names else "nothing has been counted yet",
            )


def refuse_input(place: Path | None, file: Path) -> None:
    """Raise ConfigError where ``file``, which is to be written, is something that the configuration ``place`` names."""
    if place is not None and place.suffix in (".yaml", ".yml"):
        refuse_collisions(load(place), place, None, [NamedFile("FILE", str(file))])
