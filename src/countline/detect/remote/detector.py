"""The detector whose network runs on an inference server."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from countline.config import DetectorConfig
from countline.detect.classes import plan
from countline.detect.detector import OnnxDetector
from countline.detect.remote.session import RemoteSession
from countline.detect.signature import Signature, read_signature
from countline.errors import DetectorError
from countline.types import Frame

__all__ = ["RemoteBatches", "RemoteDetector", "make_remote"]

log = logging.getLogger("countline.detect")

_PATIENCE = 0.005


class RemoteDetector(OnnxDetector):
    """As :class:`OnnxDetector`: preprocessing and decoding run in this process, the network on the server. :meth:`detect`
    raises DetectorAway while the server is away."""

    def __init__(self, session: RemoteSession, signature: Signature, config: DetectorConfig, low: float | None) -> None:
        classes = plan(config, signature.labels, known=None, low=low)
        super().__init__(session, signature, classes, config, session.model, "as on the server", 0)
        self._remote = session

    def _about_model(self) -> dict[str, str]:
        session = self._remote
        known = [f"version {session.version}" if session.version else "", session.platform]
        shown = ", ".join(part for part in known if part)
        return {
            "model": session.where + (f" ({shown})" if shown else ""),
            "requests": f"of {self._batch or 1} frames at most, {session.requests} at once",
        }


class RemoteBatches(RemoteDetector):
    """For a model that takes several frames in one request."""

    live_depth = 1
    """Frames of a live source that may wait; newer ones replace them, so that the newest is inferred."""

    def __init__(self, session: RemoteSession, signature: Signature, config: DetectorConfig, low: float | None) -> None:
        super().__init__(session, signature, config, low)
        self.most = session.most
        self.patience = config.linger_ms / 1000 if config.linger_ms is not None else _PATIENCE

    def calls(self, frames: Sequence[Frame]) -> list[Sequence[int]]:
        """See :class:`countline.protocols.BatchDetector`."""
        return [range(at, min(at + self.most, len(frames))) for at in range(0, len(frames), self.most)]


def make_remote(config: DetectorConfig, *, low: float | None) -> RemoteDetector:
    """The detector that ``triton`` describes, after a trial run. Raises DetectorError, ConfigError, MissingExtra."""
    assert config.triton is not None
    session = RemoteSession(config.triton, config.batch)
    try:
        signature = read_signature(session, config, session.where)
        _try_together(session, signature)
        kind = RemoteBatches if session.most > 1 else RemoteDetector
        detector = kind(session, signature, config, low)
        session.begin()
        return detector
    except BaseException:
        session.close()
        raise


def _try_together(session: RemoteSession, signature: Signature) -> None:
    """Try a request of as many frames as are wanted; if the server refuses it, send frames one at a time."""
    if signature.layout.unbatched:
        session.use_single_frames()
    if session.most == 1 or signature.spec.shape[0] is not None:
        return  # the trial run had this fixed number of frames
    width, height = signature.size
    shape = (3, height, width) if signature.nchw else (height, width, 3)
    try:
        session.run(np.zeros((session.most, *shape), signature.spec.dtype))
    except DetectorError as error:
        log.warning(
            "%s: does not take %d frames in one request, so each gets its own (%s)",
            session.where, session.most, error.what,
        )  # fmt: skip
        session.use_single_frames()
