"""Keys of nvinfer's configurations, and what they mean here."""

from __future__ import annotations

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTES_GONE",
    "CLUSTERS",
    "ENGINES",
    "FORMATS",
    "LEAST",
    "MOST_CLASSES",
    "OVERLAP",
    "PARSERS",
    "PLUGINS",
    "SILENT",
    "SIZES",
    "THRESHOLD",
]

FORMATS = {0: "rgb", 1: "bgr"}
ENGINES = {
    "model-engine-file": "a TensorRT engine runs on the machine it was built on",
    "model-file": "Caffe models are not read",
    "proto-file": "Caffe models are not read",
    "uff-file": "UFF models are not read",
    "tlt-encoded-model": "encrypted TAO models are not read; export ONNX",
    "tlt-model-key": "encrypted TAO models are not read; export ONNX",
    "int8-calib-file": "belongs to TensorRT",
    "custom-lib-path": "plug-in libraries are not loaded; `layout` names the output format",
    "custom-network-config": "Darknet models are not read; export ONNX",
    "engine-create-func-name": "belongs to TensorRT",
    "mean-file": "a mean picture is not read; use offsets",
}
SILENT = frozenset(
    (
        *(
            "gpu-id",
            "gie-unique-id",
            "output-blob-names",
            "num-detected-classes",
            "process-mode",
            "network-type",
            "gie-mode",
        ),
        *(
            "workspace-size",
            "force-implicit-batch-dim",
            "enable-dla",
            "use-dla-core",
            "output-tensor-meta",
            "is-classifier",
        ),
        *("symmetric-padding", "maintain-aspect-ratio", "scaling-filter", "scaling-compute-hw", "parse-bbox-func-name"),
        *(
            "uff-input-blob-name",
            "uff-input-order",
            "input-dims",
            "uff-input-dims",
            "network-input-order",
            "parse-func",
        ),
        *("filter-out-class-ids", "operate-on-gie-id", "output-io-formats", "layer-device-precision", "enable-dbscan"),
        *("crop-objects-to-roi-boundary", "model-color-format", "cluster-mode"),
    )
)
"""Keys that are read elsewhere here, or that say nothing about what is detected."""
ATTRIBUTES = frozenset(("pre-cluster-threshold", "threshold", "nms-iou-threshold", "post-cluster-threshold"))
ATTRIBUTES_GONE = {
    "eps": "belongs to DBSCAN; NMS is used",
    "group-threshold": "belongs to groupRectangles; NMS is used",
    "minBoxes": "belongs to DBSCAN; NMS is used",
    "dbscan-min-score": "belongs to DBSCAN; NMS is used",
    "topk": "all boxes that pass the threshold are kept",
}
SIZES = frozenset(
    (
        *(
            "roi-top-offset",
            "roi-bottom-offset",
            "detected-min-w",
            "detected-min-h",
            "detected-max-w",
            "detected-max-h",
        ),
        *("detected-min-width", "detected-min-height", "detected-max-width", "detected-max-height"),
    )
)
"""Not carried over, and without effect where they are 0."""
CLUSTERS = {0: "groupRectangles", 1: "DBSCAN", 3: "DBSCAN and NMS", 4: "none"}
THRESHOLD, OVERLAP = 0.2, 0.3
"""nvinfer's pre-cluster-threshold and nms-iou-threshold where a file does not name them."""
LEAST = 0.001
"""For thresholds of 0, which let everything pass."""

PARSERS = {
    "nvdsinferparseyolo": "deepstream-yolo",
    "nvdsinferparseyolocuda": "deepstream-yolo",
    "nvdsinferparseyoloe": "deepstream-yolo",
    "nvdsinferparseyoloecuda": "deepstream-yolo",
    "nvdsinferparsecustomddetrtao": "detr",
    "nvdsinferparsecustomresnet": "detectnet",
    "nvdsinferparsecustomdetectnet": "detectnet",
    "nvdsinferparsecustomtfssd": "detections-tf",
}
"""Parser -> the layout of what it parses."""
PLUGINS = ("batchednms", "nmstlt", "efficientnms", "efficientdettao", "mrcnn", "frcnn")
"""Parts of the names of parsers for what plug-ins of TensorRT put out."""
MOST_CLASSES = 10_000
