"""A GPU for the tests: the stand-in, or (``pytest tests/gpu --cuda``) the real one as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from device_frames import on_device
from stand_in import StandIn, has_compiler

from countline import video
from countline.config import SourceConfig
from countline.demo import clip_path
from countline.types import Frame


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """A GPU on the CPU."""
    if not has_compiler():
        pytest.skip("the kernels are compiled for the CPU with g++, which is not there")
    return StandIn(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def two_gpus(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """`device: cuda` is the stand-in, as often as GPUs are asked for; sources give frames that lie there."""
    import countline.detect.factory as factory

    folder = stand_in.folder
    monkeypatch.setattr(factory, "open_gpus", lambda devices: [StandIn(folder, index, 128) for index in devices])
    opened = video.open_source

    class Decoded:
        """A source whose frames NVDEC would have decoded."""

        def __init__(self, source: object, device: int) -> None:
            self._source, self._device = source, device

        def __getattr__(self, name: str) -> object:
            return getattr(self._source, name)

        def __iter__(self) -> Iterator[Frame]:
            for frame in self._source:  # type: ignore[attr-defined]
                yield on_device(frame, self._device)

    def open_source(config: SourceConfig, index: int, *, stop: object = None, gpu: int | None = None) -> object:
        made = opened(config, index, stop=stop)
        return made if gpu is None or config.decoder == "cpu" else Decoded(made, gpu)

    monkeypatch.setattr(video, "open_source", open_source)


@pytest.fixture(scope="session")
def street() -> list[Frame]:
    """Frames of the demo's clip, a second apart."""
    source = video.open_source(SourceConfig(name="street", uri=str(clip_path())), 0)
    return [frame for i, frame in enumerate(source) if i % 10 == 0][:8]


@pytest.fixture(scope="session")
def clip() -> Path:
    return Path(clip_path())
