"""Other projects' trackers and line counters, on the same detections; and HOTA, MOTA and IDF1 of anybody's tracks.

    python benchmarks/peers.py follow JOBS RESULTS [--only NAME ...]
    python benchmarks/peers.py score TRACKS SCORES
    python benchmarks/peers.py list

It imports nothing of countline, so that it runs in an environment of its own, where their dependencies do not meet countline's
(``benchmarks/peers.txt``, ``make peers``); ``accuracy.py`` calls it. Files are pickles of plain values and arrays. A peer whose package is
absent is left out, by name.

Each tracker is made as its documentation says, told the frame rate and, where it can be, the detector's own threshold for
beginning a track; all else is its default. Crossings are counted by supervision's LineZone with the bottom centre as the anchor, which is
what the truth is about.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import pickle
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Job = dict[str, Any]
Frame = tuple[np.ndarray, np.ndarray]
"""(n,) ids, below 0: none, and (n, 5) xyxy and class id."""


def threshold(job: Job) -> float:
    """The detector's, of the class that is seen most."""
    classes = np.concatenate([f[:, 5] for f in job["frames"]]).astype(int)
    return float(job["thresholds"].get(int(np.bincount(classes).argmax()), 0.45)) if len(classes) else 0.45


def roboflow(name: str) -> Callable[[Job], Any]:
    """A tracker of Roboflow's ``trackers``."""

    def make(job: Job) -> Any:
        import inspect

        import supervision as sv
        import trackers

        kind = getattr(trackers, name)
        limit = threshold(job)
        offered = {
            "frame_rate": job["fps"],
            "track_activation_threshold": limit,
            "high_conf_det_threshold": limit,
            "enable_cmc": False,  # no pictures
        }
        tracker = kind(**{k: v for k, v in offered.items() if k in inspect.signature(kind).parameters})

        def step(frame: np.ndarray) -> Frame:
            found = tracker.update(
                sv.Detections(frame[:, :4], confidence=frame[:, 4], class_id=frame[:, 5].astype(int))
            )
            if not len(found) or found.tracker_id is None:
                return np.empty(0, int), np.empty((0, 5))
            return found.tracker_id, np.column_stack([found.xyxy, found.class_id])

        return step

    return make


def supervision_bytetrack(job: Job) -> Any:
    import supervision as sv

    if not hasattr(sv, "ByteTrack"):
        raise ImportError("this supervision has no ByteTrack")
    tracker = sv.ByteTrack(track_activation_threshold=threshold(job), frame_rate=round(job["fps"]))

    def step(frame: np.ndarray) -> Frame:
        given = sv.Detections(frame[:, :4], confidence=frame[:, 4], class_id=frame[:, 5].astype(int))
        found = tracker.update_with_detections(given)
        if not len(found):
            return np.empty(0, int), np.empty((0, 5))
        return found.tracker_id, np.column_stack([found.xyxy, found.class_id])

    return step


def visiontrack(job: Job) -> Any:
    import visiontrack_cpp

    limit = threshold(job)
    config = visiontrack_cpp.TrackerConfig(
        high_score_thresh=limit, new_track_thresh=limit, max_age=max(1, round(job["fps"]))
    )
    tracker = visiontrack_cpp.ByteTracker(config)

    def step(frame: np.ndarray) -> Frame:
        ids, boxes, _, classes = tracker.update(frame[:, :4], frame[:, 4], frame[:, 5].astype(int))
        return ids, np.column_stack([boxes.reshape(-1, 4), classes])

    return step


def edgefirst(job: Job) -> Any:
    from edgefirst.tracker import ByteTrack

    tracker = ByteTrack(high_conf=threshold(job))
    numbers: dict[str, int] = {}
    count = 0

    def step(frame: np.ndarray) -> Frame:
        nonlocal count
        count += 1
        boxes, scores = frame[:, :4].astype(np.float32), frame[:, 4].astype(np.float32)
        infos = tracker.update(boxes, scores, frame[:, 5].astype(np.uintp), round(count * 1e9 / job["fps"]))
        ids = [-1 if i is None else numbers.setdefault(i.uuid, len(numbers) + 1) for i in infos]
        return np.array(ids, int), frame[:, [0, 1, 2, 3, 5]]

    return step


PEERS: dict[str, tuple[str, Callable[[Job], Any]]] = {
    "supervision ByteTrack": ("supervision", supervision_bytetrack),
    "trackers ByteTrack": ("trackers", roboflow("ByteTrackTracker")),
    "trackers C-BIoU": ("trackers", roboflow("CBIoUTracker")),
    "trackers OC-SORT": ("trackers", roboflow("OCSORTTracker")),
    "trackers BoT-SORT": ("trackers", roboflow("BoTSORTTracker")),
    "visiontrack-cpp": ("visiontrack-cpp", visiontrack),
    "edgefirst-tracker": ("edgefirst-tracker", edgefirst),
}
MODULES = {"visiontrack-cpp": "visiontrack_cpp", "edgefirst-tracker": "edgefirst"}


def present() -> dict[str, str]:
    """Those that can run here, and of which version."""
    found = {}
    if importlib.util.find_spec("supervision") is None:
        return found
    import supervision

    for title, (package, _) in PEERS.items():
        if importlib.util.find_spec(MODULES.get(package, package)) is None:
            continue
        if title == "supervision ByteTrack" and not hasattr(supervision, "ByteTrack"):
            continue
        found[title] = f"{package} {version(package)}, LineZone of supervision {version('supervision')}"
    return found


def follow(job: Job, title: str) -> dict[str, Any]:
    """Reports (seconds, line, sign) and tracks (n, 5) for each frame: id, xyxy."""
    import supervision as sv

    step = PEERS[title][1](job)
    zones = {
        name: sv.LineZone(sv.Point(*a), sv.Point(*b), triggering_anchors=[sv.Position.BOTTOM_CENTER])
        for name, (a, b) in job["lines"].items()
    }
    reports, tracks = [], []
    for i, frame in enumerate(job["frames"]):
        ids, boxes = step(np.asarray(frame, float))
        real = np.asarray(ids) >= 0
        ids, boxes = np.asarray(ids)[real], boxes[real]
        tracks.append(np.column_stack([ids, boxes[:, :4]]).astype(float))
        given = sv.Detections(boxes[:, :4].reshape(-1, 4), class_id=boxes[:, 4].astype(int), tracker_id=ids.astype(int))
        for name, zone in zones.items():
            into, out = zone.trigger(given)
            reports += [(i / job["fps"], name, "-")] * int(into.sum()) + [(i / job["fps"], name, "+")] * int(out.sum())
    return {"reports": reports, "tracks": tracks}


def scores(truth: list[np.ndarray], tracks: list[np.ndarray]) -> dict[str, float]:
    """HOTA, MOTA, IDF1 and identity switches by TrackEval. Both: for each frame (n, 5) id, xyxy."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    data: dict[str, Any] = {"num_timesteps": len(truth)}
    data |= {"similarity_scores": [overlaps(t[:, 1:], f[:, 1:]) for t, f in zip(truth, tracks)]}
    for key, tables in (("gt", truth), ("tracker", tracks)):
        known, ids = np.unique(np.concatenate([t[:, 0] for t in tables]), return_inverse=True)
        ends = np.cumsum([len(t) for t in tables])[:-1]
        data |= {f"num_{key}_ids": len(known), f"num_{key}_dets": len(ids), f"{key}_ids": np.split(ids, ends)}
    quiet = {"PRINT_CONFIG": False}
    hota = HOTA().eval_sequence(data)
    clear, identity = CLEAR(quiet).eval_sequence(data), Identity(quiet).eval_sequence(data)
    return {
        "HOTA": float(np.mean(hota["HOTA"])),
        "AssA": float(np.mean(hota["AssA"])),
        "MOTA": float(clear["MOTA"]),
        "IDF1": float(identity["IDF1"]),
        "IDSW": float(clear["IDSW"]),
        "boxes": float(len(np.concatenate(truth))),
    }


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(len(a), len(b)) intersection over union."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    area = [np.prod(x[:, 2:] - x[:, :2], axis=1) for x in (a, b)]
    return common / np.maximum(area[0][:, None] + area[1][None] - common, 1e-9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("follow", "score", "list"), nargs="?", default="list")
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--only", nargs="*", help="names of peers")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    if given.what == "list":
        for title, what in present().items():
            print(f"{title}\t{what}")
        if importlib.util.find_spec("trackeval"):
            print(f"score\ttrackeval {version('trackeval')}")
        return 0
    source, target = given.files
    work = pickle.loads(source.read_bytes())
    if given.what == "score":
        result = [scores(truth, tracks) for truth, tracks in work]
    else:
        titles = [t for t in present() if not given.only or t in given.only]
        result = {title: [follow(job, title) for job in work] for title in titles}
    target.write_bytes(pickle.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
