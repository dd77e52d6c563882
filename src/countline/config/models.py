"""The configuration of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, SerializeAsAny, model_validator

from countline.config.base import FileName, Model, OutputConfig
from countline.config.detector import DetectorConfig
from countline.config.faults import ConfigFault, validated
from countline.config.loader import Document, read_yaml, validate
from countline.config.messages import MessageConfig
from countline.config.moment import no_start
from countline.config.observe import MetricsConfig, OtelConfig, given_metrics
from countline.config.outbox import OutboxConfig, given_outbox
from countline.config.outputs import OutputSchema, config_class, kinds
from countline.config.record import RecordConfig, expand_record
from countline.config.renames import tell
from countline.config.rules import RulesConfig, check_sources
from countline.config.secret_places import named_secrets
from countline.config.web import WebConfig, given_web
from countline.errors import ConfigError, PluginError
from countline.redaction import remember
from countline.secret_forms import uri_secrets

__all__ = ["Config", "DetectorConfig", "OutboxConfig", "SourceConfig", "TrackerConfig", "checked", "load"]


def _option_texts(value: Any) -> Any:
    """FFmpeg takes texts; YAML has numbers and booleans, too."""
    if not isinstance(value, Mapping):
        return value
    texts = {name: int(option) if isinstance(option, bool) else option for name, option in value.items()}
    return {name: str(option) if isinstance(option, (int, float)) else option for name, option in texts.items()}


def _not_empty(value: str) -> str:
    if not value:
        raise ValueError("the uri is empty")
    return value


class SourceTls(Model):
    """Encryption of a connection to a camera or server (rtsps, https, rtmps)."""

    ca: FileName | None = None
    """PEM file of the certificate authorities to trust; those of the system unless set."""
    verify: bool = True
    """Check the certificate and the host name. False accepts anybody, and is said in the log."""


class SegmentsConfig(Model):
    """How recordings that follow each other are put together: where ``uri`` names several, or is watched."""

    order: Literal["auto", "name", "mtime"] = "auto"
    """auto: by the times in their names where ``start`` reads them there, else as name; name: natural order (2 before 10);
    mtime: as they were last written."""
    gap: float = Field(default=5.0, ge=0)
    """Seconds between the end of one and the start of the next above which that is a gap: it is told, and tracks are
    forgotten. Up to this, tracks, rules and windows go on over the seam."""
    settle: float = Field(default=5.0, ge=0)
    """Seconds for which a recording must not have grown before it counts as whole."""
    warm_up: float = Field(default=60.0, ge=0)
    """Seconds of recording before the last one that was begun which are gone through again after a restart, without sending
    twice, so that tracks, rules and windows are as they were."""


class SourceConfig(Model):
    """One camera or file."""

    name: str = Field(min_length=1)
    """How rules, messages and metrics call it."""
    uri: Annotated[FileName, AfterValidator(_not_empty)]
    """File, folder or glob of recordings or images, raw .h264, rtsp://, http://, or a device such as /dev/video0."""
    device_id: str = ""
    """Identity in messages; the name unless set."""
    fps: float | None = Field(default=None, gt=0)
    """Frames a second that are looked at, evenly by their time stamps; all unless set. Counts need about five. Where the input
    has no time stamps (raw .h264, images) it is the rate that the input has; 30 unless the stream says otherwise."""
    start: str | None = None
    """Capture time of the first frame of a file, RFC 3339, e.g. 2026-11-22T08:00:00Z; or where its name tells it, e.g.
    "{name:%Y%m%d-%H%M%S} Europe/Berlin" (UTC unless a time zone is given)."""
    watch: bool | Annotated[float, Field(gt=0)] = False
    """Recordings: wait for those that are still to come, for ever or until none has come for so many seconds, and go on behind
    the last one after a restart. A file: read it while it grows."""
    segments: SegmentsConfig = SegmentsConfig()
    """How recordings that follow each other are put together."""
    realtime: bool = False
    """Read files at their own speed, as a camera gives them, without dropping any frame."""
    live: bool | None = None
    """Newest frame wins and counts go on after a restart; by kind of input unless set."""
    loop: bool = False
    """Begin again at the end of a file; the source is then treated as endless."""
    options: Annotated[dict[str, str], BeforeValidator(_option_texts)] = {}
    """FFmpeg options passed on when opening, e.g. {rtsp_transport: udp}; and stream, which of several video streams is
    taken: its index, v:1 for the second, or #id."""
    decoder: Literal["auto", "cpu"] = "auto"
    """Where it is decoded: auto on the GPU where `detector.device` is one and it can, cpu never there."""
    deinterlace: Literal["auto", "on", "off"] = "auto"
    """Makes whole pictures of interlaced ones: auto where the stream marks them, on for all, off for none."""
    protocols: list[str] | None = None
    """Protocols that may be opened besides the uri itself, by a playlist, say: for a local one the network protocols that
    its entries may use (none unless set); for an input from the network all that it may use."""
    timeout: float = Field(default=10.0, gt=0)
    """Seconds without a packet after which a live source counts as gone, and is connected to anew."""
    tls: SourceTls = SourceTls()
    """Which certificates rtsps, https and rtmps accept."""
    time: Literal["auto", "arrival"] = "auto"
    """Whose clock times a live source's frames: auto takes the camera's where it tells it (RTCP sender reports) and is within
    an hour of this machine's; arrival always takes this machine's."""
    stabilize: bool = False
    """For a camera that shakes or turns: rules follow the scene, as it was in the first picture, and a cut to another view is noticed
    (`on: view-change`). Needs countline[stabilize]."""
    counts: Literal["continue", "restart"] | None = None
    """Whether a new run goes on with the cumulative counts of the last; live sources do, files do not, unless set."""

    @model_validator(mode="after")
    def _remember_address(self) -> SourceConfig:
        remember(self, *uri_secrets(self.uri), *named_secrets(self.options))
        return self


class TrackerConfig(Model):
    """What follows the objects from frame to frame."""

    kind: str = "default"
    high: float | None = Field(default=None, ge=0, le=1)
    """Confidence from which a detection may begin a track."""
    low: float | None = Field(default=None, ge=0, le=1)
    """Confidence from which a detection may continue a track."""
    iou: float | None = Field(default=None, ge=0, le=1)
    """Least overlap between a track's prediction and a detection."""
    lost: float | None = Field(default=None, ge=0)
    """Seconds for which a track that is not seen is kept."""
    twins: bool = True
    """Whether two tracks on one object are told (docs/tracking.md), which native rules then count once."""


def _output(value: Any) -> Any:
    """``{kafka: {...}}`` or ``stdout`` -> that kind's model."""
    if isinstance(value, OutputConfig):
        return value
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        raise ConfigFault("an output is one kind with its options", fix="write `- kafka: {bootstrap: ..., topic: ...}`")
    kind, options = next(iter(value.items()))
    try:
        cls = config_class(kind)
    except KeyError:
        raise ConfigFault(
            f"unknown output '{kind}'", fix="known are: " + ", ".join(sorted(kinds())), loc=(kind,)
        ) from None
    except PluginError as error:
        raise ConfigFault(error.what, fix=error.fix, loc=(kind,)) from None
    if options is not None and not isinstance(options, Mapping):
        raise ConfigFault("takes a mapping of options", fix=f"write `- {kind}: {{option: value}}`", loc=(kind,))
    options = {str(name): option for name, option in (options or {}).items()}
    options.setdefault("name", kind)
    return validated(cls, options, (kind,))


class Config(Model):
    """A run: sources -> detector -> tracker -> rules -> messages -> outputs."""

    sources: list[SourceConfig] = Field(min_length=1)
    detector: DetectorConfig = DetectorConfig()
    tracker: TrackerConfig = TrackerConfig()
    rules: SerializeAsAny[RulesConfig] = RulesConfig()
    messages: list[SerializeAsAny[MessageConfig]] = []
    outputs: list[SerializeAsAny[Annotated[OutputConfig, BeforeValidator(_output), OutputSchema]]] = []
    outbox: Annotated[OutboxConfig, BeforeValidator(given_outbox, json_schema_input_type=OutboxConfig | str)] = (
        OutboxConfig()
    )
    record: Annotated[
        RecordConfig | None, BeforeValidator(expand_record, json_schema_input_type=RecordConfig | str | None)
    ] = None
    """Keep the tracks of all sources in Parquet files, for `countline analyze`, `compare` and `report`; not kept unless set."""
    metrics: Annotated[
        MetricsConfig | None, BeforeValidator(given_metrics, json_schema_input_type=MetricsConfig | str | bool | None)
    ] = None
    """Metrics and health over HTTP; an address alone will do. Nothing listens unless set."""
    otel: OtelConfig | None = None
    """Metrics and traces to OpenTelemetry. Nothing is sent unless set."""
    web: Annotated[
        WebConfig | None, BeforeValidator(given_web, json_schema_input_type=WebConfig | str | bool | None)
    ] = None
    """A page in the browser that shows the run, and where rules are drawn; an address alone will do. Nothing listens unless set."""
    watch: bool = False
    """Apply edits of this file while it runs, as SIGHUP does. An edit that is not right is refused and told in the log."""
    _document: Document | None = PrivateAttr(default=None)
    """The file it was read from, for faults that only show later (a template that names a field that is not there)."""

    @model_validator(mode="after")
    def _names(self) -> Config:
        for what, names in (
            ("source", [s.name for s in self.sources]),
            ("message", [m.name for m in self.messages]),
            ("output", [o.name for o in self.outputs]),
        ):
            seen: set[str] = set()
            for i, name in enumerate(names):
                if name in seen:
                    raise ConfigFault(
                        f"two {what}s are named '{name}'",
                        fix=f"give each {what} a name of its own",
                        loc=(f"{what}s", i),
                    )
                seen.add(name)
        for i, source in enumerate(self.sources):
            wrong = no_start(source.start) if source.start else None
            if wrong is not None:
                raise ConfigFault(wrong[0], fix=wrong[1], loc=("sources", i, "start"))
        self._links()
        for fault in check_sources(self.rules, [s.name for s in self.sources]):
            raise ConfigFault(fault.what, fix=fault.fix, loc=("rules", *fault.loc))
        self._destinations()
        return self

    def _links(self) -> None:
        for name in self.web.links if self.web is not None else ():
            if name not in {s.name for s in self.sources}:
                raise ConfigFault(
                    f"there is no source '{name}'",
                    fix="known are: " + ", ".join(s.name for s in self.sources),
                    loc=("web", "links", name),
                )

    @property
    def default_outputs(self) -> tuple[str, ...] | None:
        """Names of the outputs that a message goes to which names none; None: all there are."""
        if not any(o.explicit_only for o in self.outputs):
            return None
        return tuple(o.name for o in self.outputs if not o.explicit_only)

    def _destinations(self) -> None:
        """A message for an output that is not there would go nowhere, without a word."""
        known = [o.name for o in self.outputs]
        for name in self.outbox.quotas:
            if name not in known:
                raise ConfigFault(
                    f"there is no output '{name}'",
                    fix="outputs are " + (", ".join(known) or "none"),
                    loc=("outbox", "quotas", name),
                )
        stores = [o.name for o in self.outputs if o.holds_objects]
        for i, message in enumerate(self.messages):
            if message.attach is not None:
                wrong = message.attach.no_store(stores, known)
                if wrong is not None:
                    raise ConfigFault(wrong[0], fix=wrong[1], loc=("messages", i, "attach", "output"))
            if not message.outputs and message.function is None and known and self.default_outputs == ():
                raise ConfigFault(
                    f"message '{message.name}' goes nowhere: no output takes messages that do not name it",
                    fix=f"write outputs: [{known[0]}] here, or takes: all there",
                    loc=("messages", i),
                )
            for name in message.outputs:
                if name not in known:
                    raise ConfigFault(
                        f"message '{message.name}' names the output '{name}', which does not exist",
                        fix="known are: " + ", ".join(str(k) for k in known) if known else "there are no outputs",
                        loc=("messages", i, "outputs"),
                    )


def checked(data: Any, document: Document) -> Config:
    """The configuration that ``data``, the content of ``document``, says. Options with a new name are told once. Raises ConfigError."""
    config = validate(Config, data, document)
    for i, output in enumerate(data["outputs"] if isinstance(data.get("outputs"), list) else ()):
        if isinstance(output, Mapping):
            for kind, options in output.items():
                tell(document, ("outputs", i, kind), options, config_class(kind).renamed)
    return config


def load(path: str | Path, text: str | None = None) -> Config:
    """Read and check a configuration. Raises ConfigError with file and line of every fault."""
    document: Document = read_yaml(path, text)
    if not isinstance(document.data, dict):
        raise_not_mapping(document)
    config = checked(document.data, document)
    config._document = document
    return config


def raise_not_mapping(document: Document) -> None:
    """The file is YAML but not a mapping."""
    raise ConfigError(
        "must be a mapping with the keys sources, rules, messages, outputs …",
        where=document.place(()),
        fix="see docs/configuration.md",
    )
