"""What docs/rules.md shows works as shown."""

import re
from pathlib import Path

import yaml

from countline.config.rules import RulesConfig

TEXT = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_every_yaml_example_is_valid():
    places = [{"name": n, "points": [[0, 0], [1, 1]]} for n in ("north", "east", "south", "car-park")]
    found = [yaml.safe_load(b) for b in blocks("yaml")]
    assert len(found) == 9
    for data in found:
        data = data.get("rules", data)
        RulesConfig.model_validate({**data, "lines": data.get("lines", []) + (places if "journeys" in data else [])})


def test_the_python_example_prints_what_it_says(capsys):
    (code,) = blocks("python")
    exec(compile(code, "docs/rules.md", "exec"), {})
    assert capsys.readouterr().out == "crossing door out 7\n"
