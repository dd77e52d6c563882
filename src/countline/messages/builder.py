"""One definition on its way from its configuration: its templates, then what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from countline.config.messages import MessageConfig, trigger_of
from countline.messages.attachment import Attached, Attacher, ObjectPlace
from countline.messages.clip import ClipAttacher
from countline.messages.cloudevents import Envelope
from countline.messages.context import Context
from countline.messages.definition import TemplateDefinition
from countline.messages.encode import make_encoder, make_schema
from countline.messages.faults import Loc, MessageFault, merge_faults, suggest
from countline.messages.field_registry import FieldRegistry
from countline.messages.functions import FunctionDefinition, MessageFunction, has_analytics
from countline.messages.node import Node
from countline.messages.record import RecordTemplate, make_envelope
from countline.messages.scope import Scope
from countline.messages.shape import ANY, Shape
from countline.messages.template import Compiler
from countline.messages.triggers import make_trigger
from countline.protocols import Definition
from countline.types import Frame

__all__ = ["Builder"]


class Builder:
    """One definition on its way: compiles all templates, then decides between per event and per frame."""

    def __init__(self, config: MessageConfig, loc: Loc, context: Context, calls: MessageFunction | None = None) -> None:
        self.config, self.loc, self.context = config, loc, context
        self.calls = calls.calls if calls else {}
        self.is_function = calls is not None
        trigger, self.kinds, _ = trigger_of(config.on)
        self.fields = FieldRegistry(
            context.rules,
            context.sources,
            context.labels,
            kinds=() if config.per == "frame" else self.kinds,
            only_sources=config.sources,
            attachment=config.attach is not None,
            interval=trigger == "interval",
            gap=trigger == "gap",
            config=trigger == "config",
            status=trigger == "status",
            heartbeat=trigger == "heartbeat",
            table=context.table,
        )
        self.compiler = Compiler(self.fields)
        self._check_names()

    def _check_names(self) -> None:
        config = self.config
        known = {
            "sources": [s.name for s in self.context.sources],
            "rules": list(dict.fromkeys(r.name for r in self.context.rules)),
            "classes": list(self.context.labels),
        }
        for word, valid in known.items():
            for i, name in enumerate(getattr(config, word)):
                if name not in valid and (valid or word != "classes"):
                    fix = suggest(name, valid, noun=f"{word} are")
                    self.compiler.faults.append(
                        MessageFault(
                            f"there is no {word[:-1]} '{name}'".replace("classe ", "class "), (*self.loc, word, i), fix
                        )
                    )

    def _text(self, text: str | None, *keys: str) -> Callable[[Any], Any] | None:
        call = self.calls.get(".".join(keys))
        if call is not None:
            per_event = bool(self.kinds) and self.config.per != "frame"
            return (lambda s: call(s.event)) if per_event else (lambda s: call(s.analytics))
        return None if text is None else self.compiler.text(text, (*self.loc, *keys)).get

    def record(self, shape: Shape) -> RecordTemplate:
        """What surrounds a value of this shape."""
        config, loc = self.config, self.loc
        headers = []
        for name in dict.fromkeys([*config.headers, *(c[8:] for c in self.calls if c.startswith("headers."))]):
            if f"headers.{name}" in self.calls:
                get = self._text(None, "headers", name)
            else:
                get = self.compiler.tree(config.headers[name], (*loc, "headers", name)).get
            assert get is not None
            headers.append((name, get))
        return RecordTemplate(
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

    def _attacher(self) -> Callable[[Scope, Frame | None], Attached | None] | None:
        config, tools = self.config.attach, self.context.tools
        if config is None:
            return None
        loc = (*self.loc, "attach")
        clip = config.as_ == "clip"
        if not self.is_function and "attachment" not in self.fields.used:
            fix = "write e.g. picture: '{attachment}' in the value"
            what = "clip" if clip else "picture"
            self.compiler.faults.append(MessageFault(f"no template names the {what}", loc, fix))
        if config.crops and (not self.kinds or self.config.per == "frame"):
            fix = "use what: snapshot, or an event such as on: crossing"
            self.compiler.faults.append(MessageFault("a crop needs an event with an object", (*loc, "what"), fix))
        lacking = tools.clips is None if clip else tools.encode_image is None
        if lacking or (config.folder is not None and tools.store is None):
            fix = "pass make(..., tools=Tools(countline.attach.encode_image, countline.attach.store))"
            what = "clips" if clip else "pictures"
            self.compiler.faults.append(MessageFault(f"this program was given nothing to make {what} with", loc, fix))
            return None
        place = None
        if config.stored:
            stores = list(tools.objects)
            wrong = config.no_store(stores, stores)
            if wrong is not None:
                self.compiler.faults.append(MessageFault(wrong[0], (*loc, "output"), wrong[1]))
                return None
            name = config.store_of(stores)
            place = ObjectPlace(name, tools.objects[name])
        store = tools.store if config.folder is not None else None
        if tools.clips is not None and clip:
            sources = self.config.sources or [s.name for s in self.context.sources]
            return ClipAttacher(config, tools.clips, store, place, self.config.name, sources)
        assert tools.encode_image is not None
        return Attacher(config, tools.encode_image, store, place, self.config.name)

    def _envelope(self, shape: Shape) -> Envelope | None:
        on = self.config.on if isinstance(self.config.on, str) else "event"
        type_ = f"io.countline.{on.split()[0] if len(self.kinds) <= 1 else 'event'}"
        return make_envelope(
            self.config, lambda text, keys: self._text(text, *keys), type_, make_schema(self.config, shape).urn
        )

    def _partition_key(self, shape: Shape) -> list[str] | None:
        text = self.config.partition_key
        if text is None:
            return None
        path = text.split(".")
        if shape.kind == "record" and not _reachable(shape, path):
            self.compiler.faults.append(
                MessageFault(
                    f"the value has nothing at '{text}'", (*self.loc, "partition_key"), suggest(text, _leaves(shape))
                )
            )
        return path

    def finish(self, node: Node, target: Any) -> Definition:
        """The definition whose value ``node`` gives, or the function ``target`` where there is one. Raises MessageError with all
        faults."""
        config = self.config
        record = self.record(node.shape)
        if self.compiler.faults:
            raise merge_faults(self.compiler.faults)
        used = self.fields.used
        per_event = bool(self.kinds) and config.per != "frame"
        if per_event and config.per is None and not self.is_function:
            crop = config.attach is not None and config.attach.crops
            per_event = "event" in used or crop
        schema = make_schema(config, node.shape)
        user_value = self.is_function
        # A function that is given the analytics may tell anything of them.
        sees_all = target is not None and (not per_event or has_analytics(target))
        arguments: dict[str, Any] = {
            "name": config.name,
            "schema": schema,
            "trigger": make_trigger(config.on, config.rules, config.classes, self.context.zone),
            "encoder": make_encoder(config, schema, self.loc, self.context.tools.schema_id, user_value=user_value),
            "record": record,
            "per_event": per_event,
            "trajectories": config.trajectory_points if "trajectory" in used else 0,
            "tells_epochs": "epochs" in used or sees_all,
            "keeps_gaps": ("gap" in used or sees_all)
            and not (self.fields.gap or self.fields.config or self.fields.heartbeat),
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
