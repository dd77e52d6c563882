"""What other distributions bring is found by name; what is wrong with it is said in words that name the distribution."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from countline import video
from countline.config import Config, load
from countline.config.outputs import config_class
from countline.errors import ConfigError, CountlineError, PluginError
from countline.pipeline import build
from countline.pipeline.run import Run
from countline.registry import kinds
from countline.registry.kinds import LAYOUTS, MESSAGES, OUTPUTS, SOURCES, Kinds
from distributions import install

CONFIG = "from countline.config.base import OutputConfig\n\n\nclass Config(OutputConfig):\n    to: str = ''\n"
OUTPUT = """
class Output:
    def __init__(self, config):
        self.name, self.package = config.name, __package__ or __name__


def make(config):
    return Output(config)
"""
Install = Callable[..., None]


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution: name, entry points, files; as long as the test goes on."""
    before = set(sys.modules)
    count = 0

    def one(
        name: str, entries: Mapping[str, Mapping[str, str]], files: Mapping[str, str], version: str = "1.0"
    ) -> None:
        nonlocal count
        count += 1
        folder = tmp_path / f"site-{count}"
        folder.mkdir()
        monkeypatch.syspath_prepend(str(install(folder, name, version, entries, files)))

    yield one
    for name in set(sys.modules) - before:
        if name.startswith("acme"):
            del sys.modules[name]


def output_package(name: str) -> dict[str, str]:
    return {f"{name}/__init__.py": "", f"{name}/config.py": CONFIG, f"{name}/output.py": OUTPUT}


def document(outputs: str) -> str:
    return f"sources: [{{name: a, uri: a.mp4}}]\noutputs:\n  - {outputs}\n"


@pytest.mark.parametrize("order", [("acme", "acme_pro", "acme_pro_max"), ("acme_pro_max", "acme_pro", "acme")])
def test_packages_whose_names_begin_alike_are_told_apart(brought: Install, order: tuple[str, ...]) -> None:
    for name in order:
        brought(name, {"countline.outputs": {name: name}}, output_package(name))
    config = Config.model_validate(
        {"sources": [{"name": "a", "uri": "b"}], "outputs": [{kind: {"to": "x"}} for kind in order]}
    )
    assert [made.package for made in build.outputs(config)] == list(order)  # type: ignore[attr-defined]


def test_an_output_may_be_one_module(brought: Install) -> None:
    brought("acme-one", {"countline.outputs": {"acme1": "acme_one"}}, {"acme_one.py": CONFIG + OUTPUT})
    config = load("c.yaml", document("acme1: {to: x}"))
    (made,) = build.outputs(config)
    assert (made.name, made.package) == ("acme1", "acme_one")  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"c.yaml:3.*unknown key 'too'"):
        load("c.yaml", document("acme1: {too: x}"))


BROKEN = {
    "raises": ("raise RuntimeError('no licence key')\n", "RuntimeError: no licence key"),
    "asks for what is not there": ("import acme_not_there\n", "No module named 'acme_not_there'"),
    "is no Python": ("def:\n", "SyntaxError"),
    "has no Config": ("", "has no 'Config'"),
    "has a Config of another kind": ("class Config:\n    pass\n", "no subclass of countline.config.base.OutputConfig"),
    "raises what looks like an unknown kind": ("raise KeyError('acme')\n", "KeyError: 'acme'"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_output_that_cannot_be_used_is_told_with_its_distribution_and_place(brought: Install, how: str) -> None:
    content, words = BROKEN[how]
    brought("acme-mail", {"countline.outputs": {"acme": "acme_mail"}}, {"acme_mail.py": content}, version="2.3")
    with pytest.raises(ConfigError) as caught:
        load("countline.yaml", document("acme: {}"))
    text = str(caught.value)
    assert "countline.yaml:3" in text
    assert "the output 'acme', which acme-mail 2.3 brings, cannot be used" in text
    assert words in text
    assert "pip uninstall acme-mail" in text


def test_a_module_that_is_not_there_is_told(brought: Install) -> None:
    brought("acme-gone", {"countline.outputs": {"acme": "acme_gone.deep"}}, {})
    with pytest.raises(ConfigError, match=r"acme-gone 1.0 brings, cannot be used: ModuleNotFoundError"):
        load("c.yaml", document("acme"))


def test_what_a_plugin_raises_when_it_is_made_is_told(brought: Install) -> None:
    brought(
        "acme-late",
        {"countline.outputs": {"acme": "acme_late"}},
        {"acme_late.py": CONFIG + "def make(config):\n    return 1 / 0\n"},
    )
    with pytest.raises(PluginError, match=r"acme-late 1.0 brings, cannot be used: ZeroDivisionError.*acme_late.py:7"):
        build.outputs(load("c.yaml", document("acme")))


def test_the_command_line_shows_no_traceback_for_a_broken_plugin(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(
        site,
        "acme-mail",
        "2.3",
        {"countline.outputs": {"acme": "acme_mail"}},
        {"acme_mail.py": "import nothing_here\n"},
    )
    Path("c.yaml").write_text(document("acme"))
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(site)!r}); from countline.cli import main; main()", "check", "c.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "acme-mail 2.3" in done.stderr


def test_a_name_that_two_distributions_bring_is_refused_when_it_is_used(brought: Install) -> None:
    brought("acme-b", {"countline.outputs": {"acme": "acme_b"}}, {"acme_b.py": CONFIG + OUTPUT})
    brought("acme-a", {"countline.outputs": {"acme": "acme_a"}}, {"acme_a.py": CONFIG + OUTPUT})
    with pytest.raises(
        ConfigError, match=r"several distributions bring the output 'acme': acme-a 1.0, acme-b 1.0"
    ) as caught:
        load("c.yaml", document("acme"))
    assert "pip uninstall acme-b" in str(caught.value)
    load("c.yaml", document("stdout"))  # whoever does not use it is not troubled


def test_a_kind_of_countlines_own_goes_first_and_that_is_said(
    brought: Install, caplog: pytest.LogCaptureFixture
) -> None:
    brought("acme-kafka", {"countline.outputs": {"kafka": "acme_kafka"}}, {"acme_kafka.py": CONFIG + OUTPUT})
    with caplog.at_level(logging.WARNING):
        assert config_class("kafka").__module__ == "countline.outputs.kafka.config"
        assert "kafka" not in OUTPUTS.brought()
        OUTPUTS.packages()
    (line,) = [r.getMessage() for r in caplog.records]
    assert line.startswith("the output 'kafka' of acme-kafka 1.0 is left out")


def test_check_tells_what_is_installed_and_what_clashes(brought: Install, clip: Path) -> None:
    brought("acme-b", {"countline.outputs": {"acme": "acme_b", "kafka": "acme_b"}}, {})
    brought(
        "acme-a", {"countline.outputs": {"acme": "acme_a"}, "countline.layouts": {"ltwh": "acme_a"}}, {}, version="2.0"
    )
    from countline.commands.check import checks

    config = load("c.yaml", f"sources: [{{name: a, uri: {clip}}}]\noutputs: [stdout]\n")
    lines = {check.subject: check.detail for _, check in checks(config, None, send=False, timeout=1.0)}
    assert lines["output 'acme'"].startswith("from acme-a 2.0 and acme-b 1.0, which is one too many")
    assert lines["output 'kafka'"] == "from acme-b 1.0, left out: countline has one of this name"
    assert lines["detector layout 'ltwh'"] == "from acme-a 2.0"


def test_an_unknown_output_names_those_that_are_installed(brought: Install) -> None:
    brought("acme", {"countline.outputs": {"acme": "acme"}}, {"acme.py": CONFIG + OUTPUT})
    with pytest.raises(ConfigError, match=r"unknown output 'acmee'[\s\S]*known are: acme, amqp"):
        load("c.yaml", document("acmee"))


SOURCE = """
from countline.testing import Scene, Walk

def open_source(config, index, stop):
    {body}
"""


def test_a_broken_source_is_told_and_check_says_it_too(brought: Install) -> None:
    broken = SOURCE.format(body="raise ValueError('no such camera')")
    brought("acme-cam", {"countline.sources": {"acme": "acme_cam"}}, {"acme_cam.py": broken})
    config = load("c.yaml", "sources: [{name: gate, uri: 'acme://7'}]\n").sources[0]
    with pytest.raises(
        PluginError, match=r"the source 'acme', which acme-cam 1.0 brings, cannot be used: ValueError: no such camera"
    ):
        video.open_source(config, 0)
    check = video.probe(config)
    assert (check.ok, check.subject) == (False, "source 'gate'")
    assert "acme-cam 1.0" in check.detail + check.fix


def test_check_looks_at_the_first_frame_of_a_source_that_has_no_probe(brought: Install) -> None:
    body = "return Scene([Walk((0, 1), (1, 1))], size=(320, 200)).source(config.name, index)"
    brought("acme-cam", {"countline.sources": {"acme": "acme_cam"}}, {"acme_cam.py": SOURCE.format(body=body)})
    config = load("c.yaml", "sources: [{name: gate, uri: 'acme://7'}]\n").sources[0]
    assert video.probe(config).detail == "320x200, time: file-start"
    assert len(list(video.open_source(config, 0))) == 50


@pytest.mark.parametrize("trouble", ["rules: {file: none.txt}", "sources: [{name: b, uri: none.mp4}]"])
def test_a_source_that_holds_something_from_the_beginning_is_closed_when_the_start_is_refused(
    trouble: str, brought: Install
) -> None:
    body = """
    source = Scene([], seconds=1).source(config.name, index)
    made.append(source)
    return source"""
    brought(
        "acme-cam",
        {"countline.sources": {"acme": "acme_cam"}},
        {"acme_cam.py": "made = []\n" + SOURCE.format(body=body)},
    )
    key, _, value = trouble.partition(": ")
    data = {"sources": [{"name": "a", "uri": "acme://7"}], "outputs": ["stdout"]}
    data[key] = data["sources"] + yaml.safe_load(value) if key == "sources" else yaml.safe_load(value)
    with pytest.raises(CountlineError, match=r"none\.(txt|mp4)"):
        Run(data, detector=lambda pictures: [])
    (source,) = SOURCES.module("acme").made
    assert source._closed.is_set()


def test_a_source_that_stays_silent_does_not_hold_up_check(brought: Install) -> None:
    body = """
    scene = Scene([], seconds=0)
    source = scene.source(config.name)
    class Silent:
        info, stats, close = source.info, source.stats, source.close
        def __iter__(self):
            source._closed.wait(60)
            return iter(())
    return Silent()"""
    brought("acme-cam", {"countline.sources": {"acme": "acme_cam"}}, {"acme_cam.py": SOURCE.format(body=body)})
    config = load("c.yaml", "sources: [{name: gate, uri: 'acme://7', timeout: 0.1}]\n").sources[0]
    assert "gave no frame within 1.3 s" in video.probe(config).detail


def test_an_unknown_protocol_names_those_that_are_installed(brought: Install) -> None:
    brought("acme-cam", {"countline.sources": {"acme": "acme_cam"}}, {"acme_cam.py": ""})
    config = load("c.yaml", "sources: [{name: gate, uri: 'acmee://7'}]\n").sources[0]
    assert "acme://" in video.probe(config).fix


def test_a_layout_that_is_none_is_told(brought: Install) -> None:
    from countline.detect.own_layout import own_layout

    brought("acme-net", {"countline.layouts": {"acme": "acme_net"}}, {"acme_net.py": "LAYOUT = 5\n"})
    load("c.yaml", "sources: [{name: a, uri: a.mp4}]\ndetector: {layout: acme}\n")  # nothing is imported yet
    with pytest.raises(PluginError, match=r"acme-net 1.0 brings, cannot be used: its LAYOUT is no"):
        own_layout("acme")
    with pytest.raises(ConfigError, match=r"c.yaml:2.*unknown layout 'acmee'"):
        load("c.yaml", "sources: [{name: a, uri: a.mp4}]\ndetector: {layout: acmee}\n")


def test_a_message_type_that_cannot_be_used_is_told_where_it_is_named(brought: Install) -> None:
    brought("acme-text", {"countline.messages": {"acme": "acme_text"}}, {"acme_text.py": "import nothing_here\n"})
    text = "sources: [{name: a, uri: a.mp4}]\nmessages:\n  - {name: m, type: acme/short}\n"
    with pytest.raises(ConfigError, match=r"c.yaml:3.*the message type 'acme', which acme-text 1.0 brings"):
        load("c.yaml", text)
    load("c.yaml", text.replace("type: acme/short", "value: '{count}', on: frame"))  # nobody else is troubled


def test_every_registry_knows_what_is_built_in() -> None:
    from countline.detect.layouts import FORMS as DECODERS

    assert set(LAYOUTS.built_in) == set(DECODERS)
    for registry in (OUTPUTS, MESSAGES):
        for kind in registry.built_in:
            assert registry.get(kind, "config", "Config")
    groups = [value.group for value in vars(kinds).values() if isinstance(value, Kinds)]
    assert len(set(groups)) == len(groups)
    assert all(group.startswith("countline.") for group in groups)
    assert SOURCES.built_in


def test_distributions_are_looked_for_only_when_a_kind_is_not_countlines_own() -> None:
    code = (
        "from countline.registry import plugins\n"
        "def refuse(*a, **k): raise SystemExit('looked')\n"
        "plugins.entry_points = refuse\n"
        "from countline.config import load\n"
        "load('c.yaml', 'sources: [{name: a, uri: a.mp4}]\\noutputs: [stdout]\\nmessages: [{name: m, on: frame, value: 1}]')\n"
        "print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "fine", done.stderr
