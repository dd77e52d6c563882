"""What is there of DeepStream on this machine, and what to do about what is not."""

from __future__ import annotations

import glob
import platform
from collections.abc import Iterator
from pathlib import Path

from countline.deepstream import gstreamer, libraries
from countline.deepstream.bindings import _installed
from countline.deepstream.errors import DeepStreamError
from countline.deepstream.full_pipeline import FullPipeline, inference_files
from countline.deepstream.reader import MemoryReader
from countline.deepstream.survey import survey
from countline.errors import CountlineError
from countline.protocols import Check

__all__ = ["environment", "pipeline"]

_CONTAINER = "run inside the DeepStream container (docs/deepstream.md), or install DeepStream"


def _of(subject: str, error: CountlineError) -> Check:
    return Check(subject, False, error.what, error.fix)


def environment() -> Iterator[Check]:
    """What :func:`countline.deepstream.attach` needs."""
    yield Check("Python", True, platform.python_version())
    try:
        loaded = libraries.load()
    except DeepStreamError as error:
        yield _of("metadata libraries", error)
        loaded = None
    try:
        reader = MemoryReader(loaded) if loaded is not None else None
    except DeepStreamError as error:
        yield _of("metadata layout", error)
        if loaded is not None:
            measured = "\n".join(survey(loaded).lines())
            yield Check("to add this version", False, "send what was measured:", measured)
        reader = None
    if reader is not None:
        found = reader.libraries
        yield Check(
            "metadata libraries", True, f"{found.folder}" + (f", version {found.version}" if found.version else "")
        )
        sizes = f"frame {reader.layout.frame} bytes, object {reader.layout.object} bytes"
        yield Check("metadata layout", True, f"{sizes}: as in DeepStream {reader.layout.versions}")
    for name, what in (("pyds", "6.x to 8.x"), ("pyservicemaker", "8.x and 9.x")):
        there = _installed(name)
        yield Check(f"{name} ({what})", True, "installed" if there else "not installed; not needed")


def pipeline(full_pipeline: FullPipeline | None = None) -> Iterator[Check]:
    """What ``countline deepstream run`` needs: GStreamer, every element, a GPU, and the files that are named."""
    try:
        gst = gstreamer.load()
    except DeepStreamError as error:
        yield _of("GStreamer", error)
        return
    names = (full_pipeline or FullPipeline(["video.h264", "video.mp4"], Path("pgie"))).elements()
    for name in names:
        ok = gstreamer.has_element(gst, name)
        yield Check(f"element {name}", ok, "found" if ok else "GStreamer does not have it", "" if ok else _remedy(name))
    nodes = glob.glob("/dev/nvidia[0-9]*") + glob.glob("/dev/nvgpu*") + glob.glob("/dev/nvhost-gpu")
    yield Check("GPU", bool(nodes), ", ".join(nodes) or "no NVIDIA device", "" if nodes else "docker run --gpus all …")
    if full_pipeline is not None:
        yield from _files(full_pipeline)


def _remedy(name: str) -> str:
    if name.startswith("nv"):
        folder = libraries.find()
        return (
            _CONTAINER
            if folder is None or folder.name == "_libs"
            else f"look for its plugin with: gst-inspect-1.0 {name}"
        )
    package = "gstreamer1.0-plugins-bad" if name.endswith("parse") else "gstreamer1.0-plugins-base"
    return f"install GStreamer's plugins (Debian: {package})"


def _files(full_pipeline: FullPipeline) -> Iterator[Check]:
    wanted = {f"input {uri}": Path(uri) for uri in full_pipeline.inputs if "://" not in uri}
    wanted["nvinfer configuration"] = full_pipeline.inference
    wanted |= {f"nvtracker's {k}": Path(v) for k, v in full_pipeline.tracker.items() if k.endswith("-file")}
    if full_pipeline.inference.is_file():
        try:
            wanted |= {f"nvinfer's {key}": path for key, path in inference_files(full_pipeline.inference).items()}
        except CountlineError as error:
            yield _of("nvinfer configuration", error)
    for what, path in wanted.items():
        there = path.is_file()
        yield Check(what, there, str(path) if there else f"there is no {path}", "" if there else "check the path")
