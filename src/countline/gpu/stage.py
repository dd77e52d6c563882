"""From decoded pictures to a network's input, and from its outputs to the boxes that are left: what the kernels are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.gpu.device import Gpu, Memory, Queue
from countline.gpu.structs import BOXES, KEPT, PICTURE, ROW, TABLE, THREADS, device_picture, fill_boxes, host_picture
from countline.types import DevicePlanes

__all__ = ["Chooser", "Found", "Input", "Letterbox", "OnHost", "Selection", "Tensor"]

_TILE = 16
_CELLS = 256


@dataclass(frozen=True)
class OnHost:
    """A picture in host memory: (height, width, 3) uint8 BGR of the input's size, of which ``content`` (width, height) is
    filled."""

    pixels: NDArray[np.uint8]
    content: tuple[int, int]


@dataclass(frozen=True)
class Input:
    """How a network takes pictures: value = pixel * gain + shift for blue, green, red."""

    width: int
    height: int
    dtype: np.dtype[Any]
    planes: bool
    """Channels before rows."""
    rgb: bool
    """Red first."""
    gain: tuple[float, float, float]
    shift: tuple[float, float, float]
    pad: float
    """The pixel value beside a picture."""
    average: bool
    """Each pixel is the mean of those it stands for; else of the four next to it."""


class Letterbox:
    """Writes pictures into the input, in one kernel for all of a batch. Owns the input's memory."""

    def __init__(self, gpu: Gpu, queue: Queue, form: Input, most: int, score: np.dtype[Any]) -> None:
        self._gpu, self._queue, self._form = gpu, queue, form
        self._kernel = gpu.kernels(form.dtype, score)["letterbox"]
        self._frame = form.width * form.height * 3
        self._most = most
        self._table = queue.mirror(most * PICTURE.itemsize)
        self._rows: NDArray[Any] = self._table.host.view(PICTURE)
        self._addresses = self._table.host.reshape(most, -1)[:, :16].view(np.uint64)
        self._uploads: Any = None
        self._known: dict[tuple[Any, ...], NDArray[Any]] = {}
        """Rows of the table by all of a picture that is no address: there are as many as there are kinds of sources."""
        self.memory: Memory = queue.memory(most * self._frame * form.dtype.itemsize)

    def fill(self, pictures: Sequence[DevicePlanes | OnHost], contents: Sequence[tuple[int, int]]) -> None:
        """Put the kernel into the queue. ``contents``: width, height that each picture gets, upright."""
        uploaded = self._upload(pictures)
        for i, (picture, content) in enumerate(zip(pictures, contents)):
            if isinstance(picture, DevicePlanes):
                self._rows[i] = self._row(picture, content)
                self._addresses[i] = picture.luma, picture.chroma
            else:
                host_picture(self._rows[i], uploaded[i], self._form.width * 3, picture.content)
        if len(uploaded) < len(pictures):
            self._queue.after_decoder()
        count = len(pictures)
        self._table.push(count * PICTURE.itemsize)
        form = self._form
        grid = (-(-form.width // _TILE), -(-form.height // _TILE), count)
        numbers = [np.float32(value) for value in (form.pad, *form.gain, *form.shift)]
        sizes = [np.int32(value) for value in (form.width, form.height, form.planes, form.rgb)]
        args = [np.uint64(self._table.pointer), np.uint64(self.memory.pointer), *sizes, *numbers]
        self._queue.launch(self._kernel, grid, (_TILE, _TILE, 1), args)

    def _row(self, planes: DevicePlanes, content: tuple[int, int]) -> Any:
        key = (
            planes.width, planes.height, planes.pitch, planes.chroma_pitch, planes.form, planes.matrix, planes.full,
            planes.transposed, planes.columns, planes.rows, content,
        )  # fmt: skip
        found = self._known.get(key)
        if found is None:
            found = np.zeros(1, PICTURE)
            device_picture(found[0], planes, content, average=self._form.average)
            self._known[key] = found
        return found[0]

    def _upload(self, pictures: Sequence[DevicePlanes | OnHost]) -> dict[int, int]:
        """Addresses of the pictures that came from the host, by place."""
        own = [(i, picture) for i, picture in enumerate(pictures) if isinstance(picture, OnHost)]
        if not own:
            return {}
        if self._uploads is None:
            self._uploads = self._queue.mirror(self._most * self._frame)
        for place, (_, picture) in enumerate(own):
            self._uploads.host[place * self._frame : (place + 1) * self._frame] = picture.pixels.reshape(-1)
        self._uploads.push(len(own) * self._frame)
        return {i: self._uploads.pointer + place * self._frame for place, (i, _) in enumerate(own)}


@dataclass(frozen=True)
class Tensor:
    """An output: which one, where in a frame's part of it a table begins, and its strides, all in elements."""

    output: int
    frame: int
    channel: int
    cell: int
    begin: int = 0


@dataclass(frozen=True)
class Selection:
    """How outputs are read on the device. Class numbers are those of the ``scores`` table's channels."""

    scores: Tensor
    boxes: Tensor
    cells: int
    kind: int
    """Of the boxes; see ``kernels.cu``."""
    rows: tuple[int, ...]
    starts: tuple[int, ...]
    """Where each output class begins in ``rows``, and their end."""
    floors: tuple[float, ...]
    iou: float
    size: tuple[int, int]
    """Width, height of the input."""
    strides: tuple[int, ...] = ()
    bins: int = 0
    objectness: int = -1
    """Channel of the score that those of the classes are multiplied by."""
    sigmoid: bool = False


@dataclass(frozen=True)
class Found:
    """What is left of one frame, strongest first: boxes in pixels of its picture."""

    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    kind: NDArray[np.int32]
    """Output classes."""


class Chooser:
    """Threshold, compaction and suppression on the device; only what is left is copied to the host."""

    def __init__(
        self,
        gpu: Gpu,
        queue: Queue,
        how: Selection,
        most: int,
        dtypes: tuple[np.dtype[Any], np.dtype[Any]],
        outputs: Sequence[Memory],
    ) -> None:
        self._queue, self._how, self._most = queue, how, most
        kernels = gpu.kernels(*dtypes)
        self._candidates, self._choose = kernels["candidates"], kernels["choose"]
        size = dtypes[1].itemsize
        numbers = [*how.rows, *how.starts]
        self._plan = queue.mirror(TABLE.itemsize + BOXES.itemsize + 4 * len(numbers) + 4 * len(how.floors))
        self._numbers_at = TABLE.itemsize + BOXES.itemsize
        host = self._plan.host
        table = host[: TABLE.itemsize].view(TABLE)
        boxes = host[TABLE.itemsize : self._numbers_at].view(BOXES)
        _describe(table, how.scores, outputs, size)
        _describe(boxes["table"], how.boxes, outputs, size)
        fill_boxes(boxes, kind=how.kind, bins=how.bins, cells=how.cells, size=how.size, strides=how.strides)
        end = self._numbers_at + 4 * len(numbers)
        host[self._numbers_at : end].view(np.int32)[:] = numbers
        host[end:].view(np.float32)[:] = how.floors
        self._plan.push(len(host))
        queue.wait()
        self._keys = queue.memory(most * how.cells * 8)
        self._kinds = queue.memory(most * how.cells * 4)
        # By frame: how many candidates, the highest confidence's bits, how many are left.
        self._counts = queue.mirror(most * 3 * 4)
        self._views = queue.mirror(most * 16)
        self._result = queue.mirror(most * KEPT * ROW * 4)

    def choose(self, scales: Sequence[tuple[float, float]], sizes: Sequence[tuple[int, int]]) -> None:
        """Put the kernels into the queue. ``scales``: input pixels for one of the picture, across and down; ``sizes``: width,
        height of the pictures."""
        how, queue, count = self._how, self._queue, len(scales)
        views = self._views.host.view(np.float32).reshape(-1, 4)
        views[:count, :2], views[:count, 2:] = scales, sizes
        self._views.push(count * 16)
        queue.clear(self._counts, self._most * 12)
        found, strongest, left = (self._counts.pointer + part * self._most * 4 for part in range(3))
        rows = self._plan.pointer + self._numbers_at
        starts, floors = rows + 4 * len(how.rows), rows + 4 * (len(how.rows) + len(how.starts))
        objectness = how.objectness * how.scores.channel if how.objectness >= 0 else -1
        queue.launch(
            self._candidates,
            (-(-how.cells // _CELLS), count, 1),
            (_CELLS, 1, 1),
            [
                np.uint64(self._plan.pointer), np.int32(how.cells), np.int64(objectness), np.int32(how.sigmoid),
                np.uint64(rows), np.uint64(starts), np.uint64(floors), np.int32(len(how.floors)),
                np.uint64(self._keys.pointer), np.uint64(self._kinds.pointer), np.uint64(found), np.uint64(strongest),
            ],
        )  # fmt: skip
        queue.launch(
            self._choose,
            (count, 1, 1),
            (THREADS, 1, 1),
            [
                np.uint64(self._plan.pointer + TABLE.itemsize), np.uint64(self._views.pointer), np.float32(how.iou),
                np.uint64(self._keys.pointer), np.uint64(self._kinds.pointer), np.uint64(found),
                np.uint64(self._result.pointer), np.uint64(left),
            ],
        )  # fmt: skip
        self._counts.pull(self._most * 12)
        self._result.pull(count * KEPT * ROW * 4)

    def results(self, count: int) -> list[Found]:
        """Of as many frames as were given, once the queue is through."""
        left = self._counts.host.view(np.int32)[2 * self._most :]
        rows = self._result.host.view(np.float32).reshape(-1, KEPT, ROW)
        return [_found(rows[i, : int(left[i])]) for i in range(count)]

    def strongest(self, count: int) -> NDArray[np.float32]:
        """The highest confidence in each frame; 0 where there was no candidate."""
        highest: NDArray[np.float32] = self._counts.host.view(np.float32)[self._most : self._most + count].copy()
        return highest


def _found(rows: NDArray[np.float32]) -> Found:
    return Found(rows[:, :4].copy(), rows[:, 4].copy(), rows[:, 5].astype(np.int32))


def _describe(target: NDArray[Any], tensor: Tensor, outputs: Sequence[Memory], size: int) -> None:
    target["base"] = outputs[tensor.output].pointer + tensor.begin * size
    target["frame"], target["channel"], target["cell"] = tensor.frame, tensor.channel, tensor.cell
