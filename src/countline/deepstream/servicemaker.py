"""The same for pipelines made with pyservicemaker, which has no pads to put a probe on but operators."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from countline.config import Config
from countline.deepstream.attachment import Attachment
from countline.deepstream.bindings import ServiceMakerReader, service_maker

__all__ = ["operator"]


def operator(
    config: Config | Mapping[str, Any] | str | Path,
    *,
    messages: Sequence[Any] = (),
    labels: Sequence[str] | None = None,
    lossless: bool = False,
    depth: int = 64,
    gie_unique_ids: Collection[int] = (),
) -> Any:
    """A BatchMetadataOperator for ``pyservicemaker.Probe``; parameters as in :func:`countline.deepstream.attach`.

    ``pipeline.attach("tracker", Probe("countline", operator("countline.yaml")))``. Its ``attachment`` has ``close()`` and
    ``summary()``. Raises DeepStreamError where pyservicemaker is not installed.
    """
    maker = service_maker()
    attachment = Attachment(
        config, ServiceMakerReader(gie_unique_ids), publish="countline", messages=messages, labels=labels, lossless=lossless,
        depth=depth, size=None, component=0, state=None, consumers=(),
    )  # fmt: skip

    class Operator(maker.BatchMetadataOperator):  # type: ignore[misc,name-defined]
        """Feeds countline."""

        def __init__(self) -> None:
            super().__init__()
            self.attachment = attachment

        def handle_metadata(self, batch_meta: Any) -> None:
            attachment.feed_safely(batch_meta)

    return Operator()
