"""All contenders on the same detections: run, scored, printed, written."""

from __future__ import annotations

import argparse
import importlib.util
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import RUNTIMES, Clip
from contenders import Job, Result, run_own
from machine import header
from scenes.hiding import visible
from scenes.kinds import KINDS
from scenes.kinds import make as make_scene
from scenes.noise import THRESHOLD, detect
from scenes.world import CLASSES, Scene
from scoring import Report, Score, score

from countline.config import DetectorConfig
from countline.detect import make as make_detector
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import AvPicture

SCRIPT = Path(__file__).parent / "peers.py"
VEHICLE_THRESHOLD = 0.35
RANDOM_LINES, RANDOM_SEED = 60, 77
SHOWN = 0.25
"""Part of an object that must show for its box to count in HOTA, MOTA and IDF1."""


PEOPLE = ("apart", "street", "crowd")
PICTURE_RATE, PICTURE_SECONDS, PICTURE_SCENES = 10.0, 30.0, 3
SURE = 0.6
"""Confidence from which somebody is cut out of a clip."""


class Peers:
    """The other contenders, in whatever interpreter has them."""

    def __init__(self, python: Path) -> None:
        self.of: dict[str, str] = {}
        """Title -> interpreter."""
        self.versions: dict[str, str] = {}
        for interpreter in (str(python), sys.executable) if python.exists() else (sys.executable,):
            listed = subprocess.run(
                [interpreter, SCRIPT, "list"], check=False, capture_output=True, text=True, timeout=120
            )
            for line in listed.stdout.splitlines():
                title, _, version = line.partition("\t")
                if title not in self.of:
                    self.of[title], self.versions[title] = interpreter, version
        self.scorer = self.of.pop("score", None)
        absent = [t for t in _titles() if t not in self.of]
        if absent:
            print(f"left out, not installed (make peers): {', '.join(absent)}")
        if self.scorer is None:
            print("no HOTA, MOTA, IDF1: trackeval is not installed (make peers)")

    def follow(self, jobs: Sequence[Job]) -> dict[str, list[Result]]:
        """Results of all, for each job."""
        found: dict[str, list[Result]] = {}
        for interpreter in dict.fromkeys(self.of.values()):
            titles = [t for t, i in self.of.items() if i == interpreter]
            plain = [job.plain() for job in jobs]
            results = self._call(interpreter, "follow", plain, "--only", *titles)
            found |= {t: [Result(r["reports"], r["tracks"]) for r in rs] for t, rs in results.items()}
        return {title: found[title] for title in _titles() if title in found}

    def identities(self, pairs: list[tuple[list[np.ndarray], list[np.ndarray]]]) -> list[dict[str, float]]:
        """Of (truth, tracks), each (n, 5) for each frame."""
        result: list[dict[str, float]] = self._call(str(self.scorer), "score", pairs)
        return result

    def _call(self, interpreter: str, what: str, work: Any, *more: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            given, result = Path(folder) / "in", Path(folder) / "out"
            given.write_bytes(pickle.dumps(work))
            subprocess.run([interpreter, SCRIPT, what, given, result, *more], check=True, timeout=7200)
            return pickle.loads(result.read_bytes())


def _titles() -> list[str]:
    import peers

    return list(peers.PEERS)


@dataclass
class Set:
    """What contenders are compared on: jobs with truth."""

    name: str
    jobs: list[Job] = field(default_factory=list)
    true: list[list[Report]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    boxes: list[list[np.ndarray]] = field(default_factory=list)
    """True (n, 5) id, xyxy for each frame; empty: unknown."""


def contend(one: Set, peers: Peers | None, **line: Any) -> dict[str, Any]:
    """Run all on a set; print and return a row for each. ``line``: other options of countline's lines."""
    results: dict[str, list[Result]] = {}
    for job in one.jobs:
        for title, result in run_own(job, **line).items():
            results.setdefault(title, []).append(result)
    if peers is not None:
        results |= peers.follow(one.jobs)
    rows = {}
    for title, found in results.items():
        total = Score()
        for job, true, seconds, result in zip(one.jobs, one.true, one.seconds, found):
            total += score(true, result.reports, job.lines, seconds)
        rows[title] = total.summary()
    if one.boxes and peers is not None and peers.scorer is not None:
        for title, found in zip(results, _identities(peers, one, list(results.values()))):
            rows[title] |= found
    show(one.name, rows)
    return rows


def _identities(peers: Peers, one: Set, results: list[list[Result]]) -> list[dict[str, float]]:
    """For each contender, weighted by the number of true boxes."""
    parts = peers.identities([(b, r.tracks) for found in results for b, r in zip(one.boxes, found)])
    told = []
    for at in range(0, len(parts), len(one.boxes)):
        mine = parts[at : at + len(one.boxes)]
        weights = [p["boxes"] for p in mine]
        means = {
            k: round(float(np.average([p[k] for p in mine], weights=weights)), 4) for k in ("HOTA", "MOTA", "IDF1")
        }
        told.append(means | {"switches": int(sum(p["IDSW"] for p in mine))})
    return told


def show(name: str, rows: dict[str, dict[str, Any]]) -> None:
    print(f"\n{name}")
    print(
        f"  {'':44s}{'true':>6s}{'missed':>7s}{'extra':>6s}{'wrong':>8s}{'exact':>7s}{'by 1':>5s}{'more':>5s}{'nwRMSE':>8s}"
        f"{'HOTA':>7s}{'MOTA':>7s}{'IDF1':>7s}"
    )
    for title, row in rows.items():
        more = "".join(f"{row[k]:7.3f}" if k in row else f"{'-':>7s}" for k in ("HOTA", "MOTA", "IDF1"))
        print(
            f"  {title:44s}{row['crossings']:6d}{row['missed']:7d}{row['extra']:6d}{row['wrong_part']:8.2%}{row['exact']:7d}"
            f"{row['off_by_1']:5d}{row['off_by_more']:5d}{row['nwrmse']:8.3f}{more}",
            flush=True,
        )


# -- generated scenes ---------------------------------------------------------------------------------------------------


def scene_job(scene: Scene, fps: float) -> Job:
    limits = {i: THRESHOLD if name in ("person", "bicycle") else VEHICLE_THRESHOLD for i, name in enumerate(CLASSES)}
    name = f"{scene.name} {scene.seed}"
    return Job(name, scene.camera.size, fps, scene.lines, detect(scene, fps), limits, CLASSES)


def truth_of(scene: Scene) -> list[Report]:
    return [(c.passage.time, c.line, c.passage.sign) for c in scene.crossings()]


def true_tables(scene: Scene, fps: float) -> list[np.ndarray]:
    """(n, 5) id, xyxy for each frame of what shows well enough, within the picture."""
    boxes, alive = scene.true_boxes(fps)
    width, height = scene.camera.size
    tables = []
    for f in range(boxes.shape[1]):
        rows = np.flatnonzero(alive[:, f])
        shown = visible(boxes[rows, f], scene.camera.size, np.zeros(len(rows), bool))[1]
        rows = rows[shown > SHOWN]
        tables.append(np.column_stack([rows, boxes[rows, f].clip(0, (width, height, width, height))]))
    return tables


def generated(kind: str, scenes: Iterable[Scene], fps: float, *, identities: bool) -> Set:
    one = Set(f"generated: {kind}, {fps:g} frames/s")
    for scene in scenes:
        one.jobs.append(scene_job(scene, fps))
        one.true.append(truth_of(scene))
        one.seconds.append(scene.seconds)
        if identities:
            one.boxes.append(true_tables(scene, fps))
    return one


def on_scenes(given: argparse.Namespace, peers: Peers) -> dict[str, Any]:
    told = {}
    for kind in KINDS:
        scenes = [make_scene(kind, seed, given.seconds) for seed in given.seeds]
        for fps in given.rates:
            compared = fps in given.peer_rates
            one = generated(kind, scenes, fps, identities=compared)
            line = {} if given.debounce is None else {"debounce": given.debounce}
            told[one.name] = contend(one, peers if compared else None, **line)
    return told


# -- clips --------------------------------------------------------------------------------------------------------------


class Eye:
    """The default model, in the precision that is first installed."""

    def __init__(self, model: str, precision: str | None, classes: Sequence[str] | None) -> None:
        chosen = precision or next(p for p, r in RUNTIMES.items() if importlib.util.find_spec(r))
        config: dict[str, Any] = {"model": model, "runtime": RUNTIMES[chosen], "precision": chosen}
        self._detector = make_detector(
            DetectorConfig.model_validate(config | ({"classes": list(classes)} if classes else {}))
        )
        self._source = SourceInfo("clip")
        self.thresholds = dict(enumerate(self._detector.thresholds.tolist()))
        self.labels = tuple(self._detector.labels)

    def see(self, picture: av.VideoFrame) -> np.ndarray:
        """(n, 6) xyxy, confidence, class id."""
        info = FrameInfo(self._source, 0, 0, 0, picture.width, picture.height)
        found = self._detector.detect([Frame(info, AvPicture(picture))])[0]
        return np.column_stack([found.xyxy, found.confidence, found.class_id])

    def close(self) -> None:
        self._detector.close()


def seen(video: Path, clip: Clip, model: str, precision: str | None) -> Job:
    """What the default model sees in a clip."""
    eye = Eye(model, precision, clip.classes)
    with av.open(str(video)) as container:
        fps = float(container.streams.video[0].average_rate or 30)
        frames = [eye.see(picture) for picture in container.decode(video=0)]
    eye.close()
    lines = {n: (line.points[0], line.points[-1]) for n, line in clip.lines.items()}
    return Job(clip.file, clip.size, fps, lines, frames, eye.thresholds, eye.labels)


def on_pictures(given: argparse.Namespace, peers: Peers) -> dict[str, Any]:
    """Scenes of people drawn over vtest.avi's background, seen by the default model."""
    from scenes.picture import draw, stock_of

    eye = Eye(given.model, given.only, ("person",))
    with av.open(str(given.video)) as container:
        every = enumerate(container.decode(video=0))
        boxes = [eye.see(p) if f % 10 == 0 else np.empty((0, 6)) for f, p in every]
    stock = stock_of(given.video, [b[b[:, 4] > SURE, :4] for b in boxes])
    told = {}
    for kind in PEOPLE:
        one = Set(f"drawn: {kind}, {PICTURE_RATE:g} frames/s")
        for seed in given.seeds[:PICTURE_SCENES]:
            scene = make_scene(kind, seed, PICTURE_SECONDS)
            pictures = (av.VideoFrame.from_ndarray(p, format="bgr24") for p in draw(scene, PICTURE_RATE, stock))
            frames = [eye.see(picture) for picture in pictures]
            name = f"{scene.name} {seed}"
            one.jobs.append(Job(name, scene.camera.size, PICTURE_RATE, scene.lines, frames, eye.thresholds, eye.labels))
            one.true.append(truth_of(scene))
            one.seconds.append(scene.seconds)
            one.boxes.append(true_tables(scene, PICTURE_RATE))
        told[one.name] = contend(one, peers)
    eye.close()
    return told


def on_clips(jobs: list[tuple[Path, Clip]], model: str, precision: str | None, peers: Peers) -> dict[str, Any]:
    """Of clips only counts are known: all that is wrong is told by how much they are off."""
    told: dict[str, Any] = {}
    for video, clip in jobs:
        job = seen(video, clip, model, precision)
        results = {t: [r] for t, r in run_own(job).items()} | peers.follow([job])
        rows = {}
        for title, (result,) in results.items():
            total = Score()
            for name, line in clip.lines.items():
                for sign, true in (("+", line.plus), ("-", line.minus)):
                    found = sum(r[1:] == (name, sign) for r in result.reports)
                    total += Score(true, max(0, true - found), max(0, found - true), [found - true])
            rows[title] = total.summary() | {"nwrmse": float("nan")}
        show(f"{clip.file}: counts by eye, net of what cancels", rows)
        told[clip.file] = {t: {k: v for k, v in row.items() if k != "nwrmse"} for t, row in rows.items()}
        if clip.file == "vtest.avi":
            told["vtest.avi, random lines"] = _random_lines(job, peers)
    return told


def _random_lines(job: Job, peers: Peers) -> dict[str, Any]:
    from random_lines import draw, eye_reports

    lines = {f"{i}": (p[:2], p[2:]) for i, p in enumerate(draw(RANDOM_LINES, RANDOM_SEED))}
    one = Set(f"vtest.avi: {len(lines)} random lines, people followed by eye")
    one.jobs.append(Job(job.name, job.size, job.fps, lines, job.frames, job.thresholds, job.labels))
    one.true.append(eye_reports(lines))
    one.seconds.append(len(job.frames) / job.fps)
    return contend(one, peers)


def write(path: Path, told: dict[str, Any], peers: Peers) -> None:
    path.parent.mkdir(exist_ok=True)
    text = header("onnxruntime", "numpy").splitlines()
    path.write_text(json.dumps({"run": text, "peers": peers.versions, "sets": told}, indent=1) + "\n")
    print(f"\nwritten: {path}")
