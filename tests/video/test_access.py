"""What a source names may open nothing that it should not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from countline.errors import SourceError
from countline.video import open_source, probe

from .conftest import Site, config
from .making import film, read

SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two segments, one in a folder below, one elsewhere, and a link to that."""
    inside, outside = tmp_path / "in", tmp_path / "out"
    for made in (inside, inside / "sub", outside):
        made.mkdir()
    film(inside / "0.ts", range(10))
    later = film(inside / "1.ts", range(10, 20), first=10).read_bytes()
    for path in (inside / "sub" / "1.ts", outside / "1.ts", inside / "ein s ü'1.ts"):
        path.write_bytes(later)
    (inside / "link.ts").symlink_to(outside / "1.ts")
    return inside


def playlist(*entries: object) -> str:
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    return head + "".join(f"#EXTINF:1.0,\n{entry}\n" for entry in entries) + "#EXT-X-ENDLIST\n"


def script(*entries: object) -> str:
    return "ffconcat version 1.0\n" + "".join(f"file {entry}\n" for entry in entries)


KINDS = {"list.m3u8": playlist, "list.ffconcat": script}
both = pytest.mark.parametrize("name", list(KINDS))


def write(folder: Path, name: str, *entries: object) -> Path:
    path = folder / name
    path.write_text(KINDS[name](*entries), encoding="utf-8")
    return path


def refused(path: object, *words: str, **options: Any) -> None:
    given = config(path, timeout=5, **options)
    with pytest.raises(SourceError) as caught:
        list(open_source(given, 0))
    for word in words:
        assert word in str(caught.value)
    assert caught.value.fix


@both
def test_a_local_list_opens_files_of_its_folder(folder: Path, name: str) -> None:
    assert read(write(folder, name, "0.ts", "1.ts")) == list(range(20))
    assert read(write(folder, name, "0.ts", "sub/1.ts")) == list(range(20))
    assert read(write(folder, name, "0.ts", f"file:{folder}/1.ts")) == list(range(20))
    assert read(write(folder, name, "./0.ts", "sub/../1.ts")) == list(range(20))
    assert probe(config(write(folder, name, "0.ts"))).ok


@both
def test_the_identity_of_a_list_is_that_of_its_files(folder: Path, name: str) -> None:
    """The same list with other files gives other events, and their ids must differ."""
    path = write(folder, name, "0.ts", "1.ts")

    def identity() -> str:
        return next(iter(open_source(config(path), 0))).info.stream

    before = identity()
    assert identity() == before
    film(folder / "1.ts", range(30, 40), first=10)
    assert identity() != before
    inner = write(folder, "list.m3u8", "0.ts", "1.ts").name
    path = folder / "master.m3u8"
    path.write_text(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{inner}\n")
    before = identity()
    film(folder / "1.ts", range(40, 50), first=10)
    assert identity() != before


@both
@pytest.mark.parametrize(
    "entry", ["../out/1.ts", "link.ts", "{out}/1.ts", "file:{out}/1.ts", "file://{out}/1.ts", "sub/../../out/1.ts"]
)
def test_a_local_list_opens_no_file_elsewhere(folder: Path, name: str, entry: str) -> None:
    entry = entry.format(out=folder.parent / "out")
    refused(write(folder, name, "0.ts", entry), "not in its folder", name)
    refused(write(folder, name, entry), "not in its folder", name)
    assert not probe(config(write(folder, name, entry))).ok


@both
def test_a_local_list_asks_no_host_unless_allowed(folder: Path, name: str, site: Site) -> None:
    site.give("/1.ts", (folder / "1.ts").read_bytes(), "video/mp2t")
    path = write(folder, name, "0.ts", site.url("/1.ts"))
    refused(path, site.url("/1.ts"), "protocols: [http]")
    refused(path, "protocols: [http]", protocols=["https"])
    assert site.asked == []
    assert read(path, protocols=["http"]) == list(range(20))
    assert read(path, protocols=["file", "http"]) == list(range(20))
    refused(write(folder, name, "0.ts", "../out/1.ts"), "not in its folder", protocols=["file", "http"])


def test_an_allowed_host_cannot_send_on_to_another_protocol(folder: Path, site: Site) -> None:
    def elsewhere(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", "https://127.0.0.1:1/1.ts")
        handler.end_headers()

    site.pages["/1.ts"] = elsewhere
    refused(write(folder, "list.m3u8", site.url("/1.ts")), "https://127.0.0.1:1", protocols=["http"])


@pytest.mark.parametrize(
    "entry",
    [
        "tcp://127.0.0.1:1",
        "concat:0.ts|../out/1.ts",
        "subfile,,start,0,end,0,,:0.ts",
        "data:video/mp2t;base64,AAAA",
        "crypto+file:0.ts",
    ],
)
@both
def test_other_protocols_in_a_local_list_are_not_followed(folder: Path, name: str, entry: str) -> None:
    refused(write(folder, name, entry))


def test_names_in_a_script_are_read_as_ffmpeg_reads_them(folder: Path) -> None:
    for entry in ("'ein s ü'\\''1.ts'", "ein\\ s\\ ü\\'1.ts", "'ein s 'ü\\'1.ts   "):
        assert read(write(folder, "list.ffconcat", "0.ts", entry)) == list(range(20)), entry
    refused(write(folder, "list.ffconcat", "'li'nk.ts"), "not in its folder")
    refused(write(folder, "list.ffconcat", "none.ts"), "none.ts", "No such file")


def test_a_list_within_a_list_is_held_to_the_same(folder: Path) -> None:
    write(folder, "list.m3u8", "0.ts", "1.ts")
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000\n{}\n"
    (folder / "master.m3u8").write_text(master.format("list.m3u8"))
    assert read(folder / "master.m3u8") == list(range(20))
    write(folder, "list.m3u8", "../out/1.ts")
    refused(folder / "master.m3u8", "not in its folder")
    (folder / "inner.ffconcat").write_text(script("../out/1.ts"))
    refused(write(folder, "list.ffconcat", "inner.ffconcat"), "script of its own")
    refused(write(folder, "list.ffconcat", "list.m3u8"), "never followed")


def test_the_content_decides_not_the_name(folder: Path) -> None:
    for name, content in (
        ("a.mp4", script("../out/1.ts")),
        ("a.ts", playlist("../out/1.ts")),
        ("a.jpg", script("../out/1.ts")),
    ):
        (folder / name).write_text(content)
        refused(folder / name)
        assert not probe(config(folder / name)).ok
    (folder / "b.mp4").write_text(script("0.ts", "1.ts"))
    assert read(folder / "b.mp4") == list(range(20))


def test_options_in_a_script_and_forms_never_followed_are_told(folder: Path) -> None:
    (folder / "a.ffconcat").write_text("ffconcat version 1.0\nfile 0.ts\noption protocol_whitelist file,http,tcp\n")
    refused(folder / "a.ffconcat", "line 3")
    (folder / "a.sdp").write_text(SDP)
    refused(folder / "a.sdp", "rtsp://")


def test_a_remote_playlist_opens_what_its_server_gives_and_no_file(folder: Path, site: Site) -> None:
    for name in ("0.ts", "1.ts"):
        site.give(f"/{name}", (folder / name).read_bytes(), "video/mp2t")
    site.give("/good.m3u8", playlist("0.ts", "1.ts").encode(), "application/vnd.apple.mpegurl")
    assert read(site.url("/good.m3u8"), timeout=5) == list(range(20))
    for entry in (
        f"file:{folder}/1.ts",
        f"file://{folder}/1.ts",
        f"{folder}/1.ts",
        "../../../../../../../.." + str(folder / "1.ts"),
    ):
        site.give("/bad.m3u8", playlist("0.ts", entry).encode(), "application/vnd.apple.mpegurl")
        assert set(read(site.url("/bad.m3u8"), timeout=5)) <= set(range(10)), "nothing of the file"
        site.give("/bad.m3u8", playlist(entry).encode(), "application/vnd.apple.mpegurl")
        refused(site.url("/bad.m3u8"))


def test_a_remote_script_opens_no_file_and_is_not_tried_for_ever(folder: Path, site: Site) -> None:
    for entry in (f"{folder}/1.ts", f"file:{folder}/1.ts"):
        site.give("/a.ffconcat", script(entry).encode(), "text/plain")
        refused(site.url("/a.ffconcat"), "may not open")
        refused(site.url("/a.ffconcat"), "may not open", live=True)


def test_protocols_bound_an_input_from_the_network(site: Site, folder: Path) -> None:
    refused(site.url("/a"), "never opens local files", protocols=["file"])
    refused(site.url("/a"), "unknown protocol 'gopher'", protocols=["gopher"])
    site.give("/a.ts", (folder / "0.ts").read_bytes(), "video/mp2t")
    assert read(site.url("/a.ts"), protocols=["http"], live=False) == list(range(10))


@pytest.mark.parametrize("option", ["protocol_whitelist", "format_whitelist"])
def test_options_cannot_undo_it(folder: Path, option: str) -> None:
    refused(folder / "0.ts", "protocols", options={option: "file,http,tcp"})
    assert not probe(config(folder / "0.ts", options={option: "ALL"})).ok


def test_a_name_with_a_pattern_is_a_name(tmp_path: Path) -> None:
    for name, codec, pix in (
        ("a%03d.mp4", "libx264", "yuv420p"),
        ("a%03d.gif", "gif", "rgb8"),
        ("b*[1].mkv", "libx264", "yuv420p"),
    ):
        film(tmp_path / name.replace("%03d", "-x"), codec=codec, pix=pix).rename(tmp_path / name)
        assert read(tmp_path / name) == list(range(20)), name
