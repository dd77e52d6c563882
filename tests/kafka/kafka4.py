"""Apache Kafka 4 (KRaft) on loopback: assembled with Maven, started as a process of its own, ended by its own id."""

from __future__ import annotations

import base64
import contextlib
import datetime
import ipaddress
import os
import shutil
import socket
import subprocess
import time
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import fetching
from ports import free_port
from shared_classes import QUICK, SharedClasses

ROOT = Path(__file__).resolve().parents[2]
CLASSES = SharedClasses(ROOT / ".cache" / "kafka")
JARS = CLASSES.jars
PASSWORD = "s3cret-of-alice"  # of a broker that lives for a minute on loopback

PROTOCOLS = {"TLS": "SSL", "MTLS": "SSL", "SASL": "SASL_SSL", "OAUTH": "SASL_SSL"}

LOG4J = """
status = error
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %m%n
"""


def missing() -> str:
    """Why there can be no Apache Kafka here; '' if there can."""
    if os.environ.get("COUNTLINE_SKIP_KAFKA4"):
        return "COUNTLINE_SKIP_KAFKA4 is set"
    if shutil.which("java") is None:
        return "Apache Kafka 4 needs Java 17, which is not installed"
    with fetching.alone():
        return "" if any(JARS.glob("kafka_2.13-*.jar")) else _assemble()


def _assemble() -> str:
    if shutil.which("mvn") is None:
        return "Apache Kafka 4 is assembled with Maven, which is not installed"
    command = ["mvn", "-B", "-q", "-f", str(ROOT / "kafka" / "pom.xml"), "package"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return f"Maven could not fetch Apache Kafka: {(made.stdout + made.stderr)[-300:]}" if made.returncode else ""


def certificates(folder: Path) -> None:
    """An authority, a broker's certificate for 127.0.0.1 and localhost, a client's, and a second authority that nobody trusts."""

    def key(name: str) -> ec.EllipticCurvePrivateKey:
        made = ec.generate_private_key(ec.SECP256R1())
        plain = serialization.NoEncryption()
        pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        (folder / f"{name}.key").write_bytes(pem)
        locked = serialization.BestAvailableEncryption(b"key-pa55word")
        pem = made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
        (folder / f"{name}.locked.key").write_bytes(pem)
        return made

    def sign(name: str, issuer: str, own: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, ca: bool) -> None:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if not ca:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        (folder / f"{name}.crt").write_bytes(pem)

    for authority in ("ca", "other-ca"):
        ca_key = key(authority)
        sign(authority, authority, ca_key, ca_key, True)
        if authority == "ca":
            for name in ("broker", "client"):
                own = key(name)
                sign(name, "ca", own, ca_key, False)
    chain = (folder / "broker.key").read_bytes() + (folder / "broker.crt").read_bytes()
    (folder / "broker.pem").write_bytes(chain)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


class Kafka4:
    """One broker with the listeners PLAIN, TLS, MTLS, SASL (over TLS; alice, by SCRAM and PLAIN) and OAUTH (over TLS; whoever an
    unsigned token names). Who comes by PLAIN may do all; alice, what no rule forbids her."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("PLAIN", "TLS", "MTLS", "SASL", "OAUTH", "PROXIED", "CONTROLLER")}
        self.proxy_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        certificates(folder)
        self._configure()

    def bootstrap(self, listener: str = "PLAIN") -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _configure(self) -> None:
        data = self.folder / "data"
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self.ports.items())
        told = {**self.ports, "PROXIED": self.proxy_port}
        advertised = ",".join(f"{n}://127.0.0.1:{p}" for n, p in told.items() if n != "CONTROLLER")
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        plain = (
            "org.apache.kafka.common.security.plain.PlainLoginModule required "
            f'username="admin" password="admin" user_admin="admin" user_alice="{PASSWORD}";'
        )
        # Without handlers of its own, Kafka takes unsigned tokens and believes their subject.
        oauth = (
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
            'unsecuredLoginStringClaim_sub="admin";'
        )
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self.ports['CONTROLLER']}",
            "listeners": listeners,
            "advertised.listeners": advertised,
            "listener.security.protocol.map": ",".join(
                f"{name}:{PROTOCOLS.get(name, 'PLAINTEXT')}" for name in self.ports
            ),
            "inter.broker.listener.name": "PLAIN",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(data),
            "num.partitions": "3",
            # Threads and memory for one client at a time.
            "num.network.threads": "1",
            "num.io.threads": "2",
            "log.cleaner.dedupe.buffer.size": "2097152",
            "metadata.max.idle.interval.ms": "0",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.consumer.min.session.timeout.ms": "3000",
            "group.consumer.session.timeout.ms": "4000",
            "group.consumer.min.heartbeat.interval.ms": "300",
            "group.consumer.heartbeat.interval.ms": "500",
            "initial.broker.registration.timeout.ms": "30000",
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.folder / "broker.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.folder / "ca.crt"),
            "listener.name.mtls.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512,PLAIN",
            "listener.name.sasl.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.sasl.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.sasl.plain.sasl.jaas.config": plain,
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": oauth,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "super.users": "User:ANONYMOUS;User:operator",
        }
        text = "\n".join(f"{name}={value}" for name, value in settings.items())
        (self.folder / "server.properties").write_text(text + "\n")
        (self.folder / "log4j2.properties").write_text(LOG4J.format(log=self.folder / "broker.log"))
        self._format()

    def _format(self) -> None:
        """Data of a cluster that never ran, and a copy of them for :meth:`wipe`."""
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        users = [f"{m}=[name=alice,password={PASSWORD}]" for m in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
        arguments = ["format", "-t", cluster, "-c", str(self.folder / "server.properties")]
        for user in users:
            arguments += ["--add-scram", user]
        made = subprocess.run(self._java("kafka.tools.StorageTool", *arguments), capture_output=True, text=True)
        assert made.returncode == 0, made.stdout + made.stderr
        shutil.copytree(self.folder / "data", self.folder / "never-ran")

    def _java(self, *words: str) -> list[str]:
        flags = ["-Xms128m", "-Xmx512m", *QUICK, "-Djava.awt.headless=true"]
        flags += CLASSES.flags(self.folder, write=words[0] == "kafka.Kafka")
        log = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return ["java", *flags, log, "-cp", f"{JARS}/*", *words]

    def start(self) -> None:
        """Returns when it answers; with all that it had when it was stopped or killed."""
        if self._process is not None and self._process.poll() is None:
            return
        with open(self.folder / "stdout.log", "ab") as out:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self.folder / "server.properties")),
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while True:
            assert self._process.poll() is None, (self.folder / "stdout.log").read_text()[-2000:]
            with contextlib.suppress(KafkaException):
                if _listens(self.ports["PLAIN"]) and self._admin().list_topics(timeout=2).brokers:
                    return
            assert time.monotonic() < deadline, "Apache Kafka does not answer"
            time.sleep(0.05)

    def _admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.bootstrap(), "log_level": 0})

    def stop(self) -> None:
        """An orderly end."""
        self._end("terminate")
        CLASSES.keep(self.folder)

    def kill(self) -> None:
        """SIGKILL."""
        self._end("kill")

    def wipe(self) -> None:
        """SIGKILL, and back with nothing of what it had, as a container without a volume: under the same id of the cluster."""
        self.kill()
        shutil.rmtree(self.folder / "data")
        shutil.copytree(self.folder / "never-ran", self.folder / "data")
        self.start()

    def _end(self, how: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            getattr(process, how)()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
