"""Trial runs of a model at load: the layout of its outputs, or why it is not known."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.graph import read_graph
from countline.detect.layouts import FAMILIES, FAMILY_OF, FORMS, Layout
from countline.detect.layouts.observed import TASKS, FileFacts, TrialRun
from countline.detect.own_layout import OwnLayout
from countline.detect.plausible import ReadingCheck, check_reading, test_picture
from countline.detect.preprocess import InputBinder, Preprocess
from countline.detect.recognise import recognise
from countline.detect.runtime import Session, TensorSpec, feeds, tensor_shapes
from countline.errors import DetectorError
from countline.registry.kinds import LAYOUTS as OWN

__all__ = ["Input", "Trial", "literal", "read_layout", "read_own_layout"]


@dataclass(frozen=True)
class Input:
    """The input that takes the picture."""

    spec: TensorSpec
    size: tuple[int, int]
    """Width, height."""
    nchw: bool
    """Channels before rows (NCHW)."""


@dataclass
class Trial:
    """Runs a model on the test picture, once for each way to prepare it. The first run also is the warm-up."""

    session: Session
    input: Input
    preprocess: Callable[[Layout], Preprocess]
    """A layout -> how pictures are prepared for it."""
    where: str
    """The model, for errors."""
    _done: dict[Preprocess, list[NDArray[Any]]] = field(default_factory=dict)

    def batch(self, how: Preprocess) -> NDArray[Any]:
        """The test picture as the model's input."""
        spec, (width, height) = self.input.spec, self.input.size
        pixels = np.repeat(test_picture(width, height)[None], spec.shape[0] or 1, axis=0)
        return InputBinder(spec, how, (width, height), self.input.nchw).convert(pixels)

    def feeds(self, layout: Layout) -> dict[str, NDArray[Any]]:
        """The test picture, prepared for a layout, and what the inputs beside it take."""
        return feeds(self.input.spec, self.batch(self.preprocess(layout)), self.session.beside)

    def outputs(self, layout: Layout) -> list[NDArray[Any]]:
        """What the model answers to the test picture, prepared for a layout. Raises DetectorError when it fails."""
        how = self.preprocess(layout)
        if how not in self._done:
            try:
                self._done[how] = [np.array(a) for a in self.session.run(self.batch(how))]
            except DetectorError:
                raise
            except Exception as error:  # the runtimes raise classes of their own without a common base
                text, (width, height) = " ".join(str(error).split()), self.input.size
                raise DetectorError(
                    f"a trial run with an input of {width}x{height} failed: {text[:300]}",
                    where=self.where,
                    fix="check detector.size",
                ) from None
        return self._done[how]


def literal(text: str) -> Any:
    """Metadata are JSON or Python literals, depending on the exporter; None when neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def read_layout(trial: Trial, metadata: Mapping[str, str], labels: int | None, wanted: str) -> Layout:
    """The layout of a model's outputs: by metadata, the operations that make them, names, shapes, and what comes out for a
    test picture. ``labels`` is their number where known, ``wanted`` the declared layout or 'auto'.

    Raises DetectorError that says what was seen and what to declare, when no reading can be or several can.
    """
    # Any preparation will do to see the shapes; the declared layout's saves a run.
    first = Layout("yolov8" if wanted == "auto" else wanted, 0)
    outputs = trial.outputs(first)
    shapes = [tuple(array.shape) for array in outputs]
    names = [spec.name for spec in trial.session.outputs]
    facts = _file_facts(trial, metadata, shapes, names, labels, wanted)
    found = recognise(shapes, names, trial.input.size, labels, wanted, facts)
    report = _TrialReport(trial, shapes, names, labels, facts, wanted)
    fitted = dict.fromkeys(_fitted(layout, report) for layout in found)
    left = _separate([layout for layout in fitted if layout])
    return _chosen(left, trial, report)


def read_own_layout(trial: Trial, labels: int | None, name: str, own: OwnLayout) -> Layout:
    """The layout ``name`` that another distribution brings. Raises DetectorError where the model's outputs do not have it."""
    layout = Layout(name, 0, unbatched=own.unbatched, own=own)
    outputs = trial.outputs(layout)
    shapes = [tuple(array.shape) for array in outputs]
    names = [spec.name for spec in trial.session.outputs]
    report = _TrialReport(trial, shapes, names, labels, FileFacts(), name)
    classes = own.classes(dict(zip(names, shapes)), trial.input.size, labels)
    if not classes:
        raise report.refusal(
            f"does not fit the layout '{name}'", f"check detector.labels and detector.size; or {_declare()}"
        )
    return _chosen([replace(layout, classes=classes, order=tuple(range(len(outputs))))], trial, report)


_LABELS = "set detector.labels to the names of the model's classes, in order"


def _file_facts(
    trial: Trial,
    metadata: Mapping[str, str],
    shapes: Sequence[tuple[int, ...]],
    names: Sequence[str],
    labels: int | None,
    wanted: str,
) -> FileFacts:
    task = metadata.get("task", "").strip().lower()
    if task in ("classify", "classification"):
        raise DetectorError(
            f"is a classifier (its metadata say task: {task}); it gives no boxes",
            where=trial.where,
            fix="give a detector",
        )
    form = literal(metadata.get("kpt_shape", ""))
    sound = isinstance(form, (list, tuple)) and len(form) == 2 and all(isinstance(v, int) and v > 0 for v in form)
    integers = frozenset(p.name for p in trial.session.outputs if np.issubdtype(p.dtype, np.integer))
    keypoints, keypoint = (form[0] * form[1], form[1] if form[1] > 1 else 0) if sound else (0, 3)
    facts = FileFacts(task if task in TASKS else "", keypoints, keypoint, integers)
    if wanted != "auto" and labels:
        return facts  # layout and number of classes are known: no need to read the graph
    file = trial.session.file
    if file is None:
        return facts
    graph = read_graph(file)
    tensors = graph.tensors(names)
    inner = tensor_shapes(graph.with_outputs(tensors), file.parent, trial.feeds(Layout("yolov8", 0)))
    provenance = {n: graph.provenance(n, {d for d in shape[1:] if d > 0}, inner) for n, shape in zip(names, shapes)}
    return replace(facts, provenance=provenance)


def _fitted(layout: Layout, report: _TrialReport) -> Layout | None:
    """The layout completed by the numbers of the run; None: they contradict it."""
    outputs, at = report.trial.outputs(layout), layout.order[0]
    table = outputs[at] if layout.unbatched else outputs[at][0]
    run = TrialRun(outputs, table, report.names[at], report.facts, report.labels, report.wanted == layout.name)
    return FAMILY_OF[layout.name].fit(layout, run)


def _separate(found: Sequence[Layout]) -> list[Layout]:
    for family in FAMILIES:
        found = family.separate(found)
    return list(found)


def _chosen(found: list[Layout], trial: Trial, report: _TrialReport) -> Layout:
    """The one layout that remains after checking the boxes and scores of the test picture."""
    checks = {
        layout: check_reading(layout, trial.outputs(layout), trial.input.size) for layout in found if layout.classes
    }
    unknown = [layout for layout in found if not layout.classes]
    if not found:
        raise report.unknown()
    left = [layout for layout, v in checks.items() if not (v.problem and v.sure)]
    if not left and not unknown:
        raise report.impossible(checks)
    if len(left) > 1:
        # A problem that is not sure decides between layouts, but refuses none by itself: nothing was found in the picture.
        left = [layout for layout in left if not checks[layout].problem] or left
    if len(left) > 1:
        left = [layout for layout in left if checks[layout].sure] or left
    for family in FAMILIES:
        left = list(family.prefer(left, report.facts))
    if not left:
        raise report.refusal("lists found objects, but the number of classes is not known", _LABELS)
    if len(left) == 1:
        return left[0]
    raise report.ambiguous(left)


@dataclass(frozen=True)
class _TrialReport:
    """What is known of a model, for the error that refuses it."""

    trial: Trial
    shapes: Sequence[tuple[int, ...]]
    names: Sequence[str]
    labels: int | None
    facts: FileFacts
    wanted: str

    def refusal(self, what: str, fix: str) -> DetectorError:
        width, height = self.trial.input.size
        outputs = "; ".join(f"{n}{list(s)}" for n, s in zip(self.names, self.shapes))
        known = f", {self.labels} labels" if self.labels else ", no labels"
        task = f", task {self.facts.task}" if self.facts.task else ""
        report = f"input {self.trial.input.spec} at {width}x{height}, outputs {outputs}{known}{task}"
        return DetectorError(f"the model {what}: {report}", where=self.trial.where, fix=fix)

    def unknown(self) -> DetectorError:
        what = "fits no known layout" if self.wanted == "auto" else f"does not fit the layout '{self.wanted}'"
        if self.labels is None:
            return self.refusal(
                what, f"{_LABELS}: without them classes cannot be told from what else the outputs hold; or {_declare()}"
            )
        found = recognise(self.shapes, self.names, self.trial.input.size, None, self.wanted, self.facts)
        others = [_fitted(layout, replace(self, labels=None)) for layout in found]
        fits = " or ".join(dict.fromkeys(f"{o.classes} ({o.name})" for o in others if o and o.classes))
        number = f"detector.labels has {self.labels} names, and this model seems to have {fits}" if fits else ""
        labels = number or "check that detector.labels has one name for each class, and detector.size"
        return self.refusal(what, f"{labels}; or {_declare()}")

    def ambiguous(self, found: Sequence[Layout]) -> DetectorError:
        names = ", ".join(dict.fromkeys(f"{f.name} with {f.classes} classes" for f in found))
        return self.refusal(
            f"can be read as any of {names}",
            "set detector.layout, or detector.labels so that the number of classes is known",
        )

    def impossible(self, checks: Mapping[Layout, ReadingCheck]) -> DetectorError:
        read = "; ".join(f"as {layout.name} they give {v.problem}" for layout, v in checks.items())
        raw = any("confidences from" in v.problem or "scores from" in v.problem for v in checks.values())
        how = "export the model with its final sigmoid; " if raw else ""
        return self.refusal(
            f"has outputs that cannot be read, {read}",
            f"{how}set detector.layout and detector.labels to what the model was exported with, and check `normalize`",
        )


def _declare() -> str:
    return f"set detector.layout to one of {', '.join((*FORMS, *OWN.brought()))}"
