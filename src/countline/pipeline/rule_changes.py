"""What is to be done at a source because its rules were changed: at its next frame, and again where a file's run is repeated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from countline.outbox import ANEW, Resume
from countline.protocols import ReplaceableRules, RuleSet
from countline.types import FrameInfo, RuleIdentity, RuleInfo

__all__ = ["Repeats", "identities_at"]


def identities_at(source: str, rules: Sequence[RuleInfo]) -> dict[str, RuleIdentity]:
    """What the rules that apply to a source count, by name. Kinds that share a name are told apart by their digests."""
    found: dict[str, RuleIdentity] = {}
    for rule in rules:
        if rule.identity is not None and rule.source in (None, source):
            before = found.get(rule.name)
            if before is not None:  # the exact engine's files may have a region and a line of one name
                own = rule.identity
                rule_ = own._replace(digest=f"{before.digest}+{own.digest}", turned="", heading=before.heading)
                found[rule.name] = rule_ if own.heading == (0.0, 0.0) else rule_._replace(heading=own.heading)
            else:
                found[rule.name] = rule.identity
    return found


@dataclass
class _Ahead:
    resume: Resume
    renewed: deque[tuple[int, tuple[str, ...]]] = field(default_factory=deque)


class Repeats:
    """A run over a file that was cut short is repeated from its first frame. Where rules had been changed in its middle they begin
    anew there once more, and behind the last change the counts are what they were: so that what follows is what would have been.

    Parameters
    ----------
    rules: gives the rules that are evaluated.
    anew: makes the tracker of a source anew, and what is known of its tracks.
    """

    def __init__(self, rules: Callable[[], RuleSet], anew: Callable[[str], None]) -> None:
        self._rules = rules
        self._anew = anew
        self._ahead: dict[str, _Ahead] = {}

    def begin(self, source: str, number: int, resume: Resume) -> None:
        """A source goes on with frame ``number``, and with what an earlier run over it has left, or a change in this one."""
        self._ahead.pop(source, None)
        if number > resume.after:
            self._rules().restore(resume.counters, resume.resets)
            return
        # Up to there, too: messages of the frames before are suppressed, whatever their counts are.
        self._rules().restore(resume.counters, resume.resets)
        self._ahead[source] = _Ahead(
            resume, deque((frame, names) for frame, names in resume.renewed if frame >= number)
        )

    def end(self, source: str) -> None:
        """The source is gone."""
        self._ahead.pop(source, None)

    def see(self, info: FrameInfo) -> None:
        """Before each frame."""
        if not self._ahead:
            return
        name = info.source.name
        ahead = self._ahead.get(name)
        if ahead is None:
            return
        while ahead.renewed and info.number > ahead.renewed[0][0]:
            self._renew(name, ahead.renewed.popleft()[1])
        if info.number > ahead.resume.after:
            self._rules().restore(ahead.resume.counters, ahead.resume.resets)
            del self._ahead[name]

    def _renew(self, source: str, names: Sequence[str]) -> None:
        rules = self._rules()
        if ANEW in names:
            self._anew(source)
        own = [name for name in names if name != ANEW]
        if own and isinstance(rules, ReplaceableRules):
            rules.renew(source, own)
