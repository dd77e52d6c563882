"""The other side of the end-to-end benchmark: what one writes in an afternoon with OpenCV, ONNX Runtime, supervision and
kafka-python. Same model file, same threshold, same line; one loop, one thread of Python, libraries' defaults."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import supervision as sv

from kafka import KafkaProducer

SIZE = 416
BINS = 11
STRIDES = (8, 16, 32)


def grid() -> tuple[np.ndarray, np.ndarray]:
    centres, steps = [], []
    for stride in STRIDES:
        n = SIZE // stride
        y, x = np.mgrid[:n, :n]
        centres.append((np.stack([x.ravel(), y.ravel()], 1) + 0.5) * stride)
        steps.append(np.full(n * n, stride))
    return np.concatenate(centres), np.concatenate(steps)


def letterbox(image: np.ndarray) -> tuple[np.ndarray, float]:
    scale = min(SIZE / image.shape[1], SIZE / image.shape[0])
    small = cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))
    canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas, scale


def run(
    video: Path, model: Path, bootstrap: str, topic: str, line: list[list[float]], threshold: float
) -> tuple[int, int, int]:
    """Frames, crossings in, crossings out."""
    session = onnxruntime.InferenceSession(str(model))
    producer = KafkaProducer(bootstrap_servers=bootstrap, value_serializer=lambda v: json.dumps(v).encode(), acks="all")
    capture = cv2.VideoCapture(str(video))
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    (x1, y1), (x2, y2) = line
    zone = sv.LineZone(
        sv.Point(x1 * width, y1 * height),
        sv.Point(x2 * width, y2 * height),
        triggering_anchors=[sv.Position.BOTTOM_CENTER],
    )
    tracker = sv.ByteTrack(frame_rate=10)
    centres, steps = grid()
    frames = 0
    while True:
        ok, image = capture.read()
        if not ok:
            break
        frames += 1
        canvas, scale = letterbox(image)
        scores, sides = session.run(None, {session.get_inputs()[0].name: canvas[None]})
        people = scores[0][0]
        cells = np.flatnonzero(people >= threshold)
        bins = sides[0][:, cells].reshape(4, BINS, -1)
        weights = np.exp(bins - bins.max(axis=1, keepdims=True))
        distance = (weights / weights.sum(axis=1, keepdims=True) * np.arange(BINS)[:, None]).sum(axis=1) * steps[cells]
        centre = centres[cells]
        xyxy = np.stack(
            [
                centre[:, 0] - distance[0],
                centre[:, 1] - distance[1],
                centre[:, 0] + distance[2],
                centre[:, 1] + distance[3],
            ],
            1,
        )
        detections = sv.Detections(xyxy / scale, confidence=people[cells], class_id=np.zeros(len(cells), int)).with_nms(
            0.6
        )
        detections = tracker.update_with_detections(detections)
        crossed_in, crossed_out = zone.trigger(detections)
        if crossed_in.any() or crossed_out.any():
            producer.send(
                topic,
                key=b"device_test",
                value={
                    "messageid": str(uuid.uuid4()),
                    "@timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                    "deviceId": "device_test",
                    "analyticsModule": {
                        "stream_source_id": 0,
                        "lc_curr_straight": int(crossed_in.sum() + crossed_out.sum()),
                        "lc_cum_straight": zone.in_count + zone.out_count,
                    },
                },
            )
    producer.flush()
    producer.close()
    return frames, zone.in_count, zone.out_count
