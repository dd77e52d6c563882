"""One queue of a GPU with a session, and the memory that it works in: pictures in, boxes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.preprocess import Preprocess, stretch
from countline.detect.runtime import TensorSpec, gpu_session
from countline.detect.signature import Signature
from countline.gpu.device import Gpu, Queue
from countline.gpu.stage import Chooser, Input, Letterbox, OnHost, Selection
from countline.protocols import DevicePicture
from countline.types import DevicePlanes, Frame
from countline.video.picture import fit

__all__ = ["Answer", "GpuRequest", "Model", "input_of"]


@dataclass(frozen=True)
class Model:
    """What all requests run."""

    file: str | bytes
    signature: Signature
    spec: TensorSpec
    """The input, which in half precision is another one than the signature's."""
    outputs: Sequence[TensorSpec]
    shapes: Sequence[tuple[int, ...]]
    """Of the outputs, without the dimension of the batch."""
    selection: Selection | None
    """None: outputs are read on the host."""
    beside: Mapping[str, NDArray[Any]]
    most: int
    """Most frames of a run."""
    fixed: bool
    """Every run has exactly ``most`` frames."""


@dataclass(frozen=True)
class Answer:
    """Of one run: what is left of each frame, or the outputs themselves."""

    scales: list[tuple[float, float]]
    chooser: Chooser | None
    outputs: list[NDArray[Any]]
    """Of all frames where they are read on the host; of the first one where that was asked for."""


def input_of(spec: TensorSpec, how: Preprocess, signature: Signature) -> Input:
    """How pictures are written into the network's input on the device."""
    plain = how.inside or spec.dtype == np.uint8
    std, mean = np.array(how.std, np.float32), np.array(how.mean, np.float32)
    gain, shift = (np.ones(3), np.zeros(3)) if plain else (np.float32(how.scale) / std, -mean / std)
    if how.order == "rgb":
        gain, shift = gain[::-1], shift[::-1]
    width, height = signature.size
    return Input(
        width, height, spec.dtype, signature.nchw, how.order == "rgb",
        (float(gain[0]), float(gain[1]), float(gain[2])), (float(shift[0]), float(shift[1]), float(shift[2])),
        float(how.pad) if how.letterbox else 0.0, how.letterbox,
    )  # fmt: skip


class GpuRequest:
    """Used by one thread at a time; several work side by side, so that copies and small kernels hide behind the network."""

    def __init__(self, gpu: Gpu, model: Model) -> None:
        self.gpu = gpu
        self._model = model
        # What ONNX Runtime and cuDNN make on another thread's behalf goes to the thread's current GPU: it must be this one.
        with gpu.here():
            self._prepare()

    def _prepare(self) -> None:
        gpu, model = self.gpu, self._model
        signature = model.signature
        self._how = signature.preprocess
        self._queue: Queue = gpu.queue()
        form = input_of(model.spec, self._how, signature)
        score = model.outputs[0].dtype if model.selection is not None else np.dtype(np.float32)
        self._letterbox = Letterbox(gpu, self._queue, form, model.most, score)
        self._beside = {name: self._repeated(row) for name, row in model.beside.items()}
        self._outputs: list[Any] = []
        self._chooser: Chooser | None = None
        if model.selection is not None:
            self._outputs = [
                self._queue.memory(model.most * int(np.prod(shape)) * spec.dtype.itemsize)
                for spec, shape in zip(model.outputs, model.shapes)
            ]
            self._chooser = Chooser(
                gpu, self._queue, model.selection, model.most, (model.spec.dtype, score), self._outputs
            )
        self._runs = {size: self._open(size) for size in _sizes(model)}

    def _repeated(self, row: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        rows = np.repeat(row[None], self._model.most, axis=0)
        memory = self._queue.mirror(rows.nbytes)
        memory.host[:] = rows.view(np.uint8).reshape(-1)
        memory.push(rows.nbytes)
        self._queue.wait()
        return memory, rows

    def _open(self, size: int) -> tuple[Any, Any]:
        """A session for runs of so many frames, warmed up, and what it is bound to. One for each size: the library plans a
        network anew whenever the size of its input changes, which takes longer than a hundred runs."""
        model, gpu = self._model, self.gpu
        session = gpu_session(model.file, gpu.providers(self._queue))
        binding = session.io_binding()
        width, height = model.signature.size
        shape = (3, height, width) if model.signature.nchw else (height, width, 3)
        own = shape if model.spec.alone else (size, *shape)
        binding.bind_input(model.spec.name, gpu.kind, gpu.index, model.spec.dtype, own, self._letterbox.memory.pointer)
        for name, (memory, rows) in self._beside.items():
            binding.bind_input(name, gpu.kind, gpu.index, rows.dtype, (size, *rows.shape[1:]), memory.pointer)
        for i, spec in enumerate(model.outputs):
            if self._chooser is None:
                binding.bind_output(spec.name, "cpu")
            else:
                part, memory = model.shapes[i], self._outputs[i]
                binding.bind_output(spec.name, gpu.kind, gpu.index, spec.dtype, (size, *part), memory.pointer)
        session.run_with_iobinding(binding)
        self._queue.wait()
        return session, binding

    def run(self, frames: Sequence[Frame], *, first: bool) -> Answer:
        """At most ``most`` frames, whose pictures lie on this GPU or on the host. ``first``: give the outputs of the first
        frame, too."""
        pictures, contents, scales = self._placed(frames)
        with self.gpu.here():
            self._letterbox.fill(pictures, contents)
            outputs = self._infer(len(frames))
            if self._chooser is not None:
                self._chooser.choose(scales, [(frame.info.width, frame.info.height) for frame in frames])
                self._queue.wait()
                if first:
                    outputs = self._of_first()
        return Answer(scales, self._chooser, outputs)

    def close(self) -> None:
        """Let go of all that lies on the GPU. Not to be used afterwards."""
        self._queue.wait()
        # Streams and events, too, are given back within the GPU: where none is current, that would open the first one.
        with self.gpu.here():
            self._runs.clear()
            del self._letterbox, self._chooser, self._outputs, self._beside, self._queue

    def _placed(
        self, frames: Sequence[Frame]
    ) -> tuple[list[DevicePlanes | OnHost], list[tuple[int, int]], list[tuple[float, float]]]:
        width, height = self._model.signature.size
        pictures: list[DevicePlanes | OnHost] = []
        contents, scales = [], []
        for frame in frames:
            info, picture = frame.info, frame.picture
            if self._how.letterbox:
                wide, high, scale = fit(info.width, info.height, width, height)
                scales.append((scale, scale))
            else:
                wide, high = width, height
                scales.append((width / info.width, height / info.height))
            contents.append((wide, high))
            planes = picture.tensor() if isinstance(picture, DevicePicture) else None
            if planes is not None and planes.device == self.gpu.index:
                pictures.append(planes)
            elif self._how.letterbox:
                pictures.append(OnHost(picture.letterbox(width, height)[0], (wide, high)))
            else:
                pictures.append(OnHost(stretch(frame.image, width, height), (wide, high)))
        return pictures, contents, scales

    def _of_first(self) -> list[NDArray[Any]]:
        """The outputs of the first frame of the last run, as a batch of one."""
        result = []
        for spec, part, memory in zip(self._model.outputs, self._model.shapes, self._outputs):
            content = self._queue.read(memory, int(np.prod(part)) * spec.dtype.itemsize)
            result.append(content.view(spec.dtype).reshape(1, *part))
        return result

    def _infer(self, count: int) -> list[NDArray[Any]]:
        """Run the network on what is in the input; gives the outputs that are read on the host. The library waits for the
        device: left to run on, it ends the process when its session is closed (ONNX Runtime 1.31)."""
        size = next(size for size in self._runs if size >= count)
        session, binding = self._runs[size]
        session.run_with_iobinding(binding)
        return [np.asarray(array) for array in binding.copy_outputs_to_cpu()] if self._chooser is None else []


def _sizes(model: Model) -> list[int]:
    """Numbers of frames of a run."""
    most = model.most
    return [most] if model.fixed else sorted({max(1, most // part) for part in (8, 4, 2)} | {most})
