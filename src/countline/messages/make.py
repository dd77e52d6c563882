"""From configuration to definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import tzinfo
from typing import Any

from countline.config.messages import MessageConfig
from countline.errors import MessageError, PluginError
from countline.messages.builder import Builder
from countline.messages.context import Context, Tools
from countline.messages.faults import Loc, MessageFault, merge_faults, suggest
from countline.messages.functions import MessageFunction, as_function
from countline.messages.load_function import load_function
from countline.messages.node import Node
from countline.messages.shape import ANY
from countline.protocols import Definition
from countline.registry.kinds import MESSAGES, message_kind
from countline.types import RuleInfo, SourceInfo

__all__ = ["Tools", "from_template", "make"]

_NO_TOOLS = Tools()


def make(
    configs: Sequence[MessageConfig],
    *,
    rules: Sequence[RuleInfo],
    sources: Sequence[SourceInfo],
    labels: Sequence[str],
    functions: Sequence[Any] = (),
    tools: Tools = _NO_TOOLS,
    outputs: Sequence[str] | None = None,
    zone: tzinfo | None = None,
) -> list[Definition]:
    """Definitions for each entry of ``messages:`` and for each function, in this order. Messages whose definition names no
    outputs go to those named by ``outputs``, or to all if that is None. Intervals that name no zone follow the clocks of ``zone``.

    Every template is compiled and checked here against what its trigger, the rules, the sources and the labels offer.

    Raises MessageError with all faults at once; each names its key path (``MessageFault.loc``).
    """
    context = Context(rules, sources, labels, tools, outputs, zone)
    definitions: list[Definition] = []
    faults: list[MessageError] = []
    names: set[str] = set()
    tasks: list[tuple[Loc, Callable[[], Definition]]] = []
    loc: Loc
    for i, config in enumerate(configs):
        tasks.append((("messages", i), _task(config, ("messages", i), context)))
    for candidate in functions:
        function = as_function(candidate)
        loc = (f"@countline.message {function.config.name}",)
        tasks.append((loc, _function_task(function, loc, context)))
    for loc, task in tasks:
        try:
            definition = task()
        except MessageError as error:
            faults += getattr(error, "faults", (error,))
            continue
        if definition.name in names:
            faults.append(
                MessageFault(f"two messages are named '{definition.name}'", loc, "give each a name of its own")
            )
        names.add(definition.name)
        definitions.append(definition)
    if faults:
        raise merge_faults(faults)
    return definitions


def _task(config: MessageConfig, loc: Loc, context: Context) -> Callable[[], Definition]:
    return lambda: _from_config(config, loc, context)


def _function_task(function: MessageFunction, loc: Loc, context: Context) -> Callable[[], Definition]:
    return lambda: _from_function(function, loc, context)


def _from_config(config: MessageConfig, loc: Loc, context: Context) -> Definition:
    if config.type is not None:
        return _of_type(_destined(config, loc, context), loc, context)
    if config.function is not None:
        target = load_function(config.function, (*loc, "function"))
        try:
            marked = as_function(target)
        except MessageError as error:
            what = error.what if getattr(error, "faults", None) is None else str(error)
            raise MessageFault(what, (*loc, "function"), error.fix) from None
        own = marked.config.model_dump(include=marked.config.model_fields_set, by_alias=True)
        declared = config.model_dump(include=config.model_fields_set, by_alias=True)
        merged = MessageConfig.model_validate({**own, **declared})
        calls = {word: call for word, call in marked.calls.items() if word not in declared}  # what YAML says wins
        return _from_function(replace(marked, config=merged, calls=calls), loc, context)
    builder = Builder(_destined(config, loc, context), loc, context)
    node = builder.compiler.tree(config.value, (*loc, "value"))
    return builder.finish(node, None)


def _of_type(config: MessageConfig, loc: Loc, context: Context) -> Definition:
    """A ready payload, which its kind's package makes."""
    try:
        made: Definition = MESSAGES.call(message_kind(str(config.type)), "definition", "make", config, context, loc)
    except KeyError:
        known = list(_types())
        what = f"there is no message type '{config.type}'"
        raise MessageFault(what, (*loc, "type"), suggest(str(config.type), known, noun="known are")) from None
    except PluginError as error:
        raise MessageFault(error.what, (*loc, "type"), error.fix) from None
    return made


def from_template(config: MessageConfig, value: Any, context: Context, loc: Loc) -> Definition:
    """The definition whose value is the template ``value``: what ``value:`` would be, for message types that are a shape of
    their own. Everything else (trigger, key, headers, encoding) is as ``config`` says.

    Raises MessageError for fields that its trigger does not offer, at ``loc``."""
    builder = Builder(config, loc, context)
    return builder.finish(builder.compiler.tree(value, (*loc, "type")), None)


def _types() -> Iterator[str]:
    """What ``type:`` may be."""
    for kind in MESSAGES.packages():
        with suppress(PluginError):
            yield from MESSAGES.get(kind, "config", "TYPES")


def _destined(config: MessageConfig, loc: Loc, context: Context) -> MessageConfig:
    """With the outputs that it goes to if it names none."""
    if config.outputs or context.outputs is None:
        return config
    if not context.outputs:
        fix = "give outputs=[...] with its name, or `takes: all` to the output"
        raise MessageFault(
            f"the message '{config.name}' goes nowhere: no output takes messages that do not name it", loc, fix
        )
    return config.model_copy(update={"outputs": list(context.outputs)})


def _from_function(function: MessageFunction, loc: Loc, context: Context) -> Definition:
    from countline.messages.typed import class_node, is_class_of_fields, shape_of_type

    builder = Builder(_destined(function.config, loc, context), loc, context, calls=function)
    target = function.target
    if is_class_of_fields(target):
        node = class_node(target, builder.compiler, loc)
        return builder.finish(node, None)
    from countline.messages.functions import returned_type

    annotation = function.schema or (target if isinstance(target, type) else returned_type(target))
    shape = shape_of_type(annotation) if annotation is not None else ANY
    return builder.finish(Node(lambda s: None, shape), target)
