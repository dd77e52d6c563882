"""Detectors: an ONNX model by ONNX Runtime or OpenVINO, or any callable of the user's.

>>> from countline.config import DetectorConfig
>>> from countline.detect import make
>>> detector = make(DetectorConfig(classes=["person"], threads=1))
>>> detector.labels[0]
'person'
>>> detector.close()
"""

from countline.detect.catalogue import MODELS
from countline.detect.detector import OnnxDetector
from countline.detect.factory import make
from countline.detect.layouts import Raw
from countline.detect.own_layout import OwnLayout
from countline.detect.preprocess import Preprocess
from countline.detect.wrap import CallableDetector, wrap

__all__ = ["MODELS", "CallableDetector", "OnnxDetector", "OwnLayout", "Preprocess", "Raw", "make", "wrap"]
