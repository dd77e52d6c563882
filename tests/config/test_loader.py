"""Configuration mistakes are answered with file, line, key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from countline.config import load
from countline.errors import ConfigError

GOOD = """\
sources:
  - {name: entrance, uri: street.mp4, device_id: device_test}
detector: {model: default, classes: [person, bicycle, car], confidence: 0.4}
rules:
  engine: native
  lines:
    - {name: straight, source: entrance, points: [[0.10, 0.55], [0.90, 0.55]], direction: both, count: every}
messages:
  - name: line-crossing
    on: crossing
    key: "{device_id}"
    value:
      messageid: "{id}"
      analyticsModule:
        lc_curr_straight: "{lines.straight.current}"
outputs:
  - kafka: {bootstrap: "localhost:9092", topic: ds-kafka}
"""


def fault(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load("countline.yaml", text)
    return str(caught.value)


def test_the_documented_configuration_is_accepted() -> None:
    config = load("countline.yaml", GOOD)
    assert config.sources[0].device_id == "device_test"
    assert config.messages[0].on == "crossing"
    assert config.outputs[0].name == "kafka"


def test_an_unquoted_on_key_means_on() -> None:
    assert load("c.yaml", GOOD).messages[0].on == "crossing"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("count: every", "count: evry", ["countline.yaml:7:", "'every' or 'once'", "evry"]),
        (
            "device_id: device_test",
            "devic_id: x",
            ["countline.yaml:2:", "unknown key 'devic_id'", "did you mean 'device_id'"],
        ),
        ("uri: street.mp4, ", "", ["countline.yaml:2:", "'uri' is missing"]),
        ("confidence: 0.4", "confidence: high", ["countline.yaml:3:", "confidence"]),
        ("- kafka:", "- kafak:", ["countline.yaml:17:", "unknown output 'kafak'", "kafka"]),
        ("bootstrap:", "bootsrap:", ["countline.yaml:17:", "bootsrap", "bootstrap"]),
        ("source: entrance", "source: exit", ["countline.yaml:7:", "exit", "entrance"]),
        ("[[0.10, 0.55], [0.90, 0.55]]", "[[0.10, 0.55], [0.10, 0.55]]", ["countline.yaml:7:", "point"]),
        ("[[0.10, 0.55], [0.90, 0.55]]", "[[0.10, 0.55]]", ["countline.yaml:7:", "points"]),
        ("[[0.10, 0.55], [0.90, 0.55]]", "[[100, 550], [900, 550]]", ["countline.yaml:7:", "pixels"]),
    ],
)
def test_each_mistake_gives_one_error_with_its_line(old: str, new: str, words: list[str]) -> None:
    text = fault(GOOD.replace(old, new, 1))
    for word in words:
        assert word in text
    assert "faults:" not in text


def test_duplicate_names_are_refused_at_the_second_one() -> None:
    text = fault(GOOD.replace("  - {name: entrance", "  - {name: entrance, uri: a.mp4}\n  - {name: entrance", 1))
    assert "countline.yaml:3:" in text
    assert "two sources are named 'entrance'" in text


def test_several_mistakes_are_all_told_at_once() -> None:
    text = fault(GOOD.replace("count: every", "count: evry").replace("- kafka:", "- kafak:"))
    assert "2 faults" in text
    assert text.index(":7:") < text.index(":17:")


def test_a_key_that_stands_twice_is_refused() -> None:
    assert "stands twice" in fault(GOOD.replace("engine: native", "engine: native\n  engine: native"))


def test_broken_yaml_names_the_line() -> None:
    assert "countline.yaml:2:" in fault("sources:\n  - {name: a, uri: 'b\n")


def test_a_file_that_is_not_a_mapping_is_refused() -> None:
    assert "mapping" in fault("- 1\n- 2\n")


def test_an_empty_file_and_zero_sources_are_refused() -> None:
    assert "sources" in fault("")
    assert "sources" in fault("sources: []\n")


def test_a_missing_file_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load("nowhere.yaml")


def test_secrets_and_settings_come_from_environment_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "device"
    secret.write_text("dev-7\n")
    monkeypatch.setenv("CAMERA", "rtsp://camera/1")
    text = GOOD.replace("street.mp4", '"${CAMERA}"').replace("device_test", '"${file:' + str(secret) + '}"')
    text = text.replace("ds-kafka", '"${TOPIC_THAT_IS_NOT_SET:-fallback}"')
    config = load("countline.yaml", text)
    assert config.sources[0].uri == "rtsp://camera/1"
    assert config.sources[0].device_id == "dev-7"
    assert config.outputs[0].topic == "fallback"  # type: ignore[attr-defined]


def test_a_variable_that_is_not_set_is_an_error_with_its_line() -> None:
    text = fault(GOOD.replace("street.mp4", '"${NO_SUCH_VARIABLE_HERE}"'))
    assert "countline.yaml:2:" in text
    assert "NO_SUCH_VARIABLE_HERE" in text


def test_unicode_names_are_kept() -> None:
    config = load("c.yaml", GOOD.replace("entrance", "Eingang-Süd-東"))
    assert config.sources[0].name == "Eingang-Süd-東"


def test_yaml_that_contains_itself_or_is_bottomless_is_told_in_words() -> None:
    assert "contains itself" in fault("sources: &x [*x]\n")
    assert "nested too deeply" in fault("sources: " + "[" * 3000)


def test_a_message_for_an_output_that_is_not_there_is_refused() -> None:
    text = fault(GOOD.replace("on: crossing", "on: crossing\n    outputs: [kafak]", 1))
    assert "names the output 'kafak', which does not exist" in text
    assert "kafka" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: entrance", "name: 5", ["must be text (here: 5)", 'put it in quotes: "5"']),
        ("[0.90, 0.55]", "[0.90]", ["number 2 of these is missing"]),
        ("sources:", "sources: []\nsources_:", ["must not be empty"]),
        ("topic: ds-kafka", "topic: ds kafka", ["has characters that cannot stand here"]),
    ],
)
def test_faults_speak_of_the_file_and_not_of_a_library(old: str, new: str, words: list[str]) -> None:
    text = fault(GOOD.replace(old, new, 1))
    for word in words:
        assert word in text
