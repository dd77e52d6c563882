"""What finds the objects."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from countline.config.base import FileName, Model
from countline.config.faults import ConfigFault
from countline.config.triton import TritonConfig, given_triton
from countline.registry.kinds import LAYOUTS

__all__ = ["DetectorConfig", "LayoutSchema"]


def _layout(value: str) -> str:
    if value != "auto" and value not in LAYOUTS.packages():
        raise ConfigFault(f"unknown layout '{value}'", fix="known are: " + ", ".join(("auto", *LAYOUTS.packages())))
    return value


class LayoutSchema:
    """Annotation of ``layout``: its JSON Schema lists those that are known."""

    @staticmethod
    def built_in() -> tuple[str, ...]:
        """What may stand there without any other package."""
        return ("auto", *LAYOUTS.built_in)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": ["auto", *LAYOUTS.packages()]}


_LOCAL = {"model", "runtime", "precision", "device", "devices", "threads"}
"""Options of a model that runs here."""


class DetectorConfig(Model):
    """What finds the objects."""

    model: FileName = "default"
    """A model inside the package, 'default' (which is 'nanodet': NanoDet-g, COCO-80) or 'yolox-nano' (YOLOX-Nano, COCO-80), or
    the path of an ONNX file."""
    triton: Annotated[
        TritonConfig | None, BeforeValidator(given_triton, json_schema_input_type=TritonConfig | str | None)
    ] = None
    """Instead of ``model``: a model on an inference server, `grpc://host:8001/model`, or a mapping with what that needs."""
    classes: list[str] | dict[str, int] | None = None
    """Classes to keep, by name; or a mapping from name to the class id that rules see (DeepStream files)."""
    confidence: float | dict[str, float] | None = None
    """Lowest confidence, for all classes or by class name; per class by reasons unless set."""
    iou: float = Field(default=0.6, gt=0, le=1)
    """Overlap above which the weaker of two boxes is dropped (NMS)."""
    layout: Annotated[str, AfterValidator(_layout), LayoutSchema] = "auto"
    """Output layout of the model; or the name of one that another package brings."""
    labels: str | list[str] | None = None
    """Label file or list; from the model unless set."""
    size: int | tuple[int, int] | None = None
    """Input width and height in pixels; from the model unless set."""
    merge: list[list[str]] | None = None
    """Groups of classes that are one before NMS, the first name stands for all. Vehicles are merged in the package's models."""
    runtime: Literal["auto", "onnxruntime", "openvino"] = "auto"
    """Inference library; auto takes what is fastest on this machine among those installed."""
    precision: Literal["auto", "fp32", "fp16", "int8"] = "auto"
    """Precision of a model of the package; fp16 on a GPU only."""
    device: str = "cpu"
    """Where frames are decoded and looked at: cpu, or cuda (cuda:1 for the second GPU)."""
    devices: list[Annotated[int, Field(ge=0)]] | None = Field(default=None, min_length=1)
    """With `device: cuda` the GPUs, by number, over which the sources are spread; the first alone unless set."""
    threads: int = Field(default=0, ge=0)
    """Threads of one inference; 0: chosen for the machine."""
    batch: int = Field(default=0, ge=0)
    """Most frames of all sources in one inference; 0: 64 on a GPU, 8 on a server if its model takes them, else 4."""
    linger_ms: float | None = Field(default=None, ge=0)
    """On a GPU or a server, how long a frame may wait for those of other sources, to be looked at together; 50 ms unless set (on a
    server 5)."""
    interval: int = Field(default=0, ge=0)
    """Frames to skip between two inferences of a source (0: every frame); the tracker bridges the gap."""
    focus: Literal["off", "lines", "rules"] = "off"
    """Look closer where something can be counted, for small objects: parts of the picture round lines, or round all rules, go to the
    network beside the whole picture, larger."""
    slices: int = Field(default=2, ge=1, le=16)
    """Parts of each picture that are looked at closer, at most; each costs one more inference."""
    normalize: dict[str, Any] | None = None
    """Preprocessing of a user's model: {mean, std, scale, order: rgb|bgr, letterbox, pad}; by layout unless set."""

    @property
    def gpus(self) -> list[int]:
        """Numbers of the GPUs that are used; empty on the CPU."""
        kind, _, number = self.device.partition(":")
        if kind.lower() != "cuda":
            return []
        if number:
            return [int(number)] if number.isdecimal() else [0]
        return list(dict.fromkeys(self.devices or [0]))

    @model_validator(mode="after")
    def _devices(self) -> DetectorConfig:
        kind, colon, number = self.device.partition(":")
        if colon and kind.lower() == "cuda" and not number.isdecimal():
            raise ConfigFault(
                f"'{self.device}' names no GPU", fix="write cuda, or cuda:1 for the second", loc=("device",)
            )
        if self.devices is not None and (kind.lower() != "cuda" or colon):
            raise ConfigFault("`devices` are those of `device: cuda`", fix="write `device: cuda`", loc=("devices",))
        return self

    @model_validator(mode="after")
    def _remote(self) -> DetectorConfig:
        if self.triton is not None:
            for option in sorted(_LOCAL & self.model_fields_set):
                if getattr(self, option) != type(self).model_fields[option].default:
                    raise ConfigFault(
                        f"`{option}` beside `triton`: that is for a model that runs here",
                        fix=f"leave out {option}, or triton",
                        loc=(option,),
                    )
        return self
