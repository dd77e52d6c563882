"""analyze, convert and compare as a user runs them; once as a process of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from command_line import countline
from countline.record import TracksWriter, read_tracks

VECTORS = Path(__file__).parent.parent / "analytics_exact" / "vectors"
SEED = VECTORS / "seed_config"


def expected(folder: Path) -> list[object]:
    with gzip.open(folder / "expected.jsonl.gz", "rt") as stream:
        return [json.loads(line) for line in stream]


def lines(output: bytes) -> list[object]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize("case", ["seed_config", "yaml_basic", "untracked_object_disables", "ids_64bit"])
def test_analyze_prints_what_nvidias_code_gave(case: str) -> None:
    folder = VECTORS / case
    config = next(iter(folder.glob("config.*")))
    done = countline("analyze", "--rules", config, folder / "frames.jsonl.gz")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == expected(folder)


def test_analyze_reads_standard_input_and_parquet_alike(tmp_path: Path) -> None:
    with TracksWriter(tmp_path / "t.parquet") as writer:
        for frame in read_tracks(SEED / "frames.jsonl.gz"):
            writer.write(frame)
    piped = countline(
        "analyze", "--rules", SEED / "config.txt", "-", data=gzip.decompress((SEED / "frames.jsonl.gz").read_bytes())
    )
    stored = countline(
        "analyze", "--rules", SEED / "config.txt", "--out", tmp_path / "r.jsonl.gz", tmp_path / "t.parquet"
    )
    assert (piped.returncode, stored.returncode, stored.stdout) == (0, 0, b"")
    assert lines(piped.stdout) == lines(gzip.decompress((tmp_path / "r.jsonl.gz").read_bytes())) == expected(SEED)


def test_a_malformed_line_ends_with_code_2_its_number_and_the_results_before_it() -> None:
    good = gzip.decompress((SEED / "frames.jsonl.gz").read_bytes()).splitlines()
    data = b"\n".join([*good[:2], b'{"stream": 0}', *good[3:]])
    done = countline("analyze", "--rules", SEED / "config.txt", "-", data=data)
    assert done.returncode == 2
    assert b"standard input:3" in done.stderr
    assert lines(done.stdout) == expected(SEED)[:2]


def test_a_rejected_configuration_ends_with_code_2_and_says_where() -> None:
    folder = VECTORS / "cfg_bad_float"
    done = countline("analyze", "--rules", folder / "config.txt", folder / "frames.jsonl.gz")
    assert done.returncode == 2
    assert lines(done.stdout) == [{"error": "config rejected"}]
    assert b"config.txt:7" in done.stderr
    assert b"Traceback" not in done.stderr


def test_warnings_are_shown_beside_the_results() -> None:
    folder = VECTORS / "cfg_labels_unicode_spaces"
    done = countline("analyze", "--rules", folder / "config.txt", folder / "frames.jsonl.gz")
    assert lines(done.stdout) == expected(folder)
    assert b"unknown mode 'fast'" in done.stderr


def test_explain_answers_for_one_track_or_all_lines() -> None:
    folder = VECTORS / "lc_loose_ext0_mixed"
    done = countline(
        "analyze",
        "--rules",
        folder / "config.txt",
        "--explain",
        "4:B",
        "--explain",
        "stream-0/5",
        folder / "frames.jsonl.gz",
    )
    text = done.stdout.decode()
    assert "stream-0 track 4, B: counted in frame 39" in text
    assert {"A", "B", "Diag", "Up"} == {line.split(", ")[1].split(":")[0] for line in text.splitlines()[1:]}
    assert (
        countline(
            "analyze", "--rules", folder / "config.txt", "--explain", "x:B", folder / "frames.jsonl.gz"
        ).returncode
        == 2
    )


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "countline", "analyze", "--rules", str(SEED / "config.txt"), str(SEED / "frames.jsonl.gz")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), errors) == (0, b"")


@pytest.mark.parametrize(
    "case",
    [
        "yaml_basic",
        "oc_threshold_3",
        "roi_inverse_classes",
        "lc_geometry_loose",
        "cfg_labels_unicode_spaces",
        "streams_3_same_size",
        "dir_classes_strict",
    ],
)
def test_a_converted_file_is_a_configuration_that_runs(tmp_path: Path, case: str) -> None:
    folder = VECTORS / case
    done = countline("convert", next(iter(folder.glob("config.*"))))
    assert done.returncode == 0, done.stderr
    (tmp_path / "native.yaml").write_bytes(done.stdout)
    run = countline("analyze", "--rules", tmp_path / "native.yaml", folder / "frames.jsonl.gz")
    assert run.returncode == 0, run.stderr
    assert len(lines(run.stdout)) == len(expected(folder))


def test_convert_makes_in_the_way_the_arrow_points_and_names_sources(tmp_path: Path) -> None:
    walk = tmp_path / "walk.jsonl"
    with open(walk, "w") as stream:
        for n in range(40):
            box = {"id": 1, "class_id": 0, "left": 900, "top": 300 + 10 * n, "width": 40, "height": 80}
            stream.write(
                json.dumps({"frame": n, "source": "door", "width": 1920, "height": 1080, "objects": [box]}) + "\n"
            )
    for arrow, counted in (("960;300;960;780", 1), ("960;780;960;300", 0)):
        rules = tmp_path / "rules.txt"
        rules.write_text(
            f"[property]\nenable=1\nconfig-width=1920\nconfig-height=1080\n[line-crossing-stream-0]\nenable=1\nline-crossing-A={arrow};400;540;1520;540\n"
        )
        done = countline("convert", "--source", "0=door", rules)
        line = yaml.safe_load(done.stdout)["rules"]["lines"][0]
        assert (line["direction"], line["source"]) == ("in", "door")
        (tmp_path / "native.yaml").write_bytes(done.stdout)
        native = lines(countline("analyze", "--rules", tmp_path / "native.yaml", walk).stdout)[-1]
        exact = lines(countline("analyze", "--rules", rules, walk).stdout)[-1]
        assert native["lines"]["A"]["directions"]["in"]["cumulative"] == counted  # type: ignore[index, call-overload]
        assert exact["frame_meta"]["objLCCumCnt"]["A"] == counted  # type: ignore[index, call-overload]


def test_compare_shows_where_and_why_the_engines_differ(tmp_path: Path) -> None:
    walk = tmp_path / "slow.jsonl"
    with open(walk, "w") as stream:
        for n in range(400):
            box = {"id": 1, "class_id": 0, "left": 900, "top": 380 + 0.4 * n, "width": 40, "height": 80}
            stream.write(json.dumps({"frame": n, "width": 1920, "height": 1080, "objects": [box]}) + "\n")
    rules = VECTORS / "lc_back_and_forth" / "config.txt"
    done = countline("compare", "--rules", rules, walk)
    text = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert "slow: below the exact engine's floor" in text
    assert "loose needs more than 31.6 px" in text
    back = countline(
        "compare",
        "--rules",
        VECTORS / "lc_back_and_forth" / "config.txt",
        VECTORS / "lc_back_and_forth" / "frames.jsonl.gz",
    )
    assert "once-only" in back.stdout.decode()


def test_a_user_without_rules_or_tracks_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    for args, words in (
        (("analyze", "--rules", tmp_path / "none.yaml", SEED / "frames.jsonl.gz"), b"no such file"),
        (("analyze", "--rules", tmp_path / "empty.yaml", SEED / "frames.jsonl.gz"), b"holds no rules"),
        (("analyze", "--rules", SEED / "config.txt", tmp_path / "none.jsonl"), b"no such file"),
        (("compare", "--rules", SEED / "config.txt", tmp_path / "none.jsonl"), b"no such file"),
        (("convert", tmp_path / "none.txt"), b"no such file"),
        (("convert", "--source", "x", SEED / "config.txt"), b"names no source"),
    ):
        done = countline(*args)
        assert done.returncode == 2, (args, done.stderr)
        assert words in done.stderr
        assert b"Traceback" not in done.stderr
