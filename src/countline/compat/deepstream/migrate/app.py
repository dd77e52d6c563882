"""A whole application's configuration (deepstream-app, deepstream-test5) as countline's: what has a counterpart, and notes on what
has none."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from countline.compat.deepstream.files import app as files
from countline.compat.deepstream.files import msgconv, nvinfer, nvmsgbroker
from countline.compat.deepstream.files.app import App, Sink, Source
from countline.errors import ConfigError
from countline.secret_forms import SECRET_NAME

__all__ = ["Converted", "convert", "text"]

FRAME_INTERVAL = 30
"""nvmsgconv's frame-interval where it is not given."""
_PAYLOADS = {0: "full", 1: "minimal", 2: "protobuf"}
_KEYS = {
    "full": (
        "messageid",
        "mdsversion",
        "@timestamp",
        "place",
        "sensor",
        "analyticsModule",
        "object",
        "event",
        "videoPath",
    ),
    "minimal": ("version", "id", "@timestamp", "sensorId"),
    "analytics": ("messageid", "@timestamp", "deviceId", "analyticsModule"),
    "protobuf": (),
}
_STOCK = re.compile(r"libnvds_msgconv(?:_mega\w*)?\.so$")
_LEFT = {
    "pre-process": "regions of nvdspreprocess are not carried over; write `regions:` as rules",
    "secondary-gie": "networks behind the first are not run",
    "dsexample": "not carried over",
    "ds-example": "not carried over",
    "img-save": "not carried over",
    "message-consumer": "messages are sent only, not received",
}
_SINK_LEFT = ("msg-conv-comp-id", "msg-broker-comp-id", "multiple-payloads", "debug-payload-dir", "dummy-payload")


@dataclass
class Converted:
    """Configuration data (for ``Config``), and what the user should know, a sentence each."""

    data: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def convert(path: str | Path, *, strict: bool = True) -> Converted:
    """The configuration that means what an application's file means. ``strict``: whatever the file names must be there and
    hold (to run it); else it is named in a note (to convert it). Raises ConfigError."""
    return _Converter(files.read(path), strict).run()


def text(converted: Converted) -> str:
    """YAML with the notes as comments. Passwords are not written into it: they are taken from the environment."""
    data = _without_secrets(converted)
    comments = "".join(f"# {line}\n" for note in converted.notes for line in note.splitlines())
    return comments + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


class _Converter:
    def __init__(self, app: App, strict: bool) -> None:
        self.app = app
        self.strict = strict
        self.notes = app.notes

    def run(self) -> Converted:
        sinks = self.app.sinks()
        sources = self._sources(sinks)
        data: dict[str, Any] = {"sources": sources}
        detector = self._detector()
        if detector is not None:
            data["detector"] = detector
        rules = self._rules()
        if rules:
            data["rules"] = {"file": rules}
        data["messages"], data["outputs"] = self._messages(sinks, bool(rules))
        self._rest()
        return Converted(data, list(dict.fromkeys(self.notes)))

    def _missing(self, error: ConfigError) -> None:
        """Of a file that is there to be converted a note is enough."""
        if self.strict:
            raise error
        self.notes.append(f"MISSING: {error}")

    def _sources(self, sinks: list[Sink]) -> list[dict[str, Any]]:
        found = self.app.sources()
        if not found:
            self._missing(
                ConfigError(
                    "names no source that can be read", where=self.app.file, fix="write [source0] enable=1 type=2 uri=…"
                )
            )
            found = [Source("source0", "VIDEO", self.app.file)]
        sensors = self._sensors(sinks)
        loop = self._loops()
        taken: set[str] = set()
        made = []
        for i, source in enumerate(found):
            name, number = source.name, 2
            while name in taken:
                name, number = f"{source.name}-{number}", number + 1
            taken.add(name)
            values: dict[str, Any] = {"name": name, "uri": source.uri}
            sensor = source.sensor or sensors.get(i, "")
            if sensor and sensor != name:
                values["device_id"] = sensor
            if source.options:
                values["options"] = source.options
            if loop and re.match("file:|(?!/dev/|[A-Za-z][A-Za-z0-9+.-]*://)", source.uri):
                values["loop"] = True
            made.append(values)
        return made

    def _loops(self) -> bool:
        tests = self.app.groups.get("tests")
        return tests is not None and "file-loop" in tests and tests.quoted("file-loop") == "1"

    def _sensors(self, sinks: list[Sink]) -> dict[int, str]:
        """Sensor id by number of the source, as the messages' description says it."""
        for sink in sinks:
            path = sink.values.get("msg-conv-config")
            if path:
                try:
                    return {n: sensor.id for n, sensor in msgconv.read(path).sensors.items() if sensor.id}
                except ConfigError as error:
                    self._missing(error)
        return {}

    def _detector(self) -> dict[str, Any] | None:
        group = self.app.group("primary-gie", "primary-gie0")
        if group is None:
            self._missing(
                ConfigError(
                    "has no detector: no [primary-gie] is enabled",
                    where=self.app.file,
                    fix="write [primary-gie] enable=1",
                )
            )
            return None
        path = self.app.path(group, "config-file", "config-file-path")
        try:
            if not path:
                raise ConfigError("names no config-file", where=group.place(), fix="write config-file=…")
            made, notes = nvinfer.convert(path, labelfile=self.app.path(group, "labelfile-path"))
        except ConfigError as error:
            self._missing(error)
            return None
        self.notes += notes
        if "interval" in group:
            made["interval"] = max(0, group.integer("interval"))
        if "batch-size" in group:
            made["batch"] = max(1, group.integer("batch-size"))
        return made

    def _rules(self) -> str:
        group = self.app.group("nvds-analytics", "nvdsanalytics", "analytics")
        path = self.app.path(group, "config-file", "config-file-path", "config") if group is not None else ""
        if not path:
            self.notes.append("there is no configuration of nvdsanalytics: nothing is counted; write `rules:`")
            return ""
        if not os.path.isfile(path):
            self._missing(ConfigError("no such file", where=path, fix="check the path"))
        mux = self.app.groups.get("streammux")
        if mux is not None and "width" in mux and "height" in mux:
            size = f"{mux.quoted('width')}x{mux.quoted('height')}"
            self.notes.append(
                f"{mux.place('width')}: pictures are looked at in their own size here, in {size} there: where these differ, so do "
                "the distances in pixels that nvdsanalytics asks for"
            )
        return path

    def _messages(self, sinks: list[Sink], counts: bool) -> tuple[list[dict[str, Any]], list[Any]]:
        messages: list[dict[str, Any]] = []
        outputs: list[Any] = []
        for sink in sinks:
            try:
                broker = self._broker(sink)
            except ConfigError as error:
                self._missing(error)
                continue
            name, number = broker.kind, 2
            while any(name == (one[kind].get("name") or kind) for one in outputs for kind in one):
                name, number = f"{broker.kind}-{number}", number + 1
            output = broker.as_config()
            if name != broker.kind:
                output[broker.kind]["name"] = name
            message = self._message(sink, broker, counts)
            if len(sinks) > 1:
                message["outputs"] = [name]
            self.notes += broker.notes
            messages.append(message)
            outputs.append(output)
        if not outputs:
            self.notes.append("there is no message sink (type=6) that is enabled: messages go to standard output")
            kind = (
                {"type": "deepstream/analytics", "on": "crossing"}
                if counts
                else {"type": "deepstream/minimal", "on": "frame"}
            )
            return [{"name": "stdout", **kind}], ["stdout"]
        return messages, outputs

    def _broker(self, sink: Sink) -> nvmsgbroker.BrokerOutput:
        library = sink.values.get("msg-broker-proto-lib", "")
        if not library:
            raise ConfigError("names no msg-broker-proto-lib", where=sink.place, fix="write the adapter's library")
        return nvmsgbroker.output(
            library,
            sink.values.get("msg-broker-conn-str") or None,
            sink.values.get("msg-broker-config") or None,
            sink.values.get("topic") or None,
            environment=None if self.strict else {},
        )

    def _message(self, sink: Sink, broker: nvmsgbroker.BrokerOutput, counts: bool) -> dict[str, Any]:
        payload = sink.number("msg-conv-payload-type", 0)
        library = sink.values.get("msg-conv-msg2p-lib", "")
        own = payload not in _PAYLOADS or bool(library and not _STOCK.search(library))
        form = _PAYLOADS.get(payload, "full")
        if own:
            form = "analytics" if counts else form
            what = f"the library {library}" if library else f"payload type {payload}"
            self.notes.append(
                f"{sink.place}: {what} makes messages of its own, which are not known; deepstream/{form} is sent in their place: "
                "write `value:` for yours (docs/messages.md)"
            )
        message: dict[str, Any] = {"name": sink.name, "type": f"deepstream/{form}"}
        if form == "analytics":
            message["on"] = "crossing"
        elif sink.number("msg-conv-msg2p-new-api", 0):
            message |= {
                "on": "frame",
                "api": "dsmeta",
                "every": max(1, sink.number("msg-conv-frame-interval", FRAME_INTERVAL)),
            }
        else:
            message |= {"on": "frame", "api": "event", "every": 1}
        if sink.values.get("msg-conv-config") and form != "analytics":
            message["msgconv"] = sink.values["msg-conv-config"]
        if counts and form != "analytics":
            self.notes.append(
                f"{sink.place}: NVIDIA's payloads carry no counts: add a message {{name: counts, type: deepstream/analytics, on: "
                "crossing}"
            )
        self._key(message, form, broker, sink)
        for key in _SINK_LEFT:
            if sink.values.get(key, "") not in ("", "0"):
                self.notes.append(f"{sink.place}: {key} is not carried over")
        return message

    def _key(self, message: dict[str, Any], form: str, broker: nvmsgbroker.BrokerOutput, sink: Sink) -> None:
        path = broker.partition_key
        if path is None:
            return
        if path.partition(".")[0] in _KEYS[form]:
            message["partition_key"] = path
        else:
            self.notes.append(
                f"{sink.place}: partition-key '{path}' is not in this message; records are keyed by the device id"
            )

    def _rest(self) -> None:
        for name, group in self.app.groups.items():
            reason = next((text for start, text in _LEFT.items() if re.fullmatch(start + "[0-9]*", name)), "")
            if reason and self.app.enabled(group):
                self.notes.append(f"{group.place()}: {reason}")
        tracker = self.app.groups.get("tracker")
        if tracker is not None and self.app.enabled(tracker):
            self.notes.append(f"{tracker.place()}: countline's own tracker follows the objects (`tracker:`)")


def _without_secrets(converted: Converted) -> dict[str, Any]:
    """The data with ``${NAME}`` for each password, and a note for each."""
    data = {**converted.data}
    data["outputs"] = [_hidden(output, converted.notes) for output in data.get("outputs", ())]
    data["sources"] = [{**source, "uri": _address(source, converted.notes)} for source in data.get("sources", ())]
    return {key: value for key, value in data.items() if value or key in converted.data}


def _hidden(value: Any, notes: list[str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _hidden(one, notes, f"{name}_{key}" if name else str(key)) for key, one in value.items()}
    if isinstance(value, str) and SECRET_NAME.search(name) and "${" not in value:
        return _variable(name, notes)
    return value


def _variable(name: str, notes: list[str]) -> str:
    variable = re.sub("[^A-Z0-9]+", "_", name.upper())
    notes.append(f"set the environment variable {variable} to the password that stands there")
    return "${" + variable + "}"


def _address(source: dict[str, Any], notes: list[str]) -> str:
    uri = str(source["uri"])
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*://[^/@:]*:)([^/@]+)(@.*)", uri, re.DOTALL)
    return match[1] + _variable(f"{source['name']}_password", notes) + match[3] if match else uri
