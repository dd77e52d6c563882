"""Sources: open, decode, connect again, time stamps. The only room that knows FFmpeg.

>>> from countline.config.models import SourceConfig
>>> from countline.demo import clip_path
>>> source = open_source(SourceConfig(name="street", uri=str(clip_path())), 0)
>>> frame = next(iter(source))
>>> frame.info.width, frame.info.height, frame.info.pts, frame.image.shape
(768, 576, 0, (576, 768, 3))
>>> source.close()
"""

from __future__ import annotations

from countline.video.open import open_source
from countline.video.picture import ArrayPicture
from countline.video.probe import probe

__all__ = ["ArrayPicture", "open_source", "probe"]
