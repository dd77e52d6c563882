"""What ``countline worker`` does."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from countline.cluster.sink import STATE
from countline.cluster.topics import Names
from countline.commands import logs
from countline.commands.cluster_setup import broker, configuration_of, names_of
from countline.commands.metrics_option import listening_at
from countline.commands.web import refuse_web
from countline.commands.worker_group import GroupWorker, Setup
from countline.config import Config
from countline.errors import ConfigError
from countline.observe.systemd import Notifier
from countline.outputs.kafka.config import Config as KafkaConfig
from countline.pipeline import build
from countline.pipeline.roles import refuse_collisions
from countline.pipeline.signals import ended_at_once, finishing

__all__ = ["setup_of", "slots_output", "worker_command"]


def worker_command(options: Mapping[str, Any]) -> int:
    """Join the group and work until a signal. Returns the exit code."""
    logs.configure(as_json=options["as_json"], quiet=options["quiet"], verbose=options["verbose"])
    worker = GroupWorker(setup_of(options))
    notifier = Notifier(worker.health)

    def stop() -> None:
        notifier.stopping()
        worker.stop()

    with finishing(stop, lambda: ended_at_once(worker.delivery.outbox.durable)):
        try:
            return worker.execute()
        finally:
            notifier.close()


def setup_of(options: Mapping[str, Any], detector: Any = None, messages: Any = ()) -> Setup:
    """What the options ask for. Raises ConfigError."""
    path: Path = options["config"]
    config = configuration_of(path)
    refuse_web(config, f"{path} [web]", "remove it; `countline run` has a page, and `metrics:` shows workers")
    if options["outbox"]:
        config = config.model_copy(update={"outbox": config.outbox.model_copy(update={"path": options["outbox"]})})
    config = listening_at(config, options.get("metrics"))
    names, kafka_options = names_of(options), broker(options, config)
    state = build.state_path(config, path, None)
    refuse_collisions(config, path, state)
    return Setup(
        config=config,
        options=kafka_options,
        slots=slots_output(config, kafka_options, names),
        group=options["group"],
        names=names,
        state=state,
        name=options["name"] or f"{socket.gethostname()}-{os.getpid()}",
        lease=options["lease"],
        transactions=_transactional(config, kafka_options) if options["fencing"] == "transactions" else None,
        messages=messages,
        detector=detector,
        partitions=options["partitions"],
        classic=options["classic"],
    )


def _transactional(config: Config, options: Mapping[str, Any]) -> KafkaConfig:
    """The output whose messages are in transactions. Raises ConfigError."""
    own = [o for o in config.outputs if isinstance(o, KafkaConfig)]
    if len(own) != 1:
        raise ConfigError(
            f"transactions are of one Kafka output, and there are {len(own)}",
            where="--fencing",
            fix="leave one Kafka output in the configuration, or use --fencing epochs",
        )
    servers = {server.strip() for server in str(options["bootstrap.servers"]).split(",")}
    if not servers & set(own[0].bootstrap):
        raise ConfigError(
            f"the group meets at {', '.join(sorted(servers))}, and messages go to {', '.join(own[0].bootstrap)}: a transaction is of one "
            "cluster",
            where="--fencing",
            fix="let the group meet where the messages go, or use --fencing epochs",
        )
    if str(own[0].acks) != "all":
        raise ConfigError("transactions need acks: all", where=f"output '{own[0].name}'", fix="leave acks out")
    return own[0]


def slots_output(config: Config, options: Mapping[str, Any], names: Names) -> KafkaConfig:
    """The output that carries slots: as the configuration's Kafka output reaches its broker, or by ``--kafka`` and ``-X`` alone."""
    own = [o for o in config.outputs if isinstance(o, KafkaConfig)]
    if own:
        base = KafkaConfig(bootstrap=own[0].bootstrap, topic=names.state, tls=own[0].tls, sasl=own[0].sasl)
        known = set(_client(own[0]))
    else:
        base, known = KafkaConfig(bootstrap=options["bootstrap.servers"], topic=names.state), set()
    more = {k: v for k, v in options.items() if k not in known and k != "bootstrap.servers"}
    servers = [server.strip() for server in str(options["bootstrap.servers"]).split(",")]
    return base.model_copy(update={"name": STATE, "bootstrap": servers, "options": more})


def _client(config: KafkaConfig) -> dict[str, Any]:
    from countline.outputs.kafka.settings import client

    return client(config)
