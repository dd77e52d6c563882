"""Names of the 80 classes of COCO in the order in which detectors number them."""

from __future__ import annotations

__all__ = ["COCO", "COCO_BY_ID"]

COCO: tuple[str, ...] = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch"),
    *("potted plant", "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    *("microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)

_GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)

_NAMES = iter(COCO)
COCO_BY_ID: tuple[str, ...] = tuple(f"class {i}" if i in _GAPS else next(_NAMES) for i in range(91))
"""Names by COCO's own category numbers, 0 to 90, of which eleven are not in use; transformers have these."""
