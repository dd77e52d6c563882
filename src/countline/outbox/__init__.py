"""The outbox: a durable queue between analytics and outputs, and the durable counters, in one SQLite file.

For the pipeline::

    box = outbox.open(config.outbox, path, [o.name for o in outputs], live=any_live)   # path None: in memory
    resume = box.begin(StreamStart(source, stream, live=False, time=ns))               # -> frame, counters, resets
    stored = box.write([Commit(source, stream, frame_number, messages, deltas), ...])  # one transaction
    box.write([Commit(source, stream, last_frame, finished=True)])                     # the file was read to its end
    box.settle()                                                                       # while nothing is written
    box.close()

``write`` returns how many commits were stored: fewer than all only when the bound is reached and the policy is 'block'. It
raises OutboxFull when the disk is full (nothing was stored, the commits are still the caller's) and OutboxError for what
cannot be mended by waiting.

For a sender (one thread per output)::

    entries, looked = box.read(name, after, limit=1000)    # in order; next time from ``looked``
    box.ack(name, [positions])                             # any order
    box.dead_letter(name, [(entry, "reason")])             # dead letters

Nothing in here starts a thread (the pipeline calls ``look_through`` on one of its own); every method may be called from any thread.

For commands: :func:`inspect`, :func:`inspect_counters` and :func:`export` read an outbox, also while a run uses it;
:func:`backup` copies one; :func:`reset_counts` and :func:`retry` change one that nobody uses.
"""

from countline.outbox.backup import backup
from countline.outbox.durable import Outbox
from countline.outbox.files import default_path
from countline.outbox.identity import fates
from countline.outbox.opening import open_outbox as open
from countline.outbox.report import export, inspect, inspect_counters
from countline.outbox.state import StoredOutput
from countline.outbox.types import (
    ANEW,
    NOTHING,
    Commit,
    Counter,
    DeadLetter,
    Kept,
    OutboxBusy,
    OutboxFull,
    OutboxStatus,
    Place,
    Resume,
    RuleChange,
    StreamStart,
)
from countline.outbox.upkeep import forget, reset_counts, retry

__all__ = [
    "ANEW",
    "NOTHING",
    "Commit",
    "Counter",
    "DeadLetter",
    "Kept",
    "Outbox",
    "OutboxBusy",
    "OutboxFull",
    "OutboxStatus",
    "Place",
    "Resume",
    "RuleChange",
    "StoredOutput",
    "StreamStart",
    "backup",
    "default_path",
    "export",
    "fates",
    "forget",
    "inspect",
    "inspect_counters",
    "open",
    "reset_counts",
    "retry",
]
