"""What is not known is refused, with what to do; what is known is measured, not believed."""

from __future__ import annotations

import ctypes
import os
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from nvds_metas import UNTRACKED, Frm, Library, Obj
from nvds_pipeline import Pipeline

import starting
from countline.cli import main
from countline.deepstream import DeepStreamError, attach, bindings, libraries
from countline.deepstream.layout import LAYOUTS, measure
from countline.deepstream.reader import OBJECT, MemoryReader
from countline.deepstream.survey import survey


def test_the_real_library_is_measured() -> None:
    layout = measure(libraries.load())
    assert (layout.frame, layout.object, layout.label) in {(x.frame, x.object, x.label) for x in LAYOUTS}


def test_every_field_is_copied_bit_for_bit() -> None:
    library, reader = Library(), MemoryReader()
    rng = np.random.default_rng(5)
    for count in (0, 1, 2, 31, 300):
        boxes = rng.normal(0, 1e4, (count, 4)).astype(np.float32)
        ids = [int(i) for i in rng.integers(0, 2**64, count, dtype=np.uint64)]
        classes = [int(c) for c in rng.integers(-5, 100, count)]
        shares = rng.random(count).astype(np.float32)
        objects = [
            Obj(i, tuple(b.tolist()), c, f"label {c}", float(s)) for i, b, c, s in zip(ids, boxes, classes, shares)
        ]
        buffer = library.buffer([Frm(7, 2**31 - 1, 2**63 + 5, 2**62, (3840, 2160), objects), Frm(8)])
        found = reader.read(buffer)
        assert found is not None
        first, second = found
        assert first[1:8] == (7, 2**31 - 1, 2**63 + 5, 2**62, 7, (640, 480), (3840, 2160))
        assert (second.pad_index, len(second.array())) == (8, 0)
        reader.wanted.update(classes)
        reader.read(buffer)
        library.unref(buffer)  # what was read is a copy
        rows = first.array()
        assert rows["object_id"].tolist() == ids
        assert rows["class_id"].tolist() == classes
        assert rows["ltwh"].tobytes() == boxes.tobytes()
        assert rows["confidence"].tobytes() == shares.tobytes()
        assert {c: f"label {c}" for c in classes}.items() <= reader.labels.items()
        assert not reader.wanted


def test_a_held_lock_is_waited_for_while_other_threads_run() -> None:
    import threading

    library, reader = Library(), MemoryReader()
    buffer = library.buffer([Frm()])
    batch = library.gst.gst_buffer_get_nvds_batch_meta(buffer)
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        library.meta.nvds_acquire_meta_lock(batch)
        held.set()
        go.wait(10)
        library.meta.nvds_release_meta_lock(batch)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    done: list[Any] = []
    waiter = threading.Thread(target=lambda: done.append(reader.read(buffer)))
    waiter.start()
    waiter.join(0.2)
    assert not done
    go.set()
    waiter.join(10)
    holder.join(10)
    assert len(done[0]) == 1
    library.unref(buffer)


@pytest.fixture
def compile_library(tmp_path: Path) -> Callable[[str], None]:
    """Builds libraries with NVIDIA's names and another shape."""
    import shutil
    import subprocess

    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")

    def build(body: str) -> None:
        for library in (libraries.META, libraries.GST_META):
            source = tmp_path / "library.c"
            text = body if library == libraries.META else ""
            names = [name for name in libraries._FUNCTIONS[library] if name not in text]
            source.write_text(text + "".join(f"void *{name}(void) {{ return 0; }}\n" for name in names))
            subprocess.run([compiler, "-shared", "-fPIC", "-w", "-o", tmp_path / library, source], check=True)

    return build


_POOLS = """
#include <stdlib.h>
#include <stdint.h>
#include <string.h>
static char batch[4096]; static uint32_t pools[8][64];
void *nvds_create_batch_meta(unsigned n) {{
  for (int i = 0; i < 6; i++) *(void **)(batch + 48 + 8 * i) = pools[i];
  pools[0][2] = {frame}; pools[1][2] = {object}; pools[4][2] = 48;
  return batch;
}}
void *nvds_acquire_frame_meta_from_pool(void *b) {{ return calloc(1, 4096); }}
void *nvds_acquire_obj_meta_from_pool(void *b) {{ return calloc(1, 4096); }}
void *nvds_acquire_user_meta_from_pool(void *b) {{ return calloc(1, 4096); }}
"""


@pytest.mark.parametrize(
    ("frame", "thing", "says"),
    [
        (240, 560, "frame, object and user metadata have 240, 560 and 48 bytes"),
        (232, 552, "the number of frames is not where it should be"),
    ],
)
def test_an_unknown_layout_is_refused(
    frame: int, thing: int, says: str, compile_library: Callable[[str], None], tmp_path: Path
) -> None:
    """A library whose sizes are not in the table; and one whose sizes are, but whose functions write elsewhere."""

    compile_library(_POOLS.format(frame=frame, object=thing))
    script = textwrap.dedent(
        """
        from countline.deepstream.reader import MemoryReader
        from countline.errors import SourceError
        try:
            MemoryReader()
        except SourceError as error:
            print(error)
        """
    )
    environment = {**os.environ, libraries.ENVIRONMENT: str(tmp_path)}
    done = starting.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert "9.0 and 9.1: 232, 552, 48" in done.stdout
    assert "reader='pyds'" in done.stdout


def test_the_real_library_is_surveyed_as_it_is_known() -> None:
    loaded = libraries.load()
    known, found = measure(loaded), survey(loaded)
    assert found.fits
    assert (found.sizes["frame"], found.sizes["object"], found.sizes["user"]) == (known.frame, known.object, 48)
    assert f"frame={known.frame}, object={known.object}, label={known.label}" in "\n".join(found.lines())


def test_check_says_what_is_needed_to_add_an_unknown_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = measure(libraries.load())
    others = tuple(one for one in LAYOUTS if one != known)
    monkeypatch.setattr("countline.deepstream.layout.LAYOUTS", others)
    with pytest.raises(SystemExit) as ended:
        main(["deepstream", "check"])
    said = capsys.readouterr().out
    assert ended.value.code == 3
    assert "the metadata of this DeepStream is not known" in said
    for word in (
        f"frame {known.frame}, object {known.object}", "NvDsFrameMeta.obj_meta_list: at 104, as expected",
        f"label={known.label}", "nvdsmeta.h",
    ):  # fmt: skip
        assert word in said


def test_a_library_of_another_shape_is_surveyed_without_harm(
    compile_library: Callable[[str], None], tmp_path: Path
) -> None:

    compile_library(_POOLS.format(frame=240, object=560))
    script = (
        "from countline.deepstream import libraries, survey\nprint(*survey.survey(libraries.load()).lines(), sep='\\n')"
    )
    environment = {**os.environ, libraries.ENVIRONMENT: str(tmp_path)}
    done = starting.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "frame 240, object 560" in done.stdout
    assert "NvDsBatchMeta.frame_meta_list: at None, EXPECTED at 96" in done.stdout
    assert "nvdsmeta.h of that version is needed" in done.stdout


def test_without_the_libraries_the_error_says_where_it_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(libraries, "folders", lambda: iter([tmp_path / "nowhere"]))
    with pytest.raises(DeepStreamError) as caught:
        libraries.load()
    assert "libnvdsgst_meta.so was not found" in str(caught.value)
    assert libraries.ENVIRONMENT in str(caught.value)
    assert str(tmp_path / "nowhere") in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_library_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (libraries.META, libraries.GST_META):
        (tmp_path / name).write_text("no library")
    monkeypatch.setattr(libraries, "folders", lambda: iter([tmp_path]))
    with pytest.raises(DeepStreamError, match=r"libnvds_meta\.so cannot be loaded"):
        libraries.load()


def test_versions_are_read_from_the_installation(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    assert libraries.version(tmp_path / "lib") == ""
    (tmp_path / "version").write_text("Version: 7.1\nGIT_COMMIT: x\n")
    assert libraries.version(tmp_path / "lib") == "7.1"


def test_auto_takes_memory_and_other_words_are_refused() -> None:
    assert bindings.choose("auto").kind == "memory"
    with pytest.raises(DeepStreamError, match="there is no reader 'gpu'"):
        bindings.choose("gpu")


def test_bindings_that_are_not_installed_are_named() -> None:
    if bindings._installed("pyds"):
        pytest.skip("pyds is installed")
    with pytest.raises(DeepStreamError, match="pyds cannot be imported"):
        bindings.choose("pyds")
    from countline.deepstream import operator

    if not bindings._installed("pyservicemaker"):
        with pytest.raises(DeepStreamError, match="pyservicemaker cannot be imported"):
            operator({"outbox": "memory"})


def test_readers_over_bindings_give_what_memory_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyds and pyservicemaker cannot be had here: this walks real metadata through objects with their documented attributes,
    and so proves the walk and the conversion, not their packages."""
    library, memory = Library(), MemoryReader()
    objects = [Obj(UNTRACKED, (1.5, 2, 3, 4), 1, "TwoWheeler", 0.25), Obj(2**63, (5, 6, 7, 8), 2, "Person", 0.5)]
    buffer = library.buffer([Frm(0, 3, 5, 7, (100, 50), objects), Frm(1, 4, 6, 0, (100, 50))])
    monkeypatch.setitem(sys.modules, "pyds", _documented_pyds(library))
    wanted = memory.read(buffer)
    assert wanted is not None
    for reader, handle in (
        (bindings.choose("pyds"), buffer),
        (bindings.ServiceMakerReader(), _documented_batch(library, buffer)),
    ):
        reader.wanted |= {1, 2, 3}
        found = reader.read(handle)
        assert found is not None
        for one, other in zip(found, wanted):
            assert one[1:8] == other[1:8]
            for name in OBJECT.names or ():
                assert one.array()[name].tobytes() == other.array()[name].tobytes()
        assert len(found) == len(wanted)
        assert reader.labels == {1: "TwoWheeler", 2: "Person"}
    assert bindings.choose("pyds").read(library.plain()) is None


def test_only_objects_of_the_inferences_that_are_asked_for_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "pyds", _documented_pyds(library))
    objects = [Obj(i, (i, 0, 1, 1), i, f"label {i}", component=1 + i % 3) for i in range(9)]
    buffer = library.buffer([Frm(0, 0, 0, 0, (100, 50), objects)])
    for gies, wanted in (((), range(9)), ((1,), (0, 3, 6)), ((2, 3), (1, 2, 4, 5, 7, 8)), ((7,), ())):
        for reader, handle in (
            (MemoryReader(gies=gies), buffer),
            (bindings.choose("pyds", gies), buffer),
            (bindings.ServiceMakerReader(gies), _documented_batch(library, buffer)),
        ):
            reader.wanted |= set(range(9))
            (frame,) = reader.read(handle) or ()
            assert frame.array()["object_id"].tolist() == list(wanted)
            assert set(reader.labels) == set(wanted)


def test_an_attachment_evaluates_the_objects_of_one_inference() -> None:
    library, seen = Library(), []
    objects = [Obj(1, (10, 10, 5, 5), component=1), Obj(2, (20, 10, 5, 5), component=2)]
    given = {"rules": {}, "outbox": "memory"}
    with Pipeline() as pipeline:
        with attach(
            pipeline.element("here"), given, lossless=True, gie_unique_ids=[2], consumers=[lambda _, a: seen.append(a)]
        ) as attachment:
            pipeline.push([library.buffer([Frm(0, 0, 0, 0, (100, 50), objects)])])
            pipeline.finish()
    assert [a.tracks.track_id.tolist() for a in seen] == [[2]]
    assert attachment.counts.objects == 1


class _Item:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def _objects(library: Library, frame: Any) -> list[_Item]:
    from nvds_metas import LABEL_AT, ObjectMeta, listed

    found = []
    for address in listed(frame.objects):
        o = ObjectMeta.from_address(address)
        label = ctypes.string_at(address + LABEL_AT[library.object_size]).decode()
        fields = {
            "class_id": o.class_id,
            "object_id": o.object_id,
            "confidence": o.confidence,
            "rect_params": o.rect.box,
            "unique_component_id": o.component,
        }
        found.append(_Item(**fields, obj_label=label, label=label))
    return found


class _List:
    """A GList as pyds shows it."""

    def __init__(self, items: list[Any]) -> None:
        self.data, self._rest = items[0], items[1:]

    @property
    def next(self) -> _List:
        if not self._rest:
            raise StopIteration
        return _List(self._rest)


def _documented_pyds(library: Library) -> ModuleType:
    module: Any = ModuleType("pyds")

    def batch_of(buffer: int) -> Any:
        frames = [
            _Item(
                pad_index=f.pad_index, frame_num=f.frame_num, buf_pts=f.buf_pts, ntp_timestamp=f.ntp,
                source_id=f.source_id, source_frame_width=f.source_width, source_frame_height=f.source_height,
                pipeline_width=f.width, pipeline_height=f.height,
                obj_meta_list=_List(o) if (o := _objects(library, f)) else None,
            )
            for f in library.frames_of(buffer)
        ]  # fmt: skip
        return _Item(frame_meta_list=_List(frames)) if frames else None

    module.gst_buffer_get_nvds_batch_meta = batch_of
    module.nvds_acquire_meta_lock = module.nvds_release_meta_lock = lambda batch: None
    module.NvDsFrameMeta = module.NvDsObjectMeta = _Item(cast=lambda data: data)
    return module  # type: ignore[no-any-return]


def _documented_batch(library: Library, buffer: int) -> Any:
    return _Item(
        frame_items=iter(
            [
                _Item(
                    pad_index=f.pad_index, frame_number=f.frame_num, buffer_pts=f.buf_pts, ntp_timestamp=f.ntp,
                    source_id=f.source_id, source_width=f.source_width, source_height=f.source_height,
                    pipeline_width=f.width, pipeline_height=f.height, object_items=iter(_objects(library, f)),
                )
                for f in library.frames_of(buffer)
            ]
        )
    )  # fmt: skip
