"""Classes of detectors that DeepStream runs, in the words of the detector inside the package (COCO's).

Where a file's own model cannot be run (Caffe, UFF, TAO and engine files), the detector inside the package takes its place, and
class ids must go on to mean what they meant: each class is looked up by its name. What has no counterpart is noted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from countline.compat.deepstream.files.classes import DEEPSTREAM_CLASSES, DEEPSTREAM_LABELS

__all__ = ["Mapped", "known_labels", "mapped"]

_PEOPLENET = ("Person", "Bag", "Face")
_TRAFFIC = ("car", "bicycle", "person", "roadsign")

_MODELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("peoplenet.?transformer", ("BG", *_PEOPLENET)),
    ("peoplenet", _PEOPLENET),
    ("trafficcamnet.?transformer", ("background", "bicycle", "car", "person", "roadsign")),
    ("trafficcamnet", _TRAFFIC),
    ("dashcamnet", _TRAFFIC),
    ("primary_detector|resnet10|resnet18_vehicletypenet_detector", DEEPSTREAM_LABELS),
    ("facedetect|facenet|face_detect", ("face",)),
    ("lpdnet|_lpd", ("license plate",)),
)
"""Words in file names -> labels, NVIDIA's models."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *("person", "people", "persons", "pedestrian", "pedestrians", "human", "humans", "man", "woman", "men", "women"),
            *("child", "worker", "adult", "player"),
        ),
        ("person",),
    ),
    **dict.fromkeys(("car", "cars", "sedan", "suv", "taxi", "automobile", "auto", "van", "minivan", "jeep"), ("car",)),
    **dict.fromkeys(("vehicle", "vehicles", "four wheeler", "fourwheeler", "motor vehicle"), ("car", "truck", "bus")),
    **dict.fromkeys(("truck", "trucks", "lorry", "pickup", "pickup truck", "trailer"), ("truck",)),
    **dict.fromkeys(("bus", "buses", "coach", "minibus"), ("bus",)),
    **dict.fromkeys(("bicycle", "bicycles", "bike", "cycle", "cyclist"), ("bicycle",)),
    **dict.fromkeys(
        ("motorcycle", "motorcycles", "motorbike", "motorbikes", "motor", "scooter", "moped", "motorcyclist"), ("motorcycle",)
    ),
    **dict.fromkeys(("two wheeler", "twowheeler", "two wheelers", "2 wheeler"), ("bicycle", "motorcycle")),
    **dict.fromkeys(("bag", "bags"), ("backpack", "handbag", "suitcase")),
    "luggage": ("suitcase",),
    **dict.fromkeys(("roadsign", "road sign", "trafficsign", "traffic sign", "sign", "stopsign"), ("stop sign",)),
    "trafficlight": ("traffic light",),
    "aeroplane": ("airplane",), "plane": ("airplane",), "sofa": ("couch",), "pottedplant": ("potted plant",),
    "diningtable": ("dining table",), "tvmonitor": ("tv",), "mobile phone": ("cell phone",), "phone": ("cell phone",),
}  # fmt: skip
_NOTHING = frozenset({"bg", "background", "none", "unlabeled", ""})
"""Labels of what is no object."""


@dataclass(frozen=True)
class Mapped:
    """Classes of the detector inside the package, by the ids that they had in the file."""

    classes: dict[str, int]
    """COCO name -> class id."""
    missing: dict[int, str]
    """Class id -> label of those without a counterpart; what is no object is not among them."""


def known_labels(files: Sequence[str], count: int | None, *, by_number: bool = True) -> tuple[str, ...]:
    """Labels of a model that its file names tell, and that has this many classes (``by_number``: 80 and 91 are COCO's); ()
    where they do not."""
    names = " ".join(files).lower()
    for words, labels in _MODELS:
        if re.search(words, names) and count in (None, len(labels)):
            return labels
    if by_number and count in (80, 91):
        from countline.detect.coco import COCO, COCO_BY_ID

        return COCO if count == 80 else COCO_BY_ID
    return ()


def mapped(labels: Sequence[str]) -> Mapped:
    """Each class by its label. A class that names one thing comes before one that names several (car, and vehicle)."""
    plain = [_plain(label) for label in labels]
    if plain == [_plain(label) for label in DEEPSTREAM_LABELS]:
        return Mapped(dict(DEEPSTREAM_CLASSES), {})
    wanted = {i: _coco(word) for i, word in enumerate(plain) if word not in _NOTHING}
    if plain in ([_plain(x) for x in _TRAFFIC], ["car", "bicycle", "person", "road sign"]):
        wanted[0], wanted[1] = (
            ("car", "truck", "bus"),
            ("bicycle", "motorcycle"),
        )  # what NVIDIA trained these classes on
    classes: dict[str, int] = {}
    for i in sorted(wanted, key=lambda i: (len(wanted[i]), i)):
        for name in wanted[i]:
            classes.setdefault(name, i)
    order = sorted(classes, key=lambda name: classes[name])
    missing = {i: labels[i] for i in wanted if i not in classes.values()}
    return Mapped({name: classes[name] for name in order}, missing)


def _plain(label: str) -> str:
    return " ".join(re.sub(r"[_\-./]+", " ", label.lower()).split())


def _coco(word: str) -> tuple[str, ...]:
    from countline.detect.coco import COCO

    return _WORDS.get(word) or ((word,) if word in COCO else ())
