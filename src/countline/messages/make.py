"""From configuration to definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from importlib import import_module
from typing import Any

from countline.config.messages import MessageConfig, trigger_of
from countline.errors import MessageError
from countline.messages.attachment import Attacher, ObjectPlace
from countline.messages.catalogue import Catalogue
from countline.messages.cloudevents import Envelope
from countline.messages.definition import Parts, TemplateDefinition
from countline.messages.encode import make_encoder, make_schema
from countline.messages.faults import Fault, Loc, merge_faults, suggest
from countline.messages.functions import FunctionDefinition, MessageFunction, as_function, has_analytics
from countline.messages.load_function import load_function
from countline.messages.node import Node
from countline.messages.shape import ANY, Shape
from countline.messages.template import Compiler
from countline.messages.triggers import make_trigger
from countline.protocols import Definition
from countline.types import Message, RuleInfo, SourceInfo

__all__ = ["Tools", "make"]


@dataclass(frozen=True)
class Tools:
    """What a definition may need from the outside world, handed in so that this room stays pure."""

    encode_image: Callable[[Any, int, int], bytes] | None = None
    """(BGR picture, longest side, quality) -> JPEG; see ``countline.attach``."""
    store: Callable[[str, str, bytes], None] | None = None
    """(folder, relative name, content): writes a file; see ``countline.attach``."""
    schema_id: Callable[[Any], int] | None = None
    """``encode.SchemaRequest`` -> id in the registry; see ``countline.registry``."""
    objects: Mapping[str, Callable[[Message, str | None], str]] = field(default_factory=dict)
    """Outputs that hold objects, by name: (message, what stands before the object's name instead of the store's own address)
    -> URL of the object that the message becomes."""


@dataclass(frozen=True)
class _World:
    rules: Sequence[RuleInfo]
    sources: Sequence[SourceInfo]
    labels: Sequence[str]
    tools: Tools
    outputs: Sequence[str] | None
    zone: tzinfo | None


def make(
    configs: Sequence[MessageConfig],
    *,
    rules: Sequence[RuleInfo],
    sources: Sequence[SourceInfo],
    labels: Sequence[str],
    functions: Sequence[Any] = (),
    tools: Tools = Tools(),
    outputs: Sequence[str] | None = None,
    zone: tzinfo | None = None,
) -> list[Definition]:
    """Definitions for each entry of ``messages:`` and for each function, in this order. Messages whose definition names no
    outputs go to those named by ``outputs``, or to all if that is None. Intervals that name no zone follow the clocks of ``zone``.

    Every template is compiled and checked here against what its trigger, the rules, the sources and the labels offer.

    Raises MessageError with all faults at once; each names its key path (``Fault.loc``).
    """
    world = _World(rules, sources, labels, tools, outputs, zone)
    definitions: list[Definition] = []
    faults: list[MessageError] = []
    names: set[str] = set()
    tasks: list[tuple[Loc, Callable[[], Definition]]] = []
    loc: Loc
    for i, config in enumerate(configs):
        tasks.append((("messages", i), _task(config, ("messages", i), world)))
    for given in functions:
        function = as_function(given)
        loc = (f"@countline.message {function.config.name}",)
        tasks.append((loc, _function_task(function, loc, world)))
    for loc, task in tasks:
        try:
            definition = task()
        except MessageError as error:
            faults += getattr(error, "faults", (error,))
            continue
        if definition.name in names:
            faults.append(Fault(f"two messages are named '{definition.name}'", loc, "give each a name of its own"))
        names.add(definition.name)
        definitions.append(definition)
    if faults:
        raise merge_faults(faults)
    return definitions


def _task(config: MessageConfig, loc: Loc, world: _World) -> Callable[[], Definition]:
    return lambda: _from_config(config, loc, world)


def _function_task(function: MessageFunction, loc: Loc, world: _World) -> Callable[[], Definition]:
    return lambda: _from_function(function, loc, world)


def _from_config(config: MessageConfig, loc: Loc, world: _World) -> Definition:
    if config.type is not None:
        deepstream = import_module("countline.compat.deepstream.payloads")
        made: Definition = deepstream.make_definition(
            _destined(config, loc, world),
            rules=world.rules,
            sources=world.sources,
            labels=world.labels,
            name=config.name,
            zone=world.zone,
        )
        return made
    if config.function is not None:
        target = load_function(config.function, (*loc, "function"))
        try:
            marked = as_function(target)
        except MessageError as error:
            what = error.what if getattr(error, "faults", None) is None else str(error)
            raise Fault(what, (*loc, "function"), error.fix) from None
        own = marked.config.model_dump(include=marked.config.model_fields_set, by_alias=True)
        said = config.model_dump(include=config.model_fields_set, by_alias=True)
        merged = MessageConfig.model_validate({**own, **said})
        calls = {word: call for word, call in marked.calls.items() if word not in said}  # what YAML says wins
        return _from_function(replace(marked, config=merged, calls=calls), loc, world)
    plan = _Plan(_destined(config, loc, world), loc, world)
    node = plan.compiler.tree(config.value, (*loc, "value"))
    return plan.finish(node, None)


def _destined(config: MessageConfig, loc: Loc, world: _World) -> MessageConfig:
    """With the outputs that it goes to if it names none."""
    if config.outputs or world.outputs is None:
        return config
    if not world.outputs:
        fix = "give outputs=[...] with its name, or `takes: all` to the output"
        raise Fault(f"the message '{config.name}' goes nowhere: no output takes messages that do not name it", loc, fix)
    return config.model_copy(update={"outputs": list(world.outputs)})


def _from_function(function: MessageFunction, loc: Loc, world: _World) -> Definition:
    from countline.messages.typed import class_node, is_class_of_fields, shape_of_type

    plan = _Plan(_destined(function.config, loc, world), loc, world, calls=function)
    target = function.target
    if is_class_of_fields(target):
        node = class_node(target, plan.compiler, loc)
        return plan.finish(node, None)
    from countline.messages.functions import returned_type

    annotation = function.schema or (target if isinstance(target, type) else returned_type(target))
    shape = shape_of_type(annotation) if annotation is not None else ANY
    return plan.finish(Node(lambda s: None, shape), target)


class _Plan:
    """One definition on its way: compiles all templates, then decides between per event and per frame."""

    def __init__(self, config: MessageConfig, loc: Loc, world: _World, calls: MessageFunction | None = None) -> None:
        self.config, self.loc, self.world = config, loc, world
        self.calls = calls.calls if calls else {}
        self.is_function = calls is not None
        trigger, self.kinds, _ = trigger_of(config.on)
        self.catalogue = Catalogue(
            world.rules,
            world.sources,
            world.labels,
            kinds=() if config.per == "frame" else self.kinds,
            only_sources=config.sources,
            attachment=config.attach is not None,
            interval=trigger == "interval",
            gap=trigger == "gap",
        )
        self.compiler = Compiler(self.catalogue)
        self._check_names()

    def _check_names(self) -> None:
        config = self.config
        known = {
            "sources": [s.name for s in self.world.sources],
            "rules": list(dict.fromkeys(r.name for r in self.world.rules)),
            "classes": list(self.world.labels),
        }
        for word, valid in known.items():
            for i, name in enumerate(getattr(config, word)):
                if name not in valid and (valid or word != "classes"):
                    fix = suggest(name, valid, noun=f"{word} are")
                    self.compiler.faults.append(
                        Fault(
                            f"there is no {word[:-1]} '{name}'".replace("classe ", "class "), (*self.loc, word, i), fix
                        )
                    )

    def _text(self, text: str | None, *keys: str) -> Callable[[Any], Any] | None:
        call = self.calls.get(".".join(keys))
        if call is not None:
            per_event = bool(self.kinds) and self.config.per != "frame"
            return (lambda s: call(s.event)) if per_event else (lambda s: call(s.analytics))
        return None if text is None else self.compiler.text(text, (*self.loc, *keys)).get

    def parts(self, shape: Shape) -> Parts:
        config, loc = self.config, self.loc
        headers = []
        for name in dict.fromkeys([*config.headers, *(c[8:] for c in self.calls if c.startswith("headers."))]):
            if f"headers.{name}" in self.calls:
                get = self._text(None, "headers", name)
            else:
                get = self.compiler.tree(config.headers[name], (*loc, "headers", name)).get
            assert get is not None
            headers.append((name, get))
        return Parts(
            key=self._text(config.key, "key"),
            partition_key=self._partition_key(shape),
            topic=self._text(config.topic, "topic"),
            fixed_topic=None if "topic" in self.calls or "{" in (config.topic or "{") else config.topic,
            headers=headers,
            condition=None if config.if_ is None else self.compiler.condition(config.if_, (*loc, "if")),
            outputs=tuple(config.outputs),
            sources=frozenset(config.sources),
            envelope=self._envelope(shape),
            attach=self._attacher(),
        )

    def _attacher(self) -> Attacher | None:
        config, tools = self.config.attach, self.world.tools
        if config is None:
            return None
        loc = (*self.loc, "attach")
        if not self.is_function and "attachment" not in self.catalogue.used:
            fix = "write e.g. picture: '{attachment}' in the value"
            self.compiler.faults.append(Fault("no template names the picture", loc, fix))
        if config.what == "crop" and (not self.kinds or self.config.per == "frame"):
            fix = "use what: snapshot, or an event such as on: crossing"
            self.compiler.faults.append(Fault("a crop needs an event with an object", (*loc, "what"), fix))
        if tools.encode_image is None or (config.as_ == "file" and tools.store is None):
            fix = "pass make(..., tools=Tools(countline.attach.encode_image, countline.attach.store))"
            self.compiler.faults.append(Fault("this program was given nothing to make pictures with", loc, fix))
            return None
        if config.as_ != "object":
            return Attacher(config, tools.encode_image, tools.store if config.as_ == "file" else None)
        stores = list(tools.objects)
        wrong = config.no_store(stores, stores)
        if wrong is not None:
            self.compiler.faults.append(Fault(wrong[0], (*loc, "output"), wrong[1]))
            return None
        name = config.store_of(stores)
        return Attacher(
            config, tools.encode_image, place=ObjectPlace(name, tools.objects[name]), definition=self.config.name
        )

    def _envelope(self, shape: Shape) -> Envelope | None:
        chosen = self.config.cloudevents
        if chosen is None:
            return None
        on = self.config.on if isinstance(self.config.on, str) else "event"
        kind = chosen.type or f"io.countline.{on.split()[0] if len(self.kinds) <= 1 else 'event'}"
        type_ = self._text(kind, "cloudevents", "type")
        assert type_ is not None
        return Envelope(
            structured=chosen.mode == "structured",
            type=type_,
            source=self._text(chosen.source, "cloudevents", "source"),
            subject=self._text(chosen.subject, "cloudevents", "subject"),
            dataschema=make_schema(self.config, shape).urn,
        )

    def _partition_key(self, shape: Shape) -> list[str] | None:
        text = self.config.partition_key
        if text is None:
            return None
        path = text.split(".")
        if shape.kind == "record" and not _reachable(shape, path):
            self.compiler.faults.append(
                Fault(f"the value has nothing at '{text}'", (*self.loc, "partition_key"), suggest(text, _leaves(shape)))
            )
        return path

    def finish(self, node: Node, target: Any) -> Definition:
        config = self.config
        parts = self.parts(node.shape)
        if self.compiler.faults:
            raise merge_faults(self.compiler.faults)
        used = self.catalogue.used
        per_event = bool(self.kinds) and config.per != "frame"
        if per_event and config.per is None and not self.is_function:
            crop = config.attach is not None and config.attach.what == "crop"
            per_event = "event" in used or crop
        schema = make_schema(config, node.shape)
        foreign = self.is_function
        # A function that is given the analytics may tell anything of them.
        sees_all = target is not None and (not per_event or has_analytics(target))
        arguments: dict[str, Any] = {
            "name": config.name,
            "schema": schema,
            "trigger": make_trigger(config.on, config.rules, config.classes, self.world.zone),
            "encoder": make_encoder(config, schema, self.loc, self.world.tools.schema_id, foreign=foreign),
            "parts": parts,
            "per_event": per_event,
            "trajectories": config.trajectory_points if "trajectory" in used else 0,
            "tells_epochs": "epochs" in used or sees_all,
            "keeps_gaps": ("gap" in used or sees_all) and not self.catalogue.gap,
        }
        if target is not None:
            return FunctionDefinition(target, **arguments)
        return TemplateDefinition(node.get, **arguments)


def _reachable(shape: Shape, path: Sequence[str]) -> bool:
    if not path or shape.kind in ("any", "map"):
        return True
    if shape.kind == "list":
        return path[0].isdigit() and _reachable(shape.items or ANY, path[1:])
    for end in range(len(path), 0, -1):
        member = shape.member(".".join(path[:end]))
        if member is not None:
            return _reachable(member.shape, path[end:])
    return False


def _leaves(shape: Shape, before: str = "") -> list[str]:
    found = []
    for member in shape.members:
        path = before + member.key
        found += _leaves(member.shape, path + ".") if member.shape.kind == "record" else [path]
    return found
