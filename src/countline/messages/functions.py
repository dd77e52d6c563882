"""Messages made by Python: ``@countline.message`` on a function or a typed class."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, overload

import orjson

from countline.config.loader import Document, validate
from countline.config.messages import MessageConfig
from countline.errors import MessageError
from countline.messages.convert import plain_values
from countline.messages.definition import ValueDefinition
from countline.messages.encode import plain
from countline.messages.scope import Scope
from countline.types import Frame

__all__ = ["FunctionDefinition", "MessageFunction", "as_function", "message"]

T = TypeVar("T", bound=Callable[..., Any])
_MARK = "__countline_message__"
_PACKAGE = str(Path(__file__).resolve().parent.parent)


@dataclass(frozen=True)
class MessageFunction:
    """A function or class with what ``@message`` said of it."""

    target: Any
    config: MessageConfig
    calls: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Key, topic and headers (as ``headers.<name>``) that are functions themselves."""
    schema: Any = None
    """A type that says the shape of the value, where the return annotation does not."""


@overload
def message(target: T, /) -> T: ...
@overload
def message(
    target: None = None,
    /,
    *,
    on: str | list[str] = "crossing",
    key: str | Callable[[Any], Any] | None = None,
    topic: str | Callable[[Any], Any] | None = None,
    headers: Mapping[str, str | Callable[[Any], Any]] | None = None,
    name: str | None = None,
    encoding: str = "json",
    schema: Any = None,
    **more: Any,
) -> Callable[[T], T]: ...
def message(target: Any = None, /, **options: Any) -> Any:
    """Mark a function or class as a message definition.

    A function gets the event (a ``countline.Crossing`` …) where ``on`` is a kind of event, else the ``Analytics`` of the
    frame. If it has further parameters named ``analytics``, ``frame`` or ``attachment`` it gets those too (``frame`` is
    None where there are no pixels). It returns a dict, dataclass, msgspec Struct or pydantic model; bytes or str to send
    as they are; a list of those for several messages; None for none.

    A class (dataclass, msgspec Struct, pydantic model, TypedDict) is filled field by field: from the template in
    ``Annotated[int, "{lines.straight.current}"]``, else from the field of its own name (a final ``_`` is dropped:
    ``class_``). With a classmethod ``of`` it is made by ``Class.of(event)`` instead.

    Parameters
    ----------
    on: trigger, as in YAML; ``per``, ``rules``, ``sources``, ``classes``, ``if_``, ``outputs``, ``cloudevents``,
        ``partition_key``, ``version`` mean the same as there, too.
    key, topic, headers: templates, or functions of the same argument.
    name: name of the definition; the function's own unless set.
    encoding: json, jsonl, avro, protobuf or msgpack.
    schema: a type that describes the value (avro and protobuf need one), where the return annotation does not;
        a mapping sets the options of ``schema:`` in YAML.

    Raises ConfigError for options that cannot be.

    >>> @message(on="crossing", key=lambda e: e.source.device_id)
    ... def payload(event):
    ...     return {"line": event.rule, "to": event.direction}
    """
    if target is not None:
        return _mark(target, {})
    return lambda inner: _mark(inner, options)


def _mark(target: Any, options: Mapping[str, Any]) -> Any:
    made = _made(target, options)
    try:
        setattr(target, _MARK, made)
    except (AttributeError, TypeError):
        raise MessageError(f"{_called(target)} {_unfit(target) or 'cannot be marked'}", fix=_WRAP) from None
    return target


_WRAP = "write a function: def payload(event): return {...}"


def _unfit(candidate: Any) -> str:
    """Why this can be no message function; empty if it may be one."""
    if inspect.ismodule(candidate) or not callable(candidate):
        return f"is a {type(candidate).__name__}, neither a function nor a class"
    module = str(getattr(candidate, "__module__", ""))
    if (
        inspect.isbuiltin(candidate)
        or isinstance(candidate, (type(str.join), type(object.__init__)))
        or module == "builtins"
    ):
        return "is built into Python: it makes no messages"
    if inspect.isclass(candidate) and not callable(getattr(candidate, "of", None)):
        from countline.messages.typed import is_class_of_fields

        if not is_class_of_fields(candidate):
            return "is a class without fields (no dataclass, Struct, pydantic model or TypedDict), and without a classmethod `of`"
    return ""


def _called(candidate: Any) -> str:
    """Its name: what it holds (``os.environ``, say) is nobody's business."""
    name = getattr(candidate, "__qualname__", None) or getattr(candidate, "__name__", None)
    return name if isinstance(name, str) else "this object"


def _made(target: Any, options: Mapping[str, Any]) -> MessageFunction:
    data = dict(options)
    calls: dict[str, Callable[[Any], Any]] = {}
    for word in ("key", "topic"):
        if callable(data.get(word)):
            calls[word] = data.pop(word)
    headers = dict(data.pop("headers", None) or {})
    calls |= {f"headers.{name}": call for name, call in headers.items() if callable(call)}
    data["headers"] = {name: value for name, value in headers.items() if not callable(value)}
    schema = data.pop("schema", None)
    if isinstance(schema, Mapping):
        data["schema"] = dict(schema)
        schema = None
    data["name"] = data.get("name") or getattr(target, "__name__", "message")
    data["function"] = f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', data['name'])}"
    data = {k: v for k, v in data.items() if v is not None}
    config = validate(MessageConfig, data, Document(data, {}, f"@countline.message on {data['function']}"))
    return MessageFunction(target, config, calls, schema)


def as_function(candidate: Any) -> MessageFunction:
    """What :func:`message` made of it; a function without the mark is one for crossings. Raises MessageError."""
    if isinstance(candidate, MessageFunction):
        return candidate
    found = getattr(candidate, _MARK, None)
    if isinstance(found, MessageFunction):
        return found
    unfit = _unfit(candidate)
    if unfit:
        raise MessageError(f"{_called(candidate)} {unfit}", fix=_WRAP)
    return _made(candidate, {})


def returned_type(target: Any) -> Any:
    """Return annotation of a function, resolved; None where there is none."""
    from typing import get_type_hints

    try:
        return get_type_hints(target, include_extras=True).get("return")
    except (NameError, TypeError, AttributeError):
        return None


def extra_parameters(target: Any) -> tuple[str, ...]:
    """Names among analytics, frame and attachment that the function has behind its first parameter.

    Raises MessageError where it has others without a default."""
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return ()
    names = []
    for parameter in parameters[1:]:
        if parameter.name in ("analytics", "frame", "attachment"):
            names.append(parameter.name)
        elif parameter.default is parameter.empty and parameter.kind in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            raise MessageError(
                f"the parameter '{parameter.name}' of {getattr(target, '__qualname__', target)} is not known",
                fix="a message function has one parameter, and may have others named analytics, frame and attachment",
            )
    return tuple(names)


def has_analytics(target: Any) -> bool:
    """Whether a message function takes the analytics beside the event."""
    return "analytics" in extra_parameters(getattr(target, "of") if inspect.isclass(target) else target)  # noqa: B009


def place_in_user_code(error: BaseException, target: Any) -> str:
    """``file.py:12 in payload``: the deepest frame of the traceback that is neither ours nor a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith(_PACKAGE)]
    users = [f for f in own if "site-packages" not in f.filename and "dist-packages" not in f.filename] or own
    if users:
        return f"{users[-1].filename}:{users[-1].lineno} in {users[-1].name}"
    code = getattr(target, "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno} in " if code is not None else ""
    return where + str(getattr(target, "__qualname__", target))


class FunctionDefinition(ValueDefinition):
    """A definition whose value a user's function makes."""

    def __init__(self, target: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._target = target
        self._call: Callable[..., Any] = getattr(target, "of") if inspect.isclass(target) else target  # noqa: B009
        self._extra = extra_parameters(self._call)

    def values(self, scope: Scope, frame: Frame | None) -> Sequence[Any]:
        argument = scope.event if self.per_event else scope.analytics
        if self._extra:
            available = {"analytics": scope.analytics, "frame": frame, "attachment": scope.attachment}
            made = self._call(argument, **{name: available[name] for name in self._extra})
        else:
            made = self._call(argument)
        if made is None:
            return ()
        if isinstance(made, list) or inspect.isgenerator(made):
            return [_raw(value) for value in made if value is not None]
        return (_raw(made),)

    def document(self, value: Any) -> Any:
        if not isinstance(value, bytes):
            return plain_values(value, plain)
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:  # bytes of the user's own making: nothing to look up
            return None

    def place_of(self, error: BaseException) -> str:
        return place_in_user_code(error, self._target)


def _raw(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
