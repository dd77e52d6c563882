"""DeepStream's broker options: adapter library, connection string and adapter configuration file -> an output of ours.

Connection strings are separated by semicolons: ``host;port[;topic]`` for Kafka, ``host;port[;user[;password]]`` for AMQP,
``host;port[;topic]`` for Redis and MQTT (NVIDIA's element takes what stands behind the last semicolon as the topic).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from countline.compat.deepstream.files.keygroups import Group, parse_groups, read_text
from countline.compat.deepstream.files.kinds import refuse_other
from countline.config.secret_places import text_secrets
from countline.config.yaml_reader import MOST_BYTES
from countline.errors import ConfigError
from countline.redaction import during, redact
from countline.secret_forms import SECRET_NAME, uri_secrets

__all__ = ["BrokerOutput", "kind_of", "output", "parse_conn_str"]

_IGNORED = {
    "share-connection": "there is one connection for each output",
    "consumer-proto-cfg": "countline only produces",
    "consumer-group-id": "countline only produces",
    "consumergroup": "countline only produces",
    "consumername": "countline only produces",
    "amqp-framesize": "agreed with the server",
    "flush-timeout": "undelivered messages stay in the outbox",
    "loop-timeout": "the client has its own thread",
    "set-threaded": "the client has its own thread",
}


@dataclass
class BrokerOutput:
    """An output as configuration data."""

    kind: str
    """kafka, amqp, redis or mqtt."""
    options: dict[str, Any]
    """Fields of that output's configuration."""
    partition_key: str | None = None
    """Dotted path into the message whose content is the record key; None: not said."""
    notes: list[str] = field(default_factory=list)
    """What was passed over, a sentence each."""

    def as_config(self) -> dict[str, Any]:
        """What stands in the list ``outputs`` of a configuration."""
        return {self.kind: dict(self.options)}


def kind_of(proto_lib: str) -> str:
    """Kind of output for an adapter library, by its file name; the file need not exist. Raises ConfigError for Azure and
    for unknown libraries."""
    name = Path(proto_lib).name
    for kind in ("kafka", "amqp", "redis", "mqtt"):
        if f"nvds_{kind}" in name:
            return kind
    if "azure" in name:
        raise ConfigError(
            "there is no output for Azure IoT's device protocol",
            where=f"--proto-lib {name}",
            fix="use MQTT (libnvds_mqtt_proto.so), or an Event Hub by its Kafka endpoint (libnvds_kafka_proto.so)",
        )
    raise ConfigError(
        "the name of the library tells no protocol",
        where=f"--proto-lib {name}",
        fix="give libnvds_kafka_proto.so, libnvds_amqp_proto.so, libnvds_redis_proto.so or libnvds_mqtt_proto.so",
    )


_GRAMMAR = {
    "kafka": ("host;port;topic", 3),
    "amqp": ("host;port;user;password", 4),
    "redis": ("host;port;topic", 3),
    "mqtt": ("host;port;topic", 3),
}


def parse_conn_str(kind: str, text: str) -> list[str]:
    """Parts of a connection string: host, port, and what may follow. Raises ConfigError for a string that is not written
    so; the most common mistake, ``host:port``, is named."""
    where = f"--conn-str {text!r}" if kind != "amqp" else "--conn-str"  # may hold a password
    form, most = _GRAMMAR[kind]
    parts = [part.strip() for part in text.split(";")]
    if len(parts) == 1 or (parts[0].count(":") == 1 and parts[0].rpartition(":")[2].isdigit()):
        if ":" in parts[0]:
            host, _, port = parts[0].rpartition(":")
            right = ";".join([host, port, *parts[1:]])
            raise ConfigError("host and port are separated by a semicolon", where=where, fix=f'write "{right}"')
        raise ConfigError("the port is missing", where=where, fix=f'write "{form}", such as "localhost;9092"')
    if len(parts) > most:
        raise ConfigError(f"has {len(parts)} parts, not at most {most}", where=where, fix=f'write "{form}"')
    if not parts[0]:
        raise ConfigError("the host is empty", where=where, fix=f'write "{form}", such as "localhost;9092"')
    if not (parts[1].isascii() and parts[1].isdigit() and 1 <= int(parts[1]) <= 65535):
        raise ConfigError(f"{parts[1]!r} is not a port", where=where, fix="give a number from 1 to 65535")
    return parts


def output(
    proto_lib: str,
    conn_str: str | None = None,
    cfg_file: str | Path | None = None,
    topic: str | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> BrokerOutput:
    """The output that DeepStream's options ask for. ``topic`` wins over the connection string, that over the file; users
    and passwords in the environment (``USER_AMQP``, ``PASSWORD_AMQP``, ``PASSWORD_REDIS`` …) win over both. Raises
    ConfigError."""
    kind = kind_of(proto_lib)
    notes: list[str] = []
    with during(_secrets(kind, conn_str, cfg_file)):
        group = _message_broker(cfg_file, notes) if cfg_file is not None else None
        parts = parse_conn_str(kind, conn_str) if conn_str else []
        made = _MAKERS[kind](
            parts, _Reader(group, notes), topic or None, os.environ if environment is None else environment
        )
        return BrokerOutput(kind, made.options, made.partition_key, [redact(note) for note in notes])


def _secrets(kind: str, conn_str: str | None, cfg_file: str | Path | None) -> list[str]:
    """What no error may show: passwords in the connection string, and in the file, even where it cannot be read."""
    found = list(uri_secrets(conn_str or ""))
    parts = (conn_str or "").split(";")
    if kind == "amqp" and len(parts) > 2:
        found += [part.strip() for part in parts[3:] or parts[2:]]
    if cfg_file is not None:
        with suppress(OSError), open(cfg_file, encoding="utf-8", errors="replace") as file:
            found += text_secrets(file.read(MOST_BYTES))
    return found


def _message_broker(path: str | Path, notes: list[str]) -> Group | None:
    found = None
    text = read_text(path, "adapter configuration")
    refuse_other(text, str(path), "broker")
    for group in parse_groups(text, str(path)):
        if group.name == "message-broker":
            found = group
        else:
            notes.append(f"{group.place()}: only [message-broker] is read; this group is ignored")
    if found is None:
        notes.append(f"{path}: has no [message-broker]; nothing is taken from it")
    return found


class _Reader:
    """Takes keys out of a group and notes those that nobody asked for."""

    def __init__(self, group: Group | None, notes: list[str]) -> None:
        self.group = group
        self.notes = notes
        self._left = list(dict.fromkeys(group)) if group is not None else []

    def text(self, key: str) -> str | None:
        """A value without quotes; None where it is absent or empty."""
        if self.group is None or key not in self.group:
            return None
        self._left.remove(key)
        return self.group.quoted(key) or None

    def number(self, key: str) -> int | None:
        """A whole number, quotes allowed."""
        text = self.text(key)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            assert self.group is not None
            raise ConfigError(
                f"{text!r} is not a whole number", where=self.group.place(key), fix="write digits only"
            ) from None

    def pairs(self, key: str) -> dict[str, str]:
        """``"k=v;k=v"``."""
        text = self.text(key)
        result: dict[str, str] = {}
        for part in (text or "").split(";"):
            name, equals, value = part.partition("=")
            if not part.strip():
                continue
            if not equals or not name.strip():
                assert self.group is not None
                shown = "a part of it" if SECRET_NAME.search(text or "") else repr(part.strip())
                raise ConfigError(
                    f"{shown} is not an option with its value",
                    where=self.group.place(key),
                    fix=f'write {key}="acks=all;linger.ms=5"',
                )
            result[name.strip()] = value.strip()
        return result

    def finish(self) -> None:
        """Note what is left."""
        for key in self._left:
            assert self.group is not None
            reason = _IGNORED.get(key, "unknown here")
            self.notes.append(f"{self.group.place(key)}: ignored ({reason})")


@dataclass
class _Made:
    options: dict[str, Any]
    partition_key: str | None = None


def _no_address() -> ConfigError:
    return ConfigError(
        "no broker is named", where="--conn-str", fix='give --conn-str="host;port", such as "localhost;9092;topic"'
    )


def _no_topic(where: str) -> ConfigError:
    return ConfigError(
        "no topic is named", where=where, fix='give --topic NAME, or a third part: --conn-str="host;port;topic"'
    )


def _kafka(parts: list[str], file: _Reader, topic: str | None, env: Mapping[str, str]) -> _Made:
    options = {**file.pairs("proto-cfg"), **file.pairs("producer-proto-cfg")}
    partition_key, chosen = file.text("partition-key"), _topic(parts, file, topic)
    file.finish()
    servers = options.pop("bootstrap.servers", None) or options.pop("metadata.broker.list", None)
    options.pop("metadata.broker.list", None)
    if parts:
        host = f"[{parts[0]}]" if ":" in parts[0] and not parts[0].startswith("[") else parts[0]
        named = f"{host}:{parts[1]}"
        if servers and servers != named:
            file.notes.append(f"the brokers of the configuration file ({servers}) win over --conn-str ({named})")
        servers = servers or named
    if not servers:
        raise _no_address()
    if not chosen:
        raise _no_topic("--conn-str")
    made: dict[str, Any] = {"bootstrap": servers, "topic": chosen}
    if "partitioner" not in options:
        made["partitioner"] = "consistent_random"  # what NVIDIA's adapter has: a key stays in its partition
    if options:
        made["options"] = options
    return _Made(made, partition_key)


def _address(parts: list[str], file: _Reader, default: int) -> dict[str, Any]:
    host, port = file.text("hostname"), file.number("port")
    if parts:
        return {"host": parts[0], "port": int(parts[1])}
    if host is None:
        raise _no_address()
    return {"host": host, "port": default if port is None else port}


def _login(
    made: dict[str, Any], file: _Reader, env: Mapping[str, str], name: str, credentials: Sequence[str] = ()
) -> None:
    """User and password: of the environment, else ``credentials`` in the connection string, else of the file."""
    for key, own in zip(("username", "password"), (*credentials, "", "")):
        of_file = file.text(key)
        value = env.get(f"{'USER' if key == 'username' else 'PASSWORD'}_{name}") or own or of_file
        if value:
            made[key] = value


def _topic(parts: list[str], file: _Reader, topic: str | None) -> str | None:
    """``topic``, else the connection string's, else the file's."""
    of_file = file.text("topic")
    return topic or (parts[2] if len(parts) > 2 and parts[2] else None) or of_file


def _amqp(parts: list[str], file: _Reader, topic: str | None, env: Mapping[str, str]) -> _Made:
    made = _address(parts, file, 5672)
    _login(made, file, env, "AMQP", parts[2:])
    made["exchange"] = file.text("exchange") or "amq.topic"
    made["topic"] = topic or file.text("topic") or "deepstream_topic"
    heartbeat = file.number("amqp-heartbeat")
    if heartbeat is not None:
        made["heartbeat"] = heartbeat
    partition_key = file.text("partition-key")
    file.finish()
    return _Made(made, partition_key)


def _redis(parts: list[str], file: _Reader, topic: str | None, env: Mapping[str, str]) -> _Made:
    made = _address(parts, file, 6379)
    _login(made, file, env, "REDIS")
    stream = _topic(parts, file, topic)
    if not stream:
        raise _no_topic("--topic")
    made["topic"] = stream
    made["value_field"] = file.text("payloadkey") or "metadata"
    length = file.number("streamsize")
    if length:
        made["maxlen"] = length
    partition_key = file.text("partition-key")
    file.finish()
    return _Made(made, partition_key)


def _mqtt(parts: list[str], file: _Reader, topic: str | None, env: Mapping[str, str]) -> _Made:
    made = _address(parts, file, 1883)
    _login(made, file, env, "MQTT")
    chosen = _topic(parts, file, topic)
    if not chosen:
        raise _no_topic("--topic")
    made["topic"] = chosen
    client = file.text("client-id")
    if client:
        made["client_id"] = client
    keep_alive = file.number("keep-alive")
    if keep_alive is not None:
        made["keepalive"] = keep_alive
    secure = file.text("enable-tls") in ("1", "true")
    tls = {ours: file.text(theirs) for theirs, ours in _TLS.items()}
    folder = file.text("tls-capath")
    if folder is not None:
        file.notes.append("tls-capath: a folder of certificates is not read; give one file as tls-cafile")
    if secure:
        made["tls"] = {key: value for key, value in tls.items() if value} or True
    partition_key = file.text("partition-key")
    file.finish()
    return _Made(made, partition_key)


_TLS = {"tls-cafile": "ca", "tls-certfile": "cert", "tls-keyfile": "key"}

_MAKERS: dict[str, Callable[[list[str], _Reader, str | None, Mapping[str, str]], _Made]] = {
    "kafka": _kafka,
    "amqp": _amqp,
    "redis": _redis,
    "mqtt": _mqtt,
}
