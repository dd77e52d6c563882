"""A script that ends without stopping its pipeline or closing its attachment: run by a test."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from nvds_metas import Frm, Library, Obj
from nvds_pipeline import Pipeline

from countline.deepstream import attach

library = Library()
pipeline = Pipeline("appsrc name=in ! identity name=here ! queue max-size-buffers=50 ! fakesink sync=true name=out")
pipeline.__enter__()
attachment = attach(
    pipeline.element("here"),
    {"outbox": "memory", "messages": [{"name": "m", "on": "frame", "value": {"n": "{frame}"}}]},
    publish=sys.argv[1],
)
pipeline.push(library.buffer([Frm(0, n, objects=[Obj(1, (1, 2, 3, 4))])]) for n in range(120))
print("pushed", attachment.counts.errors)
